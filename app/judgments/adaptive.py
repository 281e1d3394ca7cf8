"""Adaptive overlap on a campaign's items: what the newest rater models make of one, and what follows from it."""

import statistics
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.agreement import adaptive
from app.agreement.fitted import posterior_of
from app.agreement.tallies import QUESTIONS
from app.campaigns.models import Policy
from app.campaigns.parameters import Parameters, parameters_of
from app.items.models import Item, Status
from app.judgments import decisions
from app.judgments.fresh import fresh_annotators
from app.judgments.tally_models import RaterModelFit

FEWEST_JUDGMENTS: Final = 100
"""A model of fewer judgments knows too little of anybody: until then the prior fit decides."""
MODELS_KEPT: Final = 32


@dataclass(frozen=True, eq=False)
class Models:
    """A campaign's newest models. `fits` {question: a document of `agreement.fitted`}, `ids` {question: the fit's id};
    questions without a model are in neither. `median_judgments` is how many the pool's median member has given."""

    fits: Mapping[str, Mapping[str, Any]]
    ids: Mapping[str, str]
    median_judgments: float

    def fit_of(self, question: str) -> Mapping[str, Any]:
        return self.fits.get(question, adaptive.PRIOR_FIT)

    def name_of(self, question: str) -> str:
        return self.ids.get(question, adaptive.PRIOR)


class Look(NamedTuple):
    """What the rule makes of an item now, with all that is needed to work it out again."""

    verdict: adaptive.Verdict
    posteriors: dict[str, float]
    threshold: float
    visits: int
    cap: int
    models: dict[str, str]
    counted: decisions.Counted

    def as_json(self) -> dict[str, Any]:
        tallies = self.counted.tallies
        return {
            "tallies": tallies,
            "majorities": {
                question: next((answer for answer, n in tally.items() if 2 * n > sum(tally.values())), None)
                for question, tally in tallies.items()
            },
            "posteriors": self.posteriors,
            "threshold": self.threshold,
            "visits": self.visits,
            "cap": self.cap,
            "models": self.models,
            "open_questions": list(self.verdict.open_questions),
            "judgments": [str(id_) for id_ in self.counted.judgments],
        }


def newest_models(session: Session, campaign_id: uuid.UUID) -> Models:
    """Read once a process: a fit never changes, so its id is all that has to be asked for."""
    rows = session.execute(
        _NEWEST, {"campaign": campaign_id, "questions": list(QUESTIONS), "fewest": FEWEST_JUDGMENTS}
    ).all()
    ids = tuple(row.id for row in rows)
    with _lock:
        found = _models.get(ids)
    if found is None:
        found = _read(session, ids)
        with _lock:
            _models[ids] = found
            if len(_models) > MODELS_KEPT:
                del _models[next(iter(_models))]
    return found


def _read(session: Session, ids: tuple[uuid.UUID, ...]) -> Models:
    fits = session.exec(select(RaterModelFit).where(col(RaterModelFit.id).in_(ids))).all() if ids else []
    given: dict[str, int] = {}
    for fit in fits:
        for rater, of_rater in fit.fit["raters"].items():
            given[rater] = max(given.get(rater, 0), of_rater["n"])
    return Models(
        {fit.question: fit.fit for fit in fits},
        {fit.question: str(fit.id) for fit in fits},
        statistics.median(given.values()) if given else 0,
    )


def threshold_of(parameters: Parameters, models: Models) -> float:
    is_raised = models.median_judgments >= parameters.raised_from
    return parameters.raised_threshold if is_raised else parameters.threshold


def look_at(session: Session, item: Item, policy: Policy, *, threshold: float | None = None) -> Look:
    """What the rule makes of the judgments an item, locked by the caller, has; nothing changes.

    `threshold` is for an item that was decided under an earlier one.
    """
    models = newest_models(session, item.campaign_id)
    votes = decisions.counted(session, item)
    threshold = threshold or threshold_of(parameters_of(policy), models)
    posteriors = {question: posterior_of(given, models.fit_of(question)) for question, given in votes.given.items()}
    visits = len(votes.judgments)
    verdict = adaptive.decide(
        posteriors,
        {question: len(given) for question, given in votes.given.items()},
        visits=visits, cap=policy.overlap, threshold=threshold,
    )  # fmt: skip
    if verdict.outcome == "continue" and not is_anybody_left(session, item, votes):
        verdict = verdict._replace(outcome="disputed")
    names = {question: models.name_of(question) for question in posteriors}
    return Look(verdict, posteriors, threshold, visits, policy.overlap, names, votes)


def is_anybody_left(session: Session, item: Item, votes: decisions.Counted) -> bool:
    """An item that was sent back must come to an end though nobody is left to ask: while it waits nobody can settle it.
    One that is judged for the first time waits until more people join."""
    return not votes.before or fresh_annotators(session, [item.id])[item.id] > 0


def apply(session: Session, item: Item, policy: Policy) -> int | None:
    """Decides an item, locked by the caller, that has all the judgments it wants, or asks for one more.

    The id of the decision; None where it goes on.
    """
    look = look_at(session, item, policy)
    if look.verdict.outcome == "continue":
        ask_again(session, item, policy, look)
        return None
    return decide(session, item, policy, look)


def decide(session: Session, item: Item, policy: Policy, look: Look) -> int:
    assert policy.id is not None
    return decisions.keep_rule(
        session, item, policy.id, Status(look.verdict.outcome),
        rule=look.verdict.rule, posterior=look.verdict.smallest, detail=look.as_json(),
    )  # fmt: skip


def ask_again(session: Session, item: Item, policy: Policy, look: Look) -> None:
    """One more visit, to the open questions alone where the policy says so."""
    item.wanted += 1
    item.open_questions = list(look.verdict.open_questions) if parameters_of(policy).open_questions_only else None
    session.add(item)
    session.flush()


_lock = threading.Lock()
_models: dict[tuple[uuid.UUID, ...], Models] = {}

_NEWEST = sa.text(
    """
    SELECT newest.id FROM unnest(CAST(:questions AS text[])) AS asked (question)
    CROSS JOIN LATERAL (
        SELECT id, reason, n_judgments FROM rater_model_fit
        WHERE campaign_id = :campaign AND question = asked.question ORDER BY created_at DESC LIMIT 1
    ) AS newest
    WHERE newest.reason IS NULL AND newest.n_judgments >= :fewest
    ORDER BY newest.id
    """
)
