"""How a run ends and what stays of it, and what two who are at it at once can't do to one another."""

import threading
import time
import uuid
from typing import Any

import pytest

from app.db import transaction
from app.errors import Invalid
from app.evaluation import driving, jobs, runs, scoring, service
from app.evaluation.engines import Reply, UnusableEngine
from app.evaluation.fleet import LocalFleet
from app.evaluation.models import Run, RunStatus
from app.evaluation.people import doubts
from app.evaluation.reading import ReleaseFiles, release_files
from app.evaluation.runs import NotNow
from app.evaluation.scoring import document_of
from app.evaluation.service import AlreadyRunning, evaluate, perform
from app.jobs import Job, JobContext
from app.releases.models import Release
from tests.evaluation.scripted_engine import ScriptedEngine
from tests.evaluation.test_driving import SETUP, Use, rows, said, start
from tests.releases.conftest import World

PRICES = {"input_per_million": 1.0}
"""0.001 USD a question, as `said` counts tokens."""


@pytest.fixture
def files(world: World, release: Release) -> ReleaseFiles:
    return release_files(world.storage, release)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    def used(engine: ScriptedEngine) -> ScriptedEngine:
        monkeypatch.setattr(service, "open_fleet", lambda setup: LocalFleet(engine))
        return engine

    return used


def get(world: World, run_id: uuid.UUID) -> Run:
    with transaction(world.engine) as session:
        return session.get_one(Run, run_id)


def test_answers_that_came_before_the_server_refused_us_are_kept(world: World, files: ReleaseFiles, use: Use) -> None:
    def script(image: str) -> Reply:
        if len(engine.asked) > 5:
            raise UnusableEngine("No credit is left.")
        return said()

    engine = use(ScriptedEngine(script))
    run_id = start(world)
    with pytest.raises(UnusableEngine):
        perform(world.engine, world.storage, run_id)
    assert len(rows(world, run_id)) == 5
    assert get(world, run_id).error == "No credit is left."


def test_what_was_paid_for_is_kept_also_past_the_budget(
    world: World, files: ReleaseFiles, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driving, "CHUNK", 2)
    use(ScriptedEngine(lambda image: said(), batch_size=3, seconds=0.05))
    run_id = start(world, prices=PRICES, budget_usd=0.0015)
    assert perform(world.engine, world.storage, run_id).status is RunStatus.PAUSED
    assert len(rows(world, run_id)) == 3, "the third came with the first two"


def test_a_run_at_its_budget_asks_nothing_until_it_has_a_larger_one(
    world: World, files: ReleaseFiles, release: Release, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driving, "CHUNK", 2)
    engine = use(ScriptedEngine(lambda image: said()))
    run_id = start(world, prices=PRICES, budget_usd=0.0015)
    assert perform(world.engine, world.storage, run_id).status is RunStatus.PAUSED
    asked = len(engine.asked)
    with transaction(world.engine) as session, pytest.raises(NotNow, match="has used its budget"):
        runs.resume(session, run_id)
    run, _ = evaluate(world.engine, release, files, SETUP, model="scripted", prices=PRICES, budget_usd=0.001)
    assert (run.id, run.status) == (run_id, RunStatus.PAUSED)
    assert "budget" in (run.error or "")
    assert len(engine.asked) == asked


def test_two_who_start_the_same_run_in_the_same_moment_make_one(
    world: World, files: ReleaseFiles, release: Release, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = use(ScriptedEngine(lambda image: said(), seconds=0.1))
    look = service._of_spec

    def slowly(session: Any, sha256: str) -> Run | None:
        found = look(session, sha256)
        time.sleep(0.3)
        return found

    monkeypatch.setattr(service, "_of_spec", slowly)
    errors: list[Exception] = []

    def go() -> None:
        try:
            evaluate(world.engine, release, files, SETUP, model="scripted")
        except Exception as error:
            errors.append(error)

    both = [threading.Thread(target=go) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(30)
    assert [type(error) for error in errors] == [AlreadyRunning]
    assert len(engine.asked) == 12


def test_a_command_that_is_refused_changes_nothing(
    world: World, files: ReleaseFiles, release: Release, use: Use
) -> None:
    engine = use(ScriptedEngine(lambda image: said()))
    engine.hold.clear()
    run_id = start(world, prices=PRICES)
    driver = threading.Thread(target=perform, args=(world.engine, world.storage, run_id))
    driver.start()
    while not engine.asked:
        time.sleep(0.02)
    with pytest.raises(AlreadyRunning):
        evaluate(world.engine, release, files, SETUP, model="scripted", prices=PRICES, budget_usd=0.001)
    engine.hold.set()
    driver.join(20)
    run = get(world, run_id)
    assert (run.status, run.budget_usd, run.prices) == (RunStatus.FINISHED, None, PRICES)


def test_who_asks_nothing_of_a_run_leaves_its_prices_and_what_made_it(
    world: World, files: ReleaseFiles, release: Release, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(ScriptedEngine(lambda image: said()))
    first, _ = evaluate(world.engine, release, files, SETUP, model="scripted", prices=PRICES)
    monkeypatch.setattr(service, "provenance", lambda: {"code_revision": "a later one"})
    again, _ = evaluate(world.engine, release, files, SETUP, model="scripted", prices={"input_per_million": 9.0})
    assert (again.id, again.status) == (first.id, RunStatus.FINISHED)
    assert again.provenance == first.provenance
    assert again.prices == PRICES


def test_figures_made_while_a_run_goes_on_are_not_kept_as_its_own(
    world: World, files: ReleaseFiles, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = use(ScriptedEngine(lambda image: said() if len(engine.asked) < 9 else Reply(error="away")))
    run_id = start(world)
    assert perform(world.engine, world.storage, run_id).status is RunStatus.INCOMPLETE
    make = scoring.metrics

    def meanwhile(*answers: Any, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(scoring, "metrics", make)
        engine.script = lambda image: said()
        with transaction(world.engine) as session:
            runs.resume(session, run_id)
        assert perform(world.engine, world.storage, run_id).status is RunStatus.FINISHED
        return make(*answers, **options)

    monkeypatch.setattr(scoring, "metrics", meanwhile)
    with transaction(world.engine) as session:
        document_of(session, world.storage, session.get_one(Run, run_id))
    with transaction(world.engine) as session:
        document = document_of(session, world.storage, session.get_one(Run, run_id))
    assert sum(group["n"] for group in document["subtasks"].values()) == 12


def test_a_job_leaves_its_run_to_the_one_that_came_with_resuming_it(
    world: World, files: ReleaseFiles, use: Use
) -> None:
    engine = use(ScriptedEngine(lambda image: said()))
    run_id = start(world)
    first = get(world, run_id).job_id
    with transaction(world.engine) as session:
        runs.pause(session, run_id)
        second = runs.resume(session, run_id).job_id
    assert second != first

    def work(job_id: uuid.UUID | None) -> dict[str, Any]:
        with transaction(world.engine) as session:
            job = session.get_one(Job, job_id)
        return jobs.run(JobContext(world.engine, world.settings, job))

    assert work(first)["status"] == "left to a later job"
    assert (engine.asked, get(world, run_id).status) == ([], RunStatus.QUEUED)
    assert work(second)["status"] == "finished"


def test_what_is_kept_at_hand_may_be_emptied_by_another_request(
    world: World, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Emptied(dict[Any, Any]):
        def __setitem__(self, key: Any, value: Any) -> None:
            super().__setitem__(key, value)
            self.clear()

    monkeypatch.setattr(doubts, "_KEPT", Emptied())
    with transaction(world.engine) as session:
        assert doubts.study(session, world.storage, release).voters == ()


def test_a_budget_that_could_stop_nothing_is_refused(world: World, files: ReleaseFiles, release: Release) -> None:
    with pytest.raises(Invalid, match="No price is known"):
        start(world, budget_usd=1.0)
    with pytest.raises(Invalid, match="No price is known"):
        evaluate(world.engine, release, files, SETUP, model="scripted", budget_usd=1.0)
    run_id = start(world)
    with transaction(world.engine) as session:
        runs.pause(session, run_id)
        with pytest.raises(Invalid, match="No price is known"):
            runs.resume(session, run_id, budget_usd=1.0)
