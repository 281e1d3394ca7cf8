"""An annotator's own earlier answers: the last ones in a row, and whether they can still be changed."""

import uuid
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.claims.models import DISTRESSING, Claim, ClaimState
from app.judgments.cards import image_url
from app.judgments.freezing import TEST_IS_FROZEN
from app.judgments.models import Method

STRIP = 20


class Earlier(NamedTuple):
    """`frozen` is None while the answer can be changed, else a word of `frozen_because`. What was skipped has no answer
    yet, and takes one whenever it comes."""

    claim_id: uuid.UUID
    thumb_url: str
    food: str
    answered_at: datetime
    is_changed: bool
    is_skipped: bool
    frozen: str | None


# A test freezes as ordinary items do, as in `judgments.service.is_frozen`: nothing may tell it apart.
_ROWS = f"""
    SELECT claim.id, claim.ended_at, claim.state, item.image_sha256, judgment.revision, fate.slot, fate.status,
           fate.method, fate.slots_before, own.name AS food
    FROM claim JOIN item ON item.id = claim.item_id LEFT JOIN judgment ON judgment.id = claim.judgment_id
    LEFT JOIN item_food AS own ON own.item_id = item.id AND own.slot = 1
    CROSS JOIN LATERAL (
        SELECT claim.slot, item.status,
               (SELECT method FROM decision WHERE item_id = item.id ORDER BY id DESC LIMIT 1) AS method,
               (SELECT max(CAST(detail ->> 'slots_before' AS integer)) FROM decision
                  WHERE item_id = item.id AND method = 'recheck') AS slots_before
        WHERE NOT claim.is_test
        UNION ALL
        SELECT NULL, CASE WHEN {TEST_IS_FROZEN} THEN 'approved' ELSE 'pending' END, 'rule', NULL WHERE claim.is_test
    ) AS fate
"""  # noqa: S608  (nothing in it comes from outside)
_LAST = sa.text(
    f"""
    {_ROWS} WHERE claim.campaign_id = :campaign AND claim.account_id = :account
      AND (claim.state = 'judged' OR claim.state = 'skipped' AND claim.reason IS DISTINCT FROM '{DISTRESSING}')
    ORDER BY claim.ended_at DESC LIMIT :limit
    """
)
_ONE = sa.text(f"{_ROWS} WHERE claim.id = :claim")


def last_answers(session: Session, account: Account, campaign: Campaign) -> list[Earlier]:
    """The annotator's last 20 judged or skipped items of a campaign, newest first; not what they wished not to see."""
    scope = {"campaign": campaign.id, "account": account.id, "limit": STRIP}
    return [_earlier(row) for row in session.execute(_LAST, scope)]


def earlier(session: Session, claim: Claim) -> Earlier:
    """One judged claim of the annotator's."""
    return _earlier(session.execute(_ONE, {"claim": claim.id}).one())


def _earlier(row: Any) -> Earlier:
    is_skipped = row.state == ClaimState.SKIPPED
    return Earlier(
        claim_id=row.id,
        thumb_url=image_url(row.image_sha256, "thumb"),
        food=row.food or "",
        answered_at=row.ended_at,
        is_changed=not is_skipped and row.revision > 1,
        is_skipped=is_skipped,
        frozen=None if is_skipped else frozen_because(row.status, row.method, row.slot, row.slots_before),
    )


def frozen_because(status: str, method: str | None, slot: int | None, slots_before: int | None) -> str | None:
    """Why an answer stays as it is: "settled" by an adjudicator or "judged" by enough people; None while it can change.

    One on an item that was sent back to others reads as before: whoever judged it needn't learn that others do again.

    >>> frozen_because("pending", None, 1, None), frozen_because("approved", "rule", 1, None)
    (None, 'judged')
    >>> frozen_because("rejected", "adjudication", 1, None), frozen_because("pending", "recheck", 1, 3)
    ('settled', 'judged')
    """
    if status != "pending":
        return "settled" if method == Method.ADJUDICATION else "judged"
    if slots_before and (slot is None or slot <= slots_before):
        return "judged"
    return None
