"""The queue as a table for a spreadsheet: in its order, as far as it is listed."""

from collections.abc import Sequence

from app.adjudication.queue import WEIGHTS, Shown
from app.web.figures.tables import Column, Table, Unit

_COLUMNS = (
    Column("key", "Item", Unit.TEXT),
    Column("place", "Place", Unit.COUNT),
    Column("subtask", "Subtask", Unit.TEXT),
    Column("foods", "Foods", Unit.TEXT),
    Column("countries", "Countries", Unit.TEXT),
    Column("background", "Background", Unit.TEXT),
    Column("status", "Status", Unit.TEXT),
    Column("appeals", "Appeals", Unit.COUNT),
    Column("doubt", "Doubt", Unit.TEXT),
    Column("weights", "Worth more because", Unit.TEXT),
    Column("questions", "Questions in dispute", Unit.TEXT),
    Column("votes", "Votes", Unit.TEXT),
)


def table(found: Sequence[Shown]) -> Table:
    """One row an item. Several foods, their countries and several questions are parted by "; "; an empty doubt
    says that no rater model has looked yet."""
    return Table(
        "queue",
        "What waits for an admin's word",
        _COLUMNS,
        [_row(place, shown) for place, shown in enumerate(found, 1)],
    )


def _row(place: int, shown: Shown) -> tuple[object, ...]:
    waiting, entry = shown
    votes = [
        f"{key}: " + ", ".join(f"{count} {answer}" for answer, count in counts.items() if count)
        for key, counts in waiting.tallies.items()
    ]
    return (
        entry.item.key, place, entry.item.subtask.value, "; ".join(food.name for food in entry.foods),
        "; ".join("/".join(food.countries) for food in entry.foods),
        entry.background.country if entry.background else "", entry.item.status.value, waiting.appeals,
        "" if waiting.doubt is None else f"{waiting.doubt:.4f}",
        "; ".join(WEIGHTS[name] for name in waiting.weights), "; ".join(waiting.questions), "; ".join(votes),
    )  # fmt: skip
