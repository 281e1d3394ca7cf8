"""One annotator's lease on one item."""

import enum
import uuid
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import TEXT_LIST, TIMESTAMP, text_enum, uuid_key


class ClaimState(enum.StrEnum):
    OPEN = "open"
    JUDGED = "judged"
    SKIPPED = "skipped"
    RELEASED = "released"
    EXPIRED = "expired"


DISTRESSING: Final = "distressing"
"""The `reason` of whoever skipped an image so as not to have it before their eyes."""


class Claim(SQLModel, table=True):
    """A person sees an item at most once, so (item, account) is unique; a lease that ran out is the same row again.

    `slot` numbers the item's promised judgments from 1 and is unique per item: together with the item's own
    `held <= wanted` no more than `wanted` can ever be promised. A judged claim without a slot is surplus.
    `judgment_id` points at the latest revision. A `is_test` claim is of an item with a known answer, given to see how
    its annotator judges: it never has a slot, and nobody but the server may know. `is_insider` claims took a place kept
    for somebody who knows the item's country. `reason` is why it was skipped, or `lapsing.TOLD_SURPLUS`.
    `questions` are those it asks; None: all the item has.
    """

    __table_args__ = (
        sa.UniqueConstraint("item_id", "account_id"),
        sa.Index("uq_claim_slot", "item_id", "slot", unique=True, postgresql_where=sa.text("slot IS NOT NULL")),
        sa.Index("ix_claim_open", "account_id", "campaign_id", postgresql_where=sa.text("state = 'open'")),
        sa.Index("ix_claim_expiry", "campaign_id", "expires_at", postgresql_where=sa.text("state = 'open'")),
        sa.Index("ix_claim_work", "campaign_id", "account_id", "ended_at"),
        sa.Index("ix_claim_recent", "campaign_id", "account_id", "leased_at"),
        sa.CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ended"),
        sa.CheckConstraint("(state = 'judged') = (judgment_id IS NOT NULL)", name="judged"),
    )

    id: uuid.UUID = uuid_key()
    item_id: uuid.UUID = Field(foreign_key="item.id")
    account_id: uuid.UUID = Field(foreign_key="account.id")
    campaign_id: uuid.UUID = Field(foreign_key="campaign.id")
    policy_id: int = Field(foreign_key="policy.id")
    state: ClaimState = Field(default=ClaimState.OPEN, sa_type=text_enum(ClaimState))
    slot: int | None = Field(default=None, sa_type=sa.SmallInteger)
    is_test: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    is_insider: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    questions: list[str] | None = Field(default=None, sa_type=TEXT_LIST)
    judgment_id: uuid.UUID | None = None
    reason: str | None = None
    leased_at: datetime = Field(sa_type=TIMESTAMP)
    expires_at: datetime = Field(sa_type=TIMESTAMP)
    ended_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
