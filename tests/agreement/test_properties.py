"""What must hold for any judgments, tried on many: invariances, and agreement with other libraries."""

import random
import warnings
import zlib

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from app.agreement import bootstrap, coefficients
from app.agreement.answers import Answers
from app.agreement.bootstrap import estimates
from app.agreement.patterns import Patterns

CATEGORIES = ("a", "b", "c", "d")
ALL = {
    **bootstrap.NOMINAL,
    "brennan_prediger": coefficients.brennan_prediger,
    "alpha_ordinal": coefficients.krippendorff_alpha_ordinal,
    "ac2_ordinal": coefficients.gwet_ac2_ordinal,
}

Rows = list[tuple[str, str, str]]


@st.composite
def judgments(draw: st.DrawFn, *, missing: bool = True, min_items: int = 1) -> Rows:
    """Up to 12 items, 5 raters, 4 categories; with or without gaps."""
    n_items = draw(st.integers(min_items, 12))
    n_raters = draw(st.integers(2, 5))
    answer = st.sampled_from([*CATEGORIES, None] if missing else CATEGORIES)
    rows = []
    for item in range(n_items):
        for rater in range(n_raters):
            value = draw(answer)
            if value is not None:
                rows.append((f"i{item}", f"r{rater}", value))
    assume(rows)
    return rows


def values(rows: Rows, categories: tuple[str, ...] = CATEGORIES) -> dict[str, float | None]:
    table = Answers.from_rows(rows, categories).patterns()
    return {name: found.value for name, found in estimates(table, ALL, replicates=0).items()}


def matrix(rows: Rows) -> np.ndarray:
    """Raters x items of codes, NaN where missing, as `krippendorff` reads it."""
    answers = Answers.from_rows(rows, CATEGORIES)
    table = np.full((len(answers.raters), len(answers.items)), np.nan)
    table[answers.rater, answers.item] = answers.category
    return table


def close(one: dict[str, float | None], other: dict[str, float | None]) -> bool:
    return all(one[name] is other[name] is None or one[name] == pytest.approx(other[name], abs=1e-9) for name in one)


@given(judgments(), st.randoms())
def test_the_order_of_rows_changes_nothing_not_even_the_intervals(rows: Rows, shuffler: random.Random) -> None:
    shuffled = rows.copy()
    shuffler.shuffle(shuffled)
    one = Answers.from_rows(rows, CATEGORIES).patterns()
    other = Answers.from_rows(shuffled, CATEGORIES).patterns()
    assert estimates(one, replicates=20) == estimates(other, replicates=20)


@given(judgments())
def test_ids_and_raters_names_change_nothing(rows: Rows) -> None:
    renamed = [(f"{zlib.crc32(item.encode())}-{item}", rater[::-1], value) for item, rater, value in rows]
    assert close(values(rows), values(renamed))


@given(judgments(), st.permutations(CATEGORIES))
def test_the_names_of_nominal_answers_change_nothing(rows: Rows, names: list[str]) -> None:
    new = dict(zip(CATEGORIES, names, strict=True))
    one = values(rows)
    other = values([(item, rater, new[value]) for item, rater, value in rows])
    nominal = [*bootstrap.NOMINAL, "brennan_prediger"]
    assert close({name: one[name] for name in nominal}, {name: other[name] for name in nominal})


@given(judgments())
def test_an_unused_category_moves_only_ac1_and_brennan_prediger(rows: Rows) -> None:
    one, other = values(rows), values(rows, (*CATEGORIES, "never said"))
    for name in ("percent_agreement", "krippendorff_alpha", "fleiss_kappa", "alpha_ordinal"):
        assert close({name: one[name]}, {name: other[name]}), name
    if one["percent_agreement"] is not None and one["percent_agreement"] < 1:
        assert one["gwet_ac1"] != other["gwet_ac1"]
        assert one["brennan_prediger"] != other["brennan_prediger"]


@given(judgments(), st.sampled_from(CATEGORIES))
def test_items_with_one_judgment_move_neither_agreement_nor_alpha(rows: Rows, value: str) -> None:
    one, other = values(rows), values([*rows, ("lonely", "r0", value)])
    for name in ("percent_agreement", "krippendorff_alpha", "alpha_ordinal"):
        assert close({name: one[name]}, {name: other[name]}), name


@given(judgments())
def test_figures_are_finite_or_carry_a_reason(rows: Rows) -> None:
    table = Answers.from_rows(rows, CATEGORIES).patterns()
    for found in estimates(table, ALL, replicates=50).values():
        numbers = [number for number in found[:3] if number is not None]
        assert np.isfinite(numbers).all()
        assert (found.reason is not None) == (len(numbers) < 3)
        if len(numbers) == 3:
            assert found.low <= found.high


@given(judgments())
def test_counts_and_rows_give_the_same_table(rows: Rows) -> None:
    table = Answers.from_rows(rows, CATEGORIES).patterns()
    grouped = zip(table.counts.toarray().astype(int).tolist(), table.frequency.tolist(), strict=True)
    again = Patterns.from_rows(reversed(list(grouped)), CATEGORIES)
    assert (again.counts != table.counts).nnz == 0
    assert again.frequency.tolist() == table.frequency.tolist()
    assert again.n_judgments == len(rows)


@given(judgments())
def test_alpha_equals_the_krippendorff_library(rows: Rows) -> None:
    table = matrix(rows)
    paired = table[:, (~np.isnan(table)).sum(axis=0) >= 2]
    assume(len(np.unique(paired[~np.isnan(paired)])) > 1)
    found = values(rows)
    for name, level in (("krippendorff_alpha", "nominal"), ("alpha_ordinal", "ordinal")):
        expected = krippendorff.alpha(table, value_domain=range(len(CATEGORIES)), level_of_measurement=level)
        assert found[name] == pytest.approx(expected, abs=1e-9), level


@given(judgments(missing=False))
def test_fleiss_equals_statsmodels(rows: Rows) -> None:
    assume(len({value for _, _, value in rows}) > 1)
    answers = Answers.from_rows(rows, CATEGORIES)
    counts = np.zeros((len(answers.items), len(CATEGORIES)))
    np.add.at(counts, (answers.item, answers.category), 1)
    found = values(rows)
    assert found["fleiss_kappa"] == pytest.approx(fleiss_kappa(counts), abs=1e-9)
    assert found["brennan_prediger"] == pytest.approx(fleiss_kappa(counts, method="uniform"), abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=30))
def test_cohen_equals_statsmodels(pairs: list[tuple[int, int]]) -> None:
    table = np.zeros((3, 3))
    np.add.at(table, tuple(np.array(pairs).T), 1)
    found = bootstrap.cohen_estimate(table, replicates=0)
    if len({answer for pair in pairs for answer in pair}) == 1:
        assert found == (None, None, None, "no_variation")
    else:
        with warnings.catch_warnings():
            # statsmodels divides by zero for the standard error of perfect agreement.
            warnings.simplefilter("ignore", RuntimeWarning)
            expected = cohens_kappa(table, return_results=False)
        assert found.value == pytest.approx(expected, abs=1e-9)
