"""Run against run over the items both answered: differences, intervals, p-values."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from app.agreement.intervals import FloatArray
from app.evaluation.metrics.answers import Scored
from app.evaluation.metrics.bootstrap import REPLICATES, Draws, as_json
from app.evaluation.metrics.panel import FIGURES, Counts, Entries, Panel, Table
from app.evaluation.metrics.permutation import holm, sign_flip_p_values


def compare(
    left: Iterable[Scored], right: Iterable[Scored], *, seed: int = 0, replicates: int = REPLICATES
) -> dict[str, Any]:
    """Left minus right. `{"n_shared", "n_dishes", "overall": {FIGURE: D}, "subtasks": {SUBTASK: {"n_shared", FIGURE: D
    …}}, "bootstrap"}`, each `D = {"left", "right", "difference": E, "p"}`.

    Only slot 1 counts, and only items (`Answer.item`) that both sides answered; for retention, only those whose dish
    both gave a country alone. `overall` is the mean of the subtasks that both have, each weighing the same, as on the
    leaderboard. Intervals resample dishes, p flips the signs of whole dishes (`sign_flip_p_values`). Without a shared
    item all is null, with the reason `no_shared_items`. Raises ValueError for two answers of one side about one item.
    """
    draws = Draws(seed, replicates)
    document, tested = _comparison(Panel([("left", left), ("right", right)]).table("left", "right"), draws)
    fill_in_p(tested, seed)
    return {**document, "bootstrap": draws.describe()}


def compare_all(entries: Entries, *, seed: int = 0, replicates: int = REPLICATES) -> dict[str, Any]:
    """Every pair, in the order given: `{"comparisons": [{"left", "right", …as `compare`}], "bootstrap"}`.

    Each `D` also has `p_holm`, corrected for all comparisons of its figure: over the pairs for `overall`, over pairs
    and subtasks together below `subtasks`.
    """
    panel, draws = Panel(entries), Draws(seed, replicates)
    pairs: list[dict[str, Any]] = []
    tested: list[Tested] = []
    for left, right in itertools.combinations(panel.names, 2):
        document, more = _comparison(panel.table(left, right), draws)
        pairs.append({"left": left, "right": right, **document})
        tested += more
    fill_in_p(tested, seed)
    for figure in FIGURES:
        fill_in_p_holm([pair["overall"][figure] for pair in pairs])
        fill_in_p_holm([group[figure] for pair in pairs for group in pair["subtasks"].values()])
    return {"comparisons": pairs, "bootstrap": draws.describe()}


class Tested(NamedTuple):
    """A difference (the `D` of a document, its p still open) and, by dish, what it is the sum of."""

    document: dict[str, Any]
    by_dish: FloatArray | None


def difference(counts: Counts, draws: Draws, *, reason: str) -> Tested:
    """Of the mean over subtasks, each weighing the same; those without an answer that counts have no share."""
    rows = counts.of.any(axis=1)
    left, right, of = counts.left[rows], counts.right[rows], counts.of[rows]
    estimate = draws.of(of.shape[1]).mean_share(left - right, of, reason=reason)
    totals = of.sum(axis=1)
    document = {
        "left": _mean_share(left, totals),
        "right": _mean_share(right, totals),
        "difference": as_json(estimate),
        "p": None,
    }
    if estimate.value is None:
        return Tested(document, None)
    # Of one subtask the counts themselves are flipped: whole numbers, whose ties are exact.
    return Tested(
        document, (left - right)[0] if len(of) == 1 else ((left - right) / totals[:, np.newaxis]).mean(axis=0)
    )


def fill_in_p(tested: Iterable[Tested], seed: int) -> None:
    """Fills in every p at once, which is much faster than one by one."""
    open_ones = [(document, by_dish) for document, by_dish in tested if by_dish is not None]
    p_values = sign_flip_p_values([by_dish for _, by_dish in open_ones], seed=seed)
    for (document, _), p in zip(open_ones, p_values, strict=True):
        document["p"] = p


def fill_in_p_holm(family: Sequence[dict[str, Any]]) -> None:
    """Adds `p_holm` to each."""
    for one, p in zip(family, holm([one["p"] for one in family]), strict=True):
        one["p_holm"] = p


def _mean_share(hits: FloatArray, totals: FloatArray) -> float | None:
    return float((hits.sum(axis=1) / totals).mean()) if len(totals) else None


def _comparison(table: Table, draws: Draws) -> tuple[dict[str, Any], list[Tested]]:
    """Its document, and the p-values still to fill in."""
    tested: list[Tested] = []

    def figures(rows: slice, reason: str) -> dict[str, Any]:
        found = {
            figure: difference(Counts(*(part[rows] for part in counts)), draws, reason=reason)
            for figure, counts in table.figures.items()
        }
        tested.extend(found.values())
        return {figure: one.document for figure, one in found.items()}

    document = {
        "n_shared": sum(table.n_shared),
        "n_dishes": table.n_dishes,
        "overall": figures(slice(None), "no_reference" if table.subtasks else "no_shared_items"),
        "subtasks": {
            subtask: {
                "n_shared": n_shared,
                **figures(slice(row, row + 1), "is_reference" if subtask == "SF" else "no_reference"),
            }
            for row, (subtask, n_shared) in enumerate(zip(table.subtasks, table.n_shared, strict=True))
        },
    }
    return document, tested
