"""Parquet with fixed settings: the same rows in the same order give the same bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from app.releases.formats.columns import DATA_SCHEMA
from app.releases.outbox import HashingFile

# Loaders read a row group at a time: small enough for one of full-size images to fit in any memory.
IMAGE_GROUP_ROWS = 64
IMAGE_GROUP_BYTES = 32 * 2**20
TABLE_GROUP_ROWS = 5_000


class TableWriter:
    """Gathers rows and writes them as row groups of `group_rows`, or of about `group_bytes` of `weight`."""

    def __init__(self, writer: pq.ParquetWriter, group_rows: int, group_bytes: int) -> None:
        self._writer = writer
        self._group_rows = group_rows
        self._group_bytes = group_bytes
        self._rows: list[dict[str, Any]] = []
        self._weight = 0

    def add(self, row: dict[str, Any], *, weight: int = 0) -> None:
        self._rows.append(row)
        self._weight += weight
        if len(self._rows) >= self._group_rows or self._weight >= self._group_bytes:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._writer.schema))
            self._rows, self._weight = [], 0


@contextmanager
def data_writer(file: HashingFile) -> Iterator[TableWriter]:
    """For rows of DATA_SCHEMA. The images are compressed already and are stored as they are."""
    with _writer(file, DATA_SCHEMA, IMAGE_GROUP_ROWS, IMAGE_GROUP_BYTES) as writer:
        yield writer


@contextmanager
def table_writer(file: HashingFile, schema: pa.Schema) -> Iterator[TableWriter]:
    with _writer(file, schema, TABLE_GROUP_ROWS, 64 * 2**20) as writer:
        yield writer


@contextmanager
def _writer(file: HashingFile, schema: pa.Schema, group_rows: int, group_bytes: int) -> Iterator[TableWriter]:
    leaves = [leaf for field in schema for leaf in _leaves(field)]
    plain = [leaf for leaf in leaves if not leaf.startswith("image.")]
    with pq.ParquetWriter(
        file,
        schema,
        version="2.6",
        data_page_version="1.0",
        compression={leaf: "zstd" if leaf in plain else "none" for leaf in leaves},
        use_dictionary=plain,
        write_statistics=plain,
    ) as writer:
        table = TableWriter(writer, group_rows, group_bytes)
        yield table
        table.flush()


def _leaves(field: pa.Field) -> list[str]:
    """The paths by which Parquet knows a column's parts."""
    if pa.types.is_struct(field.type):
        return [f"{field.name}.{child.name}" for child in field.type]
    if pa.types.is_list(field.type):
        return [f"{field.name}.list.element"]
    return [field.name]
