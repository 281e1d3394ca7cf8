"""Agreement coefficients as functions of pattern frequencies, for one sample of items or a thousand at once.

Every function takes a `Sample` of R replicates and returns R values; NaN marks an undefined one and never leaves
this room (`bootstrap.estimates` turns it into None with a reason). Notation: an item has m answers, n of them in
category k; q categories are declared.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from app.agreement.intervals import FloatArray
from app.agreement.patterns import Patterns


@dataclass(frozen=True, eq=False)
class Sample:
    """R samples of items, as how many items of each pattern they hold: `frequency` is R x P.

    What the coefficients need of a sample are sums over items, so each is one product with the frequencies.
    """

    patterns: Patterns
    frequency: FloatArray

    @classmethod
    def observed(cls, patterns: Patterns) -> "Sample":
        """The data as they are: one sample."""
        return cls(patterns, patterns.frequency[None, :].astype(np.float64))

    @cached_property
    def n_paired(self) -> FloatArray:
        """(R,) items with two or more answers."""
        return self.frequency @ self.patterns.is_paired.astype(np.float64)

    @cached_property
    def agreement(self) -> FloatArray:
        """(R,) mean share of agreeing pairs over the paired items; NaN without any."""
        return _ratio(self.frequency @ self.patterns.pair_agreement, self.n_paired)

    @cached_property
    def paired_totals(self) -> FloatArray:
        """(R, C) answers of paired items by category."""
        totals: FloatArray = self.frequency @ self.patterns.paired_counts
        return totals

    @cached_property
    def mean_shares(self) -> FloatArray:
        """(R, C) mean over all items of n/m: the category shares of Fleiss and Gwet."""
        sums: FloatArray = self.frequency @ self.patterns.shares
        return _ratio(sums, sums.sum(axis=1, keepdims=True))


def percent_agreement(sample: Sample) -> FloatArray:
    """Share of pairs of answers on the same item that agree, averaged over items with two or more answers.

    >>> percent_agreement(_example([(2, 0), (1, 1)])).tolist()
    [0.5]
    """
    return sample.agreement


def krippendorff_alpha(sample: Sample) -> FloatArray:
    """Krippendorff's alpha, nominal: 1 - observed / expected disagreement (Krippendorff 2011, section C).

    Items with one answer are left out. Undefined when all paired answers are alike (0/0).
    Two items, three "yes" and one "no" (n = 4): 1 - 3 * 2 / (16 - 9 - 1) = 0.

    >>> krippendorff_alpha(_example([(2, 0), (1, 1)])).tolist()
    [0.0]
    """
    table = sample.patterns
    disagreement = sample.frequency @ (table.size * (1 - table.pair_agreement) * table.is_paired)
    n = sample.paired_totals.sum(axis=1)
    expected = n**2 - (sample.paired_totals**2).sum(axis=1)
    alpha: FloatArray = 1 - (n - 1) * _ratio(disagreement, expected)
    return alpha


def krippendorff_alpha_ordinal(sample: Sample) -> FloatArray:
    """Krippendorff's alpha with the ordinal metric, categories in the order they are declared.

    The ordinal distance between two categories, the answers between them plus half of those in each, is the
    distance of their midranks; so this is the interval alpha of midranks, and no C x C table is built.
    Ranks of 1, 2, 2, 3 are 0.5, 2, 2, 3.5; the items (1, 2) and (2, 3) give 1 - 3 * 9 / 36 = 0.25.

    >>> krippendorff_alpha_ordinal(_example([(1, 1, 0), (0, 1, 1)])).tolist()
    [0.25]
    """
    table, totals = sample.patterns, sample.paired_totals
    n = totals.sum(axis=1, keepdims=True)
    # Ranks are measured from their mean, n / 2, where squares lose least.
    rank = np.cumsum(totals, axis=1) - totals / 2 - n / 2
    sums, squares = table.paired_counts @ rank.T, table.paired_counts @ (rank**2).T
    pairs = np.where(table.is_paired, table.size - 1, 1)[:, None]
    disagreement = (sample.frequency.T * (table.size[:, None] * squares - sums**2) / pairs).sum(axis=0)
    expected = n[:, 0] * (totals * rank**2).sum(axis=1) - (totals * rank).sum(axis=1) ** 2
    defined = (totals > 0).sum(axis=1) > 1
    alpha: FloatArray = 1 - (n[:, 0] - 1) * _ratio(disagreement, np.where(defined, expected, 0))
    return alpha


def fleiss_kappa(sample: Sample) -> FloatArray:
    """Fleiss' kappa for any number of answers an item (Gwet 2014): chance agreement is sum p^2.

    Undefined when every answer, also those of items with a single one, is alike.

    One item (2, 1): agreement 1/3, chance 4/9 + 1/9, so (1/3 - 5/9) / (4/9) = -0.5.

    >>> fleiss_kappa(_example([(2, 1)])).round(6).tolist()
    [-0.5]
    """
    varied = (sample.mean_shares > 0).sum(axis=1) > 1
    chance = np.where(varied, (sample.mean_shares**2).sum(axis=1), 1)
    return _beyond_chance(sample.agreement, chance)


def gwet_ac1(sample: Sample) -> FloatArray:
    """Gwet's AC1 (Gwet 2008): chance agreement is sum p(1 - p) / (q - 1), q counting unused categories too.

    One item (2, 1): agreement 1/3, chance 2/9 + 2/9, so (1/3 - 4/9) / (5/9) = -0.2.

    >>> gwet_ac1(_example([(2, 1)])).round(6).tolist()
    [-0.2]
    """
    return _beyond_chance(sample.agreement, _gwet_chance(sample, weight_total=float(len(sample.patterns.categories))))


def gwet_ac2_ordinal(sample: Sample) -> FloatArray:
    """Gwet's AC2 with ordinal weights (Gwet 2014): near misses count in part, categories in declared order.

    The weight of two categories d steps apart among q is 1 - d(d + 1) / q(q - 1).

    >>> gwet_ac2_ordinal(_example([(1, 1, 0), (0, 1, 1)])).round(6).tolist()
    [0.186441]
    """
    table = sample.patterns
    weights = ordinal_weights(len(table.categories))
    similar = np.asarray((table.counts * (table.counts @ weights)).sum(axis=1)) - table.size
    pattern_agreement = similar / np.where(table.is_paired, table.size * (table.size - 1), 1) * table.is_paired
    agreement = _ratio(sample.frequency @ pattern_agreement, sample.n_paired)
    return _beyond_chance(agreement, _gwet_chance(sample, weight_total=float(weights.sum())))


def brennan_prediger(sample: Sample) -> FloatArray:
    """Brennan and Prediger's (1981) coefficient: chance agreement is 1/q. Undefined for a single category.

    >>> brennan_prediger(_example([(3, 0), (2, 1)])).round(6).tolist()
    [0.333333]
    """
    q = len(sample.patterns.categories)
    return _beyond_chance(sample.agreement, np.full(len(sample.agreement), 1 / max(q, 1)))


def cohen_kappa(agreeing: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """Cohen's kappa (1960) of R pairs of raters: (R,) items they agree on, (R, C) answers of the first, the second.

    Undefined (NaN) without a shared item, and where both only ever used the same one category.
    Of 50 items they agree on 35; yes is said to 25 and to 30: (0.7 - 0.5) / (1 - 0.5) = 0.4.

    >>> cohen_kappa(np.array([35.0]), np.array([[25.0, 25.0]]), np.array([[30.0, 20.0]])).round(6).tolist()
    [0.4]
    """
    n = first.sum(axis=1)
    return _beyond_chance(_ratio(agreeing, n), _ratio((first * second).sum(axis=1), n**2))


def ordinal_weights(q: int) -> FloatArray:
    """Gwet's ordinal weights, q x q: 1 on the diagonal, 0 between the first and the last category.

    >>> ordinal_weights(3).round(3).tolist()
    [[1.0, 0.667, 0.0], [0.667, 1.0, 0.667], [0.0, 0.667, 1.0]]
    """
    steps = np.abs(np.subtract.outer(np.arange(q), np.arange(q)))
    weights: FloatArray = 1 - steps * (steps + 1) / max(q * (q - 1), 1)
    return weights


def _gwet_chance(sample: Sample, weight_total: float) -> FloatArray:
    """Gwet's chance agreement; 0 with one category, where sum p(1 - p) is 0 as well."""
    q = len(sample.patterns.categories)
    variation: FloatArray = (sample.mean_shares * (1 - sample.mean_shares)).sum(axis=1)
    return variation * (weight_total / max(q * (q - 1), 1))


def _beyond_chance(agreement: FloatArray, chance: FloatArray) -> FloatArray:
    return _ratio(agreement - chance, 1 - chance)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Elementwise quotient; NaN where the denominator is 0 or either side is undefined."""
    quotient = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient


def _example(items: list[tuple[int, ...]]) -> Sample:
    """The items of the worked examples above, as answers per category."""
    names = [str(code) for code in range(len(items[0]))]
    return Sample.observed(Patterns.from_rows([(item, 1) for item in items], names))
