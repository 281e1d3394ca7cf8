"""The act of judging: answers checked, kept, and made into a decision once the item has all it wants."""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Account
from app.agreement.rules import ANSWERS
from app.agreement.rules import decide as by_majority
from app.campaigns.models import Campaign, Policy
from app.campaigns.parameters import ADAPTIVE
from app.campaigns.service import current_policy
from app.campaigns.wording import offered
from app.claims import service as claims
from app.claims.models import Claim, ClaimState
from app.db import UNSTORABLE, now
from app.errors import Conflict, Invalid, NotFound, Sentence
from app.items.models import Item, Status, Subtask
from app.judgments import adaptive, audits, decisions
from app.judgments.decisions import question_keys as question_keys
from app.judgments.decisions import slots_before as slots_before
from app.judgments.freezing import TEST_IS_FROZEN
from app.judgments.models import Judgment

MAX_TEXT = 2000
MAX_ACTIVE_MS = 24 * 3600 * 1000


class AlreadyDecided(Conflict):
    pass


class Submitted(NamedTuple):
    """`status` is "counted" or "surplus"; `is_new` is False for the same answers sent again."""

    judgment_id: uuid.UUID
    status: str
    is_new: bool


class Answers(NamedTuple):
    """What an annotator sends. `answers`: {question: {"answer", "reasons", "correction"}}."""

    answers: Mapping[str, Mapping[str, Any]]
    active_ms: int = 0
    note: str | None = None
    language: str = "en"


def asked_of(subtask: Subtask, questions: Sequence[str] | None) -> list[str]:
    """The questions a claim asks, in their order: `questions`, or all where that is None.

    >>> asked_of(Subtask.SFB, ["background", "food1_identity"])
    ['food1_identity', 'background']
    """
    return [key for key in question_keys(subtask) if questions is None or key in questions]


def checked(policy: Policy, subtask: Subtask, sent: Answers, questions: Sequence[str] | None = None) -> Answers:
    """The answers to what was asked (see `asked_of`) in one fixed form.

    Raises Invalid with a message per question when any can't be taken.
    """
    faults: dict[str, str] = {}
    clean: dict[str, dict[str, Any]] = {}
    asked = asked_of(subtask, questions)
    for key in sorted(sent.answers.keys() - set(asked)):
        if key in question_keys(subtask):
            faults[f"answers.{key}"] = Sentence(
                "This question is not asked of you here; please answer {asked} only.", asked=", ".join(asked)
            )
        else:
            faults[f"answers.{key}"] = Sentence(
                "This {subtask} item has no such question; it has {asked}.",
                subtask=subtask.value, asked=", ".join(asked),
            )  # fmt: skip
    for key in asked:
        try:
            clean[key] = _checked_answer(policy, key, sent.answers.get(key))
        except ValueError as fault:
            faults[f"answers.{key}"] = fault.args[0]  # as it is, so that it can be translated
    note = _text(sent.note, "note", faults)
    if not 0 <= sent.active_ms <= MAX_ACTIVE_MS:
        faults["active_ms"] = Sentence("Between 0 and {most} milliseconds, please.", most=MAX_ACTIVE_MS)
    if faults:
        first = next(iter(faults))
        raise Invalid(Sentence("{field}: {fault}", field=first, fault=faults[first]), fields=faults)
    return Answers(clean, sent.active_ms, note, sent.language)


def _checked_answer(policy: Policy, key: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    if given is None or given.get("answer") is None:
        raise ValueError(Sentence("Please answer this question."))
    answer = given["answer"]
    if answer not in ANSWERS:
        raise ValueError(Sentence("The answer is yes, no or unsure."))
    question = next(question for question in policy.questions if question["key"] == key)
    known = set(offered(question))
    reasons = list(dict.fromkeys(given.get("reasons") or ()))
    if answer == "no" and not reasons:
        raise ValueError(Sentence("Please say why not: choose at least one reason."))
    if answer != "no" and reasons:
        raise ValueError(Sentence("Reasons go with “no” only."))
    if unknown := [code for code in reasons if code not in known]:
        raise ValueError(
            Sentence(
                "“{code}” is no reason here; the reasons are {known}.", code=unknown[0], known=", ".join(sorted(known))
            )
        )
    faults: dict[str, str] = {}
    correction = _text(given.get("correction"), "correction", faults)
    if faults:
        raise ValueError(faults["correction"])
    return {"answer": answer, "reasons": reasons, "correction": correction}


def _text(value: str | None, name: str, faults: dict[str, str]) -> str | None:
    text = (value or "").strip()
    if len(text) > MAX_TEXT:
        faults[name] = Sentence("At most {most} characters, please; this has {n}.", most=MAX_TEXT, n=len(text))
    elif UNSTORABLE.search(text):
        faults[name] = Sentence("This text holds characters that can't be stored; please type it again.")
    return text or None


def fingerprint(answers: Answers) -> str:
    """The same answers, sent again, have the same one. Time spent is left out: a resend may carry another."""
    body = json.dumps([answers.answers, answers.note], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(body.encode()).hexdigest()


def submit(session: Session, account: Account, claim_id: uuid.UUID, sent: Answers) -> Submitted:
    """Keeps an annotator's answers on the item they hold.

    Counted while the item has room for them, also after the lease ran out; kept as surplus when it has none. The
    same answers again change nothing. Other answers are a new revision while the item is undecided; after that
    AlreadyDecided is raised. Those on a test claim count too, as far as anybody can tell, and decide nothing.
    """
    claim, item, policy = claims.lock(session, account, claim_id)
    answers = checked(policy, item.subtask, sent, claim.questions)
    body_sha256 = fingerprint(answers)
    revision, judged, ended_at = 1, item.judged, claim.ended_at
    seat = claims.Seat(claim.slot, item.held, item.reserved, claim.is_insider, _is_surplus(claim))
    if claim.state is ClaimState.JUDGED:
        latest = session.get_one(Judgment, claim.judgment_id)
        if latest.body_sha256 == body_sha256:
            return Submitted(latest.id, "surplus" if seat.is_surplus else "counted", is_new=False)
        if is_frozen(session, claim, item):
            raise AlreadyDecided(
                Sentence("This item has been decided since, so your answers on it can't change any more.")
            )
        revision = latest.revision + 1
    else:
        seat = claims.seat(session, claim, item)
        judged += seat.slot is not None
        ended_at = now()
    judgment_id = uuid.uuid4()
    session.execute(
        _KEEP,
        {
            "id": judgment_id, "claim": claim.id, "item": item.id, "account": account.id, "policy": policy.id,
            "revision": revision, "answers": json.dumps(answers.answers), "note": answers.note,
            "active_ms": answers.active_ms, "language": answers.language, "body_sha256": body_sha256, "now": now(),
            "slot": seat.slot, "is_insider": seat.is_insider, "ended_at": ended_at,
            "held": seat.held, "reserved": seat.reserved, "judged": judged,
            "reason": claims.TOLD_SURPLUS if claim.is_test and seat.is_surplus else None,
        },
    )  # fmt: skip
    session.expire(claim)
    session.expire(item, ["held", "reserved", "judged"])
    if revision == 1 and seat.slot is not None and judged == item.wanted and item.status is Status.PENDING:
        apply_rule(session, item, _in_force(session, item, policy))
    return Submitted(judgment_id, "surplus" if seat.is_surplus else "counted", is_new=True)


def _in_force(session: Session, item: Item, policy: Policy) -> Policy:
    """The policy that decides: the campaign's present one, where the claim was made under another."""
    campaign = session.get_one(Campaign, item.campaign_id, populate_existing=True)
    return policy if policy.version == campaign.policy_version else current_policy(session, campaign)


def latest_judgment(session: Session, claim: Claim) -> Judgment:
    """Raises NotFound while the claim has no judgment."""
    if claim.judgment_id is None:
        raise NotFound(Sentence("You have not judged this item yet."))
    return session.get_one(Judgment, claim.judgment_id)


def _is_surplus(claim: Claim) -> bool:
    """Whether the annotator of a judged claim is told that the answer doesn't count."""
    return claim.reason == claims.TOLD_SURPLUS if claim.is_test else claim.slot is None


# One statement instead of three: what the database is asked how often is most of what a judgment costs.
_KEEP = sa.text(
    """
    WITH kept AS (
        INSERT INTO judgment (id, claim_id, item_id, account_id, policy_id, revision, answers, note, active_ms,
                              language, body_sha256, created_at)
        VALUES (:id, :claim, :item, :account, :policy, :revision, CAST(:answers AS jsonb), :note, :active_ms,
                :language, :body_sha256, :now)
    ),
    closed AS (
        UPDATE claim SET state = 'judged', judgment_id = :id, slot = CAST(:slot AS smallint), is_insider = :is_insider,
                         ended_at = :ended_at, reason = CAST(:reason AS text)
        WHERE id = :claim
    )
    UPDATE item SET held = :held, reserved = :reserved, judged = :judged WHERE id = :item
    """
)


def is_frozen(session: Session, claim: Claim, item: Item) -> bool:
    """Whether a judged claim's answers can't change any more: its item was decided since, or sent back to others.

    A test freezes as ordinary items do (`freezing`): an answer that could be changed for ever, or never, would tell it
    apart. Either way the database is asked once.
    """
    if claim.is_test:
        return bool(session.execute(_TEST_IS_FROZEN, {"claim": claim.id}).scalar_one())
    return _is_of_before(session, item, claim.slot) or item.status is not Status.PENDING


def _is_of_before(session: Session, item: Item, slot: int | None) -> bool:
    """Whether a judgment is from before the item was sent back. A surplus one of such an item counts as that too."""
    before = slots_before(session, item)
    return before > 0 and (slot is None or slot <= before)


_TEST_IS_FROZEN = sa.text(f"SELECT {TEST_IS_FROZEN} FROM claim WHERE claim.id = :claim")  # noqa: S608


def apply_rule(session: Session, item: Item, policy: Policy) -> None:
    """Decides an item, locked by the caller, that has all the judgments it wants, or asks for one more.

    One that was sent back is decided on the judgments since then: the earlier ones led to what is in doubt. Some of
    what is approved goes to fresh annotators at once.
    """
    decide = adaptive.apply if policy.rule == ADAPTIVE else _decide_by_majority
    decision = decide(session, item, policy)
    if decision is not None:
        audits.draw(session, item, policy, decision)


def _decide_by_majority(session: Session, item: Item, policy: Policy) -> int:
    votes = decisions.counted(session, item)
    given = {question: list(answers.values()) for question, answers in votes.given.items()}
    # Where an earlier policy asked only some questions again, the others have fewer answers than the item judgments.
    needed = max(1, min(item.wanted - votes.before, *map(len, given.values())))
    verdict = by_majority(given, needed=needed)
    outcome = Status.DISPUTED if verdict.outcome == "pending" else Status(verdict.outcome)  # a question nobody answered
    assert policy.id is not None
    return decisions.keep_rule(
        session, item, policy.id, outcome,
        rule=verdict.rule,
        detail=verdict.as_json() | {"judgments": [str(id_) for id_ in votes.judgments]},
    )  # fmt: skip
