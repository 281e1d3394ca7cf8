"""Whether rows fit each other, their files and what the campaign holds already."""

import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.campaigns.models import Campaign
from app.errors import Invalid
from app.items.models import Background, BackgroundKind, Item, SourceRecord, Status, Subtask
from app.items.pictures import Look
from app.items.rows import REFERENCES, ClaimRow, folded, shown, understood
from app.items.tables import Fault, RawRow, Table
from app.storage import InvalidKey
from app.storage.base import checked_key


class FiledRow(NamedTuple):
    """A row and its files: "image", and the parts that have a reference picture."""

    claim: ClaimRow
    files: Mapping[str, Path]


class ItemThere(NamedTuple):
    """An item of this campaign whose key a row has or names."""

    id: uuid.UUID
    subtask: Subtask
    kind: BackgroundKind | None
    sha256: str
    revision: int
    status: Status
    values: Mapping[str, Any] | None


def any_of(values: Iterable[Any], kind: type[sa.types.TypeEngine[Any]] = sa.Text) -> Any:
    """For `column == any_of(…)`: one parameter however many there are, where IN stops at 65,535."""
    return sa.any_(sa.literal(list(values), sa.ARRAY(kind)))


def fault_in(raw: RawRow, field: str | None, message: str) -> Fault:
    return Fault(raw.file, raw.row, field, message)


def repeated(rows: Iterable[ClaimRow]) -> list[Fault]:
    """Paths that occur twice. Names that differ only in case or accents' encoding are one file on many systems."""
    first: dict[str, RawRow] = {}
    return [
        fault_in(row.raw, "image_path", f"{shown(row.key)} stands in {before.file}, row {before.row} already.")
        for row in rows
        if (before := first.setdefault(folded(row.key), row.raw)) is not row.raw
    ]


def items_there(session: Session, campaign: Campaign | None, rows: list[ClaimRow]) -> dict[str, ItemThere]:
    if campaign is None:
        return {}
    keys = {row.key for row in rows} | {row.revision_of for row in rows if row.revision_of}
    query = (
        sa.select(
            col(Item.key), col(Item.id), col(Item.subtask), col(Background.kind), col(Item.image_sha256),
            col(Item.revision), col(Item.status), SourceRecord.__table__.c["values"],  # type: ignore[attr-defined]
        )
        .outerjoin(Background, col(Background.id) == col(Item.background_id))
        .outerjoin(SourceRecord, col(SourceRecord.item_id) == col(Item.id))
        .where(col(Item.campaign_id) == campaign.id, col(Item.key) == any_of(keys))
    )  # fmt: skip
    return {key: ItemThere(*rest) for key, *rest in session.execute(query)}


def with_files(claim: ClaimRow, table: Table, faults: list[Fault]) -> FiledRow | None:
    """The row with its files found, or None and why in `faults`."""
    files: dict[str, Path] = {}
    for part, field, path in (
        ("image", "image_path", claim.key),
        *((part, field, claim.references.get(part)) for part, field in REFERENCES.items()),
    ):
        if path is None:
            continue
        try:
            files[part] = file_below(table.root, path)
        except Invalid as error:
            faults.append(fault_in(claim.raw, field, error.message))
    return FiledRow(claim, files) if len(files) == 1 + len(claim.references) else None


def file_below(folder: Path, path: str) -> Path:
    """The file that a relative path names, which must lie in the folder once all links are followed. Raises Invalid."""
    try:
        checked_key(path)
    except InvalidKey as error:
        reason = error.message.rpartition(": ")[2].rstrip(".")
        raise Invalid(f"The path “{shown(path)}” can't be used: {reason}. Give one below the image folder.") from None
    root = Path(os.path.realpath(folder))
    place = Path(os.path.realpath(root / path))
    if not place.is_relative_to(root):
        raise Invalid(f"{shown(path)} is a link out of the image folder: copy the file in.")
    if not place.is_file():
        raise Invalid(f"There is no file {shown(path)} in the image folder.")
    return place


def scene_faults(session: Session, rows: list[ClaimRow]) -> list[Fault]:
    """A background has one country and one kind, here and in what was imported before."""
    claimed = {row.scene.key for row in rows if row.scene}
    seen = {
        scene.key: (scene.country, scene.kind)
        for scene in session.exec(select(Background).where(col(Background.key) == any_of(claimed)))
    }
    faults = []
    for row in rows:
        if row.scene is None:
            continue
        now = (row.scene.country, row.scene.kind)
        if (before := seen.setdefault(row.scene.key, now)) != now:
            said, says = (" ".join(filter(None, pair)) for pair in (before, now))
            faults.append(
                fault_in(
                    row.raw, "background_id",
                    f"The background {shown(row.scene.key)} is {said} elsewhere and {says} here: give it another id.",
                )
            )  # fmt: skip
    return faults


def differences(row: FiledRow, item: ItemThere, looks: Mapping[Path, Look]) -> list[Fault]:
    """How a row differs from the item its key names already."""
    raw, look = row.claim.raw, looks[row.files["image"]]
    if item.values is None:
        return [
            fault_in(raw, "image_path", "An item of this key was made here, not imported: give this one another name.")
        ]
    faults = []
    if look.error is None and look.sha256 != item.sha256:
        advice = "give the new image its own name"
        if item.status is not Status.APPROVED:
            advice += " and this one's in revision_of"
        words = f"The image's bytes differ from those imported under this key: {advice}."
        faults.append(fault_in(raw, "image_path", words))
    before, now = understood(item.values), understood(raw.values)
    before["subtask"], now["subtask"] = item.subtask, row.claim.subtask
    before["background_kind"] = item.kind or ""
    now["background_kind"] = (row.claim.scene.kind if row.claim.scene else None) or ""
    return faults + [
        fault_in(
            raw, field,
            f"{field} is “{shown(now.get(field, ''))}” here and “{shown(before.get(field, ''))}” in the campaign: "
            "an item's claim can't change, so give the row another image_path.",
        )
        for field in dict.fromkeys((*before, *now))
        if before.get(field, "") != now.get(field, "")
    ]  # fmt: skip
