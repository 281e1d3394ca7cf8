"""An engine on every GPU of a Ray cluster: batches go to whoever is free, and again when a process or a machine dies.

Ray could restart an engine and repeat its calls by itself, but then nobody would know which question killed it.
So an engine that dies is replaced here, and what it had is handed out again.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.evaluation.engines import Question, Reply, Setup, UnusableEngine, engine_class
from app.evaluation.engines import ray_cluster as cluster
from app.evaluation.engines.ray_actor import EngineActor, Started
from app.evaluation.fleet import NotWanted

logger = logging.getLogger(__name__)
QUICK_SECONDS = 2.0
"""An engine that is quicker than this at a batch has a second one waiting, so that it is never idle; at a slower one a
batch would wait long, and what is lost without is little."""
SLOW_RATIO = 3.0
"""Nor does a batch wait at an engine that takes so many times longer than the quickest."""
LOOK_SECONDS = 3.0
"""How often machines that came or went are looked for."""
NO_PLACE_SECONDS = 60.0
"""How long a cluster may have nothing for the model to run on."""
STRIKES = 3
"""So often may a batch be under way when its engine dies; then its questions are asked one by one."""
FAILED_STARTS = 3
DEATHS_IN_A_ROW = 12
"""Engines that died at their work, with no answer in between: no question is to blame any more."""


@dataclass(eq=False)
class Asked:
    """A batch as it was handed in, and the replies that are back."""

    key: int
    replies: list[Reply | None]


@dataclass(eq=False)
class Part:
    """Questions of one batch that are asked together: all of them, or a single one after three deaths."""

    asked: Asked
    first: int
    questions: list[Question]
    strikes: int = 0


@dataclass(eq=False)
class Replica:
    """An engine somewhere in the cluster. `out`: what it has, in the order in which it does it; `seconds`: how
    long its last batch took."""

    actor: Any
    placing: Any
    starting: Any
    machine: str | None = None
    is_ready: bool = False
    seconds: float | None = None
    out: dict[Any, Part] = field(default_factory=dict)


class RayFleet:
    """An engine for each share of `setup.gpus` GPUs that the cluster has, now and later; one a machine without any."""

    def __init__(self, setup: Setup) -> None:
        self.batch_size = setup.batch_size
        self._setup = setup
        self._engine_type = engine_class(setup.engine)
        self._gpus: float | None = setup.gpus if setup.gpus == 0 else None  # until the cluster was looked at
        self._replicas: list[Replica] = []
        self._waiting: deque[Part] = deque()
        self._back: list[tuple[int, list[Reply]]] = []
        self._description: dict[str, Any] | None = None
        self._looked_at = -LOOK_SECONDS
        self._had_place_at = time.monotonic()
        self._failed_starts = 0
        self._deaths = 0
        cluster.join()

    def describe(self, is_wanted: Callable[[], bool] = lambda: True) -> dict[str, Any]:
        """Of the first engine that is ready; one that differs from it is refused."""
        while self._description is None:
            if not is_wanted():
                raise NotWanted
            self._wait(1.0)
        return self._description

    def room(self) -> int:
        return max(0, sum(self._room_at(replica) for replica in self._replicas) - len(self._waiting))

    def submit(self, key: int, batch: list[Question]) -> None:
        self._waiting.append(Part(Asked(key, [None] * len(batch)), 0, batch))
        self._hand_out()

    def finished(self, seconds: float) -> list[tuple[int, list[Reply]]]:
        """Comes back early, with nothing, when there is more room."""
        deadline = time.monotonic() + seconds
        ready = sum(replica.is_ready for replica in self._replicas)
        while not self._back:
            left = deadline - time.monotonic()
            self._wait(max(0.0, min(left, LOOK_SECONDS)))
            if left <= 0 or sum(replica.is_ready for replica in self._replicas) > ready:
                break
        back, self._back = self._back, []
        return back

    def close(self) -> None:
        import ray

        replicas, self._replicas = self._replicas, []
        self._waiting.clear()
        if ray.is_initialized():
            for replica in replicas:
                ray.kill(replica.actor)

    def _look(self) -> None:
        """Notes the machines that came and went, and starts engines where there is a place for one."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        machines = cluster.machines()
        for replica in [replica for replica in self._replicas if replica.machine not in {None, *machines}]:
            self._lose(replica, "its machine is gone", is_to_blame=False)
        if self._gpus is None and any(machine.gpus for machine in machines.values()):
            self._gpus = self._setup.gpus
        elif self._gpus is None and any(machine.cpus >= 1 for machine in machines.values()):
            self._gpus = 0
            logger.warning("no GPU here: %s runs on the processor, one copy a machine", self._setup.model)
        if places := sum(self._places(machine) for machine in machines.values()):
            self._had_place_at = now
        elif not self._replicas and now - self._had_place_at > NO_PLACE_SECONDS:
            there = ", ".join(f"{machine.gpus:g} GPUs" for machine in machines.values()) or "no machine"
            raise UnusableEngine(
                f"{self._setup.model} asks for {self._setup.gpus:g} GPUs on one machine, and for "
                f"{NO_PLACE_SECONDS:g} s none had them; the Ray cluster has {there}. Add a machine or ask for fewer."
            )
        if self._failed_starts < FAILED_STARTS:
            for _ in range(places - len(self._replicas)):
                self._start()

    def _places(self, machine: cluster.Machine) -> int:
        if self._gpus is None:
            return 0
        if not self._gpus:
            return int(machine.cpus >= 1)
        return int(machine.gpus / self._gpus + 1e-6)

    def _start(self) -> None:
        import ray

        actor: Any = ray.remote(EngineActor)
        actor = actor.options(
            num_gpus=self._gpus,
            num_cpus=0 if self._gpus else 1,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )
        made = actor.remote(self._engine_type, self._setup, self._gpus)
        self._replicas.append(Replica(made, made.where.remote(), made.start.remote()))

    def _room_at(self, replica: Replica) -> int:
        if not replica.is_ready:
            return 0
        known = [other.seconds for other in self._replicas if other.seconds is not None]
        is_quick = replica.seconds is not None and replica.seconds <= min(QUICK_SECONDS, SLOW_RATIO * min(known))
        return max(0, 1 + is_quick - len(replica.out))

    def _hand_out(self) -> None:
        """The batches that wait go to the engines that hold the fewest."""
        while self._waiting:
            free = [replica for replica in self._replicas if self._room_at(replica)]
            if not free:
                return
            replica = min(free, key=lambda replica: len(replica.out))
            part = self._waiting.popleft()
            replica.out[replica.actor.answer.remote(part.questions)] = part

    def _wait(self, seconds: float) -> None:
        """Takes in what happens, waiting at most so long for something to. Raises UnusableEngine."""
        import ray

        self._look()
        refs: list[Any] = []
        for replica in self._replicas:
            refs += [ref for ref in (replica.placing, replica.starting) if ref is not None]
            refs += replica.out
        if not refs:
            time.sleep(seconds)
            return
        happened, _ = ray.wait(refs, num_returns=1, timeout=seconds)
        if happened:
            happened, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        for replica in list(self._replicas):
            self._take_in(replica, set(happened))
        self._hand_out()

    def _take_in(self, replica: Replica, happened: set[Any]) -> None:
        import ray

        death: BaseException | None = None
        for ref in [replica.placing, replica.starting, *replica.out]:
            if ref not in happened:
                continue
            try:
                self._note(replica, ref, ray.get(ref))
            except ray.exceptions.RayError as error:
                death = death or error
        if death is not None:
            cause = getattr(death, "cause", None)  # what the engine raised; None where its process died
            reason = f"{type(cause).__name__}: {cause}" if cause is not None else "its process died"
            logger.info("Ray says: %s", death)
            self._lose(replica, reason, is_to_blame=replica.machine is None or replica.machine in cluster.machines())

    def _note(self, replica: Replica, ref: Any, outcome: Any) -> None:
        if ref is replica.placing:
            replica.placing, replica.machine = None, outcome
        elif ref is replica.starting:
            replica.starting = None
            self._welcome(replica, outcome)
        elif outcome.refusal is not None:
            raise UnusableEngine(outcome.refusal)
        else:
            replica.seconds = outcome.seconds
            self._deaths = 0
            self._keep(replica.out.pop(ref), outcome.replies)

    def _welcome(self, replica: Replica, started: Started) -> None:
        if started.refusal is not None:
            raise UnusableEngine(started.refusal)
        self._description = self._description or started.description
        if started.description != self._description:
            raise UnusableEngine(
                f"The machines of the Ray cluster would answer differently: one has {started.description}, another "
                f"{self._description}. Give them the same packages and weights."
            )
        replica.is_ready = True
        self._failed_starts = 0

    def _keep(self, part: Part, replies: list[Reply]) -> None:
        asked = part.asked
        asked.replies[part.first : part.first + len(replies)] = replies
        whole = [reply for reply in asked.replies if reply is not None]
        if len(whole) == len(asked.replies):
            self._back.append((asked.key, whole))

    def _lose(self, replica: Replica, reason: str, is_to_blame: bool) -> None:
        """Gives up an engine; what it had is asked again, and counted against what it was at."""
        import ray

        reason = " ".join(reason.split())[:300]
        logger.warning("an engine of %s ended: %s", self._setup.model, reason)
        self._replicas.remove(replica)
        ray.kill(replica.actor)
        self._looked_at = -LOOK_SECONDS  # it is replaced at once
        if is_to_blame and replica.out:
            self._deaths += 1
            next(iter(replica.out.values())).strikes += 1
        elif is_to_blame and not replica.is_ready:
            self._failed_starts += 1
        hopeless = self._failed_starts >= FAILED_STARTS and not any(other.is_ready for other in self._replicas)
        if hopeless or self._deaths >= max(DEATHS_IN_A_ROW, 2 * len(self._replicas)):
            raise UnusableEngine(f"The engine of {self._setup.model} ends each time it is used: {reason}")
        for part in reversed(replica.out.values()):
            if part.strikes < STRIKES:
                self._waiting.appendleft(part)
            elif len(part.questions) > 1:
                singles = [
                    Part(part.asked, part.first + place, [question]) for place, question in enumerate(part.questions)
                ]
                self._waiting.extendleft(reversed(singles))
            else:
                self._keep(part, [Reply(error=f"The engine ended {STRIKES} times at this question: {reason}")])
