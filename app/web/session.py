"""What a route is given: the database session, the store, the settings.

What never waits is `async`, which spares it the way through a thread and back.
"""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlmodel import Session

from app.db import POOL_SIZE, transaction
from app.settings import Settings
from app.storage import Storage


def get_session(request: Request) -> Iterator[Session]:
    """One request, one transaction. With scope="function" it commits before the response leaves."""
    with transaction(request.app.state.engine) as session:
        yield session


async def get_storage(request: Request) -> Storage:
    storage: Storage = request.app.state.storage
    return storage


async def get_app_settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


# Without the limit, requests that hold a connection wait for a thread while requests on every thread wait for a
# connection, until the pool gives up. Waiting here takes neither.
SessionDep = Annotated[Session, Depends(get_session, scope="function", max_concurrency=POOL_SIZE)]
StorageDep = Annotated[Storage, Depends(get_storage)]
SettingsDep = Annotated[Settings, Depends(get_app_settings)]
