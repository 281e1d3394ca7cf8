"""Leases taken, given back and let lapse: the item's counts and the claims, changed together.

`held` counts open leases and counted judgments, `reserved` the places still kept for insiders. A test takes no place.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.claims.lapsing import would_have_room
from app.claims.models import Claim, ClaimState
from app.db import now
from app.errors import Gone, Sentence
from app.items.models import Item, Status

RECLAIM_BATCH = 50


class LeaseGone(Gone):
    pass


# A second statement, after that which locked the items, on purpose: it sees every claim committed before the lock was
# ours, so free slots are free. An item that the same person took in another window meanwhile stays as it is, and its
# counts with it. Places in the batch are a microsecond apart, so that `leased_at` alone tells the order.
_TAKE = sa.text(
    """
    WITH wish AS (
        SELECT * FROM unnest(CAST(:items AS uuid[]), CAST(:tests AS boolean[]))
            WITH ORDINALITY AS wish(item_id, is_test, place)
    ),
    taken AS (
        INSERT INTO claim (id, item_id, account_id, campaign_id, policy_id, state, slot, is_test, is_insider, questions,
                           leased_at, expires_at)
        SELECT gen_random_uuid(), item.id, :account, :campaign, :policy, 'open', slot.n, wish.is_test,
               asker.is_insider, CASE WHEN NOT wish.is_test THEN item.open_questions END,
               CAST(:now AS timestamptz) + wish.place * interval '1 microsecond', :expires
        FROM wish JOIN item ON item.id = wish.item_id
        CROSS JOIN LATERAL (
            SELECT NOT wish.is_test AND item.reserved > 0 AND EXISTS (
                SELECT 1 FROM known_country WHERE account_id = :account AND country = item.home) AS is_insider
        ) AS asker
        CROSS JOIN LATERAL (
            SELECT min(n) AS n FROM generate_series(1, item.wanted) AS n
            WHERE NOT wish.is_test AND NOT EXISTS (
                SELECT 1 FROM claim WHERE claim.item_id = item.id AND claim.slot = n)
        ) AS slot
        WHERE wish.is_test OR asker.is_insider OR item.held + item.reserved < item.wanted
        ON CONFLICT (item_id, account_id) DO UPDATE SET
            state = 'open', slot = EXCLUDED.slot, is_test = EXCLUDED.is_test, is_insider = EXCLUDED.is_insider,
            questions = EXCLUDED.questions, policy_id = EXCLUDED.policy_id, leased_at = EXCLUDED.leased_at,
            expires_at = EXCLUDED.expires_at, ended_at = NULL, reason = NULL
            WHERE claim.state IN ('expired', 'released')
        RETURNING claim.*, claim.xmax = 0 AS is_new
    ),
    raised AS (
        UPDATE item SET held = item.held + 1, reserved = item.reserved - CAST(taken.is_insider AS integer)
        FROM taken WHERE item.id = taken.item_id AND NOT taken.is_test
    ),
    counted AS (
        INSERT INTO pool_member (campaign_id, account_id, n_claimed, is_better_half, created_at)
        SELECT :campaign, :account, count(*), false, :joined FROM taken WHERE is_new HAVING count(*) > 0
        ON CONFLICT (campaign_id, account_id) DO UPDATE SET n_claimed = pool_member.n_claimed + EXCLUDED.n_claimed
    )
    SELECT * FROM taken
    """
)
_TAKEN = select(Claim).from_statement(_TAKE).execution_options(populate_existing=True)

_GIVE_BACK = sa.text(
    """
    WITH ended AS (
        UPDATE claim SET state = :state, slot = NULL, ended_at = :now, reason = :reason
        WHERE id = ANY(:claims) AND state = 'open' AND (expires_at < :now OR :early)
        RETURNING item_id, is_test, is_insider
    )
    UPDATE item SET held = held - freed.n, reserved = reserved + freed.insiders
    FROM (
        SELECT item_id, count(*) AS n, count(*) FILTER (WHERE is_insider) AS insiders
        FROM ended WHERE NOT is_test GROUP BY item_id
    ) AS freed
    WHERE item.id = freed.item_id
    """
)

_LOCK_LATE_ITEMS = sa.text(
    """
    SELECT claim.id, claim.item_id FROM claim JOIN item ON item.id = claim.item_id
    WHERE claim.campaign_id = :campaign AND claim.state = 'open' AND claim.expires_at < :now
    ORDER BY claim.expires_at LIMIT :limit
    FOR NO KEY UPDATE OF item SKIP LOCKED
    """
)


def take(
    session: Session,
    scope: dict[str, Any],
    items: Sequence[tuple[uuid.UUID, bool]],
    *,
    policy_id: int | None,
    expires: datetime,
    joined: datetime,
) -> list[Claim]:
    """Leases on items, each with whether it is a test, in that order. `scope` names the campaign and the account;
    ordinary items are locked by the caller."""
    values = {
        "items": [item for item, _ in items], "tests": [is_test for _, is_test in items],
        "policy": policy_id, "now": now(), "expires": expires, "joined": joined,
    }  # fmt: skip
    taken = session.execute(_TAKEN, scope | values).scalars()
    return sorted(taken, key=lambda claim: (claim.leased_at, claim.id))


def give_back(
    session: Session,
    claims: Sequence[uuid.UUID],
    state: ClaimState,
    *,
    at: datetime,
    reason: str | None = None,
    early: bool = False,
) -> None:
    """Ends open leases on items that the caller has locked; without `early` only those that have lapsed."""
    values = {"claims": list(claims), "state": state.value, "now": at, "reason": reason, "early": early}
    session.execute(_GIVE_BACK, values)


def reclaim(session: Session, campaign_id: uuid.UUID) -> None:
    """Frees what anybody let lapse. Done when work is asked for: only then does a free slot matter."""
    at = now()
    late = session.execute(_LOCK_LATE_ITEMS, {"campaign": campaign_id, "now": at, "limit": RECLAIM_BATCH}).all()
    if late:
        give_back(session, [row.id for row in late], ClaimState.EXPIRED, at=at)


class Seat(NamedTuple):
    """The place of a first answer: its slot, None for none, and the item's counts with it. `is_surplus`: its annotator
    is told that it doesn't count; of a test that can't be seen from the slot."""

    slot: int | None
    held: int
    reserved: int
    is_insider: bool = False
    is_surplus: bool = False


_IS_PAUSED = sa.text(
    "SELECT paused_at IS NOT NULL FROM pool_member WHERE campaign_id = :campaign AND account_id = :account"
)


def seat(session: Session, claim: Claim, item: Item) -> Seat:
    """Where a first answer is counted; both rows are locked by the caller, who keeps what is returned.

    An open lease has its place. One that had lapsed takes a free one again if there is one, an insider's one of those
    kept for insiders; so does what was skipped and is answered after all, but not while its annotator is paused. A test
    never has one; it is surplus as others are (`lapsing`). Raises LeaseGone for what was given back.
    """
    if claim.state is ClaimState.OPEN:
        return Seat(claim.slot, item.held, item.reserved, claim.is_insider)
    if claim.state is ClaimState.RELEASED:
        raise LeaseGone(Sentence("You gave this item back, so it takes no answer from this claim; ask for the next."))
    # What is asked of the database is the same for both kinds.
    has_room, is_insider = would_have_room(session, claim), False
    if not claim.is_test:
        is_insider = claim.is_insider and item.reserved > 0
        has_room = item.status is Status.PENDING and (is_insider or item.held + item.reserved < item.wanted)
    if claim.state is ClaimState.SKIPPED:
        scope = {"campaign": claim.campaign_id, "account": claim.account_id}
        has_room = has_room and not session.execute(_IS_PAUSED, scope).scalar()
    slot = free_slot(session, item) if has_room else None
    if slot is None or claim.is_test:
        return Seat(None, item.held, item.reserved, is_surplus=not has_room)
    return Seat(slot, item.held + 1, item.reserved - is_insider, is_insider)


def free_slot(session: Session, item: Item) -> int | None:
    """The lowest free slot of an item that is locked; one that has room has one."""
    taken = set(session.exec(select(Claim.slot).where(Claim.item_id == item.id, col(Claim.slot).is_not(None))).all())
    return next((slot for slot in range(1, item.wanted + 1) if slot not in taken), None)
