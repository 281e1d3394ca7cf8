"""WebDataset shards: a tar with an image and its JSON for each item, without times or owners."""

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.releases.outbox import HashingFile


class SampleWriter:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add(self, key: str, suffix: str, image: bytes, columns: dict[str, Any]) -> None:
        """One sample. `key` has no dot: loaders take all behind a name's first dot for the kind of file."""
        self._member(f"{key}.{suffix}", image)
        self._member(f"{key}.json", json.dumps(columns, ensure_ascii=False, sort_keys=True).encode())

    def _member(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)  # its defaults: time 0, owner 0, mode 644
        member.size = len(data)
        self._tar.addfile(member, io.BytesIO(data))


@contextmanager
def sample_writer(file: HashingFile) -> Iterator[SampleWriter]:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:  # type: ignore[call-overload]
        yield SampleWriter(tar)
