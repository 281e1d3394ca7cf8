"""Every coefficient against published worked examples, within their tolerance."""

import numpy as np
import pytest

from app.agreement import bootstrap, coefficients
from app.agreement.answers import Answers
from app.agreement.intervals import wilson
from app.agreement.patterns import Patterns
from app.agreement.raters import pair_table, pairwise, with_others
from tests.agreement import cases
from tests.agreement.generator import big

TABLES = [
    "ben_gerry_missing",
    "cohen_wikipedia",
    "feinstein_cicchetti_1990_balanced",
    "feinstein_cicchetti_1990_prevalent",
    "fleiss_wikipedia",
    "gwet_3x3_abstractors",
    "gwet_6raters_psychiatric",
    "krippendorff_2011_binary",
    "krippendorff_2011_missing",
    "randolph_small_1",
    "sas_kappa_asymmetric_table",
]
MEASURES = {
    "percent_agreement": coefficients.percent_agreement,
    "krippendorff_alpha_nominal": coefficients.krippendorff_alpha,
    "fleiss_kappa": coefficients.fleiss_kappa,
    "gwet_ac1": coefficients.gwet_ac1,
    "brennan_prediger": coefficients.brennan_prediger,
}
EDGES = [case for case in cases.load("edge_cases")["cases"] if case["id"] != "duplicate_judgment"]


@pytest.mark.parametrize("name", TABLES)
def test_published_tables_give_the_published_coefficients(name: str) -> None:
    case = cases.load(name)
    found = bootstrap.estimates(cases.answers_of(case).patterns(), MEASURES, replicates=0)
    for measure in MEASURES:
        expected = case["expected"][measure]
        assert found[measure].value == pytest.approx(expected["value"], abs=expected["tol"]), measure


@pytest.mark.parametrize("name", [name for name in TABLES if "cohen_kappa" in cases.load(name)["expected"]])
def test_published_pairs_give_the_published_kappa(name: str) -> None:
    case = cases.load(name)
    answers = cases.answers_of(case)
    expected = case["expected"]["cohen_kappa"]
    (pair,) = pairwise(answers)
    assert pair.cohen_kappa == pytest.approx(expected["value"], abs=expected["tol"])
    kappa = bootstrap.cohen_estimate(pair_table(answers, 0, 1))
    assert kappa.value == pytest.approx(expected["value"], abs=expected["tol"])
    assert kappa.low is not None
    assert kappa.high is not None
    assert kappa.low < kappa.value < kappa.high


@pytest.mark.parametrize("case", EDGES, ids=[case["id"] for case in EDGES])
def test_edge_cases_follow_the_conventions(case: dict) -> None:
    found = bootstrap.estimates(cases.answers_of(case).patterns(), MEASURES)
    for measure, value in case["expected"].items():
        if measure == "reason":
            continue
        if value is None:
            assert found[measure] == (None, None, None, case["expected"]["reason"])
        else:
            assert found[measure].value == pytest.approx(value, abs=1e-8), measure


def test_one_dissent_in_ten_items_is_chance_to_alpha_and_not_to_ac1() -> None:
    table = Patterns.from_rows([((3, 0), 9), ((2, 1), 1)], ["yes", "no"])
    found = bootstrap.estimates(table, replicates=0)
    assert found["krippendorff_alpha"].value == pytest.approx(0, abs=1e-12)
    assert found["gwet_ac1"].value == pytest.approx(0.929, abs=0.0005)


def test_pairs_and_raters_match_the_published_data() -> None:
    case = cases.load("annotators_krippendorff_2011")
    answers = cases.answers_of(cases.load("krippendorff_2011_missing"))
    for found, expected in zip(pairwise(answers), case["expected"]["pairwise"], strict=True):
        assert (answers.raters[found.a], answers.raters[found.b], found.n) == (
            expected["a"],
            expected["b"],
            expected["n"],
        )
        assert found.percent_agreement == pytest.approx(expected["percent_agreement"], abs=case["tol"])
        assert found.cohen_kappa == pytest.approx(expected["cohen_kappa"], abs=case["tol"])
    for found, expected in zip(with_others(answers), case["expected"]["per_annotator"], strict=True):
        assert (found.n_judgments, found.pairs) == (expected["n_judgments"], expected["pairs"])
        assert found.agreement == pytest.approx(expected["agreement_with_others"], abs=case["tol"])


@pytest.mark.parametrize("name", ["bootstrap_gwet_6raters", "bootstrap_snow_rte"])
def test_bootstrap_intervals_match_a_hundred_thousand_resamples(name: str) -> None:
    if name == "bootstrap_snow_rte":
        case, data = cases.load_shared(name), cases.load_shared("snow_2008_rte")
        rows = [(row["item"], row["annotator"], row["label"]) for row in cases.shared_rows(data["data_file"])]
        answers = Answers.from_rows(rows, data["categories"])
    else:
        case = cases.load(name)
        answers = cases.answers_of(cases.load(case["data_case"]))
    wanted = {measure: MEASURES[measure] for measure in case["expected"]}
    found = bootstrap.estimates(answers.patterns(), wanted, seed=1, replicates=2000)
    for measure, expected in case["expected"].items():
        interval = (found[measure].low, found[measure].high)
        assert interval == pytest.approx(expected["ci95"], abs=expected["tol"]), measure


def test_gold_accuracy_has_wilsons_interval() -> None:
    case = cases.load("gold_wilson")
    for expected in case["expected"]:
        found = wilson(expected["correct"], expected["total"])
        assert found.value == pytest.approx(expected["accuracy"], abs=case["tol"])
        assert (found.low, found.high) == pytest.approx(expected["wilson95"], abs=case["tol"])


@pytest.mark.parametrize("name", ["big_1e6_3cats", "big_countries_24k"])
def test_generated_crowds_give_the_figures_of_other_implementations(name: str) -> None:
    case = cases.load(name)
    item, rater, label, _ = big(**case["generator"])
    assert int((item * label).sum()) == case["checksum"]["sum_item_times_label"]
    assert int((rater * label).sum()) == case["checksum"]["sum_ann_times_label"]
    table = Patterns.from_codes(item, label, [str(code) for code in range(case["generator"]["q"])])
    found = bootstrap.estimates(table, MEASURES, replicates=0)
    for measure in MEASURES.keys() & case["expected"].keys():
        expected = case["expected"][measure]
        assert found[measure].value == pytest.approx(expected["value"], abs=expected["tol"]), measure


def test_ordinal_alpha_gives_krippendorffs_published_figure() -> None:
    """Krippendorff 2011, section C, prints 0.815 for the ordinal metric of the same data."""
    table = cases.answers_of(cases.load("krippendorff_2011_missing")).patterns()
    (alpha,) = coefficients.krippendorff_alpha_ordinal(coefficients.Sample.observed(table))
    assert alpha == pytest.approx(0.815, abs=0.0005)


def test_ac2_with_two_categories_is_ac1() -> None:
    table = cases.answers_of(cases.load("feinstein_cicchetti_1990_prevalent")).patterns()
    sample = coefficients.Sample.observed(table)
    np.testing.assert_allclose(coefficients.gwet_ac2_ordinal(sample), coefficients.gwet_ac1(sample))
