"""Engines on a real Ray cluster of several nodes on this machine, with GPUs that only the scheduler believes in."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.evaluation.engines import ENGINES, Question, Reply, Setup, UnusableEngine, ray_fleet
from app.evaluation.fleet import Fleet, open_fleet
from app.settings import ROOT
from tests.evaluation import fake_engine
from tests.evaluation.fake_engine import NAME, WHERE, Scenario, answer_to
from tests.evaluation.ray_machines import MARKS, Machines, free_gpus, machines

ray = pytest.importorskip("ray", reason="the extra gpu is not installed")
pytestmark = MARKS


@pytest.fixture(scope="module")
def cluster() -> Iterator[Machines]:
    with machines() as there:
        yield there


@pytest.fixture
def add_machine(cluster: Machines) -> Iterator[Callable[..., Any]]:
    yield cluster.add
    cluster.kill_all()


@pytest.fixture
def fleets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    monkeypatch.setitem(ENGINES, NAME, WHERE)
    opened: list[Fleet] = []

    def open_one(scenario: Scenario, batch_size: int = 2, gpus: float = 1) -> Fleet:
        opened.append(open_fleet(Setup(NAME, scenario.write(tmp_path), 16, batch_size=batch_size, gpus=gpus)))
        return opened[-1]

    yield open_one
    for fleet in opened:
        fleet.close()


def batches(number: int, size: int = 2) -> dict[int, list[Question]]:
    return {
        key: [Question(f"{key}.{n}", bytes([key % 256, n]), "image/png") for n in range(size)] for key in range(number)
    }


def work_through(
    fleet: Fleet, work: dict[int, list[Question]], meanwhile: Callable[[int], None] = lambda done: None
) -> list[tuple[int, list[Reply]]]:
    """Hands everything out as there is room, as a run does; `meanwhile` is told how much is back."""
    left, back = list(work.items()), []
    deadline = time.monotonic() + 180
    while len(back) < len(work):
        assert time.monotonic() < deadline, f"{len(back)} of {len(work)} after three minutes"
        while left and fleet.room() > 0:
            fleet.submit(*left.pop(0))
        back += fleet.finished(0.5)
        meanwhile(len(back))
    return back


def assert_right(back: list[tuple[int, list[Reply]]], work: dict[int, list[Question]]) -> None:
    assert sorted(key for key, _ in back) == sorted(work)  # each once
    for key, replies in back:
        assert [reply.text for reply in replies] == [answer_to(question, ("yes", "no")) for question in work[key]]


def wait_for_room(fleet: Fleet, room: int) -> None:
    deadline = time.monotonic() + 120
    while fleet.room() < room:
        assert time.monotonic() < deadline, f"room for {fleet.room()} of {room} batches after 120 s"
        fleet.finished(0.2)


def test_engines_share_a_gpu_and_are_told_which(
    add_machine: Callable[..., Any], fleets: Callable[..., Fleet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-weights")
    add_machine(gpus=2)
    fleet = fleets(Scenario(seconds=0.2), gpus=0.5)
    assert fleet.describe() == {"name": "fake", "version": "1", "weights": ""}
    wait_for_room(fleet, 4)
    work = batches(24)
    back = work_through(fleet, work)
    assert_right(back, work)
    seen = [json.loads(path.read_text()) for path in tmp_path.glob("engine-*")]
    assert sorted(environment["CUDA_VISIBLE_DEVICES"] for environment in seen) == ["0", "0", "1", "1"]
    assert {environment["HF_HUB_OFFLINE"] for environment in seen} == {"1"}
    assert {environment["OPENAI_API_KEY"] for environment in seen} == {""}
    # Half a GPU for 200 ms, shared by two questions; the least disturbed batch says so best.
    assert 50 <= min(reply.gpu_ms or 0 for _, replies in back for reply in replies) <= 80
    assert set(fake_engine.asked(tmp_path).values()) == {1}


def test_closing_gives_the_gpus_back_at_once_and_may_be_done_twice(
    add_machine: Callable[..., Any], fleets: Callable[..., Fleet]
) -> None:
    add_machine(gpus=2)
    fleet = fleets(Scenario(seconds=30))
    fleet.describe()
    wait_for_room(fleet, 2)
    for key, batch in batches(2).items():
        fleet.submit(key, batch)
    assert fleet.room() == 0
    assert free_gpus() == 0
    closed_at = time.monotonic()
    fleet.close()
    while free_gpus() < 2:
        assert time.monotonic() - closed_at < 5
        time.sleep(0.05)
    fleet.close()


def test_work_survives_machines_that_die_and_spreads_to_those_that_join(
    add_machine: Callable[..., Any], fleets: Callable[..., Fleet], cluster: Machines, tmp_path: Path
) -> None:
    first = add_machine(gpus=1)
    add_machine(gpus=1)
    fleet = fleets(Scenario(seconds=0.1))
    fleet.describe()
    wait_for_room(fleet, 2)  # the one that dies has an engine by then
    events = iter([(6, lambda: cluster.kill(first)), (20, lambda: add_machine(gpus=2))])
    planned: list[tuple[int, Callable[[], Any]]] = [next(events)]

    def meanwhile(done: int) -> None:
        if planned and done >= planned[0][0]:
            planned.pop()[1]()
            planned.extend([event for event in [next(events, None)] if event])

    work = batches(100)
    back = work_through(fleet, work, meanwhile)
    assert_right(back, work)
    wait_for_room(fleet, 3)  # on a busy machine those that join may come when all is done
    assert len(fake_engine.pids(tmp_path)) == 4
    asked = fake_engine.asked(tmp_path)
    assert sum(asked.values()) - len(asked) <= 2  # the one batch that its engine was at


def test_a_killed_engine_is_replaced_and_its_batch_asked_again(
    add_machine: Callable[..., Any], fleets: Callable[..., Fleet], tmp_path: Path
) -> None:
    add_machine(gpus=2)
    fleet = fleets(Scenario(seconds=0.1))
    fleet.describe()
    killed: list[int] = []

    def meanwhile(done: int) -> None:
        if done >= 4 and not killed:
            killed.extend(list(fake_engine.pids(tmp_path))[:1])
            os.kill(killed[0], signal.SIGKILL)

    work = batches(40)
    assert_right(work_through(fleet, work, meanwhile), work)
    assert len(fake_engine.pids(tmp_path)) == 3
    asked = fake_engine.asked(tmp_path)
    assert sum(asked.values()) - len(asked) <= 2


@pytest.mark.parametrize("kind", ["deadly", "broken"])
def test_a_question_that_kills_its_engine_is_an_error_and_its_neighbours_are_answered(
    add_machine: Callable[..., Any], fleets: Callable[..., Fleet], tmp_path: Path, kind: str
) -> None:
    add_machine(gpus=3)
    fleet = fleets(Scenario(**{kind: "3.1"}))
    work = batches(6)
    back = dict(work_through(fleet, work))
    assert sorted(back) == sorted(work)
    (error,) = [reply.error for replies in back.values() for reply in replies if reply.error]
    assert back[3][0].text in ("yes", "no")
    assert back[3][1].error == error
    assert error.startswith("The engine ended 3 times at this question")
    assert ("illegal memory access" in error) == (kind == "broken")
    # Three times with its neighbour, three times alone; once more where the reply before it died with the process.
    assert 6 <= fake_engine.asked(tmp_path)[fake_engine.digest(work[3][1])] <= 8


def test_an_engine_that_can_not_be_made_says_why(add_machine: Callable[..., Any], fleets: Callable[..., Fleet]) -> None:
    add_machine(gpus=1)
    sentence = "The weights in /models/x are not safetensors; convert them."
    fleet = fleets(Scenario(refusal=sentence))
    with pytest.raises(UnusableEngine) as refused:
        fleet.describe()
    assert str(refused.value) == sentence
    fleet.close()
    with pytest.raises(UnusableEngine) as refused:
        work_through(fleets(Scenario(refusal=sentence)), batches(1))
    assert str(refused.value) == sentence


def test_machines_that_would_answer_differently_are_not_mixed(
    add_machine: Callable[..., Any], fleets: Callable[..., Fleet]
) -> None:
    add_machine(gpus=1)
    fleet = fleets(Scenario(is_uneven=True))
    assert fleet.describe()["weights"] == "others"
    add_machine(gpus=1)
    with pytest.raises(UnusableEngine, match=r"would answer differently.*'weights': ''.*'weights': 'others'"):
        wait_for_room(fleet, 2)


def test_one_slow_engine_holds_nobody_back(
    add_machine: Callable[..., Any], fleets: Callable[..., Fleet], tmp_path: Path
) -> None:
    """Three engines at 0.1 s a batch and one at 1 s do 31 batches a second; the ideal for 62 is 2 s."""
    add_machine(gpus=4)
    fleet = fleets(Scenario(seconds=0.1, slow_seconds=1.0))
    fleet.describe()
    wait_for_room(fleet, 4)
    started_at = time.monotonic()
    work = batches(62)
    assert_right(work_through(fleet, work), work)
    assert time.monotonic() - started_at < 2 + 1.0 + 0.3  # at the end the slow one may just have begun a batch
    assert set(fake_engine.asked(tmp_path).values()) == {1}


def test_a_model_that_fits_on_no_machine_is_refused_in_one_sentence(
    add_machine: Callable[..., Any], fleets: Callable[..., Fleet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_fleet, "NO_PLACE_SECONDS", 2.0)
    add_machine(gpus=1)
    with pytest.raises(UnusableEngine, match=r"asks for 2 GPUs on one machine.*the Ray cluster has .*1 GPUs"):
        fleets(Scenario(), gpus=2).describe()


def test_without_gpus_the_processor_does_it_and_the_log_says_so(
    add_machine: Callable[..., Any], fleets: Callable[..., Fleet], caplog: pytest.LogCaptureFixture
) -> None:
    add_machine(gpus=0, cpus=1)
    fleet = fleets(Scenario())
    work = batches(3)
    back = work_through(fleet, work)
    assert_right(back, work)
    assert {reply.gpu_ms for _, replies in back for reply in replies} == {None}
    assert "runs on the processor" in caplog.text


def test_a_fleet_lives_on_after_the_thread_that_opened_it(
    add_machine: Callable[..., Any], fleets: Callable[..., Fleet]
) -> None:
    add_machine(gpus=1)
    opened: list[Fleet] = []
    thread = threading.Thread(target=lambda: opened.append(fleets(Scenario())))
    thread.start()
    thread.join()
    work = batches(5)
    assert_right(work_through(opened[0], work), work)


@pytest.mark.parametrize(
    ("address", "words"), [("127.0.0.1:1", "No Ray cluster answers"), ("ray://head:10001", "is no HOST:PORT")]
)
def test_a_cluster_that_is_not_there_is_said_at_once(
    fleets: Callable[..., Fleet], monkeypatch: pytest.MonkeyPatch, address: str, words: str
) -> None:
    ray.shutdown()
    monkeypatch.setenv("RAY_ADDRESS", address)
    began = time.monotonic()
    with pytest.raises(UnusableEngine, match=words):
        fleets(Scenario())
    assert time.monotonic() - began < 12


IN_PLACE = """
import asyncio
import signal
import threading
from app.evaluation.engines import ENGINES, Question, Setup
from app.evaluation.fleet import open_fleet
from tests.evaluation.fake_engine import NAME, WHERE

ENGINES[NAME] = WHERE
fleets = []

def ask():
    thread = threading.Thread(target=lambda: fleets.append(open_fleet(Setup(NAME, {model!r}, 16))))
    thread.start()
    thread.join()
    fleets[0].describe()
    fleets[0].submit(7, [Question("a", b"b", "image/png")])
    while not (back := fleets[0].finished(1)):
        pass
    print(back[0][0], back[0][1][0].text, flush=True)

async def work():
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await asyncio.to_thread(ask)
    await told.wait()
    print("told", flush=True)
    await asyncio.Event().wait()

asyncio.run(work())
"""


def test_a_cluster_started_in_place_outlives_its_thread_and_ends_with_its_process(tmp_path: Path) -> None:
    """As a worker starts it: from a thread that ends, in a process that may be killed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    code = IN_PLACE.format(model=Scenario().write(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == f"7 {answer_to(Question('a', b'b', 'image/png'), ('yes', 'no'))}\n"
        family = {child: child.name() for child in psutil.Process(process.pid).children(recursive=True)}
        assert {"raylet", "gcs_server", "ray::EngineActor"} <= set(family.values())
        process.terminate()
        assert process.stdout.readline() == "told\n", "Ray leaves SIGTERM to the worker"
        process.kill()
        assert process.stderr.read().count("\n") <= 1  # that it runs on the processor
    # Ray's two agents spend a minute on telling the head, which is gone too, before they end as well.
    _, alive = psutil.wait_procs([child for child, name in family.items() if not name.endswith("Agent")], timeout=15)
    assert not alive
