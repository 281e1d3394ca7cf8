"""Answers and what was made of them."""

import enum
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.db import created_at, text_enum, uuid_key
from app.items.models import Status


class Judgment(SQLModel, table=True):
    """One annotator's answers on one item. The database refuses to change or delete a row: a change of mind is a
    new revision, and the claim points at the latest.

    `answers` is {question: {"answer", "reasons": [code], "correction": text | null}}.
    """

    __table_args__ = (
        sa.UniqueConstraint("claim_id", "revision"),
        sa.Index("ix_judgment_item", "item_id"),
        sa.CheckConstraint("active_ms >= 0", name="active_ms"),
    )

    id: uuid.UUID = uuid_key()
    claim_id: uuid.UUID = Field(foreign_key="claim.id")
    item_id: uuid.UUID = Field(foreign_key="item.id")
    account_id: uuid.UUID = Field(foreign_key="account.id")
    policy_id: int = Field(foreign_key="policy.id")
    revision: int = 1
    answers: dict[str, Any] = Field(sa_type=JSONB)
    note: str | None = None
    active_ms: int = 0
    language: str = Field(default="en", max_length=16)
    body_sha256: str = Field(max_length=64)
    created_at: datetime = created_at()


class Method(enum.StrEnum):
    """`recheck` sends an item back: its outcome is pending, its `slots_before` are those of earlier judgments. `refit`
    reopens an approved item that newer rater models doubt. `undo` takes an adjudication back."""

    RULE = "rule"
    ADJUDICATION = "adjudication"
    RECHECK = "recheck"
    REFIT = "refit"
    UNDO = "undo"


class Decision(SQLModel, table=True):
    """What a published rule, or an adjudicator, made of an item's judgments; only ever added.

    `detail` holds the rule's version, the tallies and the ids of the judgments used.
    """

    __table_args__ = (sa.Index("ix_decision_item", "item_id", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    item_id: uuid.UUID = Field(foreign_key="item.id")
    policy_id: int = Field(foreign_key="policy.id")
    outcome: Status = Field(sa_type=text_enum(Status))
    method: Method = Field(sa_type=text_enum(Method))
    rule: str = Field(max_length=64)
    posterior: float | None = None
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    created_at: datetime = created_at()
