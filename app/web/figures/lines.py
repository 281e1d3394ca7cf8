"""Figures over time: a line a series through dots with their intervals, as wide as their place."""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from app.web.figures.charts import SHAPES
from app.web.figures.svg import Chart, clean, new_chart, write
from app.web.figures.tables import Estimate, Unit, interval, number

HEIGHT = 150
_START, _END = 9.0, 97.0  # per cent of the width; the scale's numbers stand left of it
_LEGEND = 24
_FEWEST_WIDE = 6  # so many dates fit on a telephone
_APART = 0.9  # per cent of the width between the dots of one time, so that intervals don't hide one another


class Line(NamedTuple):
    """An estimate, or none, for each point in time."""

    label: str
    estimates: Sequence[Estimate | None]


def lines(
    key: str, title: str, times: Sequence[str], series: Sequence[Line], unit: Unit, *, is_fitted: bool = False
) -> Chart:
    """Shares or coefficients over `times`, evenly spaced. A time without a figure leaves a gap in its line.

    Series differ in shape and dash as well as in colour. The axis goes from 0 to 1, or from -0.5
    or -1 where a figure is negative; one that `is_fitted` ends lower where all is small.
    """
    low, top = _lowest(series), _highest(series) if is_fitted else 1.0
    words = ", ".join(line.label for line in series)
    root = new_chart(key, title, f"{words} at {len(times)} times from {times[0]} to {times[-1]}, with 95 % intervals.")
    _legend(root, series)
    bottom = _LEGEND + 6.0 + HEIGHT

    def height(value: float) -> float:
        return bottom - HEIGHT * (max(value, low) - low) / (top - low)

    step = (_END - _START) / max(len(times), 1)
    apart = min(_APART, step / (2 * len(series)))

    def across(place: int, nth: int) -> float:
        return _START + step * (place + 0.5) + apart * (nth - (len(series) - 1) / 2)

    for tick in sorted({low, 0.0, top / 2, top}):
        _stroke(root, _START, height(tick), _END, height(tick), "chart-zero" if tick == 0 else "chart-grid")
        # “100 %” would not fit beside the axis on a telephone.
        shown = f"{100 * tick:g}{' %' if tick < 1 else ''}" if unit is Unit.SHARE else f"{tick:g}"
        write(root, f"{_START - 1.2}%", height(tick) + 4, "chart-tick chart-end", shown.replace("-", "\N{MINUS SIGN}"))
    for nth, line in enumerate(series):
        points = [
            (across(place, nth), height(found["value"])) if found and found["value"] is not None else None
            for place, found in enumerate(line.estimates)
        ]
        for one, other in pairwise(points):
            if one and other:
                _stroke(root, *one, *other, f"chart-step chart-stroke{nth} chart-dash{nth}")
        for place, found in enumerate(line.estimates):
            if found and found["value"] is not None:
                _point(root, across(place, nth), height, found, nth, f"{times[place]}, {line.label}", unit)
    _dates(root, times, step, bottom)
    root.set("width", "100%")
    root.set("height", f"{bottom + 24:g}")
    return Chart(key, title, root)


def _lowest(series: Sequence[Line]) -> float:
    found = [e[part] for line in series for e in line.estimates if e for part in ("value", "low")]
    least = min((value for value in found if value is not None), default=0.0)
    return 0.0 if least >= 0 else -0.5 if least >= -0.5 else -1.0


def _highest(series: Sequence[Line]) -> float:
    found = [e[part] for line in series for e in line.estimates if e for part in ("value", "high")]
    most = max((value for value in found if value is not None), default=1.0)
    return next(end for end in (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0) if end >= min(most, 1.0))


def _legend(root: ET.Element, series: Sequence[Line]) -> None:
    for nth, line in enumerate(series):
        x, y = 100 * nth / len(series), _LEGEND / 2
        _stroke(root, x, y, x + 6, y, f"chart-step chart-stroke{nth} chart-dash{nth}")
        _mark(root, x + 3, y, nth)
        write(root, f"{x + 7.5:.2f}%", y + 4, "chart-label", line.label)


def _point(
    root: ET.Element, x: float, height: Callable[[float], float], found: Estimate, nth: int, words: str, unit: Unit
) -> None:
    group = ET.SubElement(root, "g")
    shown = f"{words}: {number(found['value'], unit)} {interval(found, unit)}"
    ET.SubElement(group, "title").text = clean(shown)
    if found["low"] is not None:
        _stroke(group, x, height(found["low"]), x, height(found["high"]), f"chart-range chart-stroke{nth}")
    _mark(group, x, height(found["value"]), nth)


def _mark(parent: ET.Element, x: float, y: float, nth: int) -> None:
    holder = ET.SubElement(parent, "svg", {"x": f"{x:.2f}%", "y": f"{y:.1f}", "class": "chart-mark"})
    ET.SubElement(holder, "path", {"class": f"chart-series{nth}", "d": SHAPES[nth]})


def _dates(root: ET.Element, times: Sequence[str], step: float, bottom: float) -> None:
    """The first and the last time, and some between, evenly."""
    last = len(times) - 1
    gaps = min(last, _FEWEST_WIDE - 2) or 1
    for place in sorted({round(last * nth / gaps) for nth in range(gaps + 1)}):
        x = _START + step * (place + 0.5)
        _stroke(root, x, bottom, x, bottom + 4, "chart-zero")
        write(root, f"{x:.2f}%", bottom + 18, "chart-tick chart-middle", times[place])


def _stroke(parent: ET.Element, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
    places = {"x1": f"{x1:.2f}%", "y1": f"{y1:.1f}", "x2": f"{x2:.2f}%", "y2": f"{y2:.1f}"}
    ET.SubElement(parent, "line", {"class": kind, **places})
