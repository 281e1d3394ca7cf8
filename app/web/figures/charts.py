"""Charts of estimates: dots on one axis, each with a line over its interval.

A chart is as wide as its place: what lies along it is in per cent, so that text keeps its size on a telephone.
"""

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.web.figures.svg import Chart, clean, new_chart, shortened, write
from app.web.figures.tables import Estimate, Table, Unit, interval, number

MAX_LABEL = 46
LINE = 20
_START, _END = 1.5, 84.0  # per cent of the width that the axis takes; the figure stands right of it
_BESIDE = 34.0  # where it starts when labels stand beside their dots, short as they then must be
_SHORT_LABEL = 22
_BESIDE_LABEL = 16  # on a telephone a longer one would run into the axis


class Group(NamedTuple):
    """One row of a chart: an estimate, or none, for each series."""

    label: str
    estimates: Sequence[Estimate | None]


class Axis(NamedTuple):
    low: float
    high: float
    ticks: tuple[float, ...]


# One shape a series besides its colour; each fits into a circle of radius 5.
SHAPES = (
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "M-4-4h8v8h-8z",
    "M0-5.5L5.5 0L0 5.500L-5.500 0z",
    "M0-5L5 4H-5z",
    "M0 5L-5-4H5z",
    "M-1.800-5h3.600v3.200h3.200v3.600h-3.200v3.200h-3.600v-3.200h-3.200v-3.600h3.200z",
)
MAX_SERIES = len(SHAPES)


def dots_of(table: Table, keys: Sequence[str], key: str | None = None, *, is_fitted: bool = False) -> Chart:
    """A chart of some of a table's columns, which share a unit."""
    places = [table.column(name) for name in keys]
    words = next(place for place, column in enumerate(table.columns) if column.unit is not Unit.TEXT)
    groups = [Group(" · ".join(row[:words]), [row[place] for place in places]) for row in table.rows]
    columns = [table.columns[place] for place in places]
    return dots(
        key or table.key,
        table.title,
        [column.label for column in columns],
        groups,
        columns[0].unit,
        is_fitted=is_fitted,
    )


def dots(
    key: str, title: str, series: Sequence[str], groups: Sequence[Group], unit: Unit, *, is_fitted: bool = False
) -> Chart:
    """Estimates as dots on one axis, with a line over each one's interval. Short labels of one series stand beside the
    dots; long ones, and those of several series, above theirs. Several have a legend on top. An axis of shares ends
    at the whole, so that charts can be held beside one another, unless it `is_fitted` to what is small."""
    axis = _axis(
        unit, is_fitted, [e for group in groups for e in group.estimates if e is not None and e["value"] is not None]
    )
    is_beside = len(series) == 1 and all(len(group.label) <= _BESIDE_LABEL for group in groups)
    start = _BESIDE if is_beside else _START

    def at(value: float) -> float:
        # An alpha can fall below -1 with very few items; the picture then ends where the axis does.
        return start + (_END - start) * (max(value, axis.low) - axis.low) / (axis.high - axis.low)

    root = new_chart(key, title, f"{len(groups)} rows of {', '.join(series)} in {_UNITS[unit]}, with {_lines(unit)}.")
    y = _legend(root, series) if len(series) > 1 else 0.0
    top = y
    frame = ET.SubElement(root, "g")  # under the dots
    for group in groups:
        if is_beside:
            write(root, "0%", y + LINE / 2 + 4, "chart-label", group.label)
        else:
            y += LINE
            write(root, "0%", y - 4, "chart-label", shortened(group.label, MAX_LABEL), group.label)
        for place, estimate in enumerate(group.estimates):
            if estimate is None:
                continue
            words = f"{group.label}, {series[place]}" if len(series) > 1 else group.label
            _dot(root, at, y + LINE / 2, place, estimate, unit, words)
            y += LINE
        y += 4
    _scale(frame, at, axis, unit, top, y)
    _size(root, y + 22)
    return Chart(key, title, root)


_UNITS = {
    Unit.SHARE: "per cent", Unit.BITS: "bits", Unit.DIFFERENCE: "percentage points", Unit.COEFFICIENT: "points of 1",
    Unit.SECONDS: "seconds",
}  # fmt: skip


_AFTER = {Unit.SHARE: " %", Unit.BITS: " bits", Unit.DIFFERENCE: " points", Unit.SECONDS: " s"}


def _lines(unit: Unit) -> str:
    return "lines from the lower to the upper quartile" if unit is Unit.SECONDS else "95 % intervals"


def _axis(unit: Unit, is_fitted: bool, estimates: Sequence[Estimate]) -> Axis:
    if unit is Unit.SHARE and not is_fitted:
        return Axis(0, 1, (0, 0.25, 0.5, 0.75, 1))
    if unit is Unit.COEFFICIENT:
        is_negative = any(e[part] is not None and e[part] < 0 for e in estimates for part in ("value", "low"))
        return Axis(-1, 1, (-1, -0.5, 0, 0.5, 1)) if is_negative else Axis(0, 1, (0, 0.25, 0.5, 0.75, 1))
    ends = [abs(e[part]) for e in estimates for part in ("value", "low", "high") if e[part] is not None]
    reach = max(ends, default=0.0) or (0.1 if unit is Unit.DIFFERENCE else 1.0)
    power = 10 ** math.floor(math.log10(reach))
    high = next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= reach * 0.999)
    if unit is Unit.DIFFERENCE:
        return Axis(-high, high, (-high, -high / 2, 0, high / 2, high))
    return Axis(0, high, (0, high / 2, high))


def _size(root: ET.Element, height: float) -> None:
    root.set("width", "100%")
    root.set("height", f"{height:g}")


def _legend(root: ET.Element, series: Sequence[str]) -> float:
    """Names side by side where all are short, else below one another, for a telephone; returns where it ends."""
    columns = 2 if all(len(name) <= _SHORT_LABEL for name in series) else 1
    for place, name in enumerate(series):
        x, y = 50 * (place % columns), LINE * (place // columns) + LINE / 2
        holder = ET.SubElement(root, "svg", {"x": f"{x + 2}%", "y": f"{y:g}", "class": "chart-mark"})
        ET.SubElement(holder, "path", {"class": f"chart-series{place}", "d": SHAPES[place]})
        write(root, f"{x + 4.5}%", y + 4, "chart-label", shortened(name, MAX_LABEL), name)
    return LINE * math.ceil(len(series) / columns) + 6.0


def _dot(
    root: ET.Element, at: Callable[[float], float], y: float, place: int, estimate: Estimate, unit: Unit, words: str
) -> None:
    value = estimate["value"]
    if value is None:
        write(root, "100%", y + 4, "chart-figure", "—", f"{words}: {interval(estimate, unit)}")
        return
    shown = number(value, unit)
    group = ET.SubElement(root, "g")
    ET.SubElement(group, "title").text = clean(f"{words}: {shown} {interval(estimate, unit)}")
    if estimate["low"] is not None:
        ET.SubElement(
            group, "line",
            {"class": f"chart-range chart-stroke{place}", "x1": f"{at(estimate['low']):.2f}%",
             "x2": f"{at(estimate['high']):.2f}%", "y1": f"{y:g}", "y2": f"{y:g}"},
        )  # fmt: skip
    holder = ET.SubElement(group, "svg", {"x": f"{at(value):.2f}%", "y": f"{y:g}", "class": "chart-mark"})
    ET.SubElement(holder, "path", {"class": f"chart-series{place}", "d": SHAPES[place]})
    write(root, "100%", y + 4, "chart-figure", shown)


def _scale(frame: ET.Element, at: Callable[[float], float], axis: Axis, unit: Unit, top: float, bottom: float) -> None:
    for place, tick in enumerate(axis.ticks):
        x = f"{at(tick):.2f}%"
        zero = unit in (Unit.DIFFERENCE, Unit.COEFFICIENT) and tick == 0
        ET.SubElement(
            frame, "line",
            {"class": "chart-zero" if zero else "chart-grid", "x1": x, "x2": x, "y1": f"{top:g}", "y2": f"{bottom:g}"},
        )  # fmt: skip
        if unit is Unit.DIFFERENCE and place % 2:
            continue  # on a telephone there is no room for more words than three
        text = (
            f"{tick:g}"
            if unit in (Unit.BITS, Unit.COEFFICIENT, Unit.SECONDS)
            else f"{100 * tick:+g}"
            if unit is Unit.DIFFERENCE and tick
            else ""
        )
        text = (text or f"{100 * tick:g}").replace("-", "\N{MINUS SIGN}")
        last = place == len(axis.ticks) - 1
        if last:
            text += _AFTER.get(unit, "")
        side = "chart-start" if place == 0 else "chart-end" if last else "chart-middle"
        write(frame, x, bottom + 16, f"chart-tick {side}", text)
