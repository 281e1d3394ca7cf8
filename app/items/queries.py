"""Reading items for pages and the API: the grid, one item, and how far a campaign has come."""

import base64
import binascii
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import geography
from app.accounts.models import Account, Role
from app.errors import Invalid, NotFound
from app.items.fitting import any_of
from app.items.models import Background, Item, ItemFood, Status, Subtask

MOST_AT_ONCE: Final = 200


class GridItem(NamedTuple):
    """`foods` in the order of their slots; `background` where the subtask has one."""

    item: Item
    foods: list[ItemFood]
    background: Background | None


class Page(NamedTuple):
    """`next_cursor` is None on the last page."""

    items: list[GridItem]
    next_cursor: str | None


class Progress(NamedTuple):
    """Items by status, of each subtask and of each country (ISO code) the first food is said to be from.

    A dish of two countries counts in both.
    """

    total: int
    by_subtask: Mapping[Subtask, Mapping[Status, int]]
    by_country: Mapping[str, Mapping[Status, int]]


def grid(
    session: Session,
    campaign_id: uuid.UUID,
    *,
    status: str | None = None,
    subtask: str | None = None,
    country: str | None = None,
    cursor: str | None = None,
    limit: int = 60,
) -> Page:
    """One page of a campaign's items in the order of their keys, after the item the cursor names.

    `country` is the first food's, in any spelling; an empty filter is none. Raises Invalid for a filter, cursor or
    limit that can't be meant.
    """
    query = (
        select(Item, Background)
        .outerjoin(Background, col(Background.id) == col(Item.background_id))
        .where(Item.campaign_id == campaign_id)
    )
    if status:
        query = query.where(col(Item.status) == _one_of(Status, status, "status"))
    if subtask:
        query = query.where(col(Item.subtask) == _one_of(Subtask, subtask, "subtask"))
    if country:
        query = query.where(_from_country(country))
    if cursor:
        query = query.where(col(Item.key) > _key_in(cursor))
    if not 1 <= limit <= MOST_AT_ONCE:
        raise Invalid(f"A page can have 1 to {MOST_AT_ONCE} items.", fields={"limit": f"1 to {MOST_AT_ONCE}."})
    found = session.exec(query.order_by(col(Item.key)).limit(limit + 1)).all()
    shown = found[:limit]
    foods = foods_of(session, [item.id for item, _ in shown])
    return Page(
        [GridItem(item, foods[item.id], background) for item, background in shown],
        _cursor_at(shown[-1][0].key) if len(found) > limit else None,
    )


def foods_of(session: Session, item_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, list[ItemFood]]:
    """The claimed foods of these items, in the order of their slots."""
    foods: dict[uuid.UUID, list[ItemFood]] = defaultdict(list)
    query = select(ItemFood).where(col(ItemFood.item_id) == any_of(item_ids, sa.Uuid)).order_by(col(ItemFood.slot))
    for food in session.exec(query):
        foods[food.item_id].append(food)
    return foods


def get_for(session: Session, account: Account, item_id: uuid.UUID) -> Item:
    """The item with this id, for an admin; for anyone else there is none. Raises NotFound."""
    item = session.get(Item, item_id) if account.role is Role.ADMIN else None
    if item is None:
        raise NotFound("There is no such item.")
    return item


def progress(session: Session, campaign_id: uuid.UUID) -> Progress:
    by_subtask: dict[Subtask, dict[Status, int]] = {subtask: dict.fromkeys(Status, 0) for subtask in Subtask}
    counts = (
        sa.select(col(Item.subtask), col(Item.status), sa.func.count())
        .where(col(Item.campaign_id) == campaign_id)
        .group_by(col(Item.subtask), col(Item.status))
    )
    for subtask, status, count in session.execute(counts):
        by_subtask[subtask][status] = count
    by_country: dict[str, dict[Status, int]] = {}
    claims = (
        sa.select(sa.func.unnest(col(ItemFood.countries)).label("country"), col(Item.status))
        .join(ItemFood, sa.and_(col(ItemFood.item_id) == col(Item.id), col(ItemFood.slot) == 1))
        .where(col(Item.campaign_id) == campaign_id)
        .subquery()
    )
    per_country = (
        sa.select(claims.c.country, claims.c.status, sa.func.count())
        .group_by(claims.c.country, claims.c.status)
        .order_by(claims.c.country)
    )
    for code, status, count in session.execute(per_country):
        by_country.setdefault(code, dict.fromkeys(Status, 0))[status] = count
    return Progress(sum(sum(counts.values()) for counts in by_subtask.values()), by_subtask, by_country)


_Word = TypeVar("_Word", Status, Subtask)


def _one_of(words: type[_Word], text: str, field: str) -> _Word:
    try:
        return words(text)
    except ValueError:
        raise Invalid(
            f"“{text[:40]}” is no {field}: choose {', '.join(words)}.", fields={field: f"One of {', '.join(words)}."}
        ) from None


def _from_country(country: str) -> sa.ColumnElement[bool]:
    try:
        code = geography.resolve(country)
    except Invalid as error:
        raise Invalid(error.message, fields={"country": error.message}) from None
    return (
        sa.exists()
        .where(col(ItemFood.item_id) == col(Item.id), col(ItemFood.slot) == 1)
        .where(sa.literal(code) == sa.any_(col(ItemFood.countries)))
    )


def _cursor_at(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _key_in(cursor: str) -> str:
    try:
        key = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        key = ""
    if not key or "\x00" in key:
        message = "This page's address is damaged: go back to the first page."
        raise Invalid(message, fields={"cursor": message})
    return key
