"""What a card shows of an item: its image, its claims, and what is known about the dishes and places it names."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app import geography
from app.items.models import BackgroundKind, Subtask


class Reference(NamedTuple):
    """A reference picture and whom to credit for it."""

    sha256: str
    credit: str | None


class FoodFacts(NamedTuple):
    """`countries` are the claimed origins as English names, `origins` those the knowledge base names."""

    name: str
    countries: list[str]
    aliases: list[str]
    origins: list[str]
    description: str
    reference: Reference | None

    @property
    def country(self) -> str:
        return " or ".join(self.countries)


class BackgroundFacts(NamedTuple):
    name: str | None
    country: str
    kind: BackgroundKind | None
    reference: Reference | None


class CardFacts(NamedTuple):
    """`width` and `height` in pixels, as displayed."""

    item_id: uuid.UUID
    subtask: Subtask
    image_sha256: str
    width: int
    height: int
    foods: list[FoodFacts]
    background: BackgroundFacts | None


_ITEMS = sa.text(
    """
    SELECT item.id, item.subtask, item.image_sha256, image.width, image.height,
           item.background_id, background.name AS background_name, background.kind AS background_kind,
           background.country AS background_country, photo.image_sha256 AS photo_sha256,
           photo.attribution, photo.licence, own.image_sha256 AS own_sha256,
           (SELECT concat(attribution, ', ', licence) FROM photo WHERE image_sha256 = own.image_sha256
            ORDER BY photo.key LIMIT 1) AS own_credit
    FROM item JOIN image ON image.sha256 = item.image_sha256
    LEFT JOIN background ON background.id = item.background_id
    LEFT JOIN photo ON photo.id = background.photo_id
    LEFT JOIN item_reference AS own ON own.item_id = item.id AND own.part = 'background'
    WHERE item.id = ANY(:items)
    """
)

_FOODS = sa.text(
    """
    SELECT item_food.item_id, item_food.slot, item_food.name, item_food.countries,
           item_food.aliases AS own_aliases, food.aliases, food.description,
           photo.image_sha256 AS photo_sha256, photo.attribution, photo.licence, own.image_sha256 AS own_sha256,
           (SELECT concat(attribution, ', ', licence) FROM photo WHERE image_sha256 = own.image_sha256
            ORDER BY photo.key LIMIT 1) AS own_credit,
           ARRAY(SELECT country FROM food_origin WHERE food_origin.food_id = food.id ORDER BY country) AS origins
    FROM item_food JOIN food ON food.id = item_food.food_id LEFT JOIN photo ON photo.id = food.photo_id
    LEFT JOIN item_reference AS own ON own.item_id = item_food.item_id AND own.part = 'food' || item_food.slot
    WHERE item_food.item_id = ANY(:items)
    ORDER BY item_food.slot
    """
)


def card_facts(session: Session, item_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, CardFacts]:
    """Everything the cards of these items show, in two queries however many they are.

    A reference an item was imported with goes before the knowledge base's photograph of the same dish or place.
    """
    scope = {"items": list(item_ids)}
    foods: dict[uuid.UUID, list[FoodFacts]] = {}
    for row in session.execute(_FOODS, scope):
        foods.setdefault(row.item_id, []).append(_food(row))
    return {row.id: _card(row, foods.get(row.id, [])) for row in session.execute(_ITEMS, scope)}


def _food(row: Any) -> FoodFacts:
    return FoodFacts(
        name=row.name,
        countries=_names(row.countries),
        aliases=[alias for alias in dict.fromkeys([*row.own_aliases, *row.aliases]) if alias != row.name],
        origins=_names(row.origins),
        description=row.description,
        reference=_reference(row),
    )


def _card(row: Any, foods: list[FoodFacts]) -> CardFacts:
    background = None
    if row.background_id is not None:
        background = BackgroundFacts(
            name=row.background_name,
            country=geography.name_of(row.background_country),
            kind=BackgroundKind(row.background_kind) if row.background_kind else None,
            reference=_reference(row),
        )
    return CardFacts(row.id, Subtask(row.subtask), row.image_sha256, row.width, row.height, foods, background)


def _reference(row: Any) -> Reference | None:
    if row.own_sha256 is not None:
        return Reference(row.own_sha256, row.own_credit)
    if row.photo_sha256 is None:
        return None
    return Reference(row.photo_sha256, f"{row.attribution}, {row.licence}")


def _names(codes: Sequence[str]) -> list[str]:
    return [geography.name_of(code) for code in codes]
