"""A trained tiny model and a vLLM server that serves it: for `make test-vllm`, whose environment has vLLM for CPUs.

Where vLLM can't be imported, as in the environment of `make test`, nothing of this folder is collected.
"""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.settings import Settings
from app.storage import storage_for
from tests.evaluation.test_serve import Painted
from tests.evaluation.tiny_vlm import tiny_vlm
from tests.releases.conftest import World

if importlib.util.find_spec("vllm") is None:
    collect_ignore_glob = ["test_*"]

CACHE = Path(__file__).parents[2] / ".venv-vllm" / "tiny-vlm"
_START_SECONDS = 600.0
"""On two free cores it takes 40 to 50 s."""

os.environ["VLLM_CPU_KVCACHE_SPACE"] = "1"  # GiB


class VLLMServer:
    """`python -m vllm.entrypoints.openai.api_server`, the model under the name tiny, with its answers in float32."""

    def __init__(self, weights: Path, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._weights, self._log = weights, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = {
            "--model": str(self._weights),
            "--served-model-name": "tiny",
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--dtype": "float32",
            "--max-model-len": "1024",
            "--max-num-seqs": "16",
            "--limit-mm-per-prompt": json.dumps({"image": 1}),
        }
        flat = [word for pair in options.items() for word in pair]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *flat, "--enforce-eager"],
                stdout=log,
                stderr=log,
                env={**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"},
                start_new_session=True,
            )

    def wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, self._log.read_text()[-3000:]
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
                return
            except OSError:
                time.sleep(0.5)
        raise AssertionError(self._log.read_text()[-3000:])

    def kill(self) -> None:
        """SIGKILL to the server and to the engine it started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def world(fresh_engine: sa.Engine, settings: Settings) -> World:
    return Painted(fresh_engine, settings, storage_for(settings)).fill()


@pytest.fixture(scope="session")
def weights() -> Path:
    return tiny_vlm(CACHE)


@pytest.fixture(scope="session")
def server(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VLLMServer]:
    server = VLLMServer(weights, tmp_path_factory.mktemp("vllm") / "server.log")
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.kill()
