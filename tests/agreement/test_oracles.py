"""Coefficients beside other implementations where answers are missing, and what is undefined, for every one of them."""

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from app.agreement import bootstrap, coefficients
from app.agreement.answers import Answers
from app.agreement.longform import agreement_from_rows
from app.agreement.raters import pair_table, pairwise
from app.errors import Invalid
from tests.agreement import cases

KEPT = json.loads((cases.WWD_REVIEWS.parent / "irrcac.json").read_text())["random"]
MEASURES = {
    **bootstrap.NOMINAL,
    "brennan_prediger": coefficients.brennan_prediger,
    "krippendorff_alpha_ordinal": coefficients.krippendorff_alpha_ordinal,
    "gwet_ac2": coefficients.gwet_ac2_ordinal,
}
NAMES = ("a", "b", "c", "d")

Rows = list[tuple[str, str, str]]


def values(rows: Rows, categories: tuple[str, ...] = NAMES) -> dict[str, bootstrap.Estimate]:
    return bootstrap.estimates(Answers.from_rows(rows, categories).patterns(), MEASURES, replicates=20)


@pytest.mark.parametrize("number", range(len(KEPT)))
def test_random_tables_with_gaps_give_irrcacs_figures(number: int) -> None:
    """Items with none to six answers; bench/agreement_oracles.py made the tables and asked irrCAC."""
    kept = KEPT[number]
    rows = [(f"i{item:02}", f"r{rater}", str(category)) for item, rater, category in kept["judgments"]]
    found = values(rows, tuple(str(code) for code in range(kept["categories"])))
    for name, expected in kept["irrCAC"].items():
        if expected is None:
            assert found[name].value is None, name
        else:
            assert found[name].value == pytest.approx(expected, abs=1e-8), name


def test_the_random_tables_have_gaps_and_unequal_numbers_of_raters() -> None:
    sizes = [np.bincount(np.array(kept["judgments"])[:, 0]) for kept in KEPT]
    assert sum(len(set(size[size > 0])) > 1 for size in sizes) >= 20
    assert {kept["categories"] for kept in KEPT} == {2, 3, 4, 5}


@st.composite
def sparse_rows(draw: st.DrawFn) -> Rows:
    """Up to 15 items that two to four raters answer or leave out."""
    raters = draw(st.integers(2, 4))
    answers = st.sampled_from([*NAMES[:3], None])
    rows = [
        (f"i{item:02}", f"r{rater}", value)
        for item in range(draw(st.integers(1, 15)))
        for rater in range(raters)
        if (value := draw(answers)) is not None
    ]
    return rows


@given(sparse_rows())
def test_ac1_and_ac2_follow_from_their_definitions_pair_by_pair(rows: Rows) -> None:
    """Gwet 2014 by brute force: agreement over every ordered pair of answers, chance from each item's shares."""
    names = NAMES[:3]
    items: dict[str, list[int]] = {}
    for item, _, value in rows:
        items.setdefault(item, []).append(names.index(value))
    paired = [codes for codes in items.values() if len(codes) > 1]
    found = values(rows, names)
    for figure, weight in (
        ("gwet_ac1", lambda a, b: float(a == b)),
        ("gwet_ac2", lambda a, b: (1, 2 / 3, 0)[abs(a - b)]),  # q = 3: 1 - 2/6 a step apart, 1 - 6/6 two
    ):
        if not paired:
            assert found[figure] == (None, None, None, "no_overlap")
            continue
        agreement = np.mean([np.mean([weight(*two) for two in itertools.permutations(codes, 2)]) for codes in paired])
        share = np.mean([[codes.count(code) / len(codes) for code in range(3)] for codes in items.values()], axis=0)
        total = sum(weight(a, b) for a in range(3) for b in range(3))
        chance = total / (3 * 2) * (share * (1 - share)).sum()
        assert found[figure].value == pytest.approx((agreement - chance) / (1 - chance), abs=1e-9), figure


@given(sparse_rows())
def test_cohen_of_every_two_is_statsmodels_on_the_items_they_share(rows: Rows) -> None:
    answers = Answers.from_rows(rows, NAMES)
    said = {(item, rater): value for item, rater, value in rows}
    shared = {}
    for a, b in itertools.combinations(sorted({rater for _, rater, _ in rows}), 2):
        both = [item for item in {item for item, _, _ in rows} if (item, a) in said and (item, b) in said]
        if both:
            shared[a, b] = [(said[item, a], said[item, b]) for item in both]
    found = {(answers.raters[pair.a], answers.raters[pair.b]): pair for pair in pairwise(answers)}
    assert found.keys() == shared.keys()
    for raters, pairs in shared.items():
        table = np.zeros((4, 4))
        for one, other in pairs:
            table[NAMES.index(one), NAMES.index(other)] += 1
        np.testing.assert_array_equal(pair_table(answers, found[raters].a, found[raters].b), table)
        assert (found[raters].n, found[raters].percent_agreement) == (
            len(pairs),
            pytest.approx(np.mean([one == other for one, other in pairs])),
        )
        if len(set(itertools.chain(*pairs))) == 1:
            assert found[raters].cohen_kappa is None
        else:
            with np.errstate(all="ignore"):
                expected = cohens_kappa(table, return_results=False)
            assert found[raters].cohen_kappa == pytest.approx(expected, abs=1e-9)


NO_OVERLAP = {
    "nobody answered": [],
    "one rater": [("i1", "ann", "a"), ("i2", "ann", "b"), ("i3", "ann", "a")],
    "no item shared": [("i1", "ann", "a"), ("i2", "bob", "b")],
}
ALIKE = [("i1", "ann", "a"), ("i1", "bob", "a"), ("i2", "ann", "a"), ("i2", "bob", "a"), ("i2", "cat", "a")]


@pytest.mark.parametrize("rows", NO_OVERLAP.values(), ids=NO_OVERLAP.keys())
def test_without_overlap_every_coefficient_is_null_and_says_so(rows: Rows) -> None:
    for name, found in values(rows).items():
        assert found == (None, None, None, "no_overlap"), name
    assert bootstrap.cohen_estimate(np.zeros((4, 4))) == (None, None, None, "no_overlap")
    assert pairwise(Answers.from_rows(rows, NAMES)) == []


def test_where_all_answers_are_alike_what_corrects_by_them_is_null_and_says_so() -> None:
    found = values(ALIKE)
    for name in ("krippendorff_alpha", "krippendorff_alpha_ordinal", "fleiss_kappa"):
        assert found[name] == (None, None, None, "no_variation"), name
    for name in ("percent_agreement", "gwet_ac1", "gwet_ac2", "brennan_prediger"):
        assert found[name].value == 1, name
    table = pair_table(Answers.from_rows(ALIKE, NAMES), 0, 1)
    assert bootstrap.cohen_estimate(table) == (None, None, None, "no_variation")


def test_with_a_single_category_there_is_nothing_to_correct_by() -> None:
    found = values(ALIKE, ("a",))
    for name in ("krippendorff_alpha", "krippendorff_alpha_ordinal", "fleiss_kappa", "brennan_prediger"):
        assert found[name] == (None, None, None, "no_variation"), name
    assert [found[name].value for name in ("percent_agreement", "gwet_ac1", "gwet_ac2")] == [1, 1, 1]


def test_pairs_alike_are_no_variation_to_alpha_though_a_single_answer_elsewhere_differs() -> None:
    found = values([*ALIKE, ("i3", "dan", "b")])
    assert found["krippendorff_alpha"] == found["krippendorff_alpha_ordinal"] == (None, None, None, "no_variation")
    # Of three items two are all a and one all b: chance is 4/9 + 1/9, and agreement 1.
    assert found["fleiss_kappa"].value == pytest.approx(1)


def test_one_item_has_values_and_no_interval() -> None:
    found = values([("i1", "ann", "a"), ("i1", "bob", "b")])
    assert {estimate.reason for estimate in found.values()} == {"one_item"}
    assert {estimate.low for estimate in found.values()} == {None}
    assert found["percent_agreement"].value == 0


def test_a_rater_who_answers_an_item_twice_is_refused(tmp_path: Path) -> None:
    (case,) = [case for case in cases.load("edge_cases")["cases"] if case["id"] == "duplicate_judgment"]
    file = tmp_path / "votes.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([["item", "rater", "value", "question"], *([*row, "q"] for row in case["judgments"])])
    with pytest.raises(Invalid, match="already judged this item"):
        agreement_from_rows(file)


def test_no_reference_case_is_left_out() -> None:
    """Every case here and, where it is, beside the repository has its name in a test that reads it."""
    words = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    names: set[str] = {file.stem for place in (cases.REFERENCE, cases.SHARED) for file in place.glob("*.json")}
    assert len(names) >= 19
    assert {name for name in names if f'"{name}"' not in words} == set()


def as_document(rows: Rows, folder: Path, **wanted: Any) -> dict[str, Any]:
    file = folder / "votes.csv"
    lines = [f"{item},{rater},q,{value}" for item, rater, value in rows]
    file.write_text("\n".join(["item,rater,question,value", *(lines or ["i1,ann,q,"])]) + "\n")
    return agreement_from_rows(file, **wanted)["questions"]["q"]


@pytest.mark.parametrize("level", ["nominal", "ordinal"])
@pytest.mark.parametrize("rows", [*NO_OVERLAP.values(), ALIKE], ids=[*NO_OVERLAP, "all alike"])
def test_documents_hold_nulls_with_reasons_and_never_nan(rows: Rows, level: Any, tmp_path: Path) -> None:
    found = as_document(rows, tmp_path, level=level, raters=True)
    json.dumps(found, allow_nan=False)
    figures = {name: part for name, part in found.items() if isinstance(part, dict) and "reason" in part}
    assert "gwet_ac1" in figures
    assert ("gwet_ac2" in figures) == (level == "ordinal")
    for name, figure in figures.items():
        if name != "rater_model":
            assert (figure["value"] is None) == (figure["reason"] in ("no_overlap", "no_variation")), name
