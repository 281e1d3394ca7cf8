"""The table of vote patterns: how many items got each combination of answers, which is all a coefficient needs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from app.agreement.intervals import FloatArray

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Patterns:
    """P distinct patterns of answers to one question and how many items show each of them.

    `counts` is a sparse P x C array: how often each of C categories was answered. It is sparse so that a question
    with thousands of values (names, countries) costs what its answers cost. `frequency` (P,) counts items.
    `categories` names the columns, in their order for ordinal measures, and holds unused ones too. The order of
    the patterns depends on the answers alone, never on the order of rows: the same data give the same bootstrap.

    >>> table = Patterns.from_rows([((3, 0), 5), ((2, 1), 1)], ["yes", "no"])
    >>> table.n_items, table.n_items_paired, table.n_judgments, table.category_shares().round(3).tolist()
    (6, 6, 18, [0.944, 0.056])
    """

    counts: sparse.csr_array
    frequency: IntArray
    categories: tuple[str, ...]

    @classmethod
    def from_codes(cls, item: npt.ArrayLike, category: npt.ArrayLike, categories: Sequence[str]) -> "Patterns":
        """From one entry a judgment: any integer ids of items, and codes 0..C-1 of the answers."""
        items = np.asarray(item, dtype=np.int64)
        codes = np.asarray(category, dtype=np.int64)
        width = max(len(categories), 1)
        if items.shape != codes.shape or items.ndim != 1:
            raise ValueError("item and category must be one-dimensional and equally long")
        if len(codes) and (codes.min() < 0 or codes.max() >= width):
            raise ValueError(f"category codes must lie in 0..{len(categories) - 1}")
        if len(codes):
            # One sort brings an item's answers together and puts them in order.
            key = (items - items.min()) * width + codes
            key.sort()
            items, codes = np.divmod(key, width)
        starts = np.flatnonzero(np.diff(items, prepend=items[:1] - 1))
        sizes = np.diff(starts, append=len(items))
        found_codes, found_sizes, frequency = [], [], []
        for size in np.unique(sizes):
            rows = codes[starts[sizes == size][:, None] + np.arange(size)]
            distinct, items_with = _distinct_rows(rows, width)
            found_codes.append(distinct.ravel())
            found_sizes.append(np.full(len(distinct), size))
            frequency.append(items_with)
        return cls._build(_joined(found_codes), _joined(found_sizes), _joined(frequency), categories)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[Sequence[int], int]], categories: Sequence[str]) -> "Patterns":
        """From (answers per category, number of items), as a GROUP BY delivers them; equal rows are added up."""
        items_with: Counter[tuple[int, ...]] = Counter()
        for counts, frequency in rows:
            if len(counts) != len(categories) or frequency < 0 or any(count < 0 for count in counts):
                raise ValueError(f"{tuple(counts)} x {frequency} is no pattern of {len(categories)} categories")
            answers = as_answers(counts)
            if answers and frequency:
                items_with[answers] += frequency
        ordered = sorted(items_with, key=lambda answers: (len(answers), answers))
        return cls._build(
            np.array([code for answers in ordered for code in answers], dtype=np.int64),
            np.array([len(answers) for answers in ordered], dtype=np.int64),
            np.array([items_with[answers] for answers in ordered], dtype=np.int64),
            categories,
        )

    @classmethod
    def _build(cls, codes: IntArray, sizes: IntArray, frequency: IntArray, categories: Sequence[str]) -> "Patterns":
        ends = np.concatenate([[0], np.cumsum(sizes)])
        counts = sparse.csr_array((np.ones(len(codes)), codes, ends), shape=(len(sizes), len(categories)))
        counts.sum_duplicates()
        return cls(counts, frequency, tuple(categories))

    def answers(self) -> list[tuple[int, ...]]:
        """Each pattern as its answers: category codes in ascending order, as often as they were given."""
        codes = np.repeat(self.counts.indices, self.counts.data.astype(np.int64))
        ends = np.cumsum(self.size.astype(np.int64))
        return [tuple(part.tolist()) for part in np.split(codes, ends[:-1])] if len(ends) else []

    @property
    def n_items(self) -> int:
        """Items with at least one judgment."""
        return int(self.frequency.sum())

    @property
    def n_items_paired(self) -> int:
        """Items with two or more judgments: the only ones that can agree or disagree."""
        return int(self.frequency[self.is_paired].sum())

    @property
    def n_judgments(self) -> int:
        return int(self.size @ self.frequency)

    def category_shares(self) -> FloatArray:
        """(C,) share of all judgments that chose each category; zeros when there are none."""
        totals: FloatArray = self.frequency @ self.counts
        shares: FloatArray = totals / max(totals.sum(), 1)
        return shares

    @cached_property
    def size(self) -> FloatArray:
        """(P,) judgments an item of each pattern has: m."""
        total: FloatArray = np.asarray(self.counts.sum(axis=1), dtype=np.float64)
        return total

    @cached_property
    def is_paired(self) -> npt.NDArray[np.bool_]:
        """(P,) whether a pattern has two or more judgments."""
        paired: npt.NDArray[np.bool_] = self.size >= 2
        return paired

    @cached_property
    def pair_agreement(self) -> FloatArray:
        """(P,) share of a pattern's pairs of judgments that agree: sum n(n-1) / m(m-1); 0 where there is no pair."""
        agreeing = np.asarray((self.counts * self.counts).sum(axis=1)) - self.size
        return agreeing / np.where(self.is_paired, self.size * (self.size - 1), 1)

    @cached_property
    def paired_counts(self) -> sparse.csr_array:
        """(P, C) counts of the paired patterns alone."""
        return sparse.csr_array(self.counts.multiply(self.is_paired[:, None]))

    @cached_property
    def shares(self) -> sparse.csr_array:
        """(P, C) each pattern's answers as shares, n / m."""
        return sparse.csr_array(self.counts.multiply((1 / self.size)[:, None]))


def as_answers(counts: Sequence[int]) -> tuple[int, ...]:
    """How often each category was answered, as the answers themselves.

    >>> as_answers((2, 0, 1))
    (0, 0, 2)
    """
    return tuple(code for code, count in enumerate(counts) for _ in range(count))


def _distinct_rows(rows: IntArray, base: int) -> tuple[IntArray, IntArray]:
    """The distinct rows of digits below `base` in lexicographic order, and how often each occurs."""
    width = rows.shape[1]
    if width * np.log2(max(base, 2)) > 62:
        distinct, frequency = np.unique(rows, axis=0, return_counts=True)
        return distinct, frequency
    # As one integer a row: ten times faster than comparing rows.
    place = base ** np.arange(width - 1, -1, -1, dtype=np.int64)
    packed, frequency = np.unique(rows @ place, return_counts=True)
    return packed[:, None] // place % base, frequency


def _joined(parts: list[IntArray]) -> IntArray:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
