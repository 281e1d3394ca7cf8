"""Small charts of one thing after another: a count a day as bars, and a value a step as a line."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import pairwise

from app.errors import Sentence
from app.web.figures.svg import Chart, clean, new_chart, write
from app.web.i18n import translated

HEIGHT = 96
TOP = 18
MOST_POINTS = 120
_START, _END = 1.0, 99.0  # per cent of the width


def bars(key: str, title: str, counts: Sequence[tuple[str, int]], what: str) -> Chart:
    """A bar for each (label, count); the first, the last and the highest are written. `what` is counted."""
    most = max((count for _, count in counts), default=0)
    root = new_chart(
        key,
        translated(title),
        translated(Sentence("{n} bars, from 0 to {most} {what}.", n=len(counts), most=most, what=what)),
    )
    step = (_END - _START) / max(len(counts), 1)
    write(root, f"{_START}%", TOP - 6, "chart-tick", translated(Sentence("most: {n} {what}", n=most, what=what)))
    _line(root, _START, TOP, _END, TOP, "chart-grid")
    for place, (label, count) in enumerate(counts):
        height = HEIGHT * count / most if most else 0.0
        bar = ET.SubElement(
            root, "rect",
            {"class": "chart-series0", "x": f"{_START + step * (place + 0.1):.2f}%", "width": f"{step * 0.8:.2f}%",
             "y": f"{TOP + HEIGHT - height:.1f}", "height": f"{height:.1f}"},
        )  # fmt: skip
        ET.SubElement(bar, "title").text = clean(
            translated(Sentence("{label}: {n} {what}", label=label, n=count, what=what))
        )
    _bottom(root, counts[0][0] if counts else "", counts[-1][0] if counts else "")
    return Chart(key, title, root)


def steps(key: str, title: str, values: Sequence[float], what: str) -> Chart:
    """A line over the values of step 1, 2, …; of very many, evenly spread ones are drawn, the last always."""
    low, high = min(values), max(values)
    root = new_chart(
        key, title, f"{what} after each of {len(values)} steps, from {values[0]:,.2f} to {values[-1]:,.2f}."
    )
    every = max(1, -(-len(values) // MOST_POINTS))
    drawn = sorted({*range(0, len(values), every), len(values) - 1})
    reach, last = (high - low) or 1.0, max(len(values) - 1, 1)
    write(root, f"{_START}%", TOP - 6, "chart-tick", f"{high:,.1f}")
    write(root, f"{_START}%", TOP + HEIGHT - 4, "chart-tick", f"{low:,.1f}")
    _line(root, _START, TOP, _END, TOP, "chart-grid")
    points = [
        (_START + (_END - _START) * place / last, TOP + HEIGHT * (high - values[place]) / reach) for place in drawn
    ]
    for one, other in pairwise(points):
        _line(root, *one, *other, "chart-stroke0 chart-step")
    _bottom(root, "step 1", f"step {len(values):,}")
    return Chart(key, title, root)


def _line(root: ET.Element, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
    places = {"x1": f"{x1:.2f}%", "y1": f"{y1:.1f}", "x2": f"{x2:.2f}%", "y2": f"{y2:.1f}"}
    ET.SubElement(root, "line", {"class": kind, **places})


def _bottom(root: ET.Element, first: str, last: str) -> None:
    """The line at the bottom, with the first and last label below."""
    _line(root, _START, TOP + HEIGHT, _END, TOP + HEIGHT, "chart-zero")
    write(root, f"{_START}%", TOP + HEIGHT + 15, "chart-tick chart-start", first)
    if last != first:
        write(root, f"{_END}%", TOP + HEIGHT + 15, "chart-tick chart-end", last)
    root.set("width", "100%")
    root.set("height", f"{TOP + HEIGHT + 22}")
