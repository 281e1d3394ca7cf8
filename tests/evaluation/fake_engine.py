"""An engine whose every answer is known: what it says follows from the question, what it does from a file.

`setup.model` names that file, a `Scenario` as JSON. An engine that runs elsewhere needs nothing but this module.
"""

import hashlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.evaluation.engines import Capabilities, Question, Reply, Setup, UnusableEngine

NAME = "fake"
WHERE = "tests.evaluation.fake_engine:FakeEngine"
"""For `app.evaluation.engines.ENGINES`, in tests that use it."""


@dataclass
class Scenario:
    """`seconds` a batch takes, `slow_seconds` for the first engine that is made, `loading_seconds` the making of one.
    `deadly` is the prompt at which the process dies, `broken` the one that raises; `refusal` is why none can be made;
    `answers`: what it may say. `weights` tell one model from another that says the same; `is_uneven`: the first
    engine that is made has others than the rest."""

    seconds: float = 0.0
    slow_seconds: float | None = None
    loading_seconds: float = 0.0
    deadly: str | None = None
    broken: str | None = None
    refusal: str | None = None
    answers: tuple[str, ...] = ("yes", "no")
    weights: str = ""
    is_uneven: bool = False

    def write(self, folder: Path) -> str:
        path = folder / "scenario.json"
        path.write_text(json.dumps(asdict(self)))
        return str(path)


def answer_to(question: Question, answers: Sequence[str]) -> str:
    digest = hashlib.sha256(question.prompt.encode() + b"\0" + question.image).digest()
    return answers[int.from_bytes(digest[:4], "big") % len(answers)]


def asked(folder: Path) -> Counter[str]:
    """How often each question was begun, by the digest of prompt and image."""
    return Counter(line.split()[1] for line in (folder / "asked.log").read_text().splitlines())


def pids(folder: Path) -> set[int]:
    """The processes that an engine was ever made in."""
    return {int(path.name.removeprefix("engine-")) for path in folder.glob("engine-*")}


def digest(question: Question) -> str:
    return hashlib.sha256(question.prompt.encode() + b"\0" + question.image).hexdigest()


class FakeEngine:
    capabilities = Capabilities()
    in_flight = 1

    def __init__(self, setup: Setup) -> None:
        self.batch_size = setup.batch_size
        self._folder = Path(setup.model).parent
        self._scenario = Scenario(**json.loads(Path(setup.model).read_text()))
        if self._scenario.refusal is not None:
            raise UnusableEngine(self._scenario.refusal)
        time.sleep(self._scenario.loading_seconds)
        self._seconds = self._scenario.seconds
        is_first = not any(self._folder.glob("engine-*"))
        if self._scenario.slow_seconds is not None and is_first:
            self._seconds = self._scenario.slow_seconds
        if self._scenario.is_uneven and is_first:
            self._scenario.weights = "others"
        seen = {name: os.environ.get(name, "") for name in ("CUDA_VISIBLE_DEVICES", "HF_HUB_OFFLINE", "OPENAI_API_KEY")}
        (self._folder / f"engine-{os.getpid()}").write_text(json.dumps(seen))

    def describe(self) -> dict[str, Any]:
        return {"name": NAME, "version": "1", "weights": self._scenario.weights}

    def answer(self, batch: Sequence[Question]) -> list[Reply]:
        with (self._folder / "asked.log").open("a") as log:  # one write a question: several processes share the file
            for question in batch:
                log.write(f"{os.getpid()} {digest(question)}\n")
                log.flush()
        for question in batch:
            if question.prompt == self._scenario.deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            if question.prompt == self._scenario.broken:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
        time.sleep(self._seconds)
        texts = [answer_to(question, self._scenario.answers) for question in batch]
        return [Reply(text, latency_ms=1, input_tokens=7, output_tokens=3) for text in texts]

    def close(self) -> None:
        return
