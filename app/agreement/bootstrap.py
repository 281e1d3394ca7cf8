"""Intervals by resampling items or families of items, done as one multinomial draw over the table of patterns."""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from app.agreement import coefficients
from app.agreement.coefficients import Sample
from app.agreement.families import Families
from app.agreement.intervals import Estimate, FloatArray, percentile_interval
from app.agreement.patterns import Patterns

Coefficient = Callable[[Sample], FloatArray]
Level = Literal["nominal", "ordinal"]

# The figures of an agreement document, in the order they are read.
NOMINAL: Mapping[str, Coefficient] = {
    "percent_agreement": coefficients.percent_agreement,
    "krippendorff_alpha": coefficients.krippendorff_alpha,
    "fleiss_kappa": coefficients.fleiss_kappa,
    "gwet_ac1": coefficients.gwet_ac1,
}

# For answers in an order: alpha counts a near miss in part, and AC2 says the same of AC1 beside it.
ORDINAL: Mapping[str, Coefficient] = {
    **NOMINAL,
    "krippendorff_alpha": coefficients.krippendorff_alpha_ordinal,
    "gwet_ac2": coefficients.gwet_ac2_ordinal,
}
FIGURES: Mapping[Level, Mapping[str, Coefficient]] = {"nominal": NOMINAL, "ordinal": ORDINAL}

# Replicates are drawn in chunks of about this many numbers (8 MB each), whatever the size of the table.
CHUNK_CELLS = 1_000_000


def estimates(
    patterns: Patterns,
    wanted: Mapping[str, Coefficient] = NOMINAL,
    *,
    families: Families | None = None,
    seed: int = 0,
    replicates: int = 1000,
) -> dict[str, Estimate]:
    """Each coefficient with its 95 % percentile interval from resampling items, or `families`, with replacement.

    A sample of items is a sample of their patterns, so one multinomial draw replaces resampling every item, and
    the cost depends on the number of patterns alone. Replicates in which a coefficient is undefined are left out
    of its percentiles; with more than 5 % of them undefined there is no interval. The same table, seed and number
    of replicates give the same intervals; 0 replicates give values alone.

    Items of one family tend to be easy or hard together, and resampled one by one they promise too much. With
    `families` whole families are drawn, each with all its items: the randomized cluster bootstrap (Davison & Hinkley
    1997, section 3.8; Field & Welsh 2007). It keeps whatever ties the items of a family, and is the item bootstrap
    itself where every family has one item. From few families (under 30, say) it is still too narrow.

    >>> table = Patterns.from_rows([((3, 0), 80), ((2, 1), 20)], ["yes", "no"])
    >>> alpha = estimates(table, seed=1)["krippendorff_alpha"]
    >>> round(alpha.value, 3), round(alpha.low, 2), round(alpha.high, 2)
    (-0.068, -0.1, -0.04)
    """
    observed = Sample.observed(patterns)
    values = {name: float(coefficient(observed)[0]) for name, coefficient in wanted.items()}
    resampled = {name: np.full(replicates, np.nan) for name in wanted}
    n_families = patterns.n_items_paired if families is None else families.n_paired
    if n_families >= 2:
        _resample(patterns, families, wanted, resampled, np.random.default_rng(seed))
    return {
        name: estimate(values[name], resampled[name], n_units=patterns.n_items_paired, n_families=n_families)
        for name in wanted
    }


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


def estimate(value: float, resampled: FloatArray, *, n_units: int, n_families: int | None = None) -> Estimate:
    """Put a value (NaN: undefined), its replicates, and the number of items and of families of them together."""
    if n_units == 0:
        return Estimate(None, reason="no_overlap")
    if np.isnan(value):
        return Estimate(None, reason="no_variation")
    if n_units == 1:
        return Estimate(value, reason="one_item")
    if n_families == 1:
        return Estimate(value, reason="one_family")
    if len(resampled) == 0:
        return Estimate(value, reason="no_replicates")
    interval = percentile_interval(resampled)
    return Estimate(value, *interval) if interval else Estimate(value, reason="unstable")


def _resample(
    patterns: Patterns,
    families: Families | None,
    wanted: Mapping[str, Coefficient],
    resampled: dict[str, FloatArray],
    rng: np.random.Generator,
) -> None:
    """Fill `resampled` chunk by chunk; draws follow one another, so the size of a chunk changes no figure."""
    replicates = len(next(iter(resampled.values()), ()))
    units = patterns.frequency if families is None else families.frequency
    n_units = int(units.sum())
    chunk = max(1, CHUNK_CELLS // max(len(units), len(patterns.frequency), 2 * len(patterns.categories)))
    for start in range(0, replicates, chunk):
        drawn = rng.multinomial(n_units, units / n_units, size=min(chunk, replicates - start)).astype(np.float64)
        if families is not None:
            # In one order in memory, since sums in another would end in other last bits.
            drawn = np.ascontiguousarray(drawn @ families.profiles)
        sample = Sample(patterns, drawn)
        for name, coefficient in wanted.items():
            resampled[name][start : start + chunk] = coefficient(sample)
