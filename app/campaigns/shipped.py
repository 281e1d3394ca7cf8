"""The shipped translations for campaigns whose questions don't have them yet."""

from collections.abc import Sequence
from typing import Any

from app.campaigns.wording import default_questions


def with_shipped_translations(questions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The questions with every text, help and reason translated that still reads as it was shipped.

    What has a translation keeps it. Equal to what came in where there is nothing to add.
    """
    shipped = {question["key"]: question for question in default_questions()}
    return [_filled_up(question, shipped.get(question["key"])) for question in questions]


def _filled_up(question: dict[str, Any], default: dict[str, Any] | None) -> dict[str, Any]:
    if default is None:
        return question
    words = {reason["code"]: reason["text"] for reason in default["reasons"]}
    same = {reason["code"] for reason in question["reasons"] if words.get(reason["code"]) == reason["text"]}
    translations: dict[str, Any] = {}
    for language, known in default["translations"].items():
        own = question.get("translations", {}).get(language, {})
        fitting = {part: known[part] for part in ("text", "help") if question.get(part) == default[part]}
        reasons = {code: text for code, text in known["reasons"].items() if code in same} | own.get("reasons", {})
        merged = fitting | own | ({"reasons": reasons} if reasons else {})
        if merged:
            translations[language] = merged
    rest = {name: own for name, own in question.get("translations", {}).items() if name not in translations}
    merged_all = translations | rest
    return {**question, "translations": merged_all} if merged_all else question
