"""Which photograph shows which dish and which place: only what is sure by name or country, and the same every time."""

import re
import unicodedata
import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.items.models import Background, Food, FoodOrigin, ItemFood, Photo

_LATIN_MARKS: Final = re.compile("[\u0300-\u036f]")


def link_references(session: Session) -> None:
    """Give foods and backgrounds their photographs; idempotent.

    A food's photograph has its id, or its name, or one of its other names (then also one of its countries). A
    background's has its id, or its name and country, else it shows the same kind of place in that country.
    """
    photos = session.exec(select(Photo).order_by(col(Photo.key))).all()
    _link_foods(session, [photo for photo in photos if photo.kind == "dish"])
    _link_backgrounds(session, [photo for photo in photos if photo.kind != "dish"])


def match_key(name: str) -> str:
    """A name without case, Latin accents, punctuation and spaces; marks that spell words in other scripts stay.

    >>> match_key("Arròs  Negre") == match_key("arros negre"), match_key("दाल") == match_key("दल")
    (True, False)
    """
    plain = _LATIN_MARKS.sub("", unicodedata.normalize("NFKD", name.casefold()))
    return "".join(letter for letter in plain if unicodedata.category(letter)[0] in "LMN")


def _keys(names: Iterable[str]) -> set[str]:
    return {key for name in names if (key := match_key(name))}


def _link_foods(session: Session, photos: list[Photo]) -> None:
    if not photos:
        return
    by_key = {photo.key: photo for photo in photos}
    by_name: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        by_name[match_key(photo.name)].append(photo)
    columns = (col(Food.id), col(Food.source_id), col(Food.name), col(Food.aliases), col(Food.photo_id))
    foods = session.execute(sa.select(*columns)).all()
    names = {match_key(food.name) for food in foods}
    # A photograph of a dish that is known by its own name is not lent to another dish: names are shared (canjica).
    by_alias: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        for key in _keys(photo.aliases) if match_key(photo.name) not in names else ():
            by_alias[key].append(photo)
    countries = _countries_of_foods(session)
    changes = []
    for food in foods:
        own = match_key(food.name)
        same_name = by_name.get(own, [])
        others = [photo for key in sorted(_keys(food.aliases) - names) for photo in by_name.get(key, [])]
        candidates = (*same_name, *by_alias.get(own, []), *others)
        at_home = [photo for photo in candidates if photo.country in countries[food.id]]
        found = [by_key[food.source_id]] if food.source_id in by_key else [*at_home, *same_name]
        if found and found[0].id != food.photo_id:
            changes.append({"id": food.id, "photo_id": found[0].id})
    if changes:
        session.execute(sa.update(Food), changes)


def _countries_of_foods(session: Session) -> dict[uuid.UUID, set[str]]:
    """By the knowledge base, and where it is silent by what items claim."""
    countries: dict[uuid.UUID, set[str]] = defaultdict(set)
    for food_id, country in session.execute(sa.select(col(FoodOrigin.food_id), col(FoodOrigin.country))):
        countries[food_id].add(country)
    known = frozenset(countries)
    claims = sa.select(col(ItemFood.food_id), sa.func.unnest(col(ItemFood.countries))).distinct()
    for food_id, country in session.execute(claims):
        if food_id not in known:
            countries[food_id].add(country)
    return countries


def _link_backgrounds(session: Session, photos: list[Photo]) -> None:
    by_key = {photo.key: photo for photo in photos}
    by_country: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        by_country[photo.country].append(photo)
    for scene in session.exec(select(Background)):
        near = by_country[scene.country]
        same_name = [photo for photo in near if scene.name and match_key(scene.name) == match_key(photo.name)]
        # A landmark says nothing about what a street there looks like, and would mislead who compares the two.
        same_kind = [photo for photo in near if scene.kind is None or photo.kind == f"background_{scene.kind}"]
        found = [by_key[scene.key]] if scene.key in by_key else [*same_name, *same_kind]
        if found and found[0].id != scene.photo_id:
            scene.photo_id = found[0].id
    session.flush()
