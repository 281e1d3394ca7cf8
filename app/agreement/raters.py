"""Figures about raters: agreement with each colleague and with everyone, and what the rater model says of them."""

from typing import Any, NamedTuple

import numpy as np

from app.agreement import dawid_skene
from app.agreement.answers import Answers
from app.agreement.coefficients import cohen_kappa
from app.agreement.dawid_skene import RaterModel
from app.agreement.intervals import FloatArray
from app.agreement.patterns import IntArray

# An answer that can be given but never be true.
UNSURE = "unsure"

# A rater model holds raters x classes x answers numbers; beyond this (0.4 GB) the question isn't one for it.
MODEL_CELLS = 50_000_000


class PairAgreement(NamedTuple):
    """Two raters (codes, a < b), the items they share, their agreement there, and Cohen's kappa or None."""

    a: int
    b: int
    n: int
    percent_agreement: float
    cohen_kappa: float | None


class WithOthers(NamedTuple):
    """A rater's judgments and pairs with colleagues, and the share of the pairs that agree; None without pairs."""

    n_judgments: int
    pairs: int
    agreement: float | None


def pairwise(answers: Answers) -> list[PairAgreement]:
    """Agreement and Cohen's kappa of every two raters who share an item, on the items they share.

    Kappa is None where both used one and the same category only. Two who share nothing are not listed.
    """
    first, second, answer_first, answer_second = _judgment_pairs(answers)
    n_raters, n_categories = len(answers.raters), len(answers.categories)
    pairs, place, n = np.unique(first * n_raters + second, return_inverse=True, return_counts=True)
    agreeing = np.bincount(place, answer_first == answer_second, len(pairs)).astype(np.float64)
    totals_first, totals_second = (
        np.bincount(place * n_categories + answer, minlength=len(pairs) * n_categories).reshape(-1, n_categories)
        for answer in (answer_first, answer_second)
    )
    kappas = cohen_kappa(agreeing, totals_first.astype(np.float64), totals_second.astype(np.float64))
    return [
        PairAgreement(*divmod(int(pair), n_raters), int(items), float(alike / items), _or_none(kappa))
        for pair, items, alike, kappa in zip(pairs, n, agreeing, kappas, strict=True)
    ]


def pair_table(answers: Answers, a: int, b: int) -> FloatArray:
    """(C, C) items that rater `a` put in the row's category and rater `b` in the column's."""
    both = answers.where(np.isin(answers.rater, (a, b)))
    _, _, answer_first, answer_second = _judgment_pairs(both)
    n_categories = len(answers.categories)
    cells = np.bincount(answer_first * n_categories + answer_second, minlength=n_categories**2)
    table = cells.reshape(n_categories, n_categories).astype(np.float64)
    return table if a < b else table.T


def with_others(answers: Answers) -> list[WithOthers]:
    """For each rater (by code): how often the judgments of others on the same items agree with theirs."""
    first, second, answer_first, answer_second = _judgment_pairs(answers)
    n_raters = len(answers.raters)
    alike = (answer_first == answer_second).astype(np.float64)
    pairs = np.bincount(first, minlength=n_raters) + np.bincount(second, minlength=n_raters)
    agreeing = np.bincount(first, alike, n_raters) + np.bincount(second, alike, n_raters)
    judged = np.bincount(answers.rater, minlength=n_raters)
    return [
        WithOthers(int(n), int(p), float(a / p) if p else None) for n, p, a in zip(judged, pairs, agreeing, strict=True)
    ]


def rater_report(answers: Answers, *, smoothing: float = dawid_skene.PSEUDO_JUDGMENTS) -> dict[str, Any]:
    """The parts `raters`, `items` and `rater_model` of a question's document, by Dawid and Skene's model.

    A rater's `accuracy` is the chance of naming the true class of an item drawn by the class shares; `confusion`
    gives it class by class; both are None for a rater who shares no item with another, whom nothing can check.
    `items` holds each item's probabilities. "unsure" is evidence but never true. Where the model can't be fitted
    `rater_model["reason"]` says why (`no_overlap`, `no_variation`, `too_many_values`) and its figures are None.
    """
    others = with_others(answers)
    classes = true_classes(answers)
    reason = _why_not(answers, classes, others)
    model = None if reason else dawid_skene.fit(answers, classes=classes, smoothing=smoothing)
    accuracies = model.accuracy() if model else None
    judgments = np.bincount(answers.item, minlength=len(answers.items))
    names = [answers.categories[code] for code in classes]
    return {
        "raters": [
            {
                "rater": answers.raters[code],
                "n": rater.n_judgments,
                "accuracy": None if accuracies is None or not rater.pairs else float(accuracies[code]),
                "confusion": None if model is None or not rater.pairs else _confusion(answers, model, code),
                "agreement_with_others": rater.agreement,
                "pairs": rater.pairs,
                "reason": reason or (None if rater.pairs else "no_overlap"),
            }
            for code, rater in enumerate(others)
            if rater.n_judgments
        ],
        "items": [
            {
                "item": answers.items[code],
                "n": int(judgments[code]),
                "posterior": dict(zip(names, model.posterior[code].tolist(), strict=True)) if model else None,
            }
            for code in np.flatnonzero(judgments)
        ],
        "rater_model": {
            "method": "dawid-skene",
            "reason": reason,
            "smoothing": smoothing,
            "class_shares": dict(zip(names, model.shares.tolist(), strict=True)) if model else None,
            "log_likelihood": model.log_likelihood[-1] if model else None,
            "iterations": len(model.log_likelihood) if model else None,
            "converged": model.converged if model else None,
        },
    }


def true_classes(answers: Answers) -> tuple[int, ...]:
    """The codes of the categories that can be true: all but "unsure", unless little else was answered.

    >>> true_classes(Answers.from_rows([("i", "ann", "no")], ["yes", "no", "unsure"]))
    (0, 1)
    """
    codes = tuple(code for code, name in enumerate(answers.categories) if name.casefold() != UNSURE)
    return codes if len(codes) >= 2 else tuple(range(len(answers.categories)))


def _why_not(answers: Answers, classes: tuple[int, ...], others: list[WithOthers]) -> str | None:
    """Why no rater model can be fitted; None when it can."""
    if not any(rater.pairs for rater in others):
        return "no_overlap"
    if len(np.intersect1d(answers.category, classes)) < 2:
        return "no_variation"
    if len(answers.raters) * len(classes) * len(answers.categories) > MODEL_CELLS:
        return "too_many_values"
    return None


def _confusion(answers: Answers, model: RaterModel, rater: int) -> dict[str, dict[str, float]]:
    """A rater's rows by true class: the chance of each answer."""
    rows = zip(model.classes, model.confusion[rater].tolist(), strict=True)
    return {answers.categories[true]: dict(zip(answers.categories, row, strict=True)) for true, row in rows}


def _judgment_pairs(answers: Answers) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Every two judgments of one item: the raters' codes, the lower first, and their answers in that order."""
    order = np.lexsort((answers.rater, answers.item))
    item, rater, category = answers.item[order], answers.rater[order], answers.category[order]
    starts = np.flatnonzero(np.diff(item, prepend=item[:1] - 1))
    sizes = np.diff(starts, append=len(item))
    lefts, rights = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for size in np.unique(sizes[sizes >= 2]):
        left, right = np.triu_indices(size, k=1)
        begin = starts[sizes == size][:, None]
        lefts.append((begin + left).ravel())
        rights.append((begin + right).ravel())
    one, other = np.concatenate(lefts), np.concatenate(rights)
    return rater[one], rater[other], category[one], category[other]


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
