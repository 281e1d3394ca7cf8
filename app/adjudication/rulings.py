"""An admin's word on each question: checked, and made into the item's outcome by the published rule."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.adjudication.standing import FINAL
from app.errors import Invalid
from app.items.models import Status
from app.judgments.cards import Question
from app.judgments.decisions import SURE

WHY = "Say why, in a sentence: it stays with the decision."


class Ruling(NamedTuple):
    """`answers` {question: "yes" | "no"}; `reasons` {question: [code]} for what was answered no."""

    answers: Mapping[str, str]
    reasons: Mapping[str, Sequence[str]]


def outcome_of(answers: Mapping[str, str]) -> Status:
    """Any no rejects; yes on every question approves.

    >>> outcome_of({"food1_identity": "yes", "food1_origin": "no"}).value
    'rejected'
    """
    return Status.REJECTED if "no" in answers.values() else Status.APPROVED


def checked_ruling(ruling: Ruling, questions: Sequence[Question], outcome: str = "") -> Ruling:
    """The ruling in the order of the questions. Raises Invalid with a message a question, or when `outcome` was said
    too and isn't what follows."""
    keys = [question.key for question in questions]
    faults = {
        f"answers.{key}": f"This item has no such question; it has {', '.join(keys)}."
        for key in sorted(ruling.answers.keys() - set(keys))
    }
    reasons: dict[str, list[str]] = {}
    for question in questions:
        given = ruling.answers.get(question.key)
        if given not in SURE:
            faults[f"answers.{question.key}"] = "Settle this question with yes or no."
        elif given == "no":
            try:
                reasons[question.key] = _checked_reasons(question, ruling.reasons.get(question.key, ()))
            except ValueError as fault:
                faults[f"answers.{question.key}"] = str(fault)
    if faults:
        raise Invalid(next(iter(faults.values())), fields=faults)
    answers = {key: ruling.answers[key] for key in keys}
    if outcome and outcome != outcome_of(answers):
        message = f"These answers make it {outcome_of(answers).value}: any no rejects, yes on every question approves."
        raise Invalid(message, fields={"outcome": message})
    return Ruling(answers, reasons)


def _checked_reasons(question: Question, given: Sequence[str]) -> list[str]:
    known = [reason["code"] for reason in question.reasons]
    if unknown := [code for code in given if code not in known]:
        raise ValueError(f"“{unknown[0]}” is no reason here; the reasons are {', '.join(known)}.")
    if known and not given:
        raise ValueError("Say why not: choose at least one reason.")
    return [code for code in known if code in given]


def checked_outcome(outcome: str) -> Status:
    if outcome not in FINAL:
        fault = "Choose whether to approve or to reject."
        raise Invalid(fault, fields={"outcome": fault})
    return Status(outcome)


def why_a_note(
    answers: Mapping[str, str], outcome: Status, majorities: Mapping[str, str], before: Any, *, by_person: bool
) -> str | None:
    """Why this settlement needs a note, as a sentence; None where the note is optional.

    `majorities` are the votes', `before` the status the item has; `by_person`: an adjudicator decided it last.
    """
    if by_person:
        return f"An adjudicator settled this item before you. {WHY}"
    if any(majorities.get(key, answer) != answer for key, answer in answers.items()):
        return f"You overrule a majority of the annotators. {WHY}"
    if before in FINAL and before != outcome:
        return f"This item is {before} already. {WHY}"
    return None
