"""95 % intervals of shares that are means over dishes, with a width also where nothing happened."""

import math
from typing import NamedTuple

from scipy import special

from app.agreement.intervals import FloatArray
from app.agreement.patterns import IntArray


class Share(NamedTuple):
    """A mean over dishes between its limits, all in 0..1."""

    value: float
    low: float
    high: float


def share_of_dishes(shares: FloatArray, answers: IntArray) -> Share:
    """The mean of K > 1 dishes' shares (K,), each from so many `answers` (K,), with Wilson's (1927) score interval.

    The effective number of answers is what the dishes' variance says, but at most the number given (that of the mean
    of dishes: many answers on one dish count little), so that no interval is empty. Student's t with K - 1 degrees of
    freedom stands for the normal quantile.

    >>> import numpy as np
    >>> [round(one, 3) for one in share_of_dishes(np.zeros(20), np.full(20, 2))]
    [0.0, 0.0, 0.099]
    """
    n = len(shares)
    share = min(1.0, max(0.0, float(shares.mean())))
    given = n * n / float((1 / answers).sum())
    variance = float(shares.var(ddof=1)) / n
    spread = share * (1 - share)
    effective = given if variance * given <= spread else max(1.0, spread / variance)
    z2 = float(special.stdtrit(n - 1, 0.975)) ** 2 / effective
    centre, half = share + z2 / 2, math.sqrt(z2 * (spread + z2 / 4))
    return Share(share, max(0.0, (centre - half) / (1 + z2)), min(1.0, (centre + half) / (1 + z2)))


def difference(before: Share, after: Share, correlation: float) -> tuple[float, float]:
    """Newcombe's (1998) interval of `after` minus `before`, with the two means' correlation (Zou & Donner 2008)."""
    shift = after.value - before.value

    def reach(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one * one + other * other - 2 * correlation * one * other))

    low = shift - reach(after.value - after.low, before.high - before.value)
    return low, shift + reach(after.high - after.value, before.value - before.low)


def correlation(one: FloatArray, other: FloatArray) -> float:
    """Of dishes' shares on two sides, 0 where it would be negative or a side has no variance."""
    a, b = one - one.mean(), other - other.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return max(0.0, float(a @ b) / scale) if scale > 1e-12 else 0.0
