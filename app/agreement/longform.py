"""Agreement from a file of judgments in long form: one row a judgment, with item, rater, question and value."""

import csv
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

import numpy as np
import numpy.typing as npt

from app.agreement.answers import Answers, sorted_codes
from app.agreement.patterns import IntArray
from app.agreement.raters import rater_report
from app.agreement.report import question_report
from app.errors import Invalid, NotFound

COLUMNS = ("item", "rater", "question", "value")

# Columns that can't make groups: within one of their values there is nothing to compare.
NOT_GROUPS = ("item", "question", "value")


@dataclass(frozen=True, eq=False)
class LongForm:
    """The judgments of a file: what `answers` to each question are, and the code of the group each one is in."""

    answers: dict[str, Answers]
    group: dict[str, IntArray]
    groups: tuple[str, ...]


def agreement_from_rows(
    path: Path, *, by: str | None = None, seed: int = 0, replicates: int = 1000, raters: bool = False
) -> dict[str, Any]:
    """The agreement document of a long-form CSV: {"questions": {KEY: figures}}.

    `by` names a further column and adds {"by": {VALUE: {"questions": ...}}}, each from that value's rows; by
    "rater" it is every judgment of the items that rater judged. `raters` adds each question's rater model.
    The categories of a question are the values that occur in the file, in groups too. Raises as `read` does.
    """
    form = read(path, by=by)
    questions = {}
    for question, answers in form.answers.items():
        report = question_report(answers.patterns(), n_raters=answers.n_raters, seed=seed, replicates=replicates)
        questions[question] = report | (rater_report(answers) if raters else {})
    document: dict[str, Any] = {"questions": questions}
    if by is not None:
        document["by"] = {
            name: {"questions": _of_group(form, code, by, seed=seed, replicates=replicates)}
            for code, name in enumerate(form.groups)
        }
    return document


def read(path: Path, *, by: str | None = None) -> LongForm:
    """Read a long-form CSV: UTF-8, a header, the columns item, rater, question, value; others are ignored.

    A row with an empty value is a missing judgment; "NA", "nan" and "None" are values like any other. A second
    judgment of one rater on one item and question is an error, alike or not. Raises NotFound or Invalid with a
    sentence that names file, row (the header is row 1) and column.
    """
    columns = (*COLUMNS, *([by] if by not in (None, "rater") else []))
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
    return _coded(path, by, seen, [np.frombuffer(column, dtype=np.int64) for column in codes], row_numbers)


def _coded(
    path: Path, by: str | None, seen: tuple[dict[str, int], ...], codes: list[IntArray], row_numbers: "array[int]"
) -> LongForm:
    """Part the rows by question, with codes by sorted name, so that the order of rows is forgotten."""
    (item, items), (rater, raters), (question, questions), (value, values), *further = (
        sorted_codes(column, names) for column, names in zip(codes, seen, strict=True)
    )
    _refuse_second_judgments(path, (question, item, rater), np.array(row_numbers, dtype=np.int64))
    group, groups = further[0] if further else (rater, raters)
    answers, group_of = {}, {}
    for code, name in enumerate(questions):
        rows = question == code
        occurring, category = np.unique(value[rows], return_inverse=True)
        categories = tuple(values[one] for one in occurring)
        answers[name] = Answers(item[rows], rater[rows], category, items, raters, categories)
        group_of[name] = group[rows]
    return LongForm(answers, group_of, groups if by is not None else ())


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


def _of_group(form: LongForm, code: int, by: str, *, seed: int, replicates: int) -> dict[str, Any]:
    """The questions' figures for one value of the grouping column; questions without a row there are left out."""
    questions = {}
    for question, answers in form.answers.items():
        rows: npt.NDArray[np.bool_] = form.group[question] == code
        if rows.any():
            if by == "rater":
                rows = np.isin(answers.item, answers.item[rows])
            chosen = answers.where(rows)
            questions[question] = question_report(
                chosen.patterns(), n_raters=chosen.n_raters, seed=seed, replicates=replicates
            )
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
