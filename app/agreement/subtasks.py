"""The subtasks beside one another: each one's figures, and how far they lie from those of one to compare with."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from app.agreement.bootstrap import Coefficient, estimate
from app.agreement.coefficients import Sample, krippendorff_alpha, percent_agreement
from app.agreement.contrasts import resampled
from app.agreement.intervals import Estimate, FloatArray
from app.agreement.patterns import IntArray, Patterns, as_answers
from app.agreement.rules import ANSWERS


def _share(answer: str) -> Coefficient:
    def share(sample: Sample) -> FloatArray:
        counts = sample.patterns.counts
        given = sample.frequency @ counts[:, [ANSWERS.index(answer)]].toarray().ravel()
        total = sample.frequency @ sample.patterns.size
        found = np.full(len(given), np.nan)
        np.divide(given, total, out=found, where=total > 0)
        return found

    return share


FIGURES: dict[str, Coefficient] = {
    "percent_agreement": percent_agreement,
    "krippendorff_alpha": krippendorff_alpha,
    "yes": _share("yes"),
    "unsure": _share("unsure"),
}
OF_PAIRS = ("percent_agreement", "krippendorff_alpha")


class SubtaskFigures(NamedTuple):
    """One subtask's figures on a question. `differences` are to the reference, and None for the reference itself."""

    n_items: int
    n_items_paired: int
    n_dishes: int
    n_judgments: int
    figures: dict[str, Estimate]
    differences: dict[str, Estimate] | None


def compared(
    parts: Sequence[str],
    part: IntArray,
    dish: IntArray,
    counts: IntArray,
    reference: str,
    *,
    seed: int = 0,
    replicates: int = 1000,
) -> dict[str, SubtaskFigures]:
    """{subtask: its figures}, of those with an answer, each with a 95 % interval from drawing dishes.

    `part` (N,) are places in `parts`, `dish` (N,) any codes, `counts` (N, 3) an item's answers yes, no and unsure.
    A drawn dish brings its items in every subtask, so that what a dish does to two of them alike leaves their
    difference alone. The subtasks otherwise hold the items they hold: these figures aren't paired.
    """
    asked = counts.sum(axis=1) > 0
    part, counts = part[asked], counts[asked]
    dishes, dish = np.unique(dish[asked], return_inverse=True)
    n = len(dishes)
    drawn = resampled(np.random.default_rng(seed), n, replicates) if n > 1 else np.zeros((0, n))
    tables = {
        name: _table(counts[part == place], dish[part == place], n)
        for place, name in enumerate(parts)
        if (part == place).any()
    }
    values, replicated = {}, {}
    for name, (patterns, profile) in tables.items():
        observed, again = Sample.observed(patterns), Sample(patterns, np.ascontiguousarray(drawn @ profile))
        values[name] = {key: float(figure(observed)[0]) for key, figure in FIGURES.items()}
        replicated[name] = {key: figure(again) for key, figure in FIGURES.items()}
    found = {}
    for name, (patterns, profile) in tables.items():
        with_item = np.asarray(profile.sum(axis=1)) > 0
        own = {
            key: estimate(
                values[name][key], replicated[name][key], n_units=_units(patterns, key), n_families=int(with_item.sum())
            )
            for key in FIGURES
        }
        differences = None
        if name != reference and reference in tables:
            there = tables[reference][0]
            differences = {
                key: estimate(
                    values[name][key] - values[reference][key],
                    replicated[name][key] - replicated[reference][key],
                    n_units=min(_units(patterns, key), _units(there, key)),
                    n_families=n,
                )
                for key in FIGURES
            }
        found[name] = SubtaskFigures(
            patterns.n_items,
            patterns.n_items_paired,
            int(with_item.sum()),
            patterns.n_judgments,
            own,
            differences,
        )
    return found


def _units(patterns: Patterns, figure: str) -> int:
    return patterns.n_items_paired if figure in OF_PAIRS else patterns.n_items


def _table(counts: IntArray, dish: IntArray, n_dishes: int) -> tuple[Patterns, sparse.csr_array]:
    """The items' patterns, and (dishes, patterns) how many of its items show each."""
    rows, place, frequency = np.unique(counts, axis=0, return_inverse=True, return_counts=True)
    patterns = Patterns.from_rows(zip(map(tuple, rows.tolist()), frequency.tolist(), strict=True), ANSWERS)
    order = {answers: code for code, answers in enumerate(patterns.answers())}
    pattern = np.array([order[as_answers(row)] for row in rows.tolist()])[place.ravel()]
    shape = (n_dishes, len(patterns.frequency))
    return patterns, sparse.csr_array((np.ones(len(dish)), (dish, pattern)), shape=shape)
