"""Items that belong together, such as images of one dish: what a bootstrap draws when items aren't independent."""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from app.agreement.patterns import IntArray, Patterns


@dataclass(frozen=True, eq=False)
class Families:
    """K distinct kinds of family and how many families are of each.

    A family's kind is how many of its items show each pattern: a row of `profiles`, K x P and sparse, over the
    patterns of one `Patterns`. `frequency` (K,) counts families. Kinds are ordered by their content, so families
    of one item each come in the order of their patterns: drawing them is drawing items, number for number.

    >>> votes = Patterns.from_rows([((2, 0), 3), ((1, 1), 1)], ["yes", "no"])
    >>> families = Families.from_items(votes, [("rice", (0, 0), 2), ("rice", (0, 1), 1), ("soup", (0, 0), 1)])
    >>> families.profiles.toarray().tolist(), families.frequency.tolist(), families.n_paired
    ([[1.0, 0.0], [2.0, 1.0]], [1, 1], 2)
    """

    profiles: sparse.csr_array
    frequency: IntArray
    n_paired: int
    """Families with at least one item that has two or more answers."""

    @classmethod
    def from_items(cls, patterns: Patterns, rows: Iterable[tuple[Hashable, tuple[int, ...], int]]) -> "Families":
        """From (family, answers of an item as ascending category codes, number of such items).

        The rows must be those `patterns` was made of; ValueError where they aren't.
        """
        place = {answers: code for code, answers in enumerate(patterns.answers())}
        members: dict[Hashable, Counter[int]] = {}
        for family, answers, n_items in rows:
            if answers not in place:
                raise ValueError(f"no pattern holds the answers {answers}")
            members.setdefault(family, Counter())[place[answers]] += n_items
        kinds = Counter(tuple(sorted(member.items())) for member in members.values())
        ordered = sorted(kinds)
        cells = [(row, *cell) for row, kind in enumerate(ordered) for cell in kind]
        at_row, at_pattern, n = np.array(cells, dtype=np.int64).reshape(-1, 3).T
        shape = (len(ordered), len(patterns.frequency))
        profiles = sparse.csr_array((n.astype(np.float64), (at_row, at_pattern)), shape=shape)
        frequency = np.array([kinds[kind] for kind in ordered], dtype=np.int64)
        if not np.array_equal(frequency @ profiles, patterns.frequency):
            raise ValueError("the families hold other items than the patterns")
        has_pair = (profiles @ patterns.is_paired.astype(np.float64)) > 0
        return cls(profiles, frequency, int(frequency[has_pair].sum()))
