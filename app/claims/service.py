"""Who looks at what next, and for how long it is theirs.

Exactly `wanted` judgments per item, by three means at once: the item's row is locked before anything about it is
counted, `held` (open leases and counted judgments) may not pass `wanted` (a CHECK), and each of them has its own
slot (a unique index). Every function locks the item first and touches its claims after, so none can deadlock;
whoever asks for work is locked before any item, and takes only items that nobody else has locked.
"""

import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.campaigns.models import Campaign, CampaignStatus, Policy
from app.claims import leases, left, offers
from app.claims.askers import Asker, asker
from app.claims.lapsing import TOLD_SURPLUS, would_have_room
from app.claims.leases import LeaseGone, Seat, free_slot, seat
from app.claims.leaving import SetAside, set_aside
from app.claims.models import Claim, ClaimState
from app.db import now
from app.errors import Invalid, NotFound, Sentence
from app.items.models import Item, Status

__all__ = [
    "MAX_CLAIMS",
    "MAX_PREPARED",
    "TOLD_SURPLUS",
    "ClaimNotFound",
    "LeaseGone",
    "Mine",
    "Seat",
    "SetAside",
    "Work",
    "claim_next",
    "extend",
    "free_slot",
    "give_back",
    "lease_seconds",
    "lock",
    "open_claims",
    "seat",
    "set_aside",
]

MAX_CLAIMS: Final = 10
"""A program may hold so many at once."""
MAX_PREPARED: Final = 30
"""The annotator's page may, to go on without a network."""


class ClaimNotFound(NotFound):
    """Unknown, or another annotator's."""


class Work(NamedTuple):
    """`claims` in the order to judge them; `reason` says why there are none; `holding` counts all open leases; `asker`
    is who asked, for `queries.remaining`."""

    claims: Sequence[Claim]
    reason: str | None
    holding: int = 0
    asker: Asker | None = None


# Built once: SQLAlchemy then finds its compiled form by identity. The locks are taken in the order named.
_MINE = (
    select(Claim, Item, Policy)
    .join(Item, col(Item.id) == col(Claim.item_id))
    .join(Policy, col(Policy.id) == col(Claim.policy_id))
    .where(col(Claim.id) == sa.bindparam("claim"), col(Claim.account_id) == sa.bindparam("account"))
    .with_for_update(key_share=True, of=(Item, Claim))
    .execution_options(populate_existing=True)
)


def lease_seconds(policy: Policy, default: int) -> int:
    return policy.lease_seconds or default


def claim_next(
    session: Session,
    account: Account,
    campaign: Campaign,
    policy: Policy,
    *,
    count: int = 1,
    lease: int,
    most: int = MAX_CLAIMS,
) -> Work:
    """Up to `count` leases, never more than `most`: those this annotator still holds, then new ones. `lease` is in
    seconds.

    Order of new ones: priority, then least promised, random within, from the lanes this person may look into; at the
    places the policy's share of gold says, tests. See `offers.choose` for what keeps apart what is alike. An item is
    never offered again to somebody who judged or skipped it; one whose lease ran out may be.
    """
    if not 1 <= count <= most:
        raise Invalid(f"count is {count}; ask for 1 to {most} items.", fields={"count": f"1 to {most}."})
    if campaign.status is not CampaignStatus.OPEN:
        return Work([], left.why_not_open(campaign))
    who = asker(session, account, campaign, policy, lock=True)
    if who.is_paused:
        return Work([], left.why_paused(campaign), asker=who)
    at = now()
    mine, before, any_late = offers.look(session, account.id, campaign.id, who.parameters.family_spacing, at)
    reason = left.known_reason(who, before) if len(mine) < count else None
    if len(mine) < count and reason is None:
        if any_late:
            leases.reclaim(session, campaign.id)
        start = time.monotonic()
        chosen = offers.choose(session, who, before, count - len(mine), at)
        took = time.monotonic() - start
        if chosen:
            mine += leases.take(
                session,
                {"campaign": campaign.id, "account": account.id},
                [(item.item_id, item.is_test) for item in chosen],
                policy_id=policy.id,
                expires=at + timedelta(seconds=lease),
                joined=who.joined_at,
            )
            who = who._replace(n_claimed=who.n_claimed + len(chosen))
        else:
            reason = left.found_nothing(session, who, before, campaign, took, holds_some=bool(mine))
    return Work(mine[:count], None if mine else reason, len(mine), who)


def open_claims(session: Session, account: Account, campaign: Campaign) -> Sequence[Claim]:
    """The leases this annotator holds, in the order to judge them."""
    return offers.look(session, account.id, campaign.id, 0, now()).mine


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
        raise ClaimNotFound(Sentence("There is no such claim of yours."))
    return Mine(*found)


def extend(session: Session, account: Account, claim_id: uuid.UUID, default_lease: int) -> Claim:
    """A heartbeat: the claim's policy says by how much, else `default_lease` seconds.

    A lease that lapsed is taken again while the item has room, that of a test as others are (`lapsing`); else LeaseGone
    is raised.
    """
    claim, item, policy = lock(session, account, claim_id)
    expires = now() + timedelta(seconds=lease_seconds(policy, default_lease))
    if claim.state is ClaimState.OPEN:
        claim.expires_at = expires
        session.add(claim)
        return claim
    if claim.state is not ClaimState.EXPIRED:
        raise LeaseGone(Sentence("This claim has ended; ask for the next one."))
    has_room = would_have_room(session, claim)  # asked of both kinds, so that it takes as long
    if not claim.is_test:
        has_room = item.status is Status.PENDING and item.held < item.wanted
    if has_room:
        scope = {"campaign": claim.campaign_id, "account": account.id}
        wish = [(item.id, claim.is_test)]
        if leases.take(session, scope, wish, policy_id=policy.id, expires=expires, joined=now()):
            return claim
    raise LeaseGone(Sentence("Your time on this item ran out and others have judged it since; ask for the next one."))


def give_back(session: Session, account: Account, claim_id: uuid.UUID, *, reason: str | None, skip: bool) -> None:
    """Ends a lease without an answer. Skipped: never offered to this annotator again; else it may be.

    Doing it twice is no error.
    """
    claim = lock(session, account, claim_id).claim
    if claim.state is ClaimState.JUDGED:
        raise LeaseGone(Sentence("This item has your judgment already; change the judgment instead of giving it back."))
    state = ClaimState.SKIPPED if skip else ClaimState.RELEASED
    if claim.state is ClaimState.OPEN:
        leases.give_back(session, [claim.id], state, at=now(), reason=reason, early=True)
        left.look_again(account.id, claim.campaign_id)
    elif skip:
        claim.state, claim.reason = state, reason
        session.add(claim)
        session.flush()
