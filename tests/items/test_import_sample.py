"""The CultureMix sample imports whole, once, and every row of it is kept as it was published."""

import csv
import hashlib
from collections import Counter
from pathlib import Path

import pytest
from sqlmodel import Session, select

from app.items import pictures
from app.items.importing import import_items
from app.items.models import Background, Food, Image, Item, ItemFood, SourceRecord, Status, Subtask
from app.settings import ROOT
from app.storage.local import LocalStorage
from tests.items.tables import files_in, row_counts

SAMPLE = ROOT.parent / "shared" / "culturemix-sample"
DEMO = ROOT / "demo" / "culturemix"

needs_sample = pytest.mark.skipif(
    not SAMPLE.is_dir(), reason="All 100 images are needed: put the CultureMix sample at ../shared/culturemix-sample."
)


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "storage")


def published(folder: Path) -> dict[str, dict[str, str]]:
    rows = {}
    for table in sorted((folder / "metadata").glob("*.csv")):
        with table.open(newline="", encoding="utf-8") as file:
            rows |= {row["image_path"]: row for row in csv.DictReader(file)}
    return rows


@needs_sample
def test_the_whole_sample_comes_in_once_with_its_claims_and_bytes(session: Session, storage: LocalStorage) -> None:
    seen: list[tuple[int, int]] = []
    report = import_items(session, storage, [SAMPLE], "sample", progress=lambda done, total: seen.append((done, total)))
    assert report == (100, 0, [], [])
    assert seen == [(n, 100) for n in range(1, 101)]

    items = session.exec(select(Item)).all()
    assert Counter(item.subtask for item in items) == {
        Subtask.SF: 15, Subtask.MF: 29, Subtask.SFB: 28, Subtask.MFB: 28,
    }  # fmt: skip
    assert all(item.wanted == 3 and item.status is Status.PENDING and item.held == 0 for item in items)
    rows = published(SAMPLE)
    records = {record.item_id: record for record in session.exec(select(SourceRecord))}
    for item in items:
        assert records[item.id].values == rows[item.key]
        image = session.get_one(Image, item.image_sha256)
        stored = storage.get(pictures.original_key(image.sha256, image.format))
        assert stored == (SAMPLE / item.key).read_bytes()
        assert hashlib.sha256(stored).hexdigest() == item.image_sha256
    assert len(files_in(storage.root)) == 300

    before = row_counts(session)
    assert import_items(session, storage, [SAMPLE], "sample") == (0, 100, [], [])
    assert row_counts(session) == before


@needs_sample
def test_odd_spellings_are_kept_beside_their_codes(session: Session, storage: LocalStorage) -> None:
    import_items(session, storage, [SAMPLE], "sample")
    claimed = {(food.country_as_written, *food.countries) for food in session.exec(select(ItemFood))}
    assert {("united states of america (usa)", "US"), ("england", "GB"), ("united kingdom", "GB")} <= claimed
    scenes = {scene.key: (scene.kind, scene.country) for scene in session.exec(select(Background))}
    assert scenes["street:mexico1"] == ("street", "MX")
    assert scenes["street:mexico2"] == ("street", "MX")
    assert scenes["landmark:egypt"] == ("landmark", "EG")


@needs_sample
def test_a_family_is_one_dish_over_all_subtasks(session: Session, storage: LocalStorage) -> None:
    import_items(session, storage, [SAMPLE], "sample")
    zarda = session.exec(select(Food).where(Food.name == "Zarda")).one()
    family = session.exec(select(Item).where(Item.family_id == zarda.id)).all()
    assert Counter(item.subtask for item in family) == {
        Subtask.SF: 1, Subtask.MF: 3, Subtask.SFB: 3, Subtask.MFB: 3,
    }  # fmt: skip
    by_key = {item.key: item for item in family}
    assert by_key["MF/220_bun-kebab_white_seed-05-mf-02.jpg"].food_distance == "same_country"
    chile = by_key["SFB_street/220_chile_seed-05-sfb-01.jpg"]
    assert (chile.food_distance, chile.background_distance) == (None, "cross_continent")


def test_the_demo_set_imports_without_a_fault(session: Session, storage: LocalStorage) -> None:
    report = import_items(session, storage, [DEMO], "demo")
    assert report == (51, 0, [], [])
    assert {item.subtask for item in session.exec(select(Item))} == set(Subtask)


@pytest.mark.parametrize(("part", "most_mb"), [("culturemix", 11), ("reference", 3), ("evaluation", 3)])
def test_the_demo_set_stays_small(part: str, most_mb: int) -> None:
    sizes = [path.stat().st_size for path in (ROOT / "demo" / part).rglob("*") if path.is_file()]
    assert 0 < sum(sizes) <= most_mb * 1_000_000


def test_a_dry_run_of_a_folder_writes_neither_rows_nor_files(session: Session, storage: LocalStorage) -> None:
    before = row_counts(session)
    report = import_items(session, storage, [DEMO], "demo", dry_run=True)
    assert (report.added, report.errors) == (51, [])
    assert row_counts(session) == before
    assert files_in(storage.root) == []
