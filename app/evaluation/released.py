"""A release's items at hand for scoring: read from its files once, then from a small index beside them.

The files hold the images, gigabytes of them, and are checked as a whole; a page can't wait for that. The index is named
by the release's manifest and made from checked files alone. What is asked of a model never comes from it.
"""

import gzip
import json
import uuid
from typing import Any

from app.evaluation.reading import ReleasedFood, ReleasedItem, release_files
from app.items.models import Subtask
from app.releases.models import Release
from app.storage import MissingObject, Storage

_VERSION = 1
"""Part of the index's name: raise it when a ReleasedItem changes."""
_KEPT: dict[str, tuple[ReleasedItem, ...]] = {}
_MOST = 3


def released_items(storage: Storage, release: Release) -> tuple[ReleasedItem, ...]:
    """Every item of a published release, in the order of the image paths. Raises NotPublished and DamagedRelease."""
    sha256 = str(release.manifest_sha256)
    items = _KEPT.get(sha256)
    if items is None:
        items = _indexed(storage, release, f"evaluation/{sha256}/items-{_VERSION}.json.gz")
        if len(_KEPT) >= _MOST:
            _KEPT.clear()
        _KEPT[sha256] = items
    return items


def _indexed(storage: Storage, release: Release, key: str) -> tuple[ReleasedItem, ...]:
    try:
        return tuple(_item(row) for row in json.loads(gzip.decompress(storage.get(key))))
    except MissingObject:
        items = tuple(release_files(storage, release).items())
    data = json.dumps([_row(item) for item in items], ensure_ascii=False).encode()
    storage.put(key, gzip.compress(data, mtime=0), media_type="application/gzip")
    return items


def _row(item: ReleasedItem) -> list[Any]:
    return [str(item.item_id), *item[1:]]


def _item(row: list[Any]) -> ReleasedItem:
    item = ReleasedItem(*row)
    foods = tuple(ReleasedFood(dish, id_, name, tuple(codes), tuple(also)) for dish, id_, name, codes, also in row[5])
    return item._replace(item_id=uuid.UUID(row[0]), subtask=Subtask(row[3]), foods=foods)
