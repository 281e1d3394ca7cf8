"""What can be read from a kept rater model: an item's posterior, and how sure a rater's rows are."""

import json
import math

import numpy as np
import pytest

from app.agreement.dawid_skene import fit
from app.agreement.fitted import as_document, posterior_of, row_estimates
from tests.agreement.test_dawid_skene import crowd_of


@pytest.fixture(scope="module")
def document() -> dict:
    answers, _, _ = crowd_of(4000)
    return json.loads(json.dumps(as_document(answers, fit(answers, classes=(0, 1)))))


def test_a_kept_model_gives_each_item_the_posterior_of_its_fit(document: dict) -> None:
    answers, _, _ = crowd_of(4000)
    model = fit(answers, classes=(0, 1))
    for item in range(300):
        given = {
            answers.raters[rater]: answers.categories[category]
            for rater, category in zip(
                answers.rater[answers.item == item], answers.category[answers.item == item], strict=True
            )
        }
        assert posterior_of(given, document) == pytest.approx(model.posterior[item, 0], abs=1e-6)


def test_without_answers_it_is_the_share_and_a_stranger_answers_as_everyone_does(document: dict) -> None:
    share = document["class_shares"]["yes"]
    assert posterior_of({}, document) == pytest.approx(share)
    everyone = document["pooled"]["confusion"]
    expected = share * everyone[0][1] / (share * everyone[0][1] + (1 - share) * everyone[1][1])
    assert posterior_of({"stranger": "no"}, document) == pytest.approx(expected)


def test_answers_that_cannot_be_give_no_fault() -> None:
    rows = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    sure = {
        "classes": ["yes", "no"], "answers": ["yes", "no", "unsure"], "class_shares": {"yes": 1.0, "no": 0.0},
        "pooled": {"confusion": rows}, "raters": {},
    }  # fmt: skip
    assert posterior_of({str(number): "unsure" for number in range(20)}, sure) == pytest.approx(1)
    assert math.isfinite(posterior_of({"ann": "no", "bob": "yes"}, sure))


@pytest.mark.parametrize(("successes", "n"), [(1, 10), (3, 10), (0, 25), (9.4, 40.2)])
def test_one_in_forty_lies_below_and_one_above_an_interval(successes: float, n: float) -> None:
    """By adding up the density of Jeffreys' posterior, x^(s - 1/2) (1 - x)^(n - s - 1/2), over x = sin² t."""
    estimate = row_estimates([successes, n - successes])[0]
    t = (np.arange(200_000) + 0.5) / 200_000 * np.pi / 2
    weight = np.sin(t) ** (2 * successes) * np.cos(t) ** (2 * (n - successes))
    x = np.sin(t) ** 2
    assert weight[x < estimate.low].sum() / weight.sum() == pytest.approx(0.025, abs=1e-4)
    assert weight[x > estimate.high].sum() / weight.sum() == pytest.approx(0.025, abs=1e-4)
    assert estimate.value == pytest.approx((weight * x).sum() / weight.sum())


def test_intervals_narrow_with_answers_and_hold_the_value() -> None:
    widths = []
    for n in (0, 5, 50, 500):
        row = row_estimates([0.8 * n, 0.15 * n, 0.05 * n])
        assert all(estimate.low < estimate.value < estimate.high for estimate in row)
        widths.append(row[0].high - row[0].low)
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 0.9
    assert widths[-1] < 0.08


def test_most_planted_rows_lie_in_their_intervals_and_those_of_yes_clickers_too() -> None:
    """Items' truth isn't known but guessed, so a little below 95 %."""
    answers, _, chances = crowd_of(8000, seed=4)
    kept = as_document(answers, fit(answers, classes=(0, 1)))
    rows = [[row_estimates(row) for row in kept["raters"][rater]["expected"]] for rater in answers.raters]
    bounds = np.array([[[(cell.low, cell.high) for cell in row] for row in rater] for rater in rows])
    inside = (bounds[..., 0] <= chances) & (chances <= bounds[..., 1])
    assert 0.85 < inside.mean() < 1
    assert inside[4:8, 1, 1].all()
