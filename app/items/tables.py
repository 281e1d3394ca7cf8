"""Tables of items as files: CSV, JSON Lines, Parquet and CultureMix folders become raw rows or plain sentences."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from app.items.models import BackgroundKind, Subtask

MAX_TABLE_BYTES: Final = 256 * 1024 * 1024
SUFFIXES: Final = (".csv", ".jsonl", ".ndjson", ".parquet")

# A cell may hold a long prompt; csv's own limit of 128 KiB would end in an exception instead of a sentence.
csv.field_size_limit(16 * 1024 * 1024)


class Fault(NamedTuple):
    """What is wrong in one place. `row` counts as a person sees it: a CSV's header is row 1; None is the file."""

    file: str
    row: int | None
    field: str | None
    message: str


class RawRow(NamedTuple):
    """One row as it stood in its file. `values` holds text, or what JSON and Parquet give; empty cells are ""."""

    file: str
    row: int
    values: dict[str, Any]


class Table(NamedTuple):
    """A table file, where its image paths start, and the subtask and background kind that its name tells."""

    path: Path
    shown: str
    root: Path
    subtask: Subtask | None
    kind: BackgroundKind | None


def find_tables(paths: list[Path], images: Path | None) -> tuple[list[Table], list[Fault]]:
    """The table files behind `paths`. Image paths start at `images`, else at the folder, else beside the table."""
    tables: list[Table] = []
    faults: list[Fault] = []
    for path in paths:
        if path.is_dir():
            found = sorted((path / "metadata").glob("*.csv"))
            tables += [_table(file, f"metadata/{file.name}", images or path) for file in found]
            if not found:
                faults.append(
                    Fault(str(path), None, None, "This folder has no metadata/*.csv: name another, or its table.")
                )
        elif not path.is_file():
            faults.append(Fault(str(path), None, None, "There is no such file or folder."))
        elif path.suffix.lower() not in SUFFIXES:
            faults.append(Fault(str(path), None, None, "This is no table: give a .csv, .jsonl or .parquet file."))
        else:
            tables.append(_table(path, path.name, images or path.parent))
    names = Counter(table.shown for table in tables)
    return [
        table if names[table.shown] == 1 else table._replace(shown="/".join(table.path.parts[-3:])) for table in tables
    ], faults


def read_table(table: Table) -> tuple[list[RawRow], list[Fault]]:
    """All rows of a table and every fault of its form. A row with a fault is left out."""
    if table.path.stat().st_size > MAX_TABLE_BYTES:
        size = f"{MAX_TABLE_BYTES // 1024**2} MB"
        return [], [Fault(table.shown, None, None, f"This table is larger than {size}: split it into several.")]
    rows: list[RawRow] = []
    faults: list[Fault] = []
    for entry in _READERS[table.path.suffix.lower()](table):
        if isinstance(entry, Fault):
            faults.append(entry)
        else:
            rows.append(entry)
    if not rows and not faults:
        faults.append(Fault(table.shown, None, None, "This table has no rows."))
    return rows, faults


def _table(path: Path, shown: str, root: Path) -> Table:
    """`sfb_street.csv` tells the subtask and the kind of background; other names tell nothing."""
    first, _, second = path.stem.lower().partition("_")
    kinds = {"": None, "street": BackgroundKind.STREET, "landmark": BackgroundKind.LANDMARK}
    if first.upper() not in Subtask.__members__ or second not in kinds:
        return Table(path, shown, root, None, None)
    return Table(path, shown, root, Subtask(first.upper()), kinds[second])


def _text_of(table: Table) -> str | Fault:
    data = table.path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        return Fault(table.shown, row, None, f"This is not UTF-8 text (byte 0x{byte:02x}): save the table as UTF-8.")


def _read_csv(table: Table, separator: str = ",") -> Iterator[RawRow | Fault]:
    text = _text_of(table)
    if isinstance(text, Fault):
        yield text
        return
    records = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    row = 0
    header: list[str] | None = None
    while True:
        row += 1
        try:
            cells = next(records, None)
        except csv.Error as error:
            yield Fault(table.shown, row, None, f"This row can't be read as CSV ({error}): check its quotes.")
            return
        if cells is None:
            return
        if not any(cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            if fault := _header_fault(table, row, header):
                yield fault
                return
        elif len(cells) != len(header):
            more = "more" if len(cells) > len(header) else "fewer"
            yield Fault(
                table.shown, row, None,
                f"This row has {len(cells)} cells, {more} than the {len(header)} columns: "
                f"check its {'commas' if separator == ',' else 'tabs'}, and quote a cell that holds one.",
            )  # fmt: skip
        else:
            yield RawRow(table.shown, row, dict(zip(header, cells, strict=True)))


def _header_fault(table: Table, row: int, header: list[str]) -> Fault | None:
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            return Fault(table.shown, row, None, f"The columns are separated by {name}: save the table with commas.")
    for column in header:
        if header.count(column) > 1:
            return Fault(table.shown, row, column, f"The column “{column}” stands there twice.")
    return None


def _read_jsonl(table: Table) -> Iterator[RawRow | Fault]:
    text = _text_of(table)
    if isinstance(text, Fault):
        yield text
        return
    for row, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            yield Fault(table.shown, row, None, "This line is not valid JSON: write one object a line.")
            continue
        if isinstance(values, dict):
            yield RawRow(table.shown, row, {key: _plain(value) for key, value in values.items()})
        else:
            yield Fault(table.shown, row, None, "This line is not a JSON object: write {…} with the columns as keys.")


def _read_parquet(table: Table) -> Iterator[RawRow | Fault]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(table.path) as file:
            for column in file.schema_arrow:
                if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
                    yield Fault(
                        table.shown, None, column.name,
                        f"The column “{column.name}” holds {column.type}, not text or numbers: leave it out.",
                    )  # fmt: skip
                    return
            unpacked = sum(file.metadata.row_group(n).total_byte_size for n in range(file.metadata.num_row_groups))
            if unpacked > MAX_TABLE_BYTES:
                yield Fault(table.shown, None, None, "This table is too large once unpacked: split it into several.")
                return
            row = 0
            for batch in file.iter_batches():
                for values in batch.to_pylist():
                    row += 1
                    yield RawRow(table.shown, row, {key: _plain(value) for key, value in values.items()})
    except (pa.ArrowException, OSError, ValueError):
        yield Fault(table.shown, None, None, "This file can't be read as Parquet: write or copy it again.")


def _plain(value: Any) -> Any:
    """What JSON can keep. Missing values (null, NaN) are empty cells, as in a CSV."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str | bool | int | float | list | dict):
        return value
    return str(value)


_READERS: Final[dict[str, Callable[[Table], Iterator[RawRow | Fault]]]] = {
    ".csv": _read_csv,
    ".tsv": partial(_read_csv, separator="\t"),  # for predictions; items come in SUFFIXES only
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
}
