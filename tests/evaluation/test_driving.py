"""The loop between a run and its engine: chunks, the cache, budgets, and people who change their mind."""

import json
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import select

from app.db import transaction
from app.evaluation import driving, runs, service
from app.evaluation.engines import Reply, Setup, UnusableEngine
from app.evaluation.fleet import LocalFleet
from app.evaluation.ledger import spent
from app.evaluation.models import Prediction, Run, RunStatus
from app.evaluation.plan import Subset
from app.evaluation.prompts import Strategy
from app.evaluation.reading import ReleaseFiles, find_release
from app.evaluation.scoring import document_of
from app.evaluation.service import evaluate, perform
from app.releases.models import Release
from tests.evaluation.scripted_engine import ScriptedEngine
from tests.releases.conftest import World

SETUP = Setup("openai", "scripted", 99)


def said(country: str = "Italy", food: str = "pizza") -> Reply:
    return Reply(json.dumps({"food": food, "country": country}), input_tokens=1000, output_tokens=10)


@pytest.fixture
def files(world: World, release: Release) -> ReleaseFiles:
    with transaction(world.engine) as session:
        return find_release(session, world.storage, "1.0.0")[1]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[ScriptedEngine], ScriptedEngine]:
    def used(engine: ScriptedEngine) -> ScriptedEngine:
        monkeypatch.setattr(service, "open_fleet", lambda setup: LocalFleet(engine))
        return engine

    return used


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving, "CHUNK", 2)


Use = Callable[[ScriptedEngine], ScriptedEngine]


def start(world: World, **options: Any) -> uuid.UUID:
    with transaction(world.engine) as session:
        options = {"model": "scripted", "strategy": Strategy.BASE, **options}
        return runs.start_run(session, "1.0.0", SETUP, **options).id


def rows(world: World, run_id: uuid.UUID) -> list[Prediction]:
    with transaction(world.engine) as session:
        return list(session.exec(select(Prediction).where(Prediction.run_id == run_id)))


def test_the_same_request_is_never_sent_twice(world: World, files: ReleaseFiles, release: Release, use: Use) -> None:
    engine = use(ScriptedEngine(lambda image: said()))
    first, _ = evaluate(world.engine, release, files, SETUP, model="scripted", subset=Subset(limit=8))
    assert len(engine.asked) == 8
    second, _ = evaluate(world.engine, release, files, SETUP, model="scripted")
    assert second.id != first.id
    assert len(engine.asked) == 12, "of twelve questions eight were known"
    kept = rows(world, second.id)
    assert sorted(row.is_cached for row in kept) == [False] * 4 + [True] * 8
    with transaction(world.engine) as session:
        used = spent(session, second.id)
    assert (used.questions, used.cached, used.images, used.input_tokens) == (12, 8, 4, 4000)


def test_one_changed_letter_of_the_prompt_is_asked_anew(
    world: World, files: ReleaseFiles, release: Release, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = use(ScriptedEngine(lambda image: said()))
    evaluate(world.engine, release, files, SETUP, model="scripted")
    before = driving.prompts.prompt
    sf = {item.image_sha256 for item in files.items() if item.subtask == "SF"}
    monkeypatch.setattr(
        driving.prompts, "prompt", lambda *of: before(*of).replace("What", "what" if of[1] == "SF" else "What")
    )
    del engine.asked[:]
    evaluate(world.engine, release, files, SETUP, model="scripted", strategy=Strategy.BASE, subset=Subset(limit=11))
    assert set(engine.asked) <= sf
    assert len(engine.asked) in (2, 3)


def test_what_is_drawn_by_chance_or_failed_or_was_refused_is_not_remembered(
    world: World, files: ReleaseFiles, release: Release, use: Use
) -> None:
    drawn = Setup.of(SETUP.as_json() | {"temperature": 0.7})
    engine = use(ScriptedEngine(lambda image: said()))
    evaluate(world.engine, release, files, drawn, model="scripted", subset=Subset(limit=2))
    evaluate(world.engine, release, files, drawn, model="scripted", subset=Subset(limit=3))
    assert len(engine.asked) == 5
    engine = use(ScriptedEngine(lambda image: Reply("", is_refused=True), model="prude"))
    evaluate(world.engine, release, files, SETUP, model="scripted", subset=Subset(limit=2))
    evaluate(world.engine, release, files, SETUP, model="scripted", subset=Subset(limit=3))
    assert len(engine.asked) == 5


def test_a_run_stops_within_a_chunk_of_its_budget_and_goes_on_with_a_larger_one(
    world: World, files: ReleaseFiles, use: Use, small_chunks: None
) -> None:
    engine = use(ScriptedEngine(lambda image: said()))
    run_id = start(world, prices={"input_per_million": 1.0}, budget_usd=0.0035)  # 0.001 a question
    run = perform(world.engine, world.storage, run_id)
    assert run.status is RunStatus.PAUSED
    assert "budget" in (run.error or "")
    kept = len(rows(world, run_id))
    assert 4 <= kept <= 4 + 2 * 1
    with transaction(world.engine) as session:
        assert spent(session, run_id).usd(run.prices) == pytest.approx(kept * 0.001)
        runs.resume(session, run_id, budget_usd=1.0)
    assert perform(world.engine, world.storage, run_id).status is RunStatus.FINISHED
    assert len(rows(world, run_id)) == 12
    assert len(engine.asked) <= 12 + 3, "only what was under way is asked again"


@pytest.mark.parametrize("how", [runs.pause, runs.cancel])
def test_whoever_sets_a_run_aside_waits_seconds_and_loses_no_answer(
    world: World, files: ReleaseFiles, use: Use, small_chunks: None, how: Any
) -> None:
    engine = use(ScriptedEngine(lambda image: said()))
    run_id = start(world)
    answered = threading.Event()

    def script(image: str) -> Reply:
        if len(engine.asked) > 4:
            answered.set()
            engine.hold.clear()
        return said()

    engine.script = script
    driver = threading.Thread(target=perform, args=(world.engine, world.storage, run_id))
    driver.start()
    assert answered.wait(20)
    with transaction(world.engine) as session:
        how(session, run_id)
    began = time.monotonic()
    driver.join(20)
    assert time.monotonic() - began < 5
    assert engine.closed.is_set()
    before = {row.item_id for row in rows(world, run_id)}
    assert before
    assert all(row.state == "ok" for row in rows(world, run_id))
    engine = use(ScriptedEngine(lambda image: said()))
    with transaction(world.engine) as session:
        runs.resume(session, run_id)
    assert perform(world.engine, world.storage, run_id).status is RunStatus.FINISHED
    assert len(engine.asked) == 12 - len(before)


def test_a_worker_that_ends_leaves_the_run_queued(
    world: World, files: ReleaseFiles, use: Use, small_chunks: None
) -> None:
    engine = use(ScriptedEngine(lambda image: said(), seconds=0.05))
    run_id = start(world)
    run = perform(world.engine, world.storage, run_id, is_stopping=lambda: len(engine.asked) > 3)
    assert run.status is RunStatus.QUEUED
    assert 3 <= len(rows(world, run_id)) < 12


def test_batches_come_back_in_any_order(world: World, files: ReleaseFiles, use: Use, small_chunks: None) -> None:
    by_image = {item.image_sha256: item for item in files.items()}
    engine = use(ScriptedEngine(lambda image: said(food=by_image[image].foods[0].name), in_flight=4, batch_size=3))
    engine.seconds = 0.01
    run_id = start(world)
    assert perform(world.engine, world.storage, run_id).status is RunStatus.FINISHED
    with transaction(world.engine) as session:
        document = document_of(session, world.storage, session.get_one(Run, run_id))
    assert {group["name_accuracy"]["value"] for group in document["subtasks"].values()} == {1.0}


def test_a_run_with_the_spec_of_an_older_one_asks_nothing(world: World, files: ReleaseFiles, use: Use) -> None:
    engine = use(ScriptedEngine(lambda image: said()))
    first, second = start(world), None
    perform(world.engine, world.storage, first)
    second = start(world)
    run = perform(world.engine, world.storage, second)
    assert run.status is RunStatus.CANCELLED
    assert str(first) in (run.error or "")
    assert len(engine.asked) == 12


def test_weights_that_changed_end_a_run_that_had_begun(world: World, files: ReleaseFiles, use: Use) -> None:
    engine = use(ScriptedEngine(lambda image: said() if len(engine.asked) < 5 else Reply(error="away")))
    run_id = start(world)
    assert perform(world.engine, world.storage, run_id).status is RunStatus.INCOMPLETE
    with transaction(world.engine) as session:
        runs.resume(session, run_id)
    use(ScriptedEngine(lambda image: said(), model="another"))
    with pytest.raises(service.ChangedSince, match=r"engine\.model"):
        perform(world.engine, world.storage, run_id)
    with transaction(world.engine) as session:
        run = session.get_one(Run, run_id)
    assert run.status is RunStatus.FAILED
    assert "engine.model" in (run.error or "")


def test_a_model_that_cannot_be_made_fails_the_run_with_its_sentence(
    world: World, files: ReleaseFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(setup: Setup) -> LocalFleet:
        raise UnusableEngine("There are no weights here.")

    monkeypatch.setattr(service, "open_fleet", nowhere)
    run_id = start(world)
    with pytest.raises(UnusableEngine):
        perform(world.engine, world.storage, run_id)
    with transaction(world.engine) as session:
        shown = session.get_one(Run, run_id)
    assert (shown.status, shown.error) == (RunStatus.FAILED, "There are no weights here.")


def test_a_second_driver_waits_for_the_first(world: World, files: ReleaseFiles, use: Use) -> None:
    engine = use(ScriptedEngine(lambda image: said()))
    engine.hold.clear()
    run_id = start(world)
    drivers = [threading.Thread(target=perform, args=(world.engine, world.storage, run_id)) for _ in range(2)]
    for driver in drivers:
        driver.start()
    time.sleep(1.5)
    engine.hold.set()
    for driver in drivers:
        driver.join(20)
    assert len(engine.asked) == 12
    assert len(rows(world, run_id)) == 12


def test_figures_are_kept_once_a_run_is_over_and_made_anew_when_its_answers_change(
    world: World, files: ReleaseFiles, use: Use, fresh_engine: sa.Engine
) -> None:
    engine = use(ScriptedEngine(lambda image: said() if len(engine.asked) < 9 else Reply(error="away")))
    run_id = start(world)
    run = perform(world.engine, world.storage, run_id)
    assert run.status is RunStatus.INCOMPLETE
    count = sa.text("SELECT count(*) FROM run_score")
    with transaction(world.engine) as session:
        partial = document_of(session, world.storage, run)
        assert session.execute(count).scalar() == 1
        runs.resume(session, run_id)
    engine.script = lambda image: said()
    run = perform(world.engine, world.storage, run_id)
    with transaction(world.engine) as session:
        assert session.execute(count).scalar() == 0
        assert document_of(session, world.storage, run) != partial
        assert session.execute(count).scalar() == 1
