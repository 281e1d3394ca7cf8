"""Steering runs: asked for, queued by priority, set aside, resumed; and what of them people watch."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Role
from app.db import now, transaction
from app.errors import Conflict, Invalid
from app.evaluation import runs
from app.evaluation.driving import keep_rows
from app.evaluation.engines import Setup
from app.evaluation.models import Run, RunStatus
from app.evaluation.plan import Subset
from app.evaluation.prompts import Strategy
from app.evaluation.runs import NotNow, start_run
from app.evaluation.watching import UnknownRun, get_run, list_runs, show_run
from app.items.models import Subtask
from app.jobs import Job, JobStatus
from app.releases.models import Release
from app.releases.service import NotPublished, UnknownRelease
from tests.factories import make_account
from tests.releases.conftest import World

SETUP = Setup("openai", "tiny", 99, base_url="http://127.0.0.1:9/v1")


def start(session: Session, **options: Any) -> Run:
    return start_run(session, "1.0.0", SETUP, **{"model": "tiny", "strategy": Strategy.BASE, **options})


def waiting(session: Session) -> list[str]:
    """Runs in the order in which a worker would take them."""
    rows = session.execute(
        sa.text(
            "SELECT job.arguments ->> 'run_id' FROM procrastinate_jobs AS queued "
            "JOIN job ON job.id::text = queued.args ->> 'job_id' "
            "WHERE queued.status = 'todo' AND queued.queue_name = 'evaluation' ORDER BY queued.priority DESC, queued.id"
        )
    )
    return [row[0] for row in rows]


def test_a_run_waits_in_its_own_queue_with_all_it_needs(world: World, release: Release) -> None:
    with transaction(world.engine) as session:
        admin = make_account(session, Role.ADMIN)
        run = start(
            session,
            subset=Subset((Subtask.SF,), 2),
            seed=3,
            account=admin,
            prices={"input_per_million": 1.0},
            budget_usd=1.5,
        )
        assert run.status is RunStatus.QUEUED
        assert Setup.of(run.setup) == SETUP
        assert Subset.of(run.subset) == Subset((Subtask.SF,), 2)
        assert (run.spec, run.spec_sha256, run.created_by) == (None, None, admin.id)
        assert waiting(session) == [str(run.id)]


def test_runs_that_load_weights_wait_for_whoever_has_gpus(world: World, release: Release) -> None:
    with transaction(world.engine) as session:
        start_run(session, "1.0.0", Setup("transformers", "/w", 9), model="w", strategy=Strategy.BASE)
        assert waiting(session) == []
        assert session.execute(sa.text("SELECT queue_name FROM procrastinate_jobs")).scalars().all() == ["gpu"]


def test_the_very_same_run_is_not_asked_for_twice_while_it_is_under_way(world: World, release: Release) -> None:
    with transaction(world.engine) as session:
        run = start(session)
        with pytest.raises(Conflict, match="under way"):
            start(session)
        start(session, seed=1)
        start(session, strategy=Strategy.COT)
        runs.cancel(session, run.id)
        start(session)


@pytest.mark.parametrize(
    ("options", "field"),
    [({"priority": 101}, "priority"), ({"budget_usd": 0}, "budget_usd"), ({"budget_usd": float("nan")}, "budget_usd")],
)
def test_what_makes_no_sense_is_refused_by_field(
    world: World, release: Release, options: dict[str, Any], field: str
) -> None:
    with transaction(world.engine) as session, pytest.raises(Invalid) as caught:
        start(session, **options)
    assert list(caught.value.fields) == [field]


def test_only_published_releases_are_asked_about(world: World, release: Release) -> None:
    with transaction(world.engine) as session:
        with pytest.raises(UnknownRelease):
            start_run(session, "9.9.9", SETUP, model="tiny", strategy=Strategy.BASE)
        session.execute(sa.text("UPDATE release SET status = 'building'"))
        session.expire_all()
        with pytest.raises(NotPublished):
            start(session)


def test_what_an_engine_cannot_do_is_refused_before_anything_starts(world: World, release: Release) -> None:
    adapted = Setup.of(SETUP.as_json() | {"adapter": "/somewhere"})
    with transaction(world.engine) as session:
        with pytest.raises(Invalid, match="adapter weights"):
            start_run(session, "1.0.0", adapted, model="tiny", strategy=Strategy.BASE)
        with pytest.raises(Invalid, match="no engine"):
            start_run(session, "1.0.0", Setup("magic", "tiny", 9), model="tiny", strategy=Strategy.BASE)


def test_the_highest_priority_is_next_also_when_it_changes_later(world: World, release: Release) -> None:
    with transaction(world.engine) as session:
        first, second, third = (start(session, seed=seed, priority=seed) for seed in range(3))
        assert waiting(session) == [str(third.id), str(second.id), str(first.id)]
        runs.set_priority(session, first.id, 50)
        assert waiting(session) == [str(first.id), str(third.id), str(second.id)]
        with pytest.raises(Invalid):
            runs.set_priority(session, first.id, 1000)


def test_each_step_has_its_time(world: World, release: Release) -> None:
    with transaction(world.engine) as session:
        run = start(session)
        with pytest.raises(NotNow, match="queued already"):
            runs.resume(session, run.id)
        runs.pause(session, run.id)
        with pytest.raises(NotNow, match="can't be paused"):
            runs.pause(session, run.id)
        runs.cancel(session, run.id)
        with pytest.raises(NotNow):
            runs.cancel(session, run.id)
        assert run.finished_at is not None
        session.get_one(Job, run.job_id).status = JobStatus.DONE
        runs.resume(session, run.id)
        assert (run.status, run.finished_at, run.error) == (RunStatus.QUEUED, None, None)
        run.status = RunStatus.FINISHED
        with pytest.raises(NotNow, match="every question"):
            runs.resume(session, run.id)
        run.is_imported = True
        with pytest.raises(NotNow, match="imported"):
            runs.resume(session, run.id)
        with pytest.raises(UnknownRun):
            runs.pause(session, uuid.uuid4())


def test_a_run_that_its_command_left_can_be_resumed_by_the_worker(world: World, release: Release) -> None:
    with transaction(world.engine) as session:
        run = start(session)
        run.status, run.job_id = RunStatus.RUNNING, None
        session.flush()
        runs.resume(session, run.id)
        assert run.job_id is not None


def test_progress_counts_answers_and_knows_the_time_left(world: World, release: Release) -> None:
    with transaction(world.engine) as session:
        run = start(session)
        run.status, run.planned, run.started_at = RunStatus.RUNNING, 12, now() - timedelta(hours=1)
        session.flush()
        items = session.execute(sa.text("SELECT item_id FROM release_item ORDER BY item_id")).scalars().all()
        ages = {0: 1, 1: 2, 2: 3, 3: 600, 4: 601}
        for place, seconds in ages.items():
            keep_rows(session, [_row(run, items[place], "ok", seconds)])
        keep_rows(session, [_row(run, items[5], "failed", 1)])
        shown = show_run(session, run.id)
        assert (shown.progress.planned, shown.progress.done, shown.progress.failed) == (12, 5, 1)
        assert shown.progress.per_minute == pytest.approx(4)
        assert shown.progress.seconds_left == pytest.approx(7 / 4 * 60)
        run.status = RunStatus.PAUSED
        session.flush()
        assert show_run(session, run.id).progress.seconds_left is None


def test_answers_of_runs_that_are_over_are_counted_once(world: World, release: Release) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    with transaction(world.engine) as session:
        over, coming = start(session), start(session, seed=1)
        item = session.execute(sa.text("SELECT item_id FROM release_item LIMIT 1")).scalar_one()
        for run in (over, coming):
            keep_rows(session, [_row(run, item, "ok", 1)])
        over.status, over.finished_at = RunStatus.FINISHED, now()
        session.flush()
        sa.event.listen(world.engine, "before_cursor_execute", note)
        shown = [{one.run.id: one.progress for one in list_runs(session)} for _ in range(2)]
        assert shown[0] == shown[1]
        assert (shown[0][over.id].done, shown[0][over.id].per_minute) == (1, 0)
        assert sum("FROM prediction" in one for one in asked) == 2
        list_runs(session)
        coming.status, coming.finished_at = RunStatus.INCOMPLETE, now()
        session.flush()
        list_runs(session)
        del asked[:]
        list_runs(session)
        assert not any("FROM prediction" in one for one in asked)
        over.finished_at = now()  # it was asked again
        session.flush()
        list_runs(session)
        assert any("FROM prediction" in one for one in asked)


def _row(run: Run, item_id: uuid.UUID, state: str, age_seconds: float) -> dict[str, Any]:
    return {
        "run_id": run.id, "item_id": item_id, "slot": 1, "repeat": 0, "state": state, "is_cached": False,
        "created_at": now() - timedelta(seconds=age_seconds),
    }  # fmt: skip


def test_runs_are_listed_by_the_page_and_found_by_the_beginning_of_their_id(world: World, release: Release) -> None:
    with transaction(world.engine) as session:
        made = [start(session, seed=seed) for seed in range(5)]
        for place, run in enumerate(made):
            run.created_at = now() + timedelta(seconds=place)
        session.flush()
        first = list_runs(session, limit=3)
        rest = list_runs(session, limit=3, before=(first[-1].run.created_at, first[-1].run.id))
        assert [one.run.id for one in first + rest] == [run.id for run in reversed(made)]
        assert list_runs(session, release_id=uuid.uuid4()) == []
        assert get_run(session, str(made[0].id)[:13]).id == made[0].id
        for name in ("no-run!", "ab", str(uuid.uuid4())):
            with pytest.raises(UnknownRun):
                get_run(session, name)


def test_a_run_whose_job_gave_up_shows_as_failed(world: World, release: Release) -> None:
    with transaction(world.engine) as session:
        run = start(session)
        job = session.get_one(Job, run.job_id)
        job.status, job.error = JobStatus.FAILED, "It failed 4 times."
        session.flush()
        shown = show_run(session, run.id)
        assert (shown.status, shown.error, shown.is_coming) == (RunStatus.FAILED, "It failed 4 times.", False)
        runs.resume(session, run.id)
        assert show_run(session, run.id).status is RunStatus.QUEUED
