"""Charts of one thing after another."""

import xml.etree.ElementTree as ET

from app.web.figures.series import bars, steps
from app.web.figures.svg import as_png, as_svg
from app.web.figures.tables import Column, Table, Unit, as_csv, as_latex, number


def test_the_highest_bar_takes_the_whole_height_and_the_others_their_share_of_it() -> None:
    chart = bars("days", "Judgments a day", [("1 Nov", 5), ("2 Nov", 0), ("3 Nov", 20)], "judgments")
    found = [float(bar.get("height", "")) for bar in chart.root.iter("rect")]
    assert found == [24, 0, 96]
    assert next(bar.findtext("title") for bar in chart.root.iter("rect")) == "1 Nov: 5 judgments"
    assert "1 Nov" in "".join(chart.root.itertext())
    assert as_png(chart, "here", "source").startswith(b"\x89PNG")
    assert not list(bars("none", "Nothing", [], "judgments").root.iter("rect"))


def test_a_line_joins_every_step_and_the_last_of_very_many() -> None:
    def ends(values: list[float]) -> list[tuple[float, float]]:
        lines = [
            line
            for line in steps("fit", "Fit", values, "log-likelihood").root.iter("line")
            if "step" in line.get("class", "")
        ]
        return [(float(line.get("x2", "")[:-1]), float(line.get("y2", ""))) for line in lines]

    assert ends([-10.0, -5.0, 0.0]) == [(50, 66), (99, 18)]
    many = ends([float(step) for step in range(1001)])
    assert len(many) <= 121
    assert many[-1] == (99, 18)
    assert ends([3.0]) == []
    ET.fromstring(as_svg(steps("fit", "Fit", [1.0], "log-likelihood"), "here", "source"))


def test_seconds_are_a_median_between_its_quartiles() -> None:
    median = {"value": 4.25, "low": 3.0, "high": 9.96, "reason": None}
    table = Table(
        "pace", "Pace", (Column("who", "Who", Unit.TEXT), Column("s", "Median", Unit.SECONDS)), [("a", median)]
    )
    assert number(9.96, Unit.SECONDS) == "10.0"
    assert as_csv(table, "x", "source").splitlines() == [
        "who,s_value,s_low,s_high,s_reason,source",
        "a,4.25,3.0,9.96,,x",
    ]
    assert "Median (s)" in as_latex(table, "x", "source")
