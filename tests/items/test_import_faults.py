"""Broken and hostile tables: each fault has its sentence with file, row and field, and nothing is written."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sqlmodel import Session, select

from app.items.importing import ImportReport, import_items
from app.items.models import ItemFood
from app.storage.local import LocalStorage
from tests.items.tables import HEADER, files_in, picture, put_picture, row, row_counts, scene, two, write_csv


class Place(NamedTuple):
    """Where an import happens: a folder with one good image `a.jpg`, and everything counted."""

    session: Session
    storage: LocalStorage
    folder: Path

    def imported(self, *paths: Path, slug: str = "broken") -> ImportReport:
        """The report of an import that must leave everything as it was, dry or not."""
        before, files = row_counts(self.session), files_in(self.storage.root)
        dry = import_items(self.session, self.storage, list(paths), slug, dry_run=True)
        assert (row_counts(self.session), files_in(self.storage.root)) == (before, files)
        report = import_items(self.session, self.storage, list(paths), slug)
        assert row_counts(self.session) == before
        assert report.errors == dry.errors
        assert report.added == 0
        return report


@pytest.fixture
def place(session: Session, tmp_path: Path) -> Place:
    folder = tmp_path / "tables"
    put_picture(folder, "a.jpg")
    return Place(session, LocalStorage(tmp_path / "storage"), folder)


# What a single bad row says; row 2 is the first below the header.
BAD_ROWS: dict[str, tuple[dict[str, Any], str, str]] = {
    "empty path": (row(""), "image_path", "image_path is empty"),
    "missing file": (row("b.jpg"), "image_path", "There is no file b.jpg in the image folder."),
    "path upwards": (row("../a.jpg"), "image_path", "it has a part '..'"),
    "encoded path upwards": (row("%2e%2e/a.jpg"), "image_path", "it has a part '..'"),
    "absolute path": (row("/etc/passwd"), "image_path", "it is an absolute path"),
    "drive": (row("C:/a.jpg"), "image_path", "it is an absolute path"),
    "backslash": (row("..\\a.jpg"), "image_path", "it has a backslash"),
    "NUL in a path": (row("a.jpg\0.png"), "image_path", "U+0000"),
    "newline in a path": (row("a\n.jpg"), "image_path", "control character U+000A"),
    "folder": (row("pictures"), "image_path", "There is no file pictures"),
    "link outwards": (row("link.jpg"), "image_path", "a link out of the image folder"),
    "sibling folder": (row("sibling/b.jpg"), "image_path", "a link out of the image folder"),
    "pipe": (row("pipe.jpg"), "image_path", "There is no file pipe.jpg"),
    "device name": (row("nul.jpg"), "image_path", "names a device"),
    "very long path": (row("a" * 2000 + ".jpg"), "image_path", "2004 characters long"),
    "empty image": (row("empty.jpg"), "image_path", "empty.jpg is empty (0 bytes)"),
    "truncated image": (row("truncated.jpg"), "image_path", "truncated.jpg is truncated"),
    "text as image": (row("text.jpg"), "image_path", "text.jpg is no known kind of image"),
    "page as image": (row("page.jpg"), "image_path", "page.jpg is a web page (HTML)"),
    "SVG": (row("drawing.jpg"), "image_path", "drawing.jpg is an SVG"),
    "GIF": (row("moving.gif"), "image_path", "moving.gif is a GIF"),
    "no name": (row(food1_name=" "), "food1_name", "food1_name is empty"),
    "no country": (row(food1_country=""), "food1_country", "food1_country is empty"),
    "unknown country": (row(food1_country="Atlantis"), "food1_country", "“Atlantis” is not a known country"),
    "ambiguous country": (row(food1_country="korea"), "food1_country", "fits more than one country"),
    "one of several unknown": (row(food1_country="egypt; Mordor"), "food1_country", "“Mordor” is not a known"),
    "second food missing": (two(food2_name=""), "food2_name", "food2_name is empty"),
    "second country missing": (two(food2_country=""), "food2_country", "food2_country is empty"),
    "second food too many": (row(food2_name="Pizza"), "food2_name", "SF has one food, but food2_name is given"),
    "second source too many": (row(source2_path="a.jpg"), "source2_path", "SF has one food"),
    "background missing": (scene(background_country=""), "background_country", "background_country is empty"),
    "background too many": (row(background_country="italy"), "background_country", "SF has no background"),
    "background unknown": (scene(background_country="nowhere"), "background_country", "“nowhere” is not a known"),
    "background kind unknown": (scene(background_kind="beach"), "background_kind", "“beach” is no such kind"),
    "subtask unknown": (row(subtask="SFX"), "subtask", "“SFX” is no subtask"),
    "subtask missing": (row(subtask=""), "subtask", "The subtask is missing"),
    "reference missing": (row(source1_path="b.jpg"), "source1_path", "There is no file b.jpg"),
    "reference upwards": (row(source1_path="../b.jpg"), "source1_path", "it has a part '..'"),
    "reference no image": (row(source1_path="text.jpg"), "source1_path", "no known kind of image"),
    "control character": (row(food1_name="Kosh\x1b[31mary"), "food1_name", "control character U+001B"),
    "direction override": (row(food1_name="Kosh\u202eyra"), "food1_name", "control character U+202E"),
    "newline in a name": (row(food1_name="Kosh\nary"), "food1_name", "control character U+000A"),
    "very long name": (row(food1_name="k" * 501), "food1_name", "501 characters long; at most 500"),
    "very long prompt": (row(prompt="p" * 20_001), "prompt", "20001 characters long"),
    "NUL in a kept column": (row(remark="x\0y"), "remark", "U+0000"),
    "gold flag": (row(is_gold="maybe"), "is_gold", "“maybe” is neither yes nor no"),
    "gold answer": (row(gold_food1_origin="perhaps"), "gold_food1_origin", "“perhaps” is no answer"),
    "gold not asked": (row(gold_background="yes"), "gold_background", "SF does not ask “background”"),
    "gold second food": (scene(gold_food2_origin="no"), "gold_food2_origin", "SFB does not ask “food2_origin”"),
    "gold without answers": (row(is_gold="yes"), "is_gold", "no gold answer is given"),
    "gold denied": (row(is_gold="no", gold_food1_origin="no"), "is_gold", "is_gold says no, but"),
    "revises nothing": (row(revision_of="b.jpg"), "revision_of", "There is no item b.jpg"),
    "revises itself": (row(revision_of="a.jpg"), "revision_of", "in the end revise itself"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_ROWS)
def test_a_bad_row_is_named_with_its_field(place: Place, fault: str) -> None:
    values, field, sentence = BAD_ROWS[fault]
    (place.folder / "pictures").mkdir()
    (place.folder.parent / "tables-b").mkdir()
    put_picture(place.folder.parent / "tables-b", "b.jpg")
    put_picture(place.folder.parent, "outside.jpg")
    os.symlink(place.folder.parent / "outside.jpg", place.folder / "link.jpg")
    os.symlink(place.folder.parent / "tables-b", place.folder / "sibling")
    os.mkfifo(place.folder / "pipe.jpg")
    gif = io.BytesIO()
    Image.new("RGB", (8, 8)).save(gif, "GIF")
    for name, content in {
        "empty.jpg": b"",
        "truncated.jpg": picture("t")[:-40],
        "text.jpg": b"not an image",
        "page.jpg": b"<!doctype html><script>alert(1)</script>",
        "drawing.jpg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        "moving.gif": gif.getvalue(),
    }.items():
        (place.folder / name).write_bytes(content)
    report = place.imported(write_csv(place.folder / "t.csv", values, pictures=False))
    assert [(fault.file, fault.row, fault.field) for fault in report.errors] == [("t.csv", 2, field)]
    message = report.errors[0].message
    assert sentence in message
    assert message.endswith(".")
    assert message.isprintable()  # one line, and nothing that a terminal would obey


def _latin1(folder: Path) -> bytes:
    return (HEADER + "\nSF/a.jpg,1,Açaí,brazil,,,,\n").encode("latin-1")


BAD_FILES: dict[str, tuple[str, bytes | Callable[[Path], bytes], tuple[int | None, str | None], str]] = {
    "empty file": ("sf.csv", b"", (None, None), "This table has no rows."),
    "header alone": ("sf.csv", HEADER.encode(), (None, None), "This table has no rows."),
    "columns missing": ("sf.csv", b"image_path,food1_country\na.jpg,egypt\n", (1, "food1_name"), "is missing"),
    "column twice": ("sf.csv", b"image_path,image_path\na.jpg,a.jpg\n", (1, "image_path"), "stands there twice"),
    "semicolons": ("sf.csv", b"image_path;food1_name\na.jpg;Koshary\n", (1, None), "separated by semicolons"),
    "Latin-1": ("sf.csv", _latin1, (2, None), "not UTF-8 text (byte 0xe7)"),
    "UTF-16": ("sf.csv", "image_path".encode("utf-16"), (1, None), "not UTF-8 text"),
    "too many cells": (
        "sf.csv", b"image_path,food1_name,food1_country\na.jpg,Puff, beans,egypt\n", (2, None),
        "4 cells, more than the 3",
    ),
    "cut off": ("sf.csv", b"image_path,food1_name,food1_country\na.jpg,Kosh", (2, None), "2 cells, fewer than the 3"),
    "open quote": ("sf.csv", b'image_path,food1_name,food1_country\na.jpg,"Kosh', (2, None), "check its quotes"),
    "gold misspelt": (
        "sf.csv", b"image_path,food1_name,food1_country,gold_food1\na.jpg,K,egypt,yes\n", (1, "gold_food1"),
        "“gold_food1” is no known question",
    ),
    "no JSON": ("t.jsonl", b"{image_path: a.jpg}\n", (1, None), "not valid JSON"),
    "JSON, but a list": ("t.jsonl", b'\n["a.jpg"]\n', (2, None), "not a JSON object"),
    "JSON without end": ("t.jsonl", b"[" * 100_000, (1, None), "not valid JSON"),
    "JSON surrogate": (
        "t.jsonl", json.dumps(row(food1_name="Kosh\ud800ary")).encode(), (1, "food1_name"), "U+D800",
    ),
    "JSON NUL deep inside": (
        "t.jsonl", json.dumps(row(extra={"deep": ["x\0"]})).encode(), (1, "extra"), "U+0000",
    ),
    "JSON infinity": (
        "t.jsonl", json.dumps(row(extra=1)).replace(": 1}", ": 1e999}").encode(), (1, "extra"), "no number",
    ),
    "JSON list as a name": ("t.jsonl", json.dumps(row(food1_name=["K"])).encode(), (1, "food1_name"), "holds a list"),
    "no Parquet": ("t.parquet", b"PAR1 and nothing more", (None, None), "can't be read as Parquet"),
    "no table": ("t.xlsx", b"PK\x03\x04", (None, None), "This is no table"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_FILES)
def test_a_bad_file_is_named_with_its_row(place: Place, fault: str) -> None:
    name, content, where, sentence = BAD_FILES[fault]
    path = place.folder / name
    path.write_bytes(content if isinstance(content, bytes) else content(place.folder))
    report = place.imported(path)
    assert [(fault.row, fault.field) for fault in report.errors] == [where]
    assert sentence in report.errors[0].message


def test_a_binary_parquet_column_is_named(place: Place) -> None:
    table = pa.table({"image_path": ["a.jpg"], "image": [b"\xff\xd8"]})
    pq.write_table(table, place.folder / "t.parquet")
    report = place.imported(place.folder / "t.parquet")
    assert [(fault.field, fault.message) for fault in report.errors] == [
        ("image", "The column “image” holds binary, not text or numbers: leave it out.")
    ]


def test_paths_that_are_not_there_are_named(place: Place) -> None:
    report = place.imported(place.folder / "absent.csv", place.folder)
    assert [fault.message for fault in report.errors] == [
        "There is no such file or folder.", "This folder has no metadata/*.csv: name another, or its table.",
    ]  # fmt: skip


def test_every_fault_of_every_row_is_listed_in_reading_order(place: Place) -> None:
    table = write_csv(
        place.folder / "t.csv",
        row("a.jpg"),
        row("b.jpg", food1_country="Atlantis", food1_name=""),
        row("text.jpg"),
        row("a.jpg"),
        pictures=False,
    )
    (place.folder / "text.jpg").write_bytes(b"no image")
    report = place.imported(table)
    assert [(fault.row, fault.field) for fault in report.errors] == [
        (3, "food1_name"), (3, "food1_country"), (4, "image_path"), (5, "image_path"),
    ]  # fmt: skip
    assert report.errors[-1].message == "a.jpg stands in t.csv, row 2 already."


@pytest.mark.parametrize("twin", ["A.JPG", "é.jpg"])
def test_paths_that_some_systems_take_for_one_are_refused(place: Place, twin: str) -> None:
    other = "a.jpg" if twin == "A.JPG" else "e\u0301.jpg"
    report = place.imported(write_csv(place.folder / "t.csv", row(other), row(twin)))
    assert [(fault.row, fault.field) for fault in report.errors] == [(3, "image_path")]


def test_a_background_id_stands_for_one_place(place: Place) -> None:
    table = write_csv(
        place.folder / "t.csv",
        scene("a.jpg", background_id="square"),
        scene("b.jpg", background_id="square", background_country="italy"),
    )
    report = place.imported(table)
    assert [(fault.row, fault.field) for fault in report.errors] == [(3, "background_id")]
    assert "square is MX street elsewhere and IT street here" in report.errors[0].message


def test_what_a_files_name_says_binds_its_rows(place: Place) -> None:
    table = write_csv(place.folder / "sfb_street.csv", scene(subtask="MF"), scene("b.jpg", background_kind="landmark"))
    report = place.imported(table)
    assert [fault.message for fault in report.errors] == [
        "The row says MF, its file's name says SFB.", "The row says landmark, its file's name says street.",
    ]  # fmt: skip


def test_revisions_in_a_circle_are_refused(place: Place) -> None:
    table = write_csv(place.folder / "t.csv", row("a.jpg", revision_of="b.jpg"), row("b.jpg", revision_of="a.jpg"))
    assert [fault.field for fault in place.imported(table).errors] == ["revision_of", "revision_of"]


def test_hostile_text_that_is_only_text_is_kept_as_it_came(place: Place) -> None:
    name = "<img src=x onerror=alert(1)>{{7*7}}${x}=1+1 Ko\u0301sh\u200dary"
    table = write_csv(place.folder / "t.csv", row(food1_name=name))
    assert import_items(place.session, place.storage, [table], "text").added == 1
    assert place.session.exec(select(ItemFood)).one().name == name


def test_a_bad_image_stops_no_check_of_the_others(place: Place) -> None:
    rows = [row(f"{n}.jpg") for n in range(40)]
    table = write_csv(place.folder / "t.csv", *rows)
    for n in (3, 30):
        (place.folder / f"{n}.jpg").write_bytes(b"no image")
    assert [fault.row for fault in place.imported(table).errors] == [5, 32]
