"""The CultureMix sample imports whole, once, and every row of it is kept as it was published."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.items.importing import import_items
from app.items.models import Background, Food, Image, Item, ItemFood, SourceRecord, Subtask
from app.models import Campaign
from app.storage.local import LocalStorage

SAMPLE = Path(__file__).parents[2].parent / "shared" / "culturemix-sample"
pytestmark = pytest.mark.skipif(
    not SAMPLE.is_dir(), reason="The CultureMix sample is not there: put it at ../shared/culturemix-sample."
)


def row_counts(session: Session) -> dict[str, int]:
    """Rows of every table."""
    from app.db import SQLModel

    return {
        name: session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for name, table in SQLModel.metadata.tables.items()
    }


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[LocalStorage]:
    return LocalStorage(tmp_path / "storage")


def test_try(session, storage):
    import time
    from app.items.knowledge import import_knowledge
    t=time.time()
    report = import_items(session, storage, [SAMPLE], "sample")
    print(report, time.time()-t)
    for i in range(2):
        t=time.time()
        r = import_knowledge(session, storage, [SAMPLE.parent/"seeds"], dry_run=i==5)
        print(r[:5], len(r.notes), time.time()-t)
    print(r.notes[::10])
    print(row_counts(session))
    from app.items.models import Photo
    for f,p in session.exec(select(Food,Photo).join(Photo, Photo.id==Food.photo_id)): print(f.source_id, f.name, '|', p.name, p.country)
    for f,p in session.exec(select(Background,Photo).join(Photo, Photo.id==Background.photo_id)): print(f.key, '|', p.name, p.country)
    ids=session.exec(select(ItemFood.food_id))
    for f in session.exec(select(Food).where(Food.id.in_(ids)).order_by(Food.source_id)): print(f.source_id,f.name)
