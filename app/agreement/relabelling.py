"""Could white and background be told apart at all: labels moved among a dish's own images, to see what chance does.

If a background changes nothing, the images of one dish on white could as well be any others of its images. So the
labels are moved round each dish's images (w on white, then the rest, on to the next w), which keeps every dish's images
and how many of them are on white. That is exact whatever the answers look like (Lehmann & Romano 2005, ch. 15;
Hemerik & Goeman 2018 for moves that form a group). A change of sign, as for pairs, is not: a dish with one image on
white and twelve on backgrounds has mostly small changes of one sign and a few large ones of the other.

The share of all moves that go as far is not counted but found by saddlepoint (Lugannani & Rice 1980; Robinson 1982 for
such tests), as close as ten thousand random moves would be, and at a hundredth of their cost.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from app.agreement.intervals import FloatArray
from app.agreement.patterns import IntArray

ATTAINABLE = 0.025
"""Where even the largest change possible, up or down, would have a larger one-sided p, there are too few events."""

STEPS = 60
NEAR = 1e-3
"""Newton's steps, and how many standard deviations from the goal they may stop."""

MIDDLE = 0.02
"""A total within so many standard deviations of the mean has p = 1."""

SAME = 1e-9


class Moves(NamedTuple):
    """What each move of the labels makes of a dish's change. Dish c of C has `size[c]` of them (its images), which
    stand in `change` from `start[c]` on; the first is as it was. They are 0 on average."""

    change: FloatArray
    start: IntArray
    size: IntArray


def moves(value: FloatArray, is_white: IntArray, dish: IntArray) -> Moves:
    """Of images (N,) in the order of their `dish`, which runs from 0 to C - 1 and has both sides, those on white first.
    Among a dish's images of one side any order will do that knows nothing of the values.

    >>> moves(np.array([0.0, 1.0, 0.0]), np.array([1, 0, 0]), np.array([0, 0, 0])).change.tolist()
    [0.5, -1.0, 0.5]
    """
    size = np.bincount(dish)
    end = np.cumsum(size)
    start = end - size
    on_white = np.bincount(dish, is_white).astype(np.int64)[dish]
    first, last = start[dish], end[dish]
    until = np.concatenate([[0.0], np.cumsum(value)])
    stop = np.arange(len(value)) + on_white
    over = np.maximum(stop - last, 0)
    white = until[stop - over] - until[:-1] + until[first + over] - until[first]
    rest = until[last] - until[first] - white
    return Moves(rest / (last - first - on_white) - white / on_white, start, size)


def p_values(of: Moves, first: IntArray) -> FloatArray:
    """Two-sided p of each sample's mean change, twice the smaller tail; sample s has the dishes from `first[s]` on.
    NaN where the answers hold too few events for a change of either direction to come out at 5 %.

    >>> ten, alike = np.repeat(np.arange(10), 2), np.tile([1, 0], 10)
    >>> p_values(moves(np.tile([0.0, 1.0], 10), alike, ten), np.array([0])).round(4).tolist()  # exactly 2 / 1024
    [0.0027]
    >>> p_values(moves(np.array([1.0] + [0.0] * 19), alike, ten), np.array([0])).tolist()
    [nan]
    """
    low, high = (end.reduceat(of.change, of.start) for end in (np.minimum, np.maximum))
    is_enough = np.ones(len(first), dtype=bool)
    for end in (low, high):
        share = np.add.reduceat((np.abs(of.change - np.repeat(end, of.size)) < SAME).astype(float), of.start) / of.size
        is_enough &= np.multiply.reduceat(share, first) <= ATTAINABLE
    found = np.full(len(first), np.nan)
    sample = np.repeat(np.arange(len(first)), np.diff(first, append=len(of.start)))
    kept = is_enough[sample] & (high - low > SAME)  # a dish whose images are all alike says nothing
    if kept.any():
        image = np.repeat(kept, of.size)
        size = of.size[kept]
        chosen = Moves(of.change[image], np.cumsum(size) - size, size)
        first_kept = np.flatnonzero(np.diff(sample[kept], prepend=-1))
        found[is_enough] = _twice_the_tail(chosen, first_kept)
    return found


def _twice_the_tail(of: Moves, first: IntArray) -> FloatArray:
    """(S,) of samples each of which has dishes that move."""
    n_dishes = np.diff(first, append=len(of.start))
    variance = np.add.reduceat(np.add.reduceat(of.change**2, of.start) / of.size, first)
    scale = np.sqrt(variance)
    seen = np.add.reduceat(of.change[of.start], first) / scale
    of_image = np.repeat(np.repeat(np.arange(len(first)), n_dishes), of.size)
    change = of.change / (scale * np.where(seen < 0, -1, 1))[of_image]
    goal = np.abs(seen) - _step(change, of, first) / 2
    p = np.ones(len(first))
    far = goal > MIDDLE
    if far.any():
        image, dish = far[of_image], np.repeat(far, n_dishes)
        size = of.size[dish]
        begin = np.cumsum(n_dishes[far]) - n_dishes[far]
        p[far] = 2 * _tail(Moves(change[image], np.cumsum(size) - size, size), begin, goal[far])
    return np.clip(p, 0.0, 1.0)


def _step(change: FloatArray, of: Moves, first: IntArray) -> FloatArray:
    """(S,) the smallest difference that one dish's move makes: totals lie on steps about so far apart, and a tail
    begins half a step before the total that was seen (the continuity correction)."""
    apart = np.repeat(np.arange(len(of.size)) * 2 * (np.abs(change).max() + 1), of.size)
    gap = np.diff(np.sort(change + apart), append=np.inf)  # each dish's in their order, for one sort instead of two
    gap[of.start + of.size - 1] = np.inf
    return np.minimum.reduceat(np.where(gap > SAME, gap, np.inf), of.start[first])


def _tail(of: Moves, first: IntArray, goal: FloatArray) -> FloatArray:
    """(S,) chance that the sum over a sample's dishes reaches its `goal`; sums have mean 0 and variance 1."""
    n_dishes = np.diff(first, append=len(of.start))
    of_dish = np.repeat(np.arange(len(first)), n_dishes)
    highest = np.maximum.reduceat(of.change, of.start)
    below = of.change - np.repeat(highest, of.size)

    def cumulants(tilt: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The cumulant generating function and its first two derivatives."""
        by_dish = tilt[of_dish]
        weight = np.exp(np.repeat(by_dish, of.size) * below)
        total = np.add.reduceat(weight, of.start)
        mean = np.add.reduceat(weight * below, of.start) / total
        square = np.add.reduceat(weight * below**2, of.start) / total
        of_each = by_dish * highest + np.log(total / of.size)
        return (
            np.add.reduceat(of_each, first),
            np.add.reduceat(mean + highest, first),
            np.add.reduceat(square - mean**2, first),
        )

    low, high, tilt = np.zeros(len(goal)), np.full(len(goal), np.inf), goal.copy()
    for _ in range(STEPS):
        _, mean, variance = cumulants(tilt)
        if (np.abs(mean - goal) < NEAR).all():
            break
        low, high = np.where(mean < goal, tilt, low), np.where(mean < goal, high, tilt)
        newton = tilt + (goal - mean) / np.maximum(variance, 1e-300)
        inside = (newton > low) & (newton < np.minimum(high, 4 * tilt))
        tilt = np.where(inside, newton, np.where(np.isinf(high), 2 * tilt, (low + high) / 2))
    generating, _, variance = cumulants(tilt)
    at_most = np.exp(generating - tilt * goal)  # Chernoff's bound, which holds where the approximation breaks down
    w = np.sqrt(np.maximum(2 * (tilt * goal - generating), 1e-12))
    u = np.maximum(tilt * np.sqrt(np.maximum(variance, 0)), 1e-12)
    near = special.ndtr(-w) + np.exp(-w * w / 2) / np.sqrt(2 * np.pi) * (1 / u - 1 / w)
    return np.asarray(np.minimum(near, at_most))
