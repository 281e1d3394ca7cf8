"""Engine, sessions and column types. The embedded PostgreSQL and the schema check live beside this file."""

import enum
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool
from sqlmodel import Field, Session, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

POOL_SIZE = 20
"""A server process answers up to so many requests at once (see web), each with one connection."""
POOL_OVERFLOW = 10
"""Connections, and threads, for what is beside requests, such as event streams; closed again after each use."""


def now() -> datetime:
    return datetime.now(UTC)


def text_enum(enumeration: type[enum.StrEnum]) -> sa.Enum:
    """An enum stored as text, by value: a new word needs no DDL."""
    return sa.Enum(
        enumeration,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""What no text or JSON document in PostgreSQL can hold: NUL, and halves of surrogate pairs."""

TIMESTAMP = sa.DateTime(timezone=True)
TEXT_LIST = sa.ARRAY(sa.Text())


def uuid_key() -> Any:
    """A random primary key: nothing about order or number can be read from it."""
    return Field(default_factory=uuid.uuid4, primary_key=True)


def created_at() -> Any:
    return Field(default_factory=now, sa_type=TIMESTAMP, sa_column_kwargs={"server_default": sa.func.now()})


def driver_url(url: str) -> str:
    """The SQLAlchemy address for a plain postgresql:// one."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def libpq_url(url: str) -> str:
    """The address psycopg and procrastinate take."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def make_engine(url: str, *, pooled: bool = True) -> sa.Engine:
    """An engine whose errors name no values: they reach logs, and e-mail addresses and notes have no place there."""
    if not pooled:
        return sa.create_engine(driver_url(url), hide_parameters=True, poolclass=NullPool)
    return sa.create_engine(
        driver_url(url), hide_parameters=True, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW, pool_recycle=1800
    )


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[Session]:
    """One session, one transaction: committed at the end, rolled back on any error."""
    with Session(engine, expire_on_commit=False) as session:
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise


__all__ = [
    "TEXT_LIST",
    "TIMESTAMP",
    "UNSTORABLE",
    "SQLModel",
    "created_at",
    "driver_url",
    "libpq_url",
    "make_engine",
    "now",
    "text_enum",
    "transaction",
    "uuid_key",
]
