"""One question's judgments as integer codes: what the measures that need to know who answered work on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.agreement.patterns import IntArray, Patterns


@dataclass(frozen=True, eq=False)
class Answers:
    """N judgments: `item`, `rater` and `category` are (N,) codes into `items`, `raters` and `categories`.

    >>> answers = Answers.from_rows([("i1", "ann", "yes"), ("i1", "bob", "no")], ["yes", "no", "unsure"])
    >>> answers.category.tolist(), answers.raters, answers.patterns().n_items_paired
    ([0, 1], ('ann', 'bob'), 1)
    """

    item: IntArray
    rater: IntArray
    category: IntArray
    items: tuple[str, ...]
    raters: tuple[str, ...]
    categories: tuple[str, ...]

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[str, str, str]], categories: Sequence[str] | None = None) -> "Answers":
        """From (item, rater, value) rows; without declared `categories`, those that occur, sorted.

        Codes follow the sorted names, so nothing depends on the order of rows. KeyError for an undeclared value.
        """
        columns = list(zip(*rows, strict=True)) or [(), (), ()]
        (item, items), (rater, raters) = encode(columns[0]), encode(columns[1])
        if categories is None:
            category, names = encode(columns[2])
        else:
            place = {name: code for code, name in enumerate(categories)}
            category, names = np.array([place[value] for value in columns[2]], dtype=np.int64), tuple(categories)
        return cls(item, rater, category, items, raters, names)

    def where(self, rows: npt.NDArray[np.bool_]) -> "Answers":
        """The judgments of a mask, under the same codes."""
        return Answers(self.item[rows], self.rater[rows], self.category[rows], self.items, self.raters, self.categories)

    def patterns(self) -> Patterns:
        """How many items got each combination of answers."""
        return Patterns.from_codes(self.item, self.category, self.categories)

    def ordered(self, categories: Sequence[str]) -> "Answers":
        """The same judgments with the same categories in another order, as ordinal measures want them."""
        place = np.array([categories.index(name) for name in self.categories], dtype=np.int64)
        return Answers(self.item, self.rater, place[self.category], self.items, self.raters, tuple(categories))

    def by_item(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Each item's code and its answers, as ascending category codes.

        >>> rows = [("i1", "ann", "yes"), ("i2", "ann", "no"), ("i1", "bob", "no")]
        >>> list(Answers.from_rows(rows).by_item())
        [(0, (0, 1)), (1, (0,))]
        """
        order = np.lexsort((self.category, self.item))
        items, starts = np.unique(self.item[order], return_index=True)
        for item, codes in zip(items.tolist(), np.split(self.category[order], starts[1:]), strict=len(items) > 0):
            yield item, tuple(codes.tolist())

    @property
    def n_raters(self) -> int:
        """Raters with at least one judgment here."""
        return len(np.unique(self.rater))


def encode(values: Iterable[str]) -> tuple[IntArray, tuple[str, ...]]:
    """Codes by sorted name, and the names.

    >>> encode(["b", "a", "b"])[0].tolist()
    [1, 0, 1]
    """
    seen: dict[str, int] = {}
    codes = np.array([seen.setdefault(value, len(seen)) for value in values], dtype=np.int64)
    return sorted_codes(codes, seen)


def sorted_codes(codes: IntArray, seen: dict[str, int]) -> tuple[IntArray, tuple[str, ...]]:
    """Renumber codes given out in order of appearance by the order of their names."""
    names = tuple(sorted(seen))
    place = np.zeros(len(names), dtype=np.int64)
    for code, name in enumerate(names):
        place[seen[name]] = code
    return place[codes], names
