"""Frozen sets of approved items."""

import enum
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.db import TIMESTAMP, created_at, text_enum, uuid_key


class ReleaseStatus(enum.StrEnum):
    QUEUED = "queued"
    BUILDING = "building"
    PUBLISHED = "published"
    FAILED = "failed"


class Release(SQLModel, table=True):
    """A numbered, frozen set. `manifest_sha256` names its content; `frozen_at` is the moment its rows were read."""

    id: uuid.UUID = uuid_key()
    version: str = Field(unique=True, max_length=64)
    campaign_id: uuid.UUID = Field(foreign_key="campaign.id", index=True)
    parent_id: uuid.UUID | None = Field(default=None, foreign_key="release.id")
    status: ReleaseStatus = Field(default=ReleaseStatus.QUEUED, sa_type=text_enum(ReleaseStatus))
    splits: dict[str, float] = Field(sa_type=JSONB)
    seed: int = 0
    includes_simulated: bool = False
    manifest_sha256: str | None = Field(default=None, max_length=64)
    counts: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    job_id: uuid.UUID | None = Field(default=None, foreign_key="job.id")
    created_by: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    created_at: datetime = created_at()
    published_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)


class ReleaseItem(SQLModel, table=True):
    __tablename__ = "release_item"

    release_id: uuid.UUID = Field(foreign_key="release.id", primary_key=True)
    item_id: uuid.UUID = Field(foreign_key="item.id", primary_key=True, index=True)
    split: str = Field(max_length=32)
    decision_id: int = Field(foreign_key="decision.id", sa_type=sa.BigInteger)
