"""Which answers stand together in a table, beside the subtask: by distance, origin, background and difficulty."""

from collections.abc import Callable, Iterable, Mapping

from app import geography
from app.evaluation.metrics.answers import Answer, Scored

NEAR_TO_FAR = ("same_country", "same_continent", "cross_continent")


def distance(answer: Answer) -> str | None:
    """To the first distractor, which is the background where there is one; SF has none."""
    if not answer.distractors:
        return None
    return geography.cultural_distance(answer.countries, answer.distractors[0])


GROUPINGS: Mapping[str, Callable[[Answer], str | None]] = {
    "by_distance": distance,
    "by_country": lambda answer: answer.gold_country,
    "by_continent": lambda answer: geography.continent_of(answer.gold_country),
    "by_background_kind": lambda answer: answer.background_kind,
    "by_difficulty": lambda answer: answer.difficulty,
}
"""The key of the metrics document, and what an answer's group is called; None: it is in none. A food of several origins
is with its gold country, so that no answer is counted twice."""


def groups(scored: Iterable[Scored], of: Callable[[Answer], str | None]) -> dict[str, list[Scored]]:
    """Groups in the order of their names, distances from near to far; empty where nothing is known."""
    found: dict[str, list[Scored]] = {}
    for one in scored:
        if (name := of(one.answer)) is not None:
            found.setdefault(name, []).append(one)
    place = {name: str(index) for index, name in enumerate(NEAR_TO_FAR)}
    return {name: found[name] for name in sorted(found, key=lambda name: place.get(name, name))}
