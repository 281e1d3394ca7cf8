"""What the page of one rater reads: never more than that rater's own judgments."""

import uuid
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.adjudication.agreement.people_queries import KNOWN, MINE, TIMES, Pace, Pairs
from app.agreement.tallies import FIRST_JUDGMENTS, LETTERS, QUESTIONS, Basis


class Miss(NamedTuple):
    """An answer that is not the known one."""

    item_id: uuid.UUID
    key: str
    question: str
    known: str
    given: str


def colleagues(
    session: Session, campaign_id: uuid.UUID, basis: Basis, rater: uuid.UUID
) -> dict[uuid.UUID, dict[str, Pairs]]:
    """{colleague: {question: pairs with this rater}}."""
    found: dict[uuid.UUID, dict[str, Pairs]] = defaultdict(dict)
    for row in session.execute(_COLLEAGUES, {"campaign": campaign_id, "basis": basis, "rater": rater}):
        found[row.other][row.question] = Pairs(int(row.n), int(row.alike))
    return dict(found)


def misses(session: Session, campaign_id: uuid.UUID, rater: uuid.UUID) -> list[Miss]:
    rows = session.execute(_MISSES, {"campaign": campaign_id, "rater": rater})
    return [Miss(row.item_id, row.key, row.question, row.known, LETTERS[row.given]) for row in rows]


class Work(NamedTuple):
    """One rater's judgments of the last weeks: {day: how many}, and {Monday: pace}; both without gaps."""

    days: dict[date, int]
    weeks: dict[date, Pace | None]


def work(session: Session, campaign_id: uuid.UUID, rater: uuid.UUID, at: datetime, weeks: int = 8) -> Work:
    """Surplus judgments are work too."""
    today = at.date()
    first = today - timedelta(days=today.weekday(), weeks=weeks - 1)
    scope = {"campaign": campaign_id, "rater": rater, "first": first}
    counted = {row.day: row.n for row in session.execute(_DAYS, scope)}
    measured = {
        row.week: Pace(row.first, row.last, row.n, row.lower, row.median, row.upper)
        for row in session.execute(_WEEKS, scope)
    }
    every_day = [first + timedelta(days=number) for number in range((today - first).days + 1)]
    return Work(
        {day: counted.get(day, 0) for day in every_day},
        {day: measured.get(day) for day in every_day if day.weekday() == 0},
    )


def weekly_answers(
    session: Session, campaign_id: uuid.UUID, basis: Basis, rater: uuid.UUID
) -> dict[str, dict[str, dict[str, int]]]:
    """{Monday: {question: {answer: items}}}, the earliest first."""
    found: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in session.execute(_WEEKLY, {"campaign": campaign_id, "basis": basis, "rater": rater}):
        found[row.part][row.question][row.answer] = row.n_items
    return {week: dict(questions) for week, questions in found.items()}


class Shared(NamedTuple):
    """Of one week and question: pairs with colleagues, the items they are of, and those where no colleague gave the
    same answer."""

    n: int
    alike: int
    items: int
    alone: int


def weekly_pairs(
    session: Session, campaign_id: uuid.UUID, basis: Basis, rater: uuid.UUID
) -> dict[str, dict[str, Shared]]:
    """{Monday: {question: what this rater shares with colleagues}}: the same votes and weeks as in the counts."""
    found: dict[str, dict[str, Shared]] = defaultdict(dict)
    most = FIRST_JUDGMENTS if basis == "first" else 1_000_000
    scope = {"campaign": campaign_id, "rater": rater, "most": most, "pair": FIRST_JUDGMENTS}
    for row in session.execute(_SHARED, scope):
        found[row.week.isoformat()][QUESTIONS[row.place - 1]] = Shared(
            int(row.n), int(row.alike), int(row.items), int(row.alone)
        )
    return dict(found)


_COLLEAGUES = sa.text(
    """
    SELECT CASE WHEN a = :rater THEN b ELSE a END AS other, question, sum(n_items) AS n,
           coalesce(sum(n_items) FILTER (WHERE answer_a = answer_b), 0) AS alike
    FROM rater_pair WHERE campaign_id = :campaign AND basis = :basis AND n_items > 0 AND (a = :rater OR b = :rater)
    GROUP BY other, question
    """
)

_LATELY = f"""
    {MINE} WHERE claim.campaign_id = :campaign AND claim.account_id = :rater AND claim.state = 'judged'
      AND claim.ended_at >= CAST(:first AS timestamp) AT TIME ZONE 'UTC'
"""
_DAYS = sa.text(f"SELECT day, count(*) AS n FROM ({_LATELY}) AS mine GROUP BY day")  # noqa: S608  (as above)
_WEEKS = sa.text(
    f"""
    SELECT date_trunc('week', day)::date AS week, min(day) AS first, max(day) AS last, count(*) AS n, {TIMES}
    FROM ({_LATELY}) AS mine GROUP BY week
    """  # noqa: S608  (as above)
)

_MISSES = sa.text(
    f"""
    SELECT answered.*, item.key FROM ({KNOWN}) AS answered JOIN item ON item.id = answered.item_id
    WHERE rater = :rater AND given NOT IN ('-', left(known, 1)) ORDER BY item.key, question
    """  # noqa: S608  (as above)
).bindparams(questions=list(QUESTIONS))

_WEEKLY = sa.text(
    """
    SELECT part, question, answer, n_items FROM rater_votes
    WHERE campaign_id = :campaign AND basis = :basis AND kind = 'week' AND rater_id = :rater AND n_items > 0
    ORDER BY part
    """
)

# This rater's items, through their claims, and how each of the others answered.
_SHARED = sa.text(
    """
    WITH mine AS (
        SELECT counted_votes.item_id, answers[1:CAST(:most AS integer)] AS answers,
               array_position(raters[1:CAST(:most AS integer)], CAST(:rater AS uuid)) AS own,
               date_trunc('week', days[least(CAST(:pair AS integer), cardinality(days))])::date AS week
        FROM claim JOIN counted_votes ON counted_votes.item_id = claim.item_id
        WHERE claim.campaign_id = :campaign AND claim.account_id = :rater AND claim.state = 'judged'
          AND claim.slot IS NOT NULL AND NOT is_gold
    ), item AS (
        SELECT week, place, count(*) AS n,
               count(*) FILTER (WHERE substr(answers[own], place, 1) = substr(other, place, 1)) AS alike
        FROM mine CROSS JOIN LATERAL unnest(answers) WITH ORDINALITY AS given(other, seat)
        CROSS JOIN generate_series(1, 5) AS place
        WHERE own IS NOT NULL AND seat <> own AND substr(answers[own], place, 1) <> '-'
        GROUP BY item_id, week, place
    )
    SELECT week, place, sum(n) AS n, sum(alike) AS alike, count(*) AS items, count(*) FILTER (WHERE alike = 0) AS alone
    FROM item GROUP BY week, place
    """
)
