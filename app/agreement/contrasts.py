"""What a background changes: the same dish on white and on a background, each dish compared with itself.

A dish is what is drawn and what is tested, since images of one dish tend to be easy or hard together.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.agreement.intervals import FloatArray
from app.agreement.patterns import IntArray

MEASURES = ("accuracy", "unsure", "disagreement")

FEW_DISHES = 10
"""With fewer, neither an interval nor a test says anything."""

FLIPS = 4_999
"""Random signs for a test; up to EXACT dishes every combination of signs is tried instead."""
EXACT = 13

CHUNK_CELLS = 1_000_000


class Change(NamedTuple):
    """A mean over `n` dishes and its 95 % interval; `p` is the sign-flip test's that the mean change is zero.

    `reason` says why there is no value (`no_dish`) or no interval (`one_dish`, `few_dishes`, `no_replicates`).
    """

    value: float | None
    low: float | None
    high: float | None
    reason: str | None
    n: int
    p: float | None

    def as_json(self) -> dict[str, Any]:
        """Value, low, high, reason: a figure of a table or chart."""
        return {"value": self.value, "low": self.low, "high": self.high, "reason": self.reason}


class Paired(NamedTuple):
    """Dishes judged both on white and on a background: the two sides' means and the change between them, by measure.

    `dishes` (K,) are their codes; `by_dish` (K, measures) each one's change, NaN where a side has no such figure;
    `sizes` (K, 2) its images on white and on a background.
    """

    white: dict[str, Change]
    background: dict[str, Change]
    change: dict[str, Change]
    dishes: IntArray
    by_dish: FloatArray
    sizes: IntArray


def measures(counts: IntArray, truth: FloatArray | None) -> FloatArray:
    """(N, 3): each item's accuracy, share unsure, and share of its pairs of answers that differ; NaN: undefined.

    `counts` (N, 3) are its answers yes, no and unsure to one question; `truth` (N,) the probability that the claim
    is true. A yes is right with that probability, a no with the rest, and unsure never is. Without any `truth` the
    accuracy is the share of yes: what was confirmed, right or wrong.

    >>> measures(np.array([[1, 0, 1], [0, 2, 0]]), np.array([0.9, 0.2])).tolist()
    [[0.45, 0.5, 1.0], [0.8, 0.0, 0.0]]
    """
    yes, no, unsure = counts.T.astype(np.float64)
    n = yes + no + unsure
    claim = np.ones(len(counts)) if truth is None else truth
    agreeing = (counts * (counts - 1)).sum(axis=1)
    right = yes * claim + no * (0 if truth is None else 1 - claim)
    return np.column_stack([_ratio(right, n), _ratio(unsure, n), 1 - _ratio(agreeing, n * (n - 1))])


def paired(values: FloatArray, dish: IntArray, is_white: IntArray, *, seed: int = 0, replicates: int = 1000) -> Paired:
    """Every dish with equal weight, whatever the number of its images.

    `values` (N, measures) are items' (see `measures`), `dish` (N,) codes from 0, `is_white` (N,) 1 for white and 0 for
    a background.

    >>> values = np.repeat([[0.0], [0.1], [0.3]], 3, axis=1)
    >>> found = paired(values, np.array([0, 0, 0]), np.array([1, 0, 0]))
    >>> found.by_dish.round(3).tolist(), found.change["unsure"].reason
    ([[0.2, 0.2, 0.2]], 'one_dish')
    """
    n_dishes = int(dish.max(initial=-1)) + 1
    white, on_white = _means(values, is_white == 1, dish, n_dishes)
    there, on_background = _means(values, is_white == 0, dish, n_dishes)
    sizes = np.column_stack([on_white, on_background])
    dishes = np.flatnonzero((sizes > 0).all(axis=1))
    white, there = white[dishes], there[dishes]
    both = ~np.isnan(white) & ~np.isnan(there)
    sides = [white, there, there - white]
    samples = [side[both[:, place], place] for side in sides for place in range(len(MEASURES))]
    found = changes_of(samples, seed=seed, replicates=replicates)
    named = [dict(zip(MEASURES, found[start : start + 3], strict=True)) for start in (0, 3, 6)]
    return Paired(named[0], named[1], named[2], dishes, sides[2], sizes[dishes])


class GroupChange(NamedTuple):
    """The changes in one group of backgrounds, from its dishes that were judged on white as well."""

    n_dishes: int
    n_items: int
    changes: dict[str, Change]


def by_group(
    values: FloatArray, dish: IntArray, is_white: IntArray, group: IntArray, *, seed: int = 0, replicates: int = 1000
) -> dict[int, GroupChange]:
    """{code: its changes}: the images of a dish in the group, minus the same dish on white. `group` (N,) holds codes
    from 0; those of items on white say nothing. Groups without a dish that was judged on white are left out."""
    if not len(dish):
        return {}
    n_dishes, n_groups = int(dish.max()) + 1, int(group.max()) + 1
    white, on_white = _means(values, is_white == 1, dish, n_dishes)
    there, n_there = _means(values, is_white == 0, dish * n_groups + group, n_dishes * n_groups)
    change = there.reshape(n_dishes, n_groups, -1) - white[:, None, :]
    n_there = n_there.reshape(n_dishes, n_groups) * (on_white > 0)[:, None]
    codes = np.flatnonzero(n_there.any(axis=0)).tolist()
    cells = [change[:, code, place] for code in codes for place in range(len(MEASURES))]
    found = changes_of([cell[~np.isnan(cell)] for cell in cells], seed=seed, replicates=replicates)
    return {
        code: GroupChange(
            int((n_there[:, code] > 0).sum()),
            int(n_there[:, code].sum()),
            dict(zip(MEASURES, found[3 * place : 3 * place + 3], strict=True)),
        )
        for place, code in enumerate(codes)
    }


def changes_of(samples: Sequence[FloatArray], *, seed: int = 0, replicates: int = 1000) -> list[Change]:
    """The mean of each sample of dishes, with its percentile interval from drawing dishes with replacement.

    Samples of one size share their draws, which depend on the seed and that size alone: no figure depends on which
    others are asked for.
    """
    found: list[Change | None] = [None] * len(samples)
    for n in sorted({len(sample) for sample in samples}):
        places = [place for place, sample in enumerate(samples) if len(sample) == n]
        values = np.column_stack([samples[place] for place in places])
        for place, change in zip(places, _changes(values, n, seed, replicates), strict=True):
            found[place] = change
    return [change for change in found if change is not None]


def _changes(values: FloatArray, n: int, seed: int, replicates: int) -> list[Change]:
    """Of k samples of n dishes, (n, k)."""
    k = values.shape[1]
    if n == 0:
        return [Change(None, None, None, "no_dish", 0, None)] * k
    means = values.mean(axis=0).tolist()
    if n < FEW_DISHES or replicates == 0:
        reason = "one_dish" if n == 1 else "few_dishes" if n < FEW_DISHES else "no_replicates"
        return [Change(mean, None, None, reason, n, None) for mean in means]
    rng = np.random.default_rng([seed, n])
    drawn = np.concatenate([resampled(rng, n, rows) @ values / n for rows in _chunks(replicates, max(n, k))])
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0).tolist()
    ps = _sign_flip(values, rng).tolist()
    return [Change(mean, start, end, None, n, p) for mean, start, end, p in zip(means, low, high, ps, strict=True)]


def resampled(rng: np.random.Generator, n: int, replicates: int) -> FloatArray:
    """(replicates, n): how often each of n is drawn in n draws with replacement."""
    drawn = rng.integers(n, size=(replicates, n)) + n * np.arange(replicates)[:, None]
    return np.bincount(drawn.ravel(), minlength=replicates * n).reshape(replicates, n).astype(np.float64)


def _sign_flip(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(k,) two-sided p of the sign-flip test: if white and background were alike, each dish's change could as well
    have the other sign. The share of ways to set the signs that move the mean at least as far from zero."""
    n, k = values.shape
    total = values.sum(axis=0)
    far = np.abs(total) - 1e-9
    if n <= EXACT:
        signs = 1.0 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return np.asarray((np.abs(signs @ values) >= far).mean(axis=0), dtype=np.float64)
    beyond = np.ones(k)  # the data themselves are one of the ways
    for rows in _chunks(FLIPS, max(n, k)):
        eights = rng.integers(256, size=(rows, -(-n // 8)), dtype=np.uint8)
        kept = np.unpackbits(eights, axis=1, count=n).astype(np.float64)
        beyond += (np.abs(2 * (kept @ values) - total) >= far).sum(axis=0)
    return beyond / (FLIPS + 1)


def holm(ps: Mapping[Any, float]) -> dict[Any, float]:
    """Holm's (1979) adjusted p of several tests, whatever ties them: at 0.05 the chance of any false one is 5 %.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    adjusted, highest = {}, 0.0
    for rank, key in enumerate(sorted(ps, key=lambda key: ps[key])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[key]))
        adjusted[key] = highest
    return adjusted


def _means(values: FloatArray, chosen: npt.NDArray[np.bool_], code: IntArray, n: int) -> tuple[FloatArray, IntArray]:
    """(n, measures) mean over the chosen items of each code that have the measure, and (n,) how many items it has."""
    kept, codes = values[chosen], code[chosen]
    defined = ~np.isnan(kept)
    columns = [
        _ratio(
            np.bincount(codes, np.where(defined[:, place], kept[:, place], 0.0), n).astype(np.float64),
            np.bincount(codes, defined[:, place], n).astype(np.float64),
        )
        for place in range(values.shape[1])
    ]
    return np.column_stack(columns), np.bincount(codes, minlength=n)


def _chunks(total: int, width: int) -> list[int]:
    size = max(1, CHUNK_CELLS // max(width, 1))
    return [min(size, total - start) for start in range(0, total, size)]


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """NaN where the denominator is 0."""
    quotient = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient
