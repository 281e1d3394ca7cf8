"""A heat map of countries: which was taken for which."""

import bisect
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from app.web.figures.svg import Chart, clean, new_chart, shortened, write

_SHADES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
"""Shares of a row at which the next darker shade begins: closer where most of them are."""
_WORTH_WORDS = 0.02
"""From this share of its row on, a cell of a heat map says what it is; the many others would make a page heavy."""


def heat(key: str, title: str, counts: Mapping[str, Mapping[str, int]], labels: Mapping[str, str]) -> Chart:
    """How often each row (what is true) was taken for each column, shaded by the row's share."""
    rows = list(counts)
    seen = {name for row in counts.values() for name in row}
    columns = [*rows, *(name for name in labels if name in seen and name not in counts)]
    cell, left, top = 18, 44, 44
    width, height = left + cell * len(columns) + 4, top + cell * len(rows) + 4
    root = new_chart(key, title, "Rows are the true countries, columns what was answered; the diagonal is right.")
    root.set("viewBox", f"0 0 {width} {height}")
    root.set("width", str(width))
    root.set("height", str(height))
    for place, name in enumerate(columns):
        x = left + cell * place + cell / 2
        text = write(root, "0", 0, "chart-tick", shortened(name, 5), labels.get(name, name))
        text.attrib.pop("x")
        text.attrib.pop("y")
        text.set("transform", f"translate({x + 4:g} {top - 6}) rotate(-90)")
    for line, gold in enumerate(rows):
        y = top + cell * line
        row = counts[gold]
        total = sum(row.values())
        write(root, str(left - 6), y + cell / 2 + 4, "chart-tick chart-end", shortened(gold, 5), labels.get(gold, gold))
        ET.SubElement(
            root, "line", {"class": "chart-grid", "x1": str(left), "x2": str(width - 4), "y1": f"{y:g}", "y2": f"{y:g}"}
        )
        faint: dict[str, str] = {}
        for place, name in enumerate(columns):
            if count := row.get(name, 0):
                shade = 1 + bisect.bisect_right(_SHADES, count / total)
                look = f"chart-{'right' if name == gold else 'wrong'} chart-shade{shade}"
                square = f"M{left + cell * place + 1} {y + 1}h{cell - 2}v{cell - 2}h{2 - cell}z"
                if count / total < _WORTH_WORDS:
                    faint[look] = faint.get(look, "") + square
                    continue
                words = f"{labels.get(gold, gold)} taken for {labels.get(name, name)}: {count} of {total}"
                path = ET.SubElement(root, "path", {"class": look, "d": square})
                ET.SubElement(path, "title").text = clean(words)
        for look, squares in faint.items():
            ET.SubElement(root, "path", {"class": look, "d": squares})
    return Chart(key, title, root)
