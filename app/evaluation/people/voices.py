"""What models say of each item of a release: one voice a model, and what most of them agree on."""

import uuid
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, TypeVar

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.evaluation.metrics.answers import country_code
from app.evaluation.models import Run, RunStatus
from app.items.rows import folded
from app.releases.models import Release


class Voter(NamedTuple):
    """A finished run whose answers count: of each model and strategy the one that asked most, of equals the latest."""

    run_id: uuid.UUID
    model: str
    strategy: str
    is_imported: bool
    finished_at: datetime | None


class Majority(NamedTuple):
    """What `n_models` models that answered say of one item. Each has one voice: what more than half of its answers say.

    `country` (ISO code) and `name` (folded) are what more than half of the models say, None where there is no such
    thing. `n_answers` counts single answers, `n_right` those that name one of the label's origins.
    """

    n_models: int
    country: str | None
    n_country: int
    name: str | None
    n_name: int
    n_answers: int
    n_right: int


def voters_of(session: Session, release: Release) -> tuple[Voter, ...]:
    """By model, then strategy."""
    runs = session.exec(
        select(Run)
        .where(Run.release_id == release.id, Run.status == RunStatus.FINISHED)
        .order_by(col(Run.planned).desc(), col(Run.finished_at).desc().nulls_last(), col(Run.id))
    )
    found: dict[tuple[str, str], Voter] = {}
    for run in runs:
        voter = Voter(run.id, run.model, run.strategy, run.is_imported, run.finished_at)
        found.setdefault((run.model, run.strategy), voter)
    return tuple(found[key] for key in sorted(found))


_ANSWER, _PART = "\x1e", "\x1f"

# One text an item: model, country and dish of each answer. 23,766 of them are quicker to take apart than ten times as
# many rows to fetch.
_SAID = sa.text(
    """
    SELECT prediction.item_id,
           string_agg(
               chosen.model || :part || translate(coalesce(prediction.pred_country, ''), :answer || :part, '')
                            || :part || translate(coalesce(prediction.pred_name, ''), :answer || :part, ''),
               :answer
           ) AS said
    FROM unnest(CAST(:runs AS uuid[]), CAST(:models AS text[])) AS chosen (run_id, model)
    JOIN prediction ON prediction.run_id = chosen.run_id
    WHERE prediction.slot = 1 AND prediction.state = 'ok'
    GROUP BY prediction.item_id
    """
)


def majorities_of(
    session: Session, voters: Sequence[Voter], labels: Mapping[uuid.UUID, Sequence[str]]
) -> dict[uuid.UUID, Majority]:
    """By item, for those with any answer."""
    numbers = {model: str(number) for number, model in enumerate(dict.fromkeys(voter.model for voter in voters))}
    said = session.execute(
        _SAID,
        {
            "runs": [voter.run_id for voter in voters], "models": [numbers[voter.model] for voter in voters],
            "answer": _ANSWER, "part": _PART,
        },
    )  # fmt: skip
    dish = lru_cache(maxsize=2**16)(folded)
    return {row.item_id: _majority(row.said, labels[row.item_id], dish) for row in said if row.item_id in labels}


def _majority(said: str, label: Sequence[str], dish: Callable[[str], str]) -> Majority:
    countries: dict[str, list[str | None]] = defaultdict(list)
    names: dict[str, list[str | None]] = defaultdict(list)
    for answer in said.split(_ANSWER):
        model, country, name = answer.split(_PART)
        countries[model].append(country_code(country) if country else None)
        names[model].append(dish(name) or None)
    most_country, n_country = _most([_most(answers)[0] for answers in countries.values()])
    most_name, n_name = _most([_most(answers)[0] for answers in names.values()])
    given = [code for answers in countries.values() for code in answers]
    n_right = sum(code in label for code in given)
    return Majority(len(countries), most_country, n_country, most_name, n_name, len(given), n_right)


_T = TypeVar("_T", bound=Hashable)


def _most(said: Sequence[_T | None]) -> tuple[_T | None, int]:
    """What more than half say, and how many; (None, 0) where there is no such thing.

    >>> _most(["IT", "IT", None]), _most(["IT", "FR"]), _most([None, None, "IT"])
    (('IT', 2), (None, 0), (None, 0))
    """
    value = max(set(said), key=said.count)  # for so few, a third of the time that a Counter takes
    count = said.count(value)
    return (value, count) if value is not None and 2 * count > len(said) else (None, 0)
