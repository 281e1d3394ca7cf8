"""Runs over a common list of items, a byte an answer, and any two of them side by side."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.agreement.intervals import FloatArray
from app.evaluation.metrics.answers import SUBTASKS, Scored

FIGURES = ("name_accuracy", "country_accuracy", "retention")


class Verdict(NamedTuple):
    """What a panel needs of one scored answer about a first food; `flags` are those of `flags_of`."""

    item: str
    subtask: str
    dish: str
    flags: int


Entries = Iterable[tuple[str, Iterable[Scored | Verdict]]]
"""Runs, each under the name its caller gives it. Read one after the other, so they need not be in memory together."""

Flags = npt.NDArray[np.uint8]
_THERE, _NAME, _COUNTRY, _RETAINED, _REFERENCE = (np.uint8(1 << bit) for bit in range(5))
_HITS = {"name_accuracy": _NAME, "country_accuracy": _COUNTRY, "retention": _RETAINED}
_OF = {"name_accuracy": _THERE, "country_accuracy": _THERE, "retention": _REFERENCE}


class Counts(NamedTuple):
    """How many answers count for a figure, of one run and of the other, and of how many: one row a subtask, one column
    a dish. With one run alone, left and right are the same."""

    left: FloatArray
    right: FloatArray
    of: FloatArray


class Table(NamedTuple):
    """What two runs both answered: the subtasks, how many items of each, and each figure's counts."""

    subtasks: list[str]
    n_shared: list[int]
    n_dishes: int
    figures: Mapping[str, Counts]


class Panel:
    """Only slot 1 counts. Raises ValueError for two answers of one run about one item, or two runs of one name."""

    def __init__(self, entries: Entries) -> None:
        self._place: dict[str, int] = {}
        subtasks: list[int] = []
        dishes: list[str] = []
        self._flags: dict[str, Flags] = {}
        for name, scored in entries:
            flags: dict[int, np.uint8] = {}
            for one in scored:
                if isinstance(one, Scored):
                    if one.answer.slot != 1:
                        continue
                    one = Verdict(one.answer.item, one.answer.subtask, one.answer.dish, flags_of(one))
                place = self._place.setdefault(one.item, len(self._place))
                if place == len(dishes):
                    subtasks.append(SUBTASKS.index(one.subtask))
                    dishes.append(one.dish)
                if place in flags:
                    raise ValueError(f"{name} answers item {one.item!r} twice.")
                flags[place] = np.uint8(one.flags)
            if name in self._flags:
                raise ValueError(f"Two runs are called {name!r}.")
            self._flags[name] = np.zeros(len(dishes), dtype=np.uint8)
            self._flags[name][list(flags)] = list(flags.values())
        rank = {dish: index for index, dish in enumerate(sorted(set(dishes)))}
        self._subtask = np.array(subtasks, dtype=np.intp)
        self._dish = np.array([rank[dish] for dish in dishes], dtype=np.intp)

    @property
    def names(self) -> list[str]:
        return list(self._flags)

    def table(self, left: str, right: str) -> Table:
        """Over the items both answered; `left` may be `right`. Dishes and subtasks that share none are left out."""
        n_items = min(len(self._flags[left]), len(self._flags[right]))  # what is behind the shorter one's end, it lacks
        ours, theirs = self._flags[left][:n_items], self._flags[right][:n_items]
        shared = np.flatnonzero(ours & theirs & _THERE)
        ours, theirs = ours[shared], theirs[shared]
        subtasks, subtask = np.unique(self._subtask[shared], return_inverse=True)
        dishes, dish = np.unique(self._dish[shared], return_inverse=True)
        shape = len(subtasks), len(dishes)

        def counts(flags: Flags) -> FloatArray:
            cells = np.bincount(subtask * len(dishes) + dish, weights=flags > 0, minlength=shape[0] * shape[1])
            return cells.astype(np.float64).reshape(shape)

        figures = {}
        for figure in FIGURES:
            asked = np.where(ours & theirs & _OF[figure], _HITS[figure], 0).astype(np.uint8)
            figures[figure] = Counts(counts(ours & asked), counts(theirs & asked), counts(asked))
        names = [SUBTASKS[code] for code in subtasks]
        return Table(names, np.bincount(subtask, minlength=len(names)).tolist(), len(dishes), figures)


def flags_of(one: Scored) -> int:
    """Right or wrong, kept or not, in a byte; never 0."""
    flags = int(_THERE)
    flags |= int(_NAME) * one.name_correct | int(_COUNTRY) * one.country_correct | int(_RETAINED) * one.is_retained
    return flags | int(_REFERENCE) * (one.reference is not None)
