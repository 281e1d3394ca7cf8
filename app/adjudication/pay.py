"""What people did in a campaign within a period, as pay reports count it: items, time, sittings. Times are UTC's."""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.intervals import Estimate
from app.errors import Invalid, Sentence
from app.web.figures.tables import Column, Table, Unit

SESSION_GAP: Final = timedelta(minutes=30)
"""Two answers further apart than this are of two sessions."""
_YEARS: Final = range(2000, 2200)


class Period(NamedTuple):
    """From the beginning of `first` to the end of `last`, in UTC."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        return datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        return datetime.combine(self.last + timedelta(days=1), time(), UTC)


class Row(NamedTuple):
    """`items` were first answered within the period; each is counted or surplus. `active_ms` is the time of every
    answer given within it, later ones to an item included. `seconds` an item: the median between the quartiles."""

    account_id: uuid.UUID | None
    name: str
    email: str
    items: int
    counted: int
    active_ms: int
    seconds: Estimate
    sessions: int

    @property
    def surplus(self) -> int:
        return self.items - self.counted

    @property
    def active_words(self) -> str:
        """Hours and minutes, as in "2:05 h"."""
        minutes = round(self.active_ms / 60_000)
        return Sentence("{hours}:{minutes} h", hours=minutes // 60, minutes=f"{minutes % 60:02}")


class Report(NamedTuple):
    """A row for everybody who answered within the period, by name; `total` has them all together."""

    period: Period
    rows: Sequence[Row]
    total: Row


def month_of(day: date) -> Period:
    """
    >>> month_of(date(2026, 12, 9))
    Period(first=datetime.date(2026, 12, 1), last=datetime.date(2026, 12, 31))
    """
    following = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return Period(day.replace(day=1), following - timedelta(days=1))


def week_of(day: date) -> Period:
    """From Monday to Sunday."""
    monday = day - timedelta(days=day.weekday())
    return Period(monday, monday + timedelta(days=6))


def checked_period(first: str, last: str, today: date) -> Period:
    """The days as they were typed, such as 2026-11-01; without both, the present month. Raises Invalid."""
    if not first and not last:
        return month_of(today)
    faults: dict[str, str] = {}
    days = {name: _day(name, text, faults) for name, text in (("from", first), ("to", last))}
    if not faults and days["to"] < days["from"]:
        faults["to"] = "The period ends before it begins; choose a later day."
    if faults:
        raise Invalid(next(iter(faults.values())), fields=faults)
    return Period(days["from"], days["to"])


def _day(name: str, text: str, faults: dict[str, str]) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.year not in _YEARS:
        faults[name] = "Give a day as year-month-day, such as 2026-11-01."
    return day


# A test is ordinary work: pay must not tell it apart. An answer's time is its own, however often an item is answered.
_ROWS: Final = sa.text(
    """
    WITH given AS (
        SELECT claim.account_id, claim.id AS claim_id, judgment.revision, judgment.active_ms,
               claim.slot IS NOT NULL OR claim.is_test AND claim.reason IS DISTINCT FROM 'surplus' AS is_counted,
               coalesce(judgment.created_at - lag(judgment.created_at) OVER (
                   PARTITION BY claim.account_id ORDER BY judgment.created_at, judgment.id) > :gap, true) AS begins
        FROM claim JOIN judgment ON judgment.claim_id = claim.id
        WHERE claim.campaign_id = :campaign AND claim.state = 'judged'
          AND (CAST(:account AS uuid) IS NULL OR claim.account_id = :account)
          AND judgment.created_at >= :start AND judgment.created_at < :end
    ),
    an_item AS (
        SELECT account_id, claim_id, bool_or(revision = 1) AS is_new, bool_or(is_counted) AS is_counted,
               sum(active_ms) AS active_ms, count(*) FILTER (WHERE begins) AS sessions
        FROM given GROUP BY account_id, claim_id
    ),
    summed AS (
        SELECT account_id, count(*) FILTER (WHERE is_new) AS items,
               count(*) FILTER (WHERE is_new AND is_counted) AS counted,
               CAST(sum(active_ms) AS bigint) AS active_ms, CAST(sum(sessions) AS bigint) AS sessions,
               percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY active_ms / 1000.0)
                   FILTER (WHERE is_new AND active_ms > 0) AS seconds
        FROM an_item GROUP BY GROUPING SETS ((account_id), ())
    )
    SELECT summed.*, account.name, account.email FROM summed LEFT JOIN account ON account.id = summed.account_id
    ORDER BY account.name, account.email
    """
).bindparams(sa.bindparam("gap", type_=sa.Interval))


def report(session: Session, campaign_id: uuid.UUID, period: Period, account_id: uuid.UUID | None = None) -> Report:
    """Of one person where `account_id` names one."""
    scope = {
        "campaign": campaign_id, "account": account_id, "start": period.start, "end": period.end, "gap": SESSION_GAP
    }  # fmt: skip
    rows = [
        Row(
            row.account_id, row.name or "", row.email or "", int(row.items), int(row.counted), int(row.active_ms or 0),
            _seconds(row.seconds), int(row.sessions or 0),
        )
        for row in session.execute(_ROWS, scope)
    ]  # fmt: skip
    return Report(
        period,
        [row for row in rows if row.account_id is not None],
        next(row for row in rows if row.account_id is None)._replace(name="Total"),
    )


def _seconds(quartiles: Sequence[float] | None) -> Estimate:
    if quartiles is None:
        return Estimate(None, reason="no_judgments")
    low, middle, high = (float(value) for value in quartiles)
    return Estimate(middle, low, high)


def table(found: Report) -> Table:
    """Exact, for a spreadsheet: the total is the last row."""
    columns = (
        Column("name", "Name", Unit.TEXT),
        Column("email", "E-mail", Unit.TEXT),
        Column("items", "Items judged", Unit.COUNT),
        Column("counted", "Counted", Unit.COUNT),
        Column("surplus", "Surplus", Unit.COUNT),
        Column("active_seconds", "Active seconds", Unit.COUNT),
        Column("median_seconds", "Median time", Unit.SECONDS),
        Column("sessions", "Sessions", Unit.COUNT),
    )
    rows = [
        (
            row.name, row.email, row.items, row.counted, row.surplus, round(row.active_ms / 1000, 1),
            row.seconds.as_json(), row.sessions,
        )
        for row in (*found.rows, found.total)
    ]  # fmt: skip
    return Table("pay", "Work", columns, rows, f"{found.period.first} to {found.period.last}, UTC")
