"""What a background changes: the same dish on white and on a background, each dish compared with itself.

A dish is what is compared, since images of one dish tend to be easy or hard together. Many dishes have one image on
white and a dozen on backgrounds, and rare answers: tests and intervals are of kinds that hold there.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.agreement.dish_intervals import correlation, difference, share_of_dishes
from app.agreement.intervals import FloatArray
from app.agreement.patterns import IntArray
from app.agreement.relabelling import moves, p_values

MEASURES = ("accuracy", "unsure", "disagreement")

FEW_DISHES = 10
"""With fewer, neither an interval nor a test says anything."""


class Change(NamedTuple):
    """A mean over `n` dishes and its 95 % interval; `p` is that of moving the labels (see `relabelling`).

    `reason` says why there is no value (`no_dish`), no interval (`one_dish`, `few_dishes`), or an interval but no p:
    `few_events`, so few answers of the rarer sort that a test could not find a change in one of the two directions.
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


def paired(values: FloatArray, dish: IntArray, is_white: IntArray, answers: IntArray | None = None) -> Paired:
    """Every dish with equal weight, whatever the number of its images.

    `values` (N, measures) are items' (see `measures`), `dish` (N,) codes from 0, `is_white` (N,) 1 for white and 0 for
    a background; `answers` (N,) how many each item has (1 unless given).

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
    found = _contrasts(values, dish, is_white, np.zeros(len(dish), dtype=np.int64), answers)
    sides = [{name: found[name].get(0, NOTHING)[side] for name in MEASURES} for side in range(3)]
    return Paired(sides[0], sides[1], sides[2], dishes, (there - white)[dishes], sizes[dishes])


class GroupChange(NamedTuple):
    """The changes in one group of backgrounds, from its dishes that were judged on white as well."""

    n_dishes: int
    n_items: int
    changes: dict[str, Change]


def by_group(
    values: FloatArray,
    dish: IntArray,
    is_white: IntArray,
    group: IntArray,
    answers: IntArray | None = None,
) -> dict[int, GroupChange]:
    """{code: its changes}: the images of a dish in the group, minus the same dish on white. `group` (N,) holds codes
    from 0; those of items on white say nothing. Groups without a dish that was judged on white are left out."""
    if not len(dish):
        return {}
    n_dishes, n_groups = int(dish.max()) + 1, int(group.max()) + 1
    on_white = np.bincount(dish, is_white, n_dishes) > 0
    held = (is_white == 0) & on_white[dish]
    n_there = np.bincount((group * n_dishes + dish)[held], minlength=n_groups * n_dishes).reshape(n_groups, n_dishes)
    found = _contrasts(values, dish, is_white, group, answers)
    return {
        code: GroupChange(
            int((n_there[code] > 0).sum()),
            int(n_there[code].sum()),
            {name: found[name].get(code, NOTHING)[2] for name in MEASURES},
        )
        for code in np.flatnonzero(n_there.any(axis=1)).tolist()
    }


Contrast = tuple[Change, Change, Change]
"""On white, on a background, and the change from the one to the other."""

NOTHING: Contrast = (Change(None, None, None, "no_dish", 0, None),) * 3


def _contrasts(
    values: FloatArray, dish: IntArray, is_white: IntArray, group: IntArray, answers: IntArray | None
) -> dict[str, dict[int, Contrast]]:
    """{measure: {group: its contrast}} from the images that have the measure."""
    one_each = np.ones(len(dish), dtype=np.int64)
    found = {}
    for place, name in enumerate(MEASURES):
        has = ~np.isnan(values[:, place])
        # Whether two answers differ is one observation, however many answers there are.
        given = one_each if answers is None or name == "disagreement" else answers
        cells, image, cell = _cells(dish[has], is_white[has] == 1, group[has])
        found[name] = _contrasts_of(cells, cell, values[has, place][image], is_white[has][image], given[has][image])
    return found


def _cells(dish: IntArray, white: npt.NDArray[np.bool_], group: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Dishes by group: the group of each such cell (C,), ascending, and its images, as their places (M,) with their
    cells (M,), ascending, those on white first. They are in the cell of every group that the dish has an image in."""
    n_dishes = int(dish.max(initial=0)) + 1
    on_white = np.bincount(dish[white], minlength=n_dishes)
    there = np.flatnonzero(~white & (on_white[dish] > 0))
    cells, cell_there = np.unique(group[there] * n_dishes + dish[there], return_inverse=True)
    whites = np.flatnonzero(white)[np.argsort(dish[white], kind="stable")]
    n_white = on_white[cells % n_dishes]
    cell_white = np.repeat(np.arange(len(cells)), n_white)
    begin = (np.cumsum(on_white) - on_white)[cells % n_dishes] - (np.cumsum(n_white) - n_white)
    image = np.concatenate([whites[np.arange(len(cell_white)) + begin[cell_white]], there])
    cell = np.concatenate([cell_white, cell_there])
    order = np.argsort(cell, kind="stable")
    return cells // n_dishes, image[order], cell[order]


def _contrasts_of(
    group: IntArray, cell: IntArray, value: FloatArray, is_white: IntArray, answers: IntArray
) -> dict[int, Contrast]:
    """{group: its contrast} of `group` (C,) by cell, and the images' (M,) `cell` and what they have."""
    if not len(group):
        return {}
    means, given = [], []
    for side in (is_white, 1 - is_white):
        means.append(np.bincount(cell, value * side) / np.bincount(cell, side))
        given.append(np.bincount(cell, answers * side))
    codes, first = np.unique(group, return_index=True)
    ps = p_values(moves(value, is_white, cell), first)
    return {
        code: _contrast([side[one] for side in means], [side[one] for side in given], p)
        for code, one, p in zip(codes.tolist(), map(slice, first, [*first[1:], None]), ps.tolist(), strict=True)
    }


def _contrast(means: list[FloatArray], answers: list[IntArray], p: float) -> Contrast:
    """Of K dishes' means on white and on a background, each from so many answers."""
    n = len(means[0])
    if n < FEW_DISHES:
        reason = "one_dish" if n == 1 else "few_dishes"
        white, there, change = (
            Change(float(each.mean()), None, None, reason, n, None) for each in (*means, means[1] - means[0])
        )
        return white, there, change
    before, after = (share_of_dishes(each, given) for each, given in zip(means, answers, strict=True))
    low, high = difference(before, after, correlation(*means))
    tested = (None, n, p) if p == p else ("few_events", n, None)
    return (
        Change(*before, None, n, None),
        Change(*after, None, n, None),
        Change(float((means[1] - means[0]).mean()), low, high, *tested),
    )


def resampled(rng: np.random.Generator, n: int, replicates: int) -> FloatArray:
    """(replicates, n): how often each of n is drawn in n draws with replacement."""
    drawn = rng.integers(n, size=(replicates, n)) + n * np.arange(replicates)[:, None]
    return np.bincount(drawn.ravel(), minlength=replicates * n).reshape(replicates, n).astype(np.float64)


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


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """NaN where the denominator is 0."""
    quotient = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient
