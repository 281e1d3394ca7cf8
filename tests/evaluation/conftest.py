"""A published release of twelve items: three dishes, each in every subtask."""

import pytest
import sqlalchemy as sa

from app.releases.models import Release
from app.releases.publish import build_now
from app.settings import Settings
from app.storage import storage_for
from tests.releases.conftest import World


@pytest.fixture
def world(fresh_engine: sa.Engine, settings: Settings) -> World:
    return World(fresh_engine, settings, storage_for(settings)).fill()


@pytest.fixture
def release(world: World) -> Release:
    return build_now(world.engine, world.settings, world.storage, world.slug, "1.0.0", splits={"test": 1.0})
