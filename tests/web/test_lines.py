"""Lines over time: where points lie, and where a line is broken."""

from app.web.figures.lines import Line, lines
from app.web.figures.tables import Unit


def estimate(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, object]:
    return {"value": value, "low": low, "high": high, "reason": None if value is not None else "no_overlap"}


def test_points_lie_at_their_value_and_a_missing_one_breaks_the_line() -> None:
    """The axis is 150 high from 180 (0) to 30 (1)."""
    one = Line("One", [estimate(0.5, 0.4, 0.6), estimate(1), None, estimate(0)])
    other = Line("Other", [estimate(None)] * 4)
    root = lines("key", "Title", ["a", "b", "c", "d"], [one, other], Unit.COEFFICIENT).root
    marks = [mark.get("y") for mark in root.iter("svg") if mark.get("class") == "chart-mark"]
    assert marks == ["12.0", "12.0", "105.0", "30.0", "180.0"]  # two of the legend first
    ranges = [(line.get("y1"), line.get("y2")) for line in root.iter("line") if "chart-range" in line.get("class", "")]
    assert ranges == [("120.0", "90.0")]
    steps = [line for line in root.iter("line") if "chart-step" in line.get("class", "")]
    assert [line.get("class") for line in steps] == [
        "chart-step chart-stroke0 chart-dash0", "chart-step chart-stroke1 chart-dash1",  # the legend
        "chart-step chart-stroke0 chart-dash0",
    ]  # fmt: skip


def test_the_axis_reaches_below_zero_where_a_figure_does() -> None:
    def ticks(low: float) -> list[str]:
        root = lines("key", "Title", ["a"], [Line("One", [estimate(0.2, low, 0.5)])], Unit.COEFFICIENT).root
        return [text.text or "" for text in root.iter("text") if text.get("class") == "chart-tick chart-end"]

    assert ticks(0.1) == ["0", "0.5", "1"]
    assert ticks(-0.1) == ["−0.5", "0", "0.5", "1"]
    assert ticks(-0.6) == ["−1", "0", "0.5", "1"]
