"""Agreement as rows for a page."""

from app.adjudication.figures import Row, cautions


def row(question: str, *warnings: str) -> Row:
    return Row("", question, {"warnings": warnings})


def test_warnings_of_one_kind_are_one_paragraph_that_names_the_questions() -> None:
    few = "Only {} items have two or more judgments: too few for a firm figure."
    rows = [
        row("food1_identity", "No item has two judgments, so agreement can't be measured yet."),
        row("food1_origin", few.format(7)),
        row("food2_origin", few.format(7)),
        row("background", few.format(2)),
    ]
    assert cautions(rows) == [
        "Dish (only or left food): No item has two judgments, so agreement can't be measured yet.",
        "Origin (only or left food), Origin (right food): Only 7 items have two or more judgments. Background: Only 2 "
        "items have two or more judgments. Too few for a firm figure.",
    ]


def test_figures_without_warnings_need_no_caution() -> None:
    assert cautions([row("background")]) == []
