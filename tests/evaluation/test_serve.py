"""A real OpenAI-compatible server with real weights: `transformers serve`, asked over HTTP by the openai engine."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.evaluation.engines import Question, Setup, make_engine
from tests.conftest import HOME_VARIABLE
from tests.evaluation.tiny_vlm import DISHES, MAX_TOKENS, answer, picture, prompts, tiny_vlm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("torch"),
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("torch", "transformers")), reason="the extra .[gpu] is not installed"
    ),
]


@pytest.fixture(scope="module")
def folder() -> Path:
    return tiny_vlm(Path(os.environ[HOME_VARIABLE]))


@pytest.fixture(scope="module")
def base_url(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    cache = tmp_path_factory.mktemp("hf")
    (cache / "hub").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [
        sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder),
        "--host", "127.0.0.1", "--port", port, "--device", "cpu", "--dtype", "float32",
    ]  # fmt: skip
    offline = {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    log = (cache / "log").open("w+b")
    server = subprocess.Popen(command, env=os.environ | offline, stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(600):
            assert server.poll() is None, (cache / "log").read_text()[-2000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def test_over_http_the_answers_are_those_given_in_process(base_url: str, folder: Path) -> None:
    import torch

    torch.set_num_threads(1)
    served = make_engine(
        Setup(engine="openai", model=str(folder), max_tokens=MAX_TOKENS, base_url=base_url, in_flight=2)
    )
    here = make_engine(Setup(engine="transformers", model=str(folder), max_tokens=MAX_TOKENS, dtype="float32"))
    asked = prompts()
    exam = [(DISHES[n % 6], *asked[n % len(asked)], n) for n in range(300, 336)]
    questions = [Question(text, picture(dish, noise), "image/png") for dish, _, text, noise in exam]
    there, near = served.answer(questions), here.answer(questions)
    assert [reply.text for reply in there] == [answer(dish, strategy) for dish, strategy, _, _ in exam]
    assert [reply.text for reply in near] == [reply.text for reply in there]
    for one, other in zip(near, there, strict=True):
        assert (one.input_tokens, one.output_tokens) == (other.input_tokens, other.output_tokens)
        assert one.is_cut is other.is_cut is False
    served.close()
    here.close()
