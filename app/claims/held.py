"""The leases a page holds at once: kept while somebody is at it, and let go soon after they have left."""

import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Account
from app.db import now

GRACE_SECONDS = 60
"""What is left of a lease after its page was left. Not nothing: a reload leaves too, and comes back at once; and an
answer on a lapsed lease still counts where one on a lease given back would be refused."""

# A claim that somebody else has locked is just being answered: it is passed over, so nobody waits in a circle.
_KEEP = sa.text(
    """
    UPDATE claim SET expires_at = now() + make_interval(secs => coalesce(policy.lease_seconds, :lease))
    FROM policy
    WHERE policy.id = claim.policy_id AND claim.id IN (
        SELECT id FROM claim WHERE id = ANY(:claims) AND account_id = :account AND state = 'open'
        FOR NO KEY UPDATE SKIP LOCKED
    )
    """
)

_LEAVE = sa.text(
    """
    UPDATE claim SET expires_at = least(expires_at, now() + make_interval(secs => :grace))
    WHERE id IN (
        SELECT id FROM claim WHERE id = ANY(:claims) AND account_id = :account AND state = 'open'
        FOR NO KEY UPDATE SKIP LOCKED
    )
    """
)

_HELD = sa.text(
    "SELECT id FROM claim WHERE id = ANY(:claims) AND account_id = :account AND state = 'open' AND expires_at > :now"
)


def keep(session: Session, account: Account, claim_ids: Sequence[uuid.UUID], default_lease: int) -> list[uuid.UUID]:
    """Extends these leases of the annotator's, by their policy's seconds or `default_lease`; answers those held."""
    scope = {"claims": list(claim_ids), "account": account.id}
    session.execute(_KEEP, scope | {"lease": default_lease})
    return list(session.execute(_HELD, scope | {"now": now()}).scalars())


def leave(session: Session, account: Account, claim_ids: Sequence[uuid.UUID]) -> None:
    """These leases of the annotator's end in a minute, unless `keep` is called before."""
    session.execute(_LEAVE, {"claims": list(claim_ids), "account": account.id, "grace": GRACE_SECONDS})
