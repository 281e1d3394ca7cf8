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
    """One model x one strategy x one release: a complete spec, hashed before it starts."""

    id: uuid.UUID = uuid_key()
    release_id: uuid.UUID = Field(foreign_key="release.id", index=True)
    model: str
    engine: str = Field(max_length=32)
    strategy: str = Field(max_length=16)
    spec: dict[str, Any] = Field(sa_type=JSONB)
    spec_sha256: str = Field(max_length=64, index=True)
    is_imported: bool = False
    status: RunStatus = Field(default=RunStatus.QUEUED, sa_type=text_enum(RunStatus))
    priority: int = 0
    planned: int = 0
    job_id: uuid.UUID | None = Field(default=None, foreign_key="job.id")
    created_by: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    created_at: datetime = created_at()
    finished_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)


class Prediction(SQLModel, table=True):
    """One reply about one food of one item; its presence is the only checkpoint."""

    run_id: uuid.UUID = Field(foreign_key="run.id", primary_key=True)
    item_id: uuid.UUID = Field(foreign_key="item.id", primary_key=True)
    slot: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    repeat: int = Field(default=0, primary_key=True, sa_type=sa.SmallInteger)
    raw_text: str | None = None
    pred_name: str | None = None
    pred_country: str | None = None
    state: str = Field(max_length=16)
    error: str | None = None
    latency_ms: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    created_at: datetime = created_at()
