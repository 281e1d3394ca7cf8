"""A campaign's agreement as rows: one table for the page, the same for the CSV file."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from app import geography
from app.adjudication.agreement.words import QUESTIONS
from app.cells import harmless

FIGURES = (
    ("percent_agreement", "Agreement"),
    ("krippendorff_alpha", "Krippendorff’s alpha"),
    ("fleiss_kappa", "Fleiss’ kappa"),
    ("gwet_ac1", "Gwet’s AC1"),
)
COUNTS = ("n_items", "n_items_paired", "n_raters", "n_judgments")


class Row(NamedTuple):
    """One question's figures, over everything (`group` is "") or one part. `report` is that of CONTRACT §5."""

    group: str
    question: str
    report: Mapping[str, Any]


def rows(document: Mapping[str, Any], by: str | None) -> list[Row]:
    """The agreement document flattened: the whole first, then each part; countries by their English names."""
    found = [Row("", key, report) for key, report in document["questions"].items()]
    for name, part in document.get("by", {}).items():
        group = geography.name_of(name) if by == "country" else name
        found += [Row(group, key, report) for key, report in part["questions"].items()]
    return found


def cautions(table: Sequence[Row]) -> list[str]:
    """The warnings of these rows, those of one kind in one paragraph that names the questions."""
    kinds: dict[str, dict[str, list[str]]] = {}
    for row in table:
        for warning in row.report["warnings"]:
            fact, _, lesson = warning.rstrip(".").partition(": ")
            kinds.setdefault(lesson, {}).setdefault(fact, []).append(QUESTIONS[row.question])
    return [
        " ".join(f"{', '.join(questions)}: {fact}." for fact, questions in facts.items())
        + (f" {lesson[0].upper()}{lesson[1:]}." if lesson else "")
        for lesson, facts in kinds.items()
    ]


def as_csv(table: Sequence[Row], by: str | None) -> Iterator[str]:
    """The table as CSV, a line at a time; undefined figures are empty and the next column says why."""
    names = [f"{figure}_{part}" for figure, _ in FIGURES for part in ("value", "low", "high", "reason")]
    yield _line([by or "part", "question", *COUNTS, "yes", "no", "unsure", *names])
    for row in table:
        report = row.report
        figures = [report[figure][part] for figure, _ in FIGURES for part in ("value", "low", "high", "reason")]
        shares = [report["categories"][answer] for answer in ("yes", "no", "unsure")]
        yield _line(
            [harmless(row.group) or "all", row.question, *(report[count] for count in COUNTS), *shares, *figures]
        )


def _line(values: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow("" if value is None else value for value in values)
    return out.getvalue()
