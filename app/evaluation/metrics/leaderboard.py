"""Which run is better than which, where that is more than chance; ties are marked."""

import itertools
from collections.abc import Sequence
from typing import Any

from app.evaluation.metrics.answers import SUBTASKS
from app.evaluation.metrics.bootstrap import REPLICATES, Draws, Estimate, as_json
from app.evaluation.metrics.compare import Tested, difference, fill_in_p, fill_in_p_holm
from app.evaluation.metrics.panel import FIGURES, Entries, Panel, Table

ALPHA = 0.05
PRIMARY = "country_accuracy"


def leaderboard(entries: Entries, *, seed: int = 0, replicates: int = REPLICATES) -> dict[str, Any]:
    """Runs in the order of their country accuracy, averaged over the subtasks: `{"figure", "subtasks", "alpha", "rows":
    [{"run", "rank", "n", "n_dishes", FIGURE: E…, "tied_with", "not_compared_with"}], "comparisons": [{"left", "right",
    "n_shared", "n_dishes", "country_accuracy": D}], "bootstrap"}`, with `compare_all`'s D.

    **The figure.** The country, because it is what the benchmark is about: a name can be read off the dish, its origin
    is what surroundings turn. The mean of the subtasks, because their numbers of items differ tenfold; pooled, the
    largest would be the ranking. The subtasks are those that any run has. A run without one of them has no figure
    (null, `missing_subtasks`), hence no rank, and stands last.

    **The rank** is 1 + the number of runs that are significantly better: a sign-flip test over dishes, on the items
    both answered, with Holm's correction over all pairs of ranked runs, p < 0.05. Runs that differ by less are tied,
    whatever their order in the table; being tied is not transitive. A run of few items is hard to tell from any other
    and ranks high for that alone: keep partial runs off the board. Runs that share no item can't be told apart (null,
    `no_shared_items`).
    """
    panel, draws = Panel(entries), Draws(seed, replicates)
    own = {name: panel.table(name, name) for name in panel.names}
    subtasks = [subtask for subtask in SUBTASKS if any(subtask in table.subtasks for table in own.values())]
    ranked = sorted(name for name, table in own.items() if subtasks and table.subtasks == subtasks)
    comparisons = _comparisons(panel, ranked, draws)
    rows: list[dict[str, Any]] = [
        {
            "run": name,
            "rank": None,
            "n": sum(table.n_shared),
            "n_dishes": table.n_dishes,
            **{figure: _mean(table, figure, subtasks, draws) for figure in FIGURES},
            "tied_with": [],
            "not_compared_with": [],
        }
        for name, table in own.items()
    ]
    by_name = {row["run"]: row for row in rows}
    for name in ranked:
        by_name[name]["rank"] = 1
    for one in comparisons:
        left, right, found = by_name[one["left"]], by_name[one["right"]], one[PRIMARY]
        if found["p_holm"] is not None and found["p_holm"] < ALPHA:
            (right if found["difference"]["value"] > 0 else left)["rank"] += 1
            continue
        relation = "tied_with" if found["p_holm"] is not None else "not_compared_with"
        left[relation].append(one["right"])
        right[relation].append(one["left"])
    rows.sort(key=lambda row: (row["rank"] is None, -(row[PRIMARY]["value"] or 0), row["run"]))
    return {
        "figure": PRIMARY,
        "subtasks": subtasks,
        "alpha": ALPHA,
        "rows": rows,
        "comparisons": comparisons,
        "bootstrap": draws.describe(),
    }


def _comparisons(panel: Panel, names: Sequence[str], draws: Draws) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    tested: list[Tested] = []
    for left, right in itertools.combinations(names, 2):
        table = panel.table(left, right)
        tested.append(difference(table.figures[PRIMARY], draws, reason="no_shared_items"))
        found.append({
            "left": left, "right": right, "n_shared": sum(table.n_shared), "n_dishes": table.n_dishes,
            PRIMARY: tested[-1].document,
        })  # fmt: skip
    fill_in_p(tested, draws.seed)
    fill_in_p_holm([one[PRIMARY] for one in found])
    return found


def _mean(table: Table, figure: str, subtasks: Sequence[str], draws: Draws) -> dict[str, Any]:
    if not table.subtasks or table.subtasks != subtasks:
        return as_json(Estimate(None, reason="missing_subtasks"))
    hits, _, of = table.figures[figure]
    rows = of.any(axis=1)  # SF has no retention
    return as_json(draws.of(table.n_dishes).mean_share(hits[rows], of[rows], reason="no_reference"))
