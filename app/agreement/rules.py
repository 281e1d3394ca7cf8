"""Published decision rules: what a set of votes makes of an item, as data that can be stored and checked again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

ANSWERS = ("yes", "no", "unsure")
FIXED_MAJORITY = "fixed-majority/1"

Outcome = Literal["approved", "rejected", "disputed", "pending"]


class Decision(NamedTuple):
    """What a rule made of an item's votes, with all that is needed to work it out again.

    `tallies` counts the votes per question and answer; `majorities` names the answer more than half of the votes
    gave, or None. `rule` names the rule and its version: a rule that decides differently gets a new one.
    """

    outcome: Outcome
    tallies: dict[str, dict[str, int]]
    majorities: dict[str, str | None]
    needed: int
    rule: str

    def as_json(self) -> dict[str, Any]:
        return self._asdict()


def decide(votes: Mapping[str, Sequence[str]], needed: int) -> Decision:
    """Rule `fixed-majority/1`: with `needed` votes on every question, each is settled by more than half of them.

    `votes` holds the counted answers per question. Fewer than `needed` on any question: pending. A majority of no
    on any question: rejected. A majority of yes on all: approved. Everything else, such as a tie or a majority of
    unsure: disputed, for adjudication. ValueError for an unknown answer, no question, or `needed` below 1.

    >>> decide({"food1_identity": ["yes", "yes", "no"], "background": ["yes", "yes", "yes"]}, needed=3).outcome
    'approved'
    >>> decide({"food1_identity": ["yes", "yes", "yes"], "background": ["no", "unsure", "no"]}, needed=3).outcome
    'rejected'
    >>> decide({"food1_identity": ["yes", "no", "unsure"]}, needed=3).outcome
    'disputed'
    >>> decide({"food1_identity": ["yes", "no"]}, needed=2).outcome
    'disputed'
    >>> decide({"food1_identity": ["no", "no"]}, needed=3).outcome
    'pending'
    >>> decide({"food1_identity": ["yes", "yes", "no"]}, needed=3).tallies
    {'food1_identity': {'yes': 2, 'no': 1, 'unsure': 0}}
    """
    if not votes or needed < 1:
        raise ValueError("a decision takes at least one question and one vote")
    tallies = {question: _tally(answers) for question, answers in votes.items()}
    majorities = {question: _majority(tally) for question, tally in tallies.items()}
    settled = set(majorities.values())
    outcome: Outcome
    if any(len(answers) < needed for answers in votes.values()):
        outcome = "pending"
    elif "no" in settled:
        outcome = "rejected"
    elif settled == {"yes"}:
        outcome = "approved"
    else:
        outcome = "disputed"
    return Decision(outcome, tallies, majorities, needed, FIXED_MAJORITY)


def _tally(answers: Sequence[str]) -> dict[str, int]:
    counted = Counter(answers)
    if unknown := counted.keys() - set(ANSWERS):
        raise ValueError(f"unknown answer {sorted(unknown)[0]!r}: votes are {', '.join(ANSWERS)}")
    return {answer: counted[answer] for answer in ANSWERS}


def _majority(tally: Mapping[str, int]) -> str | None:
    n_votes = sum(tally.values())
    return next((answer for answer, count in tally.items() if 2 * count > n_votes), None)
