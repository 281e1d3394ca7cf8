"""An engine in this process that answers as scripted: for what happens around an engine, not in one."""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from app.evaluation.engines import Capabilities, Question, Reply

Script = Callable[[str], Reply]


class ScriptedEngine:
    """`asked` holds every question's image in the order in which they came; `hold` keeps all from answering."""

    capabilities = Capabilities(loads_weights=False)

    def __init__(
        self, script: Script, *, seconds: float = 0.0, in_flight: int = 1, batch_size: int = 1, model: str = "scripted"
    ) -> None:
        self.script, self.seconds, self.model = script, seconds, model
        self.in_flight, self.batch_size = in_flight, batch_size
        self.asked: list[str] = []
        self.hold = threading.Event()
        self.hold.set()
        self.closed = threading.Event()
        self._lock = threading.Lock()

    def describe(self) -> dict[str, Any]:
        return {"name": "scripted", "version": 1, "model": self.model}

    def answer(self, batch: Sequence[Question]) -> list[Reply]:
        images = [hashlib.sha256(question.image).hexdigest() for question in batch]
        with self._lock:
            self.asked += images
        while not self.hold.wait(0.02):
            if self.closed.is_set():
                return [Reply(error="closed")] * len(batch)
        time.sleep(self.seconds * len(batch))
        return [self.script(image) for image in images]

    def close(self) -> None:
        self.closed.set()
