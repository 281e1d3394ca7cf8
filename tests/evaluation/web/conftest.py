"""Runs over a published release whose answers are planted, as the worker would have kept them.

The release is copied once a module; what a test does to the database is undone after it.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import pytest
from fastapi import FastAPI
from sqlmodel import Session

from app.db import make_engine, now
from app.evaluation.models import Prediction, Run, RunStatus
from app.evaluation.pages import exchanges, standings
from app.evaluation.plan import Subset, plan
from app.evaluation.released import released_items
from app.evaluation.replies import State, parse_reply
from app.releases.models import Release
from app.releases.service import get_release
from app.settings import Settings
from app.storage import Storage
from tests.conftest import _drop_database, _with_database, app_within
from tests.releases.conftest import Original, World

SHA256 = "5e" * 32
Said = Mapping[str, tuple[str | None, str | None] | str]
"""By image path: the dish and country, or the reply as it came. An item that is not there failed."""


@pytest.fixture(scope="module")
def world(server_url: str, published: Original, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    name = f"web_{uuid.uuid4().hex[:8]}"
    engine = make_engine(_with_database(server_url, name, published.database))
    settings = Settings(home=tmp_path_factory.mktemp("web"), _env_file=None)  # type: ignore[call-arg]
    yield published.world(engine, settings)
    engine.dispose()
    _drop_database(server_url, name)


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    with world.engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            yield session
        outer.rollback()


@pytest.fixture
def app(world: World, session: Session) -> FastAPI:
    return app_within(session, world.settings)


class Plant(Protocol):
    def __call__(self, said: Said = ..., *, subset: Subset | None = None, **values: Any) -> Run: ...


@pytest.fixture
def planted(session: Session, world: World) -> Plant:
    exchanges._kept.clear()
    standings._kept.clear()
    release = get_release(session, "1.0.0")

    def make(said: Said, *, subset: Subset | None = None, **values: Any) -> Run:
        return plant(session, world.storage, release, said, subset=subset or Subset(), **values)

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
