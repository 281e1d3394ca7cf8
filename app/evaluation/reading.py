"""A release as an evaluation sees it: its items and images, from its files alone, each held against its checksum."""

import hashlib
import json
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from sqlmodel import Session, select

from app.errors import NotFound
from app.items.models import Subtask
from app.releases.formats.manifest import MANIFEST
from app.releases.models import Release, ReleaseStatus
from app.releases.service import DamagedRelease, NotPublished, UnknownRelease, get_release, prefix_of
from app.storage import MissingObject, Storage
from app.storage.local import LocalStorage

VOTES = "items.parquet"
_COLUMNS = [
    "item_id", "image_path", "image_sha256", "subtask", "family", "background_country_code", "background_kind",
    *(f"food{slot}_{part}" for slot in (1, 2) for part in ("id", "name", "country_codes", "aliases")),
]  # fmt: skip


class ReleasedFood(NamedTuple):
    """`dish` is the family of the items whose first food it is; one that is never first has a name of its own."""

    dish: str
    id_as_written: str | None
    name: str
    countries: tuple[str, ...]
    aliases: tuple[str, ...]


class ReleasedItem(NamedTuple):
    """`difficulty` says how those who verified it agreed: unanimous when every counted answer was yes."""

    item_id: uuid.UUID
    image_path: str
    image_sha256: str
    subtask: Subtask
    family: str
    foods: tuple[ReleasedFood, ...]
    background: str | None
    background_kind: str | None
    difficulty: Literal["unanimous", "contested"] | None


class ReleaseFiles:
    """The files of one release, wherever they lie. `manifest_sha256` names its content."""

    def __init__(self, storage: Storage, prefix: str, name: str) -> None:
        self._storage, self._prefix, self._name = storage, prefix, name
        data = self._get(MANIFEST)
        self.manifest_sha256 = hashlib.sha256(data).hexdigest()
        try:
            self._files: dict[str, str] = {path: entry["sha256"] for path, entry in json.loads(data)["files"].items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise self._damaged(MANIFEST) from None

    def items(self) -> list[ReleasedItem]:
        """Every item, in the order of the image paths. Raises DamagedRelease."""
        rows: list[dict[str, Any]] = []
        for path in sorted(self._files):
            if path.startswith("data/") and path.endswith(".parquet"):
                rows += self._rows(path, _COLUMNS)
        rows.sort(key=lambda row: str(row["image_path"]))
        families = {(row["food1_id"], _key(row["food1_name"])): str(row["family"]) for row in rows}
        difficulties = self._difficulties()
        return [_item(row, families, difficulties) for row in rows]

    def _difficulties(self) -> dict[str, Literal["unanimous", "contested"]]:
        found: dict[str, Literal["unanimous", "contested"]] = {}
        for row in self._rows(VOTES, ["item_id", "n", "n_yes"]) if VOTES in self._files else ():
            if row["n"]:
                is_split = row["n_yes"] < row["n"] or found.get(row["item_id"]) == "contested"
                found[row["item_id"]] = "contested" if is_split else "unanimous"
        return found

    def _rows(self, path: str, columns: list[str]) -> list[dict[str, Any]]:
        with self._whole(path) as file:
            try:
                rows: list[dict[str, Any]] = pq.read_table(file, columns=columns).to_pylist()
            except (pa.ArrowException, KeyError):
                raise self._damaged(path) from None
        return rows

    def image(self, item: ReleasedItem) -> bytes:
        """The original bytes. Raises DamagedRelease unless they are those that people judged."""
        path = f"images/{item.image_path}"
        data = self._get(path)
        if hashlib.sha256(data).hexdigest() != item.image_sha256:
            raise self._damaged(path)
        return data

    def _get(self, path: str) -> bytes:
        try:
            return self._storage.get(self._prefix + path)
        except MissingObject:
            raise DamagedRelease(
                f"{path} of {self._name} is missing, so this is no whole release; `terroir release verify "
                f"{self._name}` says more."
            ) from None

    @contextmanager
    def _whole(self, path: str) -> Iterator[IO[bytes]]:
        """The file, seekable, once its checksum was found right."""
        digest = hashlib.sha256()
        with tempfile.TemporaryFile() as copy:
            try:
                local = self._storage.local_path(self._prefix + path)
                with self._storage.open(self._prefix + path) as stream:
                    while chunk := stream.read(2**20):
                        digest.update(chunk)
                        if local is None:
                            copy.write(chunk)
            except MissingObject:
                raise self._damaged(path) from None
            if digest.hexdigest() != self._files[path]:
                raise self._damaged(path)
            if local is None:
                copy.seek(0)
                yield copy
            else:
                with local.open("rb") as file:
                    yield file

    def _damaged(self, path: str) -> DamagedRelease:
        return DamagedRelease(
            f"{path} of {self._name} is not what was published; `terroir release verify {self._name}` says more."
        )


def find_release(session: Session, storage: Storage, target: str) -> tuple[Release, ReleaseFiles]:
    """A published version, or a folder with a copy of a release of this installation.

    Predictions belong to the items of a database, so a folder must be a release that this one published. Raises
    UnknownRelease, NotPublished and DamagedRelease.
    """
    if Path(target).is_dir() or "/" in target:
        if not Path(target).is_dir():
            raise NotFound(f"{target} is no folder; name a release's folder or a published version.")
        files = ReleaseFiles(LocalStorage(Path(target)), "", target)
        release = session.exec(select(Release).where(Release.manifest_sha256 == files.manifest_sha256)).first()
        if release is None:
            raise UnknownRelease(
                f"The release in {target} (manifest {files.manifest_sha256[:12]}…) was not published by this "
                "installation, where its items would be found; evaluate it where it was built, or import its "
                "metadata and images here (`terroir import`), have them approved and build a release."
            )
        return release, files
    release = get_release(session, target)
    return release, release_files(storage, release)


def release_files(storage: Storage, release: Release) -> ReleaseFiles:
    """A published release's files, in the store. Raises NotPublished and DamagedRelease."""
    version = release.version
    if release.status is not ReleaseStatus.PUBLISHED:
        raise NotPublished(f"Release {version} is {release.status.value}; it has no files yet.")
    files = ReleaseFiles(storage, prefix_of(version) + "/", version)
    if files.manifest_sha256 != release.manifest_sha256:
        raise DamagedRelease(
            f"The manifest of release {version} is not the one that was published; `terroir release verify {version}` "
            "says more, and a backup has the right one."
        )
    return files


def _item(
    row: dict[str, Any],
    families: dict[tuple[str | None, str], str],
    difficulties: dict[str, Literal["unanimous", "contested"]],
) -> ReleasedItem:
    subtask = Subtask(row["subtask"])
    family = str(row["family"])
    foods = []
    for slot in range(1, subtask.foods + 1):
        name, food_id = str(row[f"food{slot}_name"]), row[f"food{slot}_id"]
        own = f"{food_id or ''} {_key(name)}".strip()
        foods.append(
            ReleasedFood(
                family if slot == 1 else families.get((food_id, _key(name)), own),
                food_id,
                name,
                tuple(row[f"food{slot}_country_codes"]),
                tuple(row[f"food{slot}_aliases"] or ()),
            )
        )
    return ReleasedItem(
        uuid.UUID(row["item_id"]), str(row["image_path"]), str(row["image_sha256"]), subtask, family, tuple(foods),
        row["background_country_code"], row["background_kind"], difficulties.get(row["item_id"]),
    )  # fmt: skip


def _key(name: str) -> str:
    return " ".join(name.casefold().split())
