"""What a model's reply says: a dish and a country, or why it says nothing."""

import enum
import json
import re
from typing import Any, NamedTuple

PARSER_VERSION = 1
"""Part of every run's spec: raise it with any change here that reads some reply differently."""

MAX_REPLY = 1_000_000
"""Characters of a reply that are looked at; no honest one comes near."""
MAX_VALUE = 300
"""Characters kept of a name."""
_MAX_OBJECTS = 256
_KEYS = ("food", "country")


class State(enum.StrEnum):
    """Only `ok` is an answer, right or wrong; the others are never scored."""

    OK = "ok"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    UNPARSABLE = "unparsable"
    FAILED = "failed"


class Parsed(NamedTuple):
    """`food` and `country` as the model wrote them; either may be missing from an answer."""

    state: State
    food: str | None = None
    country: str | None = None


# Only looked for where no answer was found, so that "Sorry, the picture is dark, but: {...}" stays an answer.
_REFUSAL = re.compile(
    r"(i['’]?m |i am |we['’]re )?(very |so )?(sorry|unable to|not able to)"
    r"|i (can['’]?t|cannot|can not|won['’]t|will not|must decline)|as an ai\b|unfortunately, i (can|am)",
    re.IGNORECASE,
)
_BESIDE = re.compile(r"[/|;,]\s*(?=[*_]*country\b)", re.IGNORECASE)


def parse_reply(text: str, *, is_cut: bool = False, is_refused: bool = False) -> Parsed:
    """Reads the last JSON object with `food` or `country` in it, else the last `Food: …` and `Country: …` lines.

    `is_cut`: the engine stopped it at its limit of tokens. What stands before the cut may be a thought on the way, so
    nothing is taken from it. `is_refused`: the engine itself calls it a refusal.

    >>> parse_reply('Bread and beans.\\n```json\\n{"food": "Koshary", "country": "Egypt"}\\n```')
    Parsed(state=<State.OK: 'ok'>, food='Koshary', country='Egypt')
    >>> parse_reply("I'm sorry, I can't help with that.").state
    <State.REFUSED: 'refused'>
    """
    if is_refused:
        return Parsed(State.REFUSED)
    if is_cut or len(text) > MAX_REPLY:
        return Parsed(State.TRUNCATED)
    found = _from_json(text) or _from_lines(text)
    if found is not None:
        return Parsed(State.OK, _clean(found.get("food")), _clean(found.get("country")))
    if _REFUSAL.match(text.lstrip(" \n\t*_>\"'")):
        return Parsed(State.REFUSED)
    return Parsed(State.UNPARSABLE)


def storable(text: str) -> str:
    """The text without what PostgreSQL refuses: NUL and halves of surrogate pairs."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _from_json(text: str) -> dict[str, Any] | None:
    """The last outermost object that answers, itself or by an object inside. A hostile reply may open a million braces:
    only the last _MAX_OBJECTS of them are tried."""
    braces = [match.start() for match in re.finditer(r"\{", text)]
    decoder, end, answer = json.JSONDecoder(), 0, None
    for start in braces[-_MAX_OBJECTS:]:
        if start < end:
            continue
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        answer = _answer_in(value) or answer
    return answer


def _answer_in(value: dict[str, Any]) -> dict[str, Any] | None:
    """The object itself or one right inside it, as in `{"answer": {"food": …}}`, with its keys folded."""
    for part in (value, *value.values()):
        if isinstance(part, dict):
            folded = {str(key).strip().casefold(): inner for key, inner in part.items()}
            if any(key in folded for key in _KEYS):
                return folded
    return None


def _from_lines(text: str) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for line in text.splitlines():
        for part in _BESIDE.split(line, maxsplit=1):
            key, colon, value = part.partition(":")
            word = key.strip(" \t>*_#-•`").casefold()
            if colon and word in _KEYS and value.strip(_EDGES):
                found[word] = value
    return found or None


_EDGES = " \t\r\n*_`\"'“”.,;"


def _clean(value: Any) -> str | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        return None
    return storable(" ".join(value[: 4 * MAX_VALUE].split()).strip(_EDGES)[:MAX_VALUE]) or None
