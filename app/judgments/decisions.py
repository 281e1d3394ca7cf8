"""An item's counted votes, and how what was made of them is written down."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.agreement.rules import ANSWERS
from app.db import now
from app.items.models import Item, Status, Subtask
from app.judgments.known import known_answers, known_otherwise
from app.judgments.models import Decision, Method

SURE = ("yes", "no")


def question_keys(subtask: Subtask) -> list[str]:
    """The questions an item of this subtask has, in the order they are asked.

    >>> question_keys(Subtask.SFB)
    ['food1_identity', 'food1_origin', 'background']
    """
    keys = [f"food{slot}_{part}" for slot in range(1, subtask.foods + 1) for part in ("identity", "origin")]
    return [*keys, "background"] if subtask.has_background else keys


class Counted(NamedTuple):
    """The judgments a decision rests on, in the order of their slots: those since the item was last sent back.

    `before` is how many slots were judged earlier. `given` {question: {account: answer}}; a judgment may have been
    asked a part of the questions.
    """

    before: int
    judgments: Sequence[uuid.UUID]
    given: Mapping[str, Mapping[str, str]]

    @property
    def tallies(self) -> dict[str, dict[str, int]]:
        return {
            question: {answer: list(votes.values()).count(answer) for answer in ANSWERS}
            for question, votes in self.given.items()
        }


def counted(session: Session, item: Item) -> Counted:
    """The votes of an item that the caller has locked."""
    rows = session.execute(_VOTES, {"item": item.id}).all()
    return Counted(
        rows[0].before if rows else slots_before(session, item),
        [row.id for row in rows],
        {
            question: {str(row.account_id): row.answers[question]["answer"] for row in rows if question in row.answers}
            for question in question_keys(item.subtask)
        },
    )


def slots_before(session: Session, item: Item) -> int:
    """How many slots were judged before the item was last sent back; 0 for one that never was."""
    slots: int = session.execute(sa.text(_BEFORE), {"item": item.id}).scalar_one()
    return slots


def latest_decision(session: Session, item: Item) -> Decision | None:
    return session.exec(
        select(Decision).where(Decision.item_id == item.id).order_by(col(Decision.id).desc()).limit(1)
    ).first()


def in_force(session: Session, decision: Decision) -> Decision:
    """The decision itself, or the one it brought back."""
    if decision.method is Method.UNDO:
        return session.get_one(Decision, decision.detail["restores"])
    return decision


def rule_answers(detail: Mapping[str, Any]) -> dict[str, str | None]:
    """What a rule made of each question, from its decision's detail: yes, no, or what it left open.

    >>> rule_answers({"threshold": 0.95, "posteriors": {"food1_identity": 0.99, "food1_origin": 0.5}})
    {'food1_identity': 'yes', 'food1_origin': None}
    """
    if "posteriors" in detail:
        threshold = detail["threshold"]
        return {
            key: "yes" if share >= threshold else "no" if share <= 1 - threshold else None
            for key, share in detail["posteriors"].items()
        }
    return dict(detail.get("majorities", {}))


def decided_answers(outcome: Status, said: Mapping[str, Any], keys: Sequence[str]) -> dict[str, str]:
    """What a decision says on each of an item's questions, where it says yes or no. `said` is what an adjudicator
    answered, or what the rule made of each (`rule_answers`).

    >>> split = {"food1_identity": "no", "food1_origin": None}
    >>> decided_answers(Status.REJECTED, split, list(split))
    {'food1_identity': 'no'}
    >>> decided_answers(Status.APPROVED, {}, list(split))
    {'food1_identity': 'yes', 'food1_origin': 'yes'}
    """
    if outcome is Status.APPROVED:
        return dict.fromkeys(keys, "yes")
    return {key: said[key] for key in keys if said.get(key) in SURE}


def keep_rule(
    session: Session,
    item: Item,
    policy_id: int,
    outcome: Status,
    *,
    rule: str,
    detail: Mapping[str, Any],
    posterior: float | None = None,
) -> int:
    """`keep` for what a rule came to. Where that contradicts what is known of the item, either the votes or the known
    answer are wrong, and a person has to say which: it is disputed, and `detail["known_otherwise"]` has the rule's
    "outcome" and the "answers" {question: what is known} that it contradicts.

    Every item is asked about, so that none takes longer for being gold.
    """
    keys, known = question_keys(item.subtask), known_answers(session, item)
    wrong = known_otherwise(known, keys, outcome, decided_answers(outcome, rule_answers(detail), keys))
    if wrong:
        detail = {
            **detail,
            "known_otherwise": {"outcome": outcome.value, "answers": {key: known[key] for key in wrong}},
        }
        outcome = Status.DISPUTED
    return keep(
        session, item, policy_id, outcome, method=Method.RULE, rule=rule, detail=detail, posterior=posterior
    )  # fmt: skip


def keep(
    session: Session,
    item: Item,
    policy_id: int,
    outcome: Status,
    *,
    method: Method,
    rule: str,
    detail: Mapping[str, Any],
    posterior: float | None = None,
) -> int:
    """Adds to the decision log and gives the item, locked by the caller, its new status. The decision's id."""
    decision: int = session.execute(
        _DECIDE,
        {
            "item": item.id, "policy": policy_id, "outcome": outcome, "method": method, "rule": rule,
            "posterior": posterior, "detail": json.dumps(detail), "now": now(),
            "decided": None if outcome is Status.PENDING else now(),
        },
    ).scalar_one()  # fmt: skip
    session.expire(item)
    return decision


# Slots up to this one were judged before the item was sent back, if it was; an item only ever wants more.
_BEFORE = """
    SELECT coalesce(max(CAST(detail ->> 'slots_before' AS integer)), 0) AS slots
    FROM decision WHERE item_id = :item AND method = 'recheck'
"""

_VOTES = sa.text(
    f"""
    WITH before AS ({_BEFORE})
    SELECT judgment.id, judgment.account_id, judgment.answers, before.slots AS before
    FROM before JOIN claim ON claim.slot > before.slots JOIN judgment ON judgment.id = claim.judgment_id
    WHERE claim.item_id = :item AND claim.state = 'judged'
    ORDER BY claim.slot
    """  # noqa: S608  (nothing in it comes from outside)
)

_DECIDE = sa.text(
    """
    WITH decided AS (
        INSERT INTO decision (item_id, policy_id, outcome, method, rule, posterior, detail, created_at)
        VALUES (:item, :policy, :outcome, :method, :rule, :posterior, CAST(:detail AS jsonb), :now)
        RETURNING id
    )
    UPDATE item SET status = :outcome, decided_at = CAST(:decided AS timestamptz) WHERE id = :item
    RETURNING (SELECT id FROM decided)
    """
)
