"""A campaign and the policies it has had."""

import enum
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.db import TEXT_LIST, TIMESTAMP, created_at, text_enum, uuid_key


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
    priority: int = Field(default=0, sa_column_kwargs={"server_default": sa.text("0")})
    created_by: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    created_at: datetime = created_at()


class Policy(SQLModel, table=True):
    """One version of a campaign's rule and wording. Never edited: a change is a new version.

    `rule` is "fixed" or "adaptive"; `overlap` the judgments an item gets, under "adaptive" at most. `parameters` are
    `campaigns.parameters.Parameters` without what stands at its default. `questions` is a list of `campaigns.wording`'s
    {key, text, help, reasons: [{code, text, is_retired}], good, bad, translations}. `note` says why it was changed.
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
    note: str = Field(default="", sa_column_kwargs={"server_default": ""})
    created_by: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    created_at: datetime = created_at()


class Member(SQLModel, table=True):
    """An annotator's place in a campaign's pool: made with their first claim.

    `n_claimed` counts the items they were ever given, for the share of gold. Whoever is paused is given nothing;
    `paused_because` is {"by": "gold" | "admin", ...} with the figures or the note. `is_better_half`: by the newest
    rater models they notice more than the median of the pool.
    """

    __tablename__ = "pool_member"

    campaign_id: uuid.UUID = Field(foreign_key="campaign.id", primary_key=True)
    account_id: uuid.UUID = Field(foreign_key="account.id", primary_key=True)
    n_claimed: int = 0
    is_better_half: bool = False
    paused_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    paused_because: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    created_at: datetime = created_at()


class Qualification(SQLModel, table=True):
    """Whether an annotator may judge a region's items in a campaign. `region` is a continent (`geography`)."""

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


class ExamKind(enum.StrEnum):
    """`training` says after each answer whether it was right; `test` only in the end."""

    TRAINING = "training"
    TEST = "test"


class Exam(SQLModel, table=True):
    """One go at a region's training or test.

    `items` in the order they are shown; `answers` {item id: {question: {"answer", "reasons", "correction"}}} so far;
    `score` the share of right answers, once it is over.
    """

    __table_args__ = (sa.Index("ix_exam_of", "campaign_id", "account_id", "region"),)

    id: uuid.UUID = uuid_key()
    campaign_id: uuid.UUID = Field(foreign_key="campaign.id")
    account_id: uuid.UUID = Field(foreign_key="account.id")
    region: str
    kind: ExamKind = Field(sa_type=text_enum(ExamKind))
    items: list[str] = Field(sa_type=TEXT_LIST)
    answers: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    score: float | None = None
    has_passed: bool | None = None
    started_at: datetime = created_at()
    finished_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
