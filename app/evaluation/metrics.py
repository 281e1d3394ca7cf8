"""The benchmark's figures: pure functions over stored answers, so that scoring again needs no model."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from app import geography
from app.errors import Invalid
from app.evaluation.bootstrap import REPLICATES, Resamples, as_json
from app.evaluation.replies import State
from app.evaluation.similarity import THRESHOLD, name_similarity

NO_COUNTRY = "none"
"""In the confusion table: a reply that names no country, several, or one that fits several."""


class Answer(NamedTuple):
    """One reply about one food of one item, beside what the release says of both.

    `dish` is the same for every item whose asked food is that dish. `countries` are its ISO codes, one or several.
    `background` and `other_food` are the codes of what might distract. `pred_*` are as the model wrote them.
    `background_kind` is street or landmark. `difficulty` says how the people agreed who verified the item: "unanimous",
    every counted answer to every question was yes, else "contested". `item` tells two runs' answers about one item
    from all others.
    """

    subtask: str
    slot: int
    dish: str
    name: str
    countries: tuple[str, ...]
    state: State
    pred_name: str | None = None
    pred_country: str | None = None
    aliases: tuple[str, ...] = ()
    background: str | None = None
    other_food: tuple[str, ...] = ()
    background_kind: str | None = None
    difficulty: str | None = None
    item: str = ""

    @property
    def distractors(self) -> list[tuple[str, ...]]:
        """Background first."""
        return [codes for codes in ((self.background,) if self.background else (), self.other_food) if codes]


class Scored(NamedTuple):
    """What one answer is worth. `reference` is the country the model gives the same dish alone (SF)."""

    answer: Answer
    name_correct: bool
    alias_correct: bool
    country_correct: bool
    country: str | None
    reference: str | None
    drift: Literal["country", "continent"] | None

    @property
    def is_retained(self) -> bool:
        return self.country is not None and self.country == self.reference


def metrics(
    answers: Sequence[Answer], *, aliases: bool = False, seed: int = 0, replicates: int = REPLICATES
) -> dict[str, Any]:
    """The metrics document of CONTRACT §7; `answers` in the release's order.

    Only slot 1 counts; where slot 2 was asked, the same document about it stands under `slot2`. `n` counts scored
    answers, `states` all of them: what was refused, cut, unreadable or failed is in no figure. With `aliases`, each
    group also has `name_accuracy_with_aliases`.
    """
    references = sf_references(answers)
    document = _document([answer for answer in answers if answer.slot == 1], references, aliases, seed, replicates)
    if second := [answer for answer in answers if answer.slot == 2]:
        document["slot2"] = _document(second, references, aliases, seed, replicates)
    return document


def sf_references(answers: Iterable[Answer]) -> dict[str, str]:
    """The country each dish is given when it stands alone; of several SF items the first that names one counts."""
    references: dict[str, str] = {}
    for answer in answers:
        if answer.subtask == "SF" and answer.state is State.OK and (code := country_code(answer.pred_country)):
            references.setdefault(answer.dish, code)
    return references


def country_code(text: str | None) -> str | None:
    """The ISO code of a country as a model wrote it; None for none, an unknown one, or one that fits several.

    >>> country_code("Türkiye"), country_code("Korea"), country_code("Atlantis")
    ('TR', None, None)
    """
    if text is None:
        return None
    try:
        return geography.resolve(text)
    except Invalid:
        return None


def score(answer: Answer, references: Mapping[str, str]) -> Scored:
    """A name is right from THRESHOLD on, a country when it is one of the item's origins.

    Drift: in the distractor's direction, away from what the model says of the dish alone; to the country of any
    distractor, else to the continent of one, so that an answer drifts once.
    """
    predicted = answer.pred_name or ""
    name_correct = name_similarity(predicted, answer.name) >= THRESHOLD
    country = country_code(answer.pred_country)
    reference = references.get(answer.dish) if answer.subtask != "SF" else None
    return Scored(
        answer,
        name_correct=name_correct,
        alias_correct=name_correct or any(name_similarity(predicted, name) >= THRESHOLD for name in answer.aliases),
        country_correct=country in answer.countries,
        country=country,
        reference=reference,
        drift=_drift(country, reference, answer.distractors),
    )


def _drift(
    country: str | None, reference: str | None, distractors: Sequence[tuple[str, ...]]
) -> Literal["country", "continent"] | None:
    if country is None or reference is None or country == reference:
        return None
    if any(country in codes for codes in distractors):
        return "country"
    continent = geography.continent_of(country)
    if any(continent == geography.continent_of(code) for codes in distractors for code in codes):
        return "continent"
    return None


def entropy_bits(counts: Iterable[int]) -> float:
    """Shannon entropy, base 2, of a distribution given by counts.

    >>> entropy_bits([2, 2]), entropy_bits([5]), entropy_bits([2, 1, 1])
    (1.0, 0.0, 1.5)
    """
    shares = np.array([count for count in counts if count > 0], dtype=np.float64)
    shares /= shares.sum()
    return float(max(0.0, -(shares * np.log2(shares)).sum()))


def _document(
    answers: Sequence[Answer], references: Mapping[str, str], aliases: bool, seed: int, replicates: int
) -> dict[str, Any]:
    by_subtask: dict[str, list[Scored]] = defaultdict(list)
    states: dict[str, Counter[str]] = defaultdict(Counter)
    for answer in answers:
        states[answer.subtask][answer.state.value] += 1
        scored = by_subtask[answer.subtask]
        if answer.state is State.OK:
            scored.append(score(answer, references))

    def figures(group: Sequence[Scored], subtask: str) -> dict[str, Any]:
        return _figures(group, subtask, aliases, seed, replicates)

    return {
        "subtasks": {
            subtask: {**figures(scored, subtask), "states": dict(sorted(states[subtask].items()))}
            for subtask, scored in by_subtask.items()
        },
        "by_distance": {
            subtask: {distance: figures(group, subtask) for distance, group in groups.items()}
            for subtask, scored in by_subtask.items()
            if (groups := _by_distance(scored))
        },
        "by_country": {
            subtask: {code: figures(group, subtask) for code, group in _by_country(scored).items()}
            for subtask, scored in by_subtask.items()
        },
        "confusion": {subtask: _confusion(scored) for subtask, scored in by_subtask.items()},
    }


def _by_distance(scored: Iterable[Scored]) -> dict[str, list[Scored]]:
    """By the distance to the first distractor, which is the background where there is one; SF has none."""
    groups: dict[str, list[Scored]] = {}
    for one in scored:
        if one.answer.distractors:
            distance = geography.cultural_distance(one.answer.countries, one.answer.distractors[0])
            groups.setdefault(distance, []).append(one)
    return groups


def _by_country(scored: Iterable[Scored]) -> dict[str, list[Scored]]:
    """By the asked food's country; a food of several origins is in each of them."""
    groups: dict[str, list[Scored]] = defaultdict(list)
    for one in scored:
        for code in one.answer.countries:
            groups[code].append(one)
    return dict(sorted(groups.items()))


def _confusion(scored: Iterable[Scored]) -> dict[str, dict[str, int]]:
    """How often each (first) true country was taken for each country."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for one in scored:
        table[one.answer.countries[0]][one.country or NO_COUNTRY] += 1
    return {gold: dict(sorted(row.items())) for gold, row in sorted(table.items())}


def _figures(scored: Sequence[Scored], subtask: str, aliases: bool, seed: int, replicates: int) -> dict[str, Any]:
    dishes = sorted({one.answer.dish for one in scored})  # their order must not depend on the answers'
    place = {dish: index for index, dish in enumerate(dishes)}
    at = np.array([place[one.answer.dish] for one in scored], dtype=np.intp)
    resamples = Resamples(len(dishes), seed, replicates)

    def per_dish(values: Iterable[bool]) -> Any:
        return np.bincount(at, weights=np.fromiter(values, dtype=np.float64), minlength=len(dishes))

    def share(hits: Iterable[bool], of: Iterable[bool], reason: str) -> dict[str, Any]:
        return as_json(resamples.share(per_dish(hits), per_dish(of), reason=reason))

    every = [True] * len(scored)
    compared = [one.reference is not None for one in scored]
    no_reference = "is_reference" if subtask == "SF" else "no_reference" if scored else "no_answers"
    countries: list[Counter[str]] = [Counter() for _ in dishes]
    for one, index in zip(scored, at, strict=True):
        if one.country is not None:
            countries[index][one.country] += 1
    bits = np.array([entropy_bits(counts.values()) if counts else 0.0 for counts in countries])
    has_country = np.array([bool(counts) for counts in countries], dtype=np.float64)
    document: dict[str, Any] = {
        "n": len(scored),
        "name_accuracy": share((one.name_correct for one in scored), every, "no_answers"),
        "country_accuracy": share((one.country_correct for one in scored), every, "no_answers"),
        "country_entropy_bits": as_json(
            resamples.share(bits, has_country, reason="no_countries" if scored else "no_answers")
        ),
        "retention": share((one.is_retained for one in scored), compared, no_reference),
        "drift_to_distractor_country": share((one.drift == "country" for one in scored), compared, no_reference),
        "drift_to_distractor_continent": share((one.drift == "continent" for one in scored), compared, no_reference),
    }
    if aliases:
        document["name_accuracy_with_aliases"] = share((one.alias_correct for one in scored), every, "no_answers")
    return document
