"""The picture a model is shown: upright, RGB, no more pixels than asked for."""

import io
import math
import warnings

import numpy as np
from PIL import Image, ImageOps

MOST_PIXELS = 100_000_000
"""More than any image the project takes in: past it, only decoding would take gigabytes."""
_FORMATS = ("JPEG", "PNG", "WEBP")

PREPROCESSING = {"mode": "RGB", "upright": True, "transparency": "white", "resample": "lanczos"}
"""What a run's spec says of it, beside the most pixels."""


class BadPicture(ValueError):
    """Bytes that are no picture; the message is a sentence."""


def shown(data: bytes, max_pixels: int | None = None) -> Image.Image:
    """The picture, scaled down to at most `max_pixels` with its sides in proportion, never up. Raises BadPicture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged EXIF data, of large images
            stored = Image.open(io.BytesIO(data), formats=_FORMATS)
            if stored.width * stored.height > MOST_PIXELS:
                raise BadPicture(f"The image has {stored.width} × {stored.height} pixels, too many to decode.")
            image = _rgb(ImageOps.exif_transpose(stored))
    except BadPicture:
        raise
    except Exception as error:  # decoders of hostile bytes raise nearly everything
        raise BadPicture("The image can't be decoded.") from error
    if max_pixels is None or image.width * image.height <= max_pixels:
        return image
    scale = math.sqrt(max_pixels / (image.width * image.height))
    width, height = max(1, math.floor(image.width * scale)), max(1, math.floor(image.height * scale))
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _rgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if image.mode.startswith("I"):  # 16-bit grey, which convert("RGB") would clip at 255
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")
