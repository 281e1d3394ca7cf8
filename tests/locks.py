"""Seeing that somebody waits for somebody else in the database."""

import time

import sqlalchemy as sa

_WAITS = sa.text(
    "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())"
)


def wait_for_lock(engine: sa.Engine, seconds: float = 20) -> None:
    """Returns once some connection to this database waits for a lock, which the caller holds."""
    until = time.monotonic() + seconds
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(_WAITS).scalar_one():
            assert time.monotonic() < until, "nobody waits for a lock"
            time.sleep(0.01)
