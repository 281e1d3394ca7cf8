"""Making an item gold, withdrawing it, and keeping it for training or for a test. All of it is in the audit log."""

import json
import uuid
from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, select

from app.accounts.models import Account
from app.accounts.service import clean_text, record
from app.campaigns.models import Policy
from app.db import now
from app.errors import Conflict, Invalid
from app.gold import exams
from app.gold.scores import QUESTION_NAMES
from app.items import queries as items
from app.items.models import Gold, Hold, Item, Status
from app.judgments.decisions import (
    SURE,
    counted,
    decided_answers,
    in_force,
    latest_decision,
    question_keys,
    rule_answers,
)
from app.judgments.known import known_answers, known_otherwise
from app.judgments.models import Decision

EXAM_HOLDS: Final = (Hold.TRAINING, Hold.TEST)
USES: Final = {"": None, Hold.TRAINING.value: Hold.TRAINING, Hold.TEST.value: Hold.TEST}
"""What a gold item is for, as forms say it: mixed in among the others, or an exam."""


class NoGoldMaterial(Conflict):
    """An item that can't be gold, or not in this way."""


class KnownOtherwise(Conflict):
    title = "Another answer is known"


def checked_note(text: str) -> str:
    """A reason somebody gives. Raises Invalid."""
    return clean_text(text, wanted="Say why, in a sentence: it stays in the log.")


def gold_of(session: Session, item: Item) -> Mapping[str, Gold]:
    """{question: what is known}, withdrawn answers included."""
    return {row.question: row for row in session.exec(select(Gold).where(Gold.item_id == item.id))}


def refuse_contradiction(session: Session, item: Item, outcome: Status, answers: Mapping[str, str]) -> None:
    """A decision may not say otherwise than gold that people are scored by. `answers` {question: answer} may be empty:
    approved then says yes to all, rejected no to at least one. Raises KnownOtherwise."""
    known = known_answers(session, item)
    wrong = known_otherwise(known, question_keys(item.subtask), outcome, answers)
    if wrong:
        raise KnownOtherwise(
            f"{item.key} is gold, and people are scored by “{known[wrong[0]]}” to “{QUESTION_NAMES[wrong[0]]}”: "
            "withdraw it or correct what is known first, under “Pool and gold”, or settle it as is known."
        )


def suggested(session: Session, item: Item) -> Mapping[str, str]:
    """{question: answer} as the item was decided; what nothing speaks for is left out.

    The decision in force speaks first: an approved item's claims all hold; of a rejected one it is what an adjudicator
    answered or the rule made of each question. The counted votes speak only where it is silent.
    """
    keys = question_keys(item.subtask)
    if item.status is Status.APPROVED:
        return dict.fromkeys(keys, "yes")
    decided = _decided(session, item)
    by_majority = {
        key: answer
        for key, tally in counted(session, item).tallies.items()
        for answer in SURE
        if 2 * tally[answer] > sum(tally.values())
    }
    found = {key: said for key in keys if (said := decided.get(key) or by_majority.get(key))}
    is_overruled = item.status is Status.REJECTED and len(found) == len(keys) and "no" not in found.values()
    return decided if is_overruled else found


# Adjudication stands above this room, so its table is asked by name.
_ADJUDICATED = sa.text("SELECT answers FROM adjudication WHERE decision_id = :decision")


def _adjudicated(session: Session, decision: Decision) -> Mapping[str, str]:
    """{question: answer} of the person who decided; empty where the rule did, or they didn't say."""
    return session.execute(_ADJUDICATED, {"decision": decision.id}).scalar_one_or_none() or {}


def _decided(session: Session, item: Item) -> dict[str, str]:
    """{question: "yes" | "no"} as far as the decision in force says."""
    latest = latest_decision(session, item)
    if latest is None:
        return {}
    decision = in_force(session, latest)
    said = _adjudicated(session, decision) or rule_answers(decision.detail)
    return decided_answers(decision.outcome, said, question_keys(item.subtask))


def _contradiction(session: Session, item: Item, known: Mapping[str, str]) -> tuple[str, str] | None:
    """The first question on which these answers say otherwise than what was decided, with a sentence about it."""
    keys = question_keys(item.subtask)
    if item.status is Status.APPROVED:
        for key, answer in known.items():
            if answer != "yes":
                return key, "The item is approved, so every claim holds; overturn that first if one does not."
    if item.status is Status.REJECTED and all(known.get(key) in ("yes", "unsure") for key in keys):
        return keys[0], "The item is rejected, so a claim does not hold; overturn that first if all do."
    latest = latest_decision(session, item)
    ruled = _adjudicated(session, in_force(session, latest)) if latest else {}
    for key, answer in known.items():
        if ruled.get(key, answer) != answer:
            return key, f"An adjudicator answered “{ruled[key]}” here; settle the item anew first if that is wrong."
    return None


def why_not(session: Session, item: Item, use: Hold | None) -> str | None:
    """Why an item can't be gold for this use, as a sentence; None where it can.

    Mixed in among the others nobody may recognise it: not by its image, nor from an exam that told its answers.
    """
    if item.hold is Hold.CANDIDATES:
        return "It is one of several candidates; choose among them first."
    if use is None:
        if _was_in_an_exam(session, item):
            return "People met it in a training or a test and would recognise it; it can only go on being used there."
        if (twin := _same_image(session, item)) is not None:
            return f"{twin} shows the same image, so that whoever judged that one would recognise it."
        if _is_an_example(session, item):
            return "The guidelines show its image as an example with the answer."
    return None


_IN_AN_EXAM = sa.text("SELECT EXISTS (SELECT 1 FROM exam WHERE campaign_id = :campaign AND :item = ANY(items))")


def _was_in_an_exam(session: Session, item: Item) -> bool:
    scope = {"campaign": item.campaign_id, "item": str(item.id)}
    return bool(session.execute(_IN_AN_EXAM, scope).scalar_one())


def _same_image(session: Session, item: Item) -> str | None:
    return session.exec(
        select(Item.key).where(
            Item.image_sha256 == item.image_sha256, Item.campaign_id == item.campaign_id, Item.id != item.id
        )
    ).first()


def _is_an_example(session: Session, item: Item) -> bool:
    questions = session.exec(select(Policy.questions).where(Policy.campaign_id == item.campaign_id)).all()
    return any(item.image_sha256 in json.dumps(worded) or str(item.id) in json.dumps(worded) for worded in questions)


def promote(
    session: Session, account: Account, item_id: uuid.UUID, answers: Mapping[str, str], note: str, use: str = ""
) -> Item:
    """Makes a decided item gold, or says anew what is known of a gold one; `use` is one of USES.

    `answers` is {question: "yes", "no" or "" for not known}. Raises NoGoldMaterial for an item that can't be gold, and
    Invalid for answers that don't fit its decision or an adjudicator's answers.
    """
    item = _locked(session, account, item_id)
    before = gold_of(session, item)
    if item.status not in (Status.APPROVED, Status.REJECTED) and not before:
        raise NoGoldMaterial("Only an item that is approved or rejected can become gold; settle this one first.")
    hold = _checked_use(session, item, use)
    known = _checked_answers(session, item, answers)
    reason = checked_note(note)
    earlier = {key: row.answer for key, row in before.items() if row.withdrawn_at is None}
    for key, answer in known.items():
        row = before.get(key) or Gold(item_id=item.id, question=key, answer=answer, created_by=account.id)
        row.answer, row.withdrawn_at = answer, None
        session.add(row)
    for key, old in before.items():
        if key not in known and old.withdrawn_at is None:
            old.withdrawn_at = now()
            session.add(old)
    _set_hold(item, hold)
    session.add(item)
    session.flush()
    exams.rescore(session, item)
    record(
        session, account, "gold.changed" if before else "gold.promoted", "item", item_id,
        answers=known, before=earlier, use=use, note=reason,
    )  # fmt: skip
    return item


def withdraw(session: Session, account: Account, item_id: uuid.UUID, note: str) -> Item:
    """Its answers are no longer known: every score follows, and it is no longer given to see how people judge.

    An item kept for training or a test goes back to the others. Twice is no error.
    """
    item = _locked(session, account, item_id)
    reason = checked_note(note)
    live = [row for row in gold_of(session, item).values() if row.withdrawn_at is None]
    if not live:
        return item
    at = now()
    for row in live:
        row.withdrawn_at = at
    if item.hold in EXAM_HOLDS:
        item.hold = None
    session.add_all([*live, item])
    session.flush()
    exams.rescore(session, item)
    record(session, account, "gold.withdrawn", "item", item.id, questions=[row.question for row in live], note=reason)
    return item


def restore(session: Session, account: Account, item_id: uuid.UUID, note: str) -> Item:
    """Takes the last withdrawal back. Raises NoGoldMaterial where people would recognise it by now, or where another
    answer was decided since."""
    item = _locked(session, account, item_id)
    reason = checked_note(note)
    rows = list(gold_of(session, item).values())
    if not rows or any(row.withdrawn_at is None for row in rows):
        return item
    if fault := why_not(session, item, None):
        raise NoGoldMaterial(f"This item can't be mixed in again. {fault}")
    last = max(row.withdrawn_at for row in rows if row.withdrawn_at is not None)
    back = [row for row in rows if row.withdrawn_at == last]
    if (found := _contradiction(session, item, {row.question: row.answer for row in back})) is not None:
        raise NoGoldMaterial(f"Its answer to “{QUESTION_NAMES[found[0]]}” can't come back. {found[1]}")
    for row in back:
        row.withdrawn_at = None
    session.add_all(back)
    session.flush()
    exams.rescore(session, item)
    record(session, account, "gold.restored", "item", item.id, questions=[row.question for row in back], note=reason)
    return item


def move(session: Session, account: Account, item_id: uuid.UUID, use: str) -> Item:
    """Keeps a live gold item for training or for a test, or mixes it in again."""
    item = _locked(session, account, item_id)
    if not any(row.withdrawn_at is None for row in gold_of(session, item).values()):
        raise NoGoldMaterial("Nothing is known of this item; make it gold first.")
    hold = _checked_use(session, item, use)
    before = item.hold
    _set_hold(item, hold)
    if item.hold is not before:
        session.add(item)
        session.flush()
        record(session, account, "gold.moved", "item", item.id, use=use, before=before.value if before else "")
    return item


def _set_hold(item: Item, hold: Hold | None) -> None:
    if hold is not None or item.hold in EXAM_HOLDS:
        item.hold = hold


def _locked(session: Session, account: Account, item_id: uuid.UUID) -> Item:
    items.get_for(session, account, item_id)
    return session.exec(
        select(Item).where(Item.id == item_id).with_for_update(key_share=True).execution_options(populate_existing=True)
    ).one()


def _checked_use(session: Session, item: Item, use: str) -> Hold | None:
    if use not in USES:
        raise Invalid("Choose what it is for.", fields={"use": "Mixed in, for training or for a test."})
    hold = USES[use]
    if hold is Hold.TEST and item.hold is Hold.TRAINING and _was_in_an_exam(session, item):
        raise NoGoldMaterial("People were told its answers in training, so it tests nobody any more.")
    if fault := why_not(session, item, hold):
        raise NoGoldMaterial(f"This item can't be gold. {fault}" if hold is None else f"It can't be kept. {fault}")
    return hold


def _checked_answers(session: Session, item: Item, answers: Mapping[str, str]) -> dict[str, str]:
    faults: dict[str, str] = {}
    for key, answer in answers.items():
        if key not in question_keys(item.subtask):
            faults[f"answer.{key}"] = "This item has no such question."
        elif answer not in ("yes", "no", "unsure", ""):
            faults[f"answer.{key}"] = "Yes, no, or not known."
    known = {key: answers[key] for key in question_keys(item.subtask) if answers.get(key)}
    if not faults and not known:
        faults[f"answer.{question_keys(item.subtask)[0]}"] = "Say what is known about at least one question."
    elif not faults and (found := _contradiction(session, item, known)) is not None:
        faults[f"answer.{found[0]}"] = found[1]
    if faults:
        raise Invalid(next(iter(faults.values())), fields=faults)
    return known
