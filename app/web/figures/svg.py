"""What every chart is made of, and a chart on a page, as a file of its own, as PNG."""

import copy
import io
import re
import xml.etree.ElementTree as ET
from functools import cache
from typing import NamedTuple

import resvg_py
from markupsafe import Markup
from PIL import Image, PngImagePlugin

from app.settings import ROOT

WIDTH = 760
"""Pixels of a chart that is a file, its margins left out."""
MARGIN = 16
FONT = ROOT / "static" / "vendor" / "dejavu-sans-2.37.ttf"


class Chart(NamedTuple):
    """`key` makes its ids unique on a page."""

    key: str
    title: str
    root: ET.Element


def new_chart(key: str, title: str, description: str) -> ET.Element:
    root = ET.Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "class": "chart", "role": "img",
         "aria-labelledby": f"{key}-title {key}-desc"},
    )  # fmt: skip
    ET.SubElement(root, "title", {"id": f"{key}-title"}).text = clean(title)
    ET.SubElement(root, "desc", {"id": f"{key}-desc"}).text = clean(description)
    return root


def write(parent: ET.Element, x: str, y: float, kind: str, text: str, whole: str | None = None) -> ET.Element:
    element = ET.SubElement(parent, "text", {"class": kind, "x": x, "y": f"{y:g}"})
    element.text = clean(text)
    if whole is not None and whole != text:
        ET.SubElement(element, "title").text = clean(whole)
    return element


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


# What XML 1.0 has no place for, and marks of direction, which would turn the words around them.
_REFUSED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    return _REFUSED.sub("", text)[:300]


def inline(chart: Chart) -> Markup:
    """For a page, which brings chart.css; every text in it was escaped when it became XML."""
    return Markup(ET.tostring(chart.root, encoding="unicode"))  # noqa: S704  (ElementTree has escaped it)


def as_svg(chart: Chart, specs: str, stamp: str = "spec_sha256") -> bytes:
    """A file that stands alone, with the light style and what its figures came of: `specs` under the name `stamp`,
    such as the hash of a spec, or several with spaces between."""
    root = copy.deepcopy(chart.root)
    for link in root.iter("a"):  # it leads nowhere from a file
        link.tag = "g"
        link.attrib.clear()
    drawn = root[2:]  # behind the title and the description
    del root[2:]
    width = WIDTH if root.get("width") == "100%" else float(root.get("width", 0))
    height = float(root.get("height", 0))
    ET.SubElement(root, "metadata").text = f"{stamp.replace('_', ' ')}: {_REFUSED.sub('', specs)}"
    ET.SubElement(root, "style").text = light_style()
    ET.SubElement(root, "rect", {"class": "chart-ground", "width": "100%", "height": "100%"})
    place = {"x": str(MARGIN), "y": str(MARGIN), "width": f"{width:g}", "height": f"{height:g}", "class": "chart-mark"}
    ET.SubElement(root, "svg", place).extend(drawn)
    root.set("width", f"{width + 2 * MARGIN:g}")
    root.set("height", f"{height + 2 * MARGIN:g}")
    root.set("viewBox", f"0 0 {width + 2 * MARGIN:g} {height + 2 * MARGIN:g}")
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def as_png(chart: Chart, specs: str, stamp: str = "spec_sha256") -> bytes:
    """At twice its size, for paper; what it came of is its text `stamp`."""
    drawn = resvg_py.svg_to_bytes(
        svg_string=as_svg(chart, specs, stamp).decode(), zoom=2, skip_system_fonts=True, font_files=[str(FONT)],
        font_family="DejaVu Sans", sans_serif_family="DejaVu Sans",
    )  # fmt: skip
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Title", chart.title.encode("latin-1", "replace").decode("latin-1"))
    notes.add_text(stamp, specs.encode("latin-1", "replace").decode("latin-1"))
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
