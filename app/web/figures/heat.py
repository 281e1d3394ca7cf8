"""Heat maps: a rectangle of cells shaded by their value, the number written in each where there is room."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import NamedTuple

from app.web.figures.svg import Chart, clean, new_chart, shortened, write

SHADES = 7
WIDE, NARROW = 68, 30
"""Pixels of a cell's width where there are few columns, and where there are many."""
HEIGHT = 26
FEW_COLUMNS = 8
LABEL_PIXELS = 7
"""What a letter of a label takes on the average."""
MOST_LABEL = 22


class Cell(NamedTuple):
    """`value` shades it (None: not shaded); `text` is written in it; `title` says it in full. `is_thin`: too little
    behind it to rely on, shown by a dashed border."""

    value: float | None
    text: str
    title: str
    href: str | None = None
    is_thin: bool = False


def heat_cells(
    key: str,
    title: str,
    description: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[Cell | None]]],
    *,
    low: float,
    high: float,
) -> Chart:
    """Cells of `rows` (label, one cell a column, None for none) shaded from `low` to `high`."""
    is_wide = len(columns) <= FEW_COLUMNS
    width = WIDE if is_wide else NARROW
    left = 10 + LABEL_PIXELS * max((min(len(label), MOST_LABEL) for label, _ in rows), default=0)
    lines = [_broken(name) for name in columns] if is_wide else [[shortened(name, MOST_LABEL)] for name in columns]
    longest = max((len(line) for name in lines for line in name), default=0)
    top = 8 + 14 * max((len(name) for name in lines), default=0) if is_wide else 12 + LABEL_PIXELS * longest
    root = new_chart(key, title, description)
    if any(cell and cell.href for _, cells in rows for cell in cells):
        root.set("role", "group")  # an image would hide its links from screen readers
    for place, (name, words) in enumerate(zip(columns, lines, strict=True)):
        _heading(root, name, words, left + width * place, top, width, is_wide)
    for line, (label, cells) in enumerate(rows):
        y = top + HEIGHT * line
        write(root, f"{left - 8}", y + HEIGHT / 2 + 4, "chart-tick chart-end", shortened(label, MOST_LABEL), label)
        for place, cell in enumerate(cells):
            if cell is not None:
                shade = None if cell.value is None else shade_of(cell.value, low, high)
                _cell(root, cell, left + width * place, y, width, shade)
    root.set("width", f"{left + width * len(columns) + 2}")
    root.set("height", f"{top + HEIGHT * len(rows) + 2}")
    return Chart(key, title, root)


def _heading(root: ET.Element, name: str, words: Sequence[str], x: float, top: float, width: float, wide: bool) -> None:
    if wide:
        for number, line in enumerate(words):
            y = top - 8 - 14 * (len(words) - 1 - number)
            write(root, f"{x + width / 2:g}", y, "chart-tick chart-middle", line, name)
        return
    text = write(root, "0", 0, "chart-tick chart-start", words[0], name)
    del text.attrib["x"], text.attrib["y"]
    text.set("transform", f"translate({x + width / 2 + 4:g} {top - 6:g}) rotate(-90)")


def _cell(root: ET.Element, cell: Cell, x: float, y: float, width: float, shade: str | None) -> None:
    holder = ET.SubElement(root, "a", {"href": cell.href}) if cell.href else ET.SubElement(root, "g")
    ET.SubElement(holder, "title").text = clean(cell.title)
    look = "heat-cell heat-thin" if cell.is_thin else "heat-cell"
    place = {"x": f"{x + 1:g}", "y": f"{y + 1:g}", "width": f"{width - 2:g}", "height": f"{HEIGHT - 2}", "rx": "2"}
    ET.SubElement(holder, "rect", {"class": f"{look} {shade}" if shade else look, **place})
    if cell.text and len(cell.text) * LABEL_PIXELS <= width:
        write(holder, f"{x + width / 2:g}", y + HEIGHT / 2 + 4, "heat-figure", cell.text)


def shade_of(value: float, low: float, high: float) -> str:
    """A cell's class in the style sheets; values beyond `low` and `high` are shaded as these.

    >>> [shade_of(value, 0, 1) for value in (0, 0.5, 1, 7)]
    ['heat1', 'heat4', 'heat7', 'heat7']
    """
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return f"heat{1 + min(int(share * SHADES), SHADES - 1)}"


def _broken(name: str, most: int = 11) -> list[str]:
    """
    >>> _broken("Dish (only or left food)")
    ['Dish (only', 'or left', 'food)']
    """
    lines: list[str] = []
    for word in name.split():
        if lines and len(lines[-1]) + 1 + len(word) <= most:
            lines[-1] += f" {word}"
        else:
            lines.append(shortened(word, most))
    return lines
