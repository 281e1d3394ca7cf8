"""The questions a new campaign starts with: their words, and the reasons a `no` can have.

They are copied into the campaign's first policy; what was asked is what the policy's version says, not this file.
"""

from typing import Any

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
        _question("food1_identity", "Is {which} {food}?", LOOK, FOOD_IDENTITY_REASONS),
        _question("food1_origin", "Is {food} a dish from {country}?", SHARED, FOOD_ORIGIN_REASONS),
        _question("food2_identity", "Is {which} {food}?", LOOK, FOOD_IDENTITY_REASONS),
        _question("food2_origin", "Is {food} a dish from {country}?", SHARED, FOOD_ORIGIN_REASONS),
        _question("background", "Does the background show {background}?", SCENE, BACKGROUND_REASONS),
    ]


def _question(key: str, text: str, help_: str, reasons: list[dict[str, str]]) -> dict[str, Any]:
    return {"key": key, "text": text, "help": help_, "reasons": [dict(reason) for reason in reasons]}
