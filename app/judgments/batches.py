"""Going through a campaign's items a hundred at a time, beside people who judge them."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from app.db import transaction
from app.jobs import Interrupted, JobContext

SIZE: Final = 100

_FREE = "SELECT id FROM item WHERE id = ANY(:items) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
_ONE = "SELECT id FROM item WHERE id = :item FOR NO KEY UPDATE"

Act = Callable[[Session, Sequence[uuid.UUID]], None]


def through_items(context: JobContext, campaign_id: uuid.UUID, where: str, scope: Mapping[str, Any], act: Act) -> int:
    """Calls `act` with all items that meet the SQL condition `where`, in batches, and says how many they were.

    The items it is given are locked, and may have changed since they were found. Whoever holds a lock never waits for
    another, so this can't deadlock with anybody: items that are in use are left out of their batch and done one by
    one. A job that is interrupted begins anew; `act` must do no harm when it comes twice.
    """
    count = sa.text(f"SELECT count(*) FROM item WHERE campaign_id = :campaign AND {where}")  # noqa: S608
    some = sa.text(
        f"""
        SELECT id FROM item WHERE campaign_id = :campaign AND id > :after AND {where} ORDER BY id LIMIT {SIZE}
        """  # noqa: S608  (nothing in it comes from outside)
    )
    values = {"campaign": campaign_id, **scope}
    after, done = uuid.UUID(int=0), 0
    with transaction(context.engine) as session:
        total = int(session.execute(count, values).scalar_one())
    while True:
        if context.is_stopping():
            raise Interrupted
        with transaction(context.engine) as session:
            items = session.execute(some, values | {"after": after}).scalars().all()
            free = session.execute(sa.text(_FREE), {"items": list(items)}).scalars().all()
            if free:
                act(session, free)
        for item in set(items).difference(free):
            with transaction(context.engine) as session:
                act(session, session.execute(sa.text(_ONE), {"item": item}).scalars().all())
        if not items:
            return done
        after, done = items[-1], done + len(items)
        context.progress(min(done, total), total)
