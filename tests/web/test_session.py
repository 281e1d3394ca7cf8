"""One request, one transaction, and never more of them than there are connections."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import anyio.to_thread
import httpx2
import sqlalchemy as sa

from app.accounts.models import Account, Role
from app.accounts.service import issue_token
from app.db import POOL_OVERFLOW, POOL_SIZE, driver_url, transaction
from app.main import create_app
from app.settings import Settings
from tests.factories import make_account

THREADS = POOL_SIZE + POOL_OVERFLOW


def test_many_more_requests_than_connections_are_all_answered(fresh_url: str, settings: Settings) -> None:
    engine = sa.create_engine(driver_url(fresh_url), pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW, pool_timeout=5)
    with transaction(engine) as session:
        account: Account = make_account(session, Role.ADMIN)
        token = issue_token(session, account).secret
    app = create_app(settings, engine)

    async def ask_all() -> list[int]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        transport = httpx2.ASGITransport(app)
        headers = {"authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://terroir", headers=headers) as client:
            replies = await asyncio.gather(*(client.get("/people") for _ in range(10 * THREADS)))
        return [reply.status_code for reply in replies]

    with ThreadPoolExecutor(1) as thread:  # the browser tests' playwright keeps a loop running in this one
        assert thread.submit(asyncio.run, ask_all()).result() == [200] * (10 * THREADS)
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    engine.dispose()
