"""People, the ways they sign in, and what was done by whom."""

import enum
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.db import TIMESTAMP, created_at, text_enum, uuid_key


class Role(enum.StrEnum):
    ANNOTATOR = "annotator"
    ADMIN = "admin"
    RESEARCHER = "researcher"


class Account(SQLModel, table=True):
    """A person, or a simulated one. `session_epoch` counts sign-outs everywhere: older sessions no longer hold."""

    id: uuid.UUID = uuid_key()
    email: str = Field(unique=True)
    name: str
    role: Role = Field(sa_type=text_enum(Role))
    password_hash: str | None = None
    is_simulated: bool = False
    is_active: bool = True
    session_epoch: int = 0
    preferences: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    created_at: datetime = created_at()


class KnownCountry(SQLModel, table=True):
    """A country whose food the annotator says, or has shown, to know."""

    __tablename__ = "known_country"

    account_id: uuid.UUID = Field(foreign_key="account.id", primary_key=True)
    country: str = Field(primary_key=True, max_length=2)
    is_tested: bool = False


class Invite(SQLModel, table=True):
    """A link that lets one person make an account; only its hash is kept."""

    id: uuid.UUID = uuid_key()
    token_hash: str = Field(unique=True, max_length=64)
    role: Role = Field(sa_type=text_enum(Role))
    email: str | None = None
    created_by: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    created_at: datetime = created_at()
    expires_at: datetime = Field(sa_type=TIMESTAMP)
    accepted_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    accepted_by: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    revoked_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)


class Token(SQLModel, table=True):
    """An API token; only its SHA-256 is kept."""

    id: uuid.UUID = uuid_key()
    account_id: uuid.UUID = Field(foreign_key="account.id", index=True)
    label: str = ""
    token_hash: str = Field(unique=True, max_length=64)
    created_at: datetime = created_at()
    expires_at: datetime = Field(sa_type=TIMESTAMP)
    revoked_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)


class AuditEvent(SQLModel, table=True):
    """What was done, by whom, to what. Rows are only ever added; the database refuses anything else."""

    __tablename__ = "audit_event"
    __table_args__ = (sa.Index("ix_audit_event_subject", "subject_type", "subject_id", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    at: datetime = created_at()
    actor_id: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    action: str
    subject_type: str
    subject_id: str
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    request_id: str | None = None


class Message(SQLModel, table=True):
    """Words from an admin to one annotator, or to all of them; about a campaign, or about none."""

    __table_args__ = (sa.Index("ix_message_to", "to_id", "created_at"),)

    id: uuid.UUID = uuid_key()
    from_id: uuid.UUID = Field(foreign_key="account.id")
    to_id: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    campaign_id: uuid.UUID | None = Field(default=None, foreign_key="campaign.id")
    text: str
    created_at: datetime = created_at()


class MessageRead(SQLModel, table=True):
    __tablename__ = "message_read"

    message_id: uuid.UUID = Field(foreign_key="message.id", primary_key=True)
    account_id: uuid.UUID = Field(foreign_key="account.id", primary_key=True)
    read_at: datetime = created_at()
