"""What came in from the benchmark's own tables goes out as it came, and comes in again."""

import csv
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import select

from app.db import transaction
from app.items.importing import import_items
from app.items.models import Item
from app.releases.publish import build_now
from app.releases.verify import verify_folder
from app.settings import ROOT, Settings
from app.storage import Storage
from tests.factories import make_account
from tests.releases.conftest import decide, judge

DEMO = ROOT / "demo" / "culturemix"


def published(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Rows by image path, of each table by its name."""
    tables = {}
    for path in sorted((folder / "metadata").glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            head, *rows = csv.reader(file)
        tables[path.name] = {"": head} | {row[0]: row for row in rows}
    return tables


def test_the_demo_goes_out_as_it_came_in(
    fresh_engine: sa.Engine, settings: Settings, storage: Storage, tmp_path: Path
) -> None:
    with transaction(fresh_engine) as session:
        added = import_items(session, storage, [DEMO], "demo").added
        person = make_account(session)
        for item in session.exec(select(Item)).all():
            judge(session, item, person, 1)
            decide(session, item)
    out = tmp_path / "out"
    build_now(fresh_engine, settings, storage, "demo", "1.0.0", splits={"train": 0.8, "test": 0.2}, out=out)
    assert verify_folder(out).ok
    assert published(out) == published(DEMO)
    for path in DEMO.rglob("*.jpg"):
        assert (out / "images" / path.relative_to(DEMO)).read_bytes() == path.read_bytes()
    with transaction(fresh_engine) as session:
        again = import_items(session, storage, [out], "again", images=out / "images")
    assert (again.added, again.errors) == (added, [])
