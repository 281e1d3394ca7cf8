"""Runs through SIGKILL: of `terroir evaluate`, of the worker, of an engine's process, of a whole machine.

Whatever dies and whenever, a run ends with one row a question and with the very figures of a run that nobody disturbed;
what is asked again is no more than what was under way.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.db import make_engine, transaction
from app.evaluation import driving, runs
from app.evaluation.engines import ENGINES, Setup
from app.evaluation.models import Prediction, Run, RunStatus
from app.evaluation.plan import Subset
from app.evaluation.prompts import Strategy
from app.evaluation.reading import ReleaseFiles, find_release
from app.evaluation.scoring import document_of
from app.evaluation.service import AlreadyRunning, evaluate, perform
from app.items.models import Subtask
from app.releases.models import Release
from app.releases.publish import build_now
from app.settings import ROOT, Settings
from app.storage import storage_for
from tests.conftest import HOME_VARIABLE, _drop_database, _with_database
from tests.evaluation import fake_engine
from tests.evaluation.fake_engine import NAME, WHERE, Scenario
from tests.evaluation.fake_terroir import CHUNK
from tests.evaluation.ray_machines import MARKS, Machines, free_gpus, machines
from tests.evaluation.tiny_vlm import DISHES as COLOURS
from tests.evaluation.tiny_vlm import MAX_TOKENS, picture, tiny_vlm
from tests.releases import conftest as kitchen
from tests.thorough import seeds

pytest.importorskip("ray", reason="the extra gpu is not installed")
pytestmark = MARKS
SUBSET = Subset(slots=(1, 2))
BATCH, ENGINES_THERE = 2, 2
UNDER_WAY = 2 * BATCH * ENGINES_THERE
"""Each engine has a batch that it answers and one that waits."""
SAID = (
    *(json.dumps({"food": dish.name, "country": dish.country}) for dish in COLOURS),
    "Food: Pizza\nCountry: Italy",
    "I can't tell.",
)


class House(NamedTuple):
    """A database of its own with a release of 40 items, which hold 60 foods to ask about."""

    database: sa.Engine
    url: str
    settings: Settings
    release: Release
    files: ReleaseFiles
    undisturbed: str
    """The metrics document of a run to which nothing happened, byte by byte."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Machines]:
    with machines() as there:
        there.add(gpus=ENGINES_THERE)
        yield there


@pytest.fixture(scope="module")
def house(
    server_url: str, template_name: str, cluster: Machines, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    name = f"kills_{uuid.uuid4().hex[:8]}"
    url = _with_database(server_url, name, template_name)
    database = make_engine(url)
    folder = tmp_path_factory.mktemp("house")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENGINES, NAME, WHERE)
        patch.setattr(driving, "CHUNK", CHUNK)
        settings = Settings(home=folder / "home", _env_file=None)  # type: ignore[call-arg]
        release = _cook(database, settings, patch)
        with transaction(database) as session:
            files = find_release(session, storage_for(settings), "1.0.0")[1]
        house = House(database, url, settings, release, files, "")
        yield house._replace(undisturbed=_metrics(house, ask(house, setup_of(folder, Scenario(answers=SAID))).id))
    database.dispose()
    _drop_database(server_url, name)


def _cook(database: sa.Engine, settings: Settings, patch: pytest.MonkeyPatch) -> Release:
    """Two families of every dish, on pictures that the tiny model knows."""
    patch.setattr(
        kitchen, "jpeg", lambda number: picture(COLOURS[number // 4 % 5], number, size=(48, 32), format="JPEG")
    )
    world = kitchen.World(database, settings, storage_for(settings)).fill(5)
    with transaction(database) as session:
        campaign = session.exec(select(Campaign)).one()
        people = [session.get_one(Account, one) for one in world.annotators]
        for number, dish in enumerate(kitchen.DISHES):
            for place, subtask in enumerate(Subtask):
                foods = (dish, kitchen.DISHES[(number + 2) % 5])
                world.add(session, campaign, people, subtask, foods, 20 + number * 4 + place)
    return build_now(database, settings, world.storage, world.slug, "1.0.0", splits={"test": 1.0})


def setup_of(folder: Path, scenario: Scenario) -> Setup:
    scenario.weights = folder.name  # so that no run is answered from another's replies
    return Setup(NAME, scenario.write(folder), 64, batch_size=BATCH)


def ask(house: House, setup: Setup, subset: Subset = SUBSET) -> Run:
    """Here and now, or on behind what a killed process left."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return evaluate(house.database, house.release, house.files, setup, model="m", subset=subset)[0]
        except AlreadyRunning:  # the server has not yet seen that the other one's connection is gone
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def queue(house: House, setup: Setup, subset: Subset = SUBSET) -> uuid.UUID:
    with transaction(house.database) as session:
        return runs.start_run(session, "1.0.0", setup, model=setup.model, strategy=Strategy.BASE, subset=subset).id


def times_given(session: Session, run_id: uuid.UUID) -> int:
    """How often this run's job was taken from a worker that counts as dead; when it is done, once more."""
    words = "SELECT j.attempts FROM procrastinate_jobs j JOIN run r ON j.args ->> 'job_id' = r.job_id::text "
    return int(session.execute(sa.text(words + "WHERE r.id = :run"), {"run": run_id}).scalar_one())


def _metrics(house: House, run_id: uuid.UUID) -> str:
    with transaction(house.database) as session:
        document = document_of(session, storage_for(house.settings), session.get_one(Run, run_id))
    return json.dumps(document, sort_keys=True)


def assert_undisturbed(house: House, run_id: uuid.UUID, folder: Path, *, asked_again: int) -> None:
    with transaction(house.database) as session:
        assert session.get_one(Run, run_id).status is RunStatus.FINISHED
        rows = session.exec(select(Prediction).where(Prediction.run_id == run_id)).all()
    assert Counter((row.item_id, row.slot) for row in rows) == {
        (item.item_id, slot): 1 for item in house.files.items() for slot in (1, 2) if slot <= item.subtask.foods
    }
    assert len(rows) == 60
    assert {row.error for row in rows} == {None}
    assert _metrics(house, run_id) == house.undisturbed
    asked = fake_engine.asked(folder)
    assert len(asked) == len({(row.request_sha256) for row in rows})
    assert sum(asked.values()) - 60 <= asked_again


PATIENCE_SECONDS = 180
"""After so long a test gives up. It is no promise of ours: on a busy machine everything takes its time."""


def wait_for(folder: Path, questions: int, seconds: float = PATIENCE_SECONDS) -> None:
    """Until so many questions were begun."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            if len((folder / "asked.log").read_text().splitlines()) >= questions:
                return
        time.sleep(0.01)
    raise AssertionError(f"{questions} questions were not begun within {seconds:g} s")


@contextmanager
def terroir(house: House, *words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    own = {"TERROIR_HOME": str(house.settings.home), "TERROIR_DATABASE_URL": house.url, **environment}
    command = [sys.executable, "-m", "tests.evaluation.fake_terroir", *words]
    with subprocess.Popen(command, env={**os.environ, **own}, cwd=ROOT, text=True, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def worker(house: House, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with terroir(house, "worker", **environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "The worker is ready.\n"
        yield process


def at_random(seed: int, folder: Path, strike: Callable[[], Any]) -> threading.Thread:
    """Strikes once in the course of a run, at a moment that the seed draws."""
    rng = random.Random(seed)

    def lie_in_wait() -> None:
        wait_for(folder, rng.randrange(1, 50))
        time.sleep(rng.uniform(0, 0.15))
        strike()

    thread = threading.Thread(target=lie_in_wait)
    thread.start()
    return thread


@pytest.mark.parametrize("seed", seeds(range(4), 2))
def test_terroir_evaluate_goes_on_where_it_was_killed(house: House, tmp_path: Path, seed: int) -> None:
    setup = setup_of(tmp_path, Scenario(seconds=0.1, answers=SAID))
    listed = tmp_path / "models.toml"
    entry = {"engine": NAME, "model": setup.model, "licence": "ours", "batch_size": BATCH, "gpus": 1}
    listed.write_text("[models.known]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in entry.items()))
    words = ("evaluate", "--release", "1.0.0", "--model", "known", "--slots", "1,2")
    with terroir(house, *words, TERROIR_MODELS_FILE=str(listed)) as process:
        if seed == 0:  # before its first question
            time.sleep(random.Random(seed).uniform(0.5, 5))
            process.kill()
        else:
            at_random(seed, tmp_path, process.kill).join()
        assert process.wait() == -signal.SIGKILL
    run = ask(house, setup)
    assert_undisturbed(house, run.id, tmp_path, asked_again=CHUNK + UNDER_WAY)


@pytest.mark.parametrize("seed", seeds(range(4, 11), 3))
def test_an_engine_that_is_killed_costs_no_more_than_its_batch(house: House, tmp_path: Path, seed: int) -> None:
    def strike() -> None:
        os.kill(random.Random(seed).choice(sorted(fake_engine.pids(tmp_path))), signal.SIGKILL)

    thread = at_random(seed, tmp_path, strike)
    run = ask(house, setup_of(tmp_path, Scenario(seconds=0.1, answers=SAID)))
    thread.join()
    # A reply on its way may die with the process that gave it.
    assert_undisturbed(house, run.id, tmp_path, asked_again=2 * BATCH)
    assert len(fake_engine.pids(tmp_path)) >= ENGINES_THERE


@pytest.mark.parametrize("seed", seeds(range(11, 15), 2))
def test_a_machine_that_is_killed_costs_no_more_than_its_engines_batch(
    house: House, cluster: Machines, tmp_path: Path, seed: int
) -> None:
    machine = cluster.add(gpus=1)
    thread = at_random(seed, tmp_path, lambda: cluster.kill(machine))
    run = ask(house, setup_of(tmp_path, Scenario(seconds=0.15, answers=SAID)))
    thread.join()
    assert_undisturbed(house, run.id, tmp_path, asked_again=2 * BATCH)


def test_workers_that_are_killed_one_after_the_other_lose_nothing(house: House, tmp_path: Path) -> None:
    """A run for each seed, begun by a worker that dies of it; the next ones bring it back, beside their own."""
    waiting: dict[uuid.UUID, Path] = {}
    for seed in seeds(range(15, 20), 3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        waiting[queue(house, setup_of(folder, Scenario(seconds=0.1, answers=SAID)))] = folder
        with worker(house, FAKE_TERROIR_QUICK="3") as process:
            at_random(seed, folder, process.kill).join()
            process.wait()
    with worker(house, FAKE_TERROIR_QUICK="3"):
        until(house, lambda session: all(_is_done(session, run_id) for run_id in waiting))
    for run_id, folder in waiting.items():
        with transaction(house.database) as session:
            deaths = times_given(session, run_id) - 1  # the next worker may have had it already as it died, too
        assert 1 <= deaths <= len(waiting)
        assert_undisturbed(house, run_id, folder, asked_again=deaths * (CHUNK + UNDER_WAY))


def test_a_killed_workers_run_is_brought_back_within_a_minute(house: House, tmp_path: Path) -> None:
    """With the real settings; while the other worker looks after the dead, nobody else has to."""
    run_id = queue(house, setup_of(tmp_path, Scenario(seconds=0.3, answers=SAID)))
    with worker(house) as first:
        wait_for(tmp_path, 10)
        first.send_signal(signal.SIGSTOP)  # or it would be through before the other one is there
        with worker(house):
            first.kill()
            killed_at = time.monotonic()
            begun = sum(fake_engine.asked(tmp_path).values())
            until(house, lambda session: times_given(session, run_id) == 1, seconds=60)
            assert time.monotonic() - killed_at < 60
            wait_for(tmp_path, begun + UNDER_WAY + 2)
            until(house, lambda session: not _any(session, [run_id], RunStatus.RUNNING))
    assert_undisturbed(house, run_id, tmp_path, asked_again=CHUNK + UNDER_WAY)


def test_a_run_is_found_again_after_nobody_looked_after_it_for_long(house: House, tmp_path: Path) -> None:
    """By then the dead worker's own row is gone as well (procrastinate #1518)."""
    run_id = queue(house, setup_of(tmp_path, Scenario(seconds=0.1, answers=SAID)))
    with worker(house, FAKE_TERROIR_QUICK="3") as process:
        wait_for(tmp_path, 10)
        process.kill()
        process.wait()
    with house.database.begin() as connection:
        connection.execute(sa.text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '10 minutes'"))
    with worker(house, FAKE_TERROIR_QUICK="3"):
        until(house, lambda session: not _any(session, [run_id], RunStatus.RUNNING))
    assert_undisturbed(house, run_id, tmp_path, asked_again=CHUNK + UNDER_WAY)


def test_a_worker_that_is_only_slow_or_sleeps_keeps_its_run(house: House, tmp_path: Path) -> None:
    """Each batch takes longer than a worker may be silent. Stopped for as long, as a laptop that sleeps, it counts as
    dead; whoever gets its job waits until it lets go of the run."""
    run_id = queue(house, setup_of(tmp_path, Scenario(seconds=7.0, answers=SAID)), Subset(limit=8))

    with worker(house, FAKE_TERROIR_QUICK="6") as first:
        wait_for(tmp_path, 1)
        with worker(house, FAKE_TERROIR_QUICK="6"):
            wait_for(tmp_path, 2 * ENGINES_THERE * BATCH)
            with transaction(house.database) as session:
                assert times_given(session, run_id) == 0
            first.send_signal(signal.SIGSTOP)
            until(house, lambda session: times_given(session, run_id) == 1)
            (tmp_path / "scenario.json").unlink()  # whoever else tries to make an engine now fails
            first.send_signal(signal.SIGCONT)
            until(house, lambda session: not _any(session, [run_id], RunStatus.RUNNING))
    with transaction(house.database) as session:
        assert session.get_one(Run, run_id).status is RunStatus.FINISHED
        assert len(session.exec(select(Prediction).where(Prediction.run_id == run_id)).all()) == 8
    assert list(fake_engine.asked(tmp_path).values()) == [1] * 8


@pytest.mark.parametrize("how", [runs.cancel, runs.pause])
@pytest.mark.parametrize("loading_seconds", [0.0, 60.0], ids=["while it asks", "while its weights are loaded"])
def test_a_run_that_is_set_aside_gives_its_gpus_back_within_seconds(
    house: House, tmp_path: Path, how: Callable[[Session, uuid.UUID], Run], loading_seconds: float
) -> None:
    run_id = queue(house, setup_of(tmp_path, Scenario(1.0, loading_seconds=loading_seconds, answers=SAID)))
    wait_for_gpus(ENGINES_THERE)
    ended: list[Run] = []
    storage = storage_for(house.settings)
    driver = threading.Thread(target=lambda: ended.append(perform(house.database, storage, run_id)))
    driver.start()
    if not loading_seconds:
        until(house, lambda session: bool(session.exec(_answers(run_id)).first()))
    wait_for_gpus(0)
    with transaction(house.database) as session:
        aside = how(session, run_id).status
    wait_for_gpus(
        ENGINES_THERE, seconds=15
    )  # loading would take a minute, and asking ends early only if not all is kept
    driver.join(PATIENCE_SECONDS)
    with transaction(house.database) as session:
        kept = session.exec(_answers(run_id)).all()
    assert ended[0].status is aside
    assert bool(kept) == (not loading_seconds)
    assert len(kept) < 60


def wait_for_gpus(free: int, seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while free_gpus() != free:
        assert time.monotonic() < deadline, f"{free_gpus():g} GPUs are free after {seconds:g} s, not {free}"
        time.sleep(0.05)


def _answers(run_id: uuid.UUID) -> Any:
    return select(Prediction.item_id).where(Prediction.run_id == run_id)


def _any(session: Session, run_ids: Any, *statuses: RunStatus) -> bool:
    found = select(Run.id).where(col(Run.id).in_(list(run_ids)), col(Run.status).in_(statuses))
    return session.exec(found.limit(1)).first() is not None


def _is_done(session: Session, run_id: uuid.UUID) -> bool:
    """Its job, which ends a moment after the run."""
    words = "SELECT j.status FROM procrastinate_jobs j JOIN run r ON j.args ->> 'job_id' = r.job_id::text "
    return bool(session.execute(sa.text(words + "WHERE r.id = :run"), {"run": run_id}).scalar_one() == "succeeded")


def until(house: House, condition: Callable[[Session], bool], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with transaction(house.database) as session:
            if condition(session):
                return
        time.sleep(0.1)
    raise AssertionError(f"it did not come to that within {seconds:g} s")


def test_a_real_model_says_the_same_after_its_process_was_killed(house: House) -> None:
    """The tiny vision-language model through transformers, on two engines of which one dies."""
    setup = Setup("transformers", str(tiny_vlm(Path(os.environ[HOME_VARIABLE]))), MAX_TOKENS, batch_size=BATCH)
    undisturbed = ask(house, setup, Subset(limit=24)).id
    expected, figures = _said(house, undisturbed), _metrics(house, undisturbed)
    assert len(expected) == 24
    with house.database.begin() as connection:  # or it would be answered from what is known
        for table in ("prediction", "run_score"):
            connection.execute(sa.text(f"DELETE FROM {table} WHERE run_id = :run"), {"run": undisturbed})

    def strike() -> None:
        until(
            house,
            lambda session: bool(
                session.exec(select(Prediction.run_id).where(Prediction.run_id == undisturbed).limit(1)).first()
            ),
        )
        family = psutil.Process().children(recursive=True)
        next(one for one in family if one.name().startswith("ray::EngineActor")).kill()

    thread = threading.Thread(target=strike)
    thread.start()
    run = ask(house, setup, Subset(limit=24))
    thread.join()
    assert (run.id, run.status) == (undisturbed, RunStatus.FINISHED)
    assert _said(house, run.id) == expected
    assert _metrics(house, run.id) == figures


def _said(house: House, run_id: uuid.UUID) -> dict[tuple[uuid.UUID, int], str | None]:
    with transaction(house.database) as session:
        rows = session.exec(select(Prediction).where(Prediction.run_id == run_id)).all()
    assert not any(row.is_cached for row in rows)
    return {(row.item_id, row.slot): row.raw_text for row in rows}
