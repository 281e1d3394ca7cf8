"""What the list of raters reads: sums from the counts; of pace and gold, what raters and gold items bound."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.tallies import FIRST_JUDGMENTS, QUESTIONS, Basis

LATEST = 200
"""Judgments of each rater that the median time of the list is of."""


class Who(NamedTuple):
    id: uuid.UUID
    name: str
    email: str
    is_simulated: bool


class Pace(NamedTuple):
    """Judgments, surplus ones included. Quartiles and median are active seconds, of those judgments that have any
    (None where none has); days are UTC's."""

    first: date
    last: date
    n: int
    lower: float | None
    median: float | None
    upper: float | None


class Pairs(NamedTuple):
    """Pairs of answers of two raters to one question of one item, and how many are alike."""

    n: int
    alike: int


class Right(NamedTuple):
    """Answers to questions whose answer is known, and how many are right."""

    n: int
    right: int


Answers = dict[uuid.UUID, dict[str, dict[str, int]]]
"""{rater: {question: {answer: items}}}"""


def people(session: Session, campaign_id: uuid.UUID) -> dict[uuid.UUID, Who]:
    """Everyone with a counted judgment, be it of an item whose answer is known, by name. The counts must be up to
    date."""
    rows = session.execute(_PEOPLE, {"campaign": campaign_id})
    return {row.id: Who(row.id, row.name, row.email, row.is_simulated) for row in rows}


def answers(session: Session, campaign_id: uuid.UUID, basis: Basis) -> Answers:
    found: Answers = defaultdict(lambda: defaultdict(dict))
    for row in session.execute(_ANSWERS, {"campaign": campaign_id, "basis": basis}):
        found[row.rater_id][row.question][row.answer] = row.n_items
    return {rater: dict(questions) for rater, questions in found.items()}


def items(session: Session, campaign_id: uuid.UUID, basis: Basis) -> dict[uuid.UUID, int]:
    """{rater: items}: with later judges asked open questions only, no one question has all of a rater's items."""
    scope = {"campaign": campaign_id, "most": FIRST_JUDGMENTS if basis == "first" else 1_000_000}
    return {row.rater: row.n for row in session.execute(_ITEMS, scope)}


def paused(session: Session, campaign_id: uuid.UUID) -> set[uuid.UUID]:
    """Who is out of the campaign's pool at present, whoever put them there."""
    return set(session.execute(_PAUSED, {"campaign": campaign_id}).scalars())


def pairs(session: Session, campaign_id: uuid.UUID, basis: Basis) -> dict[uuid.UUID, dict[str, Pairs]]:
    """{rater: {question: pairs with all colleagues}}."""
    found: dict[uuid.UUID, dict[str, Pairs]] = defaultdict(dict)
    for row in session.execute(_WITH_OTHERS, {"campaign": campaign_id, "basis": basis}):
        found[row.rater][row.question] = Pairs(int(row.n), int(row.alike))
    return dict(found)


def paces(session: Session, campaign_id: uuid.UUID, raters: Iterable[uuid.UUID]) -> dict[uuid.UUID, Pace]:
    """Each rater's first and last day, and the time of their latest judgments (see LATEST)."""
    scope = {"campaign": campaign_id, "raters": list(raters), "latest": LATEST}
    rows = session.execute(_PACES, scope)
    return {row.id: Pace(row.first, row.last, row.n, row.lower, row.median, row.upper) for row in rows}


def gold(session: Session, campaign_id: uuid.UUID) -> dict[uuid.UUID, dict[str, Right]]:
    """{rater: {question: answers to gold items}}; counted judgments only, withdrawn answers left out."""
    found: dict[uuid.UUID, dict[str, Right]] = defaultdict(dict)
    for row in session.execute(_GOLD, {"campaign": campaign_id}):
        found[row.rater][row.question] = Right(row.n, row.right)
    return dict(found)


_PEOPLE = sa.text(
    """
    SELECT id, name, email, is_simulated FROM account WHERE id IN (
        SELECT rater_id FROM rater_votes
        WHERE campaign_id = :campaign AND basis = 'all' AND kind = 'all' AND n_items > 0
        UNION
        SELECT unnest(raters) FROM counted_votes JOIN gold ON gold.item_id = counted_votes.item_id
        WHERE campaign_id = :campaign
    ) ORDER BY name, id
    """
)

_ANSWERS = sa.text(
    """
    SELECT rater_id, question, answer, n_items FROM rater_votes
    WHERE campaign_id = :campaign AND basis = :basis AND kind = 'all' AND n_items > 0
    """
)

_ITEMS = sa.text(
    """
    SELECT rater, count(*) AS n FROM (
        SELECT unnest(raters[1:CAST(:most AS integer)]) AS rater FROM counted_votes
        WHERE campaign_id = :campaign AND NOT is_gold
    ) AS vote GROUP BY rater
    """
)

_PAUSED = sa.text("SELECT account_id FROM pool_member WHERE campaign_id = :campaign AND paused_at IS NOT NULL")

_WITH_OTHERS = sa.text(
    """
    WITH pair AS (
        SELECT question, a, b, sum(n_items) AS n, sum(n_items) FILTER (WHERE answer_a = answer_b) AS alike
        FROM rater_pair WHERE campaign_id = :campaign AND basis = :basis AND n_items > 0 GROUP BY question, a, b
    )
    SELECT rater, question, sum(n) AS n, coalesce(sum(alike), 0) AS alike
    FROM (SELECT a AS rater, question, n, alike FROM pair UNION ALL SELECT b, question, n, alike FROM pair) AS of_rater
    GROUP BY rater, question
    """
)

# A judgment without a time was sent by a program that doesn't measure it.
TIMES = """
    percentile_cont(0.25) WITHIN GROUP (ORDER BY seconds) AS lower,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median,
    percentile_cont(0.75) WITHIN GROUP (ORDER BY seconds) AS upper
"""
MINE = """
    SELECT (claim.ended_at AT TIME ZONE 'UTC')::date AS day,
           CASE WHEN judgment.active_ms > 0 THEN judgment.active_ms / 1000.0 END AS seconds
    FROM claim JOIN judgment ON judgment.id = claim.judgment_id
"""

# One rater after another through the index on (campaign, account, time): so many rows, however many they have judged.
_PACES = sa.text(
    f"""
    SELECT rater.id, span.first, times.* FROM unnest(CAST(:raters AS uuid[])) AS rater(id)
    CROSS JOIN LATERAL (
        SELECT (ended_at AT TIME ZONE 'UTC')::date AS first FROM claim
        WHERE campaign_id = :campaign AND account_id = rater.id AND state = 'judged' ORDER BY ended_at LIMIT 1
    ) AS span
    CROSS JOIN LATERAL (
        SELECT max(day) AS last, count(*) AS n, {TIMES} FROM (
            {MINE} WHERE claim.campaign_id = :campaign AND claim.account_id = rater.id AND claim.state = 'judged'
            ORDER BY claim.ended_at DESC LIMIT :latest
        ) AS mine
    ) AS times
    """  # noqa: S608  (nothing in it comes from outside)
)

_PLACE = "array_position(CAST(:questions AS text[]), gold.question)"
KNOWN = f"""
    SELECT gold.item_id, gold.question, gold.answer AS known, vote.rater, substr(vote.answers, {_PLACE}, 1) AS given
    FROM gold JOIN counted_votes ON counted_votes.item_id = gold.item_id
    CROSS JOIN LATERAL unnest(raters, answers) AS vote(rater, answers)
    WHERE campaign_id = :campaign AND withdrawn_at IS NULL
"""  # noqa: S608  (as above)
_GOLD = sa.text(
    f"""
    SELECT rater, question, count(*) AS n, count(*) FILTER (WHERE given = left(known, 1)) AS right
    FROM ({KNOWN}) AS answered WHERE given <> '-' GROUP BY rater, question
    """  # noqa: S608  (as above)
).bindparams(questions=list(QUESTIONS))
