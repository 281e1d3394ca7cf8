"""How a dispute was settled, and by whom."""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.db import created_at, text_enum, uuid_key
from app.items.models import Status


class Adjudication(SQLModel, table=True):
    """An admin's word on an item, with the reason for it."""

    id: uuid.UUID = uuid_key()
    item_id: uuid.UUID = Field(foreign_key="item.id", index=True)
    account_id: uuid.UUID = Field(foreign_key="account.id")
    decision_id: int = Field(foreign_key="decision.id", sa_type=sa.BigInteger)
    outcome: Status = Field(sa_type=text_enum(Status))
    answers: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    note: str
    created_at: datetime = created_at()
