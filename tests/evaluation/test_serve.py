"""A real OpenAI-compatible server with real weights, `transformers serve`, beside the same weights loaded by us."""

import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.campaigns.models import Campaign
from app.evaluation.engines import Question, Setup, make_engine
from app.items.models import Item, Subtask
from app.releases.models import Release
from app.releases.publish import build_now
from app.settings import ROOT, Settings
from app.storage import storage_for
from tests.conftest import HOME_VARIABLE
from tests.evaluation.tiny_vlm import DISHES, MAX_TOKENS, answer, picture, prompts, tiny_vlm
from tests.factories import make_item
from tests.releases.conftest import World, store_image

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
    offline = {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    serve = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder)]
    for _ in range(3):
        # Below those that the kernel gives to whoever asks for any, for it binds seconds after it was told which.
        port = str(random.randrange(15_000, 32_000))
        command = [*serve, "--host", "127.0.0.1", "--port", port, "--device", "cpu", "--dtype", "float32"]
        with (cache / "log").open("wb") as log:
            server = subprocess.Popen(command, env=os.environ | offline, stdout=log, stderr=subprocess.STDOUT)
        try:
            if _is_up(server, port):
                yield f"http://127.0.0.1:{port}/v1"
                return
        finally:
            server.terminate()
            server.wait(20)
    raise AssertionError((cache / "log").read_text()[-2000:])


def _is_up(server: subprocess.Popen[bytes], port: str) -> bool:
    for _ in range(600):
        if server.poll() is not None:
            return False
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            return True
        except OSError:
            time.sleep(0.2)
    return False


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


class Painted(World):
    """Its pictures are the tiny model's, each of its item's first food."""

    def item(
        self, session: Session, campaign: Campaign, subtask: Subtask, foods: tuple[tuple[str, str], ...], number: int
    ) -> Item:
        data = picture(foods[0][0], number, size=(48, 32), format="JPEG")
        sha256 = store_image(session, self.storage, data)
        key = f"{subtask.value}/{number:03}.jpg"
        return make_item(session, campaign, subtask, foods=foods, key=key, image_sha256=sha256)


@pytest.fixture
def fresh_template(template_name: str) -> str:
    """An empty one."""
    return template_name


@pytest.fixture
def world(fresh_engine: sa.Engine, settings: Settings) -> World:
    return Painted(fresh_engine, settings, storage_for(settings)).fill()


@pytest.fixture
def release(world: World) -> Release:
    return build_now(world.engine, world.settings, world.storage, world.slug, "1.0.0", splits={"test": 1.0})


def test_both_ways_score_what_the_model_was_trained_to(
    world: World, release: Release, fresh_url: str, folder: Path, base_url: str
) -> None:
    """`terroir evaluate` as it is, with Ray where that is installed: three dishes, all right, so nothing drifts."""
    environment = os.environ | {"TERROIR_HOME": str(world.settings.home), "TERROIR_DATABASE_URL": fresh_url}
    scores = []
    for how in (["--engine", "transformers"], ["--engine", "openai", "--base-url", base_url]):
        command = [sys.executable, "-c", "from app.cli import main; main()", "evaluate", "--release", "1.0.0", "--json"]
        command += ["--model", str(folder), *how]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        scores.append(json.loads(done.stdout))
    for document in scores:
        assert document["run"]["states"] == {"ok": 12}
        for subtask, group in document["subtasks"].items():
            assert group["n"] == 3
            assert (group["name_accuracy"]["value"], group["country_accuracy"]["value"]) == (1, 1)
            if subtask != "SF":
                assert (group["retention"]["value"], group["drift_to_distractor_country"]["value"]) == (1, 0)
    assert scores[0]["subtasks"] == scores[1]["subtasks"]
