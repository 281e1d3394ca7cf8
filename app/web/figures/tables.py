"""A table of figures once, for the page, for a spreadsheet and for a paper."""

import csv
import enum
import io
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.cells import harmless

Estimate = Mapping[str, Any]
"""`{"value", "low", "high", "reason"}`, as in the metrics document."""


class Unit(enum.StrEnum):
    """How a column's cells read. SHARE, COEFFICIENT, BITS, DIFFERENCE (of two shares) and SECONDS (a median between
    its quartiles) hold an Estimate or None."""

    TEXT = "text"
    COUNT = "count"
    P = "p"
    SHARE = "share"
    BITS = "bits"
    DIFFERENCE = "difference"
    COEFFICIENT = "coefficient"
    SECONDS = "seconds"

    @property
    def is_estimate(self) -> bool:
        return self in (Unit.SHARE, Unit.BITS, Unit.DIFFERENCE, Unit.COEFFICIENT, Unit.SECONDS)


class Column(NamedTuple):
    """`key` names it to programs, `label` to people."""

    key: str
    label: str
    unit: Unit


class Table(NamedTuple):
    """`key` is its place in an address and its file's name; the first column says what a row is about."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    note: str = ""

    def column(self, key: str) -> int:
        return next(place for place, column in enumerate(self.columns) if column.key == key)


REASONS = {
    "no_overlap": "no item has two judgments",
    "no_variation": "all answers are alike",
    "no_judgments": "nothing is counted yet",
    "one_item": "one item, no interval",
    "one_family": "one family, no interval",
    "no_replicates": "no interval asked for",
    "no_answers": "no answer",
    "no_countries": "no country named",
    "no_reference": "no answer about the dish alone",
    "is_reference": "is the reference",
    "one_dish": "one dish, no interval",
    "few_dishes": "too few dishes for an interval",
    "no_dish": "no dish on both sides",
    "unstable": "too few for an interval",
}
MINUS = "\N{MINUS SIGN}"


def number(value: float, unit: Unit) -> str:
    """One figure as people read it: shares and their differences in per cent, bits and coefficients as they are.

    >>> number(2 / 3, Unit.SHARE), number(-0.05, Unit.DIFFERENCE), number(0.918, Unit.BITS), number(0.0004, Unit.P)
    ('66.7', '−5.0', '0.92', '<0.001')
    """
    if unit is Unit.P:
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    if unit in (Unit.BITS, Unit.COEFFICIENT):
        text = f"{value:.2f}" if unit is Unit.BITS else f"{value:.3f}"
    elif unit is Unit.SECONDS:
        text = f"{value:.1f}"
    else:
        text = f"{100 * value:.1f}"
    text = text.replace("-", MINUS)
    if float(text.replace(MINUS, "-")) == 0:
        text = text.removeprefix(MINUS)
    elif unit is Unit.DIFFERENCE and value > 0:
        text = "+" + text
    return text


def interval(estimate: Estimate, unit: Unit) -> str:
    """Its interval, or why there is none; a reason nobody put into words stands as it is.

    >>> interval({"value": 0.5, "low": 0.25, "high": 0.75, "reason": None}, Unit.SHARE)
    '[25.0, 75.0]'
    """
    if estimate["value"] is None or estimate["low"] is None:
        reason = str(estimate.get("reason") or "")
        return REASONS.get(reason, reason.replace("_", " "))
    return f"[{number(estimate['low'], unit)}, {number(estimate['high'], unit)}]"


def as_csv(table: Table, specs: str | Sequence[str], stamp: str = "spec_sha256") -> str:
    """Exact figures; an estimate is four columns, and every row ends with what it came of, such as the SHA-256 of a
    spec, in the column `stamp`: one for all rows, or one a row."""
    header: list[str] = []
    for column in table.columns:
        header += [f"{column.key}_{part}" for part in _PARTS] if column.unit.is_estimate else [column.key]
    out = io.StringIO()
    writer = csv.writer(out)  # RFC 4180: lines end in CRLF, and only then is a cell with a lone CR quoted
    writer.writerow([*header, stamp])
    for place, row in enumerate(table.rows):
        cells: list[Any] = []
        for column, cell in zip(table.columns, row, strict=True):
            if column.unit.is_estimate:
                cells += [(cell or {}).get(part) for part in _PARTS]
            else:
                cells.append(cell)
        cells.append(specs if isinstance(specs, str) else specs[place])
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in cells])
    return out.getvalue()


_PARTS = ("value", "low", "high", "reason")


def as_latex(table: Table, specs: str | Sequence[str], stamp: str = "spec_sha256") -> str:
    """A `tabular` for the booktabs package; an interval stands small behind its figure. The rest as for `as_csv`."""
    sources = dict.fromkeys([specs] if isinstance(specs, str) else specs)
    numeric = ["l" if column.unit is Unit.TEXT else "r" for column in table.columns]
    lines = [
        f"% {_one_line(table.title)}",
        *(f"% {stamp.replace('_', ' ')}: {_one_line(spec)}" for spec in sources),
        "% needs \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{{''.join(numeric)}}}",
        "\\toprule",
        _row([escape_latex(_heading(column)) for column in table.columns]),
        "\\midrule",
        *(_row([_latex_cell(cell, column.unit) for cell, column in zip(row, table.columns, strict=True)])
          for row in table.rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _heading(column: Column) -> str:
    signs = {Unit.SHARE: " (%)", Unit.DIFFERENCE: " (points)", Unit.BITS: " (bits)", Unit.SECONDS: " (s)"}
    return column.label + signs.get(column.unit, "")


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_cell(cell: Any, unit: Unit) -> str:
    if cell is None or (unit.is_estimate and cell["value"] is None):
        return "--"
    if unit is Unit.TEXT:
        return escape_latex(str(cell))
    if unit is Unit.COUNT:
        return f"{cell:,}"
    if unit.is_estimate:
        shown = _math(number(cell["value"], unit))
        return shown if cell["low"] is None else rf"{shown} {{\scriptsize {_math(interval(cell, unit))}}}"
    return _math(number(cell, unit))


def _math(text: str) -> str:
    return f"${text.replace(MINUS, '-')}$"


_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "`": r"\textasciigrave{}",
}  # fmt: skip


def escape_latex(text: str) -> str:
    r"""Text as LaTeX shows it and never runs it; what has no shape of its own (controls, marks of direction) goes.

    >>> escape_latex(r"50 % \input{x}")
    '50 \\% \\textbackslash{}input\\{x\\}'
    """
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def _one_line(text: str) -> str:
    spaced = " ".join(text.split())
    return "".join(character for character in spaced if unicodedata.category(character)[0] != "C")
