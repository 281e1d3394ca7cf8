"""Stored pictures: where an image's original, display rendition and thumbnail lie, and putting them there."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from app.items import images
from app.items.images import BadImage, ImageFacts
from app.items.models import Image
from app.storage import Storage

SUFFIXES: Final = {"jpeg": "jpg", "png": "png", "webp": "webp"}
# Pillow lets go of the interpreter while it decodes, resizes and encodes: threads keep all cores busy, and unlike
# processes they share the storage's connections and need no copying.
THREADS: Final = 4
_AHEAD: Final = 4 * THREADS
_ROWS_AT_ONCE: Final = 1000


def original_key(sha256: str, image_format: str) -> str:
    """`images/<aa>/<sha256>.<ext>`: the bytes as they came."""
    return f"images/{sha256[:2]}/{sha256}.{SUFFIXES[image_format]}"


def display_key(sha256: str) -> str:
    return f"display/{sha256[:2]}/{sha256}.webp"


def thumb_key(sha256: str) -> str:
    return f"thumbs/{sha256[:2]}/{sha256}.webp"


def put(storage: Storage, data: bytes, name: str) -> ImageFacts:
    """Keep the original and both renditions. Named by content, so files left by a rolled-back import do no harm.

    Raises BadImage.
    """
    processed = images.process(data, name)
    facts = processed.facts
    storage.put(original_key(facts.sha256, facts.format), data, media_type=facts.media_type)
    storage.put(display_key(facts.sha256), processed.display, media_type="image/webp")
    storage.put(thumb_key(facts.sha256), processed.thumb, media_type="image/webp")
    return facts


def add_rows(session: Session, facts: Iterable[ImageFacts]) -> None:
    """The rows of stored images; one that another transaction has just added is no conflict."""
    rows = [
        {
            "sha256": image.sha256, "format": image.format, "width": image.width, "height": image.height,
            "byte_count": image.byte_count, "phash": image.phash, "notes": list(image.notes),
        }
        for image in facts
    ]  # fmt: skip
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        session.execute(insert(Image).on_conflict_do_nothing(), rows[start : start + _ROWS_AT_ONCE])


def store(session: Session, storage: Storage, data: bytes, name: str) -> Image:
    """The stored image with these bytes, put there if it is new. Raises BadImage."""
    sha256 = hashlib.sha256(data).hexdigest()
    if (known := session.get(Image, sha256)) is not None:
        return known
    add_rows(session, [put(storage, data, name)])
    return session.get_one(Image, sha256)


class Look(NamedTuple):
    """What a file turned out to be: its facts, None for `facts` if its bytes are known already, or what is wrong."""

    path: Path
    sha256: str
    facts: ImageFacts | None
    error: str | None


def look_at_all(
    paths: Iterable[tuple[Path, str]], known: set[str], storage: Storage | None, stop_storing: Callable[[], bool]
) -> Iterator[Look]:
    """Every file looked at, in order, several at a time, a handful ahead of the caller so that memory stays bounded.

    `paths` are files and the names people know them by; `known` are the hashes that need no second look. Files go to
    `storage` as they are read; without one, or once `stop_storing()` holds, they are only checked.
    """

    def look(path: Path, name: str) -> Look:
        try:
            if path.stat().st_size > images.MAX_BYTES:
                return Look(path, "", None, f"{name} is larger than {images.MAX_BYTES // 1_000_000} MB.")
            data = path.read_bytes()
        except OSError as error:
            return Look(path, "", None, f"{name} can't be read ({error.strerror}).")
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 in known:
            return Look(path, sha256, None, None)
        try:
            if storage is None or stop_storing():
                return Look(path, sha256, images.inspect(data, name), None)
            return Look(path, sha256, put(storage, data, name), None)
        except BadImage as error:
            return Look(path, sha256, None, error.message)

    with ThreadPoolExecutor(THREADS, thread_name_prefix="picture") as pool:
        waiting: deque[Future[Look]] = deque()
        try:
            for path, name in paths:
                waiting.append(pool.submit(look, path, name))
                if len(waiting) >= _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
