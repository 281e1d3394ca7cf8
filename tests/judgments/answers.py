"""Answers to test with."""

from typing import Any

from app.items.models import Subtask
from app.judgments.service import Answers, question_keys


def answer(value: str = "yes", *reasons: str, correction: str | None = None) -> dict[str, Any]:
    if value == "no" and not reasons:
        reasons = ("not_there",)
    return {"answer": value, "reasons": list(reasons), "correction": correction}


def all_yes(subtask: Subtask = Subtask.SF, **changed: Any) -> Answers:
    """Yes to every question of the subtask, but for the ones given."""
    return Answers({key: answer() for key in question_keys(subtask)} | changed)
