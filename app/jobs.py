"""The job queue: procrastinate carries a job to the worker, a `Job` row tells people how far it has come.

A room registers what it can do with `@handles("release.build")`; a route calls `start`, which adds the row and
queues the job in the request's own transaction, so neither exists without the other.
"""

import asyncio
import enum
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import procrastinate
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, Session, SQLModel

from app.db import TIMESTAMP, created_at, libpq_url, now, text_enum, transaction, uuid_key
from app.errors import TerroirError
from app.settings import Settings

logger = logging.getLogger(__name__)
MAX_ATTEMPTS = 4
WORKER_SILENCE_SECONDS = 60
"""A worker that sent no heartbeat for this long counts as gone (it sends one every 10 s)."""


class JobStatus(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Job(SQLModel, table=True):
    """What people see of a background job: its progress, its result, or the sentence it failed with."""

    id: uuid.UUID = uuid_key()
    kind: str = Field(max_length=64)
    title: str
    arguments: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    account_id: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    status: JobStatus = Field(default=JobStatus.QUEUED, sa_type=text_enum(JobStatus))
    done: int = 0
    total: int | None = None
    attempts: int = 0
    error: str | None = None
    result: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    created_at: datetime = created_at()
    started_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    finished_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)

    @property
    def is_over(self) -> bool:
        return self.status in (JobStatus.DONE, JobStatus.FAILED)


@dataclass
class JobContext:
    """What a handler works with. `progress(done, total)` may be called often: it writes at most twice a second."""

    engine: sa.Engine
    settings: Settings
    job: Job
    _written_at: float = field(default=0.0, repr=False)

    def progress(self, done: int, total: int) -> None:
        if done < total and time.monotonic() - self._written_at < 0.5:
            return
        self._written_at = time.monotonic()
        _update(self.engine, self.job.id, done=done, total=total)


Handler = Callable[[JobContext], dict[str, Any] | None]
_handlers: dict[str, Handler] = {}


def handles(kind: str) -> Callable[[Handler], Handler]:
    """Registers what to do for a kind of job. The returned dict becomes the job's result."""

    def register(handler: Handler) -> Handler:
        _handlers[kind] = handler
        return handler

    return register


queue = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())


def start(session: Session, kind: str, *, title: str, account_id: uuid.UUID | None = None, **arguments: Any) -> Job:
    """Adds a job in the caller's transaction; the worker sees it once that commits."""
    job = Job(kind=kind, title=title, arguments=arguments, account_id=account_id)
    session.add(job)
    session.flush()
    connection = session.connection().connection.driver_connection
    work.configure(connection=connection).defer(job_id=str(job.id))
    return job


@dataclass
class _Worker:
    engine: sa.Engine
    settings: Settings


_worker: _Worker | None = None


@queue.task(name="terroir.work", retry=procrastinate.RetryStrategy(max_attempts=MAX_ATTEMPTS - 1, exponential_wait=2))
def work(job_id: str) -> None:
    """Runs one job. What a person can mend fails it at once with its sentence; anything else is tried again."""
    assert _worker is not None, "jobs run in `terroir worker`"
    run_job(_worker.engine, _worker.settings, uuid.UUID(job_id))


def run_job(engine: sa.Engine, settings: Settings, job_id: uuid.UUID) -> None:
    with transaction(engine) as session:
        job = session.get(Job, job_id)
    if job is None or job.is_over:
        return
    attempt = job.attempts + 1
    _update(engine, job_id, status=JobStatus.RUNNING, started_at=now(), attempts=attempt, error=None)
    try:
        handler = _handlers.get(job.kind)
        if handler is None:
            raise TerroirError(f"This worker does not know the job “{job.kind}”; update it to the server's version.")
        result = handler(JobContext(engine, settings, job))
    except TerroirError as error:
        _update(engine, job_id, status=JobStatus.FAILED, error=error.message, finished_at=now())
    except Exception as error:
        logger.exception("job %s (%s) failed, attempt %d", job_id, job.kind, attempt)
        if attempt < MAX_ATTEMPTS:
            sentence = f"Attempt {attempt} of {MAX_ATTEMPTS} failed ({type(error).__name__}); it will be tried again."
            _update(engine, job_id, status=JobStatus.QUEUED, error=sentence)
        else:
            sentence = (
                f"It failed {MAX_ATTEMPTS} times ({type(error).__name__}); the worker's log, job {job_id}, says why."
            )
            _update(engine, job_id, status=JobStatus.FAILED, error=sentence, finished_at=now())
        raise
    else:
        _update(engine, job_id, status=JobStatus.DONE, result=result, error=None, finished_at=now())


def _update(engine: sa.Engine, job_id: uuid.UUID, **values: Any) -> None:
    with transaction(engine) as session:
        session.execute(sa.update(Job).where(sa.column("id") == job_id).values(**values))


@queue.periodic(cron="* * * * *")
@queue.task(name="terroir.retry_stalled", queueing_lock="retry_stalled", pass_context=True)
async def retry_stalled(context: procrastinate.JobContext, timestamp: int) -> None:
    """Brings back the jobs of a worker that died: their procrastinate row still says they are being done."""
    manager = context.app.job_manager
    for stalled in await manager.get_stalled_jobs(seconds_since_heartbeat=WORKER_SILENCE_SECONDS):
        await manager.retry_job(stalled)


def run_worker(engine: sa.Engine, settings: Settings, url: str, ready: Callable[[], None]) -> None:
    """Works until it is told to stop; blocks. A running job is finished first."""
    global _worker
    _worker = _Worker(engine, settings)
    connector = procrastinate.PsycopgConnector(conninfo=libpq_url(url), min_size=1, max_size=4)

    async def work_on() -> None:
        async with app.open_async():
            ready()
            await app.run_worker_async(concurrency=2, shutdown_graceful_timeout=20, fetch_job_polling_interval=1.0)

    with queue.replace_connector(connector) as app:
        asyncio.run(work_on())


def worker_is_alive(session: Session) -> bool:
    newest = session.execute(sa.text("SELECT max(last_heartbeat) FROM procrastinate_workers")).scalar()
    return newest is not None and now() - newest < timedelta(seconds=WORKER_SILENCE_SECONDS)
