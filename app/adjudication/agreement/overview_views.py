"""The overview's figures worked out, and as tables and charts."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from markupsafe import Markup
from sqlmodel import Session

from app import geography
from app.adjudication.agreement.frame import Votes
from app.adjudication.agreement.memory import remembered
from app.adjudication.agreement.next_steps import Place, lowest_place, n_differing
from app.adjudication.agreement.trend import Trend, trend_chart, trend_of
from app.adjudication.agreement.words import FIGURES, QUESTIONS, unit_of
from app.agreement.rules import ANSWERS
from app.judgments.votes import agreement, counts_by_part
from app.web.figures.charts import Group, dots
from app.web.figures.svg import Chart, inline
from app.web.figures.tables import Column, Table, Unit

COUNTS = {
    "n_items": "Items", "n_items_paired": "Paired items", "n_raters": "People", "n_judgments": "Judgments",
}  # fmt: skip


class Overview(NamedTuple):
    """`reports` are the documents of `agreement.report` by question; `differing` the items whose answers differ."""

    reports: Mapping[str, Mapping[str, Any]]
    trend: Trend
    lowest: Place | None
    differing: Mapping[str, int]


def overview_of(session: Session, campaign_id: uuid.UUID, version: uuid.UUID, votes: Votes) -> Overview:
    """From the counts, which must be up to date; once for each version of them."""

    def make() -> Overview:
        whole = counts_by_part(session, campaign_id, "all", votes.basis).get("", {})
        return Overview(
            document(session, campaign_id, version, votes)["questions"],
            trend_of(counts_by_part(session, campaign_id, "week", votes.basis)),
            lowest_place(counts_by_part(session, campaign_id, "country", votes.basis)),
            {question: n_differing(counts) for question, counts in whole.items()},
        )

    return remembered(version, ("overview", votes), make)


def document(
    session: Session, campaign_id: uuid.UUID, version: uuid.UUID, votes: Votes, by: str | None = None
) -> dict[str, Any]:
    """The agreement document (see `judgments.votes.agreement`), once for each version of the counts."""
    return remembered(
        version,
        ("document", votes, by),
        lambda: agreement(session, campaign_id, by=by, every_judgment=votes.basis == "all", cluster=votes.cluster),
    )


def changed_at(session: Session, campaign_id: uuid.UUID) -> datetime | None:
    """When the counts last changed; None before the first judgment."""
    found = session.execute(_CHANGED_AT, {"campaign": campaign_id}).scalar_one_or_none()
    assert found is None or isinstance(found, datetime)
    return found


def figures_table(document: Mapping[str, Any], by: str = "") -> Table:
    """A row a question, of the whole (part "all") and then, with `by`, of each part; countries by their names."""
    rows = [_row("all", question, report) for question, report in document["questions"].items()]
    for name, part in document.get("by", {}).items():
        shown = geography.name_of(name) if by == "country" else name
        rows += [_row(shown, question, report) for question, report in part["questions"].items()]
    columns = (
        Column(by or "part", by.capitalize() or "Part", Unit.TEXT), Column("question", "Question", Unit.TEXT),
        *(Column(key, label, Unit.COUNT) for key, label in COUNTS.items()),
        *(Column(answer, answer.capitalize(), Unit.P) for answer in ANSWERS),
        *(Column(key, label, unit_of(key)) for key, label in FIGURES.items()),
    )  # fmt: skip
    return Table("figures", "Agreement per question", columns, rows)


def _row(part: str, question: str, report: Mapping[str, Any]) -> tuple[Any, ...]:
    shares = [report["categories"][answer] for answer in ANSWERS]
    return (part, question, *(report[count] for count in COUNTS), *shares, *(report[figure] for figure in FIGURES))


def figures_chart(key: str, title: str, report: Mapping[str, Any]) -> Chart:
    """The figures of one question below one another on one axis: raw agreement and what is left beyond chance."""
    groups = [Group(label, [report[figure]]) for figure, label in FIGURES.items()]
    return dots(key, title, ["value"], groups, Unit.COEFFICIENT)


class Drawings(NamedTuple):
    """The charts by question, and each as it stands in a page, by its key."""

    figures: dict[str, Chart]
    trend: dict[str, Chart]
    markup: dict[str, Markup]


def drawings(version: uuid.UUID, votes: Votes, overview: Overview) -> Drawings:
    """Every chart of the page, drawn once for each version of the counts."""

    def make() -> Drawings:
        figures = {
            question: figures_chart(f"figures-{question}", QUESTIONS[question], report)
            for question, report in overview.reports.items()
        }
        trend = {question: trend_chart(question, weeks) for question, weeks in overview.trend.items()}
        return Drawings(figures, trend, {chart.key: inline(chart) for chart in (*figures.values(), *trend.values())})

    return remembered(version, ("drawings", votes), make)


_CHANGED_AT = sa.text("SELECT changed_at FROM tally_state WHERE campaign_id = :campaign")
