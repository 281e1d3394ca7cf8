"""What the backgrounds page shows, worked out from a campaign's items: subtasks compared, and dishes paired."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from app import geography
from app.agreement.contrasts import MEASURES, Change, GroupChange, Paired, by_group, holm, measures, paired
from app.agreement.patterns import IntArray
from app.agreement.subtasks import SubtaskFigures, compared
from app.agreement.tallies import QUESTIONS
from app.judgments.contrasts import SUBTASKS, Judged, Scene

PAIRED = ("food1_identity", "food1_origin")
"""The questions that are asked about one dish on white and on a background alike."""

REFERENCES = dict(zip(QUESTIONS, ("SF", "SF", "MF", "MF", "SFB"), strict=True))
"""The subtask that each question's other subtasks are compared with."""

DISTANCES = {
    "same_country": "Same country",
    "same_continent": "Same continent",
    "cross_continent": "Another continent",
}
SEED, REPLICATES = 0, 1000


class Row(NamedTuple):
    """A group of backgrounds. `part` names it in the address of its items; `adjusted` has Holm's p of each measure,
    over all rows of the grouping that could be tested."""

    part: str
    label: str
    n_dishes: int
    n_items: int
    changes: dict[str, Change]
    adjusted: dict[str, float]


class Readout(NamedTuple):
    """One question's. `missing` says in words why nothing can be compared; `n_unplaced` counts the images that no
    rater model speaks of, which stay out of accuracy."""

    question: str
    missing: str | None
    has_model: bool
    n_unplaced: int
    paired: Paired
    groups: dict[str, list[Row]]
    dishes: list[tuple[str, str]]


def subtasks(found: Judged) -> dict[str, dict[str, SubtaskFigures]]:
    """{question: {subtask: its figures}} of the questions with votes."""
    compared_ones = {
        question: compared(
            SUBTASKS,
            found.subtask,
            found.dish,
            found.counts[:, place],
            REFERENCES[question],
            seed=SEED,
            replicates=REPLICATES,
        )
        for place, question in enumerate(QUESTIONS)
    }
    return {question: parts for question, parts in compared_ones.items() if parts}


def readout(found: Judged, question: str) -> Readout:
    place = QUESTIONS.index(question)
    on_white, on_scene = (found.subtask == SUBTASKS.index(name) for name in ("SF", "SFB"))
    chosen = (on_white | on_scene) & (found.counts[:, place].sum(axis=1) > 0)
    has_model = found.has_model[place]
    truth = found.truth[chosen, place] if has_model else None
    counts = found.counts[chosen, place]
    values, answers = measures(counts, truth), counts.sum(axis=1)
    dish, is_white = found.dish[chosen], on_white[chosen].astype(np.int64)
    pairs = paired(values, dish, is_white, answers)
    groups = {
        by: _rows(by_group(values, dish, is_white, codes[chosen], answers), names)
        for by, (codes, names) in _groupings(found).items()
    }
    return Readout(
        question,
        _missing(is_white, pairs),
        has_model,
        0 if truth is None else int(np.isnan(truth).sum()),
        pairs,
        groups,
        [(str(found.dishes[code][0]), found.dishes[code][1]) for code in pairs.dishes],
    )


def _missing(is_white: IntArray, pairs: Paired) -> str | None:
    if not len(is_white):
        return "No image of one dish has been judged yet, neither on white (SF) nor on a background (SFB)."
    if not is_white.any():
        return "No image on white (SF) has been judged yet, so there is nothing to compare backgrounds with."
    if is_white.all():
        return "No image of one dish on a background (SFB) has been judged yet."
    if not len(pairs.dishes):
        return "No dish has been judged both on white (SF) and on a background (SFB) yet."
    return None


Names = list[tuple[str, str]]
"""(part, label) by code."""


def _groupings(found: Judged) -> dict[str, tuple[IntArray, Names]]:
    """By each grouping a code for every item, of which those on white say nothing."""
    countries, of_country = _coded(scene.country for scene in found.scenes)
    kinds, of_kind = _coded(scene.kind for scene in found.scenes)
    at = np.maximum(found.scene, 0)
    distances = [(name, DISTANCES.get(name, name)) for name in found.distances]
    unknown = ("none", "Not stated")
    return {
        "scene": (at, scene_names(found.scenes)),
        "country": (
            of_country[at],
            [(code, geography.name_of(code)) if code else unknown for code in countries],
        ),
        "kind": (of_kind[at], [(kind, kind.capitalize()) if kind else unknown for kind in kinds]),
        "distance": (np.where(found.distance < 0, len(distances), found.distance), [*distances, unknown]),
    }


def _coded(values: Iterable[str]) -> tuple[list[str], IntArray]:
    places: dict[str, int] = {}
    codes = [places.setdefault(value, len(places)) for value in values]
    return list(places), np.array(codes or [0], dtype=np.int64)


def scene_names(scenes: Iterable[Scene]) -> Names:
    """A scene goes by its name, else by its kind and country, and by the number in its key where there are several.

    >>> import uuid
    >>> scene_names([Scene(uuid.UUID(int=1), "street:mexico2", "", "street", "MX"), Scene(None, "", "", "", "")])
    [('00000000-0000-0000-0000-000000000001', 'Street, Mexico 2'), ('none', 'Not stated')]
    """
    return [(str(scene.id), _scene_name(scene)) if scene.id else ("none", "Not stated") for scene in scenes]


def _scene_name(scene: Scene) -> str:
    country = geography.name_of(scene.country)
    if scene.name:
        return f"{scene.name}, {country}"
    number = scene.key[len(scene.key.rstrip("0123456789")) :]
    return f"{(scene.kind or 'scene').capitalize()}, {country}{' ' + number if number else ''}"


def _rows(changes: dict[int, GroupChange], names: Names) -> list[Row]:
    adjusted: dict[str, dict[Any, float]] = {}
    for measure in MEASURES:
        ps = {code: group.changes[measure].p for code, group in changes.items()}
        adjusted[measure] = holm({code: p for code, p in ps.items() if p is not None})
    return [
        Row(
            *names[code],
            group.n_dishes,
            group.n_items,
            group.changes,
            {measure: adjusted[measure][code] for measure in MEASURES if code in adjusted[measure]},
        )
        for code, group in changes.items()
    ]
