"""The schema goes up, down and up again, and is what the models say."""

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from sqlmodel import Session

from app.db import libpq_url, make_engine
from app.db.schema import SchemaMismatch, alembic_config, migrate, require_current_schema
from tests.factories import make_account


@pytest.fixture
def empty_url(server_url: str, fresh_url: str) -> str:
    command.downgrade(alembic_config(fresh_url), "base")
    return fresh_url


def test_migrations_go_down_and_up_again_leaving_nothing_behind(empty_url: str) -> None:
    with psycopg.connect(libpq_url(empty_url)) as connection:
        left = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'alembic%'"
        ).fetchall()
    assert left == []
    migrate(empty_url)
    command.check(alembic_config(empty_url))


def test_a_database_without_tables_is_refused_with_the_command_to_run(empty_url: str) -> None:
    engine = make_engine(empty_url, pooled=False)
    with pytest.raises(SchemaMismatch, match="terroir migrate"):
        require_current_schema(engine)


def test_a_newer_schema_is_refused(fresh_engine: sa.Engine) -> None:
    with fresh_engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'from-the-future'"))
    with pytest.raises(SchemaMismatch, match="newer than this version"):
        require_current_schema(fresh_engine)


@pytest.mark.parametrize("table", ["judgment", "decision", "adjudication", "audit_event", "source_record"])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "UPDATE {} SET id = NULL", "TRUNCATE {} CASCADE"])
def test_the_database_refuses_to_change_what_is_only_ever_added(session: Session, table: str, verb: str) -> None:
    if table == "source_record":
        verb = verb.replace("id = NULL", "row = 1")
    with pytest.raises(sa.exc.IntegrityError, match="only ever added"):
        session.execute(sa.text(verb.format(table)))


def test_the_session_fixture_writes_for_real(session: Session) -> None:
    account = make_account(session)
    assert session.execute(sa.text("SELECT email FROM account WHERE id = :id"), {"id": account.id}).scalar_one()


def test_runs_that_wait_for_their_worker_live_through_a_downgrade(fresh_url: str) -> None:
    with psycopg.connect(libpq_url(fresh_url)) as connection:
        connection.execute("SET session_replication_role = replica")  # their release is not what this is about
        connection.execute(
            "INSERT INTO run (id, release_id, model, engine, strategy, seed, setup, subset, is_imported, status, "
            "priority, planned, prices) SELECT gen_random_uuid(), gen_random_uuid(), 'm', 'openai', 'base', 0, '{}', "
            "'{}', false, 'queued', 0, 0, '{}' FROM generate_series(1, 2)"
        )
    command.downgrade(alembic_config(fresh_url), "0001")
    migrate(fresh_url)
    with psycopg.connect(libpq_url(fresh_url)) as connection:
        assert connection.execute("SELECT spec, spec_sha256 FROM run").fetchall() == [(None, None)] * 2
