"""Two runs over the items both answered, against values worked out by hand and against scipy and statsmodels."""

import json
import random

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from app.evaluation.metrics.answers import Answer, Scored, score_all
from app.evaluation.metrics.compare import compare, compare_all
from app.evaluation.metrics.permutation import FLIPS, holm, sign_flip_p_values
from app.evaluation.replies import State


def answer(item: str, dish: str, said: str | None, subtask: str = "SFB", name: str = "Koshary") -> Answer:
    return Answer(subtask, 1, dish, "Koshary", ("EG",), State.OK, name, said, background="JP", item=item)


def answers(*said: tuple[str, str, str], subtask: str = "SFB") -> list[Scored]:
    """Each an item, its dish and a country."""
    return score_all([answer(item, dish, country, subtask) for item, dish, country in said])


def test_a_difference_by_hand() -> None:
    left = answers(("1", "a", "Egypt"), ("2", "a", "Egypt"), ("3", "b", "Egypt"), ("4", "c", "Japan"))
    right = answers(("1", "a", "Japan"), ("2", "a", "Japan"), ("3", "b", "Japan"), ("4", "c", "Egypt"))
    found = compare(left, right)
    assert (found["n_shared"], found["n_dishes"]) == (4, 3)
    for group in (found["overall"], found["subtasks"]["SFB"]):
        country = group["country_accuracy"]
        assert (country["left"], country["right"], country["difference"]["value"]) == (3 / 4, 1 / 4, 1 / 2)
        # By dish +2, +1, -1. Of the 8 patterns ±2±1±1 all but +2-1-1 and its opposite come to at least 2: 6 of 8.
        assert country["p"] == 6 / 8
        assert group["name_accuracy"]["difference"]["value"] == 0
        assert group["name_accuracy"]["p"] == 1
        assert group["retention"]["difference"]["reason"] == "no_reference"
        assert group["retention"]["p"] is None


def test_only_what_both_answered_is_compared() -> None:
    left = answers(("1", "a", "Egypt"), ("2", "a", "Egypt"), ("3", "b", "Egypt"))
    right = answers(("9", "z", "Egypt"), ("2", "a", "Japan"), ("1", "a", "Egypt"))
    found = compare(left, right)["subtasks"]["SFB"]
    assert found["n_shared"] == 2
    assert (found["country_accuracy"]["left"], found["country_accuracy"]["right"]) == (1, 1 / 2)
    assert found["country_accuracy"]["difference"]["reason"] == "one_dish"


def test_what_one_run_was_refused_is_compared_in_none() -> None:
    asked = [answer("1", "a", "Egypt"), answer("2", "b", "Egypt")]
    refused = [asked[0], asked[1]._replace(state=State.REFUSED)]
    assert compare(score_all(asked), score_all(refused))["n_shared"] == 1


def test_runs_without_a_shared_item_have_no_difference() -> None:
    found = compare(answers(("1", "a", "Egypt")), answers(("2", "a", "Egypt")))
    assert (found["n_shared"], found["n_dishes"], found["subtasks"]) == (0, 0, {})
    assert found["overall"]["country_accuracy"] == {
        "left": None,
        "right": None,
        "difference": {"value": None, "low": None, "high": None, "reason": "no_shared_items"},
        "p": None,
    }
    json.dumps(found, allow_nan=False)


def test_subtasks_weigh_the_same_in_the_overall_difference() -> None:
    left = answers(("1", "a", "Egypt"), subtask="MF") + answers(*((str(n), "b", "Japan") for n in range(2, 10)))
    right = answers(("1", "a", "Japan"), subtask="MF") + answers(*((str(n), "b", "Japan") for n in range(2, 10)))
    found = compare(left, right)
    assert found["overall"]["country_accuracy"]["difference"]["value"] == 1 / 2
    assert found["subtasks"]["MF"]["country_accuracy"]["difference"]["value"] == 1
    assert found["subtasks"]["SFB"]["country_accuracy"]["difference"]["value"] == 0


def test_an_overall_p_weighs_each_dish_as_the_difference_does() -> None:
    left = answers(("1", "a", "Egypt"), subtask="MF") + answers(
        ("2", "b", "Japan"), ("3", "c", "Egypt"), ("4", "d", "Egypt"), ("5", "d", "Egypt")
    )
    right = answers(("1", "a", "Japan"), subtask="MF") + answers(
        ("2", "b", "Egypt"), ("3", "c", "Japan"), ("4", "d", "Egypt"), ("5", "d", "Egypt")
    )
    # By dish 1/2, -1/8, +1/8: of the 8 patterns only ±(1/2-1/8-1/8) come to less than the 1/2 observed.
    assert compare(left, right)["overall"]["country_accuracy"]["p"] == 6 / 8


def test_retention_is_compared_where_both_know_the_dish_alone() -> None:
    alone = [answer("0", "a", "Egypt", "SF"), answer("5", "b", "Egypt", "SF")]
    blind = [answer("0", "a", "Japan", "SF"), answer("5", "b", None, "SF")]
    left = score_all([*alone, answer("1", "a", "Egypt"), answer("2", "a", "Egypt"), answer("3", "b", "Egypt")])
    right = score_all([*blind, answer("1", "a", "Japan"), answer("2", "a", "Peru"), answer("3", "b", "Egypt")])
    found = compare(left, right)
    retention = found["subtasks"]["SFB"]["retention"]
    assert (retention["left"], retention["right"]) == (1, 1 / 2)  # items 1 and 2; the right run has no country for b
    assert found["overall"]["retention"] == retention
    assert found["subtasks"]["SF"]["retention"]["difference"]["reason"] == "is_reference"


def test_the_second_food_is_not_compared() -> None:
    first = answer("1", "a", "Egypt", "MF")
    both = score_all([first, first._replace(slot=2, dish="b", pred_country="Japan")])
    assert compare(both, both)["n_shared"] == 1


def test_two_answers_about_one_item_are_a_mistake() -> None:
    twice = answers(("1", "a", "Egypt"), ("1", "a", "Japan"))
    with pytest.raises(ValueError, match="item '1' twice"):
        compare(twice, twice)


def some_run(seed: int, skill: float, n_dishes: int = 30, per_dish: int = 6) -> list[Scored]:
    draw, taste = random.Random(seed), random.Random(0)
    found = []
    for dish in range(n_dishes):
        ease = taste.random() - 0.5
        for number in range(per_dish):
            said = "Egypt" if draw.random() < skill + 0.4 * ease else "Japan"
            found.append(answer(f"{dish}.{number}", f"dish {dish}", said, "SF" if number == 0 else "SFB"))
    return score_all(found)


def test_neither_sides_nor_order_matter() -> None:
    left, right = some_run(1, 0.6), some_run(2, 0.5)
    found = compare(left, right, replicates=200)
    turned, shuffled = compare(right, left, replicates=200), left.copy()
    random.Random(3).shuffle(shuffled)
    assert json.dumps(compare(shuffled, right[::-1], replicates=200)) == json.dumps(found)
    for figure, one in found["overall"].items():
        other = turned["overall"][figure]
        assert (one["left"], one["right"], one["p"]) == (other["right"], other["left"], other["p"])
        assert one["difference"]["value"] == -other["difference"]["value"]
        assert one["difference"]["low"] == pytest.approx(-other["difference"]["high"])


@pytest.mark.parametrize(("gained", "lost"), [(9, 3), (5, 0), (7, 7), (12, 2)])
def test_with_one_item_a_dish_it_is_mcnemars_exact_test(gained: int, lost: int) -> None:
    changes = ["gained"] * gained + ["lost"] * lost + ["same"] * 20
    dishes = [(str(n), f"dish {n}", change) for n, change in enumerate(changes)]
    left = answers(*((item, dish, "Japan" if change == "lost" else "Egypt") for item, dish, change in dishes))
    right = answers(*((item, dish, "Japan" if change == "gained" else "Egypt") for item, dish, change in dishes))
    p = compare(left, right)["overall"]["country_accuracy"]["p"]
    assert p == pytest.approx(mcnemar([[20, gained], [lost, 0]], exact=True).pvalue)
    assert p == pytest.approx(scipy.stats.binomtest(gained, gained + lost).pvalue)


def test_random_flips_come_near_mcnemars_test() -> None:
    p = sign_flip_p_values([np.array([1.0] * 60 + [-1.0] * 40)], seed=1)[0]
    exact = scipy.stats.binomtest(60, 100).pvalue
    assert p == pytest.approx(exact, abs=4 * (exact * (1 - exact) / FLIPS) ** 0.5)
    assert p != exact


def test_random_flips_never_call_a_difference_impossible() -> None:
    assert sign_flip_p_values([np.ones(60)], seed=0) == [1 / (FLIPS + 1)]


def test_flips_of_shares_equal_scipys() -> None:
    differences = np.random.default_rng(3).normal(0.2, 1, 11) / 3
    theirs = scipy.stats.permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip_p_values([differences], seed=0) == [pytest.approx(theirs)]


def test_random_flips_come_near_the_whole_distribution() -> None:
    """Whole numbers over 80 dishes: the distribution of their signed sum by adding one dish after the other."""
    differences = np.random.default_rng(8).integers(-6, 8, 80)
    reach = int(np.abs(differences).sum())
    chances = np.zeros(2 * reach + 1)
    chances[reach] = 1
    for size in np.abs(differences):
        chances = (np.roll(chances, size) + np.roll(chances, -size)) / 2
    exact = chances[np.abs(np.arange(-reach, reach + 1)) >= abs(differences.sum())].sum()
    p = sign_flip_p_values([differences.astype(float)], seed=0)[0]
    assert 0.01 < exact < 0.9
    assert p == pytest.approx(exact, abs=4 * (exact * (1 - exact) / FLIPS) ** 0.5)


def test_a_question_has_the_same_answer_alone_and_among_others() -> None:
    rows = [np.random.default_rng(n).integers(-3, 5, 40 + n % 2).astype(float) for n in range(300)]
    assert sign_flip_p_values(rows, seed=2)[7] == sign_flip_p_values([rows[7]], seed=2)[0]


def test_alike_runs_differ_in_one_of_twenty_where_single_answers_would_promise_more() -> None:
    """Two runs equally good, that differ by whole dishes: 400 pairs, 40 dishes of 20 answers each."""
    rng = np.random.default_rng(4)
    shares = rng.beta(0.5, 0.5, (2, 400, 40))
    moved = rng.binomial(20, shares[0]) - rng.binomial(20, shares[1])
    assert 0.02 < np.mean(np.array(sign_flip_p_values(list(moved.astype(float)), seed=0)) < 0.05) < 0.08
    naive = [scipy.stats.binomtest(int(row[row > 0].sum()), int(np.abs(row).sum())).pvalue for row in moved]
    assert np.mean(np.array(naive) < 0.05) > 0.3


@pytest.mark.parametrize("p_values", [[0.3], [0.01, 0.04, 0.03, 0.005], [0.02, 0.02, 0.02, 0.9, 1.0, 0.0]])
def test_holm_equals_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


@given(st.lists(st.floats(0, 1), max_size=12))
def test_a_correction_never_lowers_a_p_value_nor_changes_their_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= one <= min(1, p * len(p_values)) for p, one in zip(p_values, corrected, strict=True))
    assert [one for _, one in sorted(zip(p_values, corrected, strict=True))] == sorted(corrected)


def test_a_question_without_an_answer_is_in_no_family() -> None:
    assert holm([None, 0.02, None]) == [None, 0.02, None]
    assert holm([]) == []


def test_every_pair_is_corrected_for_all() -> None:
    runs = {"a": some_run(1, 0.7), "b": some_run(2, 0.6), "c": some_run(3, 0.3)}
    document = compare_all(runs.items(), replicates=200)
    pairs = document["comparisons"]
    assert [(pair["left"], pair["right"]) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    alone = compare(runs["a"], runs["c"], replicates=200)
    assert {key: pairs[1]["overall"]["country_accuracy"][key] for key in ("left", "right", "difference", "p")} == (
        alone["overall"]["country_accuracy"]
    )
    for family in (
        [pair["overall"]["country_accuracy"] for pair in pairs],
        [group["country_accuracy"] for pair in pairs for group in pair["subtasks"].values()],
    ):
        assert [one["p_holm"] for one in family] == holm([one["p"] for one in family])
    assert pairs[0]["subtasks"]["SF"]["retention"]["p_holm"] is None
    json.dumps(document, allow_nan=False)
