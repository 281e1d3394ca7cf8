"""A fitted rater model as a JSON document, and what can be read from it without fitting again."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import betaincinv

from app.agreement.answers import Answers
from app.agreement.dawid_skene import HALF, RaterModel, everyones_rows
from app.agreement.intervals import Estimate, FloatArray


def as_document(answers: Answers, model: RaterModel) -> dict[str, Any]:
    """The model without its posteriors, for the raters who answered.

    `classes` name what can be true and `answers` what can be given, in the order of every list below. `class_shares`
    {class: share}; `log_likelihood` a value a step; `pooled` everyone's `expected` counts and `confusion`; `raters`
    {rater: {"n" answers given, "expected" counts and "confusion", each a row a class}}.
    """
    n = np.bincount(answers.rater, minlength=len(answers.raters))
    pooled = model.expected.sum(axis=0)
    rows = everyones_rows(pooled.T, model.smoothing).T
    return {
        "classes": [answers.categories[code] for code in model.classes],
        "answers": list(answers.categories),
        "class_shares": {
            answers.categories[code]: share for code, share in zip(model.classes, model.shares.tolist(), strict=True)
        },
        "smoothing": model.smoothing,
        "log_likelihood": list(model.log_likelihood),
        "iterations": len(model.log_likelihood),
        "converged": model.converged,
        "pooled": {"expected": pooled.tolist(), "confusion": rows.tolist()},
        "raters": {
            answers.raters[code]: {
                "n": int(n[code]),
                "expected": model.expected[code].tolist(),
                "confusion": model.confusion[code].tolist(),
            }
            for code in np.flatnonzero(n)
        },
    }


def posterior_of(answers: Mapping[str, str], fit: Mapping[str, Any]) -> float:
    """The probability that the first class ("yes") is true of an item with these {rater: answer}.

    A rater whom the model doesn't know answers as everyone does; without answers it is the class's share.

    >>> fit = {
    ...     "classes": ["yes", "no"], "answers": ["yes", "no", "unsure"], "class_shares": {"yes": 0.5, "no": 0.5},
    ...     "pooled": {"confusion": [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]},
    ...     "raters": {"ann": {"confusion": [[0.9, 0.1, 0.0], [0.3, 0.6, 0.1]]}},
    ... }
    >>> round(posterior_of({"ann": "yes", "new": "no"}, fit), 9)
    0.75
    """
    weights = [math.log(max(fit["class_shares"][name], np.finfo(float).tiny)) for name in fit["classes"]]
    for rater, answer in answers.items():
        rows = fit["raters"].get(rater, fit["pooled"])["confusion"]
        place = fit["answers"].index(answer)
        weights = [
            weight + math.log(max(row[place], np.finfo(float).tiny)) for weight, row in zip(weights, rows, strict=True)
        ]
    peak = max(weights)
    odds = [math.exp(weight - peak) for weight in weights]
    return odds[0] / sum(odds)


def row_estimates(expected: Sequence[float]) -> list[Estimate]:
    """The chance of each answer with its 95 % credible interval, from (expected) counts of a row's answers.

    A page about a rater takes their `expected` counts: the rows in `confusion` are better for weighing votes, but drawn
    to everyone's, so of somebody who is unlike the others they say too little.

    The row has a Dirichlet posterior, whose marginals are Beta; the prior is Jeffreys', half an answer of each kind, so
    a row of few answers is known badly and the interval says so. It takes the counts as if the truth of each item were
    known, which it isn't: in simulated crowds of three answers an item they hold the true chance 90 to 95 times in 100.

    >>> [round(number, 3) for number in row_estimates([0, 0])[0][:3]]  # an arc-sine law
    [0.5, 0.002, 0.998]
    """
    shape: FloatArray = np.asarray(expected, dtype=np.float64) + HALF
    low, high = betaincinv(shape, shape.sum() - shape, [[0.025], [0.975]])
    return [Estimate(*bounds) for bounds in np.stack([shape / shape.sum(), low, high], axis=1).tolist()]
