"""What stands about an item: its newest decision, what that says question by question, and what the votes say."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, select

from app.adjudication.models import Adjudication
from app.agreement.rules import ANSWERS
from app.items.models import Item, Status
from app.judgments.decisions import (
    SURE,
    decided_answers,
    in_force,
    latest_decision,
    question_keys,
    rule_answers,
    slots_before,
)
from app.judgments.models import Decision

FINAL = (Status.APPROVED, Status.REJECTED)


class Standing(NamedTuple):
    """`decision` is the one that holds: where an adjudication was taken back, the one before it; `adjudication` is its,
    where a person made it. `answers` are {question: "yes" | "no"} as far as the decision says."""

    decision: Decision
    adjudication: Adjudication | None
    answers: Mapping[str, str]


def standing(session: Session, item: Item) -> Standing | None:
    """What holds now; None before the first decision."""
    latest = latest_decision(session, item)
    if latest is None:
        return None
    decision = in_force(session, latest)
    adjudication = session.exec(select(Adjudication).where(Adjudication.decision_id == decision.id)).first()
    said = adjudication.answers if adjudication else rule_answers(decision.detail)
    return Standing(decision, adjudication, decided_answers(decision.outcome, said, question_keys(item.subtask)))


def contradicted(outcome: Status, decided: Mapping[str, str], answers: Mapping[str, Any]) -> list[str]:
    """The questions on which a final decision went against somebody's answers.

    `decided` is what the decision says (`Standing.answers`), `answers` a judgment's. A rejection that doesn't say
    which claim is wrong goes against whoever said yes to all of them. "unsure" is contradicted by nothing.

    >>> yes, no = {"answer": "yes"}, {"answer": "no"}
    >>> contradicted(Status.REJECTED, {"food1_identity": "no"}, {"food1_identity": yes, "food1_origin": no})
    ['food1_identity']
    >>> contradicted(Status.REJECTED, {}, {"food1_identity": yes, "food1_origin": no})
    []
    """
    if outcome not in FINAL:
        return []
    given = {key: answer["answer"] for key, answer in answers.items()}
    if outcome is Status.REJECTED and "no" not in decided.values():
        return list(given) if set(given.values()) == {"yes"} else []
    against = {"yes": "no", "no": "yes"}
    return [key for key, answer in given.items() if answer in against and decided.get(key) == against[answer]]


_VOTES = sa.text(
    """
    SELECT judgment.id, judgment.answers FROM claim JOIN judgment ON judgment.id = claim.judgment_id
    WHERE claim.item_id = :item AND claim.state = 'judged' AND claim.slot > :before ORDER BY claim.slot
    """
)


class CountedVote(NamedTuple):
    """`answers` is {question: {"answer", "reasons", "correction"}}."""

    judgment_id: Any
    answers: Mapping[str, Any]


def counted_votes(session: Session, item: Item, *, since_sent_back: bool = True) -> list[CountedVote]:
    """The counted judgments in the order of their slots; without those from before the item was sent back."""
    before = slots_before(session, item) if since_sent_back else 0
    return [CountedVote(*row) for row in session.execute(_VOTES, {"item": item.id, "before": before})]


def majorities(votes: Sequence[CountedVote], keys: Sequence[str]) -> dict[str, str]:
    """What more than half of those who were asked answered, where it is a yes or a no."""
    found: dict[str, str] = {}
    for key in keys:
        given = [vote.answers[key]["answer"] for vote in votes if key in vote.answers]
        for answer in SURE:
            if 2 * given.count(answer) > len(given):
                found[key] = answer
    return found


def tallies(votes: Sequence[CountedVote], keys: Sequence[str]) -> dict[str, dict[str, int]]:
    """{question: {"yes", "no", "unsure": how many}}."""
    return {
        key: {answer: sum(vote.answers.get(key, {}).get("answer") == answer for vote in votes) for answer in ANSWERS}
        for key in keys
    }
