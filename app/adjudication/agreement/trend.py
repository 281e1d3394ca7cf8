"""Agreement week by week: the figures of the items that became comparable in each week."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

from app.adjudication.agreement.words import FIGURES, QUESTIONS, unit_of
from app.agreement.bootstrap import NOMINAL
from app.agreement.parts import Rows, estimates_by_part
from app.agreement.rules import ANSWERS
from app.judgments.votes import Counts
from app.web.figures.lines import Line, lines
from app.web.figures.svg import Chart
from app.web.figures.tables import Column, Table, Unit

SHOWN = ("percent_agreement", "krippendorff_alpha")
MOST_WEEKS = 26
"""The newest ones: half a year."""


class Week(NamedTuple):
    """One question's figures of a week, which `monday` begins. `figures` holds an Estimate's JSON for each of SHOWN."""

    monday: date
    n_items: int
    n_paired: int
    figures: Mapping[str, Mapping[str, Any]]


Trend = Mapping[str, list[Week]]
"""By question, oldest first; weeks without judgments are not among them."""


def trend_of(parts: Mapping[str, Mapping[str, Counts]]) -> dict[str, list[Week]]:
    """From the counts by week (`votes.counts_by_part`), of the newest MOST_WEEKS of the campaign."""
    wanted = {name: NOMINAL[name] for name in SHOWN}
    newest = max(map(date.fromisoformat, parts), default=date.min)
    oldest = newest - timedelta(weeks=MOST_WEEKS - 1) if parts else newest
    found: dict[str, list[Week]] = {}
    for question in QUESTIONS:
        rows = {
            monday: parts[name][question].rows
            for name in sorted(parts)
            if question in parts[name] and (monday := date.fromisoformat(name)) >= oldest
        }
        if rows:
            figures = estimates_by_part(rows, ANSWERS, wanted)
            found[question] = [
                Week(monday, *_sizes(counts), {key: e.as_json() for key, e in figures[monday].items()})
                for monday, counts in rows.items()
            ]
    return found


def _sizes(rows: Rows) -> tuple[int, int]:
    """Items, and those with two answers or more."""
    return sum(n for _, n in rows), sum(n for votes, n in rows if sum(votes) >= 2)


def trend_chart(question: str, weeks: list[Week]) -> Chart:
    """A dot a week; weeks without judgments leave a gap."""
    first = weeks[0].monday
    every = [first + timedelta(weeks=nth) for nth in range((weeks[-1].monday - first).days // 7 + 1)]
    of_monday = {week.monday: week.figures for week in weeks}
    series = [Line(FIGURES[key], [of_monday.get(monday, {}).get(key) for monday in every]) for key in SHOWN]
    times = [monday.strftime("%-d %b") for monday in every]
    return lines(f"trend-{question}", QUESTIONS[question], times, series, Unit.COEFFICIENT)


def trend_table(trend: Trend) -> Table:
    columns = (
        Column("question", "Question", Unit.TEXT), Column("week", "Week from", Unit.TEXT),
        Column("n_items", "Items", Unit.COUNT), Column("n_items_paired", "Paired items", Unit.COUNT),
        *(Column(key, FIGURES[key], unit_of(key)) for key in SHOWN),
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = [
        (question, week.monday.isoformat(), week.n_items, week.n_paired, *(week.figures[key] for key in SHOWN))
        for question, weeks in trend.items()
        for week in weeks
    ]
    return Table("trend", "Agreement week by week", columns, rows)
