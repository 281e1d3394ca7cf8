"""Pairs of raters for people: the matrix as a picture, one pair's answers, and both as files."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from app.adjudication.agreement.pair_counts import (
    ENOUGH,
    Matrix,
    PairRow,
    Stricter,
    every_row,
    kappa_of,
    stricter,
)
from app.adjudication.agreement.words import QUESTIONS
from app.agreement.bootstrap import cohen_estimate
from app.agreement.intervals import FloatArray, wilson
from app.agreement.rules import ANSWERS
from app.web.figures.heat import Cell, heat_cells
from app.web.figures.svg import Chart
from app.web.figures.tables import Column, Estimate, Table, Unit, interval, number

FIGURES = {"percent_agreement": "Percent agreement", "cohen_kappa": "Cohen’s kappa"}
PALE = {"percent_agreement": 0.5, "cohen_kappa": 0.0}
A_PAGE = 100
"""Pairs of the table on one page: each has a bootstrap."""


class Compared(NamedTuple):
    """Two raters on one question. `rows` are what the first answered, their cells what the second did: counts."""

    question: str
    rows: list[tuple[str, list[tuple[str, int]]]]
    n: int
    agreement: Estimate
    kappa: Estimate
    stricter: Stricter


def heat_map(
    found: Matrix, question: str, figure: str, link: Callable[[uuid.UUID, uuid.UUID], str] | None = None
) -> Chart:
    """Raters by raters; each pair once, below the diagonal. `link(a, b)` is where a cell leads, the lower id first."""
    by_pair = {(row.one.id, row.other.id): row for row in found.rows}
    rows: list[tuple[str, list[Cell | None]]] = []
    for place, rater in enumerate(found.raters):
        cells: list[Cell | None] = []
        for other in found.raters[:place]:
            row = by_pair.get((min(rater.id, other.id), max(rater.id, other.id)))
            if row is None:
                cells.append(Cell(None, "", f"{rater.name} and {other.name}: no shared item"))
            else:
                cells.append(_cell(row, figure, link and link(row.one.id, row.other.id)))
        rows.append((rater.name, cells))
    name = FIGURES[figure]
    return heat_cells(
        f"pairs-{figure}",
        f"{name} of every two people: {QUESTIONS[question]}",
        f"{len(found.raters)} people, from who agrees most with everyone to who agrees least; the darker, the higher. "
        "The table below has the same figures.",
        [rater.name for rater in found.raters[:-1]],
        rows[1:],
        low=PALE[figure],
        high=1.0,
    )


def _cell(row: PairRow, figure: str, href: str | None) -> Cell:
    names = f"{row.one.name} and {row.other.name}"
    if row.n < ENOUGH:
        return Cell(None, "", f"{names}: only {row.n} shared items, too few for a figure", href, is_thin=True)
    value = row.agreement.value if figure == "percent_agreement" else row.kappa
    if value is None:
        return Cell(None, "—", f"{names}: {row.n} shared items, all answers are alike, so kappa is undefined", href)
    if figure == "percent_agreement":
        text = f"{100 * value:.0f}"
        words = f"{number(value, Unit.SHARE)} % {interval(row.agreement.as_json(), Unit.SHARE)}"
    else:
        text = f"{value:.2f}".removeprefix("0").replace("-0", "\N{MINUS SIGN}")
        words = f"kappa {number(value, Unit.COEFFICIENT)}"
    return Cell(value, text, f"{names}: {words}, {row.n:,} shared items", href)


def pairs_table(found: Matrix) -> Table:
    """Every pair of the question; kappa has its interval where the pair is in the picture."""
    n_shown = len(found.rows)
    rows = [
        (
            row.one.name, str(row.one.id), row.other.name, str(row.other.id), row.n, row.agreement.as_json(),
            kappa_of(found, row, has_interval=place < n_shown).as_json(),
        )
        for place, row in enumerate(every_row(found))
    ]  # fmt: skip
    columns = (
        Column("rater_a", "First", Unit.TEXT), Column("id_a", "", Unit.TEXT), Column("rater_b", "Second", Unit.TEXT),
        Column("id_b", "", Unit.TEXT), Column("n_items", "Shared items", Unit.COUNT),
        Column("percent_agreement", "Percent agreement", Unit.SHARE),
        Column("cohen_kappa", "Cohen’s kappa", Unit.COEFFICIENT),
    )  # fmt: skip
    return Table("pairs", "Every two people who share an item", columns, rows)


def compared(question: str, table: FloatArray) -> Compared:
    cells = table.astype(int).tolist()
    return Compared(
        question,
        [(one, list(zip(ANSWERS, row, strict=True))) for one, row in zip(ANSWERS, cells, strict=True)],
        int(table.sum()),
        wilson(float(table.trace()), float(table.sum())).as_json(),
        cohen_estimate(table).as_json(),
        stricter(table),
    )


def chance(p: float) -> str:
    """
    >>> chance(0.0215), chance(0.62), chance(0.00001)
    ('about 1 time in 47', 'about 62 times in 100', 'less than 1 time in 1,000')
    """
    if p >= 0.1:
        return f"about {100 * p:.0f} times in 100"
    return "less than 1 time in 1,000" if p < 0.001 else f"about 1 time in {1 / p:.0f}"


def answers_table(tables: Mapping[str, FloatArray]) -> Table:
    """Two people's answers on each question as counts of items."""
    columns = (
        Column("question", "Question", Unit.TEXT), Column("answer_a", "First", Unit.TEXT),
        Column("answer_b", "Second", Unit.TEXT), Column("n_items", "Items", Unit.COUNT),
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = [
        (question, one, other, int(table[row, column]))
        for question, table in tables.items()
        for row, one in enumerate(ANSWERS)
        for column, other in enumerate(ANSWERS)
    ]
    return Table("answers", "Answers of two people", columns, rows)


def figures_table(tables: Mapping[str, FloatArray]) -> Table:
    """Two people's agreement on each question, and how often just one of them said no."""
    columns = (
        Column("question", "Question", Unit.TEXT), Column("n_items", "Shared items", Unit.COUNT),
        Column("percent_agreement", "Percent agreement", Unit.SHARE),
        Column("cohen_kappa", "Cohen’s kappa", Unit.COEFFICIENT), Column("only_first_said_no", "", Unit.COUNT),
        Column("only_second_said_no", "", Unit.COUNT), Column("exact_mcnemar_p", "", Unit.P),
    )  # fmt: skip
    rows = [
        (one.question, one.n, one.agreement, one.kappa, *one.stricter)
        for one in (compared(question, table) for question, table in tables.items())
    ]
    return Table("figures", "Agreement of two people", columns, rows)
