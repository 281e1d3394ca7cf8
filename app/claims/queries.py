"""What an annotator is told about their own work so far."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.claims.left import remaining
from app.claims.models import DISTRESSING, Claim, ClaimState
from app.db import now

__all__ = ["DayCount", "judged_by", "previous_claim", "remaining"]


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
    """The item the annotator judged or skipped before this one (or their latest), for the way back."""
    is_skipped = sa.and_(col(Claim.state) == ClaimState.SKIPPED, col(Claim.reason).is_distinct_from(DISTRESSING))
    passed = sa.or_(col(Claim.state) == ClaimState.JUDGED, is_skipped)
    statement = (
        select(Claim)
        .where(Claim.account_id == account.id, Claim.campaign_id == campaign.id, passed)
        .order_by(col(Claim.ended_at).desc(), col(Claim.id))
    )
    if before is not None and before.ended_at is not None:
        statement = statement.where(col(Claim.ended_at) < before.ended_at)
    return session.exec(statement.limit(1)).first()
