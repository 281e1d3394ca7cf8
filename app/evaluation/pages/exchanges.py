"""A run's answers one by one, for those who want to see them: what was asked, what was said, what it is worth."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col

from app.errors import Invalid
from app.evaluation.metrics.answers import Answer, Scored, score, sf_references
from app.evaluation.models import Prediction, Run
from app.evaluation.plan import Asked
from app.evaluation.replies import State
from app.evaluation.scoring import OVER, SCORER, asked_of, asked_with_answers
from app.items.models import Subtask
from app.storage import Storage

PAGE_SIZE = 30
MAX_SHOWN_TEXT = 2000
"""Characters of a reply that a page shows; the downloads have all of it."""


class Exchange(NamedTuple):
    """One question that had its turn, and what came of it. `scored` is None for what is no answer."""

    asked: Asked
    answer: Answer
    scored: Scored | None

    @property
    def turned(self) -> bool:
        """Whether the country went over to the background's, away from what the model says of the dish alone."""
        scored = self.scored
        return scored is not None and scored.drift == "country" and scored.country == self.answer.background


OUTCOMES: Mapping[str, tuple[str, Callable[[Scored], bool]]] = {
    "country_right": ("Country right", lambda one: one.country_correct),
    "country_wrong": ("Country wrong", lambda one: not one.country_correct),
    "name_right": ("Name right", lambda one: one.name_correct),
    "name_wrong": ("Name wrong", lambda one: not one.name_correct),
    "kept": ("As the dish alone", lambda one: one.is_retained),
    "drift_country": ("Drifted to a distractor’s country", lambda one: one.drift == "country"),
    "drift_continent": ("Drifted to a distractor’s continent", lambda one: one.drift == "continent"),
}
"""What a list of answers can be narrowed to: the word in an address, what people read, the test."""


class Filters(NamedTuple):
    """Empty is no filter."""

    state: str = ""
    outcome: str = ""
    subtask: str = ""


class Page(NamedTuple):
    """`texts`: each reply by item and slot, cut to MAX_SHOWN_TEXT, or the error. `next`: where the next page starts."""

    exchanges: list[Exchange]
    texts: Mapping[tuple[uuid.UUID, int], str]
    total: int
    next: int | None


class Example(NamedTuple):
    """An answer that the background turned, beside the one about the same dish alone."""

    turned: Exchange
    alone: Exchange


def exchanges_of(session: Session, storage: Storage, run: Run) -> list[Exchange]:
    """Every question that had its turn, in the order of the plan. Those of a run that is over are kept at hand."""
    key = (run.id, run.finished_at, SCORER)
    found = _kept.get(key)
    if found is None:
        pairs = asked_with_answers(session, run, asked_of(session, storage, run))
        references = sf_references(answer for _, answer in pairs)
        found = [
            Exchange(one, answer, score(answer, references) if answer.state is State.OK else None)
            for one, answer in pairs
        ]
        if run.status in OVER:
            if len(_kept) >= _MOST:
                _kept.clear()
            _kept[key] = found
    return found


_kept: dict[Any, list[Exchange]] = {}
_MOST = 2


def page(session: Session, run: Run, found: Sequence[Exchange], filters: Filters, start: int) -> Page:
    """Raises Invalid for a filter that can't be meant."""
    state, outcome, subtask = filters
    if state and state not in list(State):
        raise Invalid(f"“{state[:40]}” is no state of an answer; choose {', '.join(State)}.")
    if outcome and outcome not in OUTCOMES:
        raise Invalid(f"“{outcome[:40]}” is no outcome; choose {', '.join(OUTCOMES)}.")
    if subtask and subtask not in list(Subtask):
        raise Invalid(f"“{subtask[:40]}” is no subtask; choose {', '.join(Subtask)}.")
    chosen = [
        one
        for one in found
        if (not state or one.answer.state == state)
        and (not subtask or one.answer.subtask == subtask)
        and (not outcome or (one.scored is not None and OUTCOMES[outcome][1](one.scored)))
    ]
    shown = chosen[start : start + PAGE_SIZE]
    end = start + PAGE_SIZE
    return Page(shown, texts_of(session, run, shown), len(chosen), end if end < len(chosen) else None)


def texts_of(session: Session, run: Run, shown: Sequence[Exchange]) -> dict[tuple[uuid.UUID, int], str]:
    """What was replied to these questions, cut to MAX_SHOWN_TEXT; in its place the error where nothing came."""
    text = sa.func.left(sa.func.coalesce(col(Prediction.raw_text), col(Prediction.error), ""), MAX_SHOWN_TEXT)
    ids = {one.asked.item.item_id for one in shown}
    rows = session.execute(
        sa.select(col(Prediction.item_id), col(Prediction.slot), text)
        .where(col(Prediction.run_id) == run.id, col(Prediction.item_id).in_(ids), col(Prediction.repeat) == 0)
    )  # fmt: skip
    return {(item_id, slot): said for item_id, slot, said in rows}


def turned_examples(found: Sequence[Exchange]) -> list[Example]:
    """Answers about a first food that went over to the background's country, one a dish, those first whose answer about
    the dish alone was right."""
    alone: dict[str, Exchange] = {}
    for one in found:
        if one.answer.subtask == Subtask.SF and one.scored is not None and one.scored.country is not None:
            alone.setdefault(one.answer.dish, one)
    by_dish: dict[str, Example] = {}
    for one in found:
        if one.turned and one.answer.slot == 1 and (reference := alone.get(one.answer.dish)) is not None:
            by_dish.setdefault(one.answer.dish, Example(one, reference))
    return sorted(by_dish.values(), key=lambda one: not (one.alone.scored and one.alone.scored.country_correct))


def headlines(session: Session, run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, float | None]:
    """The share of countries right, averaged over a run's subtasks, of the runs whose figures are known."""
    rows = session.execute(_HEADLINES, {"runs": list(run_ids), "scorer": SCORER})
    return {row.run_id: row.share for row in rows}


_HEADLINES = sa.text(
    """
    SELECT run_id, (
        SELECT avg((value -> 'country_accuracy' ->> 'value')::float) FROM jsonb_each(document -> 'subtasks')
    ) AS share
    FROM run_score WHERE run_id = ANY(:runs) AND scorer = :scorer
    """
)
