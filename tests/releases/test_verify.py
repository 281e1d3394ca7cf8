"""Verifying finds whatever is no longer as it was published."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from app.releases.formats.manifest import checksums
from app.releases.outbox import FileEntry
from app.releases.publish import build_now
from app.releases.verify import verify_folder, verify_published
from tests.releases.conftest import World


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    out = tmp_path / "out"
    build_now(world.engine, world.settings, world.storage, world.slug, "1.0.0", splits={"test": 1.0}, out=out)
    return out


def test_a_whole_release_has_no_problems(folder: Path, files_of: Callable[[Path], dict[str, bytes]]) -> None:
    assert verify_folder(folder) == (True, len(files_of(folder)), [])


def test_one_changed_byte_is_found_in_any_file(folder: Path, files_of: Callable[[Path], dict[str, bytes]]) -> None:
    for path, data in files_of(folder).items():
        for place in (0, len(data) // 2, len(data) - 1):
            damaged = bytearray(data)
            damaged[place] ^= 1
            (folder / path).write_bytes(damaged)
            report = verify_folder(folder)
            assert not report.ok, (path, place)
            assert any(path in problem for problem in report.problems), (path, place)
        (folder / path).write_bytes(data)
    assert verify_folder(folder).ok


def test_missing_and_surplus_files_are_named(folder: Path) -> None:
    (folder / "images" / "SF" / "000.jpg").unlink()
    (folder / "data" / "extra.parquet").write_bytes(b"?")
    assert verify_folder(folder).problems == [
        "data/extra.parquet does not belong to this release: manifest.json does not name it.",
        "images/SF/000.jpg is missing.",
    ]


def test_a_truncated_file_is_named_with_its_sizes(folder: Path) -> None:
    path = folder / "items.parquet"
    path.write_bytes(path.read_bytes()[:-10])
    [problem] = verify_folder(folder).problems
    assert problem.startswith("items.parquet has ")


def test_sums_that_differ_from_the_manifest_are_found(folder: Path) -> None:
    sums = folder / "SHA256SUMS"
    lines = sums.read_text().splitlines()
    kept = [line for line in lines if not line.endswith("  README.md")]
    sums.write_text("\n".join([*kept, f"{'0' * 64}  other.txt"]) + "\n")
    assert verify_folder(folder).problems == [
        "SHA256SUMS leaves out README.md.",
        "SHA256SUMS names other.txt, which manifest.json does not.",
    ]


def test_right_hashes_of_a_wrong_image_are_found(folder: Path) -> None:
    """Whoever changes an image and mends every list still meets the hash that was judged."""
    path = "images/SF/000.jpg"
    (folder / path).write_bytes(b"another picture")
    reseal(folder, path)
    assert verify_folder(folder).problems == [f"{path} is not the image that was judged."]


def test_an_exchanged_image_inside_the_data_is_found(folder: Path) -> None:
    path = "data/test-00000-of-00001.parquet"
    table = pq.read_table(folder / path)
    rows = table.to_pylist()
    rows[0]["image"]["bytes"] = b"another picture"
    pq.write_table(table.from_pylist(rows, table.schema), folder / path)
    reseal(folder, path)
    [problem] = verify_folder(folder).problems
    assert problem == f"The image of {rows[0]['image_path']} in {path} is not the one that was judged."


def reseal(folder: Path, path: str) -> None:
    """Manifest and sums made to fit the file as it is now."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][path] = FileEntry.of((folder / path).read_bytes())._asdict()
    data = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(data)
    files = {name: FileEntry(**entry) for name, entry in manifest["files"].items()}
    (folder / "SHA256SUMS").write_bytes(checksums(files, hashlib.sha256(data).hexdigest()))


def test_a_resealed_release_in_storage_meets_the_databases_hash(world: World) -> None:
    release = build_now(world.engine, world.settings, world.storage, world.slug, "1.0.0", splits={"test": 1.0})
    assert verify_published(world.storage, release).ok
    folder = world.storage.local_path("releases/1.0.0/manifest.json").parent  # type: ignore[union-attr]
    (folder / "README.md").write_text("Trust me.")
    reseal(folder, "README.md")
    [problem] = verify_published(world.storage, release).problems
    assert problem.startswith("manifest.json is not the one that was published")


def test_a_manifest_that_points_outside_is_a_problem(folder: Path) -> None:
    (folder.parent / "outside.txt").write_text("secret")
    good = json.loads((folder / "manifest.json").read_text())
    for path in ("../outside.txt", "/etc/hostname", "images/../../outside.txt"):
        files = {**good["files"], path: FileEntry.of(b"secret")._asdict()}
        (folder / "manifest.json").write_text(json.dumps({**good, "files": files}))
        assert any("can't be read" in problem for problem in verify_folder(folder).problems)


def test_a_broken_manifest_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    for content in ("", "{", "[]", '{"files": [1]}', '{"files": {"a": {}}}', '{"files": {}}', "[" * 100_000):
        (tmp_path / "manifest.json").write_text(content)
        assert verify_folder(tmp_path).problems == [
            "manifest.json is damaged: it can't be read as a release's manifest."
        ], content[:20]


def test_what_is_no_release_is_said(tmp_path: Path) -> None:
    assert verify_folder(tmp_path).problems == ["manifest.json is missing, so this is no whole release."]
    assert verify_folder(tmp_path / "nowhere").problems == [f"{tmp_path / 'nowhere'} is no folder."]
