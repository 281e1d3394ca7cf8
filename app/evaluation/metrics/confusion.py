"""Which country was taken for which, and where wrong answers lean to."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from app import geography
from app.evaluation.metrics.answers import Scored
from app.evaluation.metrics.bootstrap import Draws, as_json

NO_COUNTRY = "none"
"""In the confusion table: a reply that names no country, several, or one that fits several."""
TOP_COUNTRIES = 20


def confusion(scored: Iterable[Scored]) -> dict[str, dict[str, int]]:
    """How often each gold country was taken for each country."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for one in scored:
        table[one.answer.gold_country][one.country or NO_COUNTRY] += 1
    return {gold: dict(sorted(row.items())) for gold, row in sorted(table.items())}


def leaning(scored: Sequence[Scored], draws: Draws) -> dict[str, Any]:
    """The countries and continents that wrong answers name, commonest first.

    Wrong as `country_accuracy` has it, so the counts are the confusion table's columns without its diagonal. `share` is
    of the wrong answers that name a country; `expected` is the share of items whose gold country it is: what the share
    would be if errors followed the labels. More than expected: the model leans there. What names none is in
    `n_without_country` alone.
    """
    wrong = [one for one in scored if not one.country_correct]
    named = [(one.answer.dish, one.country) for one in wrong if one.country is not None]
    continents = [(dish, geography.continent_of(country)) for dish, country in named]
    place = {dish: index for index, dish in enumerate(sorted({one.answer.dish for one in scored}))}
    gold = Counter(one.answer.gold_country for one in scored)
    gold_continents = Counter(geography.continent_of(one.answer.gold_country) for one in scored)
    return {
        "n_wrong": len(wrong),
        "n_without_country": len(wrong) - len(named),
        "countries": _shares("country", named, gold, place, draws)[:TOP_COUNTRIES],
        "continents": _shares("continent", continents, gold_continents, place, draws),
    }


def _shares(
    key: str, named: Sequence[tuple[str, str]], gold: Mapping[str, int], place: Mapping[str, int], draws: Draws
) -> list[dict[str, Any]]:
    """`named` is a dish and what it was taken for, one a wrong answer; `gold` counts all items by what they are."""
    hits = {taken_for: np.zeros(len(place)) for _, taken_for in named}
    for dish, taken_for in named:
        hits[taken_for][place[dish]] += 1
    every = np.sum(list(hits.values()), axis=0)
    found = [
        {
            key: taken_for,
            "count": int(counts.sum()),
            "share": as_json(draws.of(len(place)).share(counts, every, reason="no_wrong_answers")),
            "expected": gold.get(taken_for, 0) / sum(gold.values()),
        }
        for taken_for, counts in hits.items()
    ]
    return sorted(found, key=lambda row: (-row["count"], row[key]))
