"""`terroir worker` at runs, in a process of its own: it does them, and leaves them well when it is told to stop."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import procrastinate
import psycopg
import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app import jobs
from app.db import libpq_url, now, transaction
from app.evaluation import runs
from app.evaluation.engines import Setup
from app.evaluation.models import Run, RunStatus
from app.evaluation.prompts import Strategy
from app.evaluation.watching import show_run
from app.jobs import Interrupted, Job, JobStatus
from app.releases.models import Release
from app.settings import ROOT, Settings
from tests.evaluation.server import Request, Scripted, answered, refused, serving
from tests.releases.conftest import World


@contextmanager
def working(settings: Settings, url: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "TERROIR_HOME": str(settings.home), "TERROIR_DATABASE_URL": url}
    command = [Path(sys.executable).parent / "terroir", "worker", *words]
    with subprocess.Popen(command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "The worker is ready.\n"
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)


def start(world: World, base_url: str) -> uuid.UUID:
    setup = Setup("openai", "tiny", 99, base_url=base_url, in_flight=1)
    with transaction(world.engine) as session:
        return runs.start_run(session, "1.0.0", setup, model="tiny", strategy=Strategy.BASE).id


def until(condition: Callable[[Session], bool], engine: sa.Engine, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with transaction(engine) as session:
            if condition(session):
                return
        time.sleep(0.1)
    raise AssertionError("it did not come to that")


def status(session: Session, run_id: uuid.UUID) -> RunStatus:
    return show_run(session, run_id).status


def test_a_worker_that_is_told_to_stop_leaves_the_run_to_the_next(
    world: World, release: Release, fresh_url: str
) -> None:
    def script(request: Request) -> Scripted:
        time.sleep(0.3)
        return answered("pizza", "Italy")

    with serving(script) as server:
        run_id = start(world, server.base_url)
        with working(world.settings, fresh_url, "--queue", "evaluation") as process:
            until(lambda session: show_run(session, run_id).progress.done >= 2, world.engine)
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert process.wait(30) == 0
            assert time.monotonic() - began < 15
        with transaction(world.engine) as session:
            shown = show_run(session, run_id)
            assert shown.status is RunStatus.QUEUED
            assert shown.job is not None
            assert (shown.job.status, shown.job.attempts) == (JobStatus.QUEUED, 0)
            before = shown.progress.done
        assert 2 <= before < 12
        with working(world.settings, fresh_url):
            until(lambda session: status(session, run_id) is RunStatus.FINISHED, world.engine)
        assert len(server.requests) <= 12 + 2, "only what was under way is asked again"
    with transaction(world.engine) as session:
        run = session.get_one(Run, run_id)
        assert run.provenance is not None
        assert run.provenance["packages"]["terroir"]
        job = session.get_one(Job, run.job_id)
        assert (job.status, job.result) == (JobStatus.DONE, {"run": str(run_id), "status": "finished"})


@pytest.mark.slow
def test_a_database_that_goes_away_ends_the_worker_and_costs_no_answer(
    world: World, release: Release, fresh_url: str, server_url: str
) -> None:
    def script(request: Request) -> Scripted:
        time.sleep(0.3)
        return answered("pizza", "Italy")

    with serving(script) as server:
        run_id = start(world, server.base_url)
        with working(world.settings, fresh_url) as process:
            until(lambda session: show_run(session, run_id).progress.done >= 2, world.engine)
            world.engine.dispose()
            with psycopg.connect(libpq_url(server_url), autocommit=True) as connection:
                name = world.engine.url.database
                connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
                time.sleep(4)
                connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            until(
                lambda session: process.poll() is not None or status(session, run_id) is RunStatus.FINISHED,
                world.engine,
            )
            assert process.poll() != 0, "whoever looks after it has to see that it did not end as told"
        with working(world.settings, fresh_url):
            until(lambda session: status(session, run_id) is RunStatus.FINISHED, world.engine)
        assert len(server.requests) <= 12 + 8, "only what had not been kept is asked again"


def test_a_refused_key_fails_the_run_and_its_job_with_the_same_sentence(
    world: World, release: Release, fresh_url: str
) -> None:
    with serving(lambda request: refused(401, "Invalid key")) as server:
        run_id = start(world, server.base_url)
        with working(world.settings, fresh_url):
            until(lambda session: status(session, run_id) is RunStatus.FAILED, world.engine)
    with transaction(world.engine) as session:
        shown = show_run(session, run_id)
    assert "Invalid key" in (shown.error or "")
    assert shown.job is not None
    assert shown.job.error == shown.run.error


def test_an_interrupted_job_waits_and_is_no_failed_attempt(fresh_engine: sa.Engine, settings: Settings) -> None:
    def half_way(context: jobs.JobContext) -> None:
        assert context.is_stopping()
        raise Interrupted

    jobs._handlers["tests.half_way"] = half_way
    try:
        with transaction(fresh_engine) as session:
            job_id = jobs.start(session, "tests.half_way", title="Half-way").id
        with pytest.raises(Interrupted):
            jobs.run_job(fresh_engine, settings, job_id, lambda: True)
        with transaction(fresh_engine) as session:
            job = session.get_one(Job, job_id)
        assert (job.status, job.attempts, job.error) == (JobStatus.QUEUED, 0, None)
    finally:
        del jobs._handlers["tests.half_way"]


def test_a_job_that_faults_is_tried_four_times_and_then_says_where_to_look(
    fresh_engine: sa.Engine, settings: Settings
) -> None:
    def broken(context: jobs.JobContext) -> None:
        raise ZeroDivisionError

    jobs._handlers["tests.broken"] = broken
    try:
        with transaction(fresh_engine) as session:
            job_id = jobs.start(session, "tests.broken", title="Broken").id
        for attempt in (1, 2, 3):
            with pytest.raises(ZeroDivisionError):
                jobs.run_job(fresh_engine, settings, job_id)
            with transaction(fresh_engine) as session:
                job = session.get_one(Job, job_id)
            assert (job.status, job.attempts) == (JobStatus.QUEUED, attempt)
        with pytest.raises(jobs.GivenUp):
            jobs.run_job(fresh_engine, settings, job_id)
    finally:
        del jobs._handlers["tests.broken"]
    with transaction(fresh_engine) as session:
        job = session.get_one(Job, job_id)
    assert (job.status, job.attempts) == (JobStatus.FAILED, 4)
    assert str(job_id) in (job.error or "")


@pytest.mark.parametrize(("error", "again"), [(Interrupted(), 0), (ValueError(), 2), (jobs.GivenUp("too often"), None)])
def test_only_what_was_given_up_does_not_come_back(error: Exception, again: int | None) -> None:
    row = procrastinate.jobs.Job(
        id=1, queue="default", lock=None, queueing_lock=None, task_name="terroir.work", attempts=0
    )
    decision = jobs.Again().get_retry_decision(exception=error, job=row)
    if again is None:
        assert decision is None
    else:
        assert decision is not None
        assert decision.retry_at is not None
        assert abs((decision.retry_at - now()).total_seconds() - again) < 1


def test_looking_after_dead_workers_leaves_nothing_behind(
    fresh_engine: sa.Engine, settings: Settings, fresh_url: str
) -> None:
    with transaction(fresh_engine) as session:
        connection = session.connection().connection.driver_connection
        jobs.retry_stalled.configure(connection=connection).defer(timestamp=0)
    count = sa.text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'terroir.retry_stalled'")
    with working(settings, fresh_url, "--queue", "maintenance"):
        until(lambda session: session.execute(count).scalar() == 0, fresh_engine)
