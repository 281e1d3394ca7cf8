"""Where a release's files go while it is built: straight into storage, each hashed as it is written."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, Self

from app.storage import Storage

_MEDIA_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".tar": "application/x-tar",
    ".webp": "image/webp",
}


class FileEntry(NamedTuple):
    """What the manifest says of one file; `size` in bytes."""

    sha256: str
    size: int

    @classmethod
    def of(cls, data: bytes) -> Self:
        return cls(hashlib.sha256(data).hexdigest(), len(data))


def media_type_of(path: str) -> str:
    if path.endswith("SUMS"):
        return "text/plain; charset=utf-8"
    return _MEDIA_TYPES.get(Path(path).suffix.lower(), "application/octet-stream")


class HashingFile:
    """A file for writing from front to back that knows its own SHA-256; what Arrow and tar need of a file, no more."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        self._file.flush()

    @property
    def entry(self) -> FileEntry:
        return FileEntry(self._hash.hexdigest(), self._size)


class Outbox:
    """Puts files under `prefix` and keeps what the manifest will say of them."""

    def __init__(self, storage: Storage, prefix: str, scratch: Path) -> None:
        self._storage = storage
        self._prefix = prefix
        self._scratch = scratch
        self.files: dict[str, FileEntry] = {}

    def put(self, path: str, data: bytes) -> None:
        """Safe to call from several threads."""
        self._storage.put(f"{self._prefix}/{path}", data, media_type=media_type_of(path))
        self.files[path] = FileEntry.of(data)

    @contextmanager
    def create(self, path: str) -> Iterator[HashingFile]:
        """A large file, written on this machine and stored once it is whole; never held in memory."""
        with tempfile.NamedTemporaryFile(dir=self._scratch) as temporary:
            file = HashingFile(temporary.file)
            yield file
            temporary.flush()
            self._storage.put_file(f"{self._prefix}/{path}", Path(temporary.name), media_type_of(path))
            self.files[path] = file.entry
