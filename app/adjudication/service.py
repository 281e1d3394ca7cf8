"""Settling what the annotators could not: an admin's decision on an item, with the reason for it."""

import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.accounts.service import clean_text, record
from app.adjudication.models import Adjudication, Appeal, AppealOutcome
from app.adjudication.rulings import (
    WHY,
    Ruling,
    checked_outcome,
    checked_ruling,
    outcome_of,
    why_a_note,
)
from app.adjudication.standing import (
    FINAL,
    Standing,
    contradicted,
    counted_votes,
    majorities,
    standing,
)
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims.models import Claim, ClaimState
from app.db import now
from app.errors import Conflict, Forbidden, Invalid
from app.gold import service as gold
from app.items import queries as items
from app.items.cards import card_facts
from app.items.models import Item, Status
from app.judgments.cards import questions
from app.judgments.decisions import latest_decision
from app.judgments.models import Decision, Judgment, Method
from app.judgments.service import question_keys

RULE = "adjudication/1"
"""An admin said what becomes of the item."""
RULE_BY_QUESTION = "adjudication/2"
"""An admin answered each question: any no rejects, yes on every question approves."""


class NotDecidedYet(Conflict):
    """Its annotators are still judging it."""


class OwnJudgment(Forbidden):
    title = "You judged this item yourself"


class SettledSince(Conflict):
    """Somebody settled it after the page was read."""


def settle(
    session: Session,
    account: Account,
    item_id: uuid.UUID,
    outcome: str,
    note: str,
    *,
    seen: int | None = None,
    ruling: Ruling | None = None,
) -> Adjudication:
    """An admin decides an item. Nothing earlier is touched: the decision log grows by one.

    Either `outcome` says what becomes of it, and the note why; or `ruling` answers each question, the outcome follows
    (`rulings.outcome_of`), and a note is needed only where `rulings.why_a_note` asks for one. Open appeals against the
    decision that is replaced are answered with the note.

    `seen` is the id of the newest decision the admin had before their eyes; if there is a newer one, SettledSince is
    raised, unless it is this very settlement sent twice. Raises NotDecidedYet for a pending item, OwnJudgment for
    one the admin judged, gold.KnownOtherwise for one of which something else is known, and Invalid.
    """
    item = locked(session, account, item_id)
    if item.status is Status.PENDING:
        raise NotDecidedYet("Its annotators are still judging this item; it can be settled once a rule has decided it.")
    refuse_own(session, account, item)
    policy = campaigns.current_policy(session, session.get_one(Campaign, item.campaign_id))
    keys = question_keys(item.subtask)
    votes = counted_votes(session, item, since_sent_back=False)
    if ruling is None:
        chosen, said = checked_outcome(outcome), Ruling({}, {})
        reason = clean_text(note, wanted=WHY)
    else:
        said = checked_ruling(ruling, questions(policy, card_facts(session, [item.id])[item.id]), outcome)
        chosen = outcome_of(said.answers)
        reason = clean_text(note)
    before = standing(session, item)
    latest = latest_decision(session, item)
    if seen is not None and latest is not None and latest.id != seen:
        if (mine := _same_again(session, account, latest, chosen, said, reason)) is not None:
            return mine
        raise SettledSince("Somebody settled this item while you were looking; look at their note, then decide again.")
    gold.refuse_contradiction(session, item, chosen, said.answers)
    by_majority = majorities(counted_votes(session, item), keys)
    asked_why = why_a_note(
        said.answers, chosen, by_majority, item.status, by_person=bool(before and before.adjudication)
    )
    appeals = _answered_by_it(session, item, chosen, said)
    if appeals and not _changes(before, chosen, said):
        raise Invalid(
            "This says the same as the decision that is appealed against; to keep to it, uphold it with a reply."
        )
    if item.status in FINAL and not appeals and not reason and not _changes(before, chosen, said):
        raise Invalid(
            "This says the same as the decision that stands; change an answer, or say in a note why you confirm it.",
            fields={"note": "Say why you confirm it, or change an answer."},
        )
    clean_text(note, wanted=asked_why or ("Say why: whoever appealed reads it." if appeals else None))
    decision = Decision(
        item_id=item.id,
        policy_id=_id(policy.id),
        outcome=chosen,
        method=Method.ADJUDICATION,
        rule=RULE if ruling is None else RULE_BY_QUESTION,
        detail={
            "before": item.status.value,
            "overrides_decision": latest.id if latest else None,
            "judgments": [str(vote.judgment_id) for vote in votes],
        }
        | _detail(said, by_majority, appeals),
    )
    item.status, item.decided_at = chosen, now()
    session.add_all([decision, item])
    session.flush()
    adjudication = Adjudication(
        item_id=item.id,
        account_id=account.id,
        decision_id=_id(decision.id),
        outcome=chosen,
        answers=dict(said.answers),
        note=reason,
    )
    for appeal in appeals:
        appeal.outcome, appeal.reply = AppealOutcome.OVERTURNED, reason
        appeal.answered_at, appeal.answered_by = now(), account.id
    session.add_all([adjudication, *appeals])
    session.flush()
    record(
        session, account, "item.settled", "item", item.id,
        outcome=chosen.value, before=decision.detail["before"], decision=decision.id,
    )  # fmt: skip
    return adjudication


def locked(session: Session, account: Account, item_id: uuid.UUID) -> Item:
    """The item, locked, for an admin. Raises NotFound."""
    items.get_for(session, account, item_id)
    return session.exec(
        select(Item).where(Item.id == item_id).with_for_update(key_share=True).execution_options(populate_existing=True)
    ).one()


def has_judged(session: Session, account: Account, item: Item) -> bool:
    return (
        session.exec(
            select(Claim.id).where(
                Claim.item_id == item.id, Claim.account_id == account.id, Claim.state == ClaimState.JUDGED
            )
        ).first()
        is not None
    )


def refuse_own(session: Session, account: Account, item: Item) -> None:
    if has_judged(session, account, item):
        raise OwnJudgment("You judged this item as an annotator; somebody else has to settle it.")


def _id(value: int | None) -> int:
    assert value is not None, "flushed rows have their id"
    return value


def _same_again(
    session: Session, account: Account, latest: Decision, outcome: Status, said: Ruling, note: str
) -> Adjudication | None:
    found = session.exec(select(Adjudication).where(Adjudication.decision_id == latest.id)).first()
    sent = (account.id, outcome, said.answers, note)
    if found is None or (found.account_id, found.outcome, found.answers, found.note) != sent:
        return None
    return found if latest.detail.get("reasons", {}) == said.reasons else None


def _answered_by_it(session: Session, item: Item, outcome: Status, said: Ruling) -> list[Appeal]:
    """The open appeals that a settlement answers. While the item is disputed, nothing stands that they are against:
    those whom the new decision agrees with have their way, the others still wait for a reply."""
    found = session.exec(
        select(Appeal, Judgment)
        .join(
            Claim,
            sa.and_(col(Claim.item_id) == col(Appeal.item_id), col(Claim.account_id) == col(Appeal.account_id)),
        )
        .join(Judgment, col(Judgment.id) == col(Claim.judgment_id))
        .where(Appeal.item_id == item.id, col(Appeal.answered_at).is_(None))
        .order_by(col(Appeal.created_at))
    )
    is_final = item.status in FINAL
    decided = said.answers or (dict.fromkeys(question_keys(item.subtask), "yes") if outcome is Status.APPROVED else {})
    return [appeal for appeal, judgment in found if is_final or not contradicted(outcome, decided, judgment.answers)]


def _changes(before: Standing | None, outcome: Status, said: Ruling) -> bool:
    """Whether the outcome is another than before, or the answer to a question the decision had answered."""
    if before is None or before.decision.outcome is not outcome:
        return True
    return any(before.answers.get(key, answer) != answer for key, answer in said.answers.items())


def _detail(said: Ruling, by_majority: dict[str, str], appeals: Sequence[Appeal]) -> dict[str, Any]:
    """What a decision keeps of answers by question: reasons of each no, the majorities overruled, appeals answered."""
    detail: dict[str, Any] = {}
    if said.answers:
        detail["reasons"] = {key: list(codes) for key, codes in said.reasons.items()}
        detail["overrules"] = [key for key, answer in said.answers.items() if by_majority.get(key, answer) != answer]
    if appeals:
        detail["appeals"] = [str(appeal.id) for appeal in appeals]
    return detail
