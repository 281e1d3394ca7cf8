"""The list of a campaign's raters as a table and a chart."""

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple

from app.adjudication.agreement import people_models, words
from app.adjudication.agreement.people_models import Models
from app.adjudication.agreement.people_queries import Answers, Pace, Pairs, Right, Who
from app.agreement.intervals import wilson
from app.agreement.rules import ANSWERS
from app.agreement.tallies import QUESTIONS
from app.errors import Invalid
from app.web.figures.charts import Group, dots
from app.web.figures.svg import Chart
from app.web.figures.tables import Column, Estimate, Table, Unit

MOST_DRAWN = 60
"""Rows of a chart; a longer one would be read by nobody."""

COLUMNS = (
    Column("rater", "Rater", Unit.TEXT),
    Column("email", "E-mail", Unit.TEXT),
    Column("simulated", "Simulated", Unit.TEXT),
    Column("paused", "Paused", Unit.TEXT),
    Column("items", "Items", Unit.COUNT),
    Column("yes", "Yes", Unit.SHARE),
    Column("no", "No", Unit.SHARE),
    Column("unsure", "Unsure", Unit.SHARE),
    Column("agreement", "Agrees with others", Unit.SHARE),
    Column("pairs", "Pairs", Unit.COUNT),
    Column("notices", "Notices a wrong claim", Unit.SHARE),
    Column("met", "Wrong claims met", Unit.COUNT),
    Column("seconds", "Median time", Unit.SECONDS),
    Column("gold", "Known answers right", Unit.SHARE),
    Column("n_gold", "Known answers", Unit.COUNT),
    Column("first", "First day", Unit.TEXT),
    Column("last", "Last day", Unit.TEXT),
)
PLACE = {column.key: place for place, column in enumerate(COLUMNS)}
DEFAULT_SORT = "-items"
MEANING = {
    "items": "Items with a counted judgment.",
    "agreement": "Of all pairs of this rater’s answer and a colleague’s to the same question of the same item, the "
    "share that is alike.",
    "notices": "The chance of “no” where the claim is wrong, by the rater model. Somebody who always says yes agrees "
    "with others and yet notices nothing: this figure shows it.",
    "met": "How many of the claims this rater answered are wrong, as the rater model expects.",
    "seconds": "Median and quartiles of the active seconds of the latest 200 judgments.",
    "gold": "Answers to items whose answer is known, surplus judgments left out. “Unsure” is not right.",
}


class Counts(NamedTuple):
    """What stands for all questions at once; the page then takes one or all."""

    people: Mapping[Any, Who]
    items: Mapping[Any, int]
    answers: Answers
    pairs: Mapping[Any, Mapping[str, Pairs]]
    paces: Mapping[Any, Pace]
    gold: Mapping[Any, Mapping[str, Right]]


class Rater(NamedTuple):
    """A line of the list. `met` is None where no model knows the rater; `is_paused`: out of the campaign's pool."""

    who: Who
    items: int
    given: Mapping[str, int]
    pairs: Pairs
    met: float | None
    notices: Estimate
    pace: Pace | None
    gold: Right
    is_paused: bool = False


def checked_question(question: str, known: Iterable[str]) -> str:
    """Raises Invalid for one that the campaign doesn't ask; "" is all together."""
    if question and question not in known:
        raise Invalid(f"Nobody was asked “{question[:40]}” here; choose one of {', '.join(known) or 'none'}.")
    return question


def questions_of(counts: Counts) -> list[str]:
    """Those that anybody was asked, items whose answer is known included."""
    asked = {key for by_question in (*counts.answers.values(), *counts.gold.values()) for key in by_question}
    return [key for key in QUESTIONS if key in asked]


def raters(
    counts: Counts, models: Models, question: str = "", paused: Collection[uuid.UUID] = frozenset()
) -> list[Rater]:
    """Everyone with a counted judgment, by name."""
    return [_rater(counts, models, who, question, is_paused=who.id in paused) for who in counts.people.values()]


def _rater(counts: Counts, models: Models, who: Who, question: str, *, is_paused: bool) -> Rater:
    answers = {key: given for key, given in counts.answers.get(who.id, {}).items() if question in ("", key)}
    given: Counter[str] = sum((Counter(some) for some in answers.values()), Counter())
    noticing = people_models.row_of(models, str(who.id), "no", question)
    has_model = any(fit.reason is None for key, fit in models.items() if question in ("", key))
    missing = people_models.NOT_IN_MODEL if has_model else people_models.NO_MODEL
    return Rater(
        who,
        sum(given.values()) if question else counts.items.get(who.id, 0),
        {answer: given[answer] for answer in ANSWERS},
        total_pairs(counts.pairs.get(who.id, {}), question),
        noticing.expected if noticing else None,
        noticing.answers["no"] if noticing else missing,
        counts.paces.get(who.id),
        total_right(counts.gold.get(who.id, {}), question),
        is_paused,
    )


def total_pairs(by_question: Mapping[str, Pairs], question: str = "") -> Pairs:
    some = [pairs for key, pairs in by_question.items() if question in ("", key)]
    return Pairs(sum(pairs.n for pairs in some), sum(pairs.alike for pairs in some))


def total_right(by_question: Mapping[str, Right], question: str = "") -> Right:
    some = [right for key, right in by_question.items() if question in ("", key)]
    return Right(sum(right.n for right in some), sum(right.right for right in some))


def share(part: float, whole: float) -> Estimate:
    return wilson(part, whole).as_json()


def alike(pairs: Pairs) -> Estimate:
    return share(pairs.alike, pairs.n) if pairs.n else wilson(0, 0)._replace(reason="no_overlap").as_json()


def seconds(pace: Pace | None) -> Estimate | None:
    if pace is None or pace.median is None:
        return None
    return {"value": float(pace.median), "low": float(pace.lower or 0), "high": float(pace.upper or 0), "reason": None}


def row(rater: Rater) -> tuple[Any, ...]:
    """In the order of COLUMNS."""
    n = sum(rater.given.values())
    return (
        rater.who.name,
        rater.who.email,
        "yes" if rater.who.is_simulated else "",
        "yes" if rater.is_paused else "",
        rater.items,
        *(share(rater.given[answer], n) for answer in ANSWERS),
        alike(rater.pairs),
        rater.pairs.n,
        rater.notices,
        None if rater.met is None else round(rater.met, 1),
        seconds(rater.pace),
        share(rater.gold.right, rater.gold.n) if rater.gold.n else None,
        rater.gold.n,
        _day(rater.pace.first if rater.pace else None),
        _day(rater.pace.last if rater.pace else None),
    )


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def checked_sort(sort: str) -> tuple[str, bool]:
    """The column and whether the largest comes first. Raises Invalid for a column there isn't."""
    key = sort.removeprefix("-")
    if key not in PLACE:
        raise Invalid(f"The list can't be ordered by “{key[:40]}”; choose one of {', '.join(PLACE)}.")
    return key, sort.startswith("-")


def in_order(everyone: list[Rater], key: str, is_falling: bool) -> list[Rater]:
    """What has no value comes last either way; equal ones by name."""
    place, is_estimate = PLACE[key], COLUMNS[PLACE[key]].unit.is_estimate

    def value(rater: Rater) -> Any:
        cell = row(rater)[place]
        if is_estimate and cell is not None:
            return cell["value"]
        return cell.casefold() if isinstance(cell, str) else cell

    named = sorted(everyone, key=lambda rater: (rater.who.name.casefold(), rater.who.id))
    there = [rater for rater in named if value(rater) is not None]
    return sorted(there, key=value, reverse=is_falling) + [rater for rater in named if value(rater) is None]


def people_table(ordered: list[Rater], question: str = "") -> Table:
    title = f"Raters: {words.QUESTIONS[question] if question else 'all questions together'}"
    return Table("people", title, COLUMNS, [row(rater) for rater in ordered])


def people_chart(ordered: list[Rater], key: str, question: str = "") -> Chart:
    """A dot a rater, of the column it is ordered by where that has intervals, else of agreement."""
    column = COLUMNS[PLACE[key]]
    if not column.unit.is_estimate:
        column = COLUMNS[PLACE["agreement"]]
    groups = [Group(rater.who.name, [row(rater)[PLACE[column.key]]]) for rater in ordered[:MOST_DRAWN]]
    title = f"{column.label}: {words.QUESTIONS[question] if question else 'all questions together'}"
    if len(ordered) > MOST_DRAWN:
        title += f" (the first {MOST_DRAWN} of {len(ordered)})"
    return dots("people", title, [column.label], groups, column.unit)
