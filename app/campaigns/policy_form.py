"""A policy as a form holds it: texts by field name, and what they come to."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from app import geography
from app.accounts.service import clean_text
from app.campaigns.models import Policy
from app.campaigns.parameters import (
    ADAPTIVE,
    ADAPTIVE_CAP,
    ADAPTIVE_DEFAULTS,
    FIXED,
    Parameters,
    parameters_of,
)
from app.campaigns.service import MAX_OVERLAP
from app.campaigns.settings import SETTINGS, Setting, asked_for, typed
from app.errors import Invalid

SUBTASKS: Final = ("SF", "MF", "SFB", "MFB")
LEASE_MINUTES: Final = (0.5, 7 * 24 * 60)
MOST_NEEDED: Final = 10_000_000
LONGEST_LINE: Final = 100
_WHOLE = re.compile(r"[+-]?(\d{1,12}|[1-9]\d{0,2}(?:(?P<mark>[., ])\d{3}(?:(?P=mark)\d{3}){0,2})?)", re.ASCII)
_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_QUOTA = re.compile(r"(?P<group>.*?)\s*[:=,\s]\s*(?P<needed>[\d., ]+)")


class Rules(NamedTuple):
    """What of a policy decides who judges what, and what becomes of it; not its words."""

    rule: str
    overlap: int
    lease_seconds: int | None
    parameters: Parameters


def rules_of(policy: Policy) -> Rules:
    return Rules(policy.rule, policy.overlap, policy.lease_seconds, parameters_of(policy))


PRESETS: Final = {
    "fixed": ("Fixed, 3 people", Rules(FIXED, 3, None, Parameters())),
    "adaptive": ("Adaptive, 2 to 5 people", Rules(ADAPTIVE, ADAPTIVE_CAP, None, ADAPTIVE_DEFAULTS)),
}
"""Their quotas, rounds and lease are left as the campaign has them."""


def preset(name: str, current: Rules) -> Rules | None:
    if name not in PRESETS:
        return None
    _, chosen = PRESETS[name]
    kept = {"quotas": current.parameters.quotas, "rounds": current.parameters.rounds}
    return chosen._replace(lease_seconds=current.lease_seconds, parameters=chosen.parameters.model_copy(update=kept))


def as_typed(rules: Rules) -> dict[str, str]:
    """The form's texts for these rules."""
    parameters = rules.parameters.model_dump()
    is_fixed = rules.rule == FIXED
    return {
        "rule": rules.rule,
        "people": str(rules.overlap if is_fixed else 3),
        "cap": str(ADAPTIVE_CAP if is_fixed else rules.overlap),
        "lease_minutes": f"{rules.lease_seconds / 60:.5g}" if rules.lease_seconds else "",
        "quotas": "\n".join(f"{_named(group)}: {needed}" for group, needed in rules.parameters.quotas.items()),
    } | {name: typed(setting, parameters[name]) for name, setting in SETTINGS.items()}


def _named(group: str) -> str:
    kind, _, name = group.partition(" ")
    return geography.name_of(name) if kind == "country" else name


def read(texts: Mapping[str, str]) -> Rules:
    """The rules a form asks for. Raises Invalid with a sentence for each field that can't be taken."""
    faults: dict[str, str] = {}
    rule = texts.get("rule", "")
    if rule not in (FIXED, ADAPTIVE):
        faults["rule"] = "Choose one of the two rules."
    overlap_field = "cap" if rule == ADAPTIVE else "people"
    overlap = _people(texts.get(overlap_field, ""), overlap_field, 2 if rule == ADAPTIVE else 1, faults)
    lease = _lease(texts.get("lease_minutes", ""), faults)
    values = {name: _value(setting, texts.get(name, ""), faults) for name, setting in SETTINGS.items()}
    quotas = _quotas(texts.get("quotas", ""), faults)
    parameters = _parameters({name: value for name, value in values.items() if name not in faults}, quotas, faults)
    if rule == ADAPTIVE and parameters.start > overlap and not {"start", "cap"} & faults.keys():
        faults["start"] = f"At most the {overlap} people an item gets altogether."
    if parameters.insiders > overlap and not {"insiders", overlap_field} & faults.keys():
        faults["insiders"] = f"At most the {overlap} people an item gets altogether."
    if faults:
        raise Invalid("Nothing is saved yet: " + _all(faults), fields=faults)
    return Rules(rule, overlap, lease, parameters)


def _all(faults: Mapping[str, str]) -> str:
    return "one field needs mending." if len(faults) == 1 else f"{len(faults)} fields need mending."


def checked_note(note: str) -> str:
    """The note without space around it. Raises Invalid."""
    return clean_text(note, wanted="Say in a sentence why you change it: it stays with the version.")


def _people(text: str, name: str, least: int, faults: dict[str, str]) -> int:
    number = _whole(text)
    if number is None or not least <= number <= MAX_OVERLAP:
        faults[name] = f"Write a whole number from {least} to {MAX_OVERLAP}."
        return MAX_OVERLAP
    return number


def _lease(text: str, faults: dict[str, str]) -> int | None:
    if not text.strip():
        return None
    number, (least, most) = _number(text), LEASE_MINUTES
    if _AMBIGUOUS.fullmatch(text.strip()):
        plain, fraction = text.strip().replace(",", ""), text.strip().replace(",", ".")
        faults["lease_minutes"] = f"“{text.strip()}” can mean two numbers: write {plain}, or {fraction} with a point."
        return None
    if number is None or not least <= number <= most:
        faults["lease_minutes"] = f"Write a number of minutes from {least:g} to {most:,}, or leave it empty."
        return None
    return round(60 * number)


def _value(setting: Setting, text: str, faults: dict[str, str]) -> Any:
    if setting.kind == "flag":
        return bool(text)
    number = _whole(text) if setting.kind == "count" else _number(text)
    if number is None:
        faults[setting.name] = asked_for(setting)
        return None
    return round(number / 100, 8) if setting.kind == "percent" else number


def _number(text: str) -> float | None:
    """A number as people write it: a decimal comma, a percent sign, spaces.

    >>> _number("0,95"), _number(" 20 % "), _number("many"), _number("nan")
    (0.95, 20.0, None, None)
    """
    plain = text.strip().removesuffix("%").strip().replace(",", ".")
    return float(plain) if re.fullmatch(r"[+-]?\d{1,12}(\.\d{1,12})?", plain) else None


def _whole(text: str) -> int | None:
    """A whole number as people write it, plain or in groups of three digits with one separator throughout; None for
    what could be a fraction.

    >>> _whole("1000"), _whole("1,000"), _whole("1.000.000"), _whole(" 1 000 "), _whole("-5")
    (1000, 1000, 1000000, 1000, -5)
    >>> _whole("1,5"), _whole("1,00"), _whole("1,000.0"), _whole("1,000.000"), _whole("0,950"), _whole("1 00")
    (None, None, None, None, None, None)
    """
    plain = re.sub(r"\s", " ", text.strip())
    return int(re.sub(r"[., ]", "", plain)) if _WHOLE.fullmatch(plain) else None


def _parameters(values: dict[str, Any], quotas: dict[str, int], faults: dict[str, str]) -> Parameters:
    """With the defaults where a value can't be taken, so that the rest is checked all the same."""
    while True:
        try:
            return Parameters.model_validate(values | {"quotas": quotas})
        except ValidationError as error:
            fault = error.errors()[0]
            # A rule over several fields names none: so far only the order of the two thresholds is one.
            name = str(fault["loc"][0]) if fault["loc"] else "raised_threshold"
            if fault["loc"]:
                faults[name] = asked_for(SETTINGS[name])
            else:
                faults[name] = "It can't lie below the first one."
            values = {other: value for other, value in values.items() if other != name}
            if not fault["loc"]:
                values.pop("threshold", None)


def _quotas(text: str, faults: dict[str, str]) -> dict[str, int]:
    """`SFB: 500` and `Korea: 40`, one a line."""
    quotas: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            group, needed = _quota(line.strip())
        except ValueError as fault:
            faults["quotas"] = f"Line {number}: {fault}"
            return {}
        if group in quotas:
            faults["quotas"] = f"Line {number}: {group.partition(' ')[2]} stands there twice; keep one of the lines."
            return {}
        quotas[group] = needed
    return quotas


def _quota(line: str) -> tuple[str, int]:
    """
    >>> _quota("SFB: 500"), _quota("subtask mf = 1,000"), _quota("South Korea 40")
    (('subtask SFB', 500), ('subtask MF', 1000), ('country KR', 40))
    """
    line = " ".join(line.split())  # the pattern would take ever longer over many spaces
    match = _QUOTA.fullmatch(line) if len(line) <= LONGEST_LINE else None
    if match is None or not match["needed"].strip(" .,"):
        raise ValueError("write a subtask or a country, a colon, and how many are enough, e.g. “SFB: 500”.")
    needed = _whole(match["needed"].strip(" .,"))
    if needed is None:
        raise ValueError("write how many are enough as a whole number, e.g. 1000 or 1,000.")
    if not 1 <= needed <= MOST_NEEDED:
        raise ValueError(f"a group needs from 1 to {MOST_NEEDED:,} approved items.")
    named = re.sub(r"^(subtask|country)\s+", "", match["group"].strip(), flags=re.IGNORECASE)
    if named.upper() in SUBTASKS:
        return f"subtask {named.upper()}", needed
    try:
        return f"country {geography.resolve(named)}", needed
    except Invalid as error:
        raise ValueError(f"{error.message} Subtasks are {', '.join(SUBTASKS)}.") from None
