"""Agreement from a file of judgments in long form: one row a judgment, with item, rater, question and value."""

import csv
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn, TextIO

import numpy as np
import numpy.typing as npt

from app.agreement.answers import Answers, sorted_codes
from app.agreement.bootstrap import Level
from app.agreement.families import Families
from app.agreement.patterns import IntArray
from app.agreement.raters import rater_report
from app.agreement.report import question_report
from app.errors import Invalid, NotFound

COLUMNS = ("item", "rater", "question", "value")

# Columns that can't make groups: within one of their values there is nothing to compare.
NOT_GROUPS = ("item", "question", "value")

# Columns that say nothing about which items belong together.
NOT_FAMILIES = ("rater", "question", "value")


@dataclass(frozen=True, eq=False)
class LongForm:
    """The judgments of a file: what `answers` to each question are, and the code of the group each one is in.

    `family_of_item` holds, by the item's code, the code of its family; None where no families were asked for.
    """

    answers: dict[str, Answers]
    group: dict[str, IntArray]
    groups: tuple[str, ...]
    family_of_item: IntArray | None = None


def agreement_from_rows(
    path: Path,
    *,
    by: str | None = None,
    level: Level = "nominal",
    cluster_by: str | None = None,
    seed: int = 0,
    replicates: int = 1000,
    raters: bool = False,
) -> dict[str, Any]:
    """The agreement document of a long-form CSV: {"questions": {KEY: figures}}.

    `by` names a further column and adds {"by": {VALUE: {"questions": ...}}}, each from that value's rows; by
    "rater" it is every judgment of the items that rater judged. `raters` adds each question's rater model.
    The categories of a question are the values that occur in the file, in groups too; for `level` "ordinal" they are
    in the order of `scale`. `cluster_by` names a column with each item's family, and intervals come from resampling
    those; an item with none there stands alone. Raises as `read` and `scale` do.
    """
    form = read(path, by=by, cluster_by=cluster_by)
    if level == "ordinal":
        form = replace(form, answers={key: answers.ordered(scale(answers)) for key, answers in form.answers.items()})

    def report(answers: Answers) -> dict[str, Any]:
        patterns = answers.patterns()
        families = None
        if form.family_of_item is not None:
            family_of = form.family_of_item.tolist()
            rows = [(family_of[item], given, 1) for item, given in answers.by_item()]
            families = Families.from_items(patterns, rows)
        found = question_report(
            patterns, n_raters=answers.n_raters, level=level, families=families, seed=seed, replicates=replicates
        )
        if level == "ordinal" and len(answers.categories) > 2 and not _are_numbers(answers.categories):
            found["warnings"].append(f"The answers are taken in alphabetical order: {', '.join(answers.categories)}.")
        return found

    document: dict[str, Any] = {
        "questions": {
            key: report(answers) | (rater_report(answers) if raters else {}) for key, answers in form.answers.items()
        }
    }
    if by is not None:
        document["by"] = {
            name: {"questions": {key: report(part) for key, part in _of_group(form, code, by).items()}}
            for code, name in enumerate(form.groups)
        }
    return document


def scale(answers: Answers) -> tuple[str, ...]:
    """The categories from low to high: as numbers where all of them are, else in alphabetical order.

    Raises Invalid where two of them write the same number: they would be two steps of the scale.

    >>> scale(Answers.from_rows([("i", "ann", "10"), ("i", "bob", "9")]))
    ('9', '10')
    """
    if not _are_numbers(answers.categories):
        return answers.categories
    ordered = sorted(answers.categories, key=float)
    for one, other in pairwise(ordered):
        if float(one) == float(other):
            raise Invalid(
                f"The values {one!r} and {other!r} are the same number: write it one way for an ordinal scale."
            )
    return tuple(ordered)


def _are_numbers(names: tuple[str, ...]) -> bool:
    try:
        return all(isfinite(float(name)) for name in names)
    except ValueError:
        return False


def read(path: Path, *, by: str | None = None, cluster_by: str | None = None) -> LongForm:
    """Read a long-form CSV: UTF-8, a header, the columns item, rater, question, value; others are ignored.

    A row with an empty value is a missing judgment; "NA", "nan" and "None" are values like any other. A second
    judgment of one rater on one item and question is an error, alike or not, and so is an item in two families.
    Raises NotFound or Invalid with a sentence that names file, row (the header is row 1) and column.
    """
    columns = (*COLUMNS, *(name for name in (by, cluster_by) if name not in (None, "rater")))
    if cluster_by in NOT_FAMILIES:
        raise Invalid(f"Items don't belong together by {cluster_by}: name another column, such as dish or family.")
    if by in NOT_GROUPS:
        raise Invalid(f"Agreement can't be shown by {by}: name another column, such as country or rater.")
    seen: tuple[dict[str, int], ...] = tuple({} for _ in columns)
    codes = tuple(array("q") for _ in columns)
    row_numbers = array("q")
    questions: dict[str, int] = seen[COLUMNS.index("question")]
    for row_number, fields in _records(path, columns):
        item, rater, question, value, *_ = fields
        if not item or not rater or not question:
            empty = next(name for name, field in zip(COLUMNS, fields, strict=False) if not field)
            raise Invalid(f"{path}, row {row_number}: {empty} is empty; fill it in or remove the row.")
        if not value:
            # The question is there all the same, and will say that it has nothing to compare.
            questions.setdefault(question, len(questions))
            continue
        row_numbers.append(row_number)
        for names, column, field in zip(seen, codes, fields, strict=True):
            column.append(names.setdefault(field, len(names)))
    return _coded(path, by, cluster_by, seen, [np.frombuffer(column, dtype=np.int64) for column in codes], row_numbers)


def _coded(
    path: Path,
    by: str | None,
    cluster_by: str | None,
    seen: tuple[dict[str, int], ...],
    codes: list[IntArray],
    row_numbers: "array[int]",
) -> LongForm:
    """Part the rows by question, with codes by sorted name, so that the order of rows is forgotten."""
    (item, items), (rater, raters), (question, questions), (value, values), *further = (
        sorted_codes(column, names) for column, names in zip(codes, seen, strict=True)
    )
    numbers = np.array(row_numbers, dtype=np.int64)
    _refuse_second_judgments(path, (question, item, rater), numbers)
    group, groups = further[0] if by not in (None, "rater") else (rater, raters)
    family_of_item = None
    if cluster_by is not None:
        family, families = further[-1]
        _refuse_second_families(path, cluster_by, item, family, numbers)
        family_of_item = np.zeros(len(items), dtype=np.int64)
        family_of_item[item] = family
        if "" in families:
            # An item with no family is one of its own, under a number that no family has.
            alone = family_of_item == families.index("")
            family_of_item[alone] = len(families) + np.flatnonzero(alone)
    answers, group_of = {}, {}
    for code, name in enumerate(questions):
        rows = question == code
        occurring, category = np.unique(value[rows], return_inverse=True)
        categories = tuple(values[one] for one in occurring)
        answers[name] = Answers(item[rows], rater[rows], category, items, raters, categories)
        group_of[name] = group[rows]
    return LongForm(answers, group_of, groups if by is not None else (), family_of_item)


def _refuse_second_judgments(path: Path, key: tuple[IntArray, IntArray, IntArray], row_numbers: IntArray) -> None:
    """A rater judges an item once a question; which of two rows counts is for the file's owner to say."""
    order = np.lexsort((row_numbers, *key))
    same = np.logical_and.reduce([np.diff(part[order]) == 0 for part in key])
    if same.any():
        # The first in the file, not the first by name.
        pairs = np.stack([row_numbers[order][:-1][same], row_numbers[order][1:][same]])
        first, second = pairs[:, pairs[1].argmin()]
        more = f" ({same.sum()} such rows in all)" if same.sum() > 1 else ""
        raise Invalid(
            f"{path}, row {second}: the same rater already judged this item and question in row {first}{more}; "
            "keep one of them."
        )


def _refuse_second_families(path: Path, column: str, item: IntArray, family: IntArray, numbers: IntArray) -> None:
    """An item is drawn with its family, so it can have only one."""
    order = np.lexsort((numbers, item))
    other = (np.diff(item[order]) == 0) & (np.diff(family[order]) != 0)
    if other.any():
        row = numbers[order][1:][other].min()
        raise Invalid(f"{path}, row {row}: this item has another {column} in an earlier row; it can have only one.")


def _of_group(form: LongForm, code: int, by: str) -> dict[str, Answers]:
    """Each question's answers in one value of the grouping column; questions without a row there are left out."""
    questions = {}
    for question, answers in form.answers.items():
        rows: npt.NDArray[np.bool_] = form.group[question] == code
        if rows.any():
            if by == "rater":
                rows = np.isin(answers.item, answers.item[rows])
            questions[question] = answers.where(rows)
    return questions


def _records(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The number and the wanted fields of each row that isn't blank."""
    with _readable(path), path.open(encoding="utf-8-sig", newline="") as file:
        reader = _rows(path, file)
        header = next(reader, None)
        if not header:
            raise Invalid(f"{path} is empty: it needs a header with the columns {', '.join(COLUMNS)}.")
        places = [_place(path, header, column) for column in columns]
        found = False
        for row_number, row in enumerate(reader, start=2):
            if not row:
                continue
            if len(row) != len(header):
                raise Invalid(
                    f"{path}, row {row_number}: {len(row)} fields where the header has {len(header)}; "
                    "put quotes around values that hold commas."
                )
            found = True
            yield row_number, tuple([row[place] for place in places])
        if not found:
            raise Invalid(f"{path} has a header but no rows: add one row a judgment.")


def _rows(path: Path, file: TextIO) -> Iterator[list[str]]:
    """The rows of a CSV; strict, since a stray quote would otherwise join rows into one value."""
    reader = csv.reader(file, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise Invalid(f"{path}, line {reader.line_num}: not a readable CSV row ({error}).") from None


def _place(path: Path, header: list[str], column: str) -> int:
    if header.count(column) != 1:
        fault = "no column" if column not in header else "more than one column"
        raise Invalid(f"{path}, row 1: there is {fault} {column!r}; the columns are {', '.join(header)}.")
    return header.index(column)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what can be wrong with a file into a sentence about it."""
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}: check the path.") from None
    except OSError as error:
        raise Invalid(f"{path} can't be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        _refuse_encoding(path)


def _refuse_encoding(path: Path) -> NoReturn:
    """Name the first line that isn't UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                raise Invalid(f"{path}, row {number}: not UTF-8 text; save the file as CSV UTF-8.") from None
    raise Invalid(f"{path} isn't UTF-8 text; save it as CSV UTF-8.")
