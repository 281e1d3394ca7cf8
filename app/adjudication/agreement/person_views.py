"""One rater's tables and charts."""

import uuid
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

from app.adjudication.agreement import people_models
from app.adjudication.agreement.people_models import Models
from app.adjudication.agreement.people_queries import Answers, Pairs, Right, Who
from app.adjudication.agreement.people_views import alike, seconds, share, total_pairs
from app.adjudication.agreement.person_queries import Miss, Shared, Work
from app.adjudication.agreement.words import QUESTIONS as NAMES
from app.agreement.rules import ANSWERS
from app.agreement.tallies import QUESTIONS
from app.web.figures.charts import Group, dots
from app.web.figures.series import bars
from app.web.figures.svg import Chart
from app.web.figures.tables import Column, Table, Unit

TRUTH = {"yes": "right", "no": "wrong"}
EVERYONE = "Everyone"
OTHERS = "All others"
MOST_COLLEAGUES = 60

_QUESTION = Column("question", "Question", Unit.TEXT)
_WHO = Column("who", "Who", Unit.TEXT)
_SHARES = (Column("yes", "Yes", Unit.SHARE), Column("no", "No", Unit.SHARE), Column("unsure", "Unsure", Unit.SHARE))


def confusion_table(models: Models, who: Who) -> Table:
    """What this rater answers where a claim is right and where it is wrong, beside everyone."""
    rows: list[tuple[Any, ...]] = []
    for question in models:
        for true, state in TRUTH.items():
            own = people_models.row_of(models, str(who.id), true, question)
            every = people_models.everyones_row(models, true, question)
            if own is None or every is None:
                continue
            for name, row in ((who.name, own), (EVERYONE, every)):
                shares = (row.answers[answer] for answer in ANSWERS)
                rows.append((NAMES[question], state, name, *shares, round(row.expected, 1)))
    columns = (
        _QUESTION, Column("claim", "The claim is", Unit.TEXT), _WHO, *_SHARES,
        Column("n", "Expected claims", Unit.COUNT),
    )  # fmt: skip
    return Table("confusion", "Answers where the claim is right, and where it is wrong", columns, rows)


def confusion_chart(models: Models, who: Who) -> Chart | None:
    """The share of right answers: yes where the claim is right, no where it is wrong."""
    groups = []
    for question in models:
        for true, state in TRUTH.items():
            own = people_models.row_of(models, str(who.id), true, question)
            every = people_models.everyones_row(models, true, question)
            if own is not None and every is not None:
                groups.append(Group(f"{NAMES[question]}, claim {state}", [own.answers[true], every.answers[true]]))
    title = "Answers “yes” where the claim is right, “no” where it is wrong"
    return dots("confusion", title, ["This rater", EVERYONE], groups, Unit.SHARE) if groups else None


def answers_table(answers: Answers, who: Who) -> Table:
    """Shares of the answers beside those of all others."""
    rows: list[tuple[Any, ...]] = []
    for question in QUESTIONS:
        own = answers.get(who.id, {}).get(question)
        if own is None:
            continue
        others: Counter[str] = Counter()
        for rater, given in answers.items():
            if rater != who.id:
                others.update(given.get(question, {}))
        for name, counts in ((who.name, own), (OTHERS, others)):
            n = sum(counts.values())
            rows.append((NAMES[question], name, *(share(counts.get(answer, 0), n) for answer in ANSWERS), n))
    columns = (_QUESTION, _WHO, *_SHARES, Column("n", "Answers", Unit.COUNT))
    return Table("answers", "Shares of the answers", columns, rows)


def colleagues_table(
    found: Mapping[uuid.UUID, Mapping[str, Pairs]], people: Mapping[uuid.UUID, Who], question: str
) -> tuple[Table, list[uuid.UUID]]:
    """Each colleague with a shared item, most pairs first; and their ids in this order."""
    some = {other: total_pairs(pairs, question) for other, pairs in found.items()}
    order = sorted((other for other, pairs in some.items() if pairs.n), key=lambda other: (-some[other].n, other))
    columns = (
        Column("colleague", "Colleague", Unit.TEXT),
        Column("n", "Pairs", Unit.COUNT),
        Column("alike", "Alike", Unit.COUNT),
        Column("agreement", "Agreement", Unit.SHARE),
    )
    rows = [(people[other].name, some[other].n, some[other].alike, alike(some[other])) for other in order]
    about = NAMES[question] if question else "all questions together"
    return Table("colleagues", f"Agreement with each colleague: {about}", columns, rows), order


def colleagues_chart(table: Table) -> Chart | None:
    place = table.column("agreement")
    groups = [Group(row[0], [row[place]]) for row in table.rows[:MOST_COLLEAGUES]]
    title = table.title
    if len(table.rows) > MOST_COLLEAGUES:
        title += f" (the {MOST_COLLEAGUES} of {len(table.rows)} with most pairs)"
    return dots("colleagues", title, ["Agreement"], groups, Unit.SHARE) if groups else None


def days_table(work: Work) -> Table:
    columns = (Column("day", "Day", Unit.TEXT), Column("n", "Judgments", Unit.COUNT))
    return Table("days", "Judgments a day", columns, [(day.isoformat(), n) for day, n in work.days.items()])


def days_chart(work: Work) -> Chart:
    counts = [(f"{day.day} {day:%b}", n) for day, n in work.days.items()]
    return bars("days", "Judgments a day, the last eight weeks", counts, "judgments")


def pace_table(work: Work) -> Table:
    columns = (
        Column("week", "Week from", Unit.TEXT),
        Column("n", "Judgments", Unit.COUNT),
        Column("seconds", "Median time", Unit.SECONDS),
    )
    rows = [(week.isoformat(), pace.n if pace else 0, seconds(pace)) for week, pace in work.weeks.items()]
    return Table("pace", "Active seconds a judgment", columns, rows)


def pace_chart(work: Work) -> Chart | None:
    groups = [Group(_monday(week), [seconds(pace)]) for week, pace in work.weeks.items() if seconds(pace)]
    title = "Active seconds a judgment, week by week"
    return dots("pace", title, ["Median time"], groups, Unit.SECONDS) if groups else None


def gold_table(found: Mapping[str, Right]) -> Table:
    columns = (
        _QUESTION,
        Column("n", "Known answers", Unit.COUNT),
        Column("right", "Right", Unit.COUNT),
        Column("accuracy", "Right", Unit.SHARE),
    )
    rows = [
        (NAMES[key], found[key].n, found[key].right, share(found[key].right, found[key].n))
        for key in QUESTIONS
        if key in found
    ]
    return Table("gold", "Items whose answer is known", columns, rows)


def misses_table(found: list[Miss]) -> Table:
    columns = (
        Column("item", "Item", Unit.TEXT), _QUESTION, Column("known", "Known answer", Unit.TEXT),
        Column("given", "Answered", Unit.TEXT),
    )  # fmt: skip
    rows = [(miss.key, NAMES[miss.question], miss.known, miss.given) for miss in found]
    return Table("misses", "Known answers missed", columns, rows)


def drift_table(
    answers: Mapping[str, Mapping[str, Mapping[str, int]]], pairs: Mapping[str, Mapping[str, Shared]], question: str
) -> Table:
    """Week by week, by the day on which an item's second judgment came in."""
    columns = (
        Column("week", "Week from", Unit.TEXT), Column("n", "Answers", Unit.COUNT), Column("no", "No", Unit.SHARE),
        Column("pairs", "Pairs", Unit.COUNT), Column("agreement", "Agrees with others", Unit.SHARE),
    )  # fmt: skip
    rows = []
    for week, given in answers.items():
        total: Counter[str] = Counter()
        for key, counts in given.items():
            if question in ("", key):
                total.update(counts)
        n = sum(total.values())
        if not n:
            continue
        some = {key: Pairs(shared.n, shared.alike) for key, shared in pairs.get(week, {}).items()}
        both = total_pairs(some, question)
        rows.append((week, n, share(total["no"], n), both.n, alike(both)))
    about = NAMES[question] if question else "all questions together"
    return Table("drift", f"Week by week: {about}", columns, rows)


def drift_chart(table: Table) -> Chart | None:
    places = [table.column("no"), table.column("agreement")]
    groups = [Group(_monday(date.fromisoformat(row[0])), [row[place] for place in places]) for row in table.rows]
    return dots("drift", table.title, ["Share of no", "Agrees with others"], groups, Unit.SHARE) if groups else None


def alone_table(pairs: Mapping[str, Mapping[str, Shared]]) -> Table:
    """Items where no colleague gave the same answer."""
    columns = (
        _QUESTION, Column("n", "Shared items", Unit.COUNT), Column("alone", "Stood alone", Unit.COUNT),
        Column("share", "Stood alone", Unit.SHARE),
    )  # fmt: skip
    rows = []
    for question in QUESTIONS:
        some = [by_question[question] for by_question in pairs.values() if question in by_question]
        if some:
            n, alone = sum(shared.items for shared in some), sum(shared.alone for shared in some)
            rows.append((NAMES[question], n, alone, share(alone, n)))
    return Table("alone", "Items where no colleague gave the same answer", columns, rows)


def _monday(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
