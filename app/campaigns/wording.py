"""The questions a new campaign starts with, their reasons for a `no`, and how a question reads in a language.

They are copied into the campaign's first policy; what was asked is what the policy's version says, not this file.
A question is {"key", "text", "help", "reasons": [{"code", "text", "is_retired"?}], "good": [{"text", "image_sha256"?}],
"bad": [...], "translations": {language: {"text"?, "help"?, "reasons"?: {code: text}}}}; what is empty may be left out.
"""

import copy
import re
from collections.abc import Mapping
from typing import Any, Final

from app.campaigns.translations import BACKGROUND, IDENTITY, ORIGIN

ENGLISH: Final = "en"
PLACEHOLDERS: Final = {
    "identity": frozenset({"which", "food"}),
    "origin": frozenset({"food", "country"}),
    "background": frozenset({"background"}),
}
"""What a question's text may name in braces, by the part it asks about."""
_BRACES = re.compile(r"\{([^{}]*)\}")

FOOD_IDENTITY_REASONS = [
    {"code": "other_dish", "text": "It is another dish"},
    {"code": "key_part_wrong", "text": "A defining ingredient or shape is wrong or missing"},
    {"code": "foods_mixed", "text": "Two foods have run into each other"},
    {"code": "not_there", "text": "The food is missing or hidden"},
    {"code": "malformed", "text": "Deformed, not plausible as food"},
]
FOOD_ORIGIN_REASONS = [
    {"code": "other_country", "text": "The dish belongs to another country"},
    {"code": "shared_origin", "text": "Several countries share it; this one alone is misleading"},
    {"code": "other_style", "text": "Shown in another country's style"},
]
BACKGROUND_REASONS = [
    {"code": "other_country", "text": "It shows another country"},
    {"code": "could_be_anywhere", "text": "Nothing ties it to this country"},
    {"code": "other_place", "text": "It is another place than claimed"},
    {"code": "not_there", "text": "There is no real background"},
    {"code": "malformed", "text": "Broken scene or visible editing marks"},
]


LOOK = "Judge what can be seen, not how well it is cooked."
SHARED = "A dish may have several origins; is this one of them?"
SCENE = "Look at the scene behind the food only."


def default_questions() -> list[dict[str, Any]]:
    return [
        _question("food1_identity", "Is {which} {food}?", LOOK, FOOD_IDENTITY_REASONS, IDENTITY),
        _question("food1_origin", "Is {food} a dish from {country}?", SHARED, FOOD_ORIGIN_REASONS, ORIGIN),
        _question("food2_identity", "Is {which} {food}?", LOOK, FOOD_IDENTITY_REASONS, IDENTITY),
        _question("food2_origin", "Is {food} a dish from {country}?", SHARED, FOOD_ORIGIN_REASONS, ORIGIN),
        _question("background", "Does the background show {background}?", SCENE, BACKGROUND_REASONS, BACKGROUND),
    ]


def _question(
    key: str, text: str, help_: str, reasons: list[dict[str, str]], translations: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "key": key,
        "text": text,
        "help": help_,
        "reasons": [dict(reason) for reason in reasons],
        "translations": copy.deepcopy(dict(translations)),
    }


def worded(question: Mapping[str, Any], language: str = ENGLISH) -> dict[str, Any]:
    """A policy's question as it reads in a language; what has no translation stays English.

    {"key", "text", "help", "reasons": [{"code", "text", "is_retired"}], "good": [{"text", "image_sha256"}], "bad"},
    placeholders still in place. Retired reasons are in it: `offered` says which of them a new answer may give.

    >>> worded(default_questions()[4], "es")["text"], worded(default_questions()[4], "de")["text"]
    ('¿Muestra el fondo {background}?', 'Does the background show {background}?')
    """
    own = question.get("translations", {}).get(language, {})
    own_reasons = own.get("reasons", {})
    return {
        "key": question["key"],
        "text": own.get("text") or question["text"],
        "help": own.get("help") or question.get("help", ""),
        "reasons": [
            {
                "code": reason["code"],
                "text": own_reasons.get(reason["code"]) or reason["text"],
                "is_retired": reason.get("is_retired", False),
            }
            for reason in question["reasons"]
        ],
        "good": _examples(question, "good"),
        "bad": _examples(question, "bad"),
    }


def filled(text: str, names: Mapping[str, str]) -> str:
    """The text with its names put in; in one pass, so that a dish named "{country}" stays what it is.

    >>> filled("Is {which} {food}?", {"which": "this", "food": "{country}"})
    'Is this {country}?'
    """
    return _BRACES.sub(lambda match: names.get(match[1], match[0]), text)


def _examples(question: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [
        {"text": example["text"], "image_sha256": example.get("image_sha256")} for example in question.get(kind, [])
    ]


def offered(question: Mapping[str, Any]) -> list[str]:
    """The codes of the reasons that an answer to this question may give."""
    return [reason["code"] for reason in question["reasons"] if not reason.get("is_retired", False)]


def part_of(key: str) -> str:
    """
    >>> part_of("food2_origin"), part_of("background")
    ('origin', 'background')
    """
    return key.rpartition("_")[2]


def placeholder_fault(key: str, text: str) -> str | None:
    """What is wrong with the names in braces of a question's text, in a sentence.

    >>> placeholder_fault("food1_origin", "Is {food} from {place}?")
    'There is no {place} here; this question may name {country} and {food}.'
    >>> placeholder_fault("food1_origin", "Is {food} from {country?")
    'A brace has no partner; write names as {country} or {food}.'
    >>> placeholder_fault("background", "Does the background show {background}?")
    """
    known = sorted(PLACEHOLDERS[part_of(key)])
    names = [f"{{{name}}}" for name in known]
    if unknown := [name for name in _BRACES.findall(text) if name not in known]:
        return f"There is no {{{unknown[0]}}} here; this question may name {' and '.join(names)}."
    if re.search(r"[{}]", _BRACES.sub("", text)):
        return f"A brace has no partner; write names as {' or '.join(names)}."
    return None
