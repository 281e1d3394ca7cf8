"""Heat maps: a cell is where its row and column say, shaded by its value, and leads to what is behind it."""

import doctest
import xml.etree.ElementTree as ET

from app.web.figures import heat
from app.web.figures.heat import Cell, heat_cells
from app.web.figures.svg import as_png, as_svg
from tests.web.test_hostile_text import HOSTILE

COLUMNS = ["Dish", "Origin"]
ROWS = [
    ("Egypt", [Cell(0.95, "0.95", "Egypt, dish: 0.95 of 40", "/there"), None]),
    ("Italy", [Cell(None, "—", "Italy, dish: undefined"), Cell(0.1, "0.10", "Italy, origin: 0.10 of 3", is_thin=True)]),
]


def drawn() -> ET.Element:
    return heat_cells("map", "Agreement", "By country.", COLUMNS, ROWS, low=0, high=1).root


def rect_of(root: ET.Element, title: str) -> ET.Element:
    holder = next(e for e in root.iter() if e.tag in ("a", "g") and e.findtext("title") == title)
    rect = holder.find("rect")
    assert rect is not None
    return rect


def place(rect: ET.Element, axis: str) -> float:
    return float(rect.get(axis, -1))


def test_cells_stand_in_their_row_and_column_and_are_shaded_by_value() -> None:
    root = drawn()
    dish, nothing, origin = (
        rect_of(root, row[1][column].title) for row, column in ((ROWS[0], 0), (ROWS[1], 0), (ROWS[1], 1))
    )
    assert dish.get("class") == "heat-cell heat7"
    assert nothing.get("class") == "heat-cell"
    assert origin.get("class") == "heat-cell heat-thin heat1"
    assert place(dish, "x") == place(nothing, "x") < place(origin, "x")
    assert place(dish, "y") < place(nothing, "y") == place(origin, "y")
    assert len(root.findall(".//rect")) == 3


def test_a_cell_leads_to_its_items_on_a_page_and_nowhere_in_a_file() -> None:
    assert [link.get("href") for link in drawn().iter("a")] == ["/there"]
    chart = heat_cells("map", "Agreement", "By country.", COLUMNS, ROWS, low=0, high=1)
    alone = as_svg(chart, "campaign demo", "source")
    assert b"<a" not in alone
    assert b"href" not in alone
    assert b"source: campaign demo" in alone
    assert as_png(chart, "campaign demo", "source").startswith(b"\x89PNG")


def test_many_columns_are_narrow_with_their_names_upright() -> None:
    columns = [f"country {number}" for number in range(20)]
    rows = [("one", [Cell(0.5, "0.50", f"cell {number}") for number in range(20)])]
    root = heat_cells("map", "Agreement", "", columns, rows, low=0, high=1).root
    assert len([text for text in root.iter("text") if "rotate(-90)" in text.get("transform", "")]) == 20
    assert float(root.get("width", 0)) < 800


def test_names_from_strangers_stay_text() -> None:
    chart = heat_cells("map", HOSTILE, HOSTILE, [HOSTILE], [(HOSTILE, [Cell(1, HOSTILE, HOSTILE)])], low=0, high=1)
    assert "<script" not in ET.tostring(chart.root, encoding="unicode")


def test_doctests() -> None:
    result = doctest.testmod(heat)
    assert result.attempted
    assert not result.failed
