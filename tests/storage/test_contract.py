"""What every store promises, on a folder and on real S3 servers."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.errors import NotFound
from app.storage import InvalidKey, MissingObject, Storage

UNSAFE = [
    "",
    "/etc/passwd",
    "../secret_key",
    "images/../../secret_key",
    "images/..",
    "./images",
    "images//a.jpg",
    "images/",
    "images\\..\\a.jpg",
    "images/a\0.jpg",
    "images/a\n.jpg",
    "C:/windows/a.jpg",
    "c:a.jpg",
    "%2e%2e/secret_key",
    "images/%2E%2E/a.jpg",
    "images%2f..%2fa.jpg",
    "images/%5c..%5ca.jpg",
    "images/NUL",
    "images/con.jpg",
    "images/\ud800.jpg",
    "images/.part-abc",
    "a" * 256,
    "/".join(["a" * 200] * 6),
]


def test_what_is_put_comes_back(storage: Storage) -> None:
    storage.put("images/ab/a.jpg", b"\xff\xd8bytes", media_type="image/jpeg")
    assert storage.get("images/ab/a.jpg") == b"\xff\xd8bytes"
    stat = storage.stat("images/ab/a.jpg")
    assert stat is not None
    assert stat.size == 7
    assert stat.etag
    assert storage.exists("images/ab/a.jpg")


def test_a_stream_and_a_file_are_put_like_bytes(storage: Storage, tmp_path: Path) -> None:
    storage.put("a/stream", io.BytesIO(b"from a stream"), media_type="text/plain")
    (tmp_path / "source").write_bytes(b"from a file")
    storage.put_file("a/file", tmp_path / "source", "text/plain")
    assert storage.get("a/stream") == b"from a stream"
    assert storage.get("a/file") == b"from a file"
    assert (tmp_path / "source").exists()


def test_an_empty_file_is_a_file(storage: Storage) -> None:
    storage.put("empty", b"", media_type="text/plain")
    assert storage.get("empty") == b""
    assert storage.stat("empty") is not None
    assert list(storage.read_range("empty", 0)) == []


def test_a_big_file_goes_up_in_parts_and_comes_back_whole(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "big"
    block = bytes(range(256)) * 4096
    source.write_bytes(b"".join(block[n:] + block[:n] for n in range(40)))  # 40 MiB, no two the same
    storage.put_file("releases/big.parquet", source, "application/octet-stream")
    with storage.open("releases/big.parquet") as stream:
        got = hashlib.file_digest(stream, "sha256").hexdigest()
    assert got == hashlib.sha256(source.read_bytes()).hexdigest()
    middle = b"".join(storage.read_range("releases/big.parquet", 17_000_000, 17_900_000))
    assert middle == source.read_bytes()[17_000_000:17_900_000]


def test_putting_again_replaces_the_content(storage: Storage) -> None:
    storage.put("a", b"first", media_type="text/plain")
    before = storage.stat("a")
    storage.put("a", b"first", media_type="text/plain")
    assert storage.get("a") == b"first"
    storage.put("a", b"other", media_type="text/plain")
    assert storage.get("a") == b"other"
    assert storage.stat("a") != before


def test_a_reader_never_sees_a_part_of_a_file(storage: Storage) -> None:
    versions = [bytes([n]) * 300_000 for n in range(4)]
    storage.put("shared", versions[0], media_type="text/plain")
    with ThreadPoolExecutor(6) as pool:
        writes = [pool.submit(storage.put, "shared", version, media_type="text/plain") for version in versions * 3]
        reads = [pool.submit(storage.get, "shared") for _ in range(24)]
        assert all(read.result() in versions for read in reads)
        assert all(write.result() is None for write in writes)
    assert list(storage.list()) == ["shared"]


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (0, 1), (2, 5), (3, None), (9, 10), (4, 99), (4, 4), (10, None), (12, 20)]
)
def test_a_range_counts_like_a_slice(storage: Storage, start: int, end: int | None) -> None:
    storage.put("digits", b"0123456789", media_type="text/plain")
    assert b"".join(storage.read_range("digits", start, end)) == b"0123456789"[start:end]


def test_a_stream_is_read_bit_by_bit(storage: Storage) -> None:
    storage.put("lines", b"one\ntwo\nthree", media_type="text/plain")
    with storage.open("lines") as stream:
        assert stream.readline() == b"one\n"
        assert stream.read(2) == b"tw"
        assert stream.read() == b"o\nthree"


def test_a_missing_file_is_said_to_be_missing(storage: Storage) -> None:
    assert not storage.exists("a/b.jpg")
    assert storage.stat("a/b.jpg") is None
    for read in (
        lambda: storage.get("a/b.jpg"),
        lambda: storage.open("a/b.jpg"),
        lambda: storage.read_range("a/b.jpg", 0),  # at the call, when a status can still be sent
        lambda: storage.read_range("a/b.jpg", 0, 0),
    ):
        with pytest.raises(MissingObject, match=r"No file is stored as 'a/b\.jpg'\."):
            read()
    assert issubclass(MissingObject, NotFound)


def test_a_folder_is_no_file(storage: Storage) -> None:
    storage.put("a/b/c", b"x", media_type="text/plain")
    assert storage.stat("a/b") is None
    with pytest.raises(MissingObject):
        storage.get("a/b")
    with pytest.raises(MissingObject):
        storage.get("a/b/c/d")


def test_a_list_is_sorted_and_stays_in_its_folder(storage: Storage) -> None:
    keys = ["r/1.0.0/b", "r/1.0.0/a/c", "r/1.0.0-rc1/a", "r/1.0.0", "q", "r/1.0.0/a-b", "r/1.0.0/Ä", "r/1.0.0/名"]
    for key in keys:
        if key != "r/1.0.0":  # a folder can't hold a file and a folder of one name
            storage.put(key, b"x", media_type="text/plain")
    inside = ["r/1.0.0/a-b", "r/1.0.0/a/c", "r/1.0.0/b", "r/1.0.0/Ä", "r/1.0.0/名"]
    assert list(storage.list("r/1.0.0")) == inside
    assert list(storage.list("r/1.0.0/")) == inside
    assert list(storage.list()) == ["q", "r/1.0.0-rc1/a", *inside]
    assert list(storage.list("nowhere")) == []


def test_names_as_datasets_have_them_are_kept(storage: Storage) -> None:
    keys = ["images/crème brûlée (1).jpg", "images/100%.jpg", "images/a+b&c=d?e#f.jpg", "images/พะโล้.jpg", "images/~x"]
    for key in keys:
        storage.put(key, key.encode(), media_type="image/jpeg")
    assert sorted(keys) == list(storage.list("images"))
    assert [storage.get(key) for key in keys] == [key.encode() for key in keys]


def test_deleting_takes_one_file_and_may_be_repeated(storage: Storage) -> None:
    storage.put("a/b", b"x", media_type="text/plain")
    storage.put("a/c", b"x", media_type="text/plain")
    storage.delete("a/b")
    storage.delete("a/b")
    storage.delete("nowhere/b")
    assert list(storage.list()) == ["a/c"]


def test_deleting_a_folder_spares_its_neighbours(storage: Storage) -> None:
    for key in ("r/1.0.0/a", "r/1.0.0/b/c", "r/1.0.0-rc1/a", "r/1.0.01"):
        storage.put(key, b"x", media_type="text/plain")
    storage.delete_prefix("r/1.0.0")
    storage.delete_prefix("r/1.0.0")
    assert list(storage.list()) == ["r/1.0.0-rc1/a", "r/1.0.01"]
    with pytest.raises(InvalidKey, match="it would remove everything"):
        storage.delete_prefix("")
    assert storage.exists("r/1.0.01")


def test_more_files_than_one_request_can_name_are_listed_and_deleted(storage: Storage) -> None:
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(storage.put, f"many/{n:04}", b"", media_type="text/plain") for n in range(1005)]:
            done.result()
    assert len(list(storage.list("many"))) == 1005
    storage.delete_prefix("many")
    assert list(storage.list("many")) == []


@pytest.mark.parametrize("key", UNSAFE, ids=lambda key: ascii(key[:40]))
def test_a_key_that_could_leave_its_folder_is_refused_everywhere(storage: Storage, key: str) -> None:
    for use in (
        lambda: storage.put(key, b"x", media_type="text/plain"),
        lambda: storage.get(key),
        lambda: storage.open(key),
        lambda: storage.read_range(key, 0),
        lambda: storage.stat(key),
        lambda: storage.exists(key),
        lambda: storage.delete(key),
        lambda: storage.local_path(key),
    ):
        with pytest.raises(InvalidKey, match="can't name a stored file"):
            use()
    if key.removesuffix("/") not in ("", "images"):  # these two are fine as folders
        with pytest.raises(InvalidKey):
            storage.list(key)
        with pytest.raises(InvalidKey):
            storage.delete_prefix(key)


def test_a_working_store_passes_its_check(storage: Storage) -> None:
    storage.check()
    storage.check()


def test_a_local_path_is_given_only_by_the_folder(storage: Storage) -> None:
    storage.put("a/b", b"x", media_type="text/plain")
    path = storage.local_path("a/b")
    assert path is None or path.read_bytes() == b"x"
