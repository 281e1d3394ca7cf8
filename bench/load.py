"""Load over loopback: clients on bare sockets, so that they take as little of the machine as they can."""

import json
import socket
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil


class Connection:
    """One keep-alive HTTP/1.1 connection to a server that answers with a Content-Length, as ours does."""

    def __init__(self, address: str, token: str = "") -> None:
        parts = urlsplit(address)
        assert parts.hostname is not None
        assert parts.port is not None
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"Host: {parts.netloc}\r\nContent-Type: application/json\r\n"
        if token:
            self._head += f"Authorization: Bearer {token}\r\n"

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(content)}\r\n\r\n"
        self._socket.sendall(head.encode() + content)
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._received()
        lower = data[:end].lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        while len(data) < end + 4 + length:
            data += self._received()
        return int(data[9:12]), json.loads(data[end + 4 :]) if length else None

    def _received(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data

    def close(self) -> None:
        self._socket.close()


class Round(NamedTuple):
    """`latencies_ms` of single requests by kind; CPU in milliseconds a submission."""

    submissions: int
    seconds: float
    errors: int
    latencies_ms: dict[str, list[float]]
    server_cpu_ms: float
    database_cpu_ms: float

    @property
    def rate(self) -> float:
        return self.submissions / self.seconds


class Tally:
    """What one client saw."""

    def __init__(self) -> None:
        self.submissions = 0
        self.errors = 0
        self.latencies_ms: dict[str, list[float]] = {}

    def timed(self, kind: str, connection: Connection, method: str, path: str, body: Any) -> Any:
        """The reply, or None for an error, which is counted."""
        start = time.perf_counter()
        status, reply = connection.send(method, path, body)
        self.latencies_ms.setdefault(kind, []).append(1000 * (time.perf_counter() - start))
        if status >= 400:
            self.errors += 1
            return None
        return reply


Turn = Callable[[Connection, Tally, int], None]
"""One claim and the judgments that follow it, by client number."""


def run_round(
    connections: list[Connection], turn: Turn, seconds: float, server: psutil.Process, database: psutil.Process
) -> Round:
    """All clients at once, each as fast as it gets answers, for so many seconds."""
    tallies = [Tally() for _ in connections]
    before = cpu_seconds(server), cpu_seconds(database)
    start = time.perf_counter()
    deadline = start + seconds

    def client(number: int) -> None:
        while time.perf_counter() < deadline:
            turn(connections[number], tallies[number], number)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(len(connections))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - start
    spent = [cpu_seconds(process) - was for process, was in zip((server, database), before, strict=True)]
    submissions = sum(tally.submissions for tally in tallies)
    kinds = {kind for tally in tallies for kind in tally.latencies_ms}
    return Round(
        submissions,
        elapsed,
        sum(tally.errors for tally in tallies),
        {kind: [ms for tally in tallies for ms in tally.latencies_ms.get(kind, [])] for kind in kinds},
        *(1000 * cpu / max(submissions, 1) for cpu in spent),
    )


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and of all that stem from it, those that have ended included."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def median(rounds: list[Round], figure: Callable[[Round], float]) -> float:
    return statistics.median(figure(one) for one in rounds)
