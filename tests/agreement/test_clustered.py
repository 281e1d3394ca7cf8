"""Shares of two groups whose answers come in clusters, and the difference between them."""

import math

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from app.agreement.clustered import Compared, compared


def alone(x1: int, n1: int, x2: int, n2: int) -> Compared:
    """Every answer on an item of its own."""
    hits, sizes = np.array([[1, 0], [0, 0], [0, 1], [0, 0]]), np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    return compared(hits, sizes, np.array([x1, n1 - x1, x2, n2 - x2]))


# Newcombe (1998), table II, method 10.
@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [((56, 70, 48, 80), 0.0524, 0.3339), ((9, 10, 3, 10), 0.1705, 0.8090), ((10, 10, 0, 20), 0.6791, 1.0)],
)
def test_with_one_answer_an_item_it_is_newcombes_interval(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    found = alone(*counts)
    assert found.difference[1:3] == pytest.approx((low, high), abs=5e-5)
    theirs = confint_proportions_2indep(*counts, method="newcomb", compare="diff")
    assert found.difference[1:3] == pytest.approx(theirs, abs=1e-9)
    assert found.first[1:3] == pytest.approx(proportion_confint(*counts[:2], method="wilson"), abs=1e-9)


def test_answers_of_one_mind_count_as_one() -> None:
    # 20 insiders' items with two answers alike, 6 of them no: as wide as 20 answers, but for the 19 degrees of freedom.
    hits, sizes = np.array([[2, 0], [0, 0], [0, 1], [0, 0]]), np.array([[2, 0], [2, 0], [0, 1], [0, 1]])
    found = compared(hits, sizes, np.array([6, 14, 10, 30]))
    effective = 40 / (2 * 39 / 38)
    assert effective == pytest.approx(20 * 38 / 39)
    expected = proportion_confint(0.3 * effective, effective, method="wilson")
    assert found.first[:3] == pytest.approx((0.3, *expected), abs=1e-9)


def test_where_all_answers_are_alike_clusters_count_and_not_answers() -> None:
    found = compared(np.array([[0, 0]]), np.array([[3, 1]]), np.array([10]))
    assert found.first[:3] == pytest.approx((0, *proportion_confint(0, 10, method="wilson")), abs=1e-9)
    assert found.difference.value == 0


def test_both_on_the_same_items_is_newcombes_paired_interval() -> None:
    # 36 items no/no, 12 no/yes, 2 yes/no, 0 yes/yes: phi = (36 * 0 - 12 * 2) / sqrt(48 * 2 * 38 * 12).
    hits = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])
    found = compared(hits, np.ones((4, 2)), np.array([36, 12, 2, 0]))
    phi = -24 / math.sqrt(48 * 2 * 38 * 12)
    (low1, high1), (low2, high2) = (proportion_confint(x, 50, method="wilson") for x in (48, 38))
    below = math.sqrt((0.96 - low1) ** 2 - 2 * phi * (0.96 - low1) * (high2 - 0.76) + (high2 - 0.76) ** 2)
    above = math.sqrt((high1 - 0.96) ** 2 - 2 * phi * (high1 - 0.96) * (0.76 - low2) + (0.76 - low2) ** 2)
    assert found.difference[:3] == pytest.approx((0.2, 0.2 - below, 0.2 + above), abs=1e-9)


def test_a_side_without_answers_has_no_share_and_no_difference() -> None:
    found = compared(np.array([[1, 0]]), np.array([[1, 0]]), np.array([5]))
    assert found.first.value == 1
    assert found.second == found.difference == (None, None, None, "no_judgments")
    nobody = compared(np.zeros((1, 2)), np.zeros((1, 2)), np.array([3]))
    assert nobody.first == nobody.difference == (None, None, None, "no_judgments")


def test_one_item_alone_is_one_opinion() -> None:
    found = compared(np.array([[1, 0]]), np.array([[2, 1]]), np.array([1]))
    assert found.first[:3] == pytest.approx((0.5, *proportion_confint(0.5, 1, method="wilson")), abs=1e-9)
