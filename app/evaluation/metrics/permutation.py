"""Is a difference more than chance? Sign flips of whole dishes, and Holm's correction for many such questions."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from app.agreement.intervals import FloatArray

FLIPS = 10_000
_TOLERANCE = 1e-9
"""Sums of shares that are equal on paper differ in their last digits."""
_CHUNK_CELLS = 1_000_000


def sign_flip_p_values(questions: Sequence[FloatArray], *, seed: int) -> list[float]:
    """Two-sided p-values, one a question: is this sum of differences (one a dish) more than chance?

    Were the two sides alike, a dish's difference could as well have the other sign. p is the share of sign patterns
    whose sum lies at least as far from 0 as the one observed: of all patterns, where no more than FLIPS must be tried,
    else (b + 1) / (m + 1) of m random ones, which keeps the test valid (Phipson & Smyth 2010). A dish's answers
    keep together, as in the bootstrap. With one answer a dish this is McNemar's exact test. Questions of as many
    dishes are asked of the same patterns, whatever else is asked beside them.

    >>> sign_flip_p_values([np.array([1.0, 1.0, 1.0, 1.0, 0.0]), np.array([1.0, -1.0])], seed=0)
    [0.125, 1.0]
    """
    p_values: dict[int, float] = {}
    by_size: dict[int, list[int]] = defaultdict(list)
    for index, differences in enumerate(questions):
        moving = differences[differences != 0]
        if 2.0 ** (len(moving) - 1) <= FLIPS:
            p_values[index] = _exact(moving)
        else:
            by_size[len(differences)].append(index)
    for indices in by_size.values():
        p_values |= zip(indices, _random(np.array([questions[index] for index in indices]), seed), strict=True)
    return [p_values[index] for index in range(len(questions))]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction (Holm 1979): with it, of all questions asked, one in 20 families has a false "yes".

    A question without an answer is not in the family.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    asked = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(asked):
        highest = max(highest, min(1.0, p * (len(asked) - rank)))
        corrected[index] = highest
    return corrected


def _exact(differences: FloatArray) -> float:
    """Over all patterns. A pattern and its opposite lie equally far from 0, so one of each pair is tried."""
    if len(differences) == 0:
        return 1.0
    others = len(differences) - 1
    flipped = (np.arange(2**others)[:, np.newaxis] >> np.arange(others)) & 1
    return float(_as_far(flipped.astype(np.float64), differences[1:], differences.sum()).mean())


def _random(differences: FloatArray, seed: int) -> list[float]:
    """All rows under the same flips, a bounded number of them in memory at a time."""
    n_dishes = differences.shape[1]
    packed = np.random.default_rng(seed).integers(0, 256, (FLIPS, -(-n_dishes // 8)), dtype=np.uint8)
    farther = np.zeros(len(differences))
    size = max(1, _CHUNK_CELLS // max(differences.shape))
    for start in range(0, FLIPS, size):
        flipped = np.unpackbits(packed[start : start + size], axis=1, count=n_dishes).astype(np.float64)
        farther += _as_far(flipped, differences.T, differences.sum(axis=1)).sum(axis=0)
    return [float((count + 1) / (FLIPS + 1)) for count in farther]


def _as_far(flipped: FloatArray, differences: FloatArray, observed: FloatArray | float) -> FloatArray:
    """Which patterns (rows of `flipped`, 1 where the sign is changed) take the sum as far from 0 as it is."""
    sums = np.abs(observed - 2 * (flipped @ differences))
    return (sums >= np.abs(observed) * (1 - _TOLERANCE)).astype(np.float64)
