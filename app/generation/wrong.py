"""What was wrong with a rejected image: reasons with their votes, corrections, notes, and an adjudicator's word."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.tallies import QUESTIONS
from app.campaigns.models import Campaign, Policy
from app.campaigns.service import current_policy


class Fault(NamedTuple):
    """One reason given for a no. `votes` are counted judgments; `by_adjudicator`: whoever settled the item gave it."""

    question: str
    code: str
    text: str
    votes: int
    by_adjudicator: bool


class Correction(NamedTuple):
    """What annotators say is there instead."""

    question: str
    text: str
    votes: int


class Wrong(NamedTuple):
    """`judgments` is how many were counted; `noes` {question: how many said no}. `settled` are the questions an
    adjudicator answered no."""

    judgments: int = 0
    noes: Mapping[str, int] = {}
    faults: Sequence[Fault] = ()
    corrections: Sequence[Correction] = ()
    notes: Sequence[str] = ()
    settled: Sequence[str] = ()

    @property
    def reasons(self) -> dict[str, set[str]]:
        """{question: the reasons that count}: an adjudicator's where there is one's word, who may also have said yes;
        else those of at least half as many as the most frequent one has."""
        questions = dict.fromkeys(fault.question for fault in self.faults)
        if self.settled:
            questions = {question: None for question in questions if question in self.settled}
        return {question: self._codes(question) for question in questions}

    def _codes(self, question: str) -> set[str]:
        own = [fault for fault in self.faults if fault.question == question]
        if settled := {fault.code for fault in own if fault.by_adjudicator}:
            return settled
        most = max((fault.votes for fault in own), default=0)
        return {fault.code for fault in own if 2 * fault.votes >= most}


# Without judgments from before the item was sent back: `decisions.slots_before`, for many items at once.
_VOTES: Final = sa.text(
    """
    SELECT claim.item_id, judgment.policy_id, judgment.answers, judgment.note
    FROM claim JOIN judgment ON judgment.id = claim.judgment_id
    LEFT JOIN LATERAL (
        SELECT max((detail ->> 'slots_before')::int) AS slots FROM decision
        WHERE decision.item_id = claim.item_id AND method = 'recheck'
    ) AS before ON true
    WHERE claim.item_id = ANY(:items) AND claim.state = 'judged' AND claim.slot > coalesce(before.slots, 0)
    ORDER BY claim.item_id, claim.slot
    """
)

# The newest decision, where a person made it, with what they said.
_SETTLED: Final = sa.text(
    """
    SELECT latest.item_id, latest.policy_id, latest.detail, adjudication.answers, adjudication.note
    FROM (SELECT DISTINCT ON (item_id) id, item_id, policy_id, detail FROM decision
          WHERE item_id = ANY(:items) ORDER BY item_id, id DESC) AS latest
    JOIN adjudication ON adjudication.decision_id = latest.id
    """
)


def wrong_of(session: Session, item_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Wrong]:
    """Of each of these items, in a handful of queries however many they are."""
    words = _Words(session)
    votes: dict[uuid.UUID, list[Any]] = defaultdict(list)
    for row in session.execute(_VOTES, {"items": list(item_ids)}):
        votes[row.item_id].append(row)
    settled = {row.item_id: row for row in session.execute(_SETTLED, {"items": list(item_ids)})}
    return {item_id: _wrong(votes[item_id], settled.get(item_id), words) for item_id in item_ids}


def _wrong(votes: Sequence[Any], settled: Any, words: "_Words") -> Wrong:
    noes: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    corrections: Counter[tuple[str, str]] = Counter()
    text: dict[tuple[str, str], str] = {}
    notes = []
    for vote in votes:
        for question, given in vote.answers.items():
            if given["answer"] != "no":
                continue
            noes[question] += 1
            for code in given["reasons"]:
                reasons[question, code] += 1
                text[question, code] = words.of(vote.policy_id, question, code)
            if correction := " ".join((given.get("correction") or "").split()):
                corrections[question, correction] += 1
        if vote.note:
            notes.append(vote.note)
    said: set[tuple[str, str]] = set()
    refused: list[str] = []
    if settled is not None:
        refused = [key for key, answer in settled.answers.items() if answer == "no"]
        for question, codes in settled.detail.get("reasons", {}).items():
            for code in codes:
                said.add((question, code))
                text[question, code] = words.of(settled.policy_id, question, code)
        if settled.note:
            notes.append(settled.note)
    return Wrong(
        len(votes),
        dict(sorted(noes.items(), key=lambda entry: _place(entry[0]))),
        [
            Fault(question, code, text[question, code], reasons[question, code], (question, code) in said)
            for question, code in sorted(
                said | reasons.keys(), key=lambda name: (_place(name[0]), name not in said, -reasons[name], name[1])
            )
        ],
        [
            Correction(question, words_, n)
            for (question, words_), n in sorted(
                corrections.items(), key=lambda entry: (_place(entry[0][0]), -entry[1], entry[0][1])
            )
        ],
        notes,
        sorted(refused, key=_place),
    )


def _place(question: str) -> int:
    return QUESTIONS.index(question) if question in QUESTIONS else len(QUESTIONS)


class _Words:
    """Reasons as they read in the policy they were given under."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[int, dict[tuple[str, str], str]] = {}

    def of(self, policy_id: int, question: str, code: str) -> str:
        if policy_id not in self._known:
            policy = self._session.get_one(Policy, policy_id)
            self._known[policy_id] = reason_words(policy)
        return self._known[policy_id].get((question, code), code)


def reason_words(policy: Policy) -> dict[tuple[str, str], str]:
    return {
        (question["key"], reason["code"]): reason["text"]
        for question in policy.questions
        for reason in question["reasons"]
    }


def reason_choices(session: Session, campaign: Campaign) -> list[tuple[str, str]]:
    """("question code", words) of the reasons that this campaign's items of today could have been refused for."""
    words = reason_words(current_policy(session, campaign))
    return [
        (f"{question} {code}", f"{SHORT.get(question, question)}: {text}")
        for (question, code), text in sorted(words.items(), key=lambda entry: (_place(entry[0][0]), entry[1]))
    ]


SHORT: Final = dict(
    zip(
        QUESTIONS,
        ("First dish", "Origin of the first dish", "Second dish", "Origin of the second dish", "Background"),
        strict=True,
    )
)
"""The questions in a word or two."""
