"""The job queue: procrastinate carries a job to the worker, a `Job` row tells people how far it has come.

A room registers what it can do with `@handles("release.build")`; a route calls `start`, which adds the row and
queues the job in the request's own transaction, so neither exists without the other.
"""

import asyncio
import enum
import logging
import signal
import threading
import time
import uuid
from collections.abc import Callable, Collection
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
HEARTBEAT_SECONDS = 5
WORKER_SILENCE_SECONDS = 20
"""A worker that sent no heartbeat for this long counts as gone. Whoever could be hurt by two workers at one job takes a
lock of its own: a machine that slept may wake up again."""
QUEUES = {"default": 2, "evaluation": 2, "gpu": 2, "maintenance": 2}
"""How many jobs of each queue a worker does at once. Of maintenance there are two, so that the one that looks after
dead workers never waits for the one that looks after campaigns."""


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


class Interrupted(Exception):
    """A handler stopped half-way because the worker ends; the next worker goes on with its job."""


@dataclass
class JobContext:
    """What a handler works with. `progress(done, total)` may be called often: it writes at most twice a second.

    A handler that takes longer than seconds looks at `is_stopping()` now and then, and raises Interrupted.
    """

    engine: sa.Engine
    settings: Settings
    job: Job
    is_stopping: Callable[[], bool] = lambda: False
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


TASK = "terroir.work"

queue = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())
_putting = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())
"""Only puts jobs in, on the caller's own connection: in a worker, `queue` speaks to the database in another way."""


def start(
    session: Session,
    kind: str,
    *,
    title: str,
    account_id: uuid.UUID | None = None,
    queue: str = "default",
    priority: int = 0,
    **arguments: Any,
) -> Job:
    """Adds a job in the caller's transaction; a worker sees it once that commits. Of one queue the jobs with the
    highest priority come first."""
    job = Job(kind=kind, title=title, arguments=arguments, account_id=account_id)
    session.add(job)
    session.flush()
    connection = session.connection().connection.driver_connection
    _putting.configure_task(TASK, connection=connection, queue=queue, priority=priority).defer(job_id=str(job.id))
    return job


def set_priority(session: Session, job_id: uuid.UUID, priority: int) -> None:
    """Moves a job that still waits forward or back in its queue."""
    session.execute(
        sa.text(
            "UPDATE procrastinate_jobs SET priority = :priority "
            "WHERE status = 'todo' AND task_name = 'terroir.work' AND args ->> 'job_id' = :job"
        ),
        {"priority": priority, "job": str(job_id)},
    )


@dataclass
class _Worker:
    engine: sa.Engine
    settings: Settings
    stopping: threading.Event = field(default_factory=threading.Event)


_worker: _Worker | None = None


def worker_engine() -> sa.Engine:
    """For tasks that are no job of anybody's, such as those at fixed times."""
    assert _worker is not None, "they run in `terroir worker`"
    return _worker.engine


class Again(procrastinate.BaseRetryStrategy):
    """After a fault as long as our own count allows; after an interruption always, and at once."""

    def get_retry_decision(
        self, *, exception: BaseException, job: procrastinate.jobs.Job
    ) -> procrastinate.RetryDecision | None:
        if isinstance(exception, Interrupted):
            return procrastinate.RetryDecision(retry_in={"seconds": 0})
        if isinstance(exception, GivenUp):
            return None
        return procrastinate.RetryDecision(retry_in={"seconds": 2 ** min(job.attempts + 1, MAX_ATTEMPTS)})


class WorkerEnded(TerroirError):
    """Nobody had told it to."""

    status = 503


class GivenUp(Exception):
    """The job failed too often."""


@queue.task(name=TASK, retry=Again())
def work(job_id: str) -> None:
    """Runs one job. What a person can mend fails it at once with its sentence; anything else is tried again."""
    assert _worker is not None, "jobs run in `terroir worker`"
    run_job(_worker.engine, _worker.settings, uuid.UUID(job_id), _worker.stopping.is_set)


def run_job(
    engine: sa.Engine, settings: Settings, job_id: uuid.UUID, is_stopping: Callable[[], bool] = lambda: False
) -> None:
    """One attempt at a job. `attempts` counts those that failed: a worker that was killed or stopped is no failure."""
    with transaction(engine) as session:
        job = session.get(Job, job_id)
    if job is None or job.is_over:
        return
    attempt = job.attempts + 1
    _update(engine, job_id, status=JobStatus.RUNNING, started_at=now(), error=None)
    try:
        handler = _handlers.get(job.kind)
        if handler is None:
            raise TerroirError(f"This worker does not know the job “{job.kind}”; update it to the server's version.")
        result = handler(JobContext(engine, settings, job, is_stopping))
    except TerroirError as error:
        _update(engine, job_id, status=JobStatus.FAILED, error=error.message, finished_at=now())
    except Interrupted:
        _update(engine, job_id, status=JobStatus.QUEUED)
        raise
    except Exception as error:
        logger.exception("job %s (%s) failed, attempt %d", job_id, job.kind, attempt)
        if attempt < MAX_ATTEMPTS:
            sentence = f"Attempt {attempt} of {MAX_ATTEMPTS} failed ({type(error).__name__}); it will be tried again."
            _update(engine, job_id, status=JobStatus.QUEUED, error=sentence, attempts=attempt)
            raise
        else:
            sentence = (
                f"It failed {MAX_ATTEMPTS} times ({type(error).__name__}); the worker's log, job {job_id}, says why."
            )
            _update(engine, job_id, status=JobStatus.FAILED, error=sentence, finished_at=now(), attempts=attempt)
            raise GivenUp(sentence) from error
    else:
        _update(engine, job_id, status=JobStatus.DONE, result=result, error=None, finished_at=now())


def _update(engine: sa.Engine, job_id: uuid.UUID, **values: Any) -> None:
    with transaction(engine) as session:
        session.execute(sa.update(Job).where(sa.column("id") == job_id).values(**values))


@queue.periodic(cron="* * * * * */10")
@queue.task(name="terroir.retry_stalled", queue="maintenance", queueing_lock="retry_stalled", pass_context=True)
async def retry_stalled(context: procrastinate.JobContext, timestamp: int) -> None:
    """Brings back the jobs of a worker that died: their procrastinate row still says they are being done."""
    manager = context.app.job_manager
    for stalled in await manager.get_stalled_jobs(seconds_since_heartbeat=WORKER_SILENCE_SECONDS):
        await manager.retry_job(stalled)


def run_worker(
    engine: sa.Engine,
    settings: Settings,
    url: str,
    ready: Callable[[], None],
    queues: Collection[str] = tuple(QUEUES),
) -> None:
    """Works until it is told to stop; blocks. Running jobs are finished first, or interrupted where they can be."""
    global _worker
    _worker = _Worker(engine, settings)
    # Each queue has a worker of its own, with one connection to listen on.
    connector = procrastinate.PsycopgConnector(conninfo=libpq_url(url), min_size=1, max_size=2 * len(queues) + 2)
    stopping = _worker.stopping

    async def work_on() -> None:
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, told.set)
        async with app.open_async():
            workers = [
                asyncio.create_task(
                    app.run_worker_async(
                        queues=[name],
                        name=name,
                        concurrency=QUEUES[name],
                        # What looks after dead workers runs every ten seconds: three million rows a year.
                        delete_jobs="successful" if name == "maintenance" else "never",
                        shutdown_graceful_timeout=20,
                        fetch_job_polling_interval=1.0,
                        update_heartbeat_interval=HEARTBEAT_SECONDS,
                        install_signal_handlers=False,
                    )
                )
                for name in queues
            ]
            ready()
            end = asyncio.create_task(told.wait())
            await asyncio.wait([end, *workers], return_when=asyncio.FIRST_COMPLETED)
            stopping.set()
            for task in (end, *workers):
                task.cancel()
            for outcome in await asyncio.gather(end, *workers, return_exceptions=True):
                if isinstance(outcome, Exception):
                    raise outcome
            if not told.is_set():
                raise WorkerEnded(
                    "The worker ended by itself, most likely because the database went away; start it again, and it "
                    "goes on with the jobs it was at."
                )

    with queue.replace_connector(connector) as app:
        asyncio.run(work_on())


def worker_is_alive(session: Session) -> bool:
    newest = session.execute(sa.text("SELECT max(last_heartbeat) FROM procrastinate_workers")).scalar()
    return newest is not None and now() - newest < timedelta(seconds=WORKER_SILENCE_SECONDS)
