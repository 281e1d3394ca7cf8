"""The Ray cluster this process asks: the one of RAY_ADDRESS, or one started in place, for this process alone."""

import logging
import os
import socket
import threading
from typing import Any

from app.evaluation.engines import UnusableEngine

logger = logging.getLogger(__name__)
OBJECT_STORE_BYTES = 512 * 2**20
"""Questions under way pass through it: two batches an engine, of a few MB each. Ray puts on disk what is too much."""
_SYSTEM: dict[str, Any] = {
    # A machine that is gone is seen within 3 s, not within 14.
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}
_lock = threading.Lock()


def join() -> None:
    """Connects this process to its cluster, once for all its runs. Raises UnusableEngine."""
    # Read when ray is imported. SIGTERM tells a worker to hand its runs back; Ray would print a stack at it.
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
    import ray

    with _lock:
        if ray.is_initialized():
            return
        address = os.environ.get("RAY_ADDRESS", "")
        if address not in ("", "local", "auto"):
            _check_reachable(address)
        # The kernel ends Ray's processes with the thread that started them, and Ray takes SIGTERM for itself when it is
        # started in the main thread: it gets a thread of its own, which stays.
        outcome: list[BaseException | None] = []
        is_ready = threading.Event()
        threading.Thread(target=_connect, args=(outcome, is_ready), name="ray", daemon=True).start()
        is_ready.wait()
        if (error := outcome[0]) is not None:
            where = f"at RAY_ADDRESS={address}" if address else "on this machine"
            reason = str(error).strip().split("\n")[0][:200]
            raise UnusableEngine(
                f"No Ray cluster can be used {where} ({reason}); this machine must be part of it (`ray start "
                "--address=HEAD:6379`), with the same versions of Ray and Python."
            ) from error


def _check_reachable(address: str) -> None:
    """Ray itself would try for many minutes. Raises UnusableEngine."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise UnusableEngine(f"RAY_ADDRESS={address} is no HOST:PORT; give the head's address, without a scheme.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise UnusableEngine(
            f"No Ray cluster answers at RAY_ADDRESS={address} ({error.strerror or error}); start its head "
            "(`ray start --head`), or unset RAY_ADDRESS to use this machine alone."
        ) from error


def _connect(outcome: list[BaseException | None], is_ready: threading.Event) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # an engine that asks for no GPU is shown none
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)  # it warns of what is meant: threads, and machines that go
    address = os.environ.get("RAY_ADDRESS") or "local"
    in_place: Any = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES, "_system_config": _SYSTEM}
    try:
        ray.init(
            address=address,
            namespace="terroir",
            log_to_driver=False,
            configure_logging=False,
            **(in_place if address == "local" else {}),
        )
        outcome.append(None)
    except Exception as error:
        outcome.append(error)
    finally:
        is_ready.set()
    if outcome == [None]:
        threading.Event().wait()


class Machine:
    """A node of the cluster, as far as engines care."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.id: str = document["NodeID"]
        self.gpus = float(document["Resources"].get("GPU", 0))
        self.cpus = float(document["Resources"].get("CPU", 0))


def machines() -> dict[str, Machine]:
    """The machines there are now."""
    import ray

    nodes: Any = ray.nodes  # untyped
    return {node["NodeID"]: Machine(node) for node in nodes() if node["Alive"]}
