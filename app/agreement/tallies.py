"""What one item's votes add to a campaign's tables of counts: vote patterns, raters' answers, and pairs of raters.

The tables are sums over items, so a new judgment is the item's old share taken away and its new one added; no other
item is looked at. Whatever the order in which judgments came in, the sums are those of a count from nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from itertools import combinations
from typing import Literal, NamedTuple, TypeVar

from app.agreement.rules import ANSWERS

Basis = Literal["first", "all"]
FIRST_JUDGMENTS = 2
"""With adaptive overlap the items that disagree get more judgments, which bends every figure: the first two of each
item are a fair sample whatever the rule."""

QUESTIONS = ("food1_identity", "food1_origin", "food2_identity", "food2_origin", "background")
NOT_ASKED = "-"
LETTERS = {answer[0]: answer for answer in ANSWERS}
BLANK = NOT_ASKED * len(QUESTIONS)

Shares = tuple[tuple[int, int, int], ...]
"""(yes, no, unsure) a question; zeros where it was not asked."""
Given = tuple[str, str]
"""A rater and their answers."""
Place = tuple[str, str, str]
"""(basis, kind, part)."""
Key = TypeVar("Key")


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


class Tally:
    """Counts of items by key, which items can be added to and taken from.

    They are kept by whole votes, all questions at once, and parted by question when they are read: most of the work of
    counting a campaign is saved by it.
    """

    def __init__(self) -> None:
        self._patterns: defaultdict[Place, Counter[Shares]] = defaultdict(Counter)
        self._raters: defaultdict[Place, Counter[Given]] = defaultdict(Counter)
        self._pairs: Counter[tuple[str, str, str, str, str]] = Counter()

    @property
    def patterns(self) -> Counter[tuple[str, str, str, str, int, int, int]]:
        """By (basis, question, kind, part, yes, no, unsure)."""
        found: Counter[tuple[str, str, str, str, int, int, int]] = Counter()
        for (basis, kind, part), counter in self._patterns.items():
            for shares, n in counter.items():
                for question, votes in zip(QUESTIONS, shares, strict=True):
                    if any(votes):
                        found[basis, question, kind, part, *votes] += n
        return _without_zeros(found)

    @property
    def raters(self) -> Counter[tuple[str, str, str, str, str, str]]:
        """By (basis, question, kind, part, rater, answer)."""
        found: Counter[tuple[str, str, str, str, str, str]] = Counter()
        for (basis, kind, part), counter in self._raters.items():
            for (rater, answers), n in counter.items():
                for question, letter in zip(QUESTIONS, answers, strict=True):
                    if letter != NOT_ASKED:
                        found[basis, question, kind, part, rater, LETTERS[letter]] += n
        return _without_zeros(found)

    @property
    def pairs(self) -> Counter[tuple[str, str, str, str, str, str]]:
        """By (basis, question, rater, rater, answer of the first, answer of the second), the raters in order."""
        found: Counter[tuple[str, str, str, str, str, str]] = Counter()
        for (basis, a, b, answers_a, answers_b), n in self._pairs.items():
            for question, one, other in zip(QUESTIONS, answers_a, answers_b, strict=True):
                if NOT_ASKED not in (one, other):
                    found[basis, question, a, b, LETTERS[one], LETTERS[other]] += n
        return _without_zeros(found)

    def add(self, item: ItemVotes, sign: Literal[1, -1] = 1) -> None:
        """Counts an item in, or out again.

        >>> monday = date(2026, 11, 23)
        >>> votes = (Vote("ann", "yy---", "10---", monday), Vote("bob", "ny---", "00---", monday))
        >>> item = ItemVotes(votes, (("subtask", "SF"),), (("EG",), ("EG",), (), (), ()))
        >>> tally = Tally()
        >>> tally.add(item)
        >>> tally.patterns["first", "food1_identity", "subtask", "SF", 1, 1, 0]
        1
        >>> tally.pairs["all", "food1_origin", "ann", "bob", "yes", "yes"]
        1
        >>> tally.patterns["all", "food1_identity", "insiders", "EG", 1, 0, 0]
        1
        >>> tally.add(item, -1)
        >>> tally.patterns, tally.raters, tally.pairs
        (Counter(), Counter(), Counter())
        """
        for basis, votes in _bases(item.votes):
            given = [(vote.rater, vote.answers) for vote in votes]
            for kind, part in (("all", ""), *item.parts, ("week", _week(votes))):
                self._count((basis, kind, part), given, sign)
            shares = _shares_of(given)
            for rater, answers in given:
                self._patterns[basis, "rater", rater][_asked(shares, answers)] += sign
            for country, places in _places(item.countries):
                for kind, few in _by_knowledge(votes, places):
                    self._count((basis, kind, country), few, sign)
            for (a, answers_a), (b, answers_b) in combinations(sorted(given), 2):
                self._pairs[basis, a, b, answers_a, answers_b] += sign

    def _count(self, place: Place, given: list[Given], sign: int) -> None:
        self._patterns[place][_shares_of(given)] += sign
        raters = self._raters[place]
        for one in given:
            raters[one] += sign


def _bases(votes: tuple[Vote, ...]) -> Iterator[tuple[Basis, tuple[Vote, ...]]]:
    if votes:
        yield "first", votes[:FIRST_JUDGMENTS]
        yield "all", votes


def _week(votes: tuple[Vote, ...]) -> str:
    """The Monday of the week in which the second vote made a comparison possible; of a single vote, its own."""
    day = votes[:FIRST_JUDGMENTS][-1].day
    return (day - timedelta(days=day.weekday())).isoformat()


def _shares_of(given: list[Given]) -> Shares:
    return _shares(tuple([answers for _, answers in given]))


@lru_cache(maxsize=10_000)
def _shares(given: tuple[str, ...]) -> Shares:
    """
    >>> _shares(("yn---", "yu---"))
    ((2, 0, 0), (0, 1, 1), (0, 0, 0), (0, 0, 0), (0, 0, 0))
    """
    columns = zip(*given, strict=True)
    return tuple((column.count("y"), column.count("n"), column.count("u")) for column in columns)


def _asked(shares: Shares, answers: str) -> Shares:
    """The shares of the questions that were answered here."""
    return tuple(votes if answer != NOT_ASKED else (0, 0, 0) for votes, answer in zip(shares, answers, strict=True))


@lru_cache(maxsize=10_000)
def _places(countries: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Each country and the questions about it.

    >>> _places((("EG",), ("EG",), (), (), ("EG", "JP")))
    (('EG', (0, 1, 4)), ('JP', (4,)))
    """
    names = dict.fromkeys(name for about in countries for name in about)
    return tuple((name, tuple(place for place, about in enumerate(countries) if name in about)) for name in names)


def _by_knowledge(votes: tuple[Vote, ...], places: tuple[int, ...]) -> Iterator[tuple[str, list[Given]]]:
    """The insiders' answers at these places, the outsiders', and the first of each where there are both."""
    sides = [(vote.rater, *_inside_and_outside(vote.answers, vote.knows, places)) for vote in votes]
    insiders = [(rater, inside) for rater, inside, _ in sides if inside != BLANK]
    outsiders = [(rater, outside) for rater, _, outside in sides if outside != BLANK]
    if insiders:
        yield "insiders", insiders
    if outsiders:
        yield "outsiders", outsiders
    for place in places if insiders and outsiders else ():
        first = [
            next(((rater, _only(answers, place)) for rater, answers in side if answers[place] != NOT_ASKED), None)
            for side in (insiders, outsiders)
        ]
        if None not in first:
            yield "mixed", [one for one in first if one is not None]


@lru_cache(maxsize=10_000)
def _inside_and_outside(answers: str, knows: str, places: tuple[int, ...]) -> tuple[str, str]:
    """The answers at these places where the rater knows the country, and where not.

    >>> _inside_and_outside("yny--", "110--", (0, 2))
    ('y----', '--y--')
    """
    inside, outside = list(BLANK), list(BLANK)
    for place in places:
        (inside if knows[place] == "1" else outside)[place] = answers[place]
    return "".join(inside), "".join(outside)


@lru_cache(maxsize=10_000)
def _only(answers: str, place: int) -> str:
    return BLANK[:place] + answers[place] + BLANK[place + 1 :]


def _without_zeros(counter: Counter[Key]) -> Counter[Key]:
    return Counter({key: n for key, n in counter.items() if n})
