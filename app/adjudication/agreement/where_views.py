"""Agreement part by part: the figures of each part and question, in order, as a heat map, as a table, in sentences."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlmodel import Session

from app import geography
from app.adjudication.agreement.frame import Votes, must_be_known
from app.adjudication.agreement.words import FIGURES, QUESTIONS, unit_of
from app.agreement.report import FEW_ITEMS, PREVALENT
from app.judgments.votes import counts_by_part, document_of, family_rows
from app.web.figures.heat import Cell, heat_cells
from app.web.figures.svg import Chart
from app.web.figures.tables import Column, Table, Unit, interval, number

GROUPINGS = {"country": "countries", "generator": "generators", "subtask": "subtasks"}
THIN = 10
"""With fewer paired items than this a figure is shown, but nobody should build on it."""

# Where a figure's shades begin; they end at 1.
PALE = {"percent_agreement": 0.5, "krippendorff_alpha": 0.0, "gwet_ac1": 0.0, "fleiss_kappa": 0.0}

BEYOND_ON_ONE_SIDE = 0.025
"""The share of 95 % intervals that lie wholly below the true value."""

Reports = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""{part: {question: its report}}, see `agreement.report`; the whole campaign is the part ""."""


class Choice(NamedTuple):
    """What a reader asked for. `sort` is "name", "n", or the question by whose figure parts are put in order."""

    by: str
    figure: str
    sort: str


class Part(NamedTuple):
    """`part` as the counts know it, `label` as people read it, its reports by question."""

    part: str
    label: str
    reports: Mapping[str, Mapping[str, Any]]


class Lowest(NamedTuple):
    """A question's part of the lowest figure, and whether its interval lies below the whole campaign's figure: None
    where it has no interval."""

    question: str
    part: Part
    report: Mapping[str, Any]
    overall: float
    is_below: bool | None


def chosen(by: str, figure: str, sort: str) -> Choice:
    """Raises Invalid, naming the choices."""
    must_be_known((by, GROUPINGS), (figure, FIGURES), (sort, ("name", "n", *QUESTIONS)))
    return Choice(by, figure, sort)


def reports(session: Session, campaign_id: uuid.UUID, votes: Votes, kind: str) -> Reports:
    """Every figure of every part of that kind ("all": the campaign) with its interval. Counts must be up to date."""
    families = None
    if votes.cluster == "families":
        families = family_rows(session, campaign_id, votes.basis, None if kind == "all" else kind)
    return {
        part: {
            key: document_of(counts, families=None if families is None else families[part, key])
            for key, counts in questions.items()
        }
        for part, questions in counts_by_part(session, campaign_id, kind, votes.basis).items()
    }


def in_order(found: Reports, choice: Choice) -> list[Part]:
    """By name; by paired items, most first; or by a question's figure, lowest first and undefined ones last."""
    name = geography.name_of if choice.by == "country" else str
    parts = sorted(
        (Part(key, name(key), questions) for key, questions in found.items()), key=lambda part: part.label.casefold()
    )
    if choice.sort == "n":
        return sorted(parts, key=lambda part: -sum(report["n_items_paired"] for report in part.reports.values()))
    if choice.sort in QUESTIONS:
        return sorted(parts, key=lambda part: _place(part.reports.get(choice.sort), choice.figure))
    return parts


def _place(report: Mapping[str, Any] | None, figure: str) -> tuple[bool, float]:
    value = None if report is None else report[figure]["value"]
    return value is None, value or 0.0


def lowest(parts: Sequence[Part], overall: Part, figure: str) -> list[Lowest]:
    """For each question with two or more parts of THIN items: which of them is lowest."""
    found = []
    for question in overall.reports:
        firm = [(part, part.reports[question]) for part in parts if is_firm(part.reports.get(question), figure)]
        whole = overall.reports[question][figure]["value"]
        if len(firm) >= 2 and whole is not None:
            part, report = min(firm, key=lambda one: one[1][figure]["value"])
            found.append(Lowest(question, part, report, whole, _is_below(report[figure], whole)))
    return found


def below(parts: Sequence[Part], overall: Part, figure: str) -> tuple[int, int]:
    """How many firm cells have their whole interval below their question's overall figure, and of how many."""
    verdicts = [
        _is_below(part.reports[question][figure], whole[figure]["value"])
        for question, whole in overall.reports.items()
        if whole[figure]["value"] is not None
        for part in parts
        if is_firm(part.reports.get(question), figure)
    ]
    return verdicts.count(True), len(verdicts) - verdicts.count(None)


def is_firm(report: Mapping[str, Any] | None, figure: str) -> bool:
    """Whether there is a figure at all, and of THIN paired items or more."""
    return report is not None and report["n_items_paired"] >= THIN and report[figure]["value"] is not None


def _is_below(estimate: Mapping[str, Any], whole: float) -> bool | None:
    return None if estimate["high"] is None else bool(estimate["high"] < whole)


def in_words(estimate: Mapping[str, Any], figure: str) -> str:
    """
    >>> in_words({"value": 0.5, "low": 0.25, "high": 0.75, "reason": None}, "percent_agreement")
    '50.0 % [25.0, 75.0]'
    >>> in_words({"value": 0.5, "low": None, "high": None, "reason": "one_item"}, "gwet_ac1")
    '0.500 (one item, no interval)'
    """
    unit = unit_of(figure)
    if estimate["value"] is None:
        return f"undefined ({interval(estimate, unit)})"
    beside = interval(estimate, unit)
    sign = " %" if unit is Unit.SHARE else ""
    return f"{number(estimate['value'], unit)}{sign} {beside if estimate['low'] is not None else f'({beside})'}"


def cautions(report: Mapping[str, Any]) -> list[str]:
    """What stands in the way of a row's figures, in two or three words each; the page explains them once."""
    marks = ["few items"] if report["n_items_paired"] < FEW_ITEMS else []
    return [*marks, "one answer prevails"] if max(report["categories"].values()) > PREVALENT else marks


def heat_map(
    parts: Sequence[Part], overall: Part, choice: Choice, link: Callable[[str, str], str] | None = None
) -> Chart:
    """Parts by questions, the whole campaign on top; `link(part, question)` is where a cell leads."""
    questions = list(overall.reports)
    name = FIGURES[choice.figure]
    rows = [
        (part.label, [_cell(part, question, choice.figure, link) for question in questions])
        for part in (overall, *parts)
    ]
    return heat_cells(
        f"{choice.figure}-by-{choice.by}",
        f"{name} by {choice.by} and question",
        f"{len(parts)} {GROUPINGS[choice.by]} by {len(questions)} questions: the darker, the higher. The table below "
        "has the same figures.",
        [QUESTIONS[question] for question in questions],
        rows,
        low=PALE[choice.figure],
        high=1.0,
    )


def _cell(part: Part, question: str, figure: str, link: Callable[[str, str], str] | None) -> Cell | None:
    report = part.reports.get(question)
    if report is None:
        return None
    estimate, n = report[figure], report["n_items_paired"]
    text = "—"
    if estimate["value"] is not None and unit_of(figure) is Unit.SHARE:
        text = f"{100 * estimate['value']:.0f} %"
    elif estimate["value"] is not None:
        text = f"{estimate['value']:.2f}".replace("-", "\N{MINUS SIGN}")
    thin = n < THIN
    title = f"{part.label}, {QUESTIONS[question]}: {in_words(estimate, figure)}, {n:,} paired items"
    return Cell(
        None if thin else estimate["value"],
        text,
        f"{title}; too few to build on" if thin else title,
        link(part.part, question) if link else None,
        thin,
    )


def table(parts: Sequence[Part], overall: Part, choice: Choice) -> Table:
    """A row for each part and question, the whole campaign first; shares of the answers are of all judgments."""
    is_country = choice.by == "country"
    columns = (
        Column(choice.by, choice.by.capitalize(), Unit.TEXT),
        *((Column("code", "Code", Unit.TEXT),) if is_country else ()),
        Column("question", "Question", Unit.TEXT),
        *(Column(key, label, unit_of(key)) for key, label in FIGURES.items()),
        *(Column(key, key, Unit.COUNT) for key in ("n_items_paired", "n_items", "n_judgments", "n_raters")),
        *(Column(answer, answer.capitalize(), Unit.P) for answer in ("yes", "no", "unsure")),
    )
    rows = [
        (
            part.label,
            *((part.part,) if is_country else ()),
            question,
            *(report[key] for key in FIGURES),
            *(report[key] for key in ("n_items_paired", "n_items", "n_judgments", "n_raters")),
            *(report["categories"][answer] for answer in ("yes", "no", "unsure")),
        )
        for part in (overall, *parts)
        for question, report in part.reports.items()
    ]
    return Table("figures", f"Agreement by {choice.by} and question", columns, rows)
