"""How an annotator likes to work: their keys, and how many images are kept ready. Kept with the account, as data."""

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from app.accounts.models import Account
from app.errors import Invalid, Sentence

ACTIONS: Final = {
    "yes": "y",
    "no": "n",
    "unsure": "u",
    "confirm": "Enter",
    "back": "b",
    "skip": "s",
    "broken": "x",
    "zoom": "z",
    "reference": "r",
    "guide": "g",
    "pause": "p",
}
"""What a key can do, and which key does it unless the person says otherwise. Digits choose reasons, arrows move, `?`
shows the map: those are the same for everybody."""
ACTION_WORDS: Final = {
    "yes": Sentence("Yes"),
    "no": Sentence("No"),
    "unsure": Sentence("Unsure"),
    "confirm": Sentence("Confirm"),
    "back": Sentence("Back to the last image"),
    "skip": Sentence("Skip"),
    "broken": Sentence("The image is broken"),
    "zoom": Sentence("Zoom"),
    "reference": Sentence("References beside the image"),
    "guide": Sentence("Guidelines"),
    "pause": Sentence("Pause"),
}
NAMED: Final = ("Enter", "Space")
"""Keys that type no character of their own and may be chosen."""
TAKEN: Final = frozenset("?؟+-=")

READY_USUAL: Final = 3
READY_MANY: Final = 30


def keys_of(account: Account) -> dict[str, str]:
    """{action: key} as the person has them; what is not theirs, or no longer valid, is the usual key."""
    own = account.preferences.get("keys")
    if not isinstance(own, Mapping):
        return dict(ACTIONS)
    chosen = {action: str(own.get(action, usual)) for action, usual in ACTIONS.items()}
    try:
        return checked_keys(chosen)
    except Invalid:
        return dict(ACTIONS)


def checked_keys(sent: Mapping[str, Any]) -> dict[str, str]:
    """{action: key} in one fixed form. Raises Invalid with a message per action: no key, no such key, or one key twice.

    >>> checked_keys(ACTIONS | {"yes": "J", "confirm": " "})["yes"]
    'j'
    """
    faults: dict[str, str] = {}
    keys: dict[str, str] = {}
    for action in ACTIONS:
        try:
            keys[action] = _key(str(sent.get(action, "")))
        except ValueError as fault:
            faults[action] = fault.args[0]
    for action, key in keys.items():
        if (other := next(one for one, its in keys.items() if its == key)) != action:
            faults[action] = Sentence("“{key}” is the key for “{other}” already.", key=key, other=ACTION_WORDS[other])
    if faults:
        raise Invalid(Sentence("Some keys can't be used like this; see below."), fields=faults)
    return keys


def _key(text: str) -> str:
    named = {name.lower(): name for name in NAMED} | {" ": "Space"}
    if text.strip().lower() in named or text == " ":
        return named[text if text == " " else text.strip().lower()]
    key = unicodedata.normalize("NFC", text.strip().lower())
    if len(key) != 1 or unicodedata.category(key)[0] in "CZM":
        raise ValueError(Sentence("One letter or sign, please, or Enter or Space."))
    if key.isdigit():
        raise ValueError(Sentence("Digits choose the reasons; take a letter."))
    if key in TAKEN:
        raise ValueError(Sentence("“{key}” has its own use here; take a letter.", key=key))
    return key


def ready_of(account: Account) -> int:
    """How many images are kept ready ahead of the one that is shown."""
    return READY_MANY if account.preferences.get("many_ready") is True else READY_USUAL
