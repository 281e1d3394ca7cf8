"""What an annotator is told about their work: how much is left, what they did, and why there is nothing."""

import time
import uuid
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.claims.models import Claim, ClaimState
from app.db import now

OFFERED = """
    item.campaign_id = :campaign AND item.status = 'pending' AND item.held < item.wanted AND item.hold IS NULL
      AND NOT EXISTS (
        SELECT 1 FROM claim WHERE claim.item_id = item.id AND claim.account_id = :account
          AND claim.state IN ('open', 'judged', 'skipped'))
"""
"""Which items a person may be given: what is counted as left and what is handed out are the same."""

_FREE_FOR = sa.text(f"SELECT count(*) FROM item WHERE {OFFERED}")  # noqa: S608  (nothing in it comes from outside)
MANY = 200
STALE_SECONDS = 10.0
_counted: dict[tuple[uuid.UUID, uuid.UUID], tuple[int, float]] = {}


def remaining(session: Session, account: Account, campaign: Campaign, holding: int) -> int:
    """Items this annotator can still judge, the `holding` they hold included.

    Exact up to 200. Counting more on every claim would cost more than the claim, so a larger number may be up to
    ten seconds old.
    """
    key = (account.id, campaign.id)
    count, counted_at = _counted.get(key, (0, 0.0))
    if count <= MANY or time.monotonic() - counted_at > STALE_SECONDS:
        count = int(session.execute(_FREE_FOR, {"campaign": campaign.id, "account": account.id}).scalar_one())
        if count > MANY:
            _counted[key] = (count, time.monotonic())
        else:
            _counted.pop(key, None)
    return count + holding


def why_none(session: Session, account: Account, campaign: Campaign) -> str:
    """The sentence for an empty list. It tells nothing about other people's answers."""
    found = session.execute(
        sa.text(
            """
            SELECT EXISTS (SELECT 1 FROM item WHERE campaign_id = :campaign) AS has_items,
                   EXISTS (SELECT 1 FROM item WHERE campaign_id = :campaign AND status = 'pending') AS has_pending,
                   (SELECT count(*) FROM claim WHERE campaign_id = :campaign AND account_id = :account
                      AND state = 'skipped') AS skipped
            """
        ),
        {"campaign": campaign.id, "account": account.id},
    ).one()
    if not found.has_items:
        return f"The campaign “{campaign.name}” has no items yet; an admin imports them."
    if not found.has_pending:
        return f"Every item of “{campaign.name}” has all its judgments. Thank you!"
    skipped = f" (you skipped {found.skipped})" if found.skipped else ""
    return f"You have seen every item that still needs you{skipped}; others are judging the rest."


class DayCount(NamedTuple):
    today: int
    total: int


def judged_by(session: Session, account: Account, campaign: Campaign) -> DayCount:
    """How many items the annotator has judged in this campaign: since midnight UTC, and in all."""
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
    row = session.execute(
        sa.text(
            """
            SELECT count(*) FILTER (WHERE ended_at >= :midnight) AS today, count(*) AS total FROM claim
            WHERE campaign_id = :campaign AND account_id = :account AND state = 'judged'
            """
        ),
        {"campaign": campaign.id, "account": account.id, "midnight": midnight},
    ).one()
    return DayCount(int(row.today), int(row.total))


def previous_claim(session: Session, account: Account, campaign: Campaign, before: Claim | None = None) -> Claim | None:
    """The annotator's judged item before this one (or their latest), for the way back."""
    statement = (
        select(Claim)
        .where(Claim.account_id == account.id, Claim.campaign_id == campaign.id, Claim.state == ClaimState.JUDGED)
        .order_by(col(Claim.ended_at).desc(), col(Claim.id))
    )
    if before is not None and before.ended_at is not None:
        statement = statement.where(col(Claim.ended_at) < before.ended_at)
    return session.exec(statement.limit(1)).first()
