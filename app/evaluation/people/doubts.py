"""Models against people: where annotators disagreed beside where models fail, and labels that most models contradict.

A label is in doubt when more than half of at least three models that answered give one same other country, or one same
other dish. Only released items were ever asked about, and only their first food counts here.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.intervals import percentile_interval
from app.evaluation.metrics.answers import country_code
from app.evaluation.metrics.bootstrap import Draws, Estimate
from app.evaluation.metrics.similarity import THRESHOLD, name_similarity
from app.evaluation.people.voices import Majority, Voter, majorities_of, voters_of
from app.evaluation.reading import ReleasedItem
from app.evaluation.released import released_items
from app.items.rows import folded
from app.releases.models import Release
from app.storage import Storage

MIN_MODELS: Final = 3
DIFFICULTIES: Final = ("unanimous", "contested")
_KEPT: dict[tuple[object, ...], "Study"] = {}
_MOST: Final = 4


class Doubt(NamedTuple):
    """A label that most models contradict; the figure they do it with is None where they don't. `is_peoples_word`:
    some annotator wrote that very correction."""

    item_id: uuid.UUID
    n_models: int
    country: str | None
    n_country: int
    name: str | None
    n_name: int
    is_peoples_word: bool

    @property
    def against(self) -> int:
        return max(self.n_country, self.n_name)


class Row(NamedTuple):
    """Items of one difficulty by the models' majority: a country of the label, one other country, or none."""

    right: int
    other: int
    split: int
    accuracy: Estimate

    @property
    def total(self) -> int:
        return self.right + self.other + self.split


class Corrected(NamedTuple):
    """Items on which an annotator wrote another country than the label's, by what the models' majority says."""

    as_people: int
    as_label: int
    neither: int

    @property
    def total(self) -> int:
        return sum(self)


@dataclass(frozen=True)
class Study:
    """`gap`: country accuracy on contested items less that on unanimous ones. `doubts`: the largest share first."""

    voters: tuple[Voter, ...]
    n_released: int
    n_answered: int
    rows: Mapping[str, Row]
    gap: Estimate
    corrected: Corrected
    doubts: tuple[Doubt, ...]

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(voter.model for voter in self.voters))


def study(session: Session, storage: Storage, release: Release) -> Study:
    """Everything that the answers of finished runs say about a published release; kept, for such answers stay.

    Raises NotPublished and DamagedRelease.
    """
    items = released_items(storage, release)
    voters = voters_of(session, release)
    key = (release.manifest_sha256, voters)
    found = _KEPT.get(key)
    if found is None:
        found = _study(session, release, items, voters)
        if len(_KEPT) >= _MOST:
            _KEPT.clear()  # also under the feet of other threads
        _KEPT[key] = found
    return found


def _study(session: Session, release: Release, items: Sequence[ReleasedItem], voters: tuple[Voter, ...]) -> Study:
    labels = {item.item_id: item.foods[0].countries for item in items}
    majorities = majorities_of(session, voters, labels)
    corrections = _corrections(session, release) if voters else {}
    asked = [item for item in items if item.item_id in majorities]
    rows, gap = _table(asked, majorities)
    doubts = (_doubt(item, majorities[item.item_id], corrections.get(item.item_id, ())) for item in asked)
    return Study(
        voters,
        len(items),
        len(asked),
        rows,
        gap,
        _corrected(asked, majorities, corrections),
        tuple(
            sorted((doubt for doubt in doubts if doubt), key=lambda one: (-one.against / one.n_models, -one.against))
        ),
    )


class Correction(NamedTuple):
    """What one annotator wrote instead of the label, as it came."""

    country: str | None
    name: str | None


# As people had judged when the release was made: what came after an item was sent back is not the label's story.
_CORRECTIONS = sa.text(
    """
    SELECT claim.item_id, judgment.answers -> 'food1_origin' ->> 'correction' AS country,
           judgment.answers -> 'food1_identity' ->> 'correction' AS name
    FROM release_item JOIN decision ON decision.id = release_item.decision_id
    JOIN claim ON claim.item_id = release_item.item_id AND claim.state = 'judged' AND claim.slot IS NOT NULL
      AND claim.ended_at <= decision.created_at
    JOIN judgment ON judgment.id = claim.judgment_id
    WHERE release_item.release_id = :release
      AND (judgment.answers -> 'food1_origin' ->> 'correction' IS NOT NULL
           OR judgment.answers -> 'food1_identity' ->> 'correction' IS NOT NULL)
    """
)


def _corrections(session: Session, release: Release) -> dict[uuid.UUID, list[Correction]]:
    found: dict[uuid.UUID, list[Correction]] = defaultdict(list)
    for row in session.execute(_CORRECTIONS, {"release": release.id}):
        found[row.item_id].append(Correction(row.country, row.name))
    return found


def _doubt(item: ReleasedItem, majority: Majority, corrections: Iterable[Correction]) -> Doubt | None:
    if majority.n_models < MIN_MODELS:
        return None
    food = item.foods[0]
    country = majority.country if majority.country not in food.countries else None
    name = majority.name if not _is_called(majority.name, (food.name, *food.aliases)) else None
    if country is None and name is None:
        return None
    is_peoples_word = any(
        (country is not None and country_code(written.country) == country)
        or (name is not None and written.name is not None and _is_called(name, (written.name,)))
        for written in corrections
    )
    return Doubt(
        item.item_id, majority.n_models, country, majority.n_country if country else 0,
        name, majority.n_name if name else 0, is_peoples_word,
    )  # fmt: skip


def _is_called(name: str | None, names: Iterable[str]) -> bool:
    """Whether a dish is meant by any of the names, as the benchmark's scoring has it; no name contradicts none."""
    return name is None or any(name_similarity(name, folded(other)) >= THRESHOLD for other in names)


def _table(asked: Sequence[ReleasedItem], majorities: Mapping[uuid.UUID, Majority]) -> tuple[dict[str, Row], Estimate]:
    place = {dish: index for index, dish in enumerate(sorted({item.foods[0].dish for item in asked}))}
    right = {difficulty: np.zeros(len(place)) for difficulty in DIFFICULTIES}
    total = {difficulty: np.zeros(len(place)) for difficulty in DIFFICULTIES}
    counts = {difficulty: Counter[str]() for difficulty in DIFFICULTIES}
    for item in asked:
        if item.difficulty is None:
            continue
        majority, at = majorities[item.item_id], place[item.foods[0].dish]
        right[item.difficulty][at] += majority.n_right
        total[item.difficulty][at] += majority.n_answers
        is_right = majority.country in item.foods[0].countries
        counts[item.difficulty]["split" if majority.country is None else "right" if is_right else "other"] += 1
    draws = Draws(seed=0).of(len(place))
    rows = {
        name: Row(
            counts[name]["right"], counts[name]["other"], counts[name]["split"],
            draws.share(right[name], total[name], reason="no_answers"),
        )
        for name in DIFFICULTIES
    }  # fmt: skip
    shares = []
    for name in DIFFICULTIES:
        below = draws.weights @ total[name]
        shares.append(draws.weights @ right[name] / np.where(below > 0, below, np.nan))
    return rows, _gap(rows["unanimous"].accuracy, rows["contested"].accuracy, shares[1] - shares[0])


def _gap(unanimous: Estimate, contested: Estimate, replicates: np.ndarray) -> Estimate:
    """The same draws of dishes stand under both, so what is hard about a dish is taken out of the difference."""
    if unanimous.value is None or contested.value is None:
        return Estimate(None, reason="no_answers")
    value = contested.value - unanimous.value
    interval = percentile_interval(replicates)
    return Estimate(value, *interval) if interval else Estimate(value, reason="unstable")


def _corrected(
    asked: Iterable[ReleasedItem],
    majorities: Mapping[uuid.UUID, Majority],
    corrections: Mapping[uuid.UUID, Sequence[Correction]],
) -> Corrected:
    counts: Counter[str] = Counter()
    for item in asked:
        label, country = item.foods[0].countries, majorities[item.item_id].country
        written = {country_code(one.country) for one in corrections.get(item.item_id, ())} - {None, *label}
        if written:
            counts["people" if country in written else "label" if country in label else "neither"] += 1
    return Corrected(counts["people"], counts["label"], counts["neither"])
