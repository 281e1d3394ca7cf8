"""Figures of many parts of one question at once: every week, every country."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from app.agreement.bootstrap import CHUNK_CELLS, NOMINAL, Coefficient, estimate
from app.agreement.coefficients import Sample
from app.agreement.intervals import Estimate, FloatArray
from app.agreement.patterns import Patterns, as_answers

Part = TypeVar("Part", bound=Hashable)
Rows = Sequence[tuple[tuple[int, ...], int]]


def estimates_by_part(
    parts: Mapping[Part, Rows],
    categories: Sequence[str],
    wanted: Mapping[str, Coefficient] = NOMINAL,
    *,
    seed: int = 0,
    replicates: int = 1000,
) -> dict[Part, dict[str, Estimate]]:
    """What `bootstrap.estimates` gives for each part by itself, in a third of the time.

    `parts` hold (answers per category, number of items), as for `Patterns.from_rows`. All parts share one table of
    patterns, so a coefficient is worked out once for many parts; each part is drawn with a generator of its own.

    >>> weeks = {"first": [((2, 0), 3), ((1, 1), 1)], "second": [((2, 0), 1)]}
    >>> found = estimates_by_part(weeks, ["yes", "no"])
    >>> found["first"]["percent_agreement"].value, found["second"]["percent_agreement"].reason
    (0.75, 'one_item')
    """
    table = Patterns.from_rows([row for rows in parts.values() for row in rows], categories)
    frequency = _frequencies(parts.values(), table)
    n_paired = frequency @ table.is_paired
    values = {name: coefficient(Sample(table, frequency)) for name, coefficient in wanted.items()}
    resampled = {name: np.full((len(parts), replicates), np.nan) for name in wanted}
    can_be_drawn = np.flatnonzero(n_paired >= 2) if replicates else np.zeros(0, dtype=np.int64)
    at_once = max(1, CHUNK_CELLS // max(1, replicates * len(table.frequency)))
    for start in range(0, len(can_be_drawn), at_once):
        chosen = can_be_drawn[start : start + at_once]
        sample = Sample(table, np.concatenate([_drawn(frequency[place], replicates, seed) for place in chosen]))
        for name, coefficient in wanted.items():
            resampled[name][chosen] = coefficient(sample).reshape(len(chosen), replicates)
    return {
        part: {
            name: estimate(float(values[name][place]), resampled[name][place], n_units=int(n_paired[place]))
            for name in wanted
        }
        for place, part in enumerate(parts)
    }


def _frequencies(parts: Iterable[Rows], table: Patterns) -> FloatArray:
    """(parts, P) items of each part with each pattern of the table."""
    place = {answers: code for code, answers in enumerate(table.answers())}
    rows = list(parts)
    frequency = np.zeros((len(rows), len(place)))
    for nth, part in enumerate(rows):
        for counts, n_items in part:
            if n_items and any(counts):
                frequency[nth, place[as_answers(counts)]] += n_items
    return frequency


def _drawn(frequency: FloatArray, replicates: int, seed: int) -> FloatArray:
    """(R, P) resampled items. Patterns the part doesn't have are left out of the draw, as if the table hadn't them."""
    has = frequency > 0
    units = frequency[has]
    drawn = np.zeros((replicates, len(frequency)))
    drawn[:, has] = np.random.default_rng(seed).multinomial(int(units.sum()), units / units.sum(), size=replicates)
    return drawn
