"""How a campaign is doing: how far, how fast, who is at it, and when it will be done."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, CampaignStatus, Policy
from app.campaigns.policy_form import rules_of
from app.campaigns.policy_words import visits_words
from app.db import now
from app.items.models import NOT_CHOSEN, Status, Subtask

DAYS_SHOWN = 14
ACTIVE_MINUTES = 10
MOST_PEOPLE = 100
LONGEST_HOURS = 365 * 24


class CampaignRow(NamedTuple):
    """A line of the list: items by status, without images that were not chosen among candidates."""

    campaign: Campaign
    counts: Mapping[Status, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def decided(self) -> int:
        return self.total - self.counts[Status.PENDING]


class Judgments(NamedTuple):
    """Counted judgments, those all items want together, and those that undecided items still lack. Images that were not
    chosen among candidates want none."""

    counted: int
    wanted: int
    remaining: int


class Pace(NamedTuple):
    """Judgments, surplus ones included; days are UTC's, the oldest first. The rates count no surplus."""

    last_hour: int
    today: int
    by_day: Sequence[tuple[date, int]]
    counted_last_hour: int
    counted_last_day: int


class Person(NamedTuple):
    """Somebody at work: holds a lease now, or judged within the last ten minutes."""

    name: str
    is_simulated: bool
    holding: int
    judged_lately: int


class Finish(NamedTuple):
    """`at` is None when nothing can be said; `why` says on what the estimate stands, or why there is none."""

    at: datetime | None
    why: str


class Overview(NamedTuple):
    judgments: Judgments
    not_chosen: int
    pace: Pace
    active: Sequence[Person]
    finish: Finish


def campaign_rows(session: Session) -> list[CampaignRow]:
    """Every campaign, the newest first."""
    counted: dict[uuid.UUID, dict[Status, int]] = {}
    for row in session.execute(_BY_CAMPAIGN):
        counted.setdefault(row.campaign_id, dict.fromkeys(Status, 0))[Status(row.status)] = row.n
    return [
        CampaignRow(campaign, counted.get(campaign.id, dict.fromkeys(Status, 0)))
        for campaign in reversed(campaigns.all_campaigns(session))
    ]


def overview(session: Session, campaign: Campaign) -> Overview:
    at = now()
    found = tally(session, campaign)
    pace = _pace(session, campaign, at)
    finish = _finish(campaign, found.judgments, pace, at)
    return Overview(found.judgments, found.not_chosen, pace, _active(session, campaign, at), finish)


class Tally(NamedTuple):
    """Judgments, and items by subtask and status, of one moment. `not_chosen` images are in neither: others were chosen
    among several, or none was."""

    judgments: Judgments
    by_subtask: Mapping[Subtask, Mapping[Status, int]]
    not_chosen: int


_BY_CAMPAIGN = sa.text(
    f"""
    SELECT campaign_id, status, count(*) AS n FROM item WHERE NOT {NOT_CHOSEN} GROUP BY campaign_id, status
    """  # noqa: S608  (nothing in it comes from outside)
)
_TALLY = sa.text(
    f"""
    SELECT subtask, status, {NOT_CHOSEN} AS is_not_chosen,
           count(*) AS n, sum(judged) AS judged, sum(wanted) AS wanted
    FROM item WHERE campaign_id = :campaign GROUP BY 1, 2, 3
    """  # noqa: S608  (nothing in it comes from outside)
)


def tally(session: Session, campaign: Campaign) -> Tally:
    every = session.execute(_TALLY, {"campaign": campaign.id}).all()
    rows = [row for row in every if not row.is_not_chosen]
    by_subtask = {subtask: dict.fromkeys(Status, 0) for subtask in Subtask}
    for row in rows:
        by_subtask[Subtask(row.subtask)][Status(row.status)] = int(row.n)
    judgments = Judgments(
        counted=sum(int(row.judged) for row in rows),
        wanted=sum(int(row.wanted) for row in rows),
        remaining=sum(int(row.wanted - row.judged) for row in rows if row.status == Status.PENDING),
    )
    return Tally(judgments, by_subtask, sum(int(row.n) for row in every if row.is_not_chosen))


def _pace(session: Session, campaign: Campaign, at: datetime) -> Pace:
    today = at.date()
    first = today - timedelta(days=DAYS_SHOWN - 1)
    rows = session.execute(
        sa.text(
            """
            SELECT (ended_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n,
                   count(*) FILTER (WHERE ended_at > :hour) AS hour,
                   count(*) FILTER (WHERE ended_at > :hour AND slot IS NOT NULL) AS counted_hour,
                   count(*) FILTER (WHERE ended_at > :day AND slot IS NOT NULL) AS counted_day
            FROM claim
            WHERE campaign_id = :campaign AND state = 'judged'
              AND ended_at >= CAST(:first AS timestamp) AT TIME ZONE 'UTC'
            GROUP BY 1
            """
        ),
        {
            "campaign": campaign.id,
            "first": first,
            "hour": at - timedelta(hours=1),
            "day": at - timedelta(days=1),
        },
    ).all()
    counts = {row.day: int(row.n) for row in rows}
    days = [first + timedelta(days=number) for number in range(DAYS_SHOWN)]
    return Pace(
        last_hour=sum(int(row.hour) for row in rows),
        today=counts.get(today, 0),
        by_day=[(day, counts.get(day, 0)) for day in days],
        counted_last_hour=sum(int(row.counted_hour) for row in rows),
        counted_last_day=sum(int(row.counted_day) for row in rows),
    )


def _active(session: Session, campaign: Campaign, at: datetime) -> list[Person]:
    rows = session.execute(
        sa.text(
            """
            SELECT account.name, account.is_simulated, count(*) FILTER (WHERE claim.state = 'open') AS holding,
                   count(*) FILTER (WHERE claim.state = 'judged') AS judged
            FROM claim JOIN account ON account.id = claim.account_id
            WHERE claim.campaign_id = :campaign
              AND (claim.state = 'open' AND claim.expires_at > :now
                   OR claim.state = 'judged' AND claim.ended_at > :since)
            GROUP BY account.id ORDER BY judged DESC, account.name LIMIT :limit
            """
        ),
        {
            "campaign": campaign.id,
            "now": at,
            "since": at - timedelta(minutes=ACTIVE_MINUTES),
            "limit": MOST_PEOPLE,
        },
    )
    return [Person(row.name, row.is_simulated, int(row.holding), int(row.judged)) for row in rows]


def _finish(campaign: Campaign, judgments: Judgments, pace: Pace, at: datetime) -> Finish:
    if judgments.wanted == 0:
        return Finish(None, "There are no items yet.")
    if judgments.remaining == 0:
        return Finish(None, "Every item has all its judgments.")
    if campaign.status is not CampaignStatus.OPEN:
        return Finish(None, f"The campaign is {campaign.status.value}, so nobody judges.")
    if pace.counted_last_hour:
        hours, why = judgments.remaining / pace.counted_last_hour, f"{pace.counted_last_hour:,} in the last hour"
    elif pace.counted_last_day:
        hours, why = 24 * judgments.remaining / pace.counted_last_day, f"{pace.counted_last_day:,} in the last day"
    else:
        return Finish(None, "Nobody has judged within the last day, so there is no pace to go by.")
    if hours > LONGEST_HOURS:
        return Finish(None, f"More than a year away at the present pace ({why}).")
    return Finish(at + timedelta(hours=hours), f"At the present pace: {why}.")


def policy_words(policy: Policy) -> str:
    """The rule in a sentence.

    >>> policy_words(Policy(campaign_id=None, version=1, rule="fixed", overlap=3))
    '3 people judge each item. A majority of yes on every question approves it, a majority of no on any rejects it; \
anything else is disputed.'
    """
    return visits_words(rules_of(policy))


def progress_document(campaign: Campaign, policy: Policy, found: Tally, *, totals_only: bool) -> dict[str, Any]:
    """`GET /api/v1/campaigns/{slug}`. Annotators get totals only: how others decided is not for them to see."""
    by_status = {status.value: sum(counts[status] for counts in found.by_subtask.values()) for status in Status}
    total = sum(by_status.values())
    document: dict[str, Any] = {
        "slug": campaign.slug,
        "name": campaign.name,
        "status": campaign.status.value,
        "items": {"total": total, "pending": by_status["pending"], "decided": total - by_status["pending"]},
        "judgments": found.judgments._asdict(),
    }
    if totals_only:
        return document
    document["items"] |= by_status
    document["not_chosen"] = found.not_chosen
    document["by_subtask"] = {
        subtask.value: {status.value: counts[status] for status in Status}
        for subtask, counts in found.by_subtask.items()
    }
    document["policy"] = {
        "version": policy.version,
        "rule": policy.rule,
        "overlap": policy.overlap,
        "text": policy_words(policy),
    }
    return document
