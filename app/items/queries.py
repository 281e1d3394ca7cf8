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
from app.items.models import NOT_CHOSEN, Background, Hold, Item, ItemFood, Status, Subtask

MOST_AT_ONCE: Final = 200
MAX_NAME: Final = 200


class GridItem(NamedTuple):
    """`foods` in the order of their slots; `background` where the subtask has one. `is_not_chosen` as in
    `not_chosen`."""

    item: Item
    foods: list[ItemFood]
    background: Background | None
    is_not_chosen: bool


class Page(NamedTuple):
    """`next_cursor` is None on the last page."""

    items: list[GridItem]
    next_cursor: str | None


class Progress(NamedTuple):
    """Items by status, of each subtask and of each country (ISO code) the first food is said to be from.

    A dish of two countries counts in both. Images that were not chosen among candidates stay out.
    """

    total: int
    by_subtask: Mapping[Subtask, Mapping[Status, int]]
    by_country: Mapping[str, Mapping[Status, int]]


class Filters(NamedTuple):
    """What a grid is narrowed by; empty is no filter. `country` is any food's or the background's, in any spelling.

    `name` is a part of a dish's name.
    """

    status: str | None = None
    subtask: str | None = None
    country: str | None = None
    name: str | None = None


def grid(
    session: Session,
    campaign_id: uuid.UUID,
    *,
    status: str | None = None,
    subtask: str | None = None,
    country: str | None = None,
    name: str | None = None,
    cursor: str | None = None,
    limit: int = 60,
) -> Page:
    """One page of a campaign's items in the order of their keys, after the item the cursor names.

    The filters are those of `Filters`. Raises Invalid for a filter, cursor or limit that can't be meant.
    """
    query = (
        select(Item, Background)
        .outerjoin(Background, col(Background.id) == col(Item.background_id))
        .where(*_conditions(campaign_id, Filters(status, subtask, country, name)))
    )
    if cursor:
        query = query.where(col(Item.key) > _key_in(cursor))
    if not 1 <= limit <= MOST_AT_ONCE:
        raise Invalid(f"A page can have 1 to {MOST_AT_ONCE} items.", fields={"limit": f"1 to {MOST_AT_ONCE}."})
    found = session.exec(query.order_by(col(Item.key)).limit(limit + 1)).all()
    return Page(
        _grid_items(session, found[:limit]), _cursor_at(found[limit - 1][0].key) if len(found) > limit else None
    )


def counts_by_status(session: Session, campaign_id: uuid.UUID, filters: Filters) -> Mapping[Status, int]:
    """How many items of each status the other filters leave."""
    counts = (
        sa.select(col(Item.status), sa.func.count())
        .where(*_conditions(campaign_id, filters._replace(status=None)))
        .group_by(col(Item.status))
    )
    found = dict.fromkeys(Status, 0)
    for status, count in session.execute(counts):
        found[status] = count
    return found


def siblings(session: Session, item: Item, limit: int = 24) -> list[GridItem]:
    """Other items of the same campaign and family, in the order of their keys."""
    query = (
        select(Item, Background)
        .outerjoin(Background, col(Background.id) == col(Item.background_id))
        .where(Item.campaign_id == item.campaign_id, Item.family_id == item.family_id, Item.id != item.id)
    )
    return _grid_items(session, session.exec(query.order_by(col(Item.key)).limit(limit)).all())


def grid_items(session: Session, item_ids: Sequence[uuid.UUID]) -> list[GridItem]:
    """These items, in no order."""
    query = (
        select(Item, Background)
        .outerjoin(Background, col(Background.id) == col(Item.background_id))
        .where(col(Item.id) == any_of(item_ids, sa.Uuid))
    )
    return _grid_items(session, session.exec(query).all())


def _grid_items(session: Session, found: Sequence[tuple[Item, Background | None]]) -> list[GridItem]:
    foods = foods_of(session, [item.id for item, _ in found])
    left = not_chosen(session, [item for item, _ in found])
    return [GridItem(item, foods[item.id], background, item.id in left) for item, background in found]


def not_chosen(session: Session, items: Sequence[Item]) -> set[uuid.UUID]:
    """The ids of those that were not chosen when somebody chose among the candidates they belong to."""
    held = [item.id for item in items if item.hold is Hold.CANDIDATES]
    if not held:
        return set()
    return set(session.exec(select(Item.id).where(col(Item.id) == any_of(held, sa.Uuid), sa.text(NOT_CHOSEN))))


def _conditions(campaign_id: uuid.UUID, filters: Filters) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [col(Item.campaign_id) == campaign_id]
    if filters.status:
        conditions.append(col(Item.status) == _one_of(Status, filters.status, "status"))
    if filters.subtask:
        conditions.append(col(Item.subtask) == _one_of(Subtask, filters.subtask, "subtask"))
    if filters.country:
        conditions.append(_of_country(filters.country))
    if filters.name:
        conditions.append(_with_dish(filters.name))
    return conditions


def countries_in(session: Session, campaign_id: uuid.UUID) -> list[str]:
    """The ISO codes of all countries a campaign's foods and backgrounds are said to be from, sorted."""
    foods = (
        sa.select(sa.func.unnest(col(ItemFood.countries)))
        .join(Item, col(Item.id) == col(ItemFood.item_id))
        .where(col(Item.campaign_id) == campaign_id)
    )
    scenes = (
        sa.select(col(Background.country))
        .join(Item, col(Item.background_id) == col(Background.id))
        .where(col(Item.campaign_id) == campaign_id)
    )
    return sorted(session.execute(sa.union(foods, scenes)).scalars())


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


def counts_by_subtask(session: Session, campaign_id: uuid.UUID) -> Mapping[Subtask, Mapping[Status, int]]:
    by_subtask: dict[Subtask, dict[Status, int]] = {subtask: dict.fromkeys(Status, 0) for subtask in Subtask}
    counts = (
        sa.select(col(Item.subtask), col(Item.status), sa.func.count())
        .where(col(Item.campaign_id) == campaign_id, sa.text(f"NOT {NOT_CHOSEN}"))
        .group_by(col(Item.subtask), col(Item.status))
    )
    for subtask, status, count in session.execute(counts):
        by_subtask[subtask][status] = count
    return by_subtask


def progress(session: Session, campaign_id: uuid.UUID) -> Progress:
    by_subtask = counts_by_subtask(session, campaign_id)
    by_country: dict[str, dict[Status, int]] = {}
    claims = (
        sa.select(sa.func.unnest(col(ItemFood.countries)).label("country"), col(Item.status))
        .join(ItemFood, sa.and_(col(ItemFood.item_id) == col(Item.id), col(ItemFood.slot) == 1))
        .where(col(Item.campaign_id) == campaign_id, sa.text(f"NOT {NOT_CHOSEN}"))
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


def _of_country(country: str) -> sa.ColumnElement[bool]:
    try:
        code = geography.resolve(country)
    except Invalid as error:
        raise Invalid(error.message, fields={"country": error.message}) from None
    of_a_food = (
        sa.exists()
        .where(col(ItemFood.item_id) == col(Item.id))
        .where(sa.literal(code) == sa.any_(col(ItemFood.countries)))
    )
    scenes = sa.select(col(Background.id)).where(col(Background.country) == code)
    return sa.or_(of_a_food, col(Item.background_id).in_(scenes))


def _with_dish(name: str) -> sa.ColumnElement[bool]:
    if "\x00" in name or len(name) > MAX_NAME:
        message = f"Search for a part of a dish's name, at most {MAX_NAME} characters."
        raise Invalid(message, fields={"name": message})
    return sa.exists().where(col(ItemFood.item_id) == col(Item.id), col(ItemFood.name).icontains(name, autoescape=True))


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
