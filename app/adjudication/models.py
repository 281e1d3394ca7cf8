"""How a dispute was settled, and by whom."""

import enum
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.db import TIMESTAMP, created_at, text_enum, uuid_key
from app.items.models import Status


class Adjudication(SQLModel, table=True):
    """An admin's word on an item, with the reason for it. `answers` is {question: "yes" | "no"} where they settled each
    question by itself."""

    id: uuid.UUID = uuid_key()
    item_id: uuid.UUID = Field(foreign_key="item.id", index=True)
    account_id: uuid.UUID = Field(foreign_key="account.id")
    decision_id: int = Field(foreign_key="decision.id", sa_type=sa.BigInteger)
    outcome: Status = Field(sa_type=text_enum(Status))
    answers: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    note: str
    created_at: datetime = created_at()


class AppealOutcome(enum.StrEnum):
    UPHELD = "upheld"
    OVERTURNED = "overturned"


class Appeal(SQLModel, table=True):
    """An annotator's word against a final decision that went against their answer: one an item, answered once."""

    __table_args__ = (
        sa.UniqueConstraint("item_id", "account_id"),
        sa.Index("ix_appeal_open", "item_id", postgresql_where=sa.text("answered_at IS NULL")),
    )

    id: uuid.UUID = uuid_key()
    item_id: uuid.UUID = Field(foreign_key="item.id")
    account_id: uuid.UUID = Field(foreign_key="account.id")
    text: str
    created_at: datetime = created_at()
    outcome: AppealOutcome | None = Field(default=None, sa_type=text_enum(AppealOutcome))
    reply: str = ""
    answered_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    answered_by: uuid.UUID | None = Field(default=None, foreign_key="account.id")
