"""The language of a request: its words from the catalogues, its numbers, dates and lists as CLDR has them.

Annotators' pages speak four languages; everybody else's are in English. The language is settled once a request: by
what the account prefers, else by a cookie, else by what the browser asks for (`guard` and `accounts.access` say so).
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from functools import lru_cache
from gettext import NullTranslations
from pathlib import Path
from typing import Final

from babel import Locale, dates, lists, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from app.errors import Sentence, filled

ENGLISH: Final = "en"
LANGUAGES: Final = {ENGLISH: "English", "es": "Español", "ko": "한국어", "ar": "العربية"}
"""Each by the name its speakers give it."""
COOKIE: Final = "terroir_language"
CATALOGUES: Final = Path(__file__).parents[1] / "locale"
MOST_ASKED: Final = 20
ENGLISH_DAYS: Final = {"yMMMd": "%Y-%m-%d", "MMMd": "%d %b"}
"""As researchers and admins read them."""

_spoken: ContextVar[str] = ContextVar("language", default=ENGLISH)


def spoken() -> str:
    return _spoken.get()


def speak(language: object) -> None:
    """From here to the end of the request; what is none of ours changes nothing."""
    if isinstance(language, str) and language in LANGUAGES:
        _spoken.set(language)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def asked_for(accept: str) -> str:
    """The best of our languages for an Accept-Language header.

    >>> asked_for("de-DE,ko;q=0.8,ar;q=0.9"), asked_for("fr, *;q=0.1"), asked_for("es-419,en;q=0.9"), asked_for("q=;,")
    ('ar', 'en', 'es', 'en')
    """
    wishes = []
    for wish in accept.split(",")[:MOST_ASKED]:
        name, _, quality = wish.partition(";q=")
        try:
            wishes.append((-float(quality or 1), name.strip().partition("-")[0].lower()))
        except ValueError:
            continue
    return next((name for _, name in sorted(wishes, key=lambda wish: wish[0]) if name in LANGUAGES), ENGLISH)


@lru_cache(maxsize=len(LANGUAGES) + 1)
def catalogue(language: str) -> NullTranslations:
    """What gettext knows in a language. The texts are read as people keep them; nothing has to be compiled before."""
    if language == ENGLISH:
        return NullTranslations()
    with (CATALOGUES / language / "LC_MESSAGES" / "terroir.po").open("rb") as file:
        found = read_po(file, locale=language, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, found)
    compiled.seek(0)
    return Translations(compiled)  # type: ignore[no-any-return, no-untyped-call, unused-ignore]


def gettext(message: str) -> str:
    return catalogue(spoken()).gettext(message)


def ngettext(one: str, other: str, n: int) -> str:
    return catalogue(spoken()).ngettext(one, other, n)


def translated(text: str) -> str:
    """A sentence in the language of the request; any other text as it is."""
    if not isinstance(text, Sentence):
        return text
    return filled(gettext(text.pattern), {name: _shown(value) for name, value in text.values.items()})


def _shown(value: object) -> str:
    if isinstance(value, int):
        return number(value)
    return translated(value) if isinstance(value, str) else str(value)


def locale() -> Locale:
    return Locale(spoken())


def direction() -> str:
    """ "ltr" or "rtl"."""
    return locale().text_direction


def number(value: float, digits: int = 0) -> str:
    """With its thousands apart. Digits are 0 to 9 in every language, as they are on keys and in what people type.

    >>> number(1234.5, 1)
    '1,234.5'
    """
    if spoken() == ENGLISH:
        return f"{value:,.{digits}f}"
    return numbers.format_decimal(value, f"#,##0.{'0' * digits}" if digits else "#,##0", locale())


def percent(share: float, digits: int = 0) -> str:
    """
    >>> percent(0.854), percent(0.8543, 1)
    ('85 %', '85.4 %')
    """
    if spoken() == ENGLISH:
        return f"{100 * share:.{digits}f} %"
    return numbers.format_percent(share, f"#,##0.{'0' * digits}\N{NO-BREAK SPACE}%" if digits else None, locale())


def figure(text: str) -> str:
    """A figure that was written in English ("66.7", "[60.1, 72.0]") with this language's decimal sign."""
    sign = numbers.get_decimal_symbol(locale())
    return text if sign == "." else text.replace(", ", "; ").replace(".", sign)


def when(moment: datetime | None) -> str:
    if moment is None:
        return ""
    at = moment.astimezone(UTC)
    return f"{day(at)} {at:%H:%M} UTC"


def day(value: date, skeleton: str = "yMMMd") -> str:
    """A day as CLDR's skeleton says: "MMMd" without its year, "yMMMM" for the month."""
    if spoken() == ENGLISH and skeleton in ENGLISH_DAYS:
        return value.strftime(ENGLISH_DAYS[skeleton]).removeprefix("0")
    return dates.format_skeleton(skeleton, datetime(value.year, value.month, value.day, tzinfo=UTC), locale=locale())


def listed(names: Sequence[str], style: str = "standard") -> str:
    """Names one after another; style "or" for choices."""
    return lists.format_list(names, style, locale())  # type: ignore[arg-type]


def plural_samples() -> list[tuple[str, int]]:
    """For each plural of the language a number that takes it: scripts choose among them by CLDR's name.

    >>> plural_samples()
    [('one', 1), ('other', 0)]
    """
    found: dict[str, int] = {}
    for n in (1, 0, *range(2, 200)):
        found.setdefault(locale().plural_form(n), n)
    return list(found.items())
