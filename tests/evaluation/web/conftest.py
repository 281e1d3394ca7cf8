"""Runs over a published release whose answers are planted, as the worker would have kept them.

The release is built once a module; what a test does to the database is undone after it.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import Session

from app.db import make_engine, now
from app.evaluation.models import Prediction, Run, RunStatus
from app.evaluation.pages import exchanges, standings
from app.evaluation.plan import Subset, plan
from app.evaluation.released import released_items
from app.evaluation.replies import State, parse_reply
from app.main import create_app
from app.releases.models import Release
from app.releases.publish import build_now
from app.releases.service import get_release
from app.settings import Settings
from app.storage import Storage, storage_for
from app.web.session import get_session
from tests.conftest import _drop_database, _with_database
from tests.releases.conftest import World

SHA256 = "5e" * 32
Said = Mapping[str, tuple[str | None, str | None] | str]
"""By image path: the dish and country, or the reply as it came. An item that is not there failed."""


class Published(NamedTuple):
    engine: sa.Engine
    settings: Settings
    storage: Storage


@pytest.fixture(scope="module")
def published(server_url: str, template_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """Release 1.0.0 of the three dishes of `tasting`, each in every subtask."""
    name = f"published_{uuid.uuid4().hex[:8]}"
    engine = make_engine(_with_database(server_url, name, template_name))
    settings = Settings(home=tmp_path_factory.mktemp("published"), _env_file=None)  # type: ignore[call-arg]
    world = World(engine, settings, storage_for(settings)).fill()
    build_now(engine, settings, world.storage, world.slug, "1.0.0", splits={"test": 1.0})
    yield Published(engine, settings, world.storage)
    engine.dispose()
    _drop_database(server_url, name)


@pytest.fixture
def session(published: Published) -> Iterator[Session]:
    with published.engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            yield session
        outer.rollback()


@pytest.fixture
def app(published: Published, session: Session) -> FastAPI:
    """The application inside the test's transaction, as tests/conftest.py has it."""
    app = create_app(published.settings, published.engine)

    def in_the_tests_transaction() -> Iterator[Session]:
        savepoint = session.begin_nested()
        try:
            yield session
            session.commit()
        except BaseException:
            savepoint.rollback() if savepoint.is_active else session.rollback()
            raise

    app.dependency_overrides[get_session] = in_the_tests_transaction
    return app


class Plant(Protocol):
    def __call__(self, said: Said = ..., *, subset: Subset | None = None, **values: Any) -> Run: ...


@pytest.fixture
def planted(session: Session, published: Published) -> Plant:
    exchanges._kept.clear()
    standings._kept.clear()
    release = get_release(session, "1.0.0")

    def make(said: Said, *, subset: Subset | None = None, **values: Any) -> Run:
        return plant(session, published.storage, release, said, subset=subset or Subset(), **values)

    return make


def plant(
    session: Session, storage: Storage, release: Release, said: Said, *, subset: Subset, **values: Any
) -> Run:  # fmt: skip
    """A run over the release, finished unless `values` say otherwise."""
    asked = plan(released_items(storage, release), subset, 0)
    run = Run(
        **{
            "release_id": release.id, "model": "tiny", "engine": "openai", "strategy": "base",
            "setup": {"engine": "openai"}, "subset": subset.as_json(), "spec": {"engine": {"name": "openai"}},
            "spec_sha256": uuid.uuid4().hex * 2, "status": RunStatus.FINISHED, "planned": len(asked),
            "started_at": now(), "finished_at": now(), "prices": {"input_per_million": 2.0},
        } | values
    )  # fmt: skip
    session.add(run)
    session.flush()
    for item, slot in asked:
        told = said.get(item.image_path)
        text = json.dumps({"food": told[0], "country": told[1]}) if isinstance(told, tuple) else told
        state, name, country = parse_reply(text) if text is not None else (State.FAILED, None, None)
        session.add(
            Prediction(
                run_id=run.id, item_id=item.item_id, slot=slot, raw_text=text, pred_name=name, pred_country=country,
                state=state.value, error=None if text is not None else "The server answered 500.", input_tokens=1000,
                output_tokens=10, latency_ms=5,
            )
        )  # fmt: skip
    session.flush()
    return run
