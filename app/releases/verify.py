"""Is a release still what was published? Every byte against its hashes, every image against its item."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from app.errors import TerroirError
from app.releases.formats.manifest import CHECKSUMS, MANIFEST, checksums
from app.releases.models import Release
from app.releases.outbox import FileEntry
from app.releases.service import prefix_of
from app.storage import MissingObject, Storage
from app.storage.local import LocalStorage

MAX_PROBLEMS = 100
_CHUNK = 2**20


class VerifyReport(NamedTuple):
    """`problems` are sentences, at most MAX_PROBLEMS of them; `files_checked` counts files that were read."""

    ok: bool
    files_checked: int
    problems: list[str]


def verify_folder(folder: Path) -> VerifyReport:
    """Checks a release in a folder of this machine."""
    if not folder.is_dir():
        return VerifyReport(False, 0, [f"{folder} is no folder."])
    return _Verifier(LocalStorage(folder), "").report()


def verify_published(storage: Storage, release: Release) -> VerifyReport:
    """Checks a published release in storage, its manifest against the hash that the database keeps."""
    return _Verifier(storage, prefix_of(release.version) + "/").report(release.manifest_sha256)


class _Verifier:
    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage = storage
        self._prefix = prefix
        self._problems: list[str] = []
        self._checked = 0

    def report(self, manifest_sha256: str | None = None) -> VerifyReport:
        try:
            self._check(manifest_sha256)
        except TerroirError as error:
            self._say(error.message)
        return VerifyReport(not self._problems, self._checked, self._problems)

    def _check(self, manifest_sha256: str | None) -> None:
        data = self._read(MANIFEST)
        if data is None:
            self._say(f"{MANIFEST} is missing, so this is no whole release.")
            return
        sha256 = hashlib.sha256(data).hexdigest()
        if manifest_sha256 is not None and sha256 != manifest_sha256:
            self._say(f"{MANIFEST} is not the one that was published: its SHA-256 is {sha256}, not {manifest_sha256}.")
        manifest, files = _parsed(data)
        if manifest is None:
            self._say(f"{MANIFEST} is damaged: it can't be read as a release's manifest.")
            return
        self._check_sums(files, sha256)
        self._check_presence(files)
        whole = {path for path, entry in files.items() if self._check_file(path, entry)}
        for path in sorted(whole):
            if path.startswith("data/") and path.endswith(".parquet"):
                self._check_images(path, files)
        self._check_counts(manifest, whole)

    def _check_sums(self, files: Mapping[str, FileEntry], manifest_sha256: str) -> None:
        """The list that `sha256sum` reads must say the same as the manifest."""
        data = self._read(CHECKSUMS)
        if data is None:
            self._say(f"{CHECKSUMS} is missing.")
            return
        right = checksums(files, manifest_sha256)
        said, expected = _lines(data), _lines(right)
        if said == expected and data != right:
            self._say(f"{CHECKSUMS} has changed, though no hash in it.")
        for path in sorted(said.keys() | expected.keys()):
            if said.get(path) == expected.get(path):
                continue
            if path not in said:
                self._say(f"{CHECKSUMS} leaves out {path}.")
            elif path not in expected:
                self._say(f"{CHECKSUMS} names {path}, which {MANIFEST} does not.")
            else:
                self._say(f"{CHECKSUMS} and {MANIFEST} give different hashes for {path}.")

    def _check_presence(self, files: Mapping[str, FileEntry]) -> None:
        found = {key.removeprefix(self._prefix) for key in self._storage.list(self._prefix)}
        for path in sorted(found - files.keys() - {MANIFEST, CHECKSUMS}):
            self._say(f"{path} does not belong to this release: {MANIFEST} does not name it.")

    def _check_file(self, path: str, entry: FileEntry) -> bool:
        digest, size = hashlib.sha256(), 0
        try:
            with self._storage.open(self._prefix + path) as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
        except MissingObject:
            self._say(f"{path} is missing.")
            return False
        except TerroirError as error:  # a name that leads out of the release, or a store that fails
            self._say(f"{path[:200]!a} can't be read: {error.message}")
            return False
        self._checked += 1
        if size != entry.size:
            self._say(f"{path} has {size:,} bytes; the manifest says {entry.size:,}.")
        elif digest.hexdigest() != entry.sha256:
            self._say(f"{path} has changed: its SHA-256 is not the manifest's.")
        else:
            return True
        return False

    def _check_images(self, path: str, files: Mapping[str, FileEntry]) -> None:
        """Hashes can be right about wrong bytes: the image of each row must be the one that was judged."""
        try:
            with self._seekable(path) as file, pq.ParquetFile(file) as parquet:
                for group in range(parquet.num_row_groups):  # reading on by itself it would hold the whole file
                    rows = parquet.read_row_group(group, columns=["image", "image_path", "image_sha256"])
                    for batch in rows.to_batches(max_chunksize=8):
                        for row in batch.to_pylist():
                            self._check_row(path, row, files)
        except (pa.ArrowException, KeyError, TypeError, OSError):
            self._say(f"{path} can't be read as a release's data.")

    def _check_row(self, path: str, row: Mapping[str, Any], files: Mapping[str, FileEntry]) -> None:
        name, judged = row["image_path"], row["image_sha256"]
        if hashlib.sha256(row["image"]["bytes"]).hexdigest() != judged:
            self._say(f"The image of {name} in {path} is not the one that was judged.")
        beside = files.get(f"images/{name}")
        if beside is None:
            self._say(f"images/{name} is missing, though {path} has that item.")
        elif beside.sha256 != judged:
            self._say(f"images/{name} is not the image that was judged.")

    def _check_counts(self, manifest: Mapping[str, Any], whole: set[str]) -> None:
        """Only once every file is whole: else the cause has been named already."""
        tables = [path for path in whole if path.startswith("data/") and path.endswith(".parquet")]
        if self._problems:
            return
        n_rows = 0
        for path in tables:
            with self._seekable(path) as file:
                n_rows += pq.read_metadata(file).num_rows
        n_items = manifest["counts"]["items"]
        if n_rows != n_items:
            self._say(f"The data files hold {n_rows:,} items; the manifest says {n_items:,}.")

    @contextmanager
    def _seekable(self, path: str) -> Iterator[IO[bytes]]:
        """Parquet is read from its end, and a bucket's stream only runs forwards."""
        key = self._prefix + path
        here = self._storage.local_path(key)
        if here is not None:
            with here.open("rb") as file:
                yield file
            return
        with tempfile.TemporaryFile() as copy, self._storage.open(key) as stream:
            while chunk := stream.read(_CHUNK):
                copy.write(chunk)
            copy.seek(0)
            yield copy

    def _read(self, path: str) -> bytes | None:
        try:
            data = self._storage.get(self._prefix + path)
        except MissingObject:
            return None
        self._checked += 1
        return data

    def _say(self, problem: str) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(problem)


def _parsed(data: bytes) -> tuple[dict[str, Any] | None, dict[str, FileEntry]]:
    try:
        manifest = json.loads(data)
        files = {
            str(path): FileEntry(str(entry["sha256"]), int(entry["size"])) for path, entry in manifest["files"].items()
        }
        int(manifest["counts"]["items"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None, {}
    return manifest, files


def _lines(data: bytes) -> dict[str, str]:
    """Hash by path from a SHA256SUMS."""
    lines = data.decode("utf-8", "replace").split("\n")
    pairs = (line.split("  ", 1) for line in lines)
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}
