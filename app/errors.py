"""Situations a person can act on: `web` turns them into a page or problem+json, the CLI into one sentence."""

import re
from collections.abc import Mapping
from typing import ClassVar

_BRACES = re.compile(r"\{(\w+)\}")


class Sentence(str):
    """Words for people: an English text that knows how it was made, so that `web` can say it in another language.

    `pattern` is what catalogues translate, with {names} in it; `values` are what they stand for, themselves sentences
    perhaps. Whole numbers are written with their thousands apart.

    >>> Sentence("At most {most} characters, please.", most=2000)
    'At most 2,000 characters, please.'
    """

    pattern: str
    values: Mapping[str, object]

    def __new__(cls, pattern: str, /, **values: object) -> "Sentence":
        shown = {name: f"{value:,}" if isinstance(value, int) else str(value) for name, value in values.items()}
        made = super().__new__(cls, filled(pattern, shown))
        made.pattern, made.values = pattern, values
        return made


def filled(pattern: str, values: Mapping[str, str]) -> str:
    """In one pass, so that a name with braces in it stays what it is."""
    return _BRACES.sub(lambda match: values.get(match[1], match[0]), pattern)


class TerroirError(Exception):
    """Something a person can mend. The message is one clear sentence: what, where, what to do.

    `fields` carries messages tied to single inputs (form fields, JSON paths, CSV rows).
    """

    status: ClassVar[int] = 400
    type: ClassVar[str] = "bad-request"
    title: ClassVar[str] = Sentence("This request can't be carried out")

    def __init__(self, message: str, *, fields: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields or {}


class NotSignedIn(TerroirError):
    status = 401
    type = "not-signed-in"
    title: ClassVar[str] = Sentence("Please sign in")


class Forbidden(TerroirError):
    status = 403
    type = "forbidden"
    title: ClassVar[str] = Sentence("Your role can't do this")


class NotFound(TerroirError):
    """Also for what exists but is not yours: the two look alike on purpose."""

    status = 404
    type = "not-found"
    title: ClassVar[str] = Sentence("Not found")


class Conflict(TerroirError):
    status = 409
    type = "conflict"
    title: ClassVar[str] = Sentence("This no longer fits")


class Gone(TerroirError):
    status = 410
    type = "gone"
    title: ClassVar[str] = Sentence("No longer there")


class TooLarge(TerroirError):
    status = 413
    type = "too-large"
    title: ClassVar[str] = Sentence("Too large")


class Invalid(TerroirError):
    status = 422
    type = "invalid"
    title: ClassVar[str] = Sentence("Some of this can't be accepted")


class TooMany(TerroirError):
    status = 429
    type = "too-many"
    title: ClassVar[str] = Sentence("Too many requests")


class SettingsError(TerroirError):
    """The installation is set up in a way that can't work or isn't safe."""

    status = 500
    type = "settings"
    title = "This installation needs its operator"
