"""Whether a test that lapsed has a place again, so that waiting until others have judged doesn't tell tests apart.

An ordinary lease that lapsed is taken again while its item has room, and an answer on it counts; later it doesn't. The
item of a test never fills up. So a test shares the lot of one of its annotator's own ordinary items: one of the 50 they
were given before it, drawn by a hash, or the first one after it; see `judgments.freezing` for the hash.
"""

from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from app.claims.models import Claim

TOLD_SURPLUS: Final = "surplus"
"""The `reason` of a judged test whose annotator was told that the answer came too late to count."""

_SEED = "coalesce(CAST(extract(epoch FROM place.created_at) AS text), '') || claim.id"
_HAS_ROOM = sa.text(
    f"""
    SELECT coalesce((
        SELECT item.status = 'pending' AND (other.slot IS NOT NULL OR item.held + item.reserved < item.wanted
                                            OR other.is_insider AND item.reserved > 0)
        FROM (
            (SELECT id, item_id, slot, is_insider, 0 AS is_after FROM claim AS earlier
             WHERE earlier.account_id = claim.account_id AND earlier.campaign_id = claim.campaign_id
               AND NOT earlier.is_test AND earlier.leased_at < claim.leased_at
             ORDER BY earlier.leased_at DESC LIMIT 50)
            UNION ALL
            (SELECT id, item_id, slot, is_insider, 1 FROM claim AS later
             WHERE later.account_id = claim.account_id AND later.campaign_id = claim.campaign_id
               AND NOT later.is_test AND later.leased_at > claim.leased_at
             ORDER BY later.leased_at LIMIT 1)
        ) AS other
        JOIN item ON item.id = other.item_id
        LEFT JOIN pool_member AS place
            ON place.campaign_id = claim.campaign_id AND place.account_id = claim.account_id
        ORDER BY other.is_after, md5({_SEED} || other.id) LIMIT 1
    ), true)
    FROM claim WHERE claim.id = :claim
    """  # noqa: S608  (nothing in it comes from outside)
)


def would_have_room(session: Session, claim: Claim) -> bool:
    """As of a test. Ask it of ordinary claims too where tests are asked: it takes its time."""
    return bool(session.execute(_HAS_ROOM, {"claim": claim.id}).scalar_one())
