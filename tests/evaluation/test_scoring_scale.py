"""A whole benchmark is scored again in no time; `bench/evaluation_scoring.py` says in how much."""

import json
import time

from app.evaluation.metrics.answers import score_all
from app.evaluation.metrics.compare import compare
from app.evaluation.metrics.document import metrics
from bench.evaluation_scoring import one_run


def test_a_whole_benchmark_is_scored_within_a_minute() -> None:
    answers = one_run(0.6)
    assert len(answers) == 23_766
    began = time.monotonic()
    document = metrics(answers, aliases=True)
    assert time.monotonic() - began < 60
    assert sum(group["n"] for group in document["subtasks"].values()) == 23_766
    json.dumps(document, allow_nan=False)


def test_two_runs_over_a_whole_benchmark_are_compared_within_a_minute() -> None:
    left, right = score_all(one_run(0.6, 1)), score_all(one_run(0.5, 2))
    began = time.monotonic()
    found = compare(left, right)
    assert time.monotonic() - began < 60
    assert found["n_shared"] == 23_766
    assert found["overall"]["country_accuracy"]["p"] < 0.01
