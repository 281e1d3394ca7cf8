"""A Ray cluster of several machines on this one, with GPUs that only its scheduler believes in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

MARKS = [
    pytest.mark.slow,
    pytest.mark.xdist_group("ray"),  # two clusters at once are too much for a small machine
    # Ray leaves the log files and processes of its nodes for the interpreter to close.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
_STORE = 80 * 2**20


class Machines:
    """A head on which nothing runs, and the machines that were added. Every process that sees RAY_ADDRESS uses it."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        quick = {"health_check_period_ms": 500, "health_check_timeout_ms": 1000, "health_check_failure_threshold": 3}
        head = {"num_cpus": 0, "num_gpus": 0, "object_store_memory": _STORE, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args={**head, "_system_config": quick})
        self.address: str = self._cluster.address
        self._added: list[Any] = []

    def add(self, gpus: int, cpus: int = 1) -> Any:
        self._added.append(self._cluster.add_node(num_cpus=cpus, num_gpus=gpus, object_store_memory=_STORE))
        return self._added[-1]

    def kill(self, machine: Any) -> None:
        """As a power cut."""
        self._added.remove(machine)
        self._cluster.remove_node(machine, allow_graceful=False)

    def kill_all(self) -> None:
        for machine in list(self._added):
            self.kill(machine)
        self._cluster.wait_for_nodes(timeout=30)  # until Ray has noticed, the next test would see their GPUs

    def shutdown(self) -> None:
        self._cluster.shutdown()


def free_gpus() -> float:
    import ray

    return float(ray.available_resources().get("GPU", 0))


@contextmanager
def machines() -> Iterator[Machines]:
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        there = Machines()
        patch.setenv("RAY_ADDRESS", there.address)
        yield there
        ray.shutdown()
        there.shutdown()
