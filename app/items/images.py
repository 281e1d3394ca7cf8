"""Image files in: what they are, whether they are whole, and the two renditions pages show.

The original bytes are never changed; whoever stores them names them by `ImageFacts.sha256`. Renditions are WebP,
upright, sRGB, 8 bits a channel, transparent parts on white, and carry no metadata at all.
"""

import hashlib
import io
import threading
import warnings
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Final, NamedTuple, TypeVar

import imagehash
import numpy as np
from PIL import Image, ImageCms

from app.errors import Invalid
from app.items.image_bytes import Format, anatomy_of, carries_active_content, format_of, what_else

DISPLAY_PIXELS: Final = 1024
THUMB_PIXELS: Final = 256
MAX_PIXELS: Final = 50_000_000
MAX_BYTES: Final = 50_000_000

# Method 0 takes a third of the default method's time for a tenth more bytes, and an import makes 23,766 of these.
_DISPLAY_WEBP: Final = {"quality": 80, "method": 0}
_THUMB_WEBP: Final = {"quality": 75, "method": 0}

_SUFFIXES: Final[dict[str, Format | None]] = {
    ".jpg": "jpeg", ".jpeg": "jpeg", ".jpe": "jpeg", ".jfif": "jpeg", ".png": "png", ".webp": "webp",
    ".gif": None, ".tif": None, ".tiff": None, ".bmp": None, ".avif": None, ".heic": None, ".img": None, "": None,
}  # fmt: skip

# EXIF 2.32, tag 274: what turns the stored picture upright.
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_Key = TypeVar("_Key", bound=Hashable)


class BadImage(Invalid):
    """A file that is no image this project can show; the message names the file, what is wrong and what to do."""

    type = "bad-image"
    title = "This image can't be used"


class ImageFacts(NamedTuple):
    """`width` and `height` in pixels as displayed; `phash` is signed 64-bit; `notes` are sentences for the admin."""

    sha256: str
    format: Format
    width: int
    height: int
    byte_count: int
    phash: int
    notes: tuple[str, ...]

    @property
    def media_type(self) -> str:
        return f"image/{self.format}"


class Processed(NamedTuple):
    """`display` and `thumb` are WebP bytes, at most 1024 and 256 pixels on the longest side."""

    facts: ImageFacts
    display: bytes
    thumb: bytes


class _Picture(NamedTuple):
    image: Image.Image  # RGB, upright, at most DISPLAY_PIXELS
    format: Format
    width: int
    height: int
    notes: tuple[str, ...]


def inspect(data: bytes, name: str) -> ImageFacts:
    """Decode all of the image and tell what it is, without making renditions. Raises `BadImage`."""
    picture = _read(data, name)
    return _facts(data, picture, _fit(picture.image, THUMB_PIXELS))


def process(data: bytes, name: str) -> Processed:
    """Facts and both renditions from a single decode. Raises `BadImage`."""
    picture = _read(data, name)
    thumb = _fit(picture.image, THUMB_PIXELS)
    return Processed(_facts(data, picture, thumb), _webp(picture.image, _DISPLAY_WEBP), _webp(thumb, _THUMB_WEBP))


def hamming(a: int, b: int) -> int:
    """How many of the 64 bits of two perceptual hashes differ: 0 for the same picture, about 32 for unrelated ones."""
    return ((a ^ b) & 0xFFFF_FFFF_FFFF_FFFF).bit_count()


def near_duplicates(
    hashes: Sequence[tuple[_Key, int]], max_distance: int, *, at_most: int = 100_000
) -> list[tuple[_Key, _Key]]:
    """Pairs of keys whose hashes differ in at most `max_distance` bits, in the order given.

    Compares every pair, exactly, a block of rows at a time: 24,000 hashes take about a second and 100 MB, less than an
    index of them would cost to explain. Stops after `at_most` pairs, since n equal pictures make n² of them.
    """
    keys = [key for key, _ in hashes]
    bits = np.array([phash for _, phash in hashes], dtype=np.int64).view(np.uint64)
    pairs: list[tuple[_Key, _Key]] = []
    block = 256
    for top in range(0, len(keys), block):
        distances = np.bitwise_count(bits[top : top + block, None] ^ bits[None, top:])
        rows, columns = np.nonzero(distances <= max_distance)
        later = columns > rows
        pairs += [
            (keys[top + row], keys[top + column])
            for row, column in zip(rows[later].tolist(), columns[later].tolist(), strict=True)
        ]
        if len(pairs) >= at_most:
            return pairs[:at_most]
    return pairs


def _read(data: bytes, name: str) -> _Picture:
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    if not data:
        raise BadImage(f"{shown} is empty (0 bytes): upload or copy the file again.")
    if len(data) > MAX_BYTES:
        raise BadImage(f"{shown} has {len(data) / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB are taken.")
    image_format = format_of(data)
    if image_format is None:
        raise BadImage(f"{shown} is {what_else(data)}; send a JPEG, PNG or WebP image.")

    notes = []
    suffix = PurePath(name).suffix.lower()
    if suffix not in _SUFFIXES:
        raise BadImage(f"{shown} holds a {_label(image_format)} under a name that is not an image's: rename it.")
    if suffix and _SUFFIXES[suffix] != image_format:
        notes.append(f"The name ends in {suffix} but the bytes are {_label(image_format)}.")

    anatomy = anatomy_of(data, image_format)
    if anatomy.end is None:
        raise BadImage(f"{shown} is truncated: its {_label(image_format)} data stops early. Copy the file again.")
    if carries_active_content(anatomy.around):
        raise BadImage(f"{shown} hides a web page, script or archive beside its pixels: export it as a plain image.")
    if trailing := len(data) - anatomy.end:
        notes.append(f"{trailing} bytes follow the image's end.")

    try:
        return _decode(data, shown, image_format, notes)
    except BadImage:
        raise
    except Exception as broken:  # decoders of hostile bytes raise nearly everything, struct.error and KeyError included
        raise BadImage(f"{shown} is damaged and can't be decoded: export or copy it again.") from broken


def _decode(data: bytes, shown: str, image_format: Format, notes: list[str]) -> _Picture:
    with _quiet():
        try:
            image = Image.open(io.BytesIO(data), formats=[image_format.upper()])
        except Image.DecompressionBombError:
            raise BadImage(_too_many_pixels(shown)) from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadImage(_too_many_pixels(shown, f"{width} × {height} pixels"))
    # A JPEG may hold more pictures (a gain map, a preview); viewers show the first, and so do we.
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image_format != "jpeg":
        raise BadImage(f"{shown} is animated ({frames} frames): send one still image.")

    longest = max(width, height)
    if image_format == "jpeg" and longest > DISPLAY_PIXELS:
        # libjpeg halves while it decodes, as long as twice the size needed is left for a good resize.
        image.draft(None, (2 * DISPLAY_PIXELS * width // longest, 2 * DISPLAY_PIXELS * height // longest))
    image.load()
    orientation = _orientation(image, notes)
    upright = _to_srgb(image, _wide_to_8_bits(image, data, notes), notes)
    if orientation in _UPRIGHT:
        upright = upright.transpose(_UPRIGHT[orientation])
        notes.append("Turned upright by its EXIF orientation.")
    if orientation >= 5:
        width, height = height, width
    return _Picture(upright, image_format, width, height, tuple(notes))


def _orientation(image: Image.Image, notes: list[str]) -> int:
    try:
        with _quiet():
            orientation = image.getexif().get(274, 1)
    except Exception:  # a broken EXIF block says nothing about the pixels
        notes.append("Its EXIF data is damaged and was not read.")
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _wide_to_8_bits(image: Image.Image, data: bytes, notes: list[str]) -> Image.Image:
    """Pillow reads 16-bit colour as 8 bits, but leaves 16-bit grey wide, and its convert("L") clips that at 255."""
    if image.format == "PNG" and data[24] == 16:
        notes.append("16 bits a channel, shown with 8.")
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))


def _to_srgb(original: Image.Image, image: Image.Image, notes: list[str]) -> Image.Image:
    """RGB at display size; profiles are applied after shrinking, where they cost least."""
    if image.has_transparency_data:
        # Resized with its alpha first: mixing hidden colours into the edges would leave a fringe.
        image = _fit(image.convert("RGBA"), DISPLAY_PIXELS)
        if image.getchannel("A").getextrema() != (255, 255):
            notes.append("Transparent parts are shown on white.")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    elif image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    image = _fit(image, DISPLAY_PIXELS)
    if image.mode == "CMYK":
        notes.append("CMYK, shown as RGB.")
    profile = original.info.get("icc_profile")
    if profile:
        image = _apply_profile(image, profile, notes)
    return image.convert("RGB")


def _apply_profile(image: Image.Image, profile: bytes, notes: list[str]) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return image
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        notes.append("Its colour profile is damaged or for other data, and was left out.")
        return image
    return converted or image


def _fit(image: Image.Image, longest: int) -> Image.Image:
    if max(image.size) <= longest:
        return image
    width, height = (max(1, round(side * longest / max(image.size))) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)


def _webp(image: Image.Image, options: dict[str, int]) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", **options)  # writes no EXIF, XMP or profile unless told to
    return out.getvalue()


def _facts(data: bytes, picture: _Picture, thumb: Image.Image) -> ImageFacts:
    bits = int("".join("1" if bit else "0" for bit in imagehash.phash(thumb).hash.ravel()), 2)
    return ImageFacts(
        sha256=hashlib.sha256(data).hexdigest(),
        format=picture.format,
        width=picture.width,
        height=picture.height,
        byte_count=len(data),
        phash=bits - (1 << 64) if bits >> 63 else bits,
        notes=picture.notes,
    )


def _label(image_format: Format) -> str:
    return {"jpeg": "JPEG", "png": "PNG", "webp": "WebP"}[image_format]


def _too_many_pixels(shown: str, size: str = "far more pixels") -> str:
    return f"{shown} has {size}; at most {MAX_PIXELS // 1_000_000} megapixels are taken: send a smaller one."


_filters = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow warns of sizes and odd EXIF that are answered here; the lock keeps threads off the shared filters."""
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
