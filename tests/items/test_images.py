"""Hostile, broken and unusual image files: each is shown right, or refused with a sentence that names it."""

import contextlib
import hashlib
import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin

from app.items import images
from app.items.images import BadImage

SIGNED_64 = st.integers(-(1 << 63), (1 << 63) - 1)


def picture(width: int = 320, height: int = 240, *, seed: int = 1) -> Image.Image:
    """Something with large shapes, so that its perceptual hash means something."""
    shapes = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, r = shapes.integers(0, width), shapes.integers(0, height), shapes.integers(10, max(width, height) // 3)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(shapes.integers(0, 256, 3).tolist()))
    return image


def saved(image: Image.Image, image_format: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, pixels: bytes = b"", extra: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


JPEG = saved(picture())
PNG = saved(picture(), "PNG")
WEBP = saved(picture(), "WEBP")
FRAMES = [picture(seed=seed) for seed in (1, 2, 3)]
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

REFUSED: dict[str, tuple[str, bytes, str]] = {
    "0 bytes": ("a.jpg", b"", r"a\.jpg is empty \(0 bytes\)"),
    "cut JPEG": ("a.jpg", JPEG[: len(JPEG) // 2], "truncated"),
    "JPEG without its last byte": ("a.jpg", JPEG[:-1], "truncated"),
    "JPEG of three bytes": ("a.jpg", JPEG[:3], "truncated"),
    "JPEG of markers only": ("a.jpg", b"\xff\xd8\xff\xe0\x00\x02\xff\xd9", "damaged"),
    "cut PNG": ("a.png", PNG[: len(PNG) // 2], "truncated"),
    "PNG without its end": ("a.png", PNG[:-12], "truncated"),
    "PNG with a wrong checksum": ("a.png", PNG[:60] + bytes([PNG[60] ^ 1]) + PNG[61:], "damaged"),
    "PNG with too few pixels": ("a.png", png(64, 64, pixels=b"\0" * 64), "damaged"),
    "PNG of no width": ("a.png", png(0, 10), "damaged"),
    "cut WebP": ("a.webp", WEBP[: len(WEBP) // 2], "truncated"),
    "WebP without a picture": ("a.webp", WEBP[:20] + bytes(len(WEBP) - 20), "damaged"),
    "PNG bomb, 50,000 by 50,000": ("bomb.png", png(50_000, 50_000), r"bomb\.png has .*50 megapixels"),
    "PNG bomb below Pillow's own limit": ("a.png", png(8_000, 8_000), "8000 × 8000 pixels; at most 50 megapixels"),
    "JPEG bomb": (
        "a.jpg",
        JPEG.replace(struct.pack(">HH", 240, 320), struct.pack(">HH", 65_500, 65_500), 1),
        "at most 50 megapixels",
    ),
    "WebP bomb": ("a.webp", saved(Image.new("1", (16_383, 3_100)).convert("RGB"), "WEBP", quality=0), "megapixels"),
    "animated PNG": ("a.png", saved(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), "animated .3 frames"),
    "animated WebP": ("a.webp", saved(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]), "3 frames"),
    "GIF": ("a.gif", saved(FRAMES[0], "GIF"), "is a GIF; send a JPEG, PNG or WebP"),
    "GIF named .jpg": ("a.jpg", saved(FRAMES[0], "GIF"), "is a GIF"),
    "TIFF": ("a.tif", saved(FRAMES[0], "TIFF"), "is a TIFF"),
    "BMP": ("a.bmp", saved(FRAMES[0], "BMP"), "is a BMP"),
    "AVIF header": ("a.avif", b"\0\0\0\x1cftypavif" + bytes(64), "is an AVIF"),
    "HEIC header": ("a.heic", b"\0\0\0\x1cftypheic" + bytes(64), "is a HEIC"),
    "SVG": ("a.svg", SVG, "is an SVG"),
    "SVG named .png": ("a.png", b"\n <!-- c --><svg onload=alert(1)>", "is an SVG"),
    "HTML named .jpg": ("a.jpg", b"<!DOCTYPE html><html></html>", r"is a web page \(HTML\)"),
    "PDF named .jpg": ("a.jpg", b"%PDF-1.7\n", "is a PDF"),
    "ZIP named .webp": ("a.webp", b"PK\x03\x04" + bytes(40), "is a ZIP"),
    "Git LFS pointer": ("a.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "text": ("a.jpg", b"hello", "no known kind of image"),
    "NUL bytes": ("a.jpg", bytes(4096), "no known kind of image"),
    "PNG named .html": ("a.html", PNG, "holds a PNG under a name that is not an image's"),
    "JPEG with a page behind it": ("a.jpg", JPEG + b"<html><script>alert(1)</script>", "hides a web page"),
    "JPEG with a script in its comment": ("a.jpg", with_segment(JPEG, 0xFE, b"<script>alert(1)</script>"), "hides"),
    "JPEG with PHP in its EXIF": ("a.jpg", with_segment(JPEG, 0xE1, b"Exif\0\0<?php system(1) ?>"), "hides"),
    "JPEG with a ZIP behind it": ("a.jpg", JPEG + b"PK\x03\x04\x14\x00" + bytes(40), "hides"),
    "PNG with a page in its text": ("a.png", png(1, 1, pixels=bytes(4), extra=chunk(b"tEXt", b"a\0<html>")), "hides"),
    "WebP with a page behind it": ("a.webp", WEBP + b"<!doctype html>", "hides"),
    "PNG text that unpacks to 80 MB": (
        "a.png",
        png(1, 1, pixels=bytes(4), extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000)))),
        "damaged",
    ),
    "PNG profile that unpacks to 80 MB": (
        "a.png",
        png(1, 1, pixels=bytes(4), extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(80_000_000)))),
        "damaged",
    ),
    "60 MB file": ("a.jpg", JPEG + bytes(60_000_000), "has 60 MB; at most 50 MB"),
    "name with escapes": ("a\x1b[31m\n.jpg", b"", "a\N{REPLACEMENT CHARACTER}"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_image_is_refused_with_one_sentence_that_names_it(case: str) -> None:
    name, data, expected = REFUSED[case]
    for read in (images.inspect, images.process):
        with pytest.raises(BadImage, match=expected) as refused:
            read(data, name)
        assert refused.value.status == 422
        assert refused.value.message.isprintable()
        assert refused.value.message.startswith(name.split("\x1b")[0])


def test_refusing_a_huge_image_decodes_nothing_and_warns_nobody(recwarn: pytest.WarningsRecorder) -> None:
    warnings.simplefilter("always")
    with pytest.raises(BadImage):
        images.inspect(png(11_000, 11_000), "bomb.png")
    assert not recwarn.list


ACCEPTED: dict[str, tuple[str, bytes, str]] = {
    "PNG named .jpg": ("a.jpg", PNG, "ends in .jpg but the bytes are PNG"),
    "JPEG named .gif": ("a.gif", JPEG, "ends in .gif but the bytes are JPEG"),
    "CMYK": ("a.jpg", saved(picture().convert("CMYK")), "CMYK"),
    "transparent": ("a.png", saved(Image.new("RGBA", (40, 30), (255, 0, 0, 0)), "PNG"), "on white"),
    "padding behind the image": ("a.jpg", JPEG + bytes(12), "12 bytes follow"),
    "broken profile": ("a.jpg", saved(picture(), icc_profile=b"not a profile"), "colour profile"),
    "16-bit colour": ("a.png", png(2, 2, depth=16, pixels=(b"\0" + b"\x80\0" * 6) * 2), "16 bits"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_an_unusual_image_is_shown_and_noted(case: str) -> None:
    name, data, note = ACCEPTED[case]
    processed = images.process(data, name)
    assert [text for text in processed.facts.notes if note in text]
    assert processed.facts.sha256 == hashlib.sha256(data).hexdigest()
    assert processed.facts.byte_count == len(data)
    assert opened(processed.display).mode == "RGB"


@pytest.mark.parametrize(("data", "name"), [(JPEG, "a.jpg"), (PNG, "dir/A.PNG"), (WEBP, "a.webp"), (JPEG, "no-suffix")])
def test_a_plain_image_is_taken_as_it_is(data: bytes, name: str) -> None:
    facts = images.inspect(data, name)
    assert (facts.width, facts.height, facts.notes) == (320, 240, ())
    assert facts.media_type == f"image/{facts.format}"
    assert facts == images.process(data, name).facts


def test_renditions_are_webp_within_their_sizes_and_small_images_are_not_blown_up() -> None:
    large = images.process(saved(picture(3000, 1500)), "a.jpg")
    assert (large.facts.width, large.facts.height) == (3000, 1500)
    assert (opened(large.display).format, opened(large.display).size) == ("WEBP", (1024, 512))
    assert (opened(large.thumb).format, opened(large.thumb).size) == ("WEBP", (256, 128))
    small = images.process(saved(picture(200, 100)), "a.jpg")
    assert (opened(small.display).size, opened(small.thumb).size) == ((200, 100), (200, 100))


def test_a_sliver_keeps_at_least_one_pixel() -> None:
    sliver = images.process(saved(Image.new("RGB", (20_000, 1)), "PNG"), "a.png")
    assert opened(sliver.thumb).size == (256, 1)


def test_a_large_jpeg_shows_what_a_full_decode_shows() -> None:
    source = picture(5000, 4000)
    shown = opened(images.process(saved(source, quality=95), "a.jpg").display)
    expected = source.resize(shown.size, Image.Resampling.LANCZOS)
    difference = np.abs(np.asarray(shown, dtype=int) - np.asarray(expected, dtype=int))
    assert difference.mean() < 2.5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_exif_rotation_turns_the_picture_upright(orientation: int, image_format: str) -> None:
    quarters = Image.new("RGB", (64, 48), "white")
    quarters.paste("red", (0, 0, 32, 24))
    quarters.paste("blue", (32, 24, 64, 48))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the Transpose that stores an upright picture this way
    stored = quarters.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else quarters
    exif = Image.Exif()
    exif[274] = orientation
    processed = images.process(saved(stored, image_format, exif=exif), f"a.{image_format.lower()}")
    assert (processed.facts.width, processed.facts.height) == (64, 48)
    shown = opened(processed.display)
    assert shown.size == (64, 48)
    for point, colour in {(8, 8): (255, 0, 0), (56, 40): (0, 0, 255), (56, 8): (255, 255, 255)}.items():
        assert np.abs(np.subtract(shown.getpixel(point), colour)).max() < 40


def test_no_metadata_survives_in_a_rendition() -> None:
    exif = Image.Exif()
    exif[271] = "Camera maker"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "Camera maker")
    sources = {
        "a.jpg": saved(picture(), exif=exif, icc_profile=profile, comment="Camera maker"),
        "a.webp": saved(picture(), "WEBP", exif=exif, icc_profile=profile, xmp=b"<x:xmpmeta>Camera maker</x:xmpmeta>"),
        "a.png": saved(picture(), "PNG", exif=exif, icc_profile=profile, pnginfo=info),
    }
    for name, data in sources.items():
        processed = images.process(data, name)
        for rendition in (processed.display, processed.thumb):
            assert not set(opened(rendition).info) & {"exif", "icc_profile", "xmp", "comment"}
            assert not opened(rendition).getexif()
            assert b"Camera" not in rendition


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.tile(np.linspace(0, 65_535, 256, dtype=np.uint16), (64, 1))
    shown = np.asarray(opened(images.process(saved(Image.fromarray(ramp), "PNG"), "a.png").display))
    assert abs(int(shown[32, 128, 0]) - 128) < 6
    assert shown[32, 5, 0] < 20
    assert shown[32, 250, 0] > 235


def test_transparency_lies_on_white_in_every_mode() -> None:
    see_through = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    see_through.paste((200, 0, 0, 255), (0, 0, 20, 40))
    palette = see_through.quantize(8)
    for image in (see_through, palette, see_through.convert("LA")):
        shown = opened(images.process(saved(image, "PNG"), "a.png").display)
        assert min(shown.getpixel((35, 20))) > 245  # type: ignore[type-var]
        assert shown.getpixel((5, 20))[1] < 90  # type: ignore[index]


def test_a_colour_profile_is_turned_into_srgb() -> None:
    """Linear light stored as such looks too dark unless its profile is followed: 0.2158 linear is 128 in sRGB."""
    linear = _linear_profile()
    data = saved(Image.new("RGB", (64, 64), (55, 55, 55)), "PNG", icc_profile=linear)
    shown = opened(images.process(data, "a.png").display)
    assert abs(shown.getpixel((32, 32))[0] - 128) < 6  # type: ignore[index]


def _linear_profile() -> bytes:
    """sRGB with its curves replaced by gamma 1.0 (ICC.1:2010, 10.5: `curv` without entries is the identity)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for index in range(struct.unpack_from(">I", profile, 128)[0]):
        tag, offset, _ = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            profile[offset : offset + 12] = b"curv" + bytes(8)
            struct.pack_into(">I", profile, 132 + 12 * index + 8, 12)
        if tag == b"desc":
            profile[offset : offset + 64] = profile[offset : offset + 64].replace(b"\0s\0R\0G\0B", b"\0L\0i\0n\0e")
    return bytes(profile)


def test_a_damaged_exif_block_does_not_cost_the_image() -> None:
    data = with_segment(JPEG, 0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(8))
    assert images.inspect(data, "a.jpg").width == 320


def test_a_phone_photo_with_a_second_picture_shows_the_first() -> None:
    data = saved(picture(), "MPO", save_all=True, append_images=[picture(seed=9)])
    assert (images.inspect(data, "a.jpg").format, images.inspect(data, "a.jpg").width) == ("jpeg", 320)


def test_the_hash_holds_over_size_and_quality_and_differs_between_pictures() -> None:
    original = images.inspect(saved(picture(800, 600), quality=95), "a.jpg").phash
    smaller = images.inspect(saved(picture(800, 600).resize((500, 375)), "WEBP", quality=40), "b.webp").phash
    other = images.inspect(saved(picture(800, 600, seed=2)), "c.jpg").phash
    assert images.hamming(original, smaller) <= 4
    assert images.hamming(original, other) > 12
    assert all(-(1 << 63) <= phash < 1 << 63 for phash in (original, smaller, other))


@given(SIGNED_64, SIGNED_64)
def test_hamming_counts_bits_of_signed_numbers(a: int, b: int) -> None:
    assert images.hamming(a, b) == images.hamming(b, a) == bin((a ^ b) % (1 << 64)).count("1")


@given(st.lists(SIGNED_64 | st.integers(0, 15), max_size=40), st.integers(0, 20))
@settings(deadline=None)
def test_near_duplicates_are_exactly_the_close_pairs(hashes: list[int], distance: int) -> None:
    expected = [
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if images.hamming(hashes[i], hashes[j]) <= distance
    ]
    assert images.near_duplicates(list(enumerate(hashes)), distance) == expected


def test_near_duplicates_reach_over_block_borders_and_stop_at_their_limit() -> None:
    hashes = [(n, 7 if n in (3, 700) else n << 20) for n in range(1, 1000)]
    assert (3, 700) in images.near_duplicates(hashes, 0)
    assert len(images.near_duplicates([(n, 0) for n in range(2000)], 0, at_most=50)) == 50


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_flipped_byte_gives_anything_but_an_image_or_a_sentence(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from([JPEG, PNG, WEBP]))
    broken = bytearray(source)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(broken)))
    for attempt in (bytes(broken), bytes(broken[:cut])):
        with contextlib.suppress(BadImage):
            assert images.inspect(attempt, "a.jpg").width > 0
