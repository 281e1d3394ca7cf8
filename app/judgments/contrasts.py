"""A campaign's items with all that a comparison of subtasks and backgrounds needs, read in one pass."""

import itertools
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.intervals import FloatArray
from app.agreement.patterns import IntArray
from app.agreement.rules import ANSWERS
from app.agreement.tallies import FIRST_JUDGMENTS, QUESTIONS, Basis
from app.items.models import Subtask

UNKNOWN = uuid.UUID(int=0)
"""Stands for a background that isn't known while ids are read."""
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
    """The counts must be up to date. A column comes as the bytes of one value: as rows of Python objects 100,000 items
    would take over a second."""
    most = FIRST_JUDGMENTS if basis == "first" else 1_000_000
    columns = session.execute(_ITEMS, {"campaign": campaign_id, "most": most, "subtasks": list(SUBTASKS)}).one()
    subtask = np.frombuffer(columns.subtask or b"", ">i2").astype(np.int64)
    n, width = len(subtask), len(QUESTIONS)
    on_scene = np.isin(subtask, [SUBTASKS.index(name) for name in ("SFB", "MFB")])
    votes = (columns.width or 0) // width
    given = np.frombuffer((columns.given or "").encode(), np.uint8).reshape(n, votes, width)
    counts = np.stack([(given == ord(answer[0])).sum(axis=1) for answer in ANSWERS], axis=2)
    model = np.frombuffer(columns.truth or b"", ">f8").astype(np.float64).reshape(n, width)
    is_settled = np.frombuffer(columns.is_settled or b"", np.uint8).astype(bool)
    dish, dishes = _places(columns.dish)
    scene, scenes = _places(columns.scene, on_scene)
    distances: dict[str, int] = {}
    distance = [distances.setdefault(name, len(distances)) if name else -1 for name in columns.distance or ()]
    return Judged(
        subtask=subtask,
        dish=dish,
        scene=scene,
        distance=np.array(distance, dtype=np.int64),
        counts=counts,
        truth=np.where(is_settled[:, None] & (counts.sum(axis=2) > 0), 1.0, model),
        has_model=tuple(bool((~np.isnan(model[:, place])).any()) for place in range(width)),
        dishes=_dishes(session, dishes),
        scenes=_scenes(session, scenes),
        distances=list(distances),
    )


def _places(ids: bytes | None, chosen: npt.NDArray[np.bool_] | None = None) -> tuple[IntArray, list[uuid.UUID]]:
    """Codes (N,) of ids of 16 bytes each, -1 where not chosen, and the ids in the order of their codes."""
    places: dict[bytes, int] = {}
    each = np.frombuffer(ids or b"", "V16").tolist()
    found = [
        places.setdefault(key, len(places)) if is_one else -1
        for key, is_one in zip(each, itertools.repeat(True) if chosen is None else chosen.tolist(), strict=False)
    ]
    return np.array(found, dtype=np.int64), [uuid.UUID(bytes=key) for key in places]


def _dishes(session: Session, ids: list[uuid.UUID]) -> list[tuple[uuid.UUID, str]]:
    names = {row.id: row.name for row in session.execute(_FOODS, {"foods": ids})}
    return [(dish, names[dish]) for dish in ids]


def _scenes(session: Session, ids: list[uuid.UUID]) -> list[Scene]:
    known = {row.id: row for row in session.execute(_BACKGROUNDS, {"backgrounds": ids})}
    return [
        Scene(key, known[key].key, known[key].name or "", known[key].kind or "", known[key].country)
        if key != UNKNOWN
        else Scene(None, "", "", "", "")
        for key in ids
    ]


_TRUTH = " || ".join(f"float8send(coalesce(CAST(claims ->> '{question}' AS float8), 'NaN'))" for question in QUESTIONS)

_ITEMS = sa.text(
    f"""
    WITH one AS MATERIALIZED (
        SELECT CAST(item.subtask AS text) AS subtask, item.family_id, item.background_distance AS distance,
               coalesce(item.background_id, CAST('{UNKNOWN}' AS uuid)) AS background_id,
               settled.item_id IS NOT NULL AS is_settled,
               array_to_string(answers[1:CAST(:most AS integer)], '') AS given, {_TRUTH} AS truth
        FROM counted_votes
        JOIN item ON item.id = counted_votes.item_id
        LEFT JOIN item_posterior ON item_posterior.item_id = item.id
        LEFT JOIN (
            SELECT DISTINCT adjudication.item_id FROM adjudication JOIN item ON item.id = adjudication.item_id
            WHERE item.campaign_id = :campaign AND item.status = 'approved' AND adjudication.decision_id = (
                SELECT max(decision.id) FROM decision WHERE decision.item_id = adjudication.item_id)
        ) AS settled ON settled.item_id = item.id
        WHERE counted_votes.campaign_id = :campaign AND NOT is_gold ORDER BY item.id
    ), widest AS (SELECT max(length(given)) AS width FROM one)
    SELECT max(width) AS width,
           string_agg(int2send(CAST(array_position(CAST(:subtasks AS text[]), subtask) - 1 AS smallint)), '')
               AS subtask,
           string_agg(uuid_send(family_id), '') AS dish, string_agg(uuid_send(background_id), '') AS scene,
           array_agg(distance) AS distance, string_agg(boolsend(is_settled), '') AS is_settled,
           string_agg(rpad(given, width), '') AS given, string_agg(truth, '') AS truth
    FROM one CROSS JOIN widest
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
