"""The benchmark's own tables: metadata/*.csv in the CultureMix layout and the spelling of their source."""

import csv
import io
from collections import Counter
from collections.abc import Sequence

from app.cells import harmless
from app.releases.snapshot import FrozenItem

COLUMNS = (
    "image_path", "food1_id", "food1_name", "food1_country", "food2_id", "food2_name", "food2_country",
    "background_country",
)  # fmt: skip


class Tables:
    """The rows of each table, as its file's text. `neutralised` counts cells that got an apostrophe, by path."""

    def __init__(self) -> None:
        self._tables: dict[str, io.StringIO] = {}
        self.neutralised: Counter[str] = Counter()

    def add(self, frozen: FrozenItem) -> None:
        path = path_of(frozen)
        if path not in self._tables:
            self._append(path, COLUMNS)
        cells = [frozen.item.key]
        for slot in (1, 2):
            food = frozen.food(slot)
            cells += [food.id_as_written or "", food.name, food.country_as_written] if food else ["", "", ""]
        cells.append(frozen.item.background_as_written or "")
        self._append(path, [self._safe(path, cell) for cell in cells])

    def files(self) -> dict[str, bytes]:
        """Content by path, in the paths' order."""
        return {path: self._tables[path].getvalue().encode() for path in sorted(self._tables)}

    def _append(self, path: str, cells: Sequence[str]) -> None:
        table = self._tables.setdefault(path, io.StringIO(newline=""))
        csv.writer(table, lineterminator="\n").writerow(cells)

    def _safe(self, path: str, cell: str) -> str:
        safe = harmless(cell)
        if safe != cell:
            self.neutralised[path] += 1
        return safe


def path_of(frozen: FrozenItem) -> str:
    """Which table an item belongs to. One whose background is neither street nor landmark stands in a table without."""
    name = frozen.item.subtask.value.lower()
    if frozen.background and frozen.background.kind:
        name += f"_{frozen.background.kind.value}"
    return f"metadata/{name}.csv"
