"""What items claim, to be compared: several candidates, or an image and the one made again, must claim the same."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.items.fitting import any_of
from app.items.models import Background, Item, ItemFood
from app.items.rows import ClaimRow, folded


class Claimed(NamedTuple):
    """`foods` are folded names with their ISO codes, `scene` the background's key."""

    subtask: str
    foods: tuple[tuple[str, tuple[str, ...]], ...]
    scene: str | None


def claimed_by(row: ClaimRow) -> Claimed:
    foods = tuple((folded(food.name), food.countries) for food in row.foods)
    return Claimed(row.subtask.value, foods, row.scene.key if row.scene else None)


def claimed_there(session: Session, item_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Claimed]:
    """Of these items, in two queries however many they are."""
    ids = any_of(item_ids, sa.Uuid)
    foods: dict[uuid.UUID, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
    for food in session.exec(select(ItemFood).where(col(ItemFood.item_id) == ids).order_by(col(ItemFood.slot))):
        foods[food.item_id].append((folded(food.name), tuple(food.countries)))
    items = session.execute(
        sa.select(col(Item.id), col(Item.subtask), col(Background.key))
        .outerjoin(Background, col(Background.id) == col(Item.background_id))
        .where(col(Item.id) == ids)
    )
    return {id_: Claimed(subtask.value, tuple(foods[id_]), scene) for id_, subtask, scene in items}
