"""The servers that are measured: Terroir's own command, and the bare app, each one process on loopback."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from app.db.embedded import serving_address

TERROIR = str(Path(sys.executable).parent / "terroir")


class Server(NamedTuple):
    process: psutil.Process
    address: str


@contextmanager
def terroir_server(home: Path) -> Iterator[Server]:
    environment = os.environ | {"TERROIR_HOME": str(home), "TERROIR_PORT": "0", "TERROIR_WORKERS": "1"}
    command = [TERROIR, "serve"]
    with _running(command, environment, wait_for_line=True) as process:
        address = serving_address(home)
        assert address is not None
        yield Server(psutil.Process(process.pid), address)


@contextmanager
def bare_server(url: str) -> Iterator[Server]:
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.bare_app:app", "--port", str(port)]
    command += ["--log-level", "warning", "--no-access-log", "--no-server-header"]
    with _running(command, os.environ | {"BENCH_DATABASE_URL": url}) as process:
        address = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield Server(psutil.Process(process.pid), address)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def _running(
    command: list[str], environment: dict[str, str], wait_for_line: bool = False
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        if wait_for_line:
            assert process.stdout is not None
            process.stdout.readline()
        yield process
    finally:
        process.terminate()
        process.wait(timeout=40)
