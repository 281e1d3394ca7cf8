"""Tables that follow from the judgments and can be rebuilt from them: counts for figures, and what a model made of
the raters. Nothing else is ever read to show a campaign's agreement."""

import uuid
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.db import TEXT_LIST, created_at, uuid_key


class VoteChange(SQLModel, table=True):
    """An item whose votes, or whose standing among them, changed since it was last counted. Triggers add the rows."""

    __tablename__ = "vote_change"
    __table_args__ = (sa.Index("ix_vote_change_campaign", "campaign_id", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    campaign_id: uuid.UUID
    item_id: uuid.UUID


class TallyState(SQLModel, table=True):
    """When a campaign's counts last changed. `version` is another one after every change: what was worked out from the
    same version is still true."""

    __tablename__ = "tally_state"

    campaign_id: uuid.UUID = Field(foreign_key="campaign.id", primary_key=True)
    version: uuid.UUID
    changed_at: datetime = created_at()


class CountedVotes(SQLModel, table=True):
    """An item's counted votes as they stand in the counts, in the order they were given: see `agreement.tallies.Vote`.

    `is_gold`: the item's answer is known, so that it stays out of every count.
    """

    __tablename__ = "counted_votes"
    __table_args__ = (sa.Index("ix_counted_votes_campaign", "campaign_id"),)

    item_id: uuid.UUID = Field(foreign_key="item.id", primary_key=True)
    campaign_id: uuid.UUID = Field(foreign_key="campaign.id")
    raters: list[uuid.UUID] = Field(sa_type=sa.ARRAY(sa.Uuid()))
    answers: list[str] = Field(sa_type=TEXT_LIST)
    knows: list[str] = Field(sa_type=TEXT_LIST)
    days: list[date] = Field(sa_type=sa.ARRAY(sa.Date()))
    is_gold: bool = False


class VotePattern(SQLModel, table=True):
    """How many items of a part got so many yes, no and unsure on a question.

    `basis` is "first" (two counted judgments of each item) or "all". `kind` is "all", "subtask", "country" (of the
    first food), "generator", "week", "rater" (items that rater judged), or, of the votes of those who know the
    question's country, of those who don't and of the first of each, "insiders", "outsiders" and "mixed".
    """

    __tablename__ = "vote_pattern"
    __table_args__ = (sa.Index("ix_vote_pattern_empty", "campaign_id", postgresql_where=sa.text("n_items = 0")),)

    campaign_id: uuid.UUID = Field(foreign_key="campaign.id", primary_key=True)
    basis: str = Field(primary_key=True, max_length=8)
    kind: str = Field(primary_key=True, max_length=16)
    part: str = Field(primary_key=True)
    question: str = Field(primary_key=True, max_length=32)
    yes: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    no: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    unsure: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    n_items: int


class RaterVotes(SQLModel, table=True):
    """How many items of a part a rater answered in one way. Kinds as in VotePattern, but for "rater"."""

    __tablename__ = "rater_votes"
    __table_args__ = (sa.Index("ix_rater_votes_empty", "campaign_id", postgresql_where=sa.text("n_items = 0")),)

    campaign_id: uuid.UUID = Field(foreign_key="campaign.id", primary_key=True)
    basis: str = Field(primary_key=True, max_length=8)
    kind: str = Field(primary_key=True, max_length=16)
    part: str = Field(primary_key=True)
    question: str = Field(primary_key=True, max_length=32)
    rater_id: uuid.UUID = Field(foreign_key="account.id", primary_key=True)
    answer: str = Field(primary_key=True, max_length=8)
    n_items: int


class RaterPair(SQLModel, table=True):
    """How many items two raters (`a` has the lower id) both judged, by what each of them answered."""

    __tablename__ = "rater_pair"
    __table_args__ = (sa.Index("ix_rater_pair_empty", "campaign_id", postgresql_where=sa.text("n_items = 0")),)

    campaign_id: uuid.UUID = Field(foreign_key="campaign.id", primary_key=True)
    basis: str = Field(primary_key=True, max_length=8)
    question: str = Field(primary_key=True, max_length=32)
    a: uuid.UUID = Field(foreign_key="account.id", primary_key=True)
    b: uuid.UUID = Field(foreign_key="account.id", primary_key=True)
    answer_a: str = Field(primary_key=True, max_length=8)
    answer_b: str = Field(primary_key=True, max_length=8)
    n_items: int


class RaterModelFit(SQLModel, table=True):
    """Dawid and Skene's model of one question, as it was last fitted; the newest one of a question counts.

    `version` is the counts' it was fitted to. `fit` holds what `agreement.dawid_skene.RaterModel` says beside the
    posterior: class shares, expected counts a rater, and the log-likelihood step by step. `reason` says why there is
    no model.
    """

    __tablename__ = "rater_model_fit"
    __table_args__ = (sa.Index("ix_rater_model_fit_campaign", "campaign_id", "question", "created_at"),)

    id: uuid.UUID = uuid_key()
    campaign_id: uuid.UUID = Field(foreign_key="campaign.id")
    question: str = Field(max_length=32)
    version: uuid.UUID
    method: str = Field(max_length=32)
    n_items: int
    n_judgments: int
    n_raters: int
    n_gold: int
    reason: str | None = Field(default=None, max_length=32)
    fit: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    created_at: datetime = created_at()


class ItemPosterior(SQLModel, table=True):
    """What the newest models make of an item: the probability that each of its claims is true.

    `doubt` is the probability that the likelier of "every claim is true" and "some claim is wrong" is not so: 0 to 0.5.
    """

    __tablename__ = "item_posterior"
    __table_args__ = (sa.Index("ix_item_posterior_doubt", "campaign_id", "doubt"),)

    item_id: uuid.UUID = Field(foreign_key="item.id", primary_key=True)
    campaign_id: uuid.UUID = Field(foreign_key="campaign.id")
    claims: dict[str, Any] = Field(sa_type=JSONB)
    doubt: float
