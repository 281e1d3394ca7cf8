"""Writing checked items: all their rows, in the caller's transaction."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, select

from app import geography
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.campaigns.parameters import Visits, first_visits
from app.items import pictures
from app.items.candidates import add_sets
from app.items.fitting import any_of
from app.items.foods import Catalogue, KnownFood
from app.items.images import ImageFacts
from app.items.models import (
    Background,
    Gold,
    Hold,
    ImportBatch,
    Item,
    ItemFood,
    ItemReference,
    SourceRecord,
    Status,
)  # fmt: skip
from app.items.rows import ClaimRow

_AT_ONCE: Final = 1000


class NewItem(NamedTuple):
    """An item to write: its claim, the SHA-256 of its image and of its reference pictures by part."""

    claim: ClaimRow
    sha256: str
    references: Mapping[str, str]
    revision: int


def write(
    session: Session,
    campaign: Campaign,
    items: list[NewItem],
    *,
    parents: Mapping[str, uuid.UUID],
    facts: Iterable[ImageFacts],
    files: list[str],
    unchanged: int,
    account_id: uuid.UUID | None,
) -> ImportBatch:
    """`parents` are the ids of items there already, by key; `facts` the images new to the database."""
    batch = ImportBatch(
        campaign_id=campaign.id, account_id=account_id, files=files, added=len(items), unchanged=unchanged
    )
    session.add(batch)
    session.flush()
    pictures.add_rows(session, facts)
    catalogue = Catalogue(session)
    foods = {
        item.claim.key: [catalogue.find(food.id_as_written, food.name, food.aliases) for food in item.claim.foods]
        for item in items
    }
    catalogue.save(session)
    scenes = _scenes(session, [item.claim for item in items])
    sets = add_sets(session, campaign, {item.claim.candidate_set for item in items if item.claim.candidate_set})
    visits = first_visits(campaigns.current_policy(session, campaign))
    ids = {**parents, **{item.claim.key: uuid.uuid4() for item in items}}
    # A revision points at the item before it, which must be there by then.
    items = sorted(items, key=lambda item: item.revision)
    _insert(session, Item, (_item(campaign, item, ids, foods[item.claim.key], scenes, sets, visits) for item in items))
    _insert(session, ItemFood, (food for item in items for food in _foods(item.claim, ids, foods[item.claim.key])))
    _insert(
        session,
        ItemReference,
        (
            {"item_id": ids[item.claim.key], "part": part, "image_sha256": sha256}
            for item in items
            for part, sha256 in item.references.items()
        ),
    )
    _insert(
        session,
        SourceRecord,
        (
            {
                "item_id": ids[item.claim.key], "batch_id": batch.id,
                "file": item.claim.raw.file, "row": item.claim.raw.row, "values": item.claim.raw.values,
            }
            for item in items
        ),
    )  # fmt: skip
    _insert(
        session,
        Gold,
        (
            {"item_id": ids[item.claim.key], "question": question, "answer": answer, "created_by": account_id}
            for item in items
            for question, answer in item.claim.gold.items()
        ),
    )
    return batch


def shuffle_of(campaign_id: uuid.UUID, key: str) -> float:
    """Where in a random order an item stands: in [0, 1), and the same whenever asked again."""
    digest = hashlib.sha256(f"{campaign_id}:{key}".encode()).digest()
    return int.from_bytes(digest[:3], "big") / 2**24  # 24 bits: all that a REAL keeps


def _item(
    campaign: Campaign,
    item: NewItem,
    ids: Mapping[str, uuid.UUID],
    foods: list[KnownFood],
    scenes: Mapping[str, uuid.UUID],
    sets: Mapping[str, uuid.UUID],
    visits: Visits,
) -> dict[str, Any]:
    claim = item.claim
    first = claim.foods[0].countries
    return {
        "id": ids[claim.key],
        "campaign_id": campaign.id,
        "key": claim.key,
        "subtask": claim.subtask,
        "family_id": foods[0].id,
        "background_id": scenes[claim.scene.key] if claim.scene else None,
        "background_as_written": claim.scene.as_written if claim.scene else None,
        "food_distance": geography.cultural_distance(first, claim.foods[1].countries) if len(foods) > 1 else None,
        "background_distance": geography.cultural_distance(first, [claim.scene.country]) if claim.scene else None,
        "image_sha256": item.sha256,
        "generator": claim.generator,
        "prompt": claim.prompt,
        "seed": claim.seed,
        "revision": item.revision,
        "revision_of_id": ids[claim.revision_of] if claim.revision_of else None,
        "candidate_set_id": sets[claim.candidate_set] if claim.candidate_set else None,
        "hold": Hold.CANDIDATES if claim.candidate_set else None,
        "priority": 0,
        "shuffle": shuffle_of(campaign.id, claim.key),
        "status": Status.PENDING,
        "home": first[0],
        "region": geography.continent_of(first[0]),
        **visits._asdict(),
        "held": 0,
        "judged": 0,
    }


def _foods(claim: ClaimRow, ids: Mapping[str, uuid.UUID], foods: list[KnownFood]) -> Iterable[dict[str, Any]]:
    for slot, (claimed, food) in enumerate(zip(claim.foods, foods, strict=True), start=1):
        yield {
            "item_id": ids[claim.key],
            "slot": slot,
            "food_id": food.id,
            "id_as_written": claimed.id_as_written,
            "name": claimed.name,
            "country_as_written": claimed.country_as_written,
            "countries": list(claimed.countries),
            "aliases": list(claimed.aliases),
        }


def _scenes(session: Session, claims: list[ClaimRow]) -> dict[str, uuid.UUID]:
    """The ids of the claimed backgrounds by key; new ones are added, a name not known before is filled in."""
    claimed = {claim.scene.key: claim.scene for claim in claims if claim.scene}
    named = {claim.scene.key: claim.scene.name for claim in claims if claim.scene and claim.scene.name}
    there = {
        scene.key: scene for scene in session.exec(select(Background).where(col(Background.key) == any_of(claimed)))
    }
    for key, scene in claimed.items():
        if key not in there:
            there[key] = Background(key=key, name=named.get(key), kind=scene.kind, country=scene.country)
            session.add(there[key])
        elif there[key].name is None and key in named:
            there[key].name = named[key]
    session.flush()
    return {key: scene.id for key, scene in there.items()}


def _insert(session: Session, table: type[SQLModel], rows: Iterable[dict[str, Any]]) -> None:
    waiting: list[dict[str, Any]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == _AT_ONCE:
            session.execute(sa.insert(table), waiting)
            waiting = []
    if waiting:
        session.execute(sa.insert(table), waiting)
