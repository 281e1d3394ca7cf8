"""What is judged: images, what they claim, and where each claim came from."""

import enum
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.campaigns.parameters import NEVER
from app.db import TEXT_LIST, TIMESTAMP, created_at, text_enum, uuid_key


class Subtask(enum.StrEnum):
    SF = "SF"
    MF = "MF"
    SFB = "SFB"
    MFB = "MFB"

    @property
    def foods(self) -> int:
        return 2 if self in (Subtask.MF, Subtask.MFB) else 1

    @property
    def has_background(self) -> bool:
        return self in (Subtask.SFB, Subtask.MFB)


class BackgroundKind(enum.StrEnum):
    LANDMARK = "landmark"
    STREET = "street"


class Status(enum.StrEnum):
    """An item's current decision."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    DISPUTED = "disputed"


class Image(SQLModel, table=True):
    """A stored image, named by the SHA-256 of its unchanged bytes. `width` and `height` are as displayed, in pixels."""

    sha256: str = Field(primary_key=True, max_length=64)
    format: str = Field(max_length=8)
    width: int
    height: int
    byte_count: int
    phash: int = Field(sa_type=sa.BigInteger, index=True)
    notes: list[str] = Field(default_factory=list, sa_type=JSONB)
    created_at: datetime = created_at()


class Photo(SQLModel, table=True):
    """A licensed reference photograph of a dish or a background."""

    id: uuid.UUID = uuid_key()
    key: str = Field(unique=True)
    kind: str = Field(max_length=32)
    name: str
    aliases: list[str] = Field(default_factory=list, sa_type=TEXT_LIST)
    country: str = Field(max_length=2)
    licence: str
    attribution: str
    source: str = ""
    image_sha256: str = Field(foreign_key="image.sha256")


class Food(SQLModel, table=True):
    """A dish. `source_id` keeps its namespace (`wc:29`) where one is known; `name_key` is the folded name."""

    __table_args__ = (sa.UniqueConstraint("source_id", "name_key", postgresql_nulls_not_distinct=True),)

    id: uuid.UUID = uuid_key()
    source_id: str | None = None
    name: str
    name_key: str = Field(index=True)
    aliases: list[str] = Field(default_factory=list, sa_type=TEXT_LIST)
    description: str = ""
    category: str = ""
    photo_id: uuid.UUID | None = Field(default=None, foreign_key="photo.id")


class FoodOrigin(SQLModel, table=True):
    """A country a dish comes from, by the knowledge base; several are usual."""

    __tablename__ = "food_origin"

    food_id: uuid.UUID = Field(foreign_key="food.id", primary_key=True)
    country: str = Field(primary_key=True, max_length=2)


class Background(SQLModel, table=True):
    """A scene. `key` is what the benchmark calls it (`street:mexico1`)."""

    id: uuid.UUID = uuid_key()
    key: str = Field(unique=True)
    name: str | None = None
    kind: BackgroundKind | None = Field(default=None, sa_type=text_enum(BackgroundKind))
    country: str = Field(max_length=2)
    photo_id: uuid.UUID | None = Field(default=None, foreign_key="photo.id")


class Hold(enum.StrEnum):
    """Why an item is not handed out: one of several candidates that nobody has chosen from; its group has all the
    approved items it needs; or it is kept for training or for a test."""

    CANDIDATES = "candidates"
    QUOTA = "quota"
    TRAINING = "training"
    TEST = "test"


LANE = """CASE
    WHEN reserved > 0 AND held + reserved >= wanted THEN 'home ' || home
    WHEN held >= late_from THEN 'late ' || region
    ELSE 'any ' || region END"""

NOT_CHOSEN = """(item.hold IS NOT DISTINCT FROM 'candidates' AND EXISTS (
    SELECT 1 FROM candidate_set WHERE candidate_set.id = item.candidate_set_id AND decided_at IS NOT NULL))"""
"""Of several images of one claim another was chosen, or none: it is pending for good, and nobody is to judge it."""


class Item(SQLModel, table=True):
    """One image and what it claims.

    `wanted`, `held` and `judged` count judgments: asked for, promised (open leases and counted judgments), and
    counted. They change only under a lock on this row. `family_id` is the first food: siblings share it. `home` is the
    first country the first food claims, `region` its continent.

    `reserved` of the judgments still to be promised are kept for people who know `home`. `lane` says who is looked for
    now: "any REGION"; "late REGION" from the `late_from`-th promise on, which the better half is given first; "home
    COUNTRY" once only people who know it will do. `open_questions` are those the next visit is asked; None: all.
    """

    __table_args__ = (
        sa.UniqueConstraint("campaign_id", "key"),
        sa.CheckConstraint("held BETWEEN 0 AND wanted", name="held"),
        sa.CheckConstraint("judged BETWEEN 0 AND held", name="judged"),
        sa.CheckConstraint("reserved BETWEEN 0 AND wanted - held", name="reserved"),
        sa.Index(
            "ix_item_claimable",
            "campaign_id",
            "lane",
            sa.text("priority DESC"),
            "held",
            "shuffle",
            postgresql_where=sa.text("status = 'pending' AND held < wanted AND hold IS NULL"),
        ),
        sa.Index("ix_item_candidates", "candidate_set_id", postgresql_where=sa.text("candidate_set_id IS NOT NULL")),
        sa.Index("ix_item_revision_of", "revision_of_id", postgresql_where=sa.text("revision_of_id IS NOT NULL")),
        sa.Index("ix_item_grid", "campaign_id", "status", "key"),
        sa.Index("ix_item_family", "campaign_id", "family_id"),
    )

    id: uuid.UUID = uuid_key()
    campaign_id: uuid.UUID = Field(foreign_key="campaign.id")
    key: str
    subtask: Subtask = Field(sa_type=text_enum(Subtask))
    family_id: uuid.UUID = Field(foreign_key="food.id")
    background_id: uuid.UUID | None = Field(default=None, foreign_key="background.id")
    background_as_written: str | None = None
    food_distance: str | None = Field(default=None, max_length=16)
    background_distance: str | None = Field(default=None, max_length=16)
    image_sha256: str = Field(foreign_key="image.sha256", index=True)
    generator: str | None = None
    prompt: str | None = None
    seed: str | None = None
    revision: int = 1
    revision_of_id: uuid.UUID | None = Field(default=None, foreign_key="item.id")
    candidate_set_id: uuid.UUID | None = Field(default=None, foreign_key="candidate_set.id")
    home: str = Field(max_length=2)
    region: str = Field(max_length=16)
    hold: Hold | None = Field(default=None, sa_type=text_enum(Hold))
    priority: int = 0
    shuffle: float = Field(sa_type=sa.REAL)
    status: Status = Field(default=Status.PENDING, sa_type=text_enum(Status))
    wanted: int
    held: int = 0
    judged: int = 0
    reserved: int = Field(default=0, sa_column_kwargs={"server_default": sa.text("0")})
    late_from: int = Field(default=NEVER, sa_type=sa.SmallInteger, sa_column_kwargs={"server_default": str(NEVER)})
    open_questions: list[str] | None = Field(default=None, sa_type=TEXT_LIST)
    lane: str | None = Field(default=None, sa_column=sa.Column(sa.Text, sa.Computed(LANE, persisted=True)))
    decided_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    created_at: datetime = created_at()


class CandidateSet(SQLModel, table=True):
    """Several images of one claim, of which a person chooses the most faithful, or none; the others stay linked."""

    __tablename__ = "candidate_set"
    __table_args__ = (
        sa.UniqueConstraint("campaign_id", "key"),
        sa.CheckConstraint("chosen_item_id IS NULL OR decided_at IS NOT NULL", name="chosen"),
    )

    id: uuid.UUID = uuid_key()
    campaign_id: uuid.UUID = Field(foreign_key="campaign.id")
    key: str
    chosen_item_id: uuid.UUID | None = None
    decided_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    decided_by: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    note: str = ""
    created_at: datetime = created_at()


class ItemFood(SQLModel, table=True):
    """What an item claims about one food, in the table's own words and as ISO codes. Slot 1 is the only or left one."""

    __tablename__ = "item_food"
    __table_args__ = (sa.CheckConstraint("slot IN (1, 2)", name="slot"),)

    item_id: uuid.UUID = Field(foreign_key="item.id", primary_key=True)
    slot: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    food_id: uuid.UUID = Field(foreign_key="food.id", index=True)
    id_as_written: str | None = None
    name: str
    country_as_written: str
    countries: list[str] = Field(sa_type=TEXT_LIST)
    aliases: list[str] = Field(default_factory=list, sa_type=TEXT_LIST)


class ItemReference(SQLModel, table=True):
    """The picture a food or background of this item was made from, where the import named one."""

    __tablename__ = "item_reference"

    item_id: uuid.UUID = Field(foreign_key="item.id", primary_key=True)
    part: str = Field(primary_key=True, max_length=16)
    image_sha256: str = Field(foreign_key="image.sha256")


class ImportBatch(SQLModel, table=True):
    """One import that took place."""

    __tablename__ = "import_batch"

    id: uuid.UUID = uuid_key()
    campaign_id: uuid.UUID = Field(foreign_key="campaign.id", index=True)
    account_id: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    files: list[str] = Field(sa_type=JSONB)
    added: int
    unchanged: int
    created_at: datetime = created_at()


class SourceRecord(SQLModel, table=True):
    """The row an item came from, exactly as it stood in its file."""

    __tablename__ = "source_record"

    item_id: uuid.UUID = Field(foreign_key="item.id", primary_key=True)
    batch_id: uuid.UUID = Field(foreign_key="import_batch.id", index=True)
    file: str
    row: int
    values: dict[str, Any] = Field(sa_type=JSONB)


class Gold(SQLModel, table=True):
    """A known answer to one question of one item. Kept apart from the item so that no page can show it by accident."""

    item_id: uuid.UUID = Field(foreign_key="item.id", primary_key=True)
    question: str = Field(primary_key=True, max_length=32)
    answer: str = Field(max_length=8)
    created_by: uuid.UUID | None = Field(default=None, foreign_key="account.id")
    created_at: datetime = created_at()
    withdrawn_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
