"""Requests for another image of a claim whose image was rejected."""

import enum
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.db import TIMESTAMP, created_at, text_enum, uuid_key


class RequestState(enum.StrEnum):
    """`withdrawn`: the item is no longer rejected. `dropped`: there were rounds enough, or an admin gave it up."""

    OPEN = "open"
    WORKING = "working"
    ANSWERED = "answered"
    DROPPED = "dropped"
    WITHDRAWN = "withdrawn"


class RevisionRequest(SQLModel, table=True):
    """A rejected item that wants another image. A trigger opens it when an item becomes rejected, and withdraws it when
    the item no longer is.

    `round` is the revision that was rejected, from 1. `answer_id` is the item that answers it; `engine` who made it;
    `detail` what was asked of the engine; `error` why it could make none.
    """

    __tablename__ = "revision_request"
    __table_args__ = (
        sa.Index(
            "uq_revision_request_live", "item_id", unique=True, postgresql_where=sa.text("state IN ('open', 'working')")
        ),
        sa.Index("ix_revision_request_campaign", "campaign_id", "state", "opened_at"),
    )

    id: uuid.UUID = uuid_key()
    campaign_id: uuid.UUID = Field(foreign_key="campaign.id")
    item_id: uuid.UUID = Field(foreign_key="item.id")
    round: int
    state: RequestState = Field(default=RequestState.OPEN, sa_type=text_enum(RequestState))
    engine: str | None = Field(default=None, max_length=64)
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    error: str | None = None
    answer_id: uuid.UUID | None = Field(default=None, foreign_key="item.id")
    job_id: uuid.UUID | None = Field(default=None, foreign_key="job.id")
    opened_at: datetime = created_at()
    closed_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
