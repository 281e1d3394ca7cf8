"""Where questions are answered: an engine in this process, or one on each GPU of a Ray cluster."""

import importlib.util
import queue
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from app.evaluation.engines import Engine, Question, Reply, Setup, check, engine_class, make_engine


class NotWanted(Exception):
    """Nobody waits for the engine any more."""


class Fleet(Protocol):
    """Batches go out under a key, replies come back under it, in whatever order they are ready: there is no barrier."""

    batch_size: int

    def describe(self, is_wanted: Callable[[], bool] = lambda: True) -> dict[str, Any]:
        """The engine's description. A free GPU and large weights may take long, so it looks at `is_wanted` each second.
        Raises UnusableEngine when none can be made, and NotWanted."""

    def room(self) -> int:
        """How many more batches may be handed out now; it grows when machines join and shrinks when they go."""

    def submit(self, key: int, batch: list[Question]) -> None: ...

    def finished(self, seconds: float) -> list[tuple[int, list[Reply]]]:
        """What has come back, after waiting at most so long. Raises UnusableEngine."""

    def close(self) -> None:
        """Gives everything back at once; what is under way is lost."""


class LocalFleet:
    """The engine in this process, asked from as many threads as it can use."""

    def __init__(self, engine: Engine) -> None:
        self.batch_size = engine.batch_size
        self._engine = engine
        self._pool = ThreadPoolExecutor(engine.in_flight, thread_name_prefix="ask")
        self._done: queue.SimpleQueue[tuple[int, list[Reply] | Exception]] = queue.SimpleQueue()
        self._out = 0
        self._fault: Exception | None = None

    def describe(self, is_wanted: Callable[[], bool] = lambda: True) -> dict[str, Any]:
        return self._engine.describe()

    def room(self) -> int:
        # One batch waits behind every busy thread, so that none is idle while a chunk is being kept.
        return 2 * self._engine.in_flight - self._out

    def submit(self, key: int, batch: list[Question]) -> None:
        self._out += 1
        self._pool.submit(self._answer, key, batch)

    def finished(self, seconds: float) -> list[tuple[int, list[Reply]]]:
        """A fault is raised once all that came before it was given back."""
        back: list[tuple[int, list[Reply]]] = []
        deadline = time.monotonic() + seconds
        try:
            while self._fault is None:
                left = 0.0 if back else deadline - time.monotonic()
                key, outcome = self._done.get(block=left > 0, timeout=left if left > 0 else None)
                self._out -= 1
                if isinstance(outcome, Exception):
                    self._fault = outcome
                else:
                    back.append((key, outcome))
        except queue.Empty:
            return back
        if back:
            return back
        raise self._fault

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._engine.close()
        self._pool.shutdown(wait=True)

    def _answer(self, key: int, batch: list[Question]) -> None:
        try:
            self._done.put((key, self._engine.answer(batch)))
        except Exception as error:
            self._done.put((key, error))


def open_fleet(setup: Setup) -> Fleet:
    """Engines that load weights run on the Ray cluster of RAY_ADDRESS, or on one started in place, where Ray is
    installed; all others in this process. Raises UnusableEngine and Invalid."""
    check(setup)
    if engine_class(setup.engine).capabilities.loads_weights and importlib.util.find_spec("ray") is not None:
        from app.evaluation.engines.ray_fleet import RayFleet

        return RayFleet(setup)
    return LocalFleet(make_engine(setup))
