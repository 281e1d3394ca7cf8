"""A real PostgreSQL for every test: one database per xdist worker, each test inside a transaction rolled back."""

import os
import secrets
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import psycopg
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlmodel import Session
from starlette.responses import Response
from starlette.testclient import TestClient

from app.accounts import passwords
from app.accounts.access import COOKIE, Keys
from app.accounts.models import Account
from app.accounts.service import issue_token
from app.db import driver_url, make_engine
from app.db.embedded import embedded_postgres
from app.db.schema import migrate
from app.main import create_app
from app.releases.publish import build_now
from app.settings import Settings
from app.storage import storage_for
from app.web.session import get_session
from tests.releases.conftest import Original, World

HOME_VARIABLE = "TERROIR_TEST_HOME"


def pytest_configure(config: pytest.Config) -> None:
    for name in [name for name in os.environ if name.startswith("TERROIR_") and name != HOME_VARIABLE]:
        del os.environ[name]
    if HOME_VARIABLE not in os.environ:  # the xdist controller, or a run without xdist; workers inherit it
        os.environ[HOME_VARIABLE] = tempfile.mkdtemp(prefix="terroir-tests-")
        config.stash[_owns_home] = True


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.stash.get(_owns_home, False):
        shutil.rmtree(os.environ.pop(HOME_VARIABLE), ignore_errors=True)


_owns_home = pytest.StashKey[bool]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps an `xdist_group` together: xdist 3.8 writes the group's name to where pytest 9.2 no longer looks for it,
    and each worker would start a cluster, a stage and a crowd of its own."""
    if not getattr(config.option, "loadgroup", False):  # xdist sets it in its workers
        return
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        if mark is not None and not item.nodeid.endswith(suffix := f"@{mark.args[0]}"):
            item._id = type(item.id).parse(item.nodeid + suffix)


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hashing a password is slow on purpose; here it is the same hash with a thousandth of the memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        patch.setattr(passwords, "_NOBODY", passwords.hash_password(secrets.token_urlsafe(16)))
        yield


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Address of the test PostgreSQL, one for all xdist workers. Nothing in it has to outlive a power cut: databases
    come and go in a third of the time."""
    with embedded_postgres(Path(os.environ[HOME_VARIABLE])) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {name} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield url


def _with_database(server_url: str, name: str, template: str | None = None) -> str:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    return server_url.replace("/terroir?", f"/{name}?")


def _drop_database(server_url: str, name: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def template_name(server_url: str) -> str:
    """A migrated database nobody connects to, from which others are copied in a moment."""
    name = f"template_{uuid.uuid4().hex[:8]}"
    migrate(_with_database(server_url, name))
    return name


@pytest.fixture(scope="session")
def engine(server_url: str, template_name: str) -> Iterator[sa.Engine]:
    name = f"tests_{uuid.uuid4().hex[:8]}"
    url = _with_database(server_url, name, template_name)
    engine = sa.create_engine(driver_url(url))
    yield engine
    engine.dispose()
    _drop_database(server_url, name)


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    """Everything done through it is undone after the test, commits included."""
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            yield session
        outer.rollback()


@pytest.fixture
def fresh_template(template_name: str) -> str:
    """What a fresh database begins as; a filled one where a folder or module says so."""
    return template_name


@pytest.fixture
def fresh_url(server_url: str, fresh_template: str) -> Iterator[str]:
    """A migrated database of the test's own, for what needs real commits, several connections or processes."""
    name = f"fresh_{uuid.uuid4().hex[:8]}"
    yield _with_database(server_url, name, fresh_template)
    _drop_database(server_url, name)


@pytest.fixture
def fresh_engine(fresh_url: str) -> Iterator[sa.Engine]:
    engine = make_engine(fresh_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def filled(server_url: str, template_name: str, tmp_path_factory: pytest.TempPathFactory) -> Original:
    """The campaign `tasting`."""
    name, home = f"filled_{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("filled")
    settings = Settings(home=home, _env_file=None)  # type: ignore[call-arg]
    engine = make_engine(_with_database(server_url, name, template_name))
    world = World(engine, settings, storage_for(settings)).fill()
    engine.dispose()
    return Original(name, home, world.annotators)


@pytest.fixture(scope="session")
def published(server_url: str, filled: Original, tmp_path_factory: pytest.TempPathFactory) -> Original:
    """The campaign `tasting` and its release 1.0.0."""
    name, home = f"published_{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("published")
    settings = Settings(home=home, _env_file=None)  # type: ignore[call-arg]
    engine = make_engine(_with_database(server_url, name, filled.database))
    world = filled.world(engine, settings)
    build_now(engine, settings, world.storage, world.slug, "1.0.0", splits={"test": 1.0})
    engine.dispose()
    return Original(name, home, world.annotators)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", _env_file=None)  # type: ignore[call-arg]


@pytest.fixture
def app(session: Session, settings: Settings) -> FastAPI:
    return app_within(session, settings)


@lru_cache(maxsize=1)
def _only_app() -> FastAPI:
    with tempfile.TemporaryDirectory() as home:
        return create_app(Settings(home=Path(home), _env_file=None), sa.create_engine("postgresql+psycopg://"))  # type: ignore[call-arg]


def app_with(settings: Settings, engine: sa.Engine) -> FastAPI:
    """The application with these parts. It is one for all tests of a process, as building its routes takes longer than
    most tests: whoever adds a route to it makes one of their own."""
    app = _only_app()
    app.state.settings, app.state.engine = settings, engine
    app.state.storage, app.state.keys = storage_for(settings), Keys(settings)
    app.dependency_overrides.clear()
    return app


def app_within(session: Session, settings: Settings, app: FastAPI | None = None) -> FastAPI:
    """The application, working inside the test's transaction: a request that fails is undone alone."""
    app = app or app_with(settings, session.get_bind().engine)

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


class SignIn(Protocol):
    def __call__(self, account: Account | None = None) -> TestClient: ...


def open_browser(app: FastAPI, account: Account | None = None) -> TestClient:
    """A client with that account's session cookie, which follows no redirects by itself."""
    client = TestClient(app, follow_redirects=False, headers={"accept": "text/html", "sec-fetch-site": "same-origin"})
    if account is not None:
        response = Response()
        app.state.keys.sign_in(response, account)
        client.cookies.set(COOKIE, response.headers["set-cookie"].split("=", 1)[1].split(";", 1)[0])
    return client


@pytest.fixture
def browse(app: FastAPI) -> Iterator[SignIn]:
    """`browse(account)`: a browser signed in as that account; without one, a stranger's."""
    with ExitStack() as stack:
        yield lambda account=None: stack.enter_context(open_browser(app, account))


@pytest.fixture
def call(app: FastAPI, session: Session) -> Iterator[SignIn]:
    """`call(account)`: a program's client, with a token of that account."""
    with ExitStack() as stack:

        def client_for(account: Account | None = None) -> TestClient:
            client = stack.enter_context(TestClient(app, follow_redirects=False))
            if account is not None:
                client.headers["authorization"] = f"Bearer {issue_token(session, account).secret}"
            return client

        yield client_for
