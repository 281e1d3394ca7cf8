"""An annotator's own work: how much, how fast, and how it compares with the final decisions.

Nothing here tells whether an answer is known: items with a known answer are left out of every comparison, and figures
of agreement stand as of the last midnight, so that nobody can watch them move with one answer.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.adjudication.models import Adjudication, Appeal
from app.adjudication.standing import FINAL, contradicted
from app.agreement.intervals import Estimate, wilson
from app.items.fitting import any_of
from app.items.models import Status, Subtask
from app.judgments.decisions import decided_answers, rule_answers
from app.judgments.models import Decision, Method
from app.judgments.service import question_keys

DAYS: Final = 28
MOST_DECIDED: Final = 5000
"""So many decided items, the newest, are compared."""


class Counts(NamedTuple):
    """Items judged in a campaign: {"today" | "week" | "all": (counted, surplus)}."""

    campaign_id: uuid.UUID
    name: str
    counts: Mapping[str, tuple[int, int]]


# A test counts, as its annotator was told when they answered.
_COUNTS: Final = sa.text(
    """
    SELECT campaign.id, campaign.name,
           count(*) FILTER (WHERE ended_at >= :today AND is_counted) AS today_counted,
           count(*) FILTER (WHERE ended_at >= :today AND NOT is_counted) AS today_surplus,
           count(*) FILTER (WHERE ended_at >= :monday AND is_counted) AS week_counted,
           count(*) FILTER (WHERE ended_at >= :monday AND NOT is_counted) AS week_surplus,
           count(*) FILTER (WHERE is_counted) AS all_counted, count(*) FILTER (WHERE NOT is_counted) AS all_surplus
    FROM campaign JOIN LATERAL (
        SELECT ended_at, slot IS NOT NULL OR is_test AND reason IS DISTINCT FROM 'surplus' AS is_counted FROM claim
        WHERE campaign_id = campaign.id AND account_id = :account AND state = 'judged'
    ) AS mine ON true
    GROUP BY campaign.id ORDER BY campaign.name, campaign.id
    """
)


def counts(session: Session, account: Account, at: datetime) -> list[Counts]:
    """Each campaign the annotator has judged in. The day and the week (from Monday) are UTC's."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    scope = {"account": account.id, "today": midnight, "monday": midnight - timedelta(days=midnight.weekday())}
    return [
        Counts(
            row["id"],
            row["name"],
            {span: (row[f"{span}_counted"], row[f"{span}_surplus"]) for span in ("today", "week", "all")},
        )
        for row in session.execute(_COUNTS, scope).mappings()
    ]


class Day(NamedTuple):
    """`seconds` an item is the median of those whose time is known."""

    day: date
    items: int
    active_ms: int
    seconds: float | None

    @property
    def an_hour(self) -> float | None:
        """Items per hour of active time."""
        return self.items * 3_600_000 / self.active_ms if self.active_ms else None


_DAYS: Final = sa.text(
    """
    SELECT day, count(*) AS items, CAST(sum(active_ms) AS bigint) AS active_ms,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY active_ms / 1000.0) FILTER (WHERE active_ms > 0) AS seconds
    FROM (
        SELECT CAST(min(judgment.created_at) AT TIME ZONE 'UTC' AS date) AS day, sum(judgment.active_ms) AS active_ms
        FROM campaign JOIN claim ON claim.campaign_id = campaign.id AND claim.account_id = :account
        JOIN judgment ON judgment.claim_id = claim.id
        WHERE claim.state = 'judged' AND claim.ended_at >= :since
        GROUP BY claim.id
    ) AS mine
    WHERE day >= :first GROUP BY GROUPING SETS ((day), ())
    """
)


class Pace(NamedTuple):
    """`days` without gaps, the oldest first; `whole` is all of them together, its day the first one."""

    days: Sequence[Day]
    whole: Day


def pace(session: Session, account: Account, at: datetime) -> Pace:
    """The last 28 days in all campaigns, by the UTC day of the first answer; an item's time is that of all answers."""
    first = at.date() - timedelta(days=DAYS - 1)
    scope = {"account": account.id, "since": at - timedelta(days=DAYS), "first": first}
    found = {
        row.day: Day(row.day or first, int(row.items), int(row.active_ms or 0), row.seconds)
        for row in session.execute(_DAYS, scope)
    }
    days = [first + timedelta(days=number) for number in range(DAYS)]
    return Pace([found.get(day, Day(day, 0, 0, None)) for day in days], found.get(None, Day(first, 0, 0, None)))


class Decided(NamedTuple):
    """An own answer and what was decided about its item. `against` are the questions on which they differ; `decided`
    {question: "yes" | "no"} what the decision says. `status` may be pending again where there is an `appeal`."""

    item_id: uuid.UUID
    campaign_id: uuid.UUID
    status: Status
    at: datetime
    policy_id: int
    answers: Mapping[str, Any]
    note: str | None
    decided: Mapping[str, str]
    against: Sequence[str]
    by_person: bool
    decision_note: str
    appeal: Appeal | None


_DECIDED: Final = sa.text(
    """
    SELECT item.id AS item_id, item.campaign_id, item.subtask, item.status, judgment.policy_id, judgment.answers,
           judgment.note, newest.created_at AS at, appeal.id AS appeal_id,
           CASE WHEN newest.method = 'undo' THEN CAST(newest.detail ->> 'restores' AS bigint)
                ELSE newest.id END AS decision_id
    FROM campaign JOIN claim ON claim.campaign_id = campaign.id AND claim.account_id = :account
    JOIN item ON item.id = claim.item_id JOIN judgment ON judgment.id = claim.judgment_id
    JOIN LATERAL (
        SELECT * FROM decision WHERE item_id = item.id ORDER BY id DESC LIMIT 1
    ) AS newest ON true
    LEFT JOIN appeal ON appeal.item_id = item.id AND appeal.account_id = claim.account_id
    WHERE claim.state = 'judged' AND NOT claim.is_test
      AND NOT EXISTS (SELECT FROM gold WHERE gold.item_id = item.id)
      AND (item.status IN ('approved', 'rejected') OR appeal.id IS NOT NULL)
      AND (CAST(:item AS uuid) IS NULL OR item.id = :item)
    ORDER BY newest.id DESC LIMIT :most
    """
)


def decided(session: Session, account: Account, item_id: uuid.UUID | None = None) -> list[Decided]:
    """The annotator's items on which a final decision stands, or against whose decision they appealed; the newest
    decision first. Never one whose answer is, or was, known."""
    rows = session.execute(_DECIDED, {"account": account.id, "item": item_id, "most": MOST_DECIDED}).all()
    held = col(Decision.id) == any_of([row.decision_id for row in rows], sa.BigInteger)
    found = session.exec(
        select(Decision, Adjudication)
        .outerjoin(Adjudication, col(Adjudication.decision_id) == col(Decision.id))
        .where(held)
    )
    decisions = {decision.id: (decision, adjudication) for decision, adjudication in found}
    return [_decided(session, row, *decisions[row.decision_id]) for row in rows]


def _decided(session: Session, row: Any, decision: Decision, ruling: Adjudication | None) -> Decided:
    said = ruling.answers if ruling else rule_answers(decision.detail)
    says = decided_answers(decision.outcome, said, question_keys(Subtask(row.subtask)))
    is_final = row.status in FINAL and decision.method in (Method.RULE, Method.ADJUDICATION)
    return Decided(
        row.item_id,
        row.campaign_id,
        Status(row.status),
        row.at,
        row.policy_id,
        row.answers,
        row.note,
        says if is_final else {},
        contradicted(decision.outcome, says, row.answers) if is_final else [],
        ruling is not None,
        ruling.note if ruling else "",
        session.get(Appeal, row.appeal_id) if row.appeal_id else None,
    )


def decided_otherwise(found: Sequence[Decided]) -> list[Decided]:
    """Those that went against an answer, and those with an appeal whatever became of it."""
    return [one for one in found if one.against or one.appeal]


class Agreement(NamedTuple):
    """Of `n` yes and no answers to a question that was decided, the share that the decision says too."""

    campaign_id: uuid.UUID
    question: str
    n: int
    agreeing: int

    @property
    def share(self) -> Estimate:
        return wilson(self.agreeing, self.n)


def agreement(found: Sequence[Decided], at: datetime) -> list[Agreement]:
    """For each campaign and question with any; of decisions made before the UTC day of `at`."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    pairs: dict[tuple[uuid.UUID, str], list[bool]] = {}
    for one in found:
        for key, said in one.decided.items():
            given = one.answers.get(key, {}).get("answer")
            if one.at < midnight and given in ("yes", "no"):
                pairs.setdefault((one.campaign_id, key), []).append(given == said)
    return [Agreement(*about, len(alike), sum(alike)) for about, alike in pairs.items()]
