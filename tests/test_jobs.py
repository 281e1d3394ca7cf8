"""Putting jobs into the queue."""

import procrastinate
import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app import jobs


@pytest.mark.parametrize("connector", [procrastinate.PsycopgConnector, procrastinate.SyncPsycopgConnector])
def test_a_job_can_be_started_from_a_request_and_from_within_the_worker(
    session: Session, connector: type[procrastinate.PsycopgConnector | procrastinate.SyncPsycopgConnector]
) -> None:
    with jobs.queue.replace_connector(connector()):
        job = jobs.start(session, "some.kind", title="Something", queue="maintenance", priority=3)
    row = session.execute(
        sa.text("SELECT task_name, queue_name, priority FROM procrastinate_jobs WHERE args ->> 'job_id' = :job"),
        {"job": str(job.id)},
    ).one()
    assert tuple(row) == ("terroir.work", "maintenance", 3)
