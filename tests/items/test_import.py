"""What an import does with good tables: the same from every format, once, all of it or nothing."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.campaigns import service as campaigns
from app.errors import Conflict, Invalid
from app.items.importing import import_items, lock_imports
from app.items.models import Background, Gold, ImportBatch, Item, ItemFood, ItemReference, SourceRecord
from app.items.writing import shuffle_of
from app.storage.local import LocalStorage
from tests.items.tables import files_in, picture, put_picture, row, row_counts, scene, two, write_csv


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "storage")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tables").mkdir()
    return tmp_path / "tables"


def item(session: Session, key: str) -> Item:
    return session.exec(select(Item).where(Item.key == key)).one()


def test_jsonl_and_parquet_say_the_same_as_csv(session: Session, storage: LocalStorage, folder: Path) -> None:
    rows = [
        row("a.jpg", food1_id=29, seed=7, camera="none"),
        two("b.jpg", food1_country="Greece; Türkiye", food1_aliases="κούσερι; Kushari"),
        scene("c.jpg", background_id="zócalo", background_name="Zócalo", prompt="two\nlines"),
    ]
    write_csv(folder / "rows.csv", *rows)
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(values) for values in rows) + "\n", encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows, schema=_schema(rows)), folder / "rows.parquet")

    def stored(slug: str) -> list[object]:
        campaign = campaigns.get(session, slug)
        items = session.exec(select(Item).where(Item.campaign_id == campaign.id).order_by(col(Item.key))).all()
        return [
            (
                i.key, i.subtask, i.family_id, i.background_id, i.food_distance, i.background_distance,
                i.seed, i.prompt,
                [
                    (f.slot, f.food_id, f.id_as_written, f.name, f.country_as_written, f.countries, f.aliases)
                    for f in session.exec(select(ItemFood).where(ItemFood.item_id == i.id).order_by(col(ItemFood.slot)))
                ],
            )
            for i in items
        ]  # fmt: skip

    for name in ("csv", "jsonl", "parquet"):
        report = import_items(session, storage, [folder / f"rows.{name}"], f"from-{name}")
        assert (report.added, report.errors) == (3, [])
    assert stored("from-csv") == stored("from-jsonl") == stored("from-parquet")
    record = session.exec(select(SourceRecord).where(SourceRecord.file == "rows.jsonl", SourceRecord.row == 1)).one()
    assert (record.values["camera"], record.values["food1_id"]) == ("none", 29)
    # The same items from another format are no other items.
    assert import_items(session, storage, [folder / "rows.parquet"], "from-csv")[:3] == (0, 3, [])


def _schema(rows: list[dict[str, object]]) -> pa.Schema:
    columns = dict.fromkeys(column for values in rows for column in values)
    return pa.schema([(c, pa.float64() if c in ("food1_id", "seed") else pa.string()) for c in columns])


def test_a_byte_order_mark_and_blank_lines_do_no_harm(session: Session, storage: LocalStorage, folder: Path) -> None:
    put_picture(folder, "a.jpg")
    (folder / "sf.csv").write_bytes(
        "\ufeffimage_path,food1_name,food1_country\r\n\r\na.jpg,Koshary,egypt\r\n\r\n".encode()
    )
    assert import_items(session, storage, [folder / "sf.csv"], "bom")[:3] == (1, 0, [])
    assert session.exec(select(SourceRecord)).one().row == 3


def test_everything_a_row_says_is_kept(session: Session, storage: LocalStorage, folder: Path) -> None:
    put_picture(folder, "seeds/dish.jpg")
    put_picture(folder, "seeds/place.jpg")
    values = scene(
        "c.jpg", source1_path="seeds/dish.jpg", background_path="seeds/place.jpg", generator="flux", prompt="p",
        seed="9", is_gold="yes", gold_food1_identity="yes", gold_background="no", background_name="Zócalo",
    )  # fmt: skip
    import_items(session, storage, [write_csv(folder / "t.csv", values)], "full", policy="fixed-5")
    found = item(session, "c.jpg")
    assert (found.generator, found.prompt, found.seed, found.revision, found.wanted) == ("flux", "p", "9", 1, 5)
    assert found.shuffle == pytest.approx(shuffle_of(found.campaign_id, "c.jpg"))
    assert {reference.part for reference in session.exec(select(ItemReference))} == {"food1", "background"}
    assert {gold.question: gold.answer for gold in session.exec(select(Gold))} == {
        "food1_identity": "yes", "background": "no",
    }  # fmt: skip
    background = session.exec(select(Background)).one()
    assert (background.key, background.name, background.country) == ("street:mexico1", "Zócalo", "MX")
    assert found.background_as_written == "mexico1"
    batch = session.exec(select(ImportBatch)).one()
    assert (batch.files, batch.added, batch.unchanged) == (["t.csv"], 1, 0)
    assert len(files_in(storage.root)) == 9


def test_images_are_found_beside_the_table_or_where_images_says(
    session: Session, storage: LocalStorage, folder: Path
) -> None:
    put_picture(folder / "elsewhere", "a.jpg")
    table = write_csv(folder / "t.csv", row("a.jpg"), pictures=False)
    assert import_items(session, storage, [table], "beside", dry_run=True).errors
    assert import_items(session, storage, [table], "given", images=folder / "elsewhere").added == 1


def test_tables_of_the_same_name_are_told_apart(session: Session, storage: LocalStorage, folder: Path) -> None:
    for name in ("north", "south"):
        (folder / name / "metadata").mkdir(parents=True)
        write_csv(folder / name / "metadata" / "sf.csv", row("b.jpg"), pictures=False)
    report = import_items(session, storage, [folder / "north", folder / "south"], "both", dry_run=True)
    assert {fault.file for fault in report.errors} == {"north/metadata/sf.csv", "south/metadata/sf.csv"}


def test_a_second_table_adds_only_what_is_new(session: Session, storage: LocalStorage, folder: Path) -> None:
    import_items(session, storage, [write_csv(folder / "one.csv", row("a.jpg"))], "grows")
    report = import_items(session, storage, [write_csv(folder / "two.csv", row("a.jpg"), row("b.jpg"))], "grows")
    assert report[:3] == (1, 1, [])


def test_a_changed_claim_is_refused_and_named(session: Session, storage: LocalStorage, folder: Path) -> None:
    import_items(session, storage, [write_csv(folder / "t.csv", row())], "fixed")
    before = row_counts(session)
    report = import_items(
        session, storage, [write_csv(folder / "t.csv", row(food1_country="sudan"), row("b.jpg"))], "fixed"
    )
    assert [(fault.row, fault.field) for fault in report.errors] == [(2, "food1_country")]
    assert "“sudan” here and “egypt” in the campaign" in report.errors[0].message
    assert row_counts(session) == before


def test_changed_bytes_are_refused_and_come_in_as_a_revision(
    session: Session, storage: LocalStorage, folder: Path
) -> None:
    import_items(session, storage, [write_csv(folder / "t.csv", row())], "fixed")
    put_picture(folder, "a.jpg", "something else")
    report = import_items(session, storage, [folder / "t.csv"], "fixed")
    assert [fault.field for fault in report.errors] == ["image_path"]
    assert "revision_of" in report.errors[0].message

    # Out of order on purpose: a later revision may stand before the one it revises.
    table = write_csv(folder / "new.csv", row("a3.jpg", revision_of="a2.jpg"), row("a2.jpg", revision_of="a.jpg"))
    assert import_items(session, storage, [table], "fixed")[:3] == (2, 0, [])
    first, second, third = (item(session, key) for key in ("a.jpg", "a2.jpg", "a3.jpg"))
    assert (second.revision, second.revision_of_id) == (2, first.id)
    assert (third.revision, third.revision_of_id) == (3, second.id)
    assert import_items(session, storage, [table], "fixed")[:3] == (0, 2, [])


def test_copies_are_reported_but_come_in(session: Session, storage: LocalStorage, folder: Path) -> None:
    import_items(session, storage, [write_csv(folder / "one.csv", row("a.jpg"), row("other.jpg"))], "copies")
    table = write_csv(folder / "two.csv", row("b.jpg"), row("c.jpg"), row("near.jpg"))
    (folder / "b.jpg").write_bytes((folder / "a.jpg").read_bytes())
    (folder / "near.jpg").write_bytes(picture("c.jpg", (192, 144)))
    report = import_items(session, storage, [table], "copies")
    assert report.added == 3
    assert [(pair.kind, pair.a, pair.b) for pair in report.duplicates] == [
        ("exact", "a.jpg", "b.jpg"), ("near", "c.jpg", "near.jpg"),
    ]  # fmt: skip
    assert report.as_json()["duplicates"][0] == {"kind": "exact", "a": "a.jpg", "b": "b.jpg", "distance": 0}


def test_an_interruption_leaves_no_row(fresh_engine: sa.Engine, storage: LocalStorage, folder: Path) -> None:
    table = write_csv(folder / "t.csv", *(row(f"{n}.jpg") for n in range(20)))

    def interrupt(done: int, total: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with Session(fresh_engine) as session:
        before = row_counts(session)
        with pytest.raises(KeyboardInterrupt):
            import_items(session, storage, [table], "broken", progress=interrupt)
    with Session(fresh_engine) as session:
        assert row_counts(session) == before
        # What was stored is taken up by the next try.
        assert import_items(session, storage, [table], "broken").added == 20


def test_an_existing_campaign_keeps_its_policy(session: Session, storage: LocalStorage, folder: Path) -> None:
    table = write_csv(folder / "t.csv", row())
    import_items(session, storage, [table], "kept", policy="fixed-2")
    assert import_items(session, storage, [table], "kept", policy="fixed-2").unchanged == 1
    with pytest.raises(Conflict, match="has the policy fixed-2, not fixed-3"):
        import_items(session, storage, [table], "kept", policy="fixed-3")


@pytest.mark.parametrize(("slug", "policy"), [("Bad Slug", None), ("good", "fixed-0"), ("good", "majority")])
def test_an_impossible_slug_or_policy_is_refused_before_anything_is_read(
    session: Session, storage: LocalStorage, folder: Path, slug: str, policy: str | None
) -> None:
    with pytest.raises(Invalid):
        import_items(session, storage, [folder / "absent.csv"], slug, policy=policy)


def test_two_imports_at_once_are_refused(fresh_engine: sa.Engine, storage: LocalStorage, folder: Path) -> None:
    table = write_csv(folder / "t.csv", row())
    with Session(fresh_engine) as one, Session(fresh_engine) as other:
        lock_imports(one)
        with pytest.raises(Conflict, match="Another import is running"):
            import_items(other, storage, [table], "busy")
        assert import_items(other, storage, [table], "busy", dry_run=True).added == 1
