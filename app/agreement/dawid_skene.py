"""Dawid and Skene's rater model (1979): what is true of each item, and how each rater answers when it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from app.agreement.answers import Answers
from app.agreement.intervals import FloatArray

# Weight, in judgments, of what raters do on the whole in what we believe of one rater.
PSEUDO_JUDGMENTS = 6.0

# Jeffreys' prior: so many answers of each kind before anything is seen.
HALF = 0.5

# Stands for probability 0 where a logarithm is taken.
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class RaterModel:
    """A fitted model of I items, A raters, K true classes and C answers.

    `classes` (K) are the category codes that can be true; `shares` (K,) how common each is, gold left out;
    `expected` (A, K, C) how many answers of each kind a rater gave on items of each class, as far as the model knows;
    `confusion` (A, K, C) how each rater answers on items of each class, rows summing to 1: the expected counts drawn
    to everyone's by `smoothing` judgments; `posterior` (I, K) the probability of each class for each item;
    `log_likelihood` one value a step, to show how the fit went.
    """

    classes: tuple[int, ...]
    shares: FloatArray
    expected: FloatArray
    confusion: FloatArray
    posterior: FloatArray
    log_likelihood: tuple[float, ...]
    converged: bool
    smoothing: float

    def accuracy(self) -> FloatArray:
        """(A,) chance that a rater names the true class of an item drawn by the class shares."""
        right = self.confusion[:, np.arange(len(self.classes)), list(self.classes)]
        return right @ self.shares


def fit(
    answers: Answers,
    *,
    classes: Sequence[int] | None = None,
    gold: npt.NDArray[np.int64] | None = None,
    picked: npt.NDArray[np.bool_] | None = None,
    smoothing: float = PSEUDO_JUDGMENTS,
    tolerance: float = 1e-9,
    max_iterations: int = 1000,
) -> RaterModel:
    """Fit by expectation-maximisation from the shares of votes, until the log-likelihood stands still.

    `classes` are the category codes that can be true (default: all); answers outside them, such as "unsure", are
    evidence all the same. `gold` (I,) holds the known class index of an item or -1: it is clamped, teaches the
    raters' rows and is left out of the class shares. So are items that somebody `picked` (I,) though their class isn't
    known, such as those with gold on another question: beforehand each class is as likely for them. `smoothing` adds
    to each rater's row that many judgments spread as all raters' answers are; 0 is maximum likelihood, where the
    log-likelihood never falls. It stops when the log-likelihood changes by less than `tolerance` of itself. The order
    of rows changes nothing.

    >>> rows = [(f"i{i}", rater, "yes" if i < 6 else "no") for i in range(10) for rater in ("ann", "bob")]
    >>> rows += [(f"i{i}", "cat", "yes") for i in range(10)]
    >>> model = fit(Answers.from_rows(rows, ["yes", "no"]), smoothing=0)
    >>> model.shares.round(3).tolist(), model.accuracy().round(3).tolist()
    ([0.6, 0.4], [1.0, 1.0, 0.6])
    """
    true = tuple(range(len(answers.categories))) if classes is None else tuple(classes)
    n_items, n_raters, n_categories = len(answers.items), len(answers.raters), len(answers.categories)
    known = np.full(n_items, -1) if gold is None else gold
    # One row an item, one column a rater's answer; building it sorts and adds up, so the order of rows is lost.
    given = sparse.csr_array(
        (np.ones(len(answers.item)), (answers.item, answers.rater * n_categories + answers.category)),
        shape=(n_items, n_raters * n_categories),
    )
    by_answer = given.T.tocsr()
    judged = (np.diff(given.indptr) > 0) & (known < 0)
    drawn = np.full(n_items, True) if picked is None else ~picked
    counted = judged & drawn
    posterior = _clamp(_vote_shares(given, n_raters, n_categories, true), known)
    trace: list[float] = []
    converged = False
    while not converged and len(trace) < max_iterations:
        expected = (by_answer @ posterior).reshape(n_raters, n_categories, len(true))
        confusion = _confusion(expected, smoothing)
        shares = posterior[counted].mean(axis=0) if counted.any() else np.full(len(true), 1 / len(true))
        likelihood = given @ np.log(np.maximum(confusion, TINY)).reshape(n_raters * n_categories, len(true))
        joint = likelihood + np.where(drawn[:, None], np.log(np.maximum(shares, TINY)), -np.log(len(true)))
        peak = joint.max(axis=1, keepdims=True)
        scaled = np.exp(joint - peak)
        total = scaled.sum(axis=1, keepdims=True)
        posterior = _clamp(scaled / total, known)
        clamped = np.flatnonzero(known >= 0)
        trace.append(float((peak + np.log(total))[judged].sum() + likelihood[clamped, known[clamped]].sum()))
        converged = len(trace) > 1 and abs(trace[-1] - trace[-2]) <= tolerance * max(1.0, abs(trace[-1]))
    return RaterModel(
        true,
        shares,
        expected.transpose(0, 2, 1),
        confusion.transpose(0, 2, 1),
        posterior,
        tuple(trace),
        converged,
        smoothing,
    )


def _vote_shares(given: sparse.csr_array, n_raters: int, n_categories: int, true: tuple[int, ...]) -> FloatArray:
    """(I, K) shares of each item's votes among the true classes; of all votes where it has none."""
    of_category = sparse.csr_array(np.tile(np.eye(n_categories)[:, list(true)], (n_raters, 1)))
    votes = (given @ of_category).toarray()
    overall = votes.sum(axis=0)
    overall = overall / overall.sum() if overall.sum() else np.full(len(true), 1 / len(true))
    total = votes.sum(axis=1, keepdims=True)
    shares: FloatArray = np.where(total > 0, votes / np.maximum(total, 1), overall)
    return shares


def everyones_rows(counts: FloatArray, smoothing: float) -> FloatArray:
    """(C, K) how raters answer on the whole, from the sum of their (expected) counts (C, K).

    With any smoothing half an answer of each kind is added, so that what nobody has done in a young campaign isn't
    taken for impossible: of 50 items with three answers each it makes 0.5 % of those approved at 0.98 wrong ones, in
    place of 0.7 %.
    """
    counts = counts + HALF if smoothing else counts
    seen = counts.sum(axis=0)
    rows: FloatArray = np.where(seen > 0, counts / np.maximum(seen, TINY), 1 / len(counts))
    return rows


def _confusion(expected: FloatArray, smoothing: float) -> FloatArray:
    """(A, C, K) answer probabilities from expected counts (A, C, K), each rater's row drawn to everyone's.

    A rater with nothing to judge by, and a class nobody has seen, take everyone's row and the even one.
    """
    pooled = everyones_rows(expected.sum(axis=0), smoothing)
    total = expected.sum(axis=1, keepdims=True) + smoothing
    rows: FloatArray = np.where(total > 0, (expected + smoothing * pooled) / np.maximum(total, TINY), pooled)
    return rows


def _clamp(posterior: FloatArray, known: npt.NDArray[np.int64]) -> FloatArray:
    """Put certainty where gold says what is true."""
    clamped = np.flatnonzero(known >= 0)
    posterior[clamped] = 0
    posterior[clamped, known[clamped]] = 1
    return posterior
