"""Charts: dots where the figures are, texts from strangers harmless, files that stand alone and name their spec."""

import io
import re
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from app.evaluation.pages.heat_map import heat
from app.web.figures import charts, svg
from app.web.figures.charts import Group
from app.web.figures.tables import Column, Table, Unit
from tests.web.test_hostile_text import HOSTILE

SHA256 = "ab" * 32
SVG = "{http://www.w3.org/2000/svg}"


def e(value: float | None, low: float | None = None, high: float | None = None, reason: str | None = None) -> dict:  # type: ignore[type-arg]
    return {"value": value, "low": low, "high": high, "reason": reason}


TABLE = Table(
    "accuracy",
    "Accuracy by subtask",
    (Column("subtask", "Subtask", Unit.TEXT), Column("n", "Answers", Unit.COUNT), Column("name", "Name", Unit.SHARE),
     Column("country", "Country", Unit.SHARE)),
    [("SF", 9, e(0.5, 0.25, 1), e(0, 0, 0)), ("MF", 3, e(1, reason="one_dish"), e(None, reason="no_answers"))],
)  # fmt: skip


def marks(root: ET.Element) -> list[tuple[str, float]]:
    """Each dot's series and place in per cent, legend left out."""
    found = []
    for group in root.iter("g"):
        for holder in group.findall("svg"):
            path = holder.find("path")
            assert path is not None
            found.append((path.get("class", ""), float(holder.get("x", "").rstrip("%"))))
    return found


def test_dots_stand_where_their_figures_are() -> None:
    root = charts.dots_of(TABLE, ["name", "country"]).root
    start, end = 1.5, 84.0
    assert marks(root) == [
        ("chart-series0", (start + end) / 2),
        ("chart-series1", start),
        ("chart-series0", end),
    ]
    ranges = [(line.get("x1"), line.get("x2")) for line in root.iter("line") if "chart-range" in line.get("class", "")]
    assert ranges == [("22.12%", "84.00%"), ("1.50%", "1.50%")]
    figures = [text.text for text in root.iter("text") if text.get("class") == "chart-figure"]
    assert figures == ["50.0", "0.0", "100.0", "—"]


def test_each_series_has_a_shape_of_its_own() -> None:
    root = charts.dots("k", "t", list("abcdef"), [Group("one", [e(0.1 * n) for n in range(6)])], Unit.SHARE).root
    shapes = {path.get("class"): path.get("d") for path in root.iter("path")}
    assert len(set(shapes.values())) == len(shapes) == charts.MAX_SERIES


def test_differences_have_their_zero_in_the_middle() -> None:
    root = charts.dots("k", "t", ["d"], [Group("one", [e(-0.03, -0.08, 0.02)])], Unit.DIFFERENCE).root
    zero = next(line for line in root.iter("line") if line.get("class") == "chart-zero")
    assert float(zero.get("x1", "").rstrip("%")) == pytest.approx((34 + 84) / 2)
    ticks = [text.text for text in root.iter("text") if "chart-tick" in text.get("class", "")]
    assert ticks == ["−8", "0", "+8 points"]


def test_small_shares_can_fill_the_axis() -> None:
    groups = [Group("one", [e(0.04, 0.03, 0.045)])]
    ticks = [
        text.text
        for text in charts.dots("k", "t", ["d"], groups, Unit.SHARE, is_fitted=True).root.iter("text")
        if "chart-tick" in text.get("class", "")
    ]
    assert ticks == ["0", "2.5", "5 %"]


@pytest.mark.parametrize("values", [[], [e(None, reason="no_answers")], [e(0.0, 0.0, 0.0)]])
@pytest.mark.parametrize("unit", [Unit.SHARE, Unit.BITS, Unit.DIFFERENCE])
def test_a_chart_of_nothing_is_still_one(values: list[dict], unit: Unit) -> None:  # type: ignore[type-arg]
    chart = charts.dots("k", "t", ["d"], [Group("one", [value]) for value in values], unit)
    assert "NaN" not in svg.inline(chart)
    assert svg.as_png(chart, SHA256).startswith(b"\x89PNG")


def test_a_chart_says_what_it_is_to_those_who_do_not_see_it() -> None:
    root = charts.dots_of(TABLE, ["name", "country"]).root
    assert root.get("role") == "img"
    words = {one.get("id"): one.text for one in root if one.tag in ("title", "desc")}
    assert list(words) == (root.get("aria-labelledby") or "").split()
    assert words["accuracy-title"] == "Accuracy by subtask"
    assert "SF, Name: 50.0 [25.0, 100.0]" in svg.inline(charts.dots_of(TABLE, ["name", "country"]))


def test_texts_from_strangers_are_text() -> None:
    chart = charts.dots("k", HOSTILE, [HOSTILE, "b"], [Group(HOSTILE + "\0\x1b\ud800", [e(0.5), None])], Unit.SHARE)
    for shown in (str(svg.inline(chart)), svg.as_svg(chart, SHA256).decode()):
        assert "<script>" not in shown
        assert "<img" not in shown
        assert "\u202e" not in shown
    root = ET.fromstring(svg.as_svg(chart, SHA256))
    assert not list(root.iter(f"{SVG}script"))


def test_a_heat_map_shades_by_the_rows_share_and_keeps_the_diagonal_apart() -> None:
    counts = {"EG": {"EG": 9, "IT": 1}, "IT": {"none": 2}}
    root = heat("k", "t", counts, {"EG": "Egypt", "IT": "Italy", "none": "No country"}).root
    cells = [(path.get("class"), (path.findtext("title") or "")) for path in root.iter("path")]
    assert cells == [
        ("chart-right chart-shade9", "Egypt taken for Egypt: 9 of 10"),
        ("chart-wrong chart-shade4", "Egypt taken for Italy: 1 of 10"),
        ("chart-wrong chart-shade9", "Italy taken for No country: 2 of 2"),
    ]


def test_faint_cells_of_a_heat_map_share_a_path() -> None:
    row = {"EG": 960, **dict.fromkeys(("IT", "FR", "JP", "PE"), 10)}
    root = heat("k", "t", {"EG": row}, dict(zip(row, row, strict=True))).root
    assert [(path.get("class"), (path.get("d") or "").count("M")) for path in root.iter("path")] == [
        ("chart-right chart-shade9", 1),
        ("chart-wrong chart-shade1", 4),
    ]


def test_a_file_stands_alone_and_names_its_spec() -> None:
    chart = charts.dots_of(TABLE, ["name", "country"])
    text = svg.as_svg(chart, SHA256).decode()
    root = ET.fromstring(text)
    assert root.findtext(f"{SVG}metadata") == f"spec sha256: {SHA256}"
    assert "var(" not in text
    assert "light-dark" not in text
    style = root.findtext(f"{SVG}style") or ""
    used = {name for one in root.iter() for name in one.get("class", "").split()}
    ruled = set(re.findall(r"\.([\w-]+)", style))
    assert used - ruled == {"chart"}


def test_a_picture_names_its_spec_and_has_words_without_a_systems_fonts() -> None:
    chart = charts.dots_of(TABLE, ["name", "country"])
    with Image.open(io.BytesIO(svg.as_png(chart, SHA256))) as picture:
        assert picture.text["spec_sha256"] == SHA256  # type: ignore[attr-defined]
        assert picture.width == 2 * (svg.WIDTH + 2 * svg.MARGIN)
        margin, line = 2 * svg.MARGIN, 2 * charts.LINE
        label = picture.convert("L").crop((0, margin + line + 12, 2 * margin, margin + 2 * line + 20))
        assert label.getextrema()[0] < 100, "the label SF is not there"
