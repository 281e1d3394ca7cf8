"""What is worth a look in a list of raters: the evidence in words, and where to look. Never a verdict."""

import uuid
from collections.abc import Collection, Sequence
from statistics import median
from typing import NamedTuple

from app.adjudication.agreement.people_models import Models, row_of
from app.adjudication.agreement.people_views import Rater, alike, share
from app.agreement.rules import ANSWERS
from app.web.figures.tables import Column, Estimate, Table, Unit, interval, number

ENOUGH = 20
"""Answers, pairs or timed judgments below which nothing is said."""
ENOUGH_WRONG = 5
"""Expected wrong claims, and known answers, below which nothing is said."""
BY_CHANCE = 0.001
"""Always the same answer is worth a look where somebody who answers as the others do would hardly ever get there."""
FAST = 1 / 3
"""Of the median of the others' medians."""


class Flag(NamedTuple):
    """`words` are the evidence; `look` says what to look at: the rater's items that `query` says, or, without one, that
    `part` of their own page."""

    rater: Rater
    words: str
    look: str
    query: dict[str, str] | None
    part: str


PARTS = {
    "answers": "the answers beside those of the others",
    "colleagues": "the agreement with each colleague",
    "confusion": "the answers where a claim is wrong",
}


def flags(raters: Sequence[Rater], question: str = "") -> list[Flag]:
    """In the order of the raters. Each is compared with the median of all others, so two are too few. `question` is
    the one that the raters' figures are of; "" is all together."""
    if len(raters) < 3:
        return []
    said = [
        look(rater, [other for other in raters if other is not rater])
        for rater in raters
        for look in (_always, _agrees, _notices, _gold, _fast)
    ]
    return [_leading_on(flag, question) for flag in said if flag is not None]


def _leading_on(flag: Flag, question: str) -> Flag:
    """No list that must be empty: where nobody answered otherwise, as where nothing but known answers is the evidence,
    it is the part of the rater's page. Without a question an answer names no items."""
    if flag.query is None:
        return flag
    rater, answer = flag.rater, flag.query.get("answer")
    if rater.pairs.n == rater.pairs.alike or (answer and not rater.given[answer]):
        return flag._replace(look=PARTS[flag.part], query=None)
    if answer and not question:
        return flag._replace(look="where the answers differ", query={"votes": "differ"})
    return flag


def flags_table(found: Sequence[Flag]) -> Table:
    columns = (
        Column("rater", "Rater", Unit.TEXT), Column("email", "E-mail", Unit.TEXT),
        Column("evidence", "Evidence", Unit.TEXT), Column("look", "Look at", Unit.TEXT),
    )  # fmt: skip
    rows = [(flag.rater.who.name, flag.rater.who.email, flag.words, flag.look) for flag in found]
    return Table("worth-a-look", "Worth a look", columns, rows)


def _always(rater: Rater, others: Sequence[Rater]) -> Flag | None:
    n = sum(rater.given.values())
    every = sum(sum(other.given.values()) for other in others)
    answer = next((answer for answer in ANSWERS if rater.given[answer] == n), None)
    if answer is None or n < ENOUGH or not every:
        return None
    theirs = sum(other.given[answer] for other in others) / every
    if theirs**n > BY_CHANCE:
        return None
    words = f"Always {answer}: {n:,} of {n:,} answers; the others say {answer} in {_percent(theirs)} %."
    query = {"answer": answer, "votes": "differ"}
    return Flag(rater, words, "where colleagues answered otherwise", query, "answers")


def _agrees(rater: Rater, others: Sequence[Rater]) -> Flag | None:
    own = alike(rater.pairs)
    rest = [alike(other.pairs) for other in others if other.pairs.n >= ENOUGH]
    if rater.pairs.n < ENOUGH or not _is_below(own, rest):
        return None
    words = (
        f"Agrees less than others: {_figure(own)} of {rater.pairs.n:,} pairs; the median of the rest is "
        f"{_middle(rest)} %."
    )
    return Flag(rater, words, "where the answers differ", {"votes": "differ"}, "colleagues")


def _notices(rater: Rater, others: Sequence[Rater]) -> Flag | None:
    rest = _seen([(other.notices, other.met) for other in others])
    if not misses_wrong_claims((rater.notices, rater.met), rest):
        return None
    words = (
        f"Notices fewer wrong claims: {_figure(rater.notices)} of about {rater.met:,.0f} met; the median of the rest "
        f"is {_middle(rest)} %."
    )
    query = {"answer": "yes", "votes": "differ"}
    return Flag(rater, words, "where this rater said yes and a colleague did not", query, "confusion")


Noticing = tuple[Estimate, float | None]
"""The chance of “no” where a claim is wrong, and how many wrong claims were met (None: no model knows the rater)."""


def n_missing_wrong_claims(models: Models, paused: Collection[uuid.UUID] = frozenset()) -> int:
    """How many people the list of raters says this of, over all questions. Who is paused already needs no look: others
    are compared with them, and that is all."""
    known = {rater for fit in models.values() if fit.reason is None for rater in fit.fit["raters"]}
    rows = {rater: row for rater in known if (row := row_of(models, rater, "no"))}
    everyone: dict[str, Noticing] = {rater: (row.answers["no"], row.expected) for rater, row in rows.items()}
    out = set(map(str, paused))
    return sum(
        misses_wrong_claims(own, _seen([other for name, other in everyone.items() if name != rater]))
        for rater, own in everyone.items()
        if rater not in out
    )


def misses_wrong_claims(own: Noticing, rest: Sequence[Estimate]) -> bool:
    share, met = own
    return (met or 0) >= ENOUGH_WRONG and _is_below(share, rest)


def _seen(others: Sequence[Noticing]) -> list[Estimate]:
    return [share for share, met in others if (met or 0) >= ENOUGH_WRONG]


def _gold(rater: Rater, others: Sequence[Rater]) -> Flag | None:
    own = share(rater.gold.right, rater.gold.n)
    rest = [share(other.gold.right, other.gold.n) for other in others if other.gold.n >= ENOUGH_WRONG]
    if rater.gold.n < ENOUGH_WRONG or not _is_below(own, rest):
        return None
    words = (
        f"Fewer known answers right: {rater.gold.right:,} of {rater.gold.n:,}, {_figure(own)}; the median of the rest "
        f"is {_middle(rest)} %."
    )
    return Flag(rater, words, "the known answers missed", None, "gold")


def paces(others: Sequence[Rater]) -> list[float]:
    """The median seconds of everybody with enough timed judgments."""
    return [other.pace.median for other in others if other.pace and other.pace.median and other.pace.n >= ENOUGH]


def _fast(rater: Rater, others: Sequence[Rater]) -> Flag | None:
    rest = paces(others)
    pace = rater.pace
    if pace is None or not pace.median or pace.n < ENOUGH or len(rest) < 2:
        return None
    middle = median(rest)
    if pace.median > FAST * middle:
        return None
    words = f"Fast: median {pace.median:.1f} s; the median of the others’ is {middle:.1f} s."
    return Flag(rater, words, "the pace, week by week", None, "pace")


def _is_below(own: Estimate, rest: Sequence[Estimate]) -> bool:
    """Whether the whole interval lies below the median of the rest."""
    values = [e["value"] for e in rest if e["value"] is not None]
    return own["high"] is not None and len(values) >= 2 and own["high"] < median(values)


def _middle(rest: Sequence[Estimate]) -> str:
    return _percent(median(e["value"] for e in rest if e["value"] is not None))


def _percent(value: float) -> str:
    return number(value, Unit.SHARE)


def _figure(estimate: Estimate) -> str:
    return f"{_percent(estimate['value'])} % {interval(estimate, Unit.SHARE)}"
