"""The figures of one group of answers of one subtask, each with its interval."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from app.agreement.intervals import FloatArray
from app.evaluation.metrics.answers import Scored
from app.evaluation.metrics.bootstrap import Draws, as_json

_EXACT_SUMS = 2.0**32
"""Bits are kept to 1/2^32: sums over dishes are then exact, and so the same in whatever order they are added up."""


def entropy_bits(counts: Iterable[int]) -> float:
    """Shannon entropy, base 2, of a distribution given by counts.

    >>> entropy_bits([2, 2]), entropy_bits([5]), entropy_bits([2, 1, 1])
    (1.0, 0.0, 1.5)
    """
    shares = np.array(sorted(count for count in counts if count > 0), dtype=np.float64)
    shares /= shares.sum()
    bits = max(0.0, -float((shares * np.log2(shares)).sum()))
    return round(bits * _EXACT_SUMS) / _EXACT_SUMS


def figures(scored: Sequence[Scored], draws: Draws, *, subtask: str, aliases: bool) -> dict[str, Any]:
    """All figures of a group; equal replicates lie under all of them, so `fair`'s differences are paired."""
    dishes = sorted({one.answer.dish for one in scored})  # their order must not depend on the answers'
    place = {dish: index for index, dish in enumerate(dishes)}
    at = np.array([place[one.answer.dish] for one in scored], dtype=np.intp)
    resamples = draws.of(len(dishes))

    def per_dish(values: Iterable[bool | int]) -> FloatArray:
        sums = np.bincount(at, weights=np.fromiter(values, dtype=np.float64), minlength=len(dishes))
        return sums.astype(np.float64)

    every = per_dish(True for _ in scored)
    compared = per_dish(one.reference is not None for one in scored)
    no_reference = "is_reference" if subtask == "SF" else "no_reference" if scored else "no_answers"

    def of_all(values: Iterable[bool | int]) -> dict[str, Any]:
        return as_json(resamples.share(per_dish(values), every, reason="no_answers"))

    def of_compared(values: Iterable[bool]) -> dict[str, Any]:
        return as_json(resamples.share(per_dish(values), compared, reason=no_reference))

    document: dict[str, Any] = {
        "n": len(scored),
        "name_accuracy": of_all(one.name_correct for one in scored),
        "country_accuracy": of_all(one.country_correct for one in scored),
        "country_entropy_bits": _entropy(scored, dishes, draws),
        "retention": of_compared(one.is_retained for one in scored),
        "drift_to_distractor_country": of_compared(one.drift == "country" for one in scored),
        "drift_to_distractor_continent": of_compared(one.drift == "continent" for one in scored),
        "fair": {
            "name_accuracy": of_all(one.alias_correct for one in scored),
            "country_accuracy": of_all(one.origin_correct for one in scored),
            "name_difference": of_all(one.alias_correct - one.name_correct for one in scored),
            "country_difference": of_all(one.origin_correct - one.country_correct for one in scored),
        },
    }
    if aliases:
        document["name_accuracy_with_aliases"] = document["fair"]["name_accuracy"]
    return document


def _entropy(scored: Sequence[Scored], dishes: Sequence[str], draws: Draws) -> dict[str, Any]:
    """Of the countries each dish is given; the mean over dishes that are given any."""
    countries: dict[str, Counter[str]] = {dish: Counter() for dish in dishes}
    for one in scored:
        if one.country is not None:
            countries[one.answer.dish][one.country] += 1
    bits = np.array([entropy_bits(counts.values()) if counts else 0.0 for counts in countries.values()])
    has_country = np.array([bool(counts) for counts in countries.values()], dtype=np.float64)
    reason = "no_countries" if scored else "no_answers"
    return as_json(draws.of(len(dishes)).share(bits, has_country, reason=reason))
