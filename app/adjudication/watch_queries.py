"""What the watching page reads. Each statement costs the same however many items or people a campaign has in rows sent,
and none walks through the judgments: what is behind them is sums by item, open leases, the last day, the last few."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.items.models import NOT_CHOSEN, Hold, Status

DAYS: Final = 14
HOURS: Final = 24
AGES: Final = (
    ("under 5 minutes", timedelta(minutes=5)),
    ("5 to 30 minutes", timedelta(minutes=30)),
    ("30 minutes to 2 hours", timedelta(hours=2)),
    ("2 hours to a day", timedelta(days=1)),
    ("more than a day", timedelta.max),
)
"""Ages of leases, and where each ends."""
MOST_READ: Final = 6_000
"""Judgments whose reasons are read, those of all people together."""
FEWEST_READ: Final = 20


class Items(NamedTuple):
    """Items of one status and hold, their judgments, and how many were decided within the last hour and 24 hours.
    `is_not_chosen`: others were chosen among several images, or none was."""

    status: Status
    hold: Hold | None
    n: int
    judged: int
    wanted: int
    hour: int
    day: int
    is_not_chosen: bool = False


class Holder(NamedTuple):
    """Somebody's open leases by the places of AGES. `lapsed` ones have run out and stand until somebody needs the
    place."""

    id: uuid.UUID
    name: str
    is_simulated: bool
    holds: int
    lapsed: int
    oldest: datetime
    ages: tuple[int, ...]


class Span(NamedTuple):
    """Judgments that came in within an hour or a day, and those of them that count."""

    judged: int
    counted: int


class Person(NamedTuple):
    """What somebody did within the last HOURS hours; `expired` leases ran out and were taken back."""

    name: str
    is_simulated: bool
    judged: int
    expired: int


class Lately(NamedTuple):
    """The last HOURS hours, the oldest first, the newest ending now; and whoever did anything within them."""

    hours: Sequence[Span]
    people: Mapping[uuid.UUID, Person]


class Given(NamedTuple):
    """How often a reason was given for a `no`, in one country or for one generator."""

    group: str
    question: str
    code: str
    n: int


class Reasons(NamedTuple):
    """`latest` judgments of each person were read, `n_read` in all; `is_cut`: somebody had more than these."""

    by_country: Sequence[Given]
    by_generator: Sequence[Given]
    latest: int
    n_read: int
    is_cut: bool


def mark(session: Session, campaign_id: uuid.UUID, version: uuid.UUID, at: datetime) -> str:
    """Another text whenever the page has something new to show: counts (whose `version` it is), leases handed out,
    decisions, imports, the campaign's own state; and each minute, as ages and rates change by themselves.

    Reads no judgment, claim or vote.
    """
    row = session.execute(_MARK, {"campaign": campaign_id}).one()
    return ".".join(str(part) for part in (version.hex[:12], *row, int(at.timestamp() // 60)))


def items(session: Session, campaign_id: uuid.UUID, at: datetime) -> list[Items]:
    scope = {"campaign": campaign_id, "hour": at - timedelta(hours=1), "day": at - timedelta(days=1)}
    return [
        Items(
            Status(row.status), Hold(row.hold) if row.hold else None, int(row.n), int(row.judged), int(row.wanted),
            int(row.hour), int(row.day), row.is_not_chosen,
        )
        for row in session.execute(_ITEMS, scope)
    ]  # fmt: skip


def holders(session: Session, campaign_id: uuid.UUID, at: datetime) -> list[Holder]:
    """Whoever holds a lease; the longest held first."""
    ends = [at - (age if age < timedelta.max else timedelta(days=36_500)) for _, age in AGES]
    found = []
    for row in session.execute(_HOLDERS, {"campaign": campaign_id, "at": at, "ends": ends}):
        older = [row.holds, *row.older]  # held for at least as long as each age begins
        ages = tuple(older[place] - older[place + 1] for place in range(len(AGES)))
        found.append(Holder(row.id, row.name, row.is_simulated, row.holds, row.lapsed, row.oldest, ages))
    return found


def lately(session: Session, campaign_id: uuid.UUID, at: datetime) -> Lately:
    scope = {"campaign": campaign_id, "at": at, "since": at - timedelta(hours=HOURS)}
    spans, people = {}, {}
    for row in session.execute(_LATELY, scope):
        if row.id is None:
            spans[row.ago] = Span(int(row.judged), int(row.counted))
        else:
            people[row.id] = Person(row.name, row.is_simulated, int(row.judged), int(row.expired))
    return Lately([spans.get(ago, Span(0, 0)) for ago in reversed(range(HOURS))], people)


def days(session: Session, campaign_id: uuid.UUID, today: date) -> tuple[Mapping[date, Span], Mapping[date, int]]:
    """Of the last DAYS whole days (UTC): judgments, and items decided then and still so."""
    scope = {"campaign": campaign_id, "first": today - timedelta(days=DAYS), "today": today}
    judged = {row.day: Span(int(row.judged), int(row.counted)) for row in session.execute(_DAYS, scope)}
    decided = {row.day: int(row.n) for row in session.execute(_DECIDED, scope)}
    return judged, decided


def reasons(session: Session, campaign_id: uuid.UUID, raters: Iterable[uuid.UUID]) -> Reasons:
    """Why people said no, in the latest judgments of each; at most MOST_READ are read, or FEWEST_READ a person.
    Items with a known answer are left out: what is wrong with those was chosen."""
    people = list(raters)
    latest = max(FEWEST_READ, MOST_READ // max(len(people), 1))
    rows = session.execute(_REASONS, {"campaign": campaign_id, "raters": people, "latest": latest}).all()
    read = next(row for row in rows if row.question is None)
    by_country = [Given(row.home, row.question, row.code, row.n) for row in rows if row.home is not None]
    by_generator = [Given(row.generator, row.question, row.code, row.n) for row in rows if row.generator is not None]
    return Reasons(by_country, by_generator, latest, read.n, bool(read.is_cut))


_OLDER: Final = ", ".join(
    f"count(*) FILTER (WHERE leased_at <= (CAST(:ends AS timestamptz[]))[{place}])" for place in range(1, len(AGES) + 1)
)

# Decisions have no campaign of their own: those of the last hundred that are this one's say whether there is a new one.
_MARK = sa.text(
    """
    SELECT (SELECT coalesce(sum(n_claimed), 0) FROM pool_member WHERE campaign_id = :campaign) AS claimed,
           (SELECT max(latest.id) FROM (SELECT id, item_id FROM decision ORDER BY id DESC LIMIT 100) AS latest
            JOIN item ON item.id = latest.item_id WHERE item.campaign_id = :campaign) AS decision,
           (SELECT count(*) FROM import_batch WHERE campaign_id = :campaign) AS imports,
           status, policy_version
    FROM campaign WHERE id = :campaign
    """
)

_ITEMS = sa.text(
    f"""
    SELECT status, hold, {NOT_CHOSEN} AS is_not_chosen,
           count(*) AS n, sum(judged) AS judged, sum(wanted) AS wanted,
           count(*) FILTER (WHERE decided_at > :hour) AS hour, count(*) FILTER (WHERE decided_at > :day) AS day
    FROM item WHERE campaign_id = :campaign GROUP BY 1, 2, 3
    """  # noqa: S608  (nothing in it comes from outside)
)

_HOLDERS = sa.text(
    f"""
    SELECT account.id, account.name, account.is_simulated, held.* FROM (
        SELECT account_id, count(*) AS holds, count(*) FILTER (WHERE expires_at <= :at) AS lapsed,
               min(leased_at) AS oldest,
               ARRAY[{_OLDER}] AS older
        FROM claim WHERE campaign_id = :campaign AND state = 'open' GROUP BY account_id
    ) AS held JOIN account ON account.id = held.account_id
    ORDER BY held.oldest, account.name, account.id
    """  # noqa: S608  (nothing in it comes from outside)
)

# One person after another through the index on (campaign, account, time), so that only the rows wanted are touched.
_LATELY = sa.text(
    """
    SELECT id, name, is_simulated, ago, sum(judged) AS judged, sum(counted) AS counted, sum(expired) AS expired
    FROM account CROSS JOIN LATERAL (
        SELECT least(CAST(floor(extract(epoch FROM CAST(:at AS timestamptz) - ended_at) / 3600) AS integer), 23) AS ago,
               count(*) FILTER (WHERE state = 'judged') AS judged,
               count(slot) FILTER (WHERE state = 'judged') AS counted,
               count(*) FILTER (WHERE state = 'expired') AS expired
        FROM claim WHERE campaign_id = :campaign AND account_id = account.id AND ended_at > :since GROUP BY 1
    ) AS mine GROUP BY GROUPING SETS ((id, name, is_simulated), (ago))
    """
)

_DAYS = sa.text(
    """
    SELECT day, sum(judged) AS judged, sum(counted) AS counted FROM account
    CROSS JOIN LATERAL (
        SELECT (ended_at AT TIME ZONE 'UTC')::date AS day, count(*) AS judged, count(slot) AS counted FROM claim
        WHERE campaign_id = :campaign AND account_id = account.id AND state = 'judged'
          AND ended_at >= CAST(:first AS timestamp) AT TIME ZONE 'UTC'
          AND ended_at < CAST(:today AS timestamp) AT TIME ZONE 'UTC'
        GROUP BY 1
    ) AS mine GROUP BY day
    """
)

_DECIDED = sa.text(
    """
    SELECT (decided_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM item
    WHERE campaign_id = :campaign AND decided_at >= CAST(:first AS timestamp) AT TIME ZONE 'UTC'
      AND decided_at < CAST(:today AS timestamp) AT TIME ZONE 'UTC'
    GROUP BY 1
    """
)

_REASONS = sa.text(
    """
    WITH latest AS MATERIALIZED (
        SELECT mine.* FROM unnest(CAST(:raters AS uuid[])) AS rater (id)
        CROSS JOIN LATERAL (
            SELECT item_id, judgment_id, row_number() OVER (ORDER BY ended_at DESC) AS place FROM claim
            WHERE campaign_id = :campaign AND account_id = rater.id AND state = 'judged'
            ORDER BY ended_at DESC LIMIT :latest + 1
        ) AS mine
    )
    SELECT home, generator, question, code, count(*) AS n, false AS is_cut FROM (
        SELECT item.home, coalesce(item.generator, 'not stated') AS generator, given.key AS question, code
        FROM latest JOIN judgment ON judgment.id = latest.judgment_id JOIN item ON item.id = latest.item_id
        CROSS JOIN LATERAL jsonb_each(judgment.answers) AS given
        CROSS JOIN LATERAL jsonb_array_elements_text(given.value -> 'reasons') AS code
        WHERE place <= :latest AND judgment.answers @? '$.*.reasons[0]' AND given.value ->> 'answer' = 'no'
          AND NOT EXISTS (SELECT 1 FROM gold WHERE gold.item_id = item.id AND withdrawn_at IS NULL)
    ) AS said GROUP BY GROUPING SETS ((home, question, code), (generator, question, code))
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, count(*) FILTER (WHERE place <= :latest), bool_or(place > :latest) FROM latest
    """
)
