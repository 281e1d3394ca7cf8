"""What one item's votes add to a campaign's tables of counts: vote patterns, raters' answers, and pairs of raters.

The tables are sums over items, so a new judgment is the item's old share taken away and its new one added; no other
item is looked at. Whatever the order in which judgments came in, the sums are those of a count from nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import combinations
from typing import Literal, NamedTuple

from app.agreement.rules import ANSWERS

Basis = Literal["first", "all"]
FIRST_JUDGMENTS = 2
"""With adaptive overlap the items that disagree get more judgments, which bends every figure: the first two of each
item are a fair sample whatever the rule."""

QUESTIONS = ("food1_identity", "food1_origin", "food2_identity", "food2_origin", "background")
NOT_ASKED = "-"
LETTERS = {answer[0]: answer for answer in ANSWERS}


class Vote(NamedTuple):
    """A counted judgment: a letter a question in the order of QUESTIONS, `-` where the item has no such question.

    `answers` are the first letters of yes, no and unsure; `knows` is 1 where the rater knows the country that the
    question is about, else 0. `day` is the day it was given, UTC's.
    """

    rater: str
    answers: str
    knows: str
    day: date


class ItemVotes(NamedTuple):
    """An item's votes in the order they were given, and what it belongs to.

    `parts` are (kind, part), such as ("subtask", "SF"); `countries` the ISO codes each question is about, in the order
    of QUESTIONS.
    """

    votes: tuple[Vote, ...]
    parts: tuple[tuple[str, str], ...]
    countries: tuple[tuple[str, ...], ...]


class Tally(NamedTuple):
    """Counts of items by key.

    `patterns`: (basis, question, kind, part, yes, no, unsure). `raters`: (basis, question, kind, part, rater, answer).
    `pairs`: (basis, question, rater, rater, answer of the first, answer of the second), the raters in order.
    """

    patterns: Counter[tuple[str, str, str, str, int, int, int]]
    raters: Counter[tuple[str, str, str, str, str, str]]
    pairs: Counter[tuple[str, str, str, str, str, str]]

    @classmethod
    def empty(cls) -> "Tally":
        return cls(Counter(), Counter(), Counter())

    def add(self, item: ItemVotes, sign: Literal[1, -1] = 1) -> None:
        """Counts an item in, or out again.

        >>> monday = date(2026, 11, 23)
        >>> votes = (Vote("ann", "yy---", "10---", monday), Vote("bob", "ny---", "00---", monday))
        >>> item = ItemVotes(votes, (("subtask", "SF"),), (("EG",), ("EG",), (), (), ()))
        >>> tally = Tally.empty()
        >>> tally.add(item)
        >>> tally.patterns["first", "food1_identity", "subtask", "SF", 1, 1, 0]
        1
        >>> tally.pairs["all", "food1_origin", "ann", "bob", "yes", "yes"]
        1
        >>> tally.patterns["all", "food1_identity", "insiders", "EG", 1, 0, 0]
        1
        >>> tally.add(item, -1)
        >>> any(any(counter.values()) for counter in tally)
        False
        """
        for basis, votes in _bases(item.votes):
            shared = (("all", ""), *item.parts, ("week", _week(votes)))
            for place, question in enumerate(QUESTIONS):
                given = [vote for vote in votes if vote.answers[place] != NOT_ASKED]
                if not given:
                    continue
                for kind, part in shared:
                    self._count(basis, question, kind, part, place, given, sign)
                for vote in given:
                    self._pattern(basis, question, "rater", vote.rater, place, given, sign)
                for kind, few in _by_knowledge(given, place):
                    for country in item.countries[place]:
                        self._count(basis, question, kind, country, place, few, sign)
                for one, other in combinations(sorted(given), 2):
                    key = (one.answers[place], other.answers[place])
                    self.pairs[basis, question, one.rater, other.rater, LETTERS[key[0]], LETTERS[key[1]]] += sign

    def _count(self, basis: str, question: str, kind: str, part: str, place: int, votes: list[Vote], sign: int) -> None:
        self._pattern(basis, question, kind, part, place, votes, sign)
        for vote in votes:
            self.raters[basis, question, kind, part, vote.rater, LETTERS[vote.answers[place]]] += sign

    def _pattern(
        self, basis: str, question: str, kind: str, part: str, place: int, votes: list[Vote], sign: int
    ) -> None:
        answers = [vote.answers[place] for vote in votes]
        counts = (answers.count("y"), answers.count("n"), answers.count("u"))
        self.patterns[basis, question, kind, part, *counts] += sign


def tallied(items: Iterable[ItemVotes]) -> Tally:
    """The counts of all these items, from nothing."""
    tally = Tally.empty()
    for item in items:
        tally.add(item)
    return tally


def _bases(votes: tuple[Vote, ...]) -> Iterator[tuple[Basis, tuple[Vote, ...]]]:
    if votes:
        yield "first", votes[:FIRST_JUDGMENTS]
        yield "all", votes


def _week(votes: tuple[Vote, ...]) -> str:
    """The Monday of the week in which the second vote made a comparison possible; of a single vote, its own."""
    day = votes[:FIRST_JUDGMENTS][-1].day
    return (day - timedelta(days=day.weekday())).isoformat()


def _by_knowledge(votes: list[Vote], place: int) -> Iterator[tuple[str, list[Vote]]]:
    """The insiders' votes, the outsiders', and the first of each where there are both."""
    insiders = [vote for vote in votes if vote.knows[place] == "1"]
    outsiders = [vote for vote in votes if vote.knows[place] != "1"]
    if insiders:
        yield "insiders", insiders
    if outsiders:
        yield "outsiders", outsiders
    if insiders and outsiders:
        yield "mixed", [insiders[0], outsiders[0]]
