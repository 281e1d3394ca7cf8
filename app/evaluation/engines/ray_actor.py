"""What runs inside a process of Ray's: an engine, told what to do and nothing else."""

import os
import re
import time
from typing import Any, NamedTuple

from app.errors import TerroirError
from app.evaluation.engines import Engine, Question, Reply, Setup
from app.evaluation.engines.weights import ALLOW, stay_offline

SECRET = re.compile(r"^(TERROIR|AWS|PG)|(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS)(_FILE)?$")


class Started(NamedTuple):
    """What became of making the engine: its description, or the sentence why there can't be one."""

    description: dict[str, Any] | None
    refusal: str | None


class Answered(NamedTuple):
    """The replies and how long they took, or the sentence why no question can be asked."""

    replies: list[Reply]
    seconds: float
    refusal: str | None = None


class EngineActor:
    """An engine in a process of its own, with the GPUs that Ray gave it. Its calls run in the order they came."""

    def __init__(self, engine_type: Any, setup: Setup, gpus: float) -> None:
        # Weights may be a stranger's: they get neither our secrets nor, unless this machine's owner says so, the hub.
        for name in [name for name in os.environ if SECRET.search(name) and name not in ("HF_TOKEN", ALLOW)]:
            del os.environ[name]
        stay_offline()
        if not gpus:  # Ray lets a process without GPU use one core; it is the only one on its machine
            os.environ["OMP_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))
        self._engine_type, self._setup, self._gpus = engine_type, setup, gpus
        self._engine: Engine | None = None

    def where(self) -> str:
        """The machine this runs on."""
        import ray

        node: str = ray.get_runtime_context().get_node_id()
        return node

    def start(self) -> Started:
        try:
            self._engine = engine = self._engine_type(self._setup)
            return Started(engine.describe(), None)
        except TerroirError as error:
            return Started(None, error.message)

    def answer(self, batch: list[Question]) -> Answered:
        engine = self._engine
        assert engine is not None, "start comes first"
        begun = time.monotonic()
        replies: list[Reply] = []
        try:
            for first in range(0, len(batch), engine.batch_size):
                replies += engine.answer(batch[first : first + engine.batch_size])
        except TerroirError as error:
            return Answered([], 0, error.message)
        seconds = time.monotonic() - begun
        if self._gpus:
            gpu_ms = round(seconds * 1000 * self._gpus / len(batch))
            replies = [reply._replace(gpu_ms=gpu_ms) for reply in replies]
        return Answered(replies, seconds)
