"""How questions are called, and what changed in their words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from app.campaigns.translations import LANGUAGES

TITLES: Final = {
    "food1_identity": "Food 1: is it this dish?",
    "food1_origin": "Food 1: is it from there?",
    "food2_identity": "Food 2: is it this dish?",
    "food2_origin": "Food 2: is it from there?",
    "background": "Background",
}
KINDS: Final = {"good": "good example", "bad": "bad example"}
Found = tuple[str, str, str]
"""(what, before, after)."""


def title_of(key: str) -> str:
    return TITLES.get(key, key)


def question_changes(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    """What differs between the questions of two policies."""
    old = {question["key"]: question for question in before}
    for question in after:
        was = old.get(question["key"], {"text": "", "reasons": []})
        for what, *words in _changes(was, question):
            yield f"{title_of(question['key'])} {what}", words[0], words[1]


def _changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Found]:
    yield from _differing("Text", was["text"], now["text"])
    yield from _differing("Help", was.get("help", ""), now.get("help", ""))
    yield from _reasons(was["reasons"], now["reasons"])
    for kind, name in KINDS.items():
        yield from _examples(name, was.get(kind, []), now.get(kind, []))
    for language, name in LANGUAGES.items():
        yield from _translations(name, *(q.get("translations", {}).get(language, {}) for q in (was, now)))


def _differing(what: str, was: str, now: str) -> Iterator[Found]:
    if was != now:
        yield f"({what[0].lower()}{what[1:]})", was, now


def _reasons(was: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    old = {reason["code"]: reason for reason in was}
    for reason in now:
        code = reason["code"]
        yield from _differing(f"Reason {code}", _reason(old.get(code)), _reason(reason))


def _reason(reason: Mapping[str, Any] | None) -> str:
    if reason is None:
        return ""
    return str(reason["text"]) + (" (retired)" if reason.get("is_retired") else "")


def _examples(name: str, was: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    old, new = ([_example(example) for example in examples] for examples in (was, now))
    yield from ((f"({name})", words, "") for words in old if words not in new)
    yield from ((f"({name})", "", words) for words in new if words not in old)


def _example(example: Mapping[str, Any]) -> str:
    sha256 = example.get("image_sha256")
    return str(example["text"]) + (f" (with image {sha256[:8]})" if sha256 else "")


def _translations(name: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Found]:
    yield from _differing(f"{name} text", was.get("text", ""), now.get("text", ""))
    yield from _differing(f"{name} help", was.get("help", ""), now.get("help", ""))
    old, new = was.get("reasons", {}), now.get("reasons", {})
    for code in dict.fromkeys([*old, *new]):
        yield from _differing(f"{name} reason {code}", old.get(code, ""), new.get(code, ""))
