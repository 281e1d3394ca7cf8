"""Runs of models over releases, and their answers."""

import enum
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.db import TIMESTAMP, created_at, text_enum, uuid_key


class RunStatus(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FINISHED = "finished"
    INCOMPLETE = "incomplete"
    FAILED = "failed"


class Run(SQLModel, table=True):
    """One model x one strategy x one release.

    `spec` is all that can change an answer, complete and hashed before the first question; until a worker has looked
    at the weights it is null. `setup` is how the engine is made, `subset` what of the release is asked, `provenance`
    the code, packages and machine of the latest attempt, `source` where an imported run's answers come from.
    `prices` are USD per million tokens and per GPU hour, as they were when it was asked for; `budget_usd` ends it.
    """

    __table_args__ = (
        sa.Index("uq_run_spec_sha256", "spec_sha256", unique=True, postgresql_where=sa.text("NOT is_imported")),
        sa.CheckConstraint("budget_usd > 0", name="budget_usd"),
    )

    id: uuid.UUID = uuid_key()
    release_id: uuid.UUID = Field(foreign_key="release.id", index=True)
    model: str
    engine: str = Field(max_length=32)
    strategy: str = Field(max_length=16)
    seed: int = 0
    setup: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    subset: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    spec: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    spec_sha256: str | None = Field(default=None, max_length=64)
    provenance: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    is_imported: bool = False
    source: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    status: RunStatus = Field(default=RunStatus.QUEUED, sa_type=text_enum(RunStatus))
    error: str | None = None
    priority: int = 0
    planned: int = 0
    prices: dict[str, float] = Field(default_factory=dict, sa_type=JSONB)
    budget_usd: float | None = None
    job_id: uuid.UUID | None = Field(default=None, foreign_key="job.id")
    created_by: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    created_at: datetime = created_at()
    started_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    finished_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)


class Prediction(SQLModel, table=True):
    """One reply about one food of one item; its presence is the only checkpoint.

    `request_sha256` names all that led to it, so that a deterministic reply is found again by whoever asks the same;
    `is_cached` says that this one was. `finish` is how the engine ended: stop, length or refusal; null where no reply
    came or nobody knows. `pred_*` and `state` are what the parser read in `raw_text`.
    """

    __table_args__ = (
        sa.Index(
            "ix_prediction_request_sha256", "request_sha256", postgresql_where=sa.text("request_sha256 IS NOT NULL")
        ),
    )

    run_id: uuid.UUID = Field(foreign_key="run.id", primary_key=True)
    item_id: uuid.UUID = Field(foreign_key="item.id", primary_key=True, index=True)
    slot: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    repeat: int = Field(default=0, primary_key=True, sa_type=sa.SmallInteger)
    raw_text: str | None = None
    finish: str | None = Field(default=None, max_length=8)
    pred_name: str | None = None
    pred_country: str | None = None
    state: str = Field(max_length=16)
    error: str | None = None
    request_sha256: str | None = Field(default=None, max_length=64)
    is_cached: bool = False
    latency_ms: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    gpu_ms: int | None = None
    created_at: datetime = created_at()


class RunScore(SQLModel, table=True):
    """The metrics document of a run as one scorer made it; an older scorer's stays beside a newer one's."""

    __tablename__ = "run_score"

    run_id: uuid.UUID = Field(foreign_key="run.id", primary_key=True)
    scorer: str = Field(primary_key=True, max_length=64)
    document: dict[str, Any] = Field(sa_type=JSONB)
    created_at: datetime = created_at()
