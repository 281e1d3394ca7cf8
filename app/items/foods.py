"""Which dish a row means: one Food for each identity, however often and in whatever order tables name it."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlmodel import Session, col

from app.items.models import Food
from app.items.rows import folded


@dataclass
class KnownFood:
    """A dish in the catalogue. `is_new` and `is_changed` say what `Catalogue.save` has to write."""

    id: uuid.UUID
    source_id: str | None
    name: str
    name_key: str
    alias_keys: frozenset[str]
    is_new: bool = False
    is_changed: bool = field(default=False)

    def goes_by(self, name_key: str) -> bool:
        return name_key == self.name_key or name_key in self.alias_keys


class Catalogue:
    """Every Food, in memory: a few thousand dishes are read once, then a row costs no query.

    The rules, first match wins:

    - an id with its namespace (`wc:29`) is that dish, whatever the row calls it;
    - an unmarked id (`29`) is the dish of any namespace with this number whose name or alias the row gives, else the
      dish that came with the same unmarked id and the same name: the benchmark mixes two numberings;
    - no id: the only dish of this name;
    - a dish known without this id but by the same name takes the id on;
    - else it is a new dish.
    """

    def __init__(self, session: Session) -> None:
        self._by_name: dict[str, list[KnownFood]] = defaultdict(list)
        self._by_source: dict[str, list[KnownFood]] = defaultdict(list)
        self._all: list[KnownFood] = []
        for food_id, source_id, name, name_key, aliases in session.execute(
            sa.select(
                col(Food.id), col(Food.source_id), col(Food.name), col(Food.name_key), col(Food.aliases)
            ).order_by(col(Food.name_key), col(Food.source_id))
        ):
            keys = frozenset(folded(alias) for alias in aliases)
            self._add(KnownFood(food_id, source_id, name, name_key, keys))

    def find(self, source_id: str | None, name: str, aliases: Iterable[str] = ()) -> KnownFood:
        """The dish a row means, made or given its id where need be; nothing is written before `save`."""
        name_key = folded(name)
        if source_id is None:
            namesakes = self._by_name[name_key]
            anonymous = [food for food in namesakes if food.source_id is None]
            if len(namesakes) == 1 or anonymous:
                return (anonymous or namesakes)[0]
        elif ":" in source_id:
            if same_id := self._by_source[source_id]:
                return next((food for food in same_id if food.goes_by(name_key)), same_id[0])
        else:
            for food in self._by_source[f"*:{source_id}"]:
                if food.goes_by(name_key):
                    return food
            for food in self._by_source[source_id]:
                if food.name_key == name_key:
                    return food
        keys = frozenset(folded(alias) for alias in aliases)
        if source_id is not None and (known := self._without_this_id(source_id, name_key, keys)) is not None:
            known.source_id = source_id
            known.is_changed = True
            self._index(known)
            return known
        return self._add(KnownFood(uuid.uuid4(), source_id, name, name_key, keys, is_new=True))

    def save(self, session: Session) -> None:
        new = [food for food in self._all if food.is_new]
        for food in self._all:
            if food.is_changed and not food.is_new:
                session.execute(sa.update(Food).where(col(Food.id) == food.id).values(source_id=food.source_id))
        if new:
            session.execute(
                sa.insert(Food),
                [
                    {
                        "id": food.id, "source_id": food.source_id, "name": food.name, "name_key": food.name_key,
                        "aliases": [], "description": "", "category": "",
                    }
                    for food in new
                ],
            )  # fmt: skip
        for food in self._all:
            food.is_new = food.is_changed = False

    def _without_this_id(self, source_id: str, name_key: str, alias_keys: frozenset[str]) -> KnownFood | None:
        """A dish of this name that has no id yet, or only the unmarked number of the namespaced one."""
        number = source_id.partition(":")[2]
        for food in self._by_source[number] if number else ():
            if food.source_id == number and (food.name_key == name_key or food.name_key in alias_keys):
                return food
        return next((food for food in self._by_name[name_key] if food.source_id is None), None)

    def _add(self, food: KnownFood) -> KnownFood:
        self._all.append(food)
        self._by_name[food.name_key].append(food)
        self._index(food)
        return food

    def _index(self, food: KnownFood) -> None:
        if food.source_id is None:
            return
        self._by_source[food.source_id].append(food)
        namespace, colon, number = food.source_id.partition(":")
        if colon and namespace:
            self._by_source[f"*:{number}"].append(food)
