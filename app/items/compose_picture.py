"""The pixels of a composed item: dishes on white, or on a table before a scene, as published before diffusion."""

import io
import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

SIDE: Final = 576
_QUALITY: Final = 80
_DISH_PIXELS: Final = 512
_SCENE_PIXELS: Final = 768
_PLATE_SHAPE: Final = 1.3  # width by height: a round plate as seen from a chair
_FOOD_ON_PLATE: Final = 0.86

# RGB of a table top and how strong its grain is: wood light and dark, stone, cloth.
_TABLES: Final = (
    ((176, 128, 84), 0.16),
    ((134, 90, 58), 0.18),
    ((92, 64, 46), 0.20),
    ((206, 176, 138), 0.12),
    ((150, 140, 132), 0.07),
    ((214, 208, 198), 0.04),
    ((98, 104, 108), 0.08),
    ((188, 150, 110), 0.15),
)


class Layout(NamedTuple):
    """What an image that is made again does otherwise.

    `size` multiplies the dishes' width. `is_whole`: as much of each photograph as fits, from its middle. `softness` is
    the part of a dish's radius over which it fades into its plate. `edge` adds to the height of the scene, in parts
    of the image's; all of the scene's photograph is shown then.
    """

    size: float = 1.0
    is_whole: bool = False
    softness: float = 0.05
    edge: float = 0.0


PLAIN: Final = Layout()


def picture_of(dishes: Sequence[Path], background: Path | None, draw: random.Random, layout: Layout = PLAIN) -> bytes:
    """A 576 × 576 JPEG of one dish, or of two from left to right, on white or on a table before the background.

    `draw` decides crop, size, place and light, so that no two items show the same pixels.
    """
    canvas = Image.new("RGB", (SIDE, SIDE), "white") if background is None else _before(background, draw, layout)
    # Two dishes stand at equal height, each in the middle of its half.
    width = SIDE * (draw.uniform(0.45, 0.48) if len(dishes) == 2 else draw.uniform(0.7, 0.86))
    height = width / (1.12 if len(dishes) == 2 and background is None else _PLATE_SHAPE)
    y = SIDE / 2
    if background is not None:
        width, height = (width, height) if len(dishes) == 2 else (width * 0.76, height * 0.76)
        y = SIDE - height * 0.6
    # Two dishes never reach into each other, one never out of the image.
    grown = min(width * layout.size, SIDE * (0.49 if len(dishes) == 2 else 0.94)) / width
    width, height = width * grown, height * grown
    y += SIDE * draw.uniform(-0.02, 0.02)
    for place, dish in enumerate(dishes):
        x = SIDE * (2 * place + 1) / (2 * len(dishes)) + SIDE * draw.uniform(-0.008, 0.008)
        _serve(canvas, dish, (x, y), (width, height), draw, layout)
    out = io.BytesIO()
    canvas.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _before(background: Path, draw: random.Random, layout: Layout) -> Image.Image:
    """The scene above, a table top below."""
    edge = round(SIDE * (draw.uniform(0.56, 0.62) + layout.edge))
    canvas = Image.new("RGB", (SIDE, SIDE))
    scene = _opened(background, _SCENE_PIXELS)
    canvas.paste(_cropped(scene, SIDE, edge + 8, draw.uniform(0.88, 1.0), draw, layout.edge > 0), (0, 0))
    table = _table(draw.randrange(len(_TABLES)))
    top = draw.randrange(table.height - (SIDE - edge))
    left = draw.randrange(table.width - SIDE)
    ground = table.crop((left, top, left + SIDE, top + SIDE - edge))
    ground = ImageEnhance.Brightness(ground).enhance(draw.uniform(0.92, 1.06))
    canvas.paste(ground, (0, edge), _table_edge().crop((0, 0, SIDE, SIDE - edge)))
    return canvas


def _serve(
    canvas: Image.Image,
    dish: Path,
    centre: tuple[float, float],
    size: tuple[float, float],
    draw: random.Random,
    layout: Layout,
) -> None:
    """A plate with its shadow, and an ellipse of the photograph on it."""
    width, height = round(size[0]), round(size[1])
    left, top = round(centre[0] - size[0] / 2), round(centre[1] - size[1] / 2)
    shadow = _shadow().resize((round(width * 1.16), round(height * 1.2)), Image.Resampling.BILINEAR)
    canvas.paste((30, 24, 20), (left - round(width * 0.08), top - round(height * 0.04)), shadow)
    plate = _plate().resize((width, height), Image.Resampling.BILINEAR)
    canvas.paste(plate, (left, top), plate)
    food_width, food_height = round(width * _FOOD_ON_PLATE), round(height * _FOOD_ON_PLATE)
    share = draw.uniform(0.84, 1.0)
    food = _cropped(_opened(dish, _DISH_PIXELS), food_width, food_height, share, draw, layout.is_whole)
    food = ImageEnhance.Brightness(food).enhance(draw.uniform(0.96, 1.05))
    mask = _food_mask(layout.softness).resize(food.size, Image.Resampling.BILINEAR)
    canvas.paste(food, (left + (width - food_width) // 2, top + (height - food_height) // 2), mask)


def _cropped(
    image: Image.Image, width: int, height: int, share: float, draw: random.Random, is_whole: bool = False
) -> Image.Image:
    """A part of the image in the proportions asked for, at `share` of the largest possible, placed near the middle;
    where it is to be whole the largest, in the middle."""
    across, down = draw.uniform(0.3, 0.7), draw.uniform(0.3, 0.7)
    if is_whole:
        share, across, down = 1.0, 0.5, 0.5
    scale = min(image.width / width, image.height / height) * share
    # Rounding may make the whole of a side a hair more than it is, and no box reaches out of its image.
    box_width, box_height = min(width * scale, image.width), min(height * scale, image.height)
    left = (image.width - box_width) * across
    top = (image.height - box_height) * down
    box = (left, top, min(left + box_width, image.width), min(top + box_height, image.height))
    return image.resize((width, height), Image.Resampling.BICUBIC, box=box)


@lru_cache(maxsize=256)
def _opened(path: Path, pixels: int) -> Image.Image:
    """A seed, decoded once a process and shrunk to what is needed: 173 seeds take about 130 MB."""
    with Image.open(path) as file:
        image = file.convert("RGB")
    image.thumbnail((pixels, pixels), Image.Resampling.LANCZOS)
    return image


def _radius(width: int, height: int) -> npt.NDArray[np.float64]:
    """Distance from the centre of a width × height field, 1 at the edge of its inscribed ellipse."""
    x = np.linspace(-1, 1, width)[None, :]
    y = np.linspace(-1, 1, height)[:, None]
    return np.hypot(x, y)


def _grey(values: npt.NDArray[np.float64]) -> Image.Image:
    return Image.fromarray((values.clip(0, 1) * 255).astype(np.uint8))


@lru_cache(maxsize=1)
def _plate() -> Image.Image:
    radius = _radius(520, 400)
    rim = np.exp(-(((radius - 0.9) / 0.03) ** 2)) * 0.10 + np.exp(-(((radius - 0.99) / 0.02) ** 2)) * 0.16
    light = np.linspace(0.02, -0.05, 400)[:, None]
    tone = 0.96 - rim + light
    plate = Image.merge("RGB", [_grey(tone), _grey(tone * 0.995), _grey(tone * 0.98)])
    plate.putalpha(_grey((1 - radius) / 0.012))
    return plate


@lru_cache(maxsize=8)
def _food_mask(softness: float) -> Image.Image:
    return _grey((1 - _radius(520, 400)) / softness)


@lru_cache(maxsize=1)
def _shadow() -> Image.Image:
    return _grey(0.5 * ((1 - _radius(520, 400)) / 0.2).clip(0, 1) ** 1.5)


@lru_cache(maxsize=1)
def _table_edge() -> Image.Image:
    """Opaque but for a few soft rows at the top, where table and scene meet."""
    rows = np.minimum(np.arange(SIDE) / 5, 1.0)[:, None]
    return _grey(np.repeat(rows, SIDE, axis=1))


@lru_cache(maxsize=len(_TABLES))
def _table(style: int) -> Image.Image:
    """A table top wider and deeper than any part of it that is shown."""
    colour, grain = _TABLES[style]
    width, height = SIDE + 200, 420
    noise = np.random.default_rng(style)
    lines = noise.normal(0, 1, (height // 2, 7))
    streaks = _grey(0.5 + lines * 0.16).resize((width, height), Image.Resampling.BICUBIC)
    fine = noise.normal(0, 0.012, (height, width))
    tone = 1 + grain * (np.asarray(streaks) / 127.5 - 1) + fine
    return Image.merge("RGB", [_grey(tone * channel / 255) for channel in colour])
