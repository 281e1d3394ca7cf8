"""What the list of items can be narrowed to in a campaign, and the names behind the ids in its filters."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app import geography
from app.adjudication.agreement.item_views import KIND_WORDS, part_words
from app.agreement.tallies import Basis
from app.items.cards import BackgroundFacts
from app.items.models import BackgroundKind
from app.judgments.cards import background_words
from app.judgments.vote_filters import KNOWLEDGE, ON_WHITE, Wanted


class Choices(NamedTuple):
    """`parts` are ("kind:part", words) by kind; `scene_countries` (code, name); `people` (id, name)."""

    parts: Mapping[str, list[tuple[str, str]]]
    scene_countries: list[tuple[str, str]]
    people: list[tuple[str, str]]


def choices(session: Session, campaign_id: uuid.UUID, basis: Basis) -> Choices:
    """From the counts alone. The counts must be up to date."""
    scope = {"campaign": campaign_id, "basis": basis}
    parts: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for kind, part in session.execute(_PARTS, scope):
        parts[kind].append((f"{kind}:{part}", part_words(kind, part, {})))
    scenes = [(code, geography.name_of(code)) for code in session.execute(_SCENES, scope).scalars()]
    people = [(str(row.id), row.name) for row in session.execute(_PEOPLE, scope)]
    return Choices(
        {kind: sorted(parts[kind], key=lambda option: option[1]) for kind in KIND_WORDS if kind in parts},
        sorted(scenes, key=lambda option: option[1]),
        people,
    )


def groups(found: Choices, wanted: Wanted, names: Mapping[str, str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The choices of one part, by kind; what the filters name now is always among them."""
    shown = {kind: list(options) for kind, options in found.parts.items() if wanted.question or kind not in KNOWLEDGE}
    here = (f"{wanted.by}:{wanted.part}", part_words(wanted.by, wanted.part, names))
    if wanted.by and here not in shown.get(wanted.by, []):
        shown.setdefault(wanted.by, []).append(here)
    return [(KIND_WORDS[kind], options) for kind, options in shown.items()]


def names_in(session: Session, wanted: Wanted) -> dict[str, str]:
    """{id: name} of the people, dish and background in the filters."""
    people = [wanted.rater, wanted.a, wanted.b, wanted.part if wanted.by == "rater" else ""]
    names = _named(session, _ACCOUNTS, people)
    names |= dish_names(session, [wanted.food, wanted.part if wanted.by == "food" else ""])
    scenes = [wanted.scene, wanted.part if wanted.by == "scene" else ""]
    return names | scene_names(session, [place for place in scenes if place and place != ON_WHITE])


def dish_names(session: Session, ids: Iterable[str]) -> dict[str, str]:
    return _named(session, _FOODS, ids)


def scene_names(session: Session, ids: Iterable[str]) -> dict[str, str]:
    found = session.execute(_BACKGROUNDS, {"ids": [uuid.UUID(one) for one in ids]})
    return {
        str(row.id): background_words(
            BackgroundFacts(
                row.name, geography.name_of(row.country), BackgroundKind(row.kind) if row.kind else None, None
            )
        )
        for row in found
    }


def _named(session: Session, statement: Any, ids: Iterable[str]) -> dict[str, str]:
    wanted = [uuid.UUID(one) for one in ids if one]
    return {str(row.id): row.name for row in session.execute(statement, {"ids": wanted})}


_PARTS = sa.text(
    """
    SELECT DISTINCT kind, part FROM vote_pattern
    WHERE campaign_id = :campaign AND basis = :basis AND kind NOT IN ('all', 'rater') AND n_items > 0
    """
)
_SCENES = sa.text(
    """
    SELECT DISTINCT background.country FROM background JOIN item ON item.background_id = background.id
    WHERE item.campaign_id = :campaign
    """
)
_PEOPLE = sa.text(
    """
    SELECT account.id, account.name FROM account WHERE id IN (
        SELECT rater_id FROM rater_votes
        WHERE campaign_id = :campaign AND basis = :basis AND kind = 'all' AND part = '' AND n_items > 0
    ) ORDER BY name, id
    """
)
_ACCOUNTS = sa.text("SELECT id, name FROM account WHERE id = ANY(:ids)")
_FOODS = sa.text("SELECT id, name FROM food WHERE id = ANY(:ids)")
_BACKGROUNDS = sa.text("SELECT id, name, kind, country FROM background WHERE id = ANY(:ids)")
