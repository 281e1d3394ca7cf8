"""A campaign's items with all that a comparison of subtasks and backgrounds needs, read in one pass."""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.intervals import FloatArray
from app.agreement.patterns import IntArray
from app.agreement.rules import ANSWERS
from app.agreement.tallies import FIRST_JUDGMENTS, QUESTIONS, Basis
from app.items.models import Subtask

SUBTASKS = tuple(subtask.value for subtask in Subtask)


class Scene(NamedTuple):
    """A background as it is stored; of one that isn't known all is empty. `key` is such as `street:mexico1`."""

    id: uuid.UUID | None
    key: str
    name: str
    kind: str
    country: str


class Judged(NamedTuple):
    """N items with counted votes, but for those with a known answer.

    `subtask` (N,) are places in SUBTASKS, `dish` (N,) in `dishes` (id and name), `scene` (N,) in `scenes`, -1 on
    white; `distance` (N,) in `distances`, -1 where it isn't known. `counts` (N, questions, 3) are answers yes, no and
    unsure in the order of QUESTIONS; `truth` (N, questions) the probability that the claim is true by the newest rater
    model, 1 where an adjudicator approved the item, NaN where nobody knows. `has_model` (questions,): there is one.
    """

    subtask: IntArray
    dish: IntArray
    scene: IntArray
    distance: IntArray
    counts: IntArray
    truth: FloatArray
    has_model: tuple[bool, ...]
    dishes: Sequence[tuple[uuid.UUID, str]]
    scenes: Sequence[Scene]
    distances: Sequence[str]


def models_mark(session: Session, campaign_id: uuid.UUID) -> tuple[Any, ...]:
    """Another one whenever a model was fitted or an item settled: the counts' version says nothing of these."""
    return tuple(session.execute(_MARK, {"campaign": campaign_id}).one())


def judged(session: Session, campaign_id: uuid.UUID, basis: Basis) -> Judged:
    """The counts must be up to date. 24,000 items take a fraction of a second."""
    most = FIRST_JUDGMENTS if basis == "first" else 1_000_000
    rows = session.execute(_ITEMS, {"campaign": campaign_id, "most": most}).all()
    dishes, scenes, distances = (dict[Any, int]() for _ in range(3))
    n, width = len(rows), len(QUESTIONS)
    votes = max((len(row.given) // width for row in rows), default=0)
    letters = np.array([row.given.encode() for row in rows], dtype=f"S{max(1, votes * width)}")
    given = letters.view(np.uint8).reshape(n, votes, width) if votes else np.zeros((n, 0, width), np.uint8)
    counts = np.stack([(given == ord(answer[0])).sum(axis=1) for answer in ANSWERS], axis=2)
    model = np.array([row[-width:] for row in rows], dtype=np.float64).reshape(n, width)
    is_settled = np.array([row.is_settled for row in rows], dtype=bool)
    return Judged(
        subtask=_codes([SUBTASKS.index(row.subtask) for row in rows]),
        dish=_codes([dishes.setdefault(row.family_id, len(dishes)) for row in rows]),
        scene=_codes([scenes.setdefault(row.background_id, len(scenes)) if row.on_scene else -1 for row in rows]),
        distance=_codes([distances.setdefault(row.distance, len(distances)) if row.distance else -1 for row in rows]),
        counts=counts,
        truth=np.where(is_settled[:, None] & (counts.sum(axis=2) > 0), 1.0, model),
        has_model=tuple(bool((~np.isnan(model[:, place])).any()) for place in range(width)),
        dishes=_dishes(session, dishes),
        scenes=_scenes(session, scenes),
        distances=list(distances),
    )


def _codes(values: list[int]) -> IntArray:
    return np.array(values, dtype=np.int64)


def _dishes(session: Session, places: dict[uuid.UUID, int]) -> list[tuple[uuid.UUID, str]]:
    names = {row.id: row.name for row in session.execute(_FOODS, {"foods": list(places)})}
    return [(dish, names[dish]) for dish in places]


def _scenes(session: Session, places: dict[uuid.UUID | None, int]) -> list[Scene]:
    known = {row.id: row for row in session.execute(_BACKGROUNDS, {"backgrounds": [key for key in places if key]})}
    return [
        Scene(key, known[key].key, known[key].name or "", known[key].kind or "", known[key].country)
        if key
        else Scene(None, "", "", "", "")
        for key in places
    ]


_POSTERIORS = ", ".join(
    f"CAST(item_posterior.claims ->> '{question}' AS double precision) AS truth_{question}" for question in QUESTIONS
)

# The last five columns are the posteriors.
_ITEMS = sa.text(
    f"""
    SELECT item.subtask, item.family_id, item.background_id, item.subtask IN ('SFB', 'MFB') AS on_scene,
           item.background_distance AS distance,
           array_to_string(answers[1:CAST(:most AS integer)], '') AS given,
           settled.item_id IS NOT NULL AS is_settled, {_POSTERIORS}
    FROM counted_votes
    JOIN item ON item.id = counted_votes.item_id
    LEFT JOIN item_posterior ON item_posterior.item_id = item.id
    LEFT JOIN (
        SELECT DISTINCT adjudication.item_id FROM adjudication JOIN item ON item.id = adjudication.item_id
        WHERE item.campaign_id = :campaign AND item.status = 'approved' AND adjudication.decision_id = (
            SELECT max(decision.id) FROM decision WHERE decision.item_id = adjudication.item_id)
    ) AS settled ON settled.item_id = item.id
    WHERE counted_votes.campaign_id = :campaign AND NOT is_gold ORDER BY item.id
    """  # noqa: S608  (nothing in it comes from outside)
)

_MARK = sa.text(
    """
    SELECT (SELECT max(created_at) FROM rater_model_fit WHERE campaign_id = :campaign) AS fitted,
           count(*) FILTER (WHERE item.status = 'approved') AS settled, max(adjudication.decision_id) AS last
    FROM adjudication JOIN item ON item.id = adjudication.item_id WHERE item.campaign_id = :campaign
    """
)

_FOODS = sa.text("SELECT id, name FROM food WHERE id = ANY(:foods)")

_BACKGROUNDS = sa.text("SELECT id, key, name, kind, country FROM background WHERE id = ANY(:backgrounds)")
