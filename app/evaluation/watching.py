"""Runs as people watch them: what is asked for, how far each has come, and when it will be done."""

import re
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import now
from app.errors import NotFound
from app.evaluation.models import Run, RunStatus
from app.evaluation.scoring import OVER
from app.jobs import Job, JobStatus
from app.releases.models import Release

RATE_SECONDS = 60
"""The rate, and with it the time left, is what the last minute brought."""


class UnknownRun(NotFound):
    pass


class Progress(NamedTuple):
    """`done` has an answer, `failed` none yet though it was asked. `per_minute` over the last minute, 0 once it is
    over; `seconds_left` None while nobody can know."""

    planned: int
    done: int
    failed: int
    per_minute: float
    seconds_left: float | None


class ShownRun(NamedTuple):
    """A run with its release, its progress, and the job that does it; None for one on the command line or imported."""

    run: Run
    release: Release
    progress: Progress
    job: Job | None

    @property
    def status(self) -> RunStatus:
        """The run's, but failed also when its job ended in a way that left it waiting."""
        waits = self.run.status in (RunStatus.QUEUED, RunStatus.RUNNING)
        if waits and self.job is not None and self.job.status is JobStatus.FAILED:
            return RunStatus.FAILED
        return self.run.status

    @property
    def error(self) -> str | None:
        return self.run.error or (self.job.error if self.job is not None else None)

    @property
    def is_coming(self) -> bool:
        return self.status in (RunStatus.QUEUED, RunStatus.RUNNING)

    def as_json(self) -> dict[str, Any]:
        run = self.run
        return {
            "id": str(run.id),
            "release": self.release.version,
            "model": run.model,
            "engine": run.engine,
            "strategy": run.strategy,
            "seed": run.seed,
            "subset": run.subset,
            "status": self.status.value,
            "error": self.error,
            "priority": run.priority,
            "is_imported": run.is_imported,
            "spec_sha256": run.spec_sha256,
            "budget_usd": run.budget_usd,
            **self.progress._asdict(),
            "created_at": run.created_at.isoformat(),
            "started_at": run.started_at.isoformat() if run.started_at else None,
            "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        }


def get_run(session: Session, name: str | uuid.UUID) -> Run:
    """By its id, or by the beginning of it where that fits one run alone. Raises UnknownRun."""
    if isinstance(name, uuid.UUID):
        found = session.get(Run, name)
    else:
        text = name.strip().lower()
        if not re.fullmatch(r"[0-9a-f-]{4,36}", text):
            raise UnknownRun(f"“{name[:40]}” is no run; give its id, or at least the first four letters of it.")
        matches = session.exec(select(Run).where(sa.cast(Run.id, sa.Text).startswith(text)).limit(2)).all()
        if len(matches) > 1:
            raise UnknownRun(f"Several runs begin with “{text}”; give more of the id.")
        found = matches[0] if matches else None
    if found is None:
        raise UnknownRun("There is no such run; `terroir run list` names those there are.")
    return found


def show_run(session: Session, run_id: uuid.UUID) -> ShownRun:
    """Raises UnknownRun."""
    shown = _shown(session, [get_run(session, run_id)])
    return shown[0]


def list_runs(
    session: Session, *, release_id: uuid.UUID | None = None, before: tuple[datetime, uuid.UUID] | None = None,
    limit: int = 50,
) -> list[ShownRun]:  # fmt: skip
    """The newest first; `before` is the last one of the page before."""
    query = select(Run).order_by(col(Run.created_at).desc(), col(Run.id).desc()).limit(limit)
    if release_id is not None:
        query = query.where(Run.release_id == release_id)
    if before is not None:
        query = query.where(sa.tuple_(col(Run.created_at), col(Run.id)) < before)
    return _shown(session, session.exec(query).all())


_COUNTS = sa.text(
    """
    SELECT run_id, count(*) FILTER (WHERE state <> 'failed') AS done,
           count(*) FILTER (WHERE state = 'failed') AS failed,
           count(*) FILTER (WHERE created_at > :since) AS fresh
    FROM prediction WHERE run_id = ANY(:runs) GROUP BY run_id
    """
)


class _Counts(NamedTuple):
    done: int = 0
    failed: int = 0
    fresh: int = 0


_KEPT: dict[tuple[uuid.UUID, datetime | None], _Counts] = {}
_MOST = 10_000


def _counted(session: Session, runs: Sequence[Run], at: datetime) -> dict[uuid.UUID, _Counts]:
    """Answers of runs that are over stay as they are: theirs are counted once, for a list asks every two seconds."""
    over = {run.id: (run.id, run.finished_at) for run in runs if run.status in OVER}
    found = {run_id: counts for run_id, key in over.items() if (counts := _KEPT.get(key)) is not None}
    scope = {"runs": [run.id for run in runs if run.id not in found], "since": at - timedelta(seconds=RATE_SECONDS)}
    if len(_KEPT) > _MOST:
        _KEPT.clear()
    for row in session.execute(_COUNTS, scope) if scope["runs"] else ():
        found[row.run_id] = _Counts(row.done, row.failed, 0 if row.run_id in over else row.fresh)
        if row.run_id in over:
            _KEPT[over[row.run_id]] = found[row.run_id]
    return found


def _shown(session: Session, runs: Sequence[Run]) -> list[ShownRun]:
    at = now()
    counts = _counted(session, runs, at)
    releases = {
        one.id: one for one in session.exec(select(Release).where(col(Release.id).in_({r.release_id for r in runs})))
    }
    jobs = {job.id: job for job in session.exec(select(Job).where(col(Job.id).in_({run.job_id for run in runs})))}
    return [
        ShownRun(
            run,
            releases[run.release_id],
            _progress(run, counts.get(run.id, _Counts()), at),
            jobs.get(run.job_id) if run.job_id else None,
        )
        for run in runs
    ]


def _progress(run: Run, counts: _Counts, at: datetime) -> Progress:
    done, failed, fresh = counts
    seconds = float(RATE_SECONDS)
    if run.started_at is not None:
        seconds = min(seconds, max(1.0, (at - run.started_at).total_seconds()))
    rate = 60 * fresh / seconds
    left = run.planned - done
    is_known = run.status is RunStatus.RUNNING and rate > 0
    return Progress(run.planned, done, failed, rate, 60 * left / rate if is_known else None)
