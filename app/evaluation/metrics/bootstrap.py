"""Figures with intervals: shares of sums, resampled by dish."""

from typing import Any, NamedTuple

import numpy as np

from app.agreement.intervals import FloatArray, percentile_interval

REPLICATES = 1000
LEVEL = 0.95


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
        self.weights = np.zeros((0, n_dishes))
        """One row a replicate, one column a dish."""
        if n_dishes > 1:
            drawn = np.random.default_rng(seed).multinomial(n_dishes, np.full(n_dishes, 1 / n_dishes), size=replicates)
            self.weights = drawn.astype(np.float64)

    def share(self, numerators: FloatArray, denominators: FloatArray, *, reason: str) -> Estimate:
        """Sum of `numerators` by sum of `denominators` (each one number a dish); `reason` is why the latter may be 0.

        >>> Resamples(2, seed=0).share(np.array([1.0, 2.0]), np.array([2.0, 2.0]), reason="no_answers").value
        0.75
        """
        return self.mean_share(numerators[np.newaxis], denominators[np.newaxis], reason=reason)

    def mean_share(self, numerators: FloatArray, denominators: FloatArray, *, reason: str) -> Estimate:
        """The mean of several shares, each as `share` has it: one row a share, one column a dish.

        >>> Resamples(2, seed=0).mean_share(np.array([[1.0, 1.0], [0.0, 1.0]]), np.ones((2, 2)), reason="").value
        0.75
        """
        totals = denominators.sum(axis=1)
        if totals.size == 0 or not totals.all():
            return Estimate(None, reason=reason)
        value = float((numerators.sum(axis=1) / totals).mean())
        if np.count_nonzero(denominators.any(axis=0)) == 1:
            return Estimate(value, reason="one_dish")
        # vecdot, since a small matrix product sets BLAS's threads spinning: twenty times slower where cores are busy.
        below = np.vecdot(denominators[:, np.newaxis], self.weights)
        shares = np.vecdot(numerators[:, np.newaxis], self.weights) / np.where(below > 0, below, np.nan)
        interval = percentile_interval(shares.mean(axis=0))
        return Estimate(value, *interval) if interval else Estimate(value, reason="unstable")


class Draws:
    """The replicates under all figures of a document; groups with as many dishes share theirs."""

    def __init__(self, seed: int, replicates: int = REPLICATES) -> None:
        self.seed, self.replicates = seed, replicates
        self._by_size: dict[int, Resamples] = {}

    def of(self, n_dishes: int) -> Resamples:
        if n_dishes not in self._by_size:
            self._by_size[n_dishes] = Resamples(n_dishes, self.seed, self.replicates)
        return self._by_size[n_dishes]

    def describe(self) -> dict[str, Any]:
        """The `bootstrap` of a document: how its intervals were found."""
        return {"unit": "dish", "replicates": self.replicates, "seed": self.seed, "level": LEVEL}


def as_json(estimate: Estimate) -> dict[str, Any]:
    """The `E` of the metrics document: value, low, high, reason."""
    return estimate._asdict()
