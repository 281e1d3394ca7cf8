"""Tables to import, and the tiny images they name."""

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from PIL import Image
from sqlmodel import Session, SQLModel

HEADER = "image_path,food1_id,food1_name,food1_country,food2_id,food2_name,food2_country,background_country"


def picture(seed: str, size: tuple[int, int] = (96, 72), file_format: str = "JPEG") -> bytes:
    """An image no other seed gives: a few coarse blocks of grey, so that perceptual hashes differ widely."""
    noise = hashlib.sha512(seed.encode()).digest()
    blocks = Image.frombytes("L", (8, 8), noise).convert("RGB").resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    blocks.save(out, file_format)
    return out.getvalue()


def put_picture(folder: Path, path: str, seed: str | None = None) -> None:
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(picture(seed or path))


def row(path: str = "a.jpg", **values: Any) -> dict[str, Any]:
    """An SF row without faults."""
    return {"image_path": path, "subtask": "SF", "food1_name": "Koshary", "food1_country": "egypt"} | values


def two(path: str = "a.jpg", **values: Any) -> dict[str, Any]:
    return row(path, subtask="MF", food2_name="Pizza", food2_country="italy") | values


def scene(path: str = "a.jpg", **values: Any) -> dict[str, Any]:
    return row(path, subtask="SFB", background_country="mexico1", background_kind="street") | values


def write_csv(path: Path, *rows: Mapping[str, Any], pictures: bool = True) -> Path:
    columns = list(dict.fromkeys(column for values in rows for column in values))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    if pictures:
        for values in rows:
            put_picture(path.parent, values["image_path"])
    return path


def row_counts(session: Session) -> dict[str, int]:
    """Rows of every table there is."""
    return {
        name: session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for name, table in SQLModel.metadata.tables.items()
    }


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
