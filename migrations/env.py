"""How Alembic reaches the database: one connection, one lock, short waits."""

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

import app.models  # noqa: F401  (fills the metadata)
from app.db import make_engine
from app.db.connect import database_url
from app.settings import get_settings

MIGRATION_LOCK = 7_411_020


def render_item(type_: str, obj: object, autogen_context: AutogenContext) -> str | bool:
    if type_ == "type" and isinstance(obj, AutoString):
        return f"sa.String(length={obj.length})" if obj.length else "sa.String()"
    return False


def include_name(name: str | None, type_: str, parent_names: object) -> bool:
    """procrastinate's own tables come from its schema file, not from our metadata."""
    return not (type_ == "table" and name is not None and name.startswith("procrastinate_"))


def run(connection: sa.Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_item=render_item,
        include_name=include_name,
        compare_server_default=False,
    )
    with context.begin_transaction():
        connection.execute(sa.text("SET LOCAL statement_timeout = '10min'"))
        connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        connection.execute(sa.text("SET LOCAL lock_timeout = '10s'"))
        context.run_migrations()


def main() -> None:
    given = context.config.attributes.get("connection")
    if given is not None:
        run(given)
        return
    url = context.config.attributes.get("url")
    if url is not None:
        _with_url(url)
    else:
        with database_url(get_settings()) as found:
            _with_url(found)


def _with_url(url: str) -> None:
    engine = make_engine(url, pooled=False)  # a pool would keep a test database from being dropped
    with engine.connect() as connection:
        run(connection)
        connection.commit()
    engine.dispose()


if context.is_offline_mode():
    raise SystemExit("Terroir migrates a live database; offline SQL is not supported.")
main()
