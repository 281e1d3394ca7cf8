"""The list of items as people read it: its filters in words, each entry's votes, and the list as CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from app import geography
from app.adjudication.agreement.words import QUESTIONS
from app.agreement.tallies import FIRST_JUDGMENTS, Basis
from app.cells import harmless
from app.judgments.vote_filters import ALONE, KNOWLEDGE, ON_WHITE, SOME_VOTES, Wanted
from app.judgments.vote_items import Given, JudgedItem

WHITE = "on white"
KIND_WORDS = {
    "subtask": "Subtask",
    "country": "Country of the first food",
    "generator": "Generator",
    "week": "Week of the second judgment",
    "insiders": "Votes of those who know",
    "outsiders": "Votes of those who don’t know",
    "mixed": "One vote each of who knows and who doesn’t",
    "rater": "Items judged by",
    "food": "Dish (first food)",
    "scene": "Background",
    "scene_country": "Background’s country",
}
VOTES_WORDS = {
    "agree": "two or more, all alike",
    "differ": "not all alike",
    "paired": "two or more",
    "single": "one vote only",
    "any-unsure": "somebody was unsure",
}
ALONE_WORDS = "two or more, and nobody gave the same answer"
PAIRS_OF_VOTES = ("yes-yes", "yes-no", "yes-unsure", "no-no", "no-unsure", "unsure-unsure")


class Chip(NamedTuple):
    """One filter in words; `drops` is the filter its removal takes away."""

    label: str
    value: str
    drops: str


def votes_words(votes: str) -> str:
    """
    >>> votes_words("yes-no-unsure"), votes_words("single")
    ('yes · no · unsure, in any order', 'one vote only')
    """
    if votes in SOME_VOTES:
        return VOTES_WORDS[votes]
    if votes == ALONE:
        return ALONE_WORDS
    return votes.replace("-", " · ") + (", in any order" if "-" in votes else " alone")


def part_words(by: str, part: str, names: Mapping[str, str]) -> str:
    if by in ("scene", "scene_country") and part == ON_WHITE:
        return WHITE
    if by in KNOWLEDGE and not part:
        return "all countries"
    if by in ("country", "scene_country", *KNOWLEDGE):
        return geography.name_of(part)
    return names.get(part, part)


def chips(wanted: Wanted, names: Mapping[str, str]) -> list[Chip]:
    """`names` are those of the people, dish and background whose ids stand in the filters."""
    found = []
    if wanted.question:
        found.append(Chip("Question", QUESTIONS[wanted.question], "question"))
    if wanted.by:
        found.append(Chip(KIND_WORDS[wanted.by], part_words(wanted.by, wanted.part, names), "by"))
    found += [
        Chip(KIND_WORDS[name], part_words(name, value, names), name)
        for name in ("food", "scene", "scene_country")
        if (value := getattr(wanted, name))
    ]
    if wanted.votes:
        found.append(Chip("Votes", votes_words(wanted.votes), "votes"))
    if wanted.rater:
        found.append(Chip("Judged by", names.get(wanted.rater, "somebody unknown"), "rater"))
    if wanted.answer:
        found.append(Chip("who said", wanted.answer, "answer"))
    if wanted.a:
        both = " and ".join(names.get(person, "somebody unknown") for person in (wanted.a, wanted.b))
        found.append(Chip("Judged by both", both, "a"))
    for person, name in ((wanted.a, "answer_a"), (wanted.b, "answer_b")):
        if value := getattr(wanted, name):
            found.append(Chip(names.get(person, "somebody unknown"), f"said {value}", name))
    if wanted.status:
        found.append(Chip("Decision", wanted.status, "status"))
    return found


class ShownVote(NamedTuple):
    """`note` says who gave it, or that they know the country, where the list is about that."""

    answer: str
    note: str
    is_counted: bool


def shown_votes(
    item: JudgedItem, question: str, basis: Basis, wanted: Wanted, names: Mapping[str, str]
) -> list[ShownVote]:
    """One question's votes in the order they were given; those after the first two aren't counted by default."""
    return [
        ShownVote(
            answer,
            _note(vote, question, wanted, names),
            is_counted=basis == "all" or place < FIRST_JUDGMENTS,
        )
        for place, vote in enumerate(item.votes)
        if (answer := vote.answer(question)) is not None
    ]


def _note(vote: Given, question: str, wanted: Wanted, names: Mapping[str, str]) -> str:
    if wanted.by in KNOWLEDGE and vote.knows_country_of(question):
        return "knows the country"
    person = str(vote.rater)
    asked_about = (wanted.rater, wanted.a, wanted.b, wanted.part if wanted.by == "rater" else "")
    return names.get(person, "") if person in asked_about else ""


def foods_words(item: JudgedItem) -> str:
    return " + ".join(f"{name} ({countries})" for name, countries in item.foods)


_COLUMNS = ("key", "subtask", "foods", "background", "status", "differing_questions")


def as_csv(items: Iterable[JudgedItem], basis: Basis, source: str) -> Iterator[str]:
    """A line an item: all its votes by question in the order they were given, the probability that each claim is
    true and the doubt about them together (empty without a rater model), and what the list came of."""
    yield _line(
        [*_COLUMNS, *(f"votes_{key}" for key in QUESTIONS), *(f"true_{key}" for key in QUESTIONS), "doubt", "source"]
    )
    for item in items:
        votes = (" ".join(vote.answer(key) or "" for vote in item.votes).strip() for key in QUESTIONS)
        yield _line(
            [
                item.key, item.subtask, foods_words(item), item.background or WHITE, item.status,
                len(item.differing(basis)), *votes, *(item.claims.get(key) for key in QUESTIONS), item.doubt, source,
            ]
        )  # fmt: skip


def _line(cells: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([harmless(cell) if isinstance(cell, str) else cell for cell in cells])
    return out.getvalue()
