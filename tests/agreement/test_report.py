"""A question's document: its shape and the warnings in plain words."""

import json

import pytest

from app.agreement.patterns import Patterns
from app.agreement.report import question_report

ANSWERS = ["yes", "no", "unsure"]
FIGURES = ("percent_agreement", "krippendorff_alpha", "fleiss_kappa", "gwet_ac1")


def test_the_document_holds_what_the_contract_names() -> None:
    report = question_report(
        Patterns.from_rows([((3, 0, 0), 70), ((1, 2, 0), 30), ((1, 0, 0), 5)], ANSWERS), n_raters=4
    )
    assert (report["n_items"], report["n_items_paired"], report["n_raters"], report["n_judgments"]) == (
        105,
        100,
        4,
        305,
    )
    assert report["categories"] == pytest.approx({"yes": 245 / 305, "no": 60 / 305, "unsure": 0})
    for figure in FIGURES:
        assert set(report[figure]) == {"value", "low", "high", "reason"}
        assert report[figure]["low"] < report[figure]["value"] < report[figure]["high"]
    assert report["bootstrap"] == {"unit": "item", "level": 0.95, "replicates": 1000, "seed": 0}
    assert report["warnings"] == []


@pytest.mark.parametrize(
    "rows", [[], [((1, 0, 0), 3)], [((2, 0, 0), 3)], [((1, 1, 0), 1)], [((2, 0, 0), 9), ((0, 1, 1), 1)]]
)
def test_the_document_is_strict_json_even_where_nothing_is_defined(rows: list[tuple[tuple[int, ...], int]]) -> None:
    report = question_report(Patterns.from_rows(rows, ANSWERS), n_raters=2)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    for figure in FIGURES:
        missing = None in (report[figure]["value"], report[figure]["low"], report[figure]["high"])
        assert missing == (report[figure]["reason"] is not None)


def test_a_prevalent_answer_warns_that_kappa_misleads() -> None:
    report = question_report(Patterns.from_rows([((3, 0, 0), 90), ((2, 1, 0), 10)], ANSWERS), n_raters=3)
    assert report["krippendorff_alpha"]["value"] < 0
    assert report["gwet_ac1"]["value"] > 0.9
    (warning,) = report["warnings"]
    assert "97 % of the judgments are 'yes'" in warning
    assert "AC1" in warning


def test_all_alike_warns_that_nothing_was_put_to_the_test() -> None:
    report = question_report(Patterns.from_rows([((3, 0, 0), 90)], ANSWERS), n_raters=3)
    assert report["krippendorff_alpha"] == {"value": None, "low": None, "high": None, "reason": "no_variation"}
    assert report["percent_agreement"]["value"] == report["gwet_ac1"]["value"] == 1
    assert "Every judgment is 'yes'" in report["warnings"][0]


def test_few_items_and_no_overlap_are_said() -> None:
    few = question_report(Patterns.from_rows([((2, 0, 0), 5), ((1, 1, 0), 4)], ANSWERS), n_raters=3)
    assert few["warnings"] == ["Only 9 items have two or more judgments: too few for a firm figure."]
    none = question_report(Patterns.from_rows([((1, 0, 0), 5)], ANSWERS), n_raters=3)
    assert none["warnings"] == ["No item has two judgments, so agreement can't be measured yet."]


def test_ordinal_keeps_every_key_and_adds_ac2() -> None:
    votes = Patterns.from_rows([((3, 0, 0), 60), ((2, 1, 0), 30), ((0, 1, 2), 40)], ["no", "unsure", "yes"])
    nominal, ordinal = (question_report(votes, n_raters=4, level=level) for level in ("nominal", "ordinal"))
    assert set(ordinal) == {*nominal, "gwet_ac2"}
    assert (nominal["level"], ordinal["level"]) == ("nominal", "ordinal")
    for figure in ("percent_agreement", "fleiss_kappa", "gwet_ac1"):
        assert ordinal[figure] == nominal[figure]
    for figure, kinder in (("krippendorff_alpha", nominal["krippendorff_alpha"]), ("gwet_ac2", nominal["gwet_ac1"])):
        assert ordinal[figure]["low"] < ordinal[figure]["value"] < ordinal[figure]["high"]
        assert ordinal[figure]["value"] > kinder["value"]  # every dissent is a near miss
