"""A release's file as an HTTP answer: whole, a range of it, or not at all because the client has it (RFC 9110)."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from app.releases.service import ReleaseFile
from app.storage import Storage

_ONE_RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)


class Span(NamedTuple):
    """Bytes `start` up to but without `end`."""

    start: int
    end: int


class Unsatisfiable(Exception):
    """The range begins behind the file's end."""


def wanted_span(header: str | None, size: int) -> Span | None:
    """The range a client asks for; None for the whole file, also when we know no such range or it asks for several.

    >>> wanted_span("bytes=0-99", 1000), wanted_span("bytes=900-", 1000), wanted_span("bytes=-100", 1000)
    (Span(start=0, end=100), Span(start=900, end=1000), Span(start=900, end=1000))
    """
    match = _ONE_RANGE.fullmatch(header or "")
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None  # malformed, and RFC 9110 §14.2 has malformed ranges ignored
    if start >= size:
        raise Unsatisfiable
    return Span(start, end)


def answer(file: ReleaseFile, storage: Storage, method: str, headers: Mapping[str, str]) -> Response:
    """The file for these request headers. Raises MissingObject before the answer begins."""
    etag = f'"{file.sha256}"'
    common = {
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file.path.rsplit('/', 1)[-1], safe='')}",
        "etag": etag,
        "x-content-type-options": "nosniff",
    }
    if _names(headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=common)
    if method == "HEAD":
        return Response(headers=common | {"content-length": str(file.size)}, media_type=file.media_type)
    span = None
    if headers.get("if-range", etag) == etag:
        try:
            span = wanted_span(headers.get("range"), file.size)
        except Unsatisfiable:
            return Response(status_code=416, headers=common | {"content-range": f"bytes */{file.size}"})
    start, end = span or (0, file.size)
    if span is not None:
        common["content-range"] = f"bytes {start}-{end - 1}/{file.size}"
    return StreamingResponse(
        storage.read_range(file.key, start, end),
        status_code=200 if span is None else 206,
        headers=common | {"content-length": str(end - start)},
        media_type=file.media_type,
    )


def _names(if_none_match: str | None, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return etag in tags or "*" in tags
