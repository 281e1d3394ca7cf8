"""A published release of twelve items: three dishes, each in every subtask."""

import pytest
import sqlalchemy as sa

from app.db import transaction
from app.evaluation import released
from app.releases.models import Release
from app.releases.service import get_release
from app.settings import Settings
from tests.releases.conftest import Original, World


@pytest.fixture
def fresh_template(published: Original) -> str:
    return published.database


@pytest.fixture
def world(published: Original, fresh_engine: sa.Engine, settings: Settings) -> World:
    released._KEPT.clear()  # the release is the same in every test, but some damage their copy
    return published.world(fresh_engine, settings)


@pytest.fixture
def release(world: World) -> Release:
    with transaction(world.engine) as session:
        return get_release(session, "1.0.0")
