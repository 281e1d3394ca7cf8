"""When a campaign will have its judgments, with an interval: from how many it got in each of the last hours or days."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import mean, variance
from typing import Final, NamedTuple

from scipy.special import stdtrit

FEWEST_SPANS: Final = 6
FEWEST_JUDGMENTS: Final = 30
"""Spans, and judgments in all of them, below which nothing is foretold."""
LONGEST: Final = timedelta(days=365)


class Forecast(NamedTuple):
    """`at`, `low` and `high` are None where they can't be said; `why` says on what they stand, or why there are none.

    A `low` without a `high`: the pace varies so much that no end is late enough.
    """

    at: datetime | None
    low: datetime | None
    high: datetime | None
    why: str


class Spans(NamedTuple):
    """Counted judgments of one whole hour or day after another, the oldest first, the quiet ones too."""

    counts: Sequence[int]
    length: timedelta
    name: str
    """"hour" or "day"."""


def forecast(remaining: int, spans: Spans, at: datetime) -> Forecast:
    """When `remaining` judgments will have come in, and between when and when with a probability of 95 %.

    Method. The n spans are taken as independent draws of one distribution with mean m and variance s², both estimated
    from them; s² is never taken below m, that of a Poisson process. After d more spans about d·m ± sqrt(d·s² + d²·s²/n)
    judgments have come in: the first part is how spans differ, the second that m is itself an estimate. The interval
    holds every d for which `remaining` lies within t(0.975, n − 1) such deviations of d·m: the roots of a quadratic, as
    in Fieller's interval (1954). Where t²·s²/n ≥ m² the quadratic has no upper root, and there is no latest end.

    Assumptions, all of which people break: that the coming spans are like the last ones (nobody joins or leaves, nights
    and weekends are among both), that they don't depend on each other (a good day is followed by a good one, so the
    interval is rather too narrow), and that the items left take as many judgments as is said. What waits for an
    adjudicator or for another image is not in it.

    >>> start = datetime(2026, 11, 2)
    >>> steady = forecast(400, Spans([100, 80, 120, 90, 110, 100, 100, 100], timedelta(days=1), "day"), start)
    >>> str(steady.at), str(steady.low)[:13], str(steady.high)[:13]
    ('2026-11-06 00:00:00', '2026-11-05 09', '2026-11-06 18')
    >>> forecast(400, Spans([0, 0, 40, 0, 0, 0], timedelta(hours=1), "hour"), start).high is None
    True
    >>> forecast(400, Spans([9, 8], timedelta(hours=1), "hour"), start).why
    'Too few judgments to say when: 17 within 2 hours; it takes 30 within 6 hours.'
    """
    counts, n, total = spans.counts, len(spans.counts), sum(spans.counts)
    several = f"{n} {spans.name}{'s' if n != 1 else ''}"
    if n < FEWEST_SPANS or total < FEWEST_JUDGMENTS:
        return _nothing(
            f"Too few judgments to say when: {total:,} within {several}; it takes {FEWEST_JUDGMENTS} within "
            f"{FEWEST_SPANS} {spans.name}s."
        )
    m = mean(counts)
    s2 = max(variance(counts), m)
    low, high = _spans_between(remaining, m, s2, n)
    if remaining / m * spans.length > LONGEST:
        return _nothing(f"More than a year away at the pace of the last {several}, {total:,} judgments.")
    why = f"At the pace of the last {several}, {total:,} judgments; 95 % interval."
    if high is None or high * spans.length > LONGEST:
        why = f"At the pace of the last {several}, {total:,} judgments. It varies too much to name a latest end."
        high = None
    return Forecast(
        at + remaining / m * spans.length,
        at + low * spans.length,
        None if high is None else at + high * spans.length,
        why,
    )


def _spans_between(remaining: int, m: float, s2: float, n: int) -> tuple[float, float | None]:
    """The roots of (remaining − d·m)² = t²·s²·(d + d²/n); None for an upper one that is not there."""
    reach = float(stdtrit(n - 1, 0.975)) ** 2 * s2
    a, b, c = m * m - reach / n, -(2 * remaining * m + reach), float(remaining) ** 2
    root = math.sqrt(max(b * b - 4 * a * c, 0.0))
    low = 2 * c / (-b + root)  # not (−b − root) / 2a: that is 0/0 where a is
    return low, (-b + root) / (2 * a) if a > 0 else None


def _nothing(why: str) -> Forecast:
    return Forecast(None, None, None, why)
