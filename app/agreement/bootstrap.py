"""Intervals by resampling items, done as one multinomial draw over the table of patterns."""

from collections.abc import Callable, Mapping

import numpy as np

from app.agreement import coefficients
from app.agreement.coefficients import Sample
from app.agreement.intervals import Estimate, FloatArray, percentile_interval
from app.agreement.patterns import Patterns

Coefficient = Callable[[Sample], FloatArray]

# The figures of an agreement document, in the order they are read.
NOMINAL: Mapping[str, Coefficient] = {
    "percent_agreement": coefficients.percent_agreement,
    "krippendorff_alpha": coefficients.krippendorff_alpha,
    "fleiss_kappa": coefficients.fleiss_kappa,
    "gwet_ac1": coefficients.gwet_ac1,
}

# Replicates are drawn in chunks of about this many numbers (8 MB each), whatever the size of the table.
CHUNK_CELLS = 1_000_000


def estimates(
    patterns: Patterns,
    wanted: Mapping[str, Coefficient] = NOMINAL,
    *,
    seed: int = 0,
    replicates: int = 1000,
) -> dict[str, Estimate]:
    """Each coefficient with its 95 % percentile interval from resampling items with replacement.

    A sample of items is a sample of their patterns, so one multinomial draw replaces resampling every item, and
    the cost depends on the number of patterns alone. Replicates in which a coefficient is undefined are left out
    of its percentiles; with more than 5 % of them undefined there is no interval. The same table, seed and number
    of replicates give the same intervals; 0 replicates give values alone.

    >>> table = Patterns.from_rows([((3, 0), 80), ((2, 1), 20)], ["yes", "no"])
    >>> alpha = estimates(table, seed=1)["krippendorff_alpha"]
    >>> round(alpha.value, 3), round(alpha.low, 2), round(alpha.high, 2)
    (-0.068, -0.1, -0.04)
    """
    observed = Sample.observed(patterns)
    values = {name: float(coefficient(observed)[0]) for name, coefficient in wanted.items()}
    resampled = {name: np.full(replicates, np.nan) for name in wanted}
    if patterns.n_items_paired >= 2:
        _resample(patterns, wanted, resampled, np.random.default_rng(seed))
    return {name: estimate(values[name], resampled[name], n_units=patterns.n_items_paired) for name in wanted}


def cohen_estimate(table: FloatArray, *, seed: int = 0, replicates: int = 1000) -> Estimate:
    """Cohen's kappa of two raters with its interval from resampling the items they share.

    `table` (C, C) counts the items one rater gave the row's category and the other the column's.

    >>> kappa = cohen_estimate(np.array([[20.0, 5.0], [10.0, 15.0]]))
    >>> round(kappa.value, 2), round(kappa.low, 2), round(kappa.high, 2)
    (0.4, 0.15, 0.64)
    """
    n_items = int(table.sum())
    tables = np.zeros((0, *table.shape))
    if n_items >= 2:
        drawn = np.random.default_rng(seed).multinomial(n_items, table.ravel() / n_items, size=replicates)
        tables = drawn.reshape(replicates, *table.shape).astype(np.float64)
    return estimate(float(_kappas(table[None])[0]), _kappas(tables), n_units=n_items)


def _kappas(tables: FloatArray) -> FloatArray:
    return coefficients.cohen_kappa(np.trace(tables, axis1=1, axis2=2), tables.sum(axis=2), tables.sum(axis=1))


def estimate(value: float, resampled: FloatArray, *, n_units: int) -> Estimate:
    """Put a value (NaN: undefined), its replicates and the number of resampled items together."""
    if n_units == 0:
        return Estimate(None, reason="no_overlap")
    if np.isnan(value):
        return Estimate(None, reason="no_variation")
    if n_units == 1:
        return Estimate(value, reason="one_item")
    if len(resampled) == 0:
        return Estimate(value, reason="no_replicates")
    interval = percentile_interval(resampled)
    return Estimate(value, *interval) if interval else Estimate(value, reason="unstable")


def _resample(
    patterns: Patterns,
    wanted: Mapping[str, Coefficient],
    resampled: dict[str, FloatArray],
    rng: np.random.Generator,
) -> None:
    """Fill `resampled` chunk by chunk; draws follow one another, so the size of a chunk changes no figure."""
    replicates = len(next(iter(resampled.values()), ()))
    chunk = max(1, CHUNK_CELLS // max(len(patterns.frequency), 2 * len(patterns.categories)))
    probabilities = patterns.frequency / patterns.n_items
    for start in range(0, replicates, chunk):
        drawn = rng.multinomial(patterns.n_items, probabilities, size=min(chunk, replicates - start))
        sample = Sample(patterns, drawn.astype(np.float64))
        for name, coefficient in wanted.items():
            resampled[name][start : start + chunk] = coefficient(sample)
