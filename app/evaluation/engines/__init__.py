"""What answers questions about images: one file an engine, all behind one Protocol."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class Question(NamedTuple):
    prompt: str
    image: bytes
    media_type: str


class Reply(NamedTuple):
    """What came of one question: `text`, or the `error` that kept us from one.

    `is_cut`: stopped at the limit of tokens. `is_refused`: the engine itself calls it a refusal. Token counts as the
    engine gives them, None where it gives none.
    """

    text: str | None = None
    is_cut: bool = False
    is_refused: bool = False
    error: str | None = None
    latency_ms: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class Engine(Protocol):
    def describe(self) -> dict[str, Any]:
        """What of it can change an answer: part of a run's spec, the same on every machine, free of secrets."""

    def answer(self, batch: Sequence[Question]) -> list[Reply]:
        """One reply a question, in order. What fails for one question is that reply's `error`; what no question can
        get past (a refused key, an unknown model) is raised."""
