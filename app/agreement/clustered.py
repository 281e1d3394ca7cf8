"""Two groups' shares of an answer, and their difference, where answers on the same item are not independent."""

import math
from typing import NamedTuple

import numpy as np

from app.agreement.intervals import Estimate, FloatArray, wilson


class Compared(NamedTuple):
    first: Estimate
    second: Estimate
    difference: Estimate
    """Of the first from the second."""


def compared(hits: FloatArray, sizes: FloatArray, frequency: FloatArray) -> Compared:
    """Both groups' shares and the first minus the second, with 95 % intervals.

    K kinds of cluster (an item, or a family of items): `hits` (K, 2) how many of the two groups' answers in it are the
    one in question, `sizes` (K, 2) how many answers they gave in it, `frequency` (K,) how many clusters are like that.

    A share has Wilson's score interval on the effective number of answers: their number divided by the design effect
    (Kish 1965), which the clusters' residuals show, and which is never taken as less than 1. The difference has
    Newcombe's (1998) hybrid score interval with the correlation of the two shares, positive where both groups judged
    the same clusters (Zou & Donner 2008). With one answer a cluster that is Newcombe's interval itself, method 10:

    >>> hits, sizes = np.array([[1, 0], [0, 0], [0, 1], [0, 0]]), np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    >>> found = compared(hits, sizes, np.array([56, 14, 48, 32]))
    >>> [round(part, 4) for part in found.difference[:3]]
    [0.2, 0.0524, 0.3339]
    """
    first, second = (_share(hits[:, side], sizes[:, side], frequency) for side in (0, 1))
    if first.value is None or first.low is None or first.high is None:
        return Compared(first, second, Estimate(None, reason=first.reason))
    if second.value is None or second.low is None or second.high is None:
        return Compared(first, second, Estimate(None, reason=second.reason))
    off = hits - np.array([first.value, second.value]) * sizes
    spread = math.sqrt(float(frequency @ off[:, 0] ** 2) * float(frequency @ off[:, 1] ** 2))
    together = float(frequency @ (off[:, 0] * off[:, 1])) / spread if spread else 0.0
    value = first.value - second.value
    below = _hypotenuse(first.value - first.low, second.high - second.value, together)
    above = _hypotenuse(first.high - first.value, second.value - second.low, together)
    return Compared(first, second, Estimate(value, max(-1.0, value - below), min(1.0, value + above)))


def _share(hits: FloatArray, sizes: FloatArray, frequency: FloatArray) -> Estimate:
    n = float(frequency @ sizes)
    if n == 0:
        return Estimate(None, reason="no_judgments")
    share = float(frequency @ hits) / n
    effective = n / max(1.0, _design_effect(hits, sizes, frequency, share, n))
    return wilson(share * effective, effective)


def _design_effect(hits: FloatArray, sizes: FloatArray, frequency: FloatArray, share: float, n: float) -> float:
    """The share's variance over clusters, divided by that of as many independent answers. Where the answers can't show
    it (all alike, or one cluster) the most it can be: that of clusters which hold one opinion each."""
    clusters = float(frequency[sizes > 0].sum())
    if clusters < 2 or share in (0.0, 1.0):
        return float(frequency @ sizes**2) / n
    variance = clusters / (clusters - 1) * float(frequency @ (hits - share * sizes) ** 2) / n**2
    return variance / (share * (1 - share) / (n - 1))


def _hypotenuse(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * correlation * one * other + other**2))
