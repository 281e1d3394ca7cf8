"""What a model is asked. A template is a file with its version in its name and is never changed once it was used."""

import enum
import functools
import hashlib
from pathlib import Path

from app.items.models import Subtask

_FOLDER = Path(__file__).parent / "prompts"
_VERSION = 1


class Strategy(enum.StrEnum):
    """`direct` points at the food and away from its surroundings; `cot` lets the model think first."""

    BASE = "base"
    DIRECT = "direct"
    COT = "cot"


@functools.cache
def template(strategy: Strategy) -> str:
    return (_FOLDER / f"{strategy.value}-{_VERSION}.txt").read_text(encoding="utf-8")


def describe(strategy: Strategy) -> dict[str, str]:
    """What a run's spec says of its prompt: the template's name, and the hash of all it can become."""
    texts = [prompt(strategy, subtask, slot) for subtask in Subtask for slot in range(1, subtask.foods + 1)]
    return {"name": f"{strategy.value}-{_VERSION}", "sha256": hashlib.sha256("\0".join(texts).encode()).hexdigest()}


def prompt(strategy: Strategy, subtask: Subtask, slot: int) -> str:
    """The question about one food; of two foods it says which. It ends in a newline, for after a space some tokenizers
    join the answer to the question.

    >>> prompt(Strategy.BASE, Subtask.MFB, 1).partition(",")[0]
    'What is the food on the left side of this image'
    """
    food = "the food in this image"
    if subtask.foods == 2:
        food = f"the food on the {'left' if slot == 1 else 'right'} side of this image"
    return template(strategy).format(food=food)
