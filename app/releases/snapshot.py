"""What a release freezes, read from one REPEATABLE READ transaction: a light plan first, then details in batches."""

import hashlib
import hmac
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.claims.models import Claim, ClaimState
from app.errors import Conflict
from app.items.models import Background, Food, Gold, Image, Item, ItemFood, Status
from app.judgments.models import Decision, Judgment, Method

AGAINST_GOLD: Final = "approved_against_gold"
"""Among what is left out: approved, which says yes to every question, though another answer is known to one of them. It
may have become known after the approval."""


class Planned(NamedTuple):
    """One approved item, as light as the order of a release needs it. `key` is its image path."""

    item_id: uuid.UUID
    key: str
    family: str
    image_sha256: str
    image_format: str
    byte_count: int
    decision_id: int
    decided_at: datetime


class Vote(NamedTuple):
    """One annotator's latest answers on one item, under a pseudonym.

    `status`: counted, surplus (the item had enough), or earlier (the item was sent back and judged anew since).
    """

    annotator: str
    answers: dict[str, Any]
    status: str
    is_simulated: bool
    revision: int
    policy_id: int
    language: str
    active_ms: int
    judged_at: datetime


@dataclass(frozen=True)
class FrozenItem:
    """One approved item with all a release says about it."""

    plan: Planned
    item: Item
    image: Image
    foods: tuple[ItemFood, ...]
    background: Background | None
    decision: Decision
    votes: tuple[Vote, ...]

    @property
    def counted(self) -> list[Vote]:
        return [vote for vote in self.votes if vote.status == "counted"]

    def food(self, slot: int) -> ItemFood | None:
        return self.foods[slot - 1] if slot <= len(self.foods) else None


class NothingApproved(Conflict):
    title = "There is nothing to release"


class SimulatedJudgments(Conflict):
    title = "Simulated judgments stand behind this"


@contextmanager
def frozen_session(engine: sa.Engine) -> Iterator[Session]:
    """A session that sees one moment of the database for as long as it lasts, and changes nothing."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        with Session(connection) as session:
            session.execute(sa.text("SET TRANSACTION READ ONLY"))
            yield session
        connection.rollback()


def _is_against_gold() -> sa.ColumnElement[bool]:
    """Of an approved item: whether an answer that is known, and not withdrawn, is another than yes."""
    known = select(Gold).where(Gold.item_id == Item.id, col(Gold.withdrawn_at).is_(None), Gold.answer != "yes")
    return known.exists()


def plan(session: Session, campaign: Campaign) -> list[Planned]:
    """Every approved item with its latest decision, or the one that this brought back, in the code point order of keys;
    without those whose approval a known answer contradicts.

    Sorted here, for the database's collation differs between machines. Raises NothingApproved.
    """
    restored = col(Decision.detail)["restores"].as_integer()
    in_force = sa.case((col(Decision.method) == Method.UNDO, restored), else_=col(Decision.id)).label("in_force")
    latest = (
        select(in_force, col(Decision.item_id), col(Decision.created_at))
        .join(Item, col(Item.id) == Decision.item_id)
        .where(Item.campaign_id == campaign.id, Item.status == Status.APPROVED)
        .ext(distinct_on(col(Decision.item_id)))
        .order_by(col(Decision.item_id), col(Decision.id).desc())
        .subquery()
    )
    rows = session.execute(
        sa.select(
            col(Item.id), col(Item.key), col(Food.source_id), col(Food.name_key), col(Image.sha256), col(Image.format),
            col(Image.byte_count),
            latest.c.in_force, latest.c.created_at,
        )
        .join(Food, col(Food.id) == Item.family_id)
        .join(Image, col(Image.sha256) == Item.image_sha256)
        .join(latest, latest.c.item_id == Item.id)
        .where(
            col(Item.campaign_id) == campaign.id, col(Item.status) == Status.APPROVED, sa.not_(_is_against_gold())
        )
    )  # fmt: skip
    found = [
        Planned(item_id, key, family_name(source_id, name_key), *rest)
        for item_id, key, source_id, name_key, *rest in rows
    ]
    if not found and (n_against := _against_gold(session, campaign)):
        raise NothingApproved(
            f"All {n_against:,} approved items of “{campaign.slug}” contradict a known answer of theirs; withdraw what "
            "is known wrongly, or settle the items anew: a release needs at least one."
        )
    if not found:
        raise NothingApproved(
            f"The campaign “{campaign.slug}” has no approved items yet; a release needs at least one."
        )
    return sorted(found, key=lambda planned: planned.key)


def family_name(source_id: str | None, name_key: str) -> str:
    """What a family is called in a release: the same on every installation, unlike the ids of rows."""
    return f"{source_id} {name_key}" if source_id else name_key


def excluded(session: Session, campaign: Campaign) -> dict[str, int]:
    """How many items stay out, by their status; and under AGAINST_GOLD, where there are any, approved ones."""
    statuses = session.exec(
        select(Item.status, sa.func.count())
        .where(Item.campaign_id == campaign.id, Item.status != Status.APPROVED)
        .group_by(col(Item.status))
    )
    counted = {Status(status).value: count for status, count in statuses}
    by_status = {status.value: counted.get(status.value, 0) for status in Status if status is not Status.APPROVED}
    n_against = _against_gold(session, campaign)
    return by_status | ({AGAINST_GOLD: n_against} if n_against else {})


def _against_gold(session: Session, campaign: Campaign) -> int:
    return session.exec(
        select(sa.func.count())
        .select_from(Item)
        .where(Item.campaign_id == campaign.id, Item.status == Status.APPROVED, _is_against_gold())
    ).one()


def refuse_simulated(session: Session, campaign: Campaign) -> None:
    """Raises SimulatedJudgments when a counted judgment behind a planned item comes from a simulated account."""
    items, judgments = session.exec(
        select(sa.func.count(sa.distinct(col(Claim.item_id))), sa.func.count())
        .select_from(Claim)
        .join(Item, col(Item.id) == Claim.item_id)
        .join(Account, col(Account.id) == Claim.account_id)
        .where(
            Item.campaign_id == campaign.id,
            Item.status == Status.APPROVED,
            sa.not_(_is_against_gold()),
            Claim.state == ClaimState.JUDGED,
            col(Claim.slot).is_not(None),
            col(Account.is_simulated),
        )
    ).one()
    if judgments:
        raise SimulatedJudgments(
            f"{judgments:,} judgments of simulated annotators stand behind {items:,} approved items of "
            f"“{campaign.slug}”; have people judge them, or allow simulated judgments (--allow-simulated), "
            "which the release then says of itself."
        )


def details(session: Session, batch: Sequence[Planned], *, secret_key: str, allow_simulated: bool) -> list[FrozenItem]:
    """The batch in full and in its order."""
    ids = [planned.item_id for planned in batch]
    items = {
        item.id: (item, image, background)
        for item, image, background in session.execute(
            sa.select(Item, Image, Background)
            .join(Image, col(Image.sha256) == Item.image_sha256)
            .outerjoin(Background, col(Background.id) == Item.background_id)
            .where(col(Item.id).in_(ids))
        )
    }
    foods: dict[uuid.UUID, list[ItemFood]] = {item_id: [] for item_id in ids}
    for food in session.exec(select(ItemFood).where(col(ItemFood.item_id).in_(ids)).order_by(col(ItemFood.slot))):
        foods[food.item_id].append(food)
    decision_ids = [planned.decision_id for planned in batch]
    decisions = {
        decision.item_id: decision
        for decision in session.exec(select(Decision).where(col(Decision.id).in_(decision_ids)))
    }
    votes = _votes(session, ids, secret_key, allow_simulated)
    found = [
        FrozenItem(
            planned, *items[planned.item_id][:2], tuple(foods[planned.item_id]), items[planned.item_id][2],
            decisions[planned.item_id], tuple(votes[planned.item_id]),
        )
        for planned in batch
    ]  # fmt: skip
    session.expunge_all()  # a long release must not gather every row it has read
    return found


def _votes(
    session: Session, ids: list[uuid.UUID], secret_key: str, allow_simulated: bool
) -> dict[uuid.UUID, list[Vote]]:
    votes: dict[uuid.UUID, list[Vote]] = {item_id: [] for item_id in ids}
    rows = session.execute(
        sa.select(col(Claim.slot), Judgment, col(Account.is_simulated))
        .join(Judgment, col(Judgment.id) == Claim.judgment_id)
        .join(Account, col(Account.id) == Claim.account_id)
        .where(col(Claim.item_id).in_(ids), col(Claim.state) == ClaimState.JUDGED, ~col(Claim.is_test))
        .where(sa.true() if allow_simulated else ~col(Account.is_simulated))
    )
    before = _slots_before(session, ids)
    for slot, judgment, is_simulated in rows:
        status = "surplus" if slot is None else "earlier" if slot <= before.get(judgment.item_id, 0) else "counted"
        votes[judgment.item_id].append(
            Vote(
                pseudonym(secret_key, judgment.account_id), judgment.answers, status, is_simulated, judgment.revision,
                judgment.policy_id, judgment.language, judgment.active_ms, judgment.created_at,
            )
        )  # fmt: skip
    for of_item in votes.values():
        of_item.sort(key=lambda vote: vote.annotator)  # not by time or slot, which would tell who came first
    return votes


def _slots_before(session: Session, ids: list[uuid.UUID]) -> dict[uuid.UUID, int]:
    """The slots judged before an item was last sent back, for those that were: the decision does not rest on them."""
    slots = sa.func.max(col(Decision.detail)["slots_before"].as_integer()).label("slots")
    rows = session.execute(
        sa.select(col(Decision.item_id), slots)
        .where(col(Decision.item_id).in_(ids), col(Decision.method) == Method.RECHECK)
        .group_by(col(Decision.item_id))
    )
    return {row.item_id: row.slots for row in rows}


def pseudonym(secret_key: str, account_id: uuid.UUID) -> str:
    """The same person has the same one in every release of this installation; without its key none leads back."""
    digest = hmac.new(secret_key.encode(), b"release annotator " + account_id.bytes, hashlib.sha256)
    return f"annotator-{digest.hexdigest()[:16]}"


def families_of(planned: Sequence[Planned]) -> Counter[str]:
    """Number of items in each family."""
    return Counter(item.family for item in planned)
