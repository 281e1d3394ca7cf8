"""What a list of judged items can be narrowed by, checked: every cell of the counts has its filters."""

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

from app.agreement.rules import ANSWERS
from app.agreement.tallies import QUESTIONS
from app.db import UNSTORABLE
from app.errors import Invalid
from app.items.models import Status, Subtask

KNOWLEDGE: Final = ("insiders", "outsiders", "mixed")
KINDS: Final = (
    "subtask", "country", "generator", "week", "rater", *KNOWLEDGE, "food", "scene", "scene_country",
)  # fmt: skip
SOME_VOTES: Final = ("agree", "differ", "paired", "single", "any-unsure")
ALONE: Final = "alone"
"""Votes on a question among which nobody else's is like the rater's."""
ON_WHITE: Final = "none"
"""In place of a background, or of its country, for items that have none."""
MAX_PART: Final = 200
MAX_VOTES: Final = 40


class Wanted(NamedTuple):
    """What the items of a list have in common; empty is no filter.

    `by` and `part`: a kind of part of the counts (`VotePattern`), or "food" (the first food's id), "scene" (a
    background's id or "none") or "scene_country" (ISO code or "none"). With "insiders", "outsiders" or "mixed" the
    votes meant are those people's; without a part they are of items of any country. `votes` is one of SOME_VOTES, or
    ALONE, or exactly who said what, such as "yes-no" (answers in the order yes, no, unsure). `rater` gave `answer`;
    `a` gave `answer_a` and `b` gave `answer_b`. `food`, `scene` and `scene_country` narrow any part further. Without a
    question "agree" means on every question, "differ" and "any-unsure" on any.
    """

    question: str = ""
    by: str = ""
    part: str = ""
    votes: str = ""
    rater: str = ""
    answer: str = ""
    a: str = ""
    b: str = ""
    answer_a: str = ""
    answer_b: str = ""
    food: str = ""
    scene: str = ""
    scene_country: str = ""
    status: str = ""

    def without(self, name: str) -> "Wanted":
        """Without this filter, and without those that make no sense alone."""
        gone = {name, *_LEANING.get(name, ())}
        gone |= {"votes"} if name == "rater" and self.votes == ALONE else set()
        if name == "question":
            gone |= {"answer", "answer_a", "answer_b"}
            gone |= {"by", "part"} if self.by in KNOWLEDGE else set()
            gone |= {"votes"} if self.votes not in SOME_VOTES else set()
        return self._replace(**dict.fromkeys(gone, ""))


_LEANING: Mapping[str, tuple[str, ...]] = {
    "by": ("part",),
    "part": ("by",),
    "rater": ("answer",),
    "a": ("b", "answer_a", "answer_b"),
    "b": ("a", "answer_a", "answer_b"),
}


def checked(wanted: Wanted) -> Wanted:
    """The filters in one spelling. Raises Invalid with one sentence for what can't be meant."""
    for name, text in wanted._asdict().items():
        if len(text) > MAX_PART or UNSTORABLE.search(text):
            raise Invalid(f"The filter “{name}” can't be read: choose it on the page.")
    _one_of("question", wanted.question, QUESTIONS)
    for name in ("answer", "answer_a", "answer_b"):
        _one_of(name, getattr(wanted, name), ANSWERS)
    _one_of("status", wanted.status, tuple(status.value for status in Status))
    wanted = _checked_part(wanted)
    wanted = wanted._replace(
        **{name: _account(getattr(wanted, name)) for name in ("rater", "a", "b")},
        food=_id(wanted.food, "dish") if wanted.food else "",
        scene=_scene(wanted.scene),
        scene_country=_country(wanted.scene_country),
        votes=checked_votes(wanted.votes),
    )
    _check_together(wanted)
    return wanted


def checked_votes(text: str) -> str:
    """
    >>> checked_votes("no-yes"), checked_votes("differ")
    ('yes-no', 'differ')
    """
    if not text or text in (*SOME_VOTES, ALONE):
        return text
    answers = text.split("-")
    if len(answers) > MAX_VOTES or not set(answers) <= set(ANSWERS):
        raise Invalid(f"“{text[:40]}” are no votes: choose {', '.join(SOME_VOTES)}, or write them out, such as yes-no.")
    return "-".join(sorted(answers, key=ANSWERS.index))


def _check_together(wanted: Wanted) -> None:
    if wanted.votes == ALONE and not (wanted.question and wanted.rater):
        raise Invalid("Choose the person who stood alone, and the question.")
    is_exact = bool(wanted.votes) and wanted.votes not in SOME_VOTES
    if not wanted.question and (is_exact or wanted.answer or wanted.answer_a or wanted.answer_b):
        raise Invalid("Choose the question that got these answers.")
    if not wanted.question and wanted.by in KNOWLEDGE:
        raise Invalid("Choose a question: who knows the country depends on what the question is about.")
    if wanted.answer and not wanted.rater:
        raise Invalid("Choose the person who gave this answer.")
    if bool(wanted.a) != bool(wanted.b) or ((wanted.answer_a or wanted.answer_b) and not wanted.a):
        raise Invalid("A pair needs two people: choose both.")
    if wanted.a and wanted.a == wanted.b:
        raise Invalid("A pair needs two different people.")


def _checked_part(wanted: Wanted) -> Wanted:
    by, part = wanted.by, wanted.part
    if by in ("", "all"):
        if part:
            raise Invalid("Say what kind of part this is: the filter “by” is missing.")
        return wanted._replace(by="")
    _one_of("by", by, KINDS)
    if not part and by not in KNOWLEDGE:
        raise Invalid(f"Say which {by.replace('_', ' ')}: the filter “part” is missing.")
    if by in ("country", "scene_country", *KNOWLEDGE):
        part = _country(part, may_be_none=by == "scene_country")
    elif by == "subtask":
        _one_of("subtask", part, tuple(subtask.value for subtask in Subtask))
    elif by == "scene":
        part = _scene(part)
    elif by == "food":
        part = _id(part, "dish")
    elif by == "rater":
        part = _account(part)
    elif by == "week":
        part = _monday(part)
    return wanted._replace(part=part)


def _one_of(name: str, text: str, choices: tuple[str, ...]) -> None:
    if text and text not in choices:
        raise Invalid(f"“{text[:40]}” is no {name.replace('_', ' ')}: choose one of {', '.join(choices)}.")


def _country(text: str, *, may_be_none: bool = True) -> str:
    if not text or (may_be_none and text == ON_WHITE):
        return text
    if len(text) != 2 or not text.isascii() or not text.isalpha():
        raise Invalid(f"“{text[:40]}” is no country's two-letter code, such as EG.")
    return text.upper()


def _scene(text: str) -> str:
    return text if text in ("", ON_WHITE) else _id(text, "background")


def _account(text: str) -> str:
    return text if not text else _id(text, "person")


def _id(text: str, what: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise Invalid(f"“{text[:40]}” names no {what}: choose one on the page.") from None


def _monday(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.weekday():
        raise Invalid(f"“{text[:40]}” is no week: a week is named by its Monday, such as 2026-11-23.")
    return day.isoformat()
