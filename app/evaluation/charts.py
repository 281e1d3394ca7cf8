"""Charts as SVG: dots with their intervals, and a heat map of countries. On a page, as a file of its own, as PNG.

A chart is as wide as its place: what lies along it is in per cent, so that text keeps its size on a telephone.
"""

import bisect
import copy
import io
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import resvg_py
from markupsafe import Markup
from PIL import Image, PngImagePlugin

from app.evaluation.tables import Estimate, Table, Unit, interval, number
from app.settings import ROOT

WIDTH = 760
"""Pixels of a chart that is a file."""
FONT = ROOT / "static" / "vendor" / "dejavu-sans-2.37.ttf"
MARGIN = 16
MAX_LABEL = 46
LINE = 20
_SHADES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
"""Shares of a row at which the next darker shade begins: closer where most of them are."""
_WORTH_WORDS = 0.02
"""From this share of its row on, a cell of a heat map says what it is; the many others would make a page heavy."""
_START, _END = 1.5, 84.0  # per cent of the width that the axis takes; the figure stands right of it
_BESIDE = 34.0  # where it starts when labels stand beside their dots, short as they then must be
_SHORT_LABEL = 22


class Group(NamedTuple):
    """One row of a chart: an estimate, or none, for each series."""

    label: str
    estimates: Sequence[Estimate | None]


class Chart(NamedTuple):
    """`key` makes its ids unique on a page."""

    key: str
    title: str
    root: ET.Element


class Axis(NamedTuple):
    low: float
    high: float
    ticks: tuple[float, ...]


# One shape a series besides its colour; each fits into a circle of radius 5.
_SHAPES = (
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "M-4-4h8v8h-8z",
    "M0-5.5L5.5 0L0 5.500L-5.500 0z",
    "M0-5L5 4H-5z",
    "M0 5L-5-4H5z",
    "M-1.800-5h3.600v3.200h3.200v3.600h-3.200v3.200h-3.600v-3.200h-3.200v-3.600h3.200z",
)
MAX_SERIES = len(_SHAPES)


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
    is_beside = len(series) == 1 and all(len(group.label) <= _SHORT_LABEL for group in groups)
    start = _BESIDE if is_beside else _START

    def at(value: float) -> float:
        return start + (_END - start) * (value - axis.low) / (axis.high - axis.low)

    root = _root(key, title, f"{len(groups)} rows of {', '.join(series)} in {_UNITS[unit]}, with 95 % intervals.")
    y = _legend(root, series) if len(series) > 1 else 0.0
    top = y
    frame = ET.SubElement(root, "g")  # under the dots
    for group in groups:
        if is_beside:
            _text(root, "0%", y + LINE / 2 + 4, "chart-label", group.label)
        else:
            y += LINE
            _text(root, "0%", y - 4, "chart-label", _short(group.label, MAX_LABEL), group.label)
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


def heat(key: str, title: str, counts: Mapping[str, Mapping[str, int]], labels: Mapping[str, str]) -> Chart:
    """How often each row (what is true) was taken for each column, shaded by the row's share."""
    rows = list(counts)
    seen = {name for row in counts.values() for name in row}
    columns = [*rows, *(name for name in labels if name in seen and name not in counts)]
    cell, left, top = 18, 44, 44
    width, height = left + cell * len(columns) + 4, top + cell * len(rows) + 4
    root = _root(key, title, "Rows are the true countries, columns what was answered; the diagonal is right.")
    root.set("viewBox", f"0 0 {width} {height}")
    root.set("width", str(width))
    root.set("height", str(height))
    for place, name in enumerate(columns):
        x = left + cell * place + cell / 2
        text = _text(root, "0", 0, "chart-tick", _short(name, 5), labels.get(name, name))
        text.attrib.pop("x")
        text.attrib.pop("y")
        text.set("transform", f"translate({x + 4:g} {top - 6}) rotate(-90)")
    for line, gold in enumerate(rows):
        y = top + cell * line
        row = counts[gold]
        total = sum(row.values())
        _text(root, str(left - 6), y + cell / 2 + 4, "chart-tick chart-end", _short(gold, 5), labels.get(gold, gold))
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
                ET.SubElement(path, "title").text = _clean(words)
        for look, squares in faint.items():
            ET.SubElement(root, "path", {"class": look, "d": squares})
    return Chart(key, title, root)


def inline(chart: Chart) -> Markup:
    """For a page, which brings chart.css; every text in it was escaped when it became XML."""
    return Markup(ET.tostring(chart.root, encoding="unicode"))  # noqa: S704


def as_svg(chart: Chart, spec_sha256: str) -> bytes:
    """A file that stands alone, with the light style and the hash of the spec its figures came of (several with
    spaces between)."""
    root = copy.deepcopy(chart.root)
    drawn = root[2:]  # behind the title and the description
    del root[2:]
    width, height = (
        (WIDTH if root.get("width") == "100%" else float(root.get("width", 0))),
        float(root.get("height", 0)),
    )
    ET.SubElement(root, "metadata").text = f"spec sha256: {spec_sha256}"
    ET.SubElement(root, "style").text = light_style()
    ET.SubElement(root, "rect", {"class": "chart-ground", "width": "100%", "height": "100%"})
    place = {"x": str(MARGIN), "y": str(MARGIN), "width": f"{width:g}", "height": f"{height:g}", "class": "chart-mark"}
    ET.SubElement(root, "svg", place).extend(drawn)
    root.set("width", f"{width + 2 * MARGIN:g}")
    root.set("height", f"{height + 2 * MARGIN:g}")
    root.attrib.pop("viewBox", None)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def as_png(chart: Chart, spec_sha256: str) -> bytes:
    """At twice its size, for paper; the hash of the spec is its text `spec_sha256`."""
    drawn = resvg_py.svg_to_bytes(
        svg_string=as_svg(chart, spec_sha256).decode(), zoom=2, skip_system_fonts=True, font_files=[str(FONT)],
        font_family="DejaVu Sans", sans_serif_family="DejaVu Sans",
    )  # fmt: skip
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Title", chart.title.encode("latin-1", "replace").decode("latin-1"))
    notes.add_text("spec_sha256", spec_sha256)
    out = io.BytesIO()
    with Image.open(io.BytesIO(bytes(drawn))) as picture:
        picture.save(out, "PNG", pnginfo=notes, optimize=True)
    return out.getvalue()


@cache
def light_style() -> str:
    """chart.css with the light value of each token in it: files know no themes, and renderers no custom properties."""
    tokens = dict(re.findall(r"(--[\w-]+):\s*([^;]+);", (ROOT / "static/css/tokens.css").read_text()))
    style = (ROOT / "static/css/chart.css").read_text()
    tokens |= dict(re.findall(r"(--[\w-]+):\s*([^;]+);", style))
    style = re.sub(r"/\* page \*/.*|/\*.*?\*/|:root\s*\{.*?\}", "", style, flags=re.DOTALL)

    def light(match: re.Match[str]) -> str:
        value = tokens[match[1]]
        both = re.fullmatch(r"light-dark\(([^,]+),.*\)", value)
        return both[1] if both else value

    return " ".join(re.sub(r"var\((--[\w-]+)\)", light, style).split())


_UNITS = {Unit.SHARE: "per cent", Unit.BITS: "bits", Unit.DIFFERENCE: "percentage points"}


def _axis(unit: Unit, is_fitted: bool, estimates: Sequence[Estimate]) -> Axis:
    if unit is Unit.SHARE and not is_fitted:
        return Axis(0, 1, (0, 0.25, 0.5, 0.75, 1))
    ends = [abs(e[part]) for e in estimates for part in ("value", "low", "high") if e[part] is not None]
    reach = max(ends, default=0.0) or (0.1 if unit is Unit.DIFFERENCE else 1.0)
    power = 10 ** math.floor(math.log10(reach))
    high = next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= reach * 0.999)
    if unit is Unit.DIFFERENCE:
        return Axis(-high, high, (-high, -high / 2, 0, high / 2, high))
    return Axis(0, high, (0, high / 2, high))


def _root(key: str, title: str, description: str) -> ET.Element:
    root = ET.Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "class": "chart", "role": "img",
         "aria-labelledby": f"{key}-title {key}-desc"},
    )  # fmt: skip
    ET.SubElement(root, "title", {"id": f"{key}-title"}).text = _clean(title)
    ET.SubElement(root, "desc", {"id": f"{key}-desc"}).text = _clean(description)
    return root


def _size(root: ET.Element, height: float) -> None:
    root.set("width", "100%")
    root.set("height", f"{height:g}")


def _legend(root: ET.Element, series: Sequence[str]) -> float:
    """Names side by side where all are short, else below one another, for a telephone; returns where it ends."""
    columns = 2 if all(len(name) <= _SHORT_LABEL for name in series) else 1
    for place, name in enumerate(series):
        x, y = 50 * (place % columns), LINE * (place // columns) + LINE / 2
        holder = ET.SubElement(root, "svg", {"x": f"{x + 2}%", "y": f"{y:g}", "class": "chart-mark"})
        ET.SubElement(holder, "path", {"class": f"chart-series{place}", "d": _SHAPES[place]})
        _text(root, f"{x + 4.5}%", y + 4, "chart-label", _short(name, MAX_LABEL), name)
    return LINE * math.ceil(len(series) / columns) + 6.0


def _dot(root: ET.Element, at: object, y: float, place: int, estimate: Estimate, unit: Unit, words: str) -> None:
    assert callable(at)
    value = estimate["value"]
    if value is None:
        _text(root, "100%", y + 4, "chart-figure", "—", f"{words}: {interval(estimate, unit)}")
        return
    shown = number(value, unit)
    group = ET.SubElement(root, "g")
    ET.SubElement(group, "title").text = _clean(f"{words}: {shown} {interval(estimate, unit)}")
    if estimate["low"] is not None:
        ET.SubElement(
            group, "line",
            {"class": f"chart-range chart-stroke{place}", "x1": f"{at(estimate['low']):.2f}%",
             "x2": f"{at(estimate['high']):.2f}%", "y1": f"{y:g}", "y2": f"{y:g}"},
        )  # fmt: skip
    holder = ET.SubElement(group, "svg", {"x": f"{at(value):.2f}%", "y": f"{y:g}", "class": "chart-mark"})
    ET.SubElement(holder, "path", {"class": f"chart-series{place}", "d": _SHAPES[place]})
    _text(root, "100%", y + 4, "chart-figure", shown)


def _scale(frame: ET.Element, at: object, axis: Axis, unit: Unit, top: float, bottom: float) -> None:
    assert callable(at)
    for place, tick in enumerate(axis.ticks):
        x = f"{at(tick):.2f}%"
        zero = unit is Unit.DIFFERENCE and tick == 0
        ET.SubElement(
            frame, "line",
            {"class": "chart-zero" if zero else "chart-grid", "x1": x, "x2": x, "y1": f"{top:g}", "y2": f"{bottom:g}"},
        )  # fmt: skip
        if unit is Unit.DIFFERENCE and place % 2:
            continue  # on a telephone there is no room for more words than three
        text = f"{tick:g}" if unit is Unit.BITS else f"{100 * tick:+g}" if unit is Unit.DIFFERENCE and tick else ""
        text = (text or f"{100 * tick:g}").replace("-", "\N{MINUS SIGN}")
        last = place == len(axis.ticks) - 1
        if last:
            text += {Unit.SHARE: " %", Unit.BITS: " bits", Unit.DIFFERENCE: " points"}[unit]
        side = "chart-start" if place == 0 else "chart-end" if last else "chart-middle"
        _text(frame, x, bottom + 16, f"chart-tick {side}", text)


def _text(parent: ET.Element, x: str, y: float, kind: str, text: str, whole: str | None = None) -> ET.Element:
    element = ET.SubElement(parent, "text", {"class": kind, "x": x, "y": f"{y:g}"})
    element.text = _clean(text)
    if whole is not None and whole != text:
        ET.SubElement(element, "title").text = _clean(whole)
    return element


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


# What XML 1.0 has no place for, and marks of direction, which would turn the words around them.
_REFUSED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _clean(text: str) -> str:
    return _REFUSED.sub("", text)[:300]
