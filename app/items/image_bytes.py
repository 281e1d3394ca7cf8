"""What a file is by its bytes, where its image ends and what it carries around the pixels; nothing is decoded here."""

import re
import struct
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

Format = Literal["jpeg", "png", "webp"]

_SIGNATURES: Final[tuple[tuple[bytes, Format], ...]] = (
    (rb"\xff\xd8\xff", "jpeg"),
    (rb"\x89PNG\r\n\x1a\n", "png"),
    (rb"RIFF....WEBP", "webp"),
)

# What people send instead, most telling first; the name goes into the sentence they read.
_OTHERS: Final[tuple[tuple[bytes, str], ...]] = (
    (rb"GIF8[79]a", "a GIF"),
    (rb"II\*\x00|MM\x00\*|II\+\x00|MM\x00\+", "a TIFF"),
    (rb"BM....\x00\x00\x00\x00", "a BMP"),
    (rb"\x00\x00[\x01\x02]\x00", "an icon (ICO)"),
    (rb"....ftypavi[fs]", "an AVIF"),
    (rb"....ftyp(?:hei|hev|mif|msf)", "a HEIC"),
    (rb"....ftyp", "a video (MP4)"),
    (rb"\xff\x0a|\x00\x00\x00\x0cJXL ", "a JPEG XL"),
    (rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000"),
    (rb"8BPS", "a Photoshop file"),
    (rb"%PDF-", "a PDF"),
    (rb"%!PS", "a PostScript file"),
    (rb"PK\x03\x04", "a ZIP archive"),
    (rb"\x1f\x8b", "a gzip archive"),
    (rb"MZ|\x7fELF", "a program"),
    (rb"version https://git-lfs", "a Git LFS pointer, not the image itself (run git lfs pull)"),
    (rb"(?is)(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?(?:<!doctype svg[^>]*>\s*)?<svg", "an SVG"),
    (
        rb"(?is)(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)?<(?:!doctype html|html|head|body|script|\?php)",
        "a web page (HTML)",
    ),
)

# Markup a browser or an interpreter would run if these bytes were ever taken for anything but an image.
_ACTIVE: Final = re.compile(rb"(?i)<(?:script|html|svg|iframe|!doctype|\?php)[\s>/]|%PDF-|PK\x03\x04[\x0a-\x3f]\x00")


class Anatomy(NamedTuple):
    """Where an image's own bytes end, and what lies around its pixels.

    `end` is None when the bytes stop before the image does. `around` holds the metadata and whatever follows the image.
    """

    end: int | None
    around: bytes


def format_of(data: bytes) -> Format | None:
    for pattern, image_format in _SIGNATURES:
        if re.match(pattern, data, re.DOTALL):
            return image_format
    return None


def what_else(data: bytes) -> str:
    """A few words for bytes that are no image accepted here: "a PDF", "a web page (HTML)", "no known kind of image"."""
    start = data[:4096]
    for pattern, words in _OTHERS:
        if re.match(pattern, start, re.DOTALL):
            return words
    return "no known kind of image"


def anatomy_of(data: bytes, image_format: Format) -> Anatomy:
    walk = {"jpeg": _walk_jpeg, "png": _walk_png, "webp": _walk_webp}[image_format]
    around: list[bytes] = []
    end: int | None = None
    for kind, start, stop in walk(data):
        if kind == "end":
            end = stop
        else:
            around.append(data[start:stop])
    if end is not None:
        around.append(data[end:])
    return Anatomy(end, b"\n".join(around))


def carries_active_content(around: bytes) -> bool:
    return _ACTIVE.search(around) is not None


_Span = tuple[Literal["metadata", "end"], int, int]

_JPEG_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_METADATA: Final = frozenset({0xFE, *range(0xE0, 0xF0)})  # COM and APP0..APP15
# In entropy-coded data FF is stuffed (FF 00), a restart marker or fill; anything else is the next marker.
_JPEG_NEXT_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def _walk_jpeg(data: bytes) -> Iterator[_Span]:
    """Marker segments of ITU-T T.81, annex B."""
    position = 2
    while position + 2 <= len(data):
        if data[position] != 0xFF:
            return
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker == 0xD9:
            yield "end", position, position + 2
            return
        elif marker in _JPEG_STANDALONE:
            position += 2
        else:
            if position + 4 > len(data):
                return
            stop = position + 2 + struct.unpack_from(">H", data, position + 2)[0]
            if marker in _JPEG_METADATA:
                yield "metadata", position, stop
            position = stop
            if marker == 0xDA:
                following = _JPEG_NEXT_MARKER.search(data, stop)
                if following is None:
                    return
                position = following.start()


def _walk_png(data: bytes) -> Iterator[_Span]:
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        stop = position + 12 + length
        if stop > len(data):
            return
        if kind == b"IEND":
            yield "end", position, stop
            return
        if kind not in (b"IDAT", b"fdAT", b"PLTE"):
            yield "metadata", position, stop
        position = stop


def _walk_webp(data: bytes) -> Iterator[_Span]:
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    position = 12
    while position + 8 <= min(end, len(data)):
        kind, length = struct.unpack_from("<4sI", data, position)
        stop = position + 8 + length + length % 2
        if kind not in (b"VP8 ", b"VP8L", b"ALPH", b"ANMF"):  # codespell:ignore alph
            yield "metadata", position, stop
        position = stop
    if end <= len(data):
        yield "end", 0, end
