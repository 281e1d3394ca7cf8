"""The numbered data files of each split: Parquet and WebDataset side by side, one shard of each open at a time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import NamedTuple, Self

from app.items.pictures import SUFFIXES
from app.releases.formats.columns import item_columns
from app.releases.formats.parquet import TableWriter, data_writer
from app.releases.formats.webdataset import SampleWriter, sample_writer
from app.releases.outbox import Outbox
from app.releases.snapshot import FrozenItem, Planned

SHARD_BYTES = 400_000_000
"""Image bytes a shard holds: what the Hub advises, and few enough to download again when a line breaks."""


def shard_numbers(planned: Sequence[Planned], split_of: Mapping[str, str]) -> list[int]:
    """The shard of each item within its split, from the images' sizes alone, so that every name is known beforehand."""
    number: Counter[str] = Counter()
    filled: Counter[str] = Counter()
    found = []
    for item in planned:
        split = split_of[item.family]
        if filled[split] and filled[split] + item.byte_count > SHARD_BYTES:
            number[split] += 1
            filled[split] = 0
        filled[split] += item.byte_count
        found.append(number[split])
    return found


class _Open(NamedTuple):
    number: int
    closing: ExitStack
    table: TableWriter
    samples: SampleWriter


class ShardWriters:
    """Writers for `totals` shards by split. At the end the last ones are stored; after an error they are dropped."""

    def __init__(self, outbox: Outbox, totals: Mapping[str, int]) -> None:
        self._outbox = outbox
        self._totals = totals
        self._open: dict[str, _Open] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for shard in self._open.values():
            shard.closing.__exit__(kind, error, trace)

    def add(self, split: str, number: int, frozen: FrozenItem, image: bytes) -> None:
        """One item. Numbers come in order within a split."""
        shard = self._open.get(split)
        if shard is None or shard.number != number:
            if shard is not None:
                shard.closing.close()
            shard = self._open[split] = self._opened(split, number)
        columns = item_columns(frozen)
        shard.table.add({"image": {"bytes": image, "path": frozen.item.key}, **columns}, weight=len(image))
        shard.samples.add(str(frozen.item.id), SUFFIXES[frozen.image.format], image, columns)

    def _opened(self, split: str, number: int) -> _Open:
        data = f"data/{split}-{number:05}-of-{self._totals[split]:05}.parquet"
        tar = f"webdataset/{split}-{number:05}.tar"
        closing = ExitStack()
        table = closing.enter_context(data_writer(closing.enter_context(self._outbox.create(data))))
        samples = closing.enter_context(sample_writer(closing.enter_context(self._outbox.create(tar))))
        return _Open(number, closing, table, samples)
