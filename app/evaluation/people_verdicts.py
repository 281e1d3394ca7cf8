"""What models say of each item of a release: one voice a model, and what most of them agree on."""

import uuid
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.evaluation.answers import country_code
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


class Verdict(NamedTuple):
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


# One line an item: model, country and dish of each answer. The words are turned into codes and numbers beforehand, for
# models say few different ones.
_SAID = sa.text(
    """
    WITH chosen AS (SELECT * FROM unnest(CAST(:runs AS uuid[]), CAST(:models AS integer[])) AS c (run_id, model)),
    place AS (SELECT * FROM unnest(CAST(:texts AS text[]), CAST(:codes AS text[])) AS p (text, code)),
    dish AS (SELECT * FROM unnest(CAST(:names AS text[]), CAST(:numbers AS integer[])) AS d (text, number))
    SELECT prediction.item_id,
           string_agg(chosen.model || ' ' || coalesce(place.code, '-') || ' ' || coalesce(dish.number, -1), ';') AS said
    FROM chosen JOIN prediction ON prediction.run_id = chosen.run_id
    LEFT JOIN place ON place.text = prediction.pred_country
    LEFT JOIN dish ON dish.text = prediction.pred_name
    WHERE prediction.slot = 1 AND prediction.state = 'ok'
    GROUP BY prediction.item_id
    """
)
_WORDS = """
    SELECT DISTINCT {column} AS text FROM prediction
    WHERE run_id = ANY(:runs) AND slot = 1 AND state = 'ok' AND {column} IS NOT NULL
"""


def verdicts_of(
    session: Session, voters: Sequence[Voter], labels: Mapping[uuid.UUID, Sequence[str]]
) -> dict[uuid.UUID, Verdict]:
    """By item, for those with any answer."""
    runs = [voter.run_id for voter in voters]
    models = {name: number for number, name in enumerate(dict.fromkeys(voter.model for voter in voters))}
    countries, named = (
        session.execute(sa.text(_WORDS.format(column=column)), {"runs": runs}).scalars()
        for column in ("pred_country", "pred_name")
    )
    places = {text: code for text in countries if (code := country_code(text)) is not None}
    dishes: dict[str, int] = {}
    names = {text: dishes.setdefault(folded(text), len(dishes)) for text in named}
    said = session.execute(
        _SAID,
        {
            "runs": runs, "models": [models[voter.model] for voter in voters],
            "texts": list(places), "codes": list(places.values()),
            "names": list(names), "numbers": list(names.values()),
        },
    )  # fmt: skip
    listed = list(dishes)
    return {row.item_id: _verdict(row.said, labels[row.item_id], listed) for row in said if row.item_id in labels}


def _verdict(said: str, label: Sequence[str], dishes: Sequence[str]) -> Verdict:
    countries: dict[str, list[str | None]] = defaultdict(list)
    names: dict[str, list[str | None]] = defaultdict(list)
    for one in said.split(";"):
        model, code, dish = one.split(" ")
        countries[model].append(None if code == "-" else code)
        names[model].append(None if dish == "-1" else dishes[int(dish)])
    country, n_country = _most([_most(answers)[0] for answers in countries.values()])
    name, n_name = _most([_most(answers)[0] for answers in names.values()])
    given = [code for answers in countries.values() for code in answers]
    n_right = sum(code in label for code in given)
    return Verdict(len(countries), country, n_country, name, n_name, len(given), n_right)


_T = TypeVar("_T", bound=Hashable)


def _most(said: Sequence[_T | None]) -> tuple[_T | None, int]:
    """What more than half say, and how many; (None, 0) where there is no such thing.

    >>> _most(["IT", "IT", None]), _most(["IT", "FR"]), _most([None, None, "IT"])
    (('IT', 2), (None, 0), (None, 0))
    """
    value = max(set(said), key=said.count)  # for so few, a third of the time that a Counter takes
    count = said.count(value)
    return (value, count) if value is not None and 2 * count > len(said) else (None, 0)
