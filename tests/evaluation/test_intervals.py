"""Intervals by dish against the plain way, answer by answer in Python, and against scipy and statsmodels."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm

from app.evaluation.metrics.answers import Answer, Scored, score_all
from app.evaluation.metrics.bootstrap import Resamples
from app.evaluation.metrics.document import metrics
from app.evaluation.replies import State

REPLICATES = 300


def some_answers(n_dishes: int, per_dish: int) -> list[Answer]:
    """Dishes of different sizes, some of which a model knows well and some of which it never knows."""
    draw = random.Random(5)
    answers = []
    for number in range(n_dishes):
        knows = draw.random()
        for subtask in ["SF"] + ["SFB"] * draw.randrange(1, per_dish):
            said = "Egypt" if draw.random() < knows else draw.choice(["Japan", "China", "Greece", "Atlantis"])
            answers.append(
                Answer(
                    subtask, 1, f"dish {number}", "Koshary", ("EG", "GR"), State.OK,
                    "koshary" if draw.random() < knows else draw.choice(["ramen", "pie"]), said, ("Pie",),
                    background=None if subtask == "SF" else "JP",
                )
            )  # fmt: skip
    return answers


def share(hit: Callable[[Scored], bool | int]) -> Callable[[Sequence[tuple[int, Scored]]], float]:
    return lambda drawn: sum(hit(one) for _, one in drawn) / len(drawn)


def mean_entropy(drawn: Sequence[tuple[int, Scored]]) -> float:
    """A dish drawn twice is two dishes."""
    by_dish: dict[int, Counter[str]] = defaultdict(Counter)
    for copy, one in drawn:
        if one.country:
            by_dish[copy][one.country] += 1
    return sum(
        -sum(n / counts.total() * math.log2(n / counts.total()) for n in counts.values()) for counts in by_dish.values()
    ) / len(by_dish)


PLAIN = {
    "name_accuracy": share(lambda one: one.name_correct),
    "country_accuracy": share(lambda one: one.country_correct),
    "country_entropy_bits": mean_entropy,
    "retention": share(lambda one: one.is_retained),
    "drift_to_distractor_country": share(lambda one: one.drift == "country"),
    "drift_to_distractor_continent": share(lambda one: one.drift == "continent"),
    "name_difference": share(lambda one: one.alias_correct - one.name_correct),
    "country_difference": share(lambda one: one.origin_correct - one.country_correct),
}


def percentile(values: Sequence[float], percent: float) -> float:
    """By linear interpolation between the two nearest."""
    values, place = sorted(values), (len(values) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (place - below) * (values[above] - values[below])


@pytest.mark.parametrize("figure", PLAIN)
def test_every_interval_equals_that_of_whole_dishes_put_together(figure: str) -> None:
    answers = [one for one in some_answers(12, 9) if one.subtask == "SFB" or one.pred_country != "Atlantis"]
    group = metrics(answers, seed=4, replicates=REPLICATES)["subtasks"]["SFB"]
    found = {**group, **{key: part for key, part in group["fair"].items() if key.endswith("difference")}}[figure]
    by_dish: dict[str, list[Scored]] = defaultdict(list)
    for one in score_all(answers):
        if one.answer.subtask == "SFB" and (one.reference or not figure.startswith(("retention", "drift"))):
            by_dish[one.answer.dish].append(one)
    dishes = sorted({one.dish for one in answers if one.subtask == "SFB"})
    replicates = []
    for weights in Resamples(len(dishes), 4, REPLICATES).weights:
        drawn = [dish for dish, times in zip(dishes, weights, strict=True) for _ in range(int(times))]
        assert len(drawn) == len(dishes)
        replicates.append(PLAIN[figure]([(copy, one) for copy, dish in enumerate(drawn) for one in by_dish[dish]]))
    assert found["low"] < found["high"]
    assert found["low"] == pytest.approx(percentile(replicates, 2.5), abs=1e-9)
    assert found["high"] == pytest.approx(percentile(replicates, 97.5), abs=1e-9)
    whole = PLAIN[figure]([(copy, one) for copy, dish in enumerate(dishes) for one in by_dish[dish]])
    assert found["value"] == pytest.approx(whole, abs=1e-9)


def by_dish(n_dishes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    of = rng.integers(5, 40, n_dishes)
    return rng.binomial(of, rng.beta(1, 1, n_dishes)).astype(float), of.astype(float)


def test_scipy_finds_the_same_interval() -> None:
    hits, of = by_dish(60)
    ours = Resamples(60, 0, 4000).share(hits, of, reason="")
    theirs = scipy.stats.bootstrap(
        (hits, of), lambda hits, of, axis: hits.sum(axis=axis) / of.sum(axis=axis), paired=True, vectorized=True,
        n_resamples=4000, method="percentile", rng=np.random.default_rng(9),
    ).confidence_interval  # fmt: skip
    assert ours.low == pytest.approx(theirs.low, abs=0.008)
    assert ours.high == pytest.approx(theirs.high, abs=0.008)


def test_it_is_as_wide_as_statsmodels_errors_clustered_by_dish() -> None:
    hits, of = by_dish(250)
    ours = Resamples(250, 0, 4000).share(hits, of, reason="")
    right = np.concatenate([np.repeat([1.0, 0.0], [int(hit), int(n - hit)]) for hit, n in zip(hits, of, strict=True)])
    dish = np.repeat(np.arange(250), of.astype(int))
    fit = sm.OLS(right, np.ones_like(right)).fit(cov_type="cluster", cov_kwds={"groups": dish})
    assert ours.value == pytest.approx(float(fit.params[0]))
    assert ours.low is not None
    assert ours.high is not None
    assert ours.high - ours.low == pytest.approx(2 * 1.96 * float(fit.bse[0]), rel=0.06)
    answer_by_answer = 2 * 1.96 * float(sm.OLS(right, np.ones_like(right)).fit().bse[0])
    assert ours.high - ours.low > 2 * answer_by_answer  # what it would promise, were dishes no clusters


def test_the_mean_of_shares_weighs_each_the_same() -> None:
    hits, of = np.array([[1.0, 1.0], [0.0, 30.0]]), np.array([[1.0, 1.0], [30.0, 30.0]])
    assert Resamples(2, 0).mean_share(hits, of, reason="").value == 3 / 4
    # A dish alone, drawn twice: 1 and 0, or 1 and 1; of two dishes a quarter of the replicates each.
    assert Resamples(2, 0).mean_share(hits, of, reason="")[1:] == (1 / 2, 1, None)
    assert Resamples(2, 0).mean_share(hits, np.array([[1.0, 1.0], [0.0, 0.0]]), reason="gone").reason == "gone"
