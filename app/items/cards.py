"""What a card shows of an item: its image, its claims, and what is known about the dishes and places it names."""

import unicodedata
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app import geography
from app.items.models import BackgroundKind, Subtask

ENGLISH: Final = "en"


class Reference(NamedTuple):
    """A reference picture and whom to credit for it."""

    sha256: str
    credit: str | None


class FoodFacts(NamedTuple):
    """`countries` are the names of the claimed origins, `origins` those the knowledge base names, in `language`."""

    name: str
    countries: list[str]
    aliases: list[str]
    origins: list[str]
    description: str
    reference: Reference | None
    language: str = ENGLISH

    @property
    def country(self) -> str:
        if self.language == ENGLISH:
            return " or ".join(self.countries)
        from babel.lists import format_list

        return format_list(self.countries, "or", self.language)


SCRIPTS: Final = {"ko": "HANGUL", "ar": "ARABIC"}
"""The letters of a language, by the first word of their names in Unicode; of the others, Latin ones."""


def local_name(aliases: Sequence[str], language: str) -> str | None:
    """The dish as it is written where it comes from: the alias in the letters of the reader's language, else the first
    one that isn't in Latin letters.

    >>> local_name(["Koshary", "كشرى"], "en"), local_name(["죽", "粥"], "es"), local_name(["Kushari"], "ar")
    ('كشرى', '죽', None)
    >>> local_name(["Цуйван", "냉면"], "ko")
    '냉면'
    """
    scripts = [(_script(alias), alias) for alias in aliases]
    own = [alias for script, alias in scripts if script == SCRIPTS.get(language)]
    others = [alias for script, alias in scripts if script not in ("LATIN", None)]
    return next(iter(own + others), None)


def _script(text: str) -> str | None:
    """Of the first letter."""
    return next((unicodedata.name(one, "").split(" ")[0] for one in text if one.isalpha()), None)


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


def card_facts(session: Session, item_ids: Iterable[uuid.UUID], language: str = ENGLISH) -> dict[uuid.UUID, CardFacts]:
    """Everything the cards of these items show, in two queries however many they are; countries in this language.

    A reference an item was imported with goes before the knowledge base's photograph of the same dish or place.
    """
    scope = {"items": list(item_ids)}
    foods: dict[uuid.UUID, list[FoodFacts]] = {}
    for row in session.execute(_FOODS, scope):
        foods.setdefault(row.item_id, []).append(_food(row, language))
    return {row.id: _card(row, foods.get(row.id, []), language) for row in session.execute(_ITEMS, scope)}


def _food(row: Any, language: str) -> FoodFacts:
    return FoodFacts(
        name=row.name,
        countries=_names(row.countries, language),
        aliases=[alias for alias in dict.fromkeys([*row.own_aliases, *row.aliases]) if alias != row.name],
        origins=_names(row.origins, language),
        description=row.description,
        reference=_reference(row),
        language=language,
    )


def _card(row: Any, foods: list[FoodFacts], language: str) -> CardFacts:
    background = None
    if row.background_id is not None:
        background = BackgroundFacts(
            name=row.background_name,
            country=geography.name_of(row.background_country, language),
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


def _names(codes: Sequence[str], language: str) -> list[str]:
    return [geography.name_of(code, language) for code in codes]
