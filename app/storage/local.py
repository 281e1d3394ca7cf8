"""Storage in a folder on this machine."""

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from app.storage.base import (
    CHUNK_BYTES,
    PROBE,
    PROBE_KEY,
    RESERVED_PREFIX,
    InvalidKey,
    MissingObject,
    Stat,
    StorageError,
    checked_key,
    checked_prefix,
)


class LocalStorage:
    """A key is a path below `root`. The media type isn't kept: whoever serves a file knows its type."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))

    def put(self, key: str, data: bytes | BinaryIO, *, media_type: str) -> None:
        path = self._path(key)
        with _situations(key):
            path.parent.mkdir(parents=True, exist_ok=True)
            # In the same folder, so that the rename stays on one file system and is atomic.
            handle, name = tempfile.mkstemp(prefix=RESERVED_PREFIX, dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    if isinstance(data, bytes):
                        file.write(data)
                    else:
                        shutil.copyfileobj(data, file, CHUNK_BYTES)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(name)
                raise
            _sync_folder(path.parent)  # else the new name itself may be lost in a power cut

    def put_file(self, key: str, path: Path, media_type: str) -> None:
        with path.open("rb") as file:
            self.put(key, file, media_type=media_type)

    def get(self, key: str) -> bytes:
        with self.open(key) as file:
            return file.read()

    def open(self, key: str) -> io.BufferedReader:
        path = self._existing(key)
        with _situations(key):
            return path.open("rb")

    def read_range(self, key: str, start: int, end: int | None = None) -> Iterator[bytes]:
        return _slice(self._existing(key), key, start, end)

    def stat(self, key: str) -> Stat | None:
        try:
            with _situations(key):
                status = self._existing(key).stat()
        except MissingObject:
            return None
        return Stat(status.st_size, f"{status.st_mtime_ns:x}-{status.st_ino:x}-{status.st_size:x}")

    def exists(self, key: str) -> bool:
        return self.stat(key) is not None

    def list(self, prefix: str = "") -> Iterator[str]:
        folder = self._path(prefix.removesuffix("/")) if prefix else self.root
        found = []
        with _situations(prefix):
            for place, _, names in os.walk(folder, onerror=_not_just_missing):
                parent = Path(place).relative_to(self.root)
                found += [(parent / name).as_posix() for name in names if not name.startswith(RESERVED_PREFIX)]
        return iter(sorted(found))

    def delete(self, key: str) -> None:
        with _situations(key), suppress(MissingObject):
            self._existing(key).unlink(missing_ok=True)

    def delete_prefix(self, prefix: str) -> None:
        if not checked_prefix(prefix):
            raise InvalidKey(prefix, "it would remove everything")
        folder = self._path(prefix.removesuffix("/"))
        with _situations(prefix), suppress(FileNotFoundError, NotADirectoryError):
            shutil.rmtree(folder)

    def check(self) -> None:
        self.put(PROBE_KEY, PROBE, media_type="text/plain")
        if self.get(PROBE_KEY) != PROBE:
            raise StorageError(f"{self.root} gives back other bytes than were written; check its disk.")

    def local_path(self, key: str) -> Path | None:
        return self._existing(key)

    def _path(self, key: str) -> Path:
        """Where the key lies, all links followed; a link that leads out of the root is refused."""
        path = Path(os.path.realpath(self.root / checked_key(key)))
        if not path.is_relative_to(self.root):
            raise InvalidKey(key, "a link on the way leads out of the storage folder")
        return path

    def _existing(self, key: str) -> Path:
        path = self._path(key)
        with _situations(key):
            if not path.is_file():
                raise MissingObject(key)
        return path


def _slice(path: Path, key: str, start: int, end: int | None) -> Iterator[bytes]:
    with _situations(key), path.open("rb") as file:
        file.seek(start)
        left = None if end is None else end - start
        while left is None or left > 0:
            chunk = file.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
            if not chunk:
                return
            if left is not None:
                left -= len(chunk)
            yield chunk


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _not_just_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


@contextmanager
def _situations(key: str) -> Iterator[None]:
    """Turns the system's errors into sentences."""
    try:
        yield
    except FileNotFoundError as error:
        raise MissingObject(key) from error
    except OSError as error:
        raise StorageError(
            f"The storage folder failed at {key!r} ({error.strerror or error}); check its disk space and permissions."
        ) from error
