"""What becomes of the work of somebody who leaves a campaign's pool."""

import uuid
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.claims import leases
from app.claims.models import ClaimState
from app.db import now

BATCH: Final = 500


class SetAside(NamedTuple):
    n_judgments: int
    n_leases: int


# With what was skipped: an answer to it may be on its way. In the order of their ids, a batch at a time: two who are
# set aside at once wait for each other and never in a ring.
_LOCK_ITEMS = sa.text(
    """
    SELECT item.id FROM item
    WHERE item.id > :after AND item.id IN (
        SELECT claim.item_id FROM claim JOIN item ON item.id = claim.item_id
        WHERE claim.campaign_id = :campaign AND claim.account_id = :account
          AND (claim.state IN ('open', 'expired', 'skipped')
            OR claim.state = 'judged' AND claim.slot IS NOT NULL AND item.status = 'pending'))
    ORDER BY item.id LIMIT :limit
    FOR NO KEY UPDATE
    """
)

# Slots up to `slots_before` led to the decision an item was sent back from: they stay as they are.
_SET_ASIDE = sa.text(
    """
    WITH surplus AS (
        UPDATE claim SET slot = NULL
        FROM item
        WHERE item.id = claim.item_id AND claim.item_id = ANY(:items) AND claim.account_id = :account
          AND claim.state = 'judged' AND item.status = 'pending' AND claim.slot > coalesce((
            SELECT max(CAST(detail ->> 'slots_before' AS integer)) FROM decision
            WHERE decision.item_id = item.id AND detail ? 'slots_before'), 0)
        RETURNING claim.item_id, claim.is_insider
    ),
    freed AS (
        UPDATE item SET held = held - 1, judged = judged - 1, reserved = reserved + CAST(surplus.is_insider AS integer),
                        open_questions = NULL
        FROM surplus WHERE item.id = surplus.item_id
    )
    SELECT count(*) FROM surplus
    """
)

# An answer on a lapsed lease would else be counted, late as it is.
_LAPSED = sa.text(
    "UPDATE claim SET state = 'released' WHERE item_id = ANY(:items) AND account_id = :account AND state = 'expired'"
)

_OPEN_LEASES = sa.text("SELECT id FROM claim WHERE item_id = ANY(:items) AND account_id = :account AND state = 'open'")


def set_aside(session: Session, account: Account, campaign: Campaign) -> SetAside:
    """Somebody leaves the pool: their counted judgments on undecided items become surplus and the places are free
    again, an insider's for an insider; what they hold, or let lapse, is given back. Nothing that was decided changes.

    Questions of such an item that were not to be asked again are asked again: they may have been settled on the answers
    that leave. Call it in a transaction of its own: one that has locked an item already could wait in a ring.
    """
    scope = {"campaign": campaign.id, "account": account.id, "limit": BATCH}
    n_judgments = n_leases = 0
    items: list[uuid.UUID] = [uuid.UUID(int=0)]
    while items := list(session.execute(_LOCK_ITEMS, scope | {"after": items[-1]}).scalars()):
        # These statements come after the locks, so they see what the items have become meanwhile.
        locked = {"items": items, "account": account.id}
        n_judgments += int(session.execute(_SET_ASIDE, locked).scalar_one())
        session.execute(_LAPSED, locked)
        held = list(session.execute(_OPEN_LEASES, locked).scalars())
        leases.give_back(session, held, ClaimState.RELEASED, at=now(), early=True)
        n_leases += len(held)
    session.expire_all()
    return SetAside(n_judgments, n_leases)
