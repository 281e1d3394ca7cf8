"""Figures with intervals: shares of sums, resampled by dish."""

from typing import Any, NamedTuple

import numpy as np

from app.agreement.intervals import FloatArray, percentile_interval

REPLICATES = 1000


class Estimate(NamedTuple):
    """A value and its 95 % interval; whatever can't be computed is None, and `reason` then says why.

    A value alone: `one_dish`, a single one can't be resampled; `unstable`, undefined in over 5 % of the replicates.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


class Resamples:
    """Replicates of one group of answers: how often each of its dishes was drawn, with replacement.

    Answers about one dish stand or fall together, so dishes are drawn, never single answers (Cameron, Gelbach & Miller
    2008, the pairs cluster bootstrap). The same number of dishes and seed draw the same replicates, which pairs the
    figures of a group with one another.
    """

    def __init__(self, n_dishes: int, seed: int, replicates: int = REPLICATES) -> None:
        self._weights = np.zeros((0, n_dishes))
        if n_dishes > 1:
            drawn = np.random.default_rng(seed).multinomial(n_dishes, np.full(n_dishes, 1 / n_dishes), size=replicates)
            self._weights = drawn.astype(np.float64)

    def share(self, numerators: FloatArray, denominators: FloatArray, *, reason: str) -> Estimate:
        """Sum of `numerators` by sum of `denominators` (each one number a dish); `reason` is why the latter may be 0.

        >>> Resamples(2, seed=0).share(np.array([1.0, 2.0]), np.array([2.0, 2.0]), reason="no_answers").value
        0.75
        """
        total = denominators.sum()
        if total == 0:
            return Estimate(None, reason=reason)
        value = float(numerators.sum() / total)
        if np.count_nonzero(denominators) == 1:
            return Estimate(value, reason="one_dish")
        below = self._weights @ denominators
        with np.errstate(invalid="ignore"):
            interval = percentile_interval(self._weights @ numerators / np.where(below > 0, below, np.nan))
        return Estimate(value, *interval) if interval else Estimate(value, reason="unstable")


def as_json(estimate: Estimate) -> dict[str, Any]:
    """The `E` of the metrics document: value, low, high, reason."""
    return estimate._asdict()
