"""What an engine gets to work with: the claim, its photographs out of the storage, and what was wrong."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import geography
from app.generation.engines import Part, Source, Task
from app.generation.wrong import wrong_of
from app.items.models import Background, Food, Image, Item, ItemFood, ItemReference
from app.items.pictures import original_key
from app.storage import Storage

MOST: Final = 6
"""Photographs of one dish or place that an engine is offered."""


class Known(NamedTuple):
    """`used` is the SHA-256 of the photograph that the rejected image was made from, where it is known."""

    part: str
    name: str
    names: Sequence[str]
    used: str | None
    pictures: Sequence[str]


_DISH: Final = sa.text(
    """
    SELECT sha, min(rank) AS rank FROM (
        SELECT photo.image_sha256 AS sha, 1 AS rank FROM food JOIN photo ON photo.id = food.photo_id
        WHERE food.id = :food
        UNION ALL
        SELECT image_sha256, 2 FROM photo WHERE kind = 'dish' AND lower(name) = ANY(:names)
        UNION ALL
        SELECT * FROM (
            SELECT reference.image_sha256, 3 FROM item_food
            JOIN item_reference AS reference
              ON reference.item_id = item_food.item_id AND reference.part = 'food' || item_food.slot
            JOIN item ON item.id = item_food.item_id
            WHERE item_food.food_id = :food AND item.campaign_id = :campaign AND item.status <> 'rejected'
              AND item.id <> :item
            GROUP BY 1 ORDER BY 1 LIMIT 20
        ) AS elsewhere
    ) AS found GROUP BY sha ORDER BY rank, sha
    """
)
_SCENE: Final = sa.text(
    """
    SELECT sha, min(rank) AS rank FROM (
        SELECT photo.image_sha256 AS sha, 1 AS rank FROM background JOIN photo ON photo.id = background.photo_id
        WHERE background.id = :scene
        UNION ALL
        SELECT * FROM (
            SELECT reference.image_sha256, 2 FROM item
            JOIN item_reference AS reference ON reference.item_id = item.id AND reference.part = 'background'
            WHERE item.background_id = :scene AND item.campaign_id = :campaign AND item.status <> 'rejected'
              AND item.id <> :item
            GROUP BY 1 ORDER BY 1 LIMIT 20
        ) AS elsewhere
        UNION ALL
        SELECT photo.image_sha256, 3 FROM background JOIN photo
          ON photo.country = background.country AND photo.kind = 'background_' || background.kind
        WHERE background.id = :scene AND background.name IS NULL
    ) AS found GROUP BY sha ORDER BY rank, sha
    """
)
_EARLIER: Final = sa.text(
    """
    WITH RECURSIVE earlier AS (
        SELECT id, revision_of_id FROM item WHERE id = :item
        UNION SELECT item.id, item.revision_of_id FROM item JOIN earlier ON item.id = earlier.revision_of_id
    )
    SELECT DISTINCT image_sha256 FROM item_reference JOIN earlier ON earlier.id = item_reference.item_id
    """
)


def known_sources(session: Session, item: Item) -> list[Known]:
    """The parts of an item in their order, with every photograph there is of what each claims."""
    own = {
        reference.part: reference.image_sha256
        for reference in session.exec(select(ItemReference).where(ItemReference.item_id == item.id))
    }
    scope = {"campaign": item.campaign_id, "item": item.id}
    found = []
    foods = select(ItemFood, Food).join(Food, col(Food.id) == col(ItemFood.food_id))
    for claimed, food in session.exec(foods.where(ItemFood.item_id == item.id).order_by(col(ItemFood.slot))):
        names = [*dict.fromkeys([claimed.name, food.name, *claimed.aliases, *food.aliases])]
        pictures = session.execute(_DISH, scope | {"food": food.id, "names": [claimed.name.lower(), food.name.lower()]})
        part = f"food{claimed.slot}"
        found.append(Known(part, claimed.name, names, own.get(part), list(pictures.scalars())))
    if item.background_id is not None:
        scene = session.get_one(Background, item.background_id)
        name = scene.name or f"a {scene.kind or 'place'} in {geography.name_of(scene.country)}"
        pictures = session.execute(_SCENE, scope | {"scene": scene.id})
        found.append(Known("background", name, [name], own.get("background"), list(pictures.scalars())))
    return found


def task_for(session: Session, storage: Storage, item: Item, folder: Path) -> Task:
    """What an engine needs to make another image of a rejected item; its photographs are copied into `folder`."""
    tried = set(session.execute(_EARLIER, {"item": item.id}).scalars())
    known = known_sources(session, item)
    of = {one.part: set(one.pictures) for one in known}
    parts = {}
    for one in known:
        others = [sha for sha in one.pictures if sha not in tried]
        partner = {"food1": "food2", "food2": "food1"}.get(one.part, "")
        parts[one.part] = Part(
            one.name,
            one.names,
            _fetched(session, storage, one.used, folder) if one.used else None,
            [_fetched(session, storage, sha, folder) for sha in others[:MOST]],
            shows_partner=one.used in of.get(partner, ()) and one.used not in one.pictures,
        )
    wrong = wrong_of(session, [item.id])[item.id]
    corrections: dict[str, Counter[str]] = {}
    for correction in wrong.corrections:
        corrections.setdefault(correction.question, Counter())[correction.text] += correction.votes
    return Task(
        parts,
        {question: frozenset(codes) for question, codes in wrong.reasons.items()},
        {question: said.most_common(1)[0][0] for question, said in corrections.items()},
        item.generator,
    )


def _fetched(session: Session, storage: Storage, sha256: str, folder: Path) -> Source:
    path = folder / sha256
    if not path.exists():
        image = session.get_one(Image, sha256)
        with storage.open(original_key(sha256, image.format)) as source, path.open("xb") as target:
            shutil.copyfileobj(source, target)
    return Source(sha256, path)
