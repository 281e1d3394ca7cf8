"""Putting jobs into the queue."""

import asyncio

import procrastinate
import sqlalchemy as sa

from app import jobs
from app.db import libpq_url, transaction
from app.jobs import Job


def put(engine: sa.Engine) -> tuple[object, ...]:
    """Starts a job and gives what the queue then holds of it."""
    with transaction(engine) as session:
        job: Job = jobs.start(session, "some.kind", title="Something", queue="maintenance", priority=3)
        statement = "SELECT task_name, queue_name, priority FROM procrastinate_jobs WHERE args ->> 'job_id' = :job"
        return tuple(session.execute(sa.text(statement), {"job": str(job.id)}).one())


def test_a_job_can_be_started_from_a_request_and_from_within_the_worker(fresh_engine: sa.Engine) -> None:
    url = libpq_url(fresh_engine.url.render_as_string(hide_password=False))

    async def in_the_worker() -> tuple[object, ...]:
        with jobs.queue.replace_connector(procrastinate.PsycopgConnector(conninfo=url)) as app:
            async with app.open_async():
                return await asyncio.to_thread(put, fresh_engine)

    assert put(fresh_engine) == ("terroir.work", "maintenance", 3)
    assert asyncio.run(in_the_worker()) == ("terroir.work", "maintenance", 3)
