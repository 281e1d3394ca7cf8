"""Imports from the admin's page: what is uploaded is unpacked with care, imported by the worker, and thrown away."""

import io
import shutil
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.accounts.models import Role
from app.db import transaction
from app.errors import Invalid
from app.items.archives import BadArchive, unpack
from app.items.jobs import start_import, upload_key
from app.items.models import Item
from app.jobs import Job, JobStatus, run_job
from app.settings import ROOT, Settings
from app.storage import storage_for
from tests.factories import make_account
from tests.items.tables import HEADER, files_in, picture, row_counts

TABLE = "image_path,subtask,food1_name,food1_country\na.jpg,SF,Koshary,egypt\n"


def zipped(files: Mapping[str, bytes | str], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def _with_entry(**changes: Any) -> bytes:
    """An archive with one entry whose listing says something odd."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo("a.jpg")
        archive.writestr(entry, b"content")
        for name, value in changes.items():
            setattr(entry, name, value)
    return out.getvalue()


def _renamed(content: bytes, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    return content.replace(old, new)


def _twice() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.jpg", b"1")
        archive.writestr("A.JPG", b"2")
    return out.getvalue()


HOSTILE: dict[str, tuple[bytes, str]] = {
    "upwards": (zipped({"../evil.jpg": b"x"}), "it has a part '..'"),
    "encoded upwards": (zipped({"%2e%2e/evil.jpg": b"x"}), "it has a part '..'"),
    "absolute": (zipped({"/etc/evil": b"x"}), "it is an absolute path"),
    "drive": (zipped({"C:/evil.jpg": b"x"}), "it is an absolute path"),
    "backslash": (_renamed(zipped({"..xevil.jpg": b"x"}), b"..xevil", b"..\\evil"), "it has a backslash"),
    "NUL": (_renamed(zipped({"axb.jpg": b"x"}), b"axb", b"a\0b"), "it has a control character"),
    "device": (zipped({"con.jpg": b"x"}), "names a device"),
    "link": (_with_entry(external_attr=(stat.S_IFLNK | 0o777) << 16), "is a link or a device"),
    "pipe": (_with_entry(external_attr=(stat.S_IFIFO | 0o777) << 16), "is a link or a device"),
    "encrypted": (_with_entry(flag_bits=1), "is encrypted"),
    "bomb": (zipped({"a.jpg": bytes(20_000_000)}), "as only an archive bomb does"),
    "said to be huge": (_with_entry(file_size=60_000_000), "is larger than 50 MB unpacked"),
    "longer than said": (_with_entry(file_size=3), "is no ZIP archive or is damaged"),
    "all together too large": (_with_entry(file_size=20 * 1024**3), "is larger than 16 GB unpacked"),
    "no archive": (b"PK\x03\x04 and no more", "is no ZIP archive or is damaged"),
    "twice": (_twice(), "is in the archive twice"),
    "file and folder": (zipped({"a": b"1", "a/b.jpg": b"2"}), "is both a file and a folder"),
    "cut off": (zipped({"a.jpg": picture("a")})[:-30], "is no ZIP archive or is damaged"),
    "damaged": (
        zipped({"a.jpg": picture("a")}, zipfile.ZIP_STORED).replace(picture("a")[200:210], b"0123456789"),
        "is no ZIP archive or is damaged",
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_archive_is_refused_and_writes_nothing_outside(tmp_path: Path, attack: str) -> None:
    content, sentence = HOSTILE[attack]
    folder = tmp_path / "inner" / "folder"
    folder.mkdir(parents=True)
    with pytest.raises(BadArchive) as refused:
        unpack(io.BytesIO(content), folder, "upload.zip")
    assert sentence in refused.value.message
    assert refused.value.message.startswith("upload.zip")
    assert refused.value.message.isprintable()
    assert all(path.startswith("inner/folder/") for path in files_in(tmp_path))


def test_folders_in_an_archive_are_kept_and_clutter_is_left_out(tmp_path: Path) -> None:
    unpack(
        io.BytesIO(zipped({"set/SF/a.jpg": b"1", "set/.DS_Store": b"2", "__MACOSX/set/SF/._a.jpg": b"3", "set/": b""})),
        tmp_path,
        "upload.zip",
    )
    assert files_in(tmp_path) == ["set/SF/a.jpg"]


def uploaded(engine: sa.Engine, settings: Settings, *files: tuple[str, bytes], **values: Any) -> Job:
    """The job after the worker has done it."""
    storage = storage_for(settings)
    uploads = []
    for name, content in files:
        key = upload_key(name)
        storage.put(key, content, media_type="application/octet-stream")
        uploads.append({"key": key, "name": name})
    with transaction(engine) as session:
        admin = make_account(session, Role.ADMIN)
        job = start_import(
            session, admin, **{"slug": "uploaded", "policy": None, "dry_run": False, "uploads": uploads} | values
        )
    run_job(engine, settings, job.id)
    with transaction(engine) as session:
        return session.get_one(Job, job.id)


def test_a_folder_as_one_archive_is_imported(fresh_engine: sa.Engine, settings: Settings, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "set"), "zip", ROOT / "demo", "culturemix")
    job = uploaded(fresh_engine, settings, ("set.zip", Path(archive).read_bytes()))
    assert (job.status, job.error) == (JobStatus.DONE, None)
    assert job.result == {
        "added": 51, "unchanged": 0, "errors": [], "n_errors": 0, "duplicates": [], "duplicates_cut": False,
    }  # fmt: skip
    assert (job.done, job.total) == (51, 51)
    assert not any(name.startswith("uploads/") for name in storage_for(settings).list())


def test_a_table_and_an_archive_of_images_are_imported(fresh_engine: sa.Engine, settings: Settings) -> None:
    images = zipped({"a.jpg": picture("a")})
    job = uploaded(fresh_engine, settings, ("images.zip", images), ("rows.csv", TABLE.encode()))
    assert job.result is not None
    assert (job.result["added"], job.result["errors"]) == (1, [])
    with Session(fresh_engine) as session:
        assert session.exec(select(Item.key)).all() == ["a.jpg"]


def test_faults_come_back_as_the_jobs_result(fresh_engine: sa.Engine, settings: Settings) -> None:
    job = uploaded(fresh_engine, settings, ("sf.csv", f"{HEADER}\na.jpg,,Koshary,Atlantis,,,,\n".encode()))
    assert job.status is JobStatus.DONE
    assert job.result is not None
    assert [(fault["file"], fault["row"], fault["field"]) for fault in job.result["errors"]] == [
        ("sf.csv", 2, "food1_country")
    ]
    with Session(fresh_engine) as session:
        assert row_counts(session)["campaign"] == 0


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("set.zip", b"no archive", "set.zip is no ZIP archive or is damaged"),
        ("set.zip", zipped({"a.jpg": b"x"}), "There is no table in what was uploaded"),
        ("../rows.csv", TABLE.encode(), "it has a part '..'"),
    ],
)
def test_what_cannot_be_unpacked_fails_the_job_with_its_sentence(
    fresh_engine: sa.Engine, settings: Settings, name: str, content: bytes, sentence: str
) -> None:
    job = uploaded(fresh_engine, settings, (name, content))
    assert job.status is JobStatus.FAILED
    assert sentence in (job.error or "")
    assert list(storage_for(settings).list()) == []


def test_only_tables_and_archives_are_taken() -> None:
    for name in ("a.jpg", "a.exe", "zip", ""):
        with pytest.raises(Invalid, match="Upload a"):
            upload_key(name)
    assert upload_key("../../x.ZIP").startswith("uploads/")
    assert "x" not in upload_key("x.zip").removesuffix(".zip").removeprefix("uploads/")


def test_an_impossible_policy_is_refused_before_a_job_is_queued(session: Session) -> None:
    admin = make_account(session, Role.ADMIN)
    with pytest.raises(Invalid):
        start_import(session, admin, slug="ok", policy="best-of-3", dry_run=False, uploads=[])
    assert session.exec(select(Job)).all() == []
