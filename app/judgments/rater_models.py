"""Dawid and Skene's rater model of a campaign, a question at a time: fitted to every counted vote, and kept."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from psycopg import Connection
from sqlmodel import Session

from app.agreement.answers import Answers
from app.agreement.dawid_skene import PSEUDO_JUDGMENTS, RaterModel, fit
from app.agreement.fitted import as_document
from app.agreement.intervals import FloatArray
from app.agreement.patterns import IntArray
from app.agreement.rules import ANSWERS
from app.agreement.tallies import QUESTIONS
from app.judgments.tallies import up_to_date
from app.judgments.tally_models import RaterModelFit

METHOD = "dawid-skene"
CLASSES = (ANSWERS.index("yes"), ANSWERS.index("no"))
"""What can be true of a claim; "unsure" is an answer and never true."""
DIGITS = 6
"""Kept of a posterior."""

OUTSIDE_GOLD = "n_outside_gold"
"""In a fit: how many of its judgments are of items that aren't gold."""

_NONE = 255
_CODES = np.full(256, _NONE, dtype=np.uint8)
for _code, _answer in enumerate(ANSWERS):
    _CODES[ord(_answer[0])] = _code


@dataclass(frozen=True, eq=False)
class _Votes:
    """N counted judgments of I items by A raters. `answers` (N, questions) are codes of ANSWERS, or _NONE where the
    question isn't asked; `known` (I, questions) are places in CLASSES, or -1 where the answer isn't known. `is_gold`
    (I,): an admin chose it to have a known answer."""

    items: tuple[str, ...]
    raters: tuple[str, ...]
    item: IntArray
    rater: IntArray
    answers: npt.NDArray[np.uint8]
    known: IntArray
    is_gold: npt.NDArray[np.bool_]


def fit_models(session: Session, campaign_id: uuid.UUID) -> dict[str, RaterModelFit]:
    """Fits each question's model anew and replaces the campaign's posteriors; {question: its fit}.

    Every counted judgment takes part. Gold items are clamped to their answers, teach what raters do, and have no say
    in how common a true claim is. A question without a model keeps the reason: `no_overlap` (no item has two judgments
    and none has a known answer) or `no_variation` (nobody answered yes, or nobody no). Nothing is decided here.
    """
    version = up_to_date(session, campaign_id)
    session.execute(_ONE_AT_A_TIME, {"campaign": str(campaign_id)})
    votes = _votes(session, campaign_id)
    fits: dict[str, RaterModelFit] = {}
    truth: dict[str, FloatArray] = {}
    for place, question in enumerate(QUESTIONS):
        answers = _answers(votes, place)
        if not len(answers.item):
            continue
        known = votes.known[:, place]
        asked = np.bincount(answers.item, minlength=len(votes.items)) > 0
        reason = _why_not(answers, known)
        model = None if reason else _fit(answers, known, votes.is_gold)
        if model is not None:
            truth[question] = np.where(asked, model.posterior[:, 0], np.nan)
        fits[question] = RaterModelFit(
            campaign_id=campaign_id,
            question=question,
            version=version,
            method=METHOD,
            n_items=int(asked.sum()),
            n_judgments=len(answers.item),
            n_raters=answers.n_raters,
            n_gold=int((asked & (known >= 0)).sum()),
            reason=reason,
            fit={OUTSIDE_GOLD: _outside_gold(answers, votes)} | (as_document(answers, model) if model else {}),
        )
    session.add_all(fits.values())
    session.flush()
    _keep_posteriors(session, campaign_id, votes.items, truth)
    return fits


def latest_models(session: Session, campaign_id: uuid.UUID) -> dict[str, RaterModelFit]:
    """{question: its newest fit}, questions in their order; of a question nobody was asked there is none."""
    found = {fit.question: fit for fit in session.scalars(_LATEST, {"campaign": campaign_id})}
    return {question: found[question] for question in QUESTIONS if question in found}


def stale(session: Session, campaign_id: uuid.UUID) -> int:
    """How many counted judgments came in since the last fit; all of them where there was none."""
    return freshness(session, campaign_id).new


class Freshness(NamedTuple):
    """Judgments since the last fit, and those it was made from; None where there was no fit. Gold items' are in
    neither."""

    new: int
    fitted: int | None


def freshness(session: Session, campaign_id: uuid.UUID) -> Freshness:
    """From a few rows of the counts, without looking at any vote."""
    version = up_to_date(session, campaign_id)
    scope = {"campaign": campaign_id, "question": QUESTIONS[0]}
    last = session.execute(_FITTED, scope).one_or_none()
    if last is not None and last.version == version:
        return Freshness(0, last.n)
    # Every item has the first question.
    counted = int(session.execute(_COUNTED, scope).scalar_one())
    return Freshness(max(0, counted - (last.n if last else 0)), last.n if last else None)


def _fit(answers: Answers, known: IntArray, is_gold: npt.NDArray[np.bool_]) -> RaterModel:
    return fit(answers, classes=CLASSES, gold=known, picked=is_gold & (known < 0), smoothing=PSEUDO_JUDGMENTS)


def _outside_gold(answers: Answers, votes: _Votes) -> int:
    return int((~votes.is_gold[answers.item]).sum())


def _why_not(answers: Answers, known: IntArray) -> str | None:
    if np.bincount(answers.item).max() < 2 and not (known[answers.item] >= 0).any():
        return "no_overlap"
    return None if np.isin(CLASSES, answers.category).all() else "no_variation"


def _answers(votes: _Votes, place: int) -> Answers:
    """One question's judgments, under the campaign's codes."""
    given = votes.answers[:, place]
    asked = given != _NONE
    return Answers(
        votes.item[asked], votes.rater[asked], given[asked].astype(np.int64), votes.items, votes.raters, ANSWERS
    )


def _votes(session: Session, campaign_id: uuid.UUID) -> _Votes:
    """Read as a few long strings: a campaign has a million judgments, and an object for each would take minutes."""
    rows = session.execute(_VOTES, {"campaign": campaign_id}).all()
    items, sizes, raters, letters, is_gold = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    names = ",".join(raters).split(",") if rows else []
    known_raters = tuple(sorted(set(names)))
    place = {name: code for code, name in enumerate(known_raters)}
    codes = _CODES[np.frombuffer("".join(letters).encode("ascii"), dtype=np.uint8)]
    return _Votes(
        items,
        known_raters,
        np.repeat(np.arange(len(items)), np.array(sizes, dtype=np.int64)),
        np.array([place[name] for name in names], dtype=np.int64),
        codes.reshape(-1, len(QUESTIONS)),
        _known(session, campaign_id, items),
        np.array(is_gold, dtype=np.bool_),
    )


def _known(session: Session, campaign_id: uuid.UUID, items: Sequence[str]) -> IntArray:
    known = np.full((len(items), len(QUESTIONS)), -1, dtype=np.int64)
    row_of = {item: row for row, item in enumerate(items)}
    classes = [ANSWERS[code] for code in CLASSES]
    for item, question, answer in session.execute(_GOLD, {"campaign": campaign_id}):
        if item in row_of and question in QUESTIONS and answer in classes:
            known[row_of[item], QUESTIONS.index(question)] = classes.index(answer)
    return known


def _keep_posteriors(
    session: Session, campaign_id: uuid.UUID, items: Sequence[str], truth: dict[str, FloatArray]
) -> None:
    """A row for each item with a claim that has a model, through one COPY."""
    session.execute(_FORGET, {"campaign": campaign_id})
    if not truth:
        return
    columns = np.stack(list(truth.values()), axis=1)
    every = np.nanprod(columns, axis=1)
    doubt = np.minimum(every, 1 - every)
    names = [json.dumps(question) for question in truth]
    lines: list[str] = []
    for item, values, doubtful in zip(items, columns.round(DIGITS).tolist(), doubt.tolist(), strict=True):
        # A number that isn't equal to itself is none: the item has no such claim.
        claims = [f"{name}: {value}" for name, value in zip(names, values, strict=True) if value == value]
        if claims:
            lines.append(f"{item}\t{campaign_id}\t{{{', '.join(claims)}}}\t{doubtful}\n")
    connection: Any = session.connection().connection.driver_connection
    assert isinstance(connection, Connection)
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write("".join(lines))


_ONE_AT_A_TIME = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('rater models ' || :campaign, 0))")

_VOTES = sa.text(
    """
    SELECT item_id::text, cardinality(raters), array_to_string(raters, ','), array_to_string(answers, ''), is_gold
    FROM counted_votes WHERE campaign_id = :campaign ORDER BY item_id
    """
)

_GOLD = sa.text(
    """
    SELECT item_id::text, question, answer FROM gold JOIN item ON item.id = gold.item_id
    WHERE item.campaign_id = :campaign AND withdrawn_at IS NULL
    """
)

_FORGET = sa.text("DELETE FROM item_posterior WHERE campaign_id = :campaign")

_COPY = "COPY item_posterior (item_id, campaign_id, claims, doubt) FROM STDIN"

_LATEST = sa.select(RaterModelFit).from_statement(
    sa.text(
        "SELECT DISTINCT ON (question) * FROM rater_model_fit WHERE campaign_id = :campaign "
        "ORDER BY question, created_at DESC"
    )
)

_FITTED = sa.text(
    f"""
    SELECT version, CAST(fit ->> '{OUTSIDE_GOLD}' AS integer) AS n FROM rater_model_fit
    WHERE campaign_id = :campaign AND question = :question ORDER BY created_at DESC LIMIT 1
    """  # noqa: S608  (the name is from here)
)

_COUNTED = sa.text(
    """
    SELECT coalesce(sum(n_items), 0) FROM rater_votes
    WHERE campaign_id = :campaign AND basis = 'all' AND kind = 'all' AND question = :question
    """
)
