"""A campaign and the policies it has had."""

import enum
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.db import TIMESTAMP, created_at, text_enum, uuid_key


class CampaignStatus(enum.StrEnum):
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class Campaign(SQLModel, table=True):
    id: uuid.UUID = uuid_key()
    slug: str = Field(unique=True, max_length=64)
    name: str
    guidelines: str = ""
    status: CampaignStatus = Field(default=CampaignStatus.OPEN, sa_type=text_enum(CampaignStatus))
    policy_version: int = 1
    created_by: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    created_at: datetime = created_at()


class Policy(SQLModel, table=True):
    """One version of a campaign's rule and wording. Never edited: a change is a new version.

    `questions` is a list of {key, text, help, reasons: [{code, text, is_retired}]}; `parameters` holds what a rule
    needs beyond its overlap (gold share, thresholds, routing, spacing).
    """

    __table_args__ = (
        sa.UniqueConstraint("campaign_id", "version"),
        sa.CheckConstraint("overlap BETWEEN 1 AND 25", name="overlap"),
    )

    id: int | None = Field(default=None, primary_key=True)
    campaign_id: uuid.UUID = Field(foreign_key="campaign.id")
    version: int
    rule: str = Field(max_length=64)
    overlap: int
    lease_seconds: int | None = None
    parameters: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    questions: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    created_by: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    created_at: datetime = created_at()


class Qualification(SQLModel, table=True):
    """Whether an annotator may judge a region's items in a campaign."""

    __table_args__ = (sa.UniqueConstraint("campaign_id", "account_id", "region"),)

    id: int | None = Field(default=None, primary_key=True)
    campaign_id: uuid.UUID = Field(foreign_key="campaign.id")
    account_id: uuid.UUID = Field(foreign_key="account.id")
    region: str
    tries: int = 0
    score: float | None = None
    passed_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    paused_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    created_at: datetime = created_at()
