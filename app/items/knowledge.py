"""What is known about dishes and places comes in: facts about dishes, and licensed photographs of dishes and places."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.items import pictures
from app.items.fitting import any_of, fault_in
from app.items.foods import Catalogue
from app.items.images import ImageFacts
from app.items.importing import Progress, lock_imports
from app.items.knowledge_tables import Dish, Photograph, read_knowledge
from app.items.models import Food, FoodOrigin, Image, Photo
from app.items.references import link_references
from app.items.rows import folded
from app.items.tables import Fault
from app.storage import Storage


class KnowledgeReport(NamedTuple):
    """`dishes` and `photos` are new, `updated` and `unchanged` count both; with errors nothing was written.

    `notes` are no errors: rows that say less than others, and what was left out of them.
    """

    dishes: int
    photos: int
    updated: int
    unchanged: int
    errors: list[Fault]
    notes: list[Fault]

    def as_json(self) -> dict[str, Any]:
        return self._asdict() | {
            "errors": [fault._asdict() for fault in self.errors],
            "notes": [note._asdict() for note in self.notes],
        }


class _Tally:
    def __init__(self) -> None:
        self.added = self.updated = self.unchanged = 0

    def count(self, *, is_new: bool, is_changed: bool) -> None:
        if is_new:
            self.added += 1
        elif is_changed:
            self.updated += 1
        else:
            self.unchanged += 1


def import_knowledge(
    session: Session,
    storage: Storage,
    paths: Sequence[Path],
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> KnowledgeReport:
    """Read folders with `manifest.csv` (photographs) and `knowledge_base.csv` (dishes), or such tables one by one.

    All or nothing; a re-run changes nothing, and a row that changed updates what is there. Then foods and backgrounds
    get the photographs that show them. A dry run writes nothing anywhere. Raises Conflict while another import runs.
    """
    if not dry_run:
        lock_imports(session)
    found = read_knowledge(paths)
    images = _images(
        session, storage if not dry_run and not found.errors else None, found.photographs, found.errors, progress
    )
    if found.errors:
        return KnowledgeReport(0, 0, 0, 0, found.errors, found.notes)
    trial = session.begin_nested() if dry_run else None
    pictures.add_rows(session, images)
    dishes, photos = _Tally(), _Tally()
    _write_dishes(session, found.dishes, dishes)
    _write_photos(session, found.photographs, photos)
    if trial is not None:  # counted by doing it, then undone
        trial.rollback()
    else:
        link_references(session)
    updated, unchanged = dishes.updated + photos.updated, dishes.unchanged + photos.unchanged
    return KnowledgeReport(dishes.added, photos.added, updated, unchanged, [], found.notes)


def _images(
    session: Session,
    storage: Storage | None,
    photographs: list[Photograph],
    errors: list[Fault],
    progress: Progress | None,
) -> list[ImageFacts]:
    """The images new to the database; each file must be an image and the one its row was written for."""
    known = set(session.scalars(sa.select(col(Image.sha256))))
    by_path = {photograph.path: photograph for photograph in photographs}
    new: dict[str, ImageFacts] = {}
    looks = pictures.look_at_all(
        ((path, path.name) for path in by_path), known, storage, stop_storing=lambda: bool(errors)
    )
    for done, look in enumerate(looks, start=1):
        row = by_path[look.path]
        if look.error is not None:
            errors.append(fault_in(row.raw, "file", look.error))
        elif look.sha256 != row.sha256:
            errors.append(
                fault_in(row.raw, "sha256", f"{look.path.name} is another file: its SHA-256 is {look.sha256}.")
            )
        elif look.facts is not None:
            new[look.sha256] = look.facts
        if progress is not None:
            progress(done, len(by_path))
    return list(new.values())


def _write_dishes(session: Session, dishes: list[Dish], tally: _Tally) -> None:
    catalogue = Catalogue(session)
    known = {dish.source_id: catalogue.find(dish.source_id, dish.name, dish.aliases) for dish in dishes}
    new = {food.id for food in known.values() if food.is_new}
    adopted = {food.id for food in known.values() if food.is_changed}
    catalogue.save(session)
    ids = [food.id for food in known.values()]
    foods = {food.id: food for food in session.exec(select(Food).where(col(Food.id) == any_of(ids, sa.Uuid)))}
    origins: dict[uuid.UUID, set[str]] = defaultdict(set)
    for origin in session.exec(select(FoodOrigin).where(col(FoodOrigin.food_id) == any_of(ids, sa.Uuid))):
        origins[origin.food_id].add(origin.country)
    gained: list[dict[str, Any]] = []
    for dish in dishes:
        food = foods[known[dish.source_id].id]
        facts = {
            "name": dish.name, "name_key": folded(dish.name), "aliases": dish.aliases,
            "description": dish.description, "category": dish.category,
        }  # fmt: skip
        lost = origins[food.id] - set(dish.countries)
        gain = set(dish.countries) - origins[food.id]
        is_changed = bool(lost or gain or food.id in adopted or any(getattr(food, k) != v for k, v in facts.items()))
        tally.count(is_new=food.id in new, is_changed=is_changed)
        if is_changed:
            food.sqlmodel_update(facts)
        if lost:
            session.execute(
                sa.delete(FoodOrigin).where(col(FoodOrigin.food_id) == food.id, col(FoodOrigin.country).in_(lost))
            )
        gained += [{"food_id": food.id, "country": country} for country in sorted(gain)]
    session.flush()
    if gained:
        session.execute(sa.insert(FoodOrigin), gained)


def _write_photos(session: Session, photographs: list[Photograph], tally: _Tally) -> None:
    keys = [photograph.key for photograph in photographs]
    there = {photo.key: photo for photo in session.exec(select(Photo).where(col(Photo.key) == any_of(keys)))}
    for row in photographs:
        facts: dict[str, Any] = {
            "kind": row.kind, "name": row.name, "aliases": row.aliases, "country": row.country, "licence": row.licence,
            "attribution": row.attribution, "source": row.source, "image_sha256": row.sha256,
        }  # fmt: skip
        photo = there.get(row.key)
        is_changed = photo is not None and any(getattr(photo, field) != value for field, value in facts.items())
        tally.count(is_new=photo is None, is_changed=is_changed)
        if photo is None:
            session.add(Photo(key=row.key, **facts))
        elif is_changed:
            photo.sqlmodel_update(facts)
    session.flush()
