"""Comparisons and the leaderboard as tables and charts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from app.evaluation.models import Run
from app.evaluation.pages.standings import Standings
from app.evaluation.prompts import Strategy
from app.web.figures import charts
from app.web.figures.charts import MAX_SERIES, Group
from app.web.figures.svg import Chart
from app.web.figures.tables import Column, Table, Unit

FIGURES = {"country_accuracy": "Country right", "name_accuracy": "Name right", "retention": "Retention"}
"""Those that are compared: the word in an address, what people read."""


def names_of(runs: Sequence[Run]) -> dict[str, str]:
    """What each run is called, by its id: model and strategy, and what tells it from others of both."""
    plain = {str(run.id): f"{run.model}, {run.strategy}{' (imported)' if run.is_imported else ''}" for run in runs}
    times = Counter(plain.values())
    return {key: name if times[name] == 1 else f"{name}, {key[:8]}" for key, name in plain.items()}


def figures_table(runs: Sequence[Run], documents: Mapping[str, Mapping[str, Any]], figure: str) -> Table:
    """One row a run, one column a subtask that any of them has."""
    subtasks = [
        name
        for name in ("SF", "MF", "SFB", "MFB")
        if any(name in document["subtasks"] for document in documents.values())
        and not (figure == "retention" and name == "SF")
    ]
    names = names_of(runs)
    rows = []
    for run in runs:
        found = documents[str(run.id)]["subtasks"]
        rows.append((names[str(run.id)], *(found[name][figure] if name in found else None for name in subtasks)))
    columns = (Column("run", "Run", Unit.TEXT), *(Column(name, name, Unit.SHARE) for name in subtasks))
    return Table("figures", f"{FIGURES[figure]}, by subtask", columns, rows)


def matrix_table(runs: Sequence[Run], board: Mapping[str, Any], figure: str) -> Table | None:
    """Models by strategies, the means of the subtasks; None unless some model was asked in two ways. Of several runs of
    one model and strategy the first counts."""
    strategies = [name for name in Strategy if any(run.strategy == name for run in runs)]
    means = {row["run"]: row[figure] for row in board["rows"]}
    cells: dict[str, dict[str, Any]] = {}
    for run in runs:
        cells.setdefault(run.model, {}).setdefault(run.strategy, means[str(run.id)])
    if all(len(found) < 2 for found in cells.values()):
        return None
    columns = (Column("model", "Model", Unit.TEXT), *(Column(name, name, Unit.SHARE) for name in strategies))
    rows = [(model, *(found.get(name) for name in strategies)) for model, found in cells.items()]
    return Table("matrix", f"{FIGURES[figure]}, by model and strategy: means of the subtasks", columns, rows)


def figures_chart(table: Table) -> Chart:
    """The same, subtask by subtask, with a series for each run."""
    rows = table.rows[:MAX_SERIES]
    groups = [Group(column.label, [row[place] for row in rows]) for place, column in enumerate(table.columns) if place]
    return charts.dots("figures", table.title, [row[0] for row in rows], groups, Unit.SHARE)


_PAIR = (Column("one", "One", Unit.TEXT), Column("other", "Other", Unit.TEXT))
_FOUND = (
    Column("n_shared", "Items both answered", Unit.COUNT), Column("difference", "Difference", Unit.DIFFERENCE),
    Column("p", "p", Unit.P), Column("p_holm", "p, Holm", Unit.P),
)  # fmt: skip


def differences_table(runs: Sequence[Run], document: Mapping[str, Any], figure: str) -> Table:
    """Every pair over all subtasks: the one minus the other on the items both answered."""
    names = names_of(runs)
    rows = []
    for pair in document["comparisons"]:
        found = pair["overall"][figure]
        rows.append((
            names[pair["left"]], names[pair["right"]], pair["n_shared"], found["difference"], found["p"],
            found["p_holm"],
        ))  # fmt: skip
    return Table("differences", f"{FIGURES[figure]}: the one minus the other", (*_PAIR, *_FOUND), rows)


def subtask_differences_table(runs: Sequence[Run], document: Mapping[str, Any], figure: str) -> Table:
    names = names_of(runs)
    columns = (*_PAIR, Column("subtask", "Subtask", Unit.TEXT), *_FOUND)
    rows = []
    for pair in document["comparisons"]:
        for subtask, group in pair["subtasks"].items():
            found = group[figure]
            rows.append((
                names[pair["left"]], names[pair["right"]], subtask, group["n_shared"], found["difference"], found["p"],
                found["p_holm"],
            ))  # fmt: skip
    return Table("by_subtask", f"{FIGURES[figure]}: the one minus the other, by subtask", columns, rows)


def differences_chart(table: Table) -> Chart:
    groups = [Group(f"{row[0]} − {row[1]}", [row[3]]) for row in table.rows]
    return charts.dots("differences", table.title, ["Difference"], groups, Unit.DIFFERENCE)


def leaderboard_table(standings: Standings) -> Table:
    names = names_of(list(standings.runs.values()))
    columns = (
        Column("rank", "Rank", Unit.COUNT), Column("run", "Run", Unit.TEXT), Column("n", "Answers", Unit.COUNT),
        *(Column(figure, words, Unit.SHARE) for figure, words in FIGURES.items()),
        Column("tied_with", "Tied with", Unit.TEXT),
    )  # fmt: skip
    rows = [
        (
            row["rank"],
            names[row["run"]],
            row["n"],
            *(row[figure] for figure in FIGURES),
            "; ".join(names[other] for other in row["tied_with"]),
        )
        for row in standings.document["rows"]
    ]
    return Table("leaderboard", "Leaderboard", columns, rows)


def leaderboard_chart(standings: Standings) -> Chart:
    names = names_of(list(standings.runs.values()))
    groups = [Group(names[row["run"]], [row[figure] for figure in FIGURES]) for row in standings.document["rows"]]
    return charts.dots("leaderboard", "Leaderboard: means of the subtasks", list(FIGURES.values()), groups, Unit.SHARE)
