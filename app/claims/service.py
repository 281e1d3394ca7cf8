"""Who looks at what next, and for how long it is theirs.

Exactly `wanted` judgments per item, by three means at once: the item's row is locked before anything about it is
counted, `held` (open leases and counted judgments) may not pass `wanted` (a CHECK), and each of them has its own
slot (a unique index). Every function locks the item first and touches its claims after, so none can deadlock.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.campaigns.models import Campaign, CampaignStatus, Policy
from app.claims.models import Claim, ClaimState
from app.claims.queries import OFFERED, why_none
from app.db import now
from app.errors import Gone, Invalid, NotFound
from app.items.models import Item, Status

MAX_CLAIMS = 10
RECLAIM_BATCH = 50


class ClaimNotFound(NotFound):
    """Unknown, or another annotator's."""


class LeaseGone(Gone):
    pass


class Work(NamedTuple):
    """`claims` in the order to judge them; `reason` says why there are none; `holding` counts all open leases."""

    claims: Sequence[Claim]
    reason: str | None
    holding: int = 0


_FREE_LATE_ITEMS = sa.text(
    """
    SELECT claim.id, claim.item_id FROM claim JOIN item ON item.id = claim.item_id
    WHERE claim.campaign_id = :campaign AND claim.state = 'open' AND claim.expires_at < :now
    ORDER BY claim.expires_at LIMIT :limit
    FOR NO KEY UPDATE OF item SKIP LOCKED
    """
)

_GIVE_BACK = sa.text(
    """
    WITH ended AS (
        UPDATE claim SET state = :state, slot = NULL, ended_at = :now, reason = :reason
        WHERE id = ANY(:claims) AND state = 'open' AND (expires_at < :now OR :early)
        RETURNING item_id
    )
    UPDATE item SET held = held - freed.n
    FROM (SELECT item_id, count(*) AS n FROM ended GROUP BY item_id) AS freed
    WHERE item.id = freed.item_id
    """
)

# SKIP LOCKED passes over items somebody else is just taking; one whose counts changed since our snapshot is checked
# again, as changed, once it is locked.
_PICK = sa.text(
    f"""
    SELECT item.id FROM item WHERE {OFFERED}
    ORDER BY item.priority DESC, item.held, item.shuffle
    LIMIT :count
    FOR NO KEY UPDATE OF item SKIP LOCKED
    """  # noqa: S608  (nothing in it comes from outside)
)

# A second statement on purpose: it sees every claim committed before the lock was ours, so free slots are free. An
# item that the same person took in another window meanwhile stays as it is, and its counts with it.
_TAKE = sa.text(
    """
    WITH taken AS (
        INSERT INTO claim (id, item_id, account_id, campaign_id, policy_id, state, slot, leased_at, expires_at)
        SELECT gen_random_uuid(), item.id, :account, :campaign, :policy, 'open', slot.n, :now, :expires
        FROM item CROSS JOIN LATERAL (
            SELECT min(n) AS n FROM generate_series(1, item.wanted) AS n
            WHERE NOT EXISTS (SELECT 1 FROM claim WHERE claim.item_id = item.id AND claim.slot = n)
        ) AS slot
        WHERE item.id = ANY(:items)
        ON CONFLICT (item_id, account_id) DO UPDATE SET
            state = 'open', slot = EXCLUDED.slot, policy_id = EXCLUDED.policy_id, leased_at = EXCLUDED.leased_at,
            expires_at = EXCLUDED.expires_at, ended_at = NULL, reason = NULL
            WHERE claim.state IN ('expired', 'released')
        RETURNING claim.*
    ),
    raised AS (UPDATE item SET held = held + 1 WHERE id IN (SELECT item_id FROM taken))
    SELECT * FROM taken
    """
)
_TAKEN = select(Claim).from_statement(_TAKE).execution_options(populate_existing=True)

# Built once: SQLAlchemy then finds its compiled form by identity. The locks are taken in the order named.
_MINE = (
    select(Claim, Item, Policy)
    .join(Item, col(Item.id) == col(Claim.item_id))
    .join(Policy, col(Policy.id) == col(Claim.policy_id))
    .where(col(Claim.id) == sa.bindparam("claim"), col(Claim.account_id) == sa.bindparam("account"))
    .with_for_update(key_share=True, of=(Item, Claim))
    .execution_options(populate_existing=True)
)

# One look for both: what this annotator holds, and what anybody has let lapse.
_MINE_OR_LATE = (
    select(Claim)
    .where(
        col(Claim.campaign_id) == sa.bindparam("campaign"),
        col(Claim.state) == ClaimState.OPEN,
        sa.or_(col(Claim.account_id) == sa.bindparam("account"), col(Claim.expires_at) <= sa.bindparam("now")),
    )
    .order_by(col(Claim.account_id) != sa.bindparam("account"), col(Claim.leased_at), col(Claim.id))
    .limit(3 * MAX_CLAIMS)  # after a crash thousands may have lapsed; to know of one is enough
    .execution_options(populate_existing=True)
)


def lease_seconds(policy: Policy, default: int) -> int:
    return policy.lease_seconds or default


def claim_next(
    session: Session, account: Account, campaign: Campaign, policy: Policy, *, count: int = 1, lease: int
) -> Work:
    """Up to `count` leases: those this annotator still holds, then new ones. `lease` is in seconds.

    Order of new ones: priority, then least promised, random within. An item is never offered again to somebody who
    judged or skipped it; one whose lease ran out may be.
    """
    if not 1 <= count <= MAX_CLAIMS:
        raise Invalid(f"count is {count}; ask for 1 to {MAX_CLAIMS} items.", fields={"count": f"1 to {MAX_CLAIMS}."})
    if campaign.status is not CampaignStatus.OPEN:
        return Work([], f"The campaign “{campaign.name}” is {campaign.status.value}; an admin can open it again.")
    mine, any_late = _open_claims(session, account, campaign)
    if len(mine) < count:
        if any_late:
            _reclaim(session, campaign.id)
        mine += _take(session, account, campaign, policy, count - len(mine), lease)
    return Work(mine[:count], None if mine else why_none(session, account, campaign), len(mine))


def open_claims(session: Session, account: Account, campaign: Campaign) -> Sequence[Claim]:
    """The leases this annotator holds, oldest first."""
    return _open_claims(session, account, campaign)[0]


def _open_claims(session: Session, account: Account, campaign: Campaign) -> tuple[list[Claim], bool]:
    """The leases this annotator holds, oldest first, and whether anybody has let one lapse."""
    at = now()
    found = session.exec(_MINE_OR_LATE, params={"account": account.id, "campaign": campaign.id, "now": at}).all()
    mine = [claim for claim in found if claim.expires_at > at]
    return mine, len(mine) < len(found)


def _take(
    session: Session, account: Account, campaign: Campaign, policy: Policy, count: int, lease: int
) -> list[Claim]:
    at = now()
    scope = {"campaign": campaign.id, "account": account.id}
    items = list(session.execute(_PICK, scope | {"count": count}).scalars())
    if not items:
        return []
    leased = {"items": items, "policy": policy.id, "now": at, "expires": at + timedelta(seconds=lease)}
    taken = session.execute(_TAKEN, scope | leased).scalars()
    return sorted(taken, key=lambda claim: claim.id)


def _reclaim(session: Session, campaign_id: uuid.UUID) -> None:
    """Frees what others let lapse. Done when work is asked for: only then does a free slot matter."""
    at = now()
    late = session.execute(_FREE_LATE_ITEMS, {"campaign": campaign_id, "now": at, "limit": RECLAIM_BATCH}).all()
    if late:
        _give_back(session, [row.id for row in late], ClaimState.EXPIRED, at=at)


def _give_back(
    session: Session,
    claims: list[uuid.UUID],
    state: ClaimState,
    *,
    at: datetime,
    reason: str | None = None,
    early: bool = False,
) -> None:
    session.execute(_GIVE_BACK, {"claims": claims, "state": state.value, "now": at, "reason": reason, "early": early})


class Mine(NamedTuple):
    """An annotator's own claim, its item, and the policy it was made under."""

    claim: Claim
    item: Item
    policy: Policy


def lock(session: Session, account: Account, claim_id: uuid.UUID) -> Mine:
    """The annotator's own claim, its item and itself locked until the transaction ends.

    Raises ClaimNotFound for one that is unknown or somebody else's: the two look alike.
    """
    found = session.exec(_MINE, params={"claim": claim_id, "account": account.id}).first()
    if found is None:
        raise ClaimNotFound("There is no such claim of yours.")
    return Mine(*found)


def extend(session: Session, account: Account, claim_id: uuid.UUID, default_lease: int) -> Claim:
    """A heartbeat: the claim's policy says by how much, else `default_lease` seconds.

    A lease that lapsed is taken again while the item has room; raises LeaseGone when it has none.
    """
    claim, item, policy = lock(session, account, claim_id)
    at = now()
    expires = at + timedelta(seconds=lease_seconds(policy, default_lease))
    if claim.state is ClaimState.OPEN:
        claim.expires_at = expires
        session.add(claim)
    elif claim.state is ClaimState.EXPIRED and item.status is Status.PENDING and item.held < item.wanted:
        scope = {"campaign": claim.campaign_id, "account": account.id, "policy": policy.id}
        session.execute(_TAKEN, scope | {"items": [item.id], "now": at, "expires": expires}).scalars().one()
    elif claim.state is ClaimState.EXPIRED:
        raise LeaseGone("Your time on this item ran out and others have judged it since; ask for the next one.")
    else:
        raise LeaseGone(f"This claim has ended ({claim.state.value}); ask for the next one.")
    return claim


def give_back(session: Session, account: Account, claim_id: uuid.UUID, *, reason: str | None, skip: bool) -> None:
    """Ends a lease without an answer. Skipped: never offered to this annotator again; else it may be.

    Doing it twice is no error.
    """
    claim = lock(session, account, claim_id).claim
    if claim.state is ClaimState.JUDGED:
        raise LeaseGone("This item has your judgment already; change the judgment instead of giving it back.")
    state = ClaimState.SKIPPED if skip else ClaimState.RELEASED
    if claim.state is ClaimState.OPEN:
        _give_back(session, [claim.id], state, at=now(), reason=reason, early=True)
    elif skip:
        claim.state, claim.reason = state, reason
        session.add(claim)
        session.flush()


def free_slot(session: Session, item: Item) -> int:
    """The lowest free slot of an item that is locked and has room."""
    taken = set(session.exec(select(Claim.slot).where(Claim.item_id == item.id, col(Claim.slot).is_not(None))).all())
    return next(slot for slot in range(1, item.wanted + 1) if slot not in taken)
