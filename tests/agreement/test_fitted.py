"""What can be read from a kept rater model: an item's posterior, and how sure a rater's rows are."""

import json
import math

import numpy as np
import pytest

from app.agreement.dawid_skene import fit
from app.agreement.fitted import as_document, confusion_intervals, posterior_of, row_intervals
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


def test_a_row_of_nothing_is_as_wide_as_its_prior() -> None:
    """Six answers spread evenly: Beta(2, 4), whose bounds are in every table of Clopper and Pearson's intervals, the
    lower one of 2 in 5 and the upper one of 1 in 5."""
    for low, high in row_intervals([0, 0, 0], [0, 0, 0], 6):
        assert (low, high) == pytest.approx((0.0527, 0.7164), abs=1e-4)


def test_intervals_narrow_with_answers_and_hold_the_row() -> None:
    everyone = [900.0, 60.0, 40.0]
    widths = []
    for n in (0, 5, 50, 500):
        row = [0.8 * n, 0.15 * n, 0.05 * n]
        intervals = row_intervals(row, everyone, 6)
        smoothed = [(count + 6 * share / 1000) / (n + 6) for count, share in zip(row, everyone, strict=True)]
        assert all(low <= value <= high for value, (low, high) in zip(smoothed, intervals, strict=True))
        widths.append(intervals[1][1] - intervals[1][0])
    assert widths[0] > widths[2] > widths[3]
    assert widths[3] < 0.07


def test_what_nobody_did_in_a_few_answers_is_not_taken_for_impossible() -> None:
    (_, high_few), (_, high_many) = (row_intervals([0, n], [0, n], 6)[0] for n in (3, 3000))
    assert high_few > 0.2
    assert high_many < 0.01


def test_most_planted_rows_lie_in_their_intervals() -> None:
    """40 raters, 4 cells each that matter. Items' truth isn't known but guessed, so a little below 95 %."""
    answers, _, chances = crowd_of(8000, seed=4)
    kept = as_document(answers, fit(answers, classes=(0, 1)))
    bounds = np.array([confusion_intervals(kept, rater) for rater in answers.raters])[:, :, :2]
    inside = (bounds[..., 0] <= chances[:, :, :2]) & (chances[:, :, :2] <= bounds[..., 1])
    assert inside.mean() > 0.85
    assert inside.mean() < 1
    with pytest.raises(KeyError):
        confusion_intervals(kept, "stranger")
