"""Which items of a campaign are handed out first: a priority for all of a subtask, a country or a generator.

A higher one comes first, whatever the others lack; nothing starves, because every item wants a bounded number of
judgments and is then out of the way.
"""

import uuid
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app import geography, jobs
from app.accounts.models import Account
from app.accounts.service import record
from app.campaigns.models import Campaign
from app.campaigns.policies import PRIORITIES
from app.errors import Invalid
from app.items.models import Subtask
from app.jobs import Job, JobContext, handles
from app.judgments.batches import through_items

KIND: Final = "items.priority"
_WHERE: Final = {
    "subtask": "subtask = :value",
    "country": "home = :value",
    "generator": "generator = :value",
    "all": ":value = ''",
}
EVERYTHING: Final = "all "


class Level(NamedTuple):
    """So many undecided items, of these subtasks, have this priority."""

    priority: int
    undecided: int
    subtasks: Sequence[str]


def levels(session: Session, campaign: Campaign) -> list[Level]:
    """The priorities there are among undecided items, the first to be judged first."""
    rows = session.execute(
        sa.text(
            """
            SELECT priority, count(*) AS undecided, array_agg(DISTINCT subtask) AS subtasks FROM item
            WHERE campaign_id = :campaign AND status = 'pending' GROUP BY priority ORDER BY priority DESC LIMIT 201
            """
        ),
        {"campaign": campaign.id},
    )
    return [Level(row.priority, int(row.undecided), row.subtasks) for row in rows]


def choices(session: Session, campaign: Campaign) -> list[tuple[str, str]]:
    """(value, words) for every group of a campaign's items that can be given a priority."""
    rows = session.execute(
        sa.text("SELECT DISTINCT subtask, home, generator FROM item WHERE campaign_id = :campaign"),
        {"campaign": campaign.id},
    ).all()
    subtasks = [f"subtask {subtask}" for subtask in Subtask if any(row.subtask == subtask for row in rows)]
    countries = sorted({row.home for row in rows}, key=geography.name_of)
    generators = sorted({row.generator for row in rows if row.generator})
    named = [*subtasks, *(f"country {code}" for code in countries), *(f"generator {name}" for name in generators)]
    return [(EVERYTHING, "Everything"), *((group, words_for(group)) for group in named)]


def words_for(group: str) -> str:
    """
    >>> words_for("country KR"), words_for("generator flux"), words_for("all ")
    ('country South Korea', 'generator flux', 'Everything')
    """
    kind, _, value = group.partition(" ")
    if kind == "all":
        return "Everything"
    return f"{kind} {geography.name_of(value) if kind == 'country' else value}"


def set_priority(session: Session, account: Account, campaign: Campaign, group: str, priority: int) -> Job:
    """Queues it: a million items take a while. Raises Invalid for a group the campaign doesn't have."""
    if group not in dict(choices(session, campaign)):
        raise Invalid("Choose which items; there are no such ones.", fields={"group": "Choose one of these."})
    if priority not in PRIORITIES:
        raise Invalid("Write a whole number from -100 to 100.", fields={"level": "From -100 to 100."})
    record(session, account, "items.priority", "campaign", campaign.id, group=group, priority=priority)
    return jobs.start(
        session,
        KIND,
        title=f"Priority {priority} for {words_for(group)} in {campaign.name}"[:200],
        account_id=account.id,
        campaign_id=str(campaign.id),
        group=group,
        level=priority,  # `priority` would be the job's own place in its queue
    )


@handles(KIND)
def give_priority(context: JobContext) -> dict[str, Any]:
    """{"items": changed}."""
    arguments = context.job.arguments
    kind, _, value = arguments["group"].partition(" ")
    scope = {"value": value, "priority": int(arguments["level"])}

    def give(session: Session, items: Sequence[uuid.UUID]) -> None:
        session.execute(
            sa.text("UPDATE item SET priority = :priority WHERE id = ANY(:items)"),
            {"priority": scope["priority"], "items": list(items)},
        )

    where = f"{_WHERE[kind]} AND priority <> :priority"
    return {"items": through_items(context, uuid.UUID(arguments["campaign_id"]), where, scope, give)}
