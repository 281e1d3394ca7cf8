"""The item dispute map as a chart and as a table."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from app import geography
from app.agreement.intervals import wilson
from app.judgments.vote_filters import ON_WHITE
from app.judgments.vote_map import Spot
from app.web.figures.heat import Cell, heat_cells
from app.web.figures.svg import Chart
from app.web.figures.tables import Column, Table, Unit, interval, number

THIN = 10
"""Below this many items a cell's share says little."""
LEAST_SCALE = 0.1
"""The darkest shade means at least this share, so that a campaign without disputes looks like one."""
WHITE = "on white"

MEASURES = {
    "differ": "Votes differ",
    "unsure": "Somebody was unsure",
    "rejected": "Rejected by decision",
    "doubt": "Model’s doubt",
}
MEANINGS = {
    "differ": "The share of items with two or more votes whose votes are not all alike.",
    "unsure": "The share of items about which somebody was unsure.",
    "rejected": (
        "The share of approved and rejected items that were rejected, whatever the question. Disputed items still wait "
        "for a decision and don’t count."
    ),
    "doubt": "How likely the newest rater model is to be wrong about a claim, on the average: 0 to 50 %.",
}
OF_WHAT = {
    "differ": "items with two or more votes",
    "unsure": "items",
    "rejected": "approved and rejected items",
    "doubt": "items with a model",
}
FILTERS: Mapping[str, Mapping[str, str]] = {
    "differ": {"votes": "differ"},
    "unsure": {"votes": "any-unsure"},
    "rejected": {"status": "rejected"},
    "doubt": {"doubt": "1"},
}
"""What a measure asks of the list of items."""


class Axes(NamedTuple):
    """The names of rows and columns, in the order they are drawn; `what` is what a row is."""

    rows: Sequence[tuple[str, str]]
    columns: Sequence[tuple[str, str]]
    what: str


Link = Callable[[Spot], str | None]


def country_axes(spots: Iterable[Spot]) -> Axes:
    """Countries by name; on white first, which is what backgrounds are compared with."""
    spots = list(spots)
    rows = {spot.row: geography.name_of(spot.row) for spot in spots}
    columns = {spot.column: geography.name_of(spot.column) for spot in spots if spot.column != ON_WHITE}
    return Axes(_by_name(rows), [*_white(spots), *_by_name(columns)], "Food’s country")


def dish_axes(spots: Iterable[Spot], dishes: Mapping[str, str], scenes: Mapping[str, str]) -> Axes:
    spots = list(spots)
    rows = {spot.row: dishes[spot.row] for spot in spots}
    columns = {spot.column: scenes[spot.column] for spot in spots if spot.column != ON_WHITE}
    return Axes(_by_name(rows), [*_white(spots), *_by_name(columns)], "Dish")


def _white(spots: list[Spot]) -> list[tuple[str, str]]:
    return [(ON_WHITE, WHITE)] if any(spot.column == ON_WHITE for spot in spots) else []


def _by_name(names: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(names.items(), key=lambda entry: (entry[1].casefold(), entry[0]))


def darkest(spots: Iterable[Spot], measure: str) -> float:
    """The share that the darkest shade stands for: the largest that isn't thin, or of all where all are."""
    counted = [(total, n) for total, n in (spot.of(measure) for spot in spots) if n]
    firm = [total / n for total, n in counted if n >= THIN]
    return max([LEAST_SCALE, *(firm or [total / n for total, n in counted])])


Row = tuple[str, str, list[Cell | None]]
"""Its key and its name, and a cell for each column."""


def rows(spots: Iterable[Spot], axes: Axes, measure: str, link: Link | None = None) -> list[Row]:
    at = {(spot.row, spot.column): spot for spot in spots}
    return [
        (row, label, [_cell(at.get((row, key)), measure, f"{label}, {scene}", link) for key, scene in axes.columns])
        for row, label in axes.rows
    ]


def chart(spots: Sequence[Spot], axes: Axes, measure: str, title: str) -> Chart:
    """For a file; the page has the same cells as a table."""
    lines = [(label, cells) for _, label, cells in rows(spots, axes, measure)]
    description = f"{MEANINGS[measure]} A row is a {axes.what.lower()}, a column where the picture is set. In per cent."
    high = darkest(spots, measure)
    return heat_cells("map", title, description, [scene for _, scene in axes.columns], lines, low=0.0, high=high)


def _cell(spot: Spot | None, measure: str, place: str, link: Link | None) -> Cell | None:
    if spot is None:
        return None
    total, n = spot.of(measure)
    href = link(spot) if link else None
    if not n:
        items = "1 item" if spot.n_items == 1 else f"{spot.n_items:,} items"
        return Cell(None, "–", f"{place}: {items}, none of them {_none_of(measure)}", href, is_thin=True)
    counted = f"{number(total / n, Unit.SHARE)} % of {n:,} {OF_WHAT[measure]}"
    if measure != "doubt":
        beside = interval(wilson(total, n)._asdict(), Unit.SHARE)
        counted = f"{int(total):,} of {n:,} {OF_WHAT[measure]}, {number(total / n, Unit.SHARE)} % {beside}"
    if n != spot.n_items:
        counted += f"; {spot.n_items:,} items in all"
    return Cell(total / n, f"{100 * total / n:.0f}", f"{place}: {counted}", href, is_thin=n < THIN)


def _none_of(measure: str) -> str:
    return {"differ": "with two votes", "rejected": "approved or rejected", "doubt": "in a model"}.get(
        measure, "judged"
    )


def table(spots: Sequence[Spot], axes: Axes, measure: str, title: str) -> Table:
    """A line a cell in the order of the chart. Shares have Wilson's 95 % interval; a mean doubt has none."""
    at = {(spot.row, spot.column): spot for spot in spots}
    found: list[tuple[Any, ...]] = []
    for (row, label), (column, scene) in itertools.product(axes.rows, axes.columns):
        if spot := at.get((row, column)):
            total, n = spot.of(measure)
            share = _doubt(total, n) if measure == "doubt" else wilson(total, n)._asdict()
            counts = (n,) if measure == "doubt" else (int(total), n)
            found.append((label, scene, spot.n_items, *counts, share))
    return Table(
        "cells",
        title,
        (
            Column("row", axes.what, Unit.TEXT),
            Column("scene", "Background", Unit.TEXT),
            Column("n_items", "Items", Unit.COUNT),
            *([] if measure == "doubt" else [Column("n_counted", MEASURES[measure], Unit.COUNT)]),
            Column("n_of", f"Of {OF_WHAT[measure]}", Unit.COUNT),
            Column(measure, MEASURES[measure], Unit.SHARE),
        ),
        found,
    )


def _doubt(total: float, n: int) -> dict[str, Any]:
    reason = None if n else "no_judgments"
    return {"value": total / n if n else None, "low": None, "high": None, "reason": reason}
