"""What storage promises: the Protocol, the keys it takes and the situations it reports."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol
from urllib.parse import unquote

from app.errors import Invalid, NotFound, TerroirError

CHUNK_BYTES = 256 * 1024
RESERVED_PREFIX = ".part-"  # a name the local folder keeps for files that are still being written
PROBE_KEY = "health/probe"
PROBE = b"Terroir checks here that files can be written and read.\n"

_MAX_KEY_BYTES = 1024  # S3's limit
_MAX_PART_BYTES = 255  # that of common file systems
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


class StorageError(TerroirError):
    """The store can't be reached, refuses us or is full: the operator's to mend, and worth trying again."""

    status = 503
    type = "storage"
    title = "Files can't be reached right now"


class MissingObject(NotFound):
    """No file is stored under this key."""

    title = "This file isn't there"

    def __init__(self, key: str) -> None:
        super().__init__(f"No file is stored as {key!r}.")


class InvalidKey(Invalid):
    """This name could leave its folder, or some store couldn't keep it."""

    title = "This can't name a stored file"

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key[:200]!a} can't name a stored file: {reason}.")


class Stat(NamedTuple):
    """`size` in bytes; `etag` changes whenever the content does and is opaque otherwise."""

    size: int
    etag: str | None


class Storage(Protocol):
    """Files under keys such as `images/ab/abcdef….jpg`. Safe to share between threads.

    Every method raises InvalidKey for a key that `checked_key` refuses and StorageError when the store fails.
    A prefix is a folder: `releases/1.0.0` never reaches `releases/1.0.0-rc1`.
    """

    def put(self, key: str, data: bytes | BinaryIO, *, media_type: str) -> None:
        """Store all of `data`, or nothing: a reader sees the old content or the new, never a part."""

    def put_file(self, key: str, path: Path, media_type: str) -> None:
        """Store the file at `path`, of any size, without holding it in memory."""

    def get(self, key: str) -> bytes:
        """The whole content. Raises MissingObject."""

    def open(self, key: str) -> io.BufferedReader:
        """A stream of the content, not always seekable, for the caller to close. Raises MissingObject."""

    def read_range(self, key: str, start: int, end: int | None = None) -> Iterator[bytes]:
        """Bytes `start` up to but without `end` (None: the rest), in chunks; past the end there are none.

        Counts as Python's slices do, so HTTP's `Range: bytes=0-99` is `read_range(key, 0, 100)`. Raises MissingObject
        at the call, before the first chunk.
        """

    def stat(self, key: str) -> Stat | None:
        """Size and etag, or None when nothing is stored under this key."""

    def exists(self, key: str) -> bool:
        """Whether something is stored under this key."""

    def list(self, prefix: str = "") -> Iterator[str]:
        """Every key in the folder `prefix` and below ("": all), in code point order."""

    def delete(self, key: str) -> None:
        """Remove the file; one that isn't there is no error."""

    def delete_prefix(self, prefix: str) -> None:
        """Remove every file in the folder `prefix` and below; "" is refused."""

    def check(self) -> None:
        """Write a small file and read it back. Raises StorageError saying what to mend."""

    def local_path(self, key: str) -> Path | None:
        """Where the file lies on this machine, or None when the store is elsewhere. Raises MissingObject."""


def checked_key(key: str) -> str:
    """The key unchanged, if it is safe and portable: relative parts joined by `/` that name a file below the root.

    The percent-decoded form must be safe as well, for a proxy on the way may decode it. Raises InvalidKey.

    >>> checked_key("images/ab/moules-frites.jpg")
    'images/ab/moules-frites.jpg'
    >>> checked_key("images/%2e%2e/secret_key")
    Traceback (most recent call last):
    app.storage.base.InvalidKey: 'images/%2e%2e/secret_key' can't name a stored file: it has a part '..'.
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidKey(key, "it isn't valid Unicode") from None
    if size > _MAX_KEY_BYTES:
        raise InvalidKey(key, f"it is longer than {_MAX_KEY_BYTES} bytes")
    for form in (key, unquote(key)):
        if reason := _fault(form):
            raise InvalidKey(key, reason)
    return key


def checked_prefix(prefix: str) -> str:
    """The folder as the beginning of its keys: "" or a safe key with one `/` behind it. Raises InvalidKey."""
    return checked_key(prefix.removesuffix("/")) + "/" if prefix else ""


def _fault(key: str) -> str | None:
    if _CONTROL.search(key):
        return "it has a control character"
    if "\\" in key:
        return "it has a backslash"
    if key.startswith("/") or _DRIVE.match(key):
        return "it is an absolute path"
    for part in key.split("/"):
        if part in ("", ".", ".."):
            return f"it has a part {part!r}"
        if len(part.encode()) > _MAX_PART_BYTES:
            return f"it has a part longer than {_MAX_PART_BYTES} bytes"
        if _DEVICE.fullmatch(part):
            return f"{part!r} names a device on some systems"
        if part.startswith(RESERVED_PREFIX):
            return f"names that begin with {RESERVED_PREFIX!r} are kept for files being written"
    return None
