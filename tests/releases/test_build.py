"""What a release holds, that it can be opened, and that it is the same each time."""

import csv
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.models import Account
from app.db import now, transaction
from app.errors import Invalid
from app.items.models import Food, Gold, Item, ItemFood, ItemReference, Photo, Status
from app.items.pictures import original_key
from app.releases import publish
from app.releases.models import Release, ReleaseItem, ReleaseStatus
from app.releases.publish import build_now
from app.releases.service import VersionTaken, manifest_of
from app.releases.snapshot import NothingApproved, SimulatedJudgments
from app.releases.verify import verify_published
from app.storage import Storage
from tests.factories import make_campaign
from tests.releases.conftest import World, jpeg, store_image

ALL = {"test": 1.0}
Files = Callable[[Path], dict[str, bytes]]


def build(world: World, version: str = "1.0.0", **more: Any) -> Release:
    more.setdefault("splits", ALL)
    return build_now(world.engine, world.settings, world.storage, world.slug, version, **more)


def test_a_release_has_the_promised_files(world: World, tmp_path: Path, files_of: Files) -> None:
    release = build(world, out=tmp_path / "out")
    found = files_of(tmp_path / "out")
    top = {"README.md", "croissant.json", "manifest.json", "SHA256SUMS", "items.parquet", "judgments.parquet"}
    tables = {f"metadata/{name}.csv" for name in ("sf", "mf", "sfb_street", "mfb_street")}
    data = {"data/test-00000-of-00001.parquet", "webdataset/test-00000.tar"}
    images = {path for path in found if path.startswith("images/")}
    assert found.keys() == top | tables | data | images
    assert len(images) == 12
    assert release.status is ReleaseStatus.PUBLISHED
    assert release.manifest_sha256 == hashlib.sha256(found["manifest.json"]).hexdigest()
    assert release.counts["items"] == 12


def test_the_authors_of_photographs_that_images_were_made_from_are_named(world: World, tmp_path: Path) -> None:
    with transaction(world.engine) as session:
        photos = {}
        for number, name in enumerate(["=Koshary", "Pho", "Never used"]):
            sha256 = store_image(session, world.storage, jpeg(200 + number))
            photos[name] = Photo(
                key=name, kind="dish", name=name, country="EG", licence="CC BY 2.0", attribution=f"{name}, by Ada",
                source="flickr", image_sha256=sha256,
            )  # fmt: skip
        session.add_all(photos.values())
        approved = session.exec(select(Item).where(Item.status == Status.APPROVED)).all()
        rejected = session.exec(select(Item).where(Item.status == Status.REJECTED)).one()
        for item, part, name in [
            (approved[0], "food1", "=Koshary"), (approved[0], "food2", "=Koshary"), (approved[1], "food1", "=Koshary"),
            (approved[1], "food2", "Pho"), (rejected, "food1", "Never used"),
        ]:  # fmt: skip
            session.add(ItemReference(item_id=item.id, part=part, image_sha256=photos[name].image_sha256))
        shas = [photo.image_sha256 for photo in photos.values()]
    build(world, out=tmp_path / "out")
    assert (tmp_path / "out" / "ATTRIBUTION.csv").read_text() == (
        "sha256,name,country,licence,attribution,source,n_items\n"
        f"{shas[0]},'=Koshary,EG,CC BY 2.0,\"'=Koshary, by Ada\",flickr,2\n"
        f'{shas[1]},Pho,EG,CC BY 2.0,"Pho, by Ada",flickr,1\n'
    )
    assert "ATTRIBUTION.csv" in json.loads((tmp_path / "out" / "manifest.json").read_text())["files"]


def test_built_twice_it_is_the_same_to_the_byte(world: World, tmp_path: Path, files_of: Files) -> None:
    splits = {"train": 0.7, "test": 0.3}
    build(world, splits=splits, out=tmp_path / "first")
    with transaction(world.engine) as session:  # as on another machine with the same rows
        session.execute(sa.delete(ReleaseItem))
        session.execute(sa.delete(Release))
        for table in ("claim", "item_food"):  # which moves half of the rows to the end of their table
            session.execute(sa.text(f"UPDATE {table} SET slot = slot WHERE slot = 1"))
    world.storage.delete_prefix("releases/1.0.0")
    build(world, splits=splits, out=tmp_path / "second")
    first, second = files_of(tmp_path / "first"), files_of(tmp_path / "second")
    assert first == second
    assert "data/train-00000-of-00001.parquet" in first


def test_asking_again_for_a_published_version_gives_its_files(world: World, tmp_path: Path, files_of: Files) -> None:
    first = build(world, out=tmp_path / "first")
    again = build(world, out=tmp_path / "again")
    assert again.id == first.id
    assert again.published_at == first.published_at
    assert files_of(tmp_path / "again") == files_of(tmp_path / "first")


def test_a_published_version_is_not_given_to_other_data(world: World) -> None:
    release = build(world)
    with transaction(world.engine) as session:
        item = session.exec(select(Item).where(Item.status == Status.APPROVED)).first()
        assert item is not None
        item.status = Status.DISPUTED
    with pytest.raises(VersionTaken, match=r"1\.0\.0 is published"):
        build(world)
    with pytest.raises(VersionTaken, match=r"1\.0\.0 is published"):
        build(world, seed=7)
    with transaction(world.engine) as session:
        assert session.get_one(Release, release.id).manifest_sha256 == release.manifest_sha256
    build(world, "1.0.1")


def test_the_next_release_names_its_parent(world: World) -> None:
    first = build(world)
    second = build(world, "1.1.0")
    parent = manifest_of(world.storage, second)["parent"]
    assert parent == {"version": "1.0.0", "manifest_sha256": first.manifest_sha256}


def test_the_usual_loader_opens_it_and_finds_the_images(world: World, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    build(world, splits={"train": 0.7, "test": 0.3}, out=tmp_path / "out")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert sorted(loaded) == ["test", "train"]
    rows = [row for split in loaded.values() for row in split]
    with transaction(world.engine) as session:
        approved = session.exec(select(Item).where(Item.status == Status.APPROVED)).all()
    assert {row["item_id"]: row["image_sha256"] for row in rows} == {str(i.id): i.image_sha256 for i in approved}
    assert all(row["image"].size == (48, 32) for row in rows)
    undecoded = loaded["test"].cast_column("image", datasets.Image(decode=False))
    assert all(hashlib.sha256(row["image"]["bytes"]).hexdigest() == row["image_sha256"] for row in undecoded)
    assert next(row for row in rows if row["subtask"] == "MF")["food2_country_codes"] is not None
    for name, n_rows in (("aggregated", 12 * 3.5), ("judgments", 12 * 3.5 * 4)):
        votes = datasets.load_dataset(str(tmp_path / "out"), name, cache_dir=str(tmp_path / "cache"))["votes"]
        assert votes.num_rows == n_rows


def test_sha256sum_agrees(world: World, tmp_path: Path) -> None:
    build(world, out=tmp_path / "out")
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=tmp_path / "out",
        capture_output=True,
        text=True,
        check=True,
    )
    assert checked.stdout.count(": OK") == 12 + 4 + 2 + 5


def test_votes_are_counted_up_and_given_one_by_one(world: World, tmp_path: Path) -> None:
    build(world, out=tmp_path / "out")
    votes = pq.read_table(tmp_path / "out" / "items.parquet").to_pylist()
    odd = [row for row in votes if row["image_path"] == "MF/001.jpg"]
    assert [row["question"] for row in odd] == ["food1_identity", "food1_origin", "food2_identity", "food2_origin"]
    assert {(row["n"], row["n_yes"], row["n_no"], row["n_unsure"], row["majority"]) for row in odd} == {
        (3, 2, 1, 0, "yes")
    }
    assert {row["decision"] for row in votes} == {"approved"}
    raw = pq.read_table(tmp_path / "out" / "judgments.parquet").to_pylist()
    assert sum(row["status"] == "surplus" for row in raw) * 3 == sum(row["status"] == "counted" for row in raw)
    assert {tuple(row["reasons"]) for row in raw if row["answer"] == "no"} == {("other_dish",)}


def test_a_judgment_says_in_which_language_it_was_asked(world: World, tmp_path: Path) -> None:
    with transaction(world.engine) as session:
        session.execute(sa.text("SET LOCAL session_replication_role = replica"))  # else it is only ever added
        session.execute(
            sa.text("UPDATE judgment SET language = 'ar' WHERE account_id = :one"), {"one": world.annotators[0]}
        )
    build(world, out=tmp_path / "out")
    raw = pq.read_table(tmp_path / "out" / "judgments.parquet").to_pylist()
    assert len({row["annotator"] for row in raw if row["language"] == "ar"}) == 1
    assert len({row["annotator"] for row in raw if row["language"] == "en"}) == 3


def test_annotators_stand_under_pseudonyms(world: World, tmp_path: Path, files_of: Files) -> None:
    build(world, out=tmp_path / "out")
    raw = pq.read_table(tmp_path / "out" / "judgments.parquet").to_pylist()
    assert len({row["annotator"] for row in raw}) == 4
    everything = b"".join(files_of(tmp_path / "out").values())
    for annotator in world.annotators:
        assert str(annotator).encode() not in everything
        assert annotator.bytes not in everything
    assert b"@example.org" not in everything


def test_the_manifest_counts_what_is_there(world: World) -> None:
    manifest = manifest_of(world.storage, build(world))
    counts = manifest["counts"]
    assert counts["items"] == 12
    assert counts["families"] == 3
    assert counts["by_subtask"] == {"MF": 3, "MFB": 3, "SF": 3, "SFB": 3}
    assert counts["by_country"] == {"EG": 4, "IT": 4, "PE": 4}
    assert counts["by_split"] == {"test": 12}
    assert counts["excluded"] == {"pending": 1, "rejected": 1, "disputed": 0}
    assert counts["judgments"] == 36
    assert manifest["campaign"]["slug"] == "tasting"
    assert manifest["rule"]["decided_by"] == {"fixed-majority/1": 12}
    assert manifest["wording_version"] == 1
    assert manifest["frozen_at"] == "2026-03-01T10:00:00+00:00"
    assert manifest["agreement"]["questions"]["food1_identity"]["n_items"] == 13  # the rejected one as well
    assert manifest["includes_simulated"] is False


def test_the_benchmarks_tables_keep_their_spelling(world: World, tmp_path: Path) -> None:
    with transaction(world.engine) as session:
        food = session.exec(select(ItemFood).join(Item).where(Item.key == "SF/000.jpg")).one()
        food.name, food.country_as_written, food.id_as_written = "=cmd()", "united states of america (usa)", "wc:29"
    release = build(world, out=tmp_path / "out")
    with (tmp_path / "out" / "metadata" / "sf.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "image_path": "SF/000.jpg", "food1_id": "wc:29", "food1_name": "'=cmd()",
        "food1_country": "united states of america (usa)", "food2_id": "", "food2_name": "", "food2_country": "",
        "background_country": "",
    }  # fmt: skip
    assert manifest_of(world.storage, release)["neutralised_cells"] == {"metadata/sf.csv": 1}
    data = pq.read_table(tmp_path / "out" / "data" / "test-00000-of-00001.parquet", columns=["food1_name"])
    assert "=cmd()" in data["food1_name"].to_pylist()


def test_webdataset_shards_hold_an_image_and_its_json(world: World, tmp_path: Path) -> None:
    build(world, out=tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "webdataset" / "test-00000.tar") as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        assert {(member.mtime, member.uid, member.uname) for member in tar.getmembers()} == {(0, 0, "")}
    described = [json.loads(data) for name, data in members.items() if name.endswith(".json")]
    assert len(described) == 12
    for columns in described:
        assert hashlib.sha256(members[f"{columns['item_id']}.jpg"]).hexdigest() == columns["image_sha256"]


def test_croissant_names_every_table_with_its_hash(world: World, tmp_path: Path, files_of: Files) -> None:
    build(world, out=tmp_path / "out")
    found = files_of(tmp_path / "out")
    described = json.loads(found["croissant.json"])
    hashes = {part["@id"]: part["sha256"] for part in described["distribution"] if "sha256" in part}
    tables = {path for path in found if path.endswith(".parquet")}
    assert hashes == {path: hashlib.sha256(found[path]).hexdigest() for path in tables}
    columns = {field["name"] for field in described["recordSet"][0]["field"]}
    assert columns == set(pq.read_schema(io.BytesIO(found["data/test-00000-of-00001.parquet"])).names)


def test_large_releases_come_in_shards(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr("app.releases.shards.SHARD_BYTES", 2500)
    monkeypatch.setattr("app.releases.build.BATCH_ITEMS", 5)
    build(world, out=tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out" / "data").iterdir())
    assert len(names) > 2
    assert names[-1] == f"test-{len(names) - 1:05}-of-{len(names):05}.parquet"
    assert len(list((tmp_path / "out" / "webdataset").iterdir())) == len(names)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    paths = loaded["test"]["image_path"]
    assert list(paths) == sorted(paths)
    assert len(paths) == 12


def test_families_are_never_divided(empty_world: World, tmp_path: Path) -> None:
    empty_world.fill(dishes=5)
    release = build(empty_world, splits={"train": 0.6, "test": 0.4}, seed=3)
    with transaction(empty_world.engine) as session:
        rows = session.execute(
            sa.select(col(Food.name), col(ReleaseItem.split), sa.func.count())
            .select_from(ReleaseItem)
            .join(Item, col(Item.id) == ReleaseItem.item_id)
            .join(Food, col(Food.id) == Item.family_id)
            .where(col(ReleaseItem.release_id) == release.id)
            .group_by(col(Food.name), col(ReleaseItem.split))
        ).all()
    assert sorted(count for _, _, count in rows) == [4] * 5
    assert manifest_of(empty_world.storage, release)["counts"]["by_split"] == {"test": 8, "train": 12}


def test_a_split_without_items_is_refused(empty_world: World) -> None:
    empty_world.fill(dishes=1)
    with pytest.raises(Invalid, match="never divided"):
        build(empty_world, splits={"train": 0.5, "test": 0.5})


def test_simulated_judgments_are_refused_unless_allowed(empty_world: World, tmp_path: Path, files_of: Files) -> None:
    empty_world.fill(simulated=True)
    with pytest.raises(SimulatedJudgments, match="12 judgments of simulated annotators stand behind 12"):
        build(empty_world)
    release = build(empty_world, allow_simulated=True, out=tmp_path / "out")
    manifest = manifest_of(empty_world.storage, release)
    assert manifest["includes_simulated"] is True
    assert manifest["simulated_judgments"] == 12
    assert manifest["agreement"]["simulated_judgments"] == 13  # one more on the rejected item
    assert b"12 judgments here were made by simulated annotators" in files_of(tmp_path / "out")["README.md"]
    raw = pq.read_table(tmp_path / "out" / "judgments.parquet").to_pylist()
    assert sum(row["is_simulated"] for row in raw) * 4 == len(raw)


def test_nothing_approved_is_said_in_a_sentence(empty_world: World) -> None:
    with transaction(empty_world.engine) as session:
        make_campaign(session, empty_world.slug)
    with pytest.raises(NothingApproved, match="no approved items yet"):
        build(empty_world)


def changed(storage: Storage, world: World) -> str:
    """Changes one byte of a stored image; its key."""
    with transaction(world.engine) as session:
        item = session.exec(select(Item).where(Item.key == "SFB/010.jpg")).one()
    key = original_key(item.image_sha256, "jpeg")
    data = bytearray(storage.get(key))
    data[100] ^= 1
    storage.put(key, bytes(data), media_type="image/jpeg")
    return key


def test_an_image_changed_after_approval_stops_the_release_and_leaves_nothing(
    world: World, storage: Storage, tmp_path: Path
) -> None:
    key = changed(storage, world)
    with pytest.raises(publish.Conflict, match=r"image of SFB/010\.jpg has changed in storage"):
        build(world, out=tmp_path / "out")
    assert not list(storage.list("releases"))
    assert not (tmp_path / "out").exists()
    assert not list(world.settings.home.glob("release-*"))
    with transaction(world.engine) as session:
        assert session.exec(select(Release)).one().status is ReleaseStatus.FAILED
        assert not session.exec(select(ReleaseItem)).all()
    storage.delete(key)
    with pytest.raises(publish.Conflict, match="is missing from storage"):
        build(world)  # the number of a failed release is free again


def test_a_folder_in_use_is_refused_before_anything_is_built(world: World, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(publish.FolderInUse, match="is not empty"):
        build(world, out=tmp_path)
    with transaction(world.engine) as session:
        assert not session.exec(select(Release)).all()


def test_two_builders_of_one_release_do_not_meet(world: World) -> None:
    with transaction(world.engine) as session:
        release = publish.service.reserve(session, world.slug, "1.0.0", splits=ALL)
    with publish._building(world.engine, release.id), pytest.raises(publish.BeingBuilt):
        publish.build_release(world.engine, world.settings, world.storage, release.id, lambda done, total: None)
    with publish._building(world.engine, release.id), pytest.raises(VersionTaken, match="being built"):
        build(world)


def test_progress_counts_items(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.releases.build.BATCH_ITEMS", 5)
    seen: list[tuple[int, int]] = []
    build(world, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 12), (5, 12), (10, 12), (12, 12)]


def test_surplus_judgments_of_simulated_annotators_stay_out(world: World, tmp_path: Path) -> None:
    with transaction(world.engine) as session:  # the fourth annotator always came too late
        session.get_one(Account, world.annotators[3]).is_simulated = True
    build(world, out=tmp_path / "out")
    raw = pq.read_table(tmp_path / "out" / "judgments.parquet").to_pylist()
    assert {row["status"] for row in raw} == {"counted"}
    assert not any(row["is_simulated"] for row in raw)


def test_what_a_killed_builder_left_behind_does_not_stay(world: World, storage: Storage) -> None:
    with transaction(world.engine) as session:
        dead = publish.service.reserve(session, world.slug, "1.0.0", splits=ALL)
        dead.status = ReleaseStatus.BUILDING
    storage.put("releases/1.0.0/data/test-00000-of-00009.parquet", b"half", media_type="application/octet-stream")
    release = build(world)
    assert release.id == dead.id
    assert verify_published(storage, release).ok


def known_otherwise(world: World, *keys: str, answer: str = "no", **values: Any) -> None:
    """Gold on these approved items, added after their approval."""
    with transaction(world.engine) as session:
        for item in session.exec(select(Item).where(col(Item.key).in_(keys))):
            session.add(Gold(item_id=item.id, question="food1_origin", answer=answer, **values))


def test_what_contradicts_a_known_answer_is_left_out_and_counted(world: World, tmp_path: Path, files_of: Files) -> None:
    known_otherwise(world, "SF/000.jpg", "MFB/003.jpg")
    known_otherwise(world, "SF/004.jpg", answer="yes")
    known_otherwise(world, "SF/008.jpg", withdrawn_at=now())
    release = build(world, out=tmp_path / "out")
    found = files_of(tmp_path / "out")
    counts = manifest_of(world.storage, release)["counts"]
    assert counts["items"] == 10
    assert counts["excluded"] == {"pending": 1, "rejected": 1, "disputed": 0, "approved_against_gold": 2}
    metadata = b"".join(data for path, data in found.items() if path.startswith("metadata/"))
    assert b"008.jpg" in metadata
    assert b"004.jpg" in metadata
    assert b"000.jpg" not in metadata
    assert b"003.jpg" not in metadata
    assert "images/SF/000.jpg" not in found
    card = " ".join(found["README.md"].decode().split())
    assert "0 disputed. 2 approved items are not here either: a known answer contradicts their approval." in card


def test_nothing_but_what_is_known_otherwise_is_said_in_a_sentence(world: World) -> None:
    with transaction(world.engine) as session:
        keys = session.exec(select(Item.key).where(Item.status == Status.APPROVED)).all()
    known_otherwise(world, *keys)
    with pytest.raises(NothingApproved, match="12 approved items of “tasting” contradict a known answer"):
        build(world)


def test_simulated_judgments_on_what_is_left_out_are_no_reason_to_refuse(empty_world: World) -> None:
    empty_world.fill(simulated=True)
    known_otherwise(empty_world, "SF/000.jpg")
    with pytest.raises(SimulatedJudgments, match="11 judgments of simulated annotators stand behind 11"):
        build(empty_world)
