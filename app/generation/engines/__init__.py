"""Engines make another image of a claim. Another engine is one more file here and one more line in `engine_named`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from app.errors import Invalid


class CannotMake(Invalid):
    """The engine has nothing to make this image from; the message says what is missing and what to do."""

    type = "cannot-make"
    title = "This image can't be made again"


class Source(NamedTuple):
    """A photograph at hand: the SHA-256 of its bytes and where they lie."""

    sha256: str
    path: Path


class Part(NamedTuple):
    """A dish or a background as it is claimed.

    `used` is the photograph of the rejected image, where it is known; `others` are more of the same dish or place
    that no earlier image of this claim was made from. `shows_partner`: `used` is known as a photograph of the item's
    other dish. `names` are all it goes by.
    """

    name: str
    names: Sequence[str]
    used: Source | None
    others: Sequence[Source]
    shows_partner: bool = False


class Task(NamedTuple):
    """`parts` by "food1", "food2", "background"; `reasons` {question: the codes that count}; `corrections`
    {question: what most say is there instead}; `generator` who made the rejected image."""

    parts: Mapping[str, Part]
    reasons: Mapping[str, frozenset[str]]
    corrections: Mapping[str, str]
    generator: str | None


class Made(NamedTuple):
    """`used` {part: the SHA-256 it was made from}; `changes` are sentences: what was done otherwise, and why;
    `parameters` reproduce it."""

    data: bytes
    suffix: str
    prompt: str
    used: Mapping[str, str]
    changes: Sequence[str]
    parameters: Mapping[str, Any]


class Engine(Protocol):
    name: str

    def make(self, task: Task, seed: str) -> Made:
        """Another image: the same task and seed give the same bytes. Raises CannotMake."""
        ...


NAMES = ("composite",)


def engine_named(name: str) -> Engine:
    if name == "composite":
        from app.generation.engines.composite import Composite

        return Composite()
    raise Invalid(f"There is no engine “{name[:40]}”; there is {', '.join(NAMES)}.")
