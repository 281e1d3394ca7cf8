"""What only a folder can suffer: links, leftovers, a full or closed disk."""

import io
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from app.storage import InvalidKey, StorageError
from app.storage.local import LocalStorage


class Breaking(io.RawIOBase):
    """Gives a few bytes, then fails as a broken upload does."""

    def __init__(self) -> None:
        self.given = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self.given:
            raise ConnectionResetError("the sender hung up")
        self.given = True
        return b"half"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "storage"


def test_a_link_out_of_the_folder_is_refused(root: Path, tmp_path: Path) -> None:
    storage = LocalStorage(root)
    storage.put("images/a", b"x", media_type="text/plain")
    outside = tmp_path / "storage-of-somebody-else"  # begins with the root's own name
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (root / "out").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    for key in ("out/secret", "file"):
        for use in (
            lambda key=key: storage.get(key),
            lambda key=key: storage.local_path(key),
            lambda key=key: storage.put(key, b"x", media_type="text/plain"),
            lambda key=key: storage.delete(key),
        ):
            with pytest.raises(InvalidKey, match="leads out of the storage folder"):
                use()
    with pytest.raises(InvalidKey):
        storage.delete_prefix("out")
    with pytest.raises(InvalidKey):
        storage.list("out")
    assert (outside / "secret").read_text() == "secret"
    assert list(storage.list("images")) == ["images/a"]


def test_a_root_reached_by_a_link_is_fine(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    (tmp_path / "link").symlink_to(root)
    storage = LocalStorage(tmp_path / "link")
    storage.put("a", b"x", media_type="text/plain")
    assert (root / "a").read_bytes() == b"x"


def test_a_broken_upload_leaves_the_old_file_and_no_part_of_the_new(root: Path) -> None:
    storage = LocalStorage(root)
    storage.put("a/b", b"old", media_type="text/plain")
    with pytest.raises(StorageError):
        storage.put("a/b", cast(BinaryIO, Breaking()), media_type="text/plain")
    assert storage.get("a/b") == b"old"
    assert os.listdir(root / "a") == ["b"]


def test_what_a_killed_process_left_is_not_listed(root: Path) -> None:
    storage = LocalStorage(root)
    storage.put("a/b", b"x", media_type="text/plain")
    (root / "a" / ".part-left").write_bytes(b"half")
    assert list(storage.list()) == ["a/b"]


def test_a_file_is_readable_by_its_owner_alone(root: Path) -> None:
    storage = LocalStorage(root)
    storage.put("a", b"x", media_type="text/plain")
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_written_is_one_sentence(root: Path) -> None:
    root.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match=r"failed at 'health/probe' \(.*\); check its disk space and permissions\.$"):
        LocalStorage(root).check()
