"""Quotas: a group that has all the approved items it needs waits, so that people judge for the others.

A group is a subtask or a country, an item's country being the first one its first food claims.
"""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.campaigns.models import Campaign, Policy
from app.campaigns.parameters import parameters_of
from app.items.models import NOT_CHOSEN
from app.judgments.steering import steers

# What was sent back for another look is judged whatever its group has, and so are items with a known answer.
_FULL = """
    (item.subtask = ANY(:subtasks) OR item.home = ANY(:countries))
      AND NOT EXISTS (SELECT 1 FROM decision WHERE decision.item_id = item.id)
      AND NOT EXISTS (SELECT 1 FROM gold WHERE gold.item_id = item.id AND withdrawn_at IS NULL)
"""

# Items somebody is just working on are passed over; the next look finds them.
_HOLD = sa.text(
    f"""
    UPDATE item SET hold = 'quota' WHERE id IN (
        SELECT id FROM item
        WHERE campaign_id = :campaign AND status = 'pending' AND hold IS NULL AND {_FULL}
        FOR NO KEY UPDATE SKIP LOCKED)
    """  # noqa: S608  (nothing in it comes from outside)
)

_LET_GO = sa.text(
    f"""
    UPDATE item SET hold = NULL WHERE id IN (
        SELECT id FROM item
        WHERE campaign_id = :campaign AND hold = 'quota' AND NOT (status = 'pending' AND {_FULL})
        FOR NO KEY UPDATE SKIP LOCKED)
    """  # noqa: S608  (nothing in it comes from outside)
)

_COUNTS = sa.text(
    f"""
    SELECT subtask, home, count(*) FILTER (WHERE status = 'approved') AS approved,
           count(*) FILTER (WHERE status = 'pending') AS pending,
           count(*) FILTER (WHERE status = 'pending' AND hold = 'quota') AS held_back
    FROM item WHERE campaign_id = :campaign AND NOT {NOT_CHOSEN} GROUP BY subtask, home
    """  # noqa: S608  (nothing in it comes from outside)
)

_APPROVED = sa.text(
    """
    SELECT subtask, home, count(*) AS approved FROM item
    WHERE campaign_id = :campaign AND status = 'approved' GROUP BY subtask, home
    """
)


class Group(NamedTuple):
    """`name` is the quota's key, "subtask SFB" or "country KR"; the counts are of items. `held_back` of the pending
    ones are not handed out because this group, or another that they are in, has all it needs."""

    name: str
    needed: int
    approved: int
    pending: int
    held_back: int


def groups(session: Session, campaign: Campaign, policy: Policy) -> list[Group]:
    """The groups that have a quota, in the policy's order."""
    quotas = parameters_of(policy).quotas
    if not quotas:
        return []
    rows = session.execute(_COUNTS, {"campaign": campaign.id}).all()
    found = []
    for name, needed in quotas.items():
        of_group = [row for row in rows if name in (f"subtask {row.subtask}", f"country {row.home}")]
        sums = (sum(int(getattr(row, count)) for row in of_group) for count in ("approved", "pending", "held_back"))
        found.append(Group(name, needed, *sums))
    return found


def hold_full_groups(session: Session, campaign: Campaign, policy: Policy) -> None:
    """Holds the undecided items of groups that are full, and lets those go whose groups are not, or no longer."""
    full = _full(session, campaign, policy)
    scope = {
        "campaign": campaign.id,
        "subtasks": [name.removeprefix("subtask ") for name in full if name.startswith("subtask ")],
        "countries": [name.removeprefix("country ") for name in full if name.startswith("country ")],
    }
    session.execute(_LET_GO, scope)
    if full:
        session.execute(_HOLD, scope)


@steers
def look_at_quotas(session: Session, campaign: Campaign, policy: Policy) -> None:
    """As decisions fall. Where no group has a quota any more, the change of the policy has let all of them go."""
    if parameters_of(policy).quotas:
        hold_full_groups(session, campaign, policy)


def _full(session: Session, campaign: Campaign, policy: Policy) -> Sequence[str]:
    quotas = parameters_of(policy).quotas
    if not quotas:
        return []
    approved = dict.fromkeys(quotas, 0)
    for row in session.execute(_APPROVED, {"campaign": campaign.id}):
        for name in (f"subtask {row.subtask}", f"country {row.home}"):
            if name in approved:
                approved[name] += int(row.approved)
    return [name for name, needed in quotas.items() if approved[name] >= needed]
