"""Situations a person can act on: `web` turns them into a page or problem+json, the CLI into one sentence."""

from typing import ClassVar


class TerroirError(Exception):
    """Something a person can mend. The message is one clear sentence: what, where, what to do.

    `fields` carries messages tied to single inputs (form fields, JSON paths, CSV rows).
    """

    status: ClassVar[int] = 400
    type: ClassVar[str] = "bad-request"
    title: ClassVar[str] = "This request can't be carried out"

    def __init__(self, message: str, *, fields: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields or {}


class NotSignedIn(TerroirError):
    status = 401
    type = "not-signed-in"
    title = "Please sign in"


class Forbidden(TerroirError):
    status = 403
    type = "forbidden"
    title = "Your role can't do this"


class NotFound(TerroirError):
    """Also for what exists but is not yours: the two look alike on purpose."""

    status = 404
    type = "not-found"
    title = "Not found"


class Conflict(TerroirError):
    status = 409
    type = "conflict"
    title = "This no longer fits"


class Gone(TerroirError):
    status = 410
    type = "gone"
    title = "No longer there"


class TooLarge(TerroirError):
    status = 413
    type = "too-large"
    title = "Too large"


class Invalid(TerroirError):
    status = 422
    type = "invalid"
    title = "Some of this can't be accepted"


class TooMany(TerroirError):
    status = 429
    type = "too-many"
    title = "Too many requests"


class SettingsError(TerroirError):
    """The installation is set up in a way that can't work or isn't safe."""

    status = 500
    type = "settings"
    title = "This installation needs its operator"
