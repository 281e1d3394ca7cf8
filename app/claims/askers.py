"""Who asks for work, and where they may look for it."""

import uuid
from datetime import datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Account
from app.campaigns.models import Campaign, Policy
from app.campaigns.parameters import Parameters, parameters_of
from app.db import now
from app.geography import continent_of

REGIONS: Final = ("Africa", "Americas", "Antarctica", "Asia", "Europe", "Oceania")


class Lane(NamedTuple):
    """One of the queues that `item.lane` makes. Those of a lower `rank` are looked into first."""

    name: str
    rank: int


class Asker(NamedTuple):
    """An annotator at work in a campaign: their place in its pool, what they know, and the regions they may judge."""

    account_id: uuid.UUID
    campaign_id: uuid.UUID
    parameters: Parameters
    n_claimed: int
    is_better_half: bool
    is_paused: bool
    joined_at: datetime
    countries: tuple[str, ...]
    regions: tuple[str, ...]

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The better half of the pool looks for late visits first, the others last; what is kept for insiders comes
        with the rest, for those who know the country."""
        late = -1 if self.is_better_half else 1
        return (
            *(Lane(f"any {region}", 0) for region in self.regions),
            *(Lane(f"home {code}", 0) for code in self.countries if continent_of(code) in self.regions),
            *(Lane(f"late {region}", late) for region in self.regions),
        )

    @property
    def scope(self) -> dict[str, object]:
        """What most statements about this person take."""
        return {
            "campaign": self.campaign_id,
            "account": self.account_id,
            "lanes": [lane.name for lane in self.lanes],
            "is_gated": self.parameters.qualification,
        }


_FACTS = """
    ARRAY(SELECT country FROM known_country WHERE account_id = :account ORDER BY country) AS countries,
    ARRAY(
        SELECT region FROM qualification
        WHERE campaign_id = :campaign AND account_id = :account AND passed_at IS NOT NULL AND paused_at IS NULL
    ) AS passed
"""
_MEMBER = sa.text(
    f"""
    SELECT n_claimed, is_better_half, paused_at, created_at, {_FACTS} FROM pool_member
    WHERE campaign_id = :campaign AND account_id = :account
    FOR NO KEY UPDATE OF pool_member
    """  # noqa: S608  (nothing in it comes from outside)
)
_ANYBODY = sa.text(
    f"""
    SELECT coalesce(n_claimed, 0) AS n_claimed, coalesce(is_better_half, false) AS is_better_half, paused_at,
           coalesce(pool_member.created_at, CAST(:now AS timestamptz)) AS created_at, {_FACTS}
    FROM (VALUES (1)) AS one LEFT JOIN pool_member ON campaign_id = :campaign AND account_id = :account
    """  # noqa: S608
)
_ONE_AT_A_TIME = sa.text(
    "SELECT pg_advisory_xact_lock(hashtextextended(CAST(:campaign AS text) || CAST(:account AS text), 0))"
)


def one_at_a_time(session: Session, campaign_id: uuid.UUID, account_id: uuid.UUID) -> None:
    """For somebody who may have no place in the pool yet: until the transaction ends nobody else gives them one."""
    session.execute(_ONE_AT_A_TIME, {"campaign": campaign_id, "account": account_id})


def asker(session: Session, account: Account, campaign: Campaign, policy: Policy, *, lock: bool = False) -> Asker:
    """The person, with `lock` locked until the transaction ends: what one is given next depends on what one was given,
    so requests of the same person take turns. This lock comes before that of any item."""
    scope = {"campaign": campaign.id, "account": account.id, "now": now()}
    row = session.execute(_MEMBER, scope).first() if lock else None
    if lock and row is None:  # nothing was claimed yet, so there is no row to lock
        one_at_a_time(session, campaign.id, account.id)
        row = session.execute(_MEMBER, scope).first()
    if row is None:
        row = session.execute(_ANYBODY, scope).one()
    parameters = parameters_of(policy)
    return Asker(
        account.id, campaign.id, parameters, row.n_claimed, row.is_better_half, row.paused_at is not None,
        row.created_at, tuple(row.countries), tuple(row.passed) if parameters.qualification else REGIONS,
    )  # fmt: skip
