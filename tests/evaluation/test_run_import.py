"""Predictions made elsewhere: every shape is read as its tool writes it, a faulty file changes nothing."""

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlmodel import col, func, select

from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.db import transaction
from app.errors import Invalid
from app.evaluation.interchange.formats import Format, read_predictions
from app.evaluation.interchange.importing import ImportReport, import_predictions
from app.evaluation.models import Prediction, Run, RunStatus
from app.evaluation.prompts import Strategy
from app.evaluation.reading import ReleasedItem, find_release
from app.items.models import Subtask
from app.releases.models import Release
from app.releases.publish import build_now
from app.releases.service import get_release
from app.settings import Settings
from app.storage import storage_for
from tests.releases.conftest import DISHES, World, jpeg

Take = Callable[..., ImportReport]


@pytest.fixture
def items(world: World, release: Release) -> list[ReleasedItem]:
    with transaction(world.engine) as session:
        return find_release(session, world.storage, "1.0.0")[1].items()


@pytest.fixture
def take(fresh_engine: sa.Engine, settings: Settings) -> Take:
    def taken(path: Path, version: str = "1.0.0", **options: Any) -> ImportReport:
        with transaction(fresh_engine) as session:
            storage = storage_for(settings)
            wanted = {"model": "elsewhere", "strategy": Strategy.BASE} | options
            return import_predictions(session, storage, get_release(session, version), path, **wanted)

    return taken


@pytest.fixture
def rows_of(world: World) -> Callable[[ImportReport], list[Prediction]]:
    def stored(report: ImportReport) -> list[Prediction]:
        assert report.run is not None
        with transaction(world.engine) as session:
            found = session.exec(select(Prediction).where(Prediction.run_id == report.run.id))
            return list(found)

    return stored


Stored = Callable[[ImportReport], list[Prediction]]


def table(path: Path, header: str, *rows: list[Any], separator: str = ",") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL)
        writer.writerows([header.split(","), *rows])
    return path


def lines(path: Path, *documents: Any) -> Path:
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return path


def said(food: str, country: str) -> str:
    return json.dumps({"food": food, "country": country})


def test_a_table_of_foods_and_countries_is_a_run(
    take: Take, rows_of: Stored, items: list[ReleasedItem], tmp_path: Path
) -> None:
    path = table(tmp_path / "mine.csv", "image_path,food,country", *[[i.image_path, "Pizza", "Italy"] for i in items])
    report = take(path, strategy=Strategy.COT)
    assert (report.errors, report.added, report.missing, report.planned) == ([], 12, 0, 12)
    run = report.run
    assert run is not None
    assert (run.status, run.is_imported, run.model, run.strategy) == (RunStatus.FINISHED, True, "elsewhere", "cot")
    assert run.source is not None
    assert (run.source["file"], run.source["format"], run.source["tool"]) == ("mine.csv", "csv", None)
    stored = rows_of(report)
    assert {(row.pred_name, row.pred_country, row.state) for row in stored} == {("Pizza", "Italy", "ok")}
    assert {(row.raw_text, row.finish, row.latency_ms) for row in stored} == {(None, None, None)}


def test_replies_are_read_by_our_parser(take: Take, rows_of: Stored, items: list[ReleasedItem], tmp_path: Path) -> None:
    replies = ["I'm sorry, I can't help with that.", "???", said("Pho", "Viet Nam"), "Food: Pho\nCountry: Vietnam", ""]
    path = table(
        tmp_path / "a.csv", "item_id,raw_text", *[[i.item_id, r] for i, r in zip(items, replies, strict=False)]
    )
    report = take(path)
    assert report.states == {"ok": 2, "refused": 1, "unparsable": 2}
    assert {row.pred_country for row in rows_of(report) if row.state == "ok"} == {"Viet Nam", "Vietnam"}


def test_what_the_file_leaves_out_is_counted_and_keeps_the_run_off_the_leaderboard(
    take: Take, items: list[ReleasedItem], tmp_path: Path
) -> None:
    rows = [[i.item_id, "Pizza", "Italy"] for i in items[:11]]
    report = take(table(tmp_path / "a.csv", "item_id,food,country", *rows))
    assert (report.missing, report.planned) == (1, 12)
    assert report.run is not None
    assert report.run.status is RunStatus.INCOMPLETE


def test_a_file_about_one_subtask_is_whole_when_it_says_so(
    take: Take, items: list[ReleasedItem], tmp_path: Path
) -> None:
    rows = [[i.item_id, "Pizza", "Italy"] for i in items if i.subtask is Subtask.SF]
    path = table(tmp_path / "a.csv", "item_id,food,country", *rows)
    report = take(path, subtasks=[Subtask.SF])
    assert (report.planned, report.missing) == (3, 0)
    assert report.run is not None
    assert report.run.status is RunStatus.FINISHED
    assert report.run.subset == {"subtasks": ["SF"], "limit": None, "slots": [1]}


def test_the_same_file_again_changes_nothing(
    take: Take, items: list[ReleasedItem], world: World, tmp_path: Path
) -> None:
    path = table(tmp_path / "a.csv", "item_id,food,country", *[[i.item_id, "Pizza", "Italy"] for i in items])
    first, again = take(path), take(path)
    assert first.run is not None
    assert again.run is not None
    assert (again.run.id, again.added, again.unchanged) == (first.run.id, 0, 12)
    others = [take(path, model="another"), take(path, strategy=Strategy.COT)]
    path.write_text(path.read_text() + "\n")
    others.append(take(path))
    assert len({str(report.run.id) for report in (first, *others) if report.run}) == 4
    with transaction(world.engine) as session:
        assert session.exec(select(func.count()).select_from(Prediction)).one() == 48


def test_every_faulty_row_is_named_and_nothing_is_kept(
    take: Take, items: list[ReleasedItem], world: World, tmp_path: Path
) -> None:
    alone = next(item for item in items if item.subtask is Subtask.SF)
    two, other = items[:2]
    path = table(
        tmp_path / "a.csv",
        "item_id,image_path,slot,food,country",
        [two.item_id, "", 1, "Pizza", "Italy"],
        [two.item_id, "", "", "Pho", "Vietnam"],  # again
        ["", "SF/999.jpg", 1, "Pho", "Vietnam"],
        ["", "", 1, "Pho", "Vietnam"],
        [alone.item_id, "", 2, "Pho", "Vietnam"],  # it has one food
        [two.item_id, "", "left", "Pho", "Vietnam"],
        [two.item_id, other.image_path, 1, "Pho", "Vietnam"],
        ["' OR 1=1 --", "", 1, "\u202e", "Vietnam"],
    )
    report = take(path)
    assert report.run is None
    assert [(fault.row, fault.field) for fault in report.errors] == [
        (3, None), (4, "image_path"), (5, "item_id"), (6, "slot"), (7, "slot"), (8, "item_id"), (9, "item_id"),
    ]  # fmt: skip
    assert "Row 2 answers the same question" in report.errors[0].message
    with transaction(world.engine) as session:
        assert session.exec(select(func.count()).select_from(Run)).one() == 0


def test_an_image_may_be_named_by_its_hash_unless_two_items_show_it(world: World, take: Take, tmp_path: Path) -> None:
    with transaction(world.engine) as session:
        campaign = session.exec(select(Campaign)).one()
        people = list(session.exec(select(Account).where(col(Account.id).in_(world.annotators))))
        world.add(session, campaign, people, Subtask.SF, DISHES[:2], 256)  # the bytes of number 0
    build_now(world.engine, world.settings, world.storage, world.slug, "2.0.0", splits={"test": 1.0})
    twice, once = (hashlib.sha256(jpeg(number)).hexdigest() for number in (0, 1))
    path = table(
        tmp_path / "a.csv",
        "image_sha256,image_path,food,country",
        [once.upper(), "", "Pho", "Vietnam"],
        [twice, "./images/SF/256.jpg", "Pho", "Vietnam"],
        [twice, "", "Pho", "Vietnam"],
    )
    [fault] = take(path, version="2.0.0").errors
    assert (fault.row, fault.field) == (4, "image_sha256")
    assert "2 items have this image" in fault.message


def test_lmms_eval_samples_are_read(take: Take, rows_of: Stored, items: list[ReleasedItem], tmp_path: Path) -> None:
    """The shape of lmms-eval 0.7's `*_samples_*.jsonl`: `doc` gone, one reply unwrapped, `resps` only if filtered."""
    common = {"token_counts": [{"output_tokens": 2}], "doc_hash": "74234e98", "input": "What is this?"}
    path = lines(
        tmp_path / "20260923_172512_samples_food.jsonl",
        {"doc_id": 0, "target": str(items[0].item_id), "filtered_resps": said("Koshary", "Egypt"), **common},
        {
            "doc_id": 1, "target": "Pizza", "input_media": [items[1].image_path], "filtered_resps": "Pizza",
            "resps": [[f"<think>It looks Italian.</think>{said('Pizza', 'Italy')}"]], **common,
        },
        {"doc_id": 2, "target": "x", "doc": {"item_id": str(items[2].item_id)}, "filtered_resps": [""], **common},
        {"doc_id": 3, "target": str(items[3].item_id), "filtered_resps": ["???"], **common},
    )  # fmt: skip
    report = take(path)
    assert (report.errors, report.format) == ([], Format.LMMS_EVAL)
    assert report.states == {"failed": 1, "ok": 2, "unparsable": 1}
    assert {row.pred_name for row in rows_of(report)} == {"Koshary", "Pizza", None}


def test_a_line_of_lmms_eval_that_names_no_item_or_has_two_replies_is_refused(
    take: Take, items: list[ReleasedItem], tmp_path: Path
) -> None:
    report = take(lines(tmp_path / "a.jsonl", {"doc_id": 0, "target": "Pizza", "filtered_resps": "Pizza"}))
    assert [(fault.row, fault.field) for fault in report.errors] == [(1, "item_id")]
    report = take(
        lines(tmp_path / "b.jsonl", {"doc_id": 0, "target": str(items[0].item_id), "filtered_resps": [["a", "b"]]})
    )
    assert [(fault.row, fault.field) for fault in report.errors] == [(1, "resps")]


def test_a_failure_that_vlmevalkit_stores_as_an_answer_is_a_failure(
    take: Take, rows_of: Stored, items: list[ReleasedItem], tmp_path: Path
) -> None:
    replies = [
        said("Koshary", "Egypt"),
        "Failed to obtain answer via API. ",
        "Failed to obtain answer: <class 'RuntimeError'> CUDA out of memory",
        "Failed to obtain an answer? No: " + said("Pizza", "Italy"),
    ]
    path = table(
        tmp_path / "GPT_Food.tsv",
        "index,image_path,question,prediction",
        *[[n, i.image_path, "What?\nWhere?", r] for n, (i, r) in enumerate(zip(items, replies, strict=False))],
        separator="\t",
    )
    report = take(path)
    assert (report.errors, report.format) == ([], Format.VLMEVALKIT)
    assert report.states == {"failed": 2, "ok": 2}
    errors = {row.error for row in rows_of(report) if row.state == "failed"}
    assert errors == {replies[1].strip(), replies[2]}


def test_an_index_may_be_the_items_id(take: Take, items: list[ReleasedItem], tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "index,prediction", [items[0].item_id, "x"], [items[1].image_path, "x"])
    assert take(path).added == 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xlsx", b"PK\x03\x04", "PRED_FORMAT=tsv"),
        ("a.pkl", b"\x80\x04", "no table of predictions"),
        ("a.csv", b"", "no rows"),
        ("a.csv", b"item_id,food,country\n", "no rows"),
        ("a.csv", b"item_id,food,country\n\xff,b,c\n", "not UTF-8"),
        ("a.csv", b'item_id,food,country\n"a,b,c\n', "check its quotes"),
        ("a.csv", b"food,country\na,b\n", "which image"),
        ("a.csv", b"item_id,food\na,b\n", "food and country"),
        ("a.csv", b"item_id,raw_text,food,country\na,b,c,d\n", "not both"),
        ("a.jsonl", b"[1]\n", "not a JSON object"),
        ("a.jsonl", b"[" * 100_000, "not valid JSON"),
        ("a.parquet", b"PAR1", "as Parquet"),
        ("a.csv", b"item_id,raw_text\na," + b"x" * 1_000_001, "at most 1,000,000"),
        ("a.csv", b"item_id,raw_text\na," + b"x" * 17 * 2**20, "field larger"),
        ("a.jsonl", b'{"run_id": "x", "state": "ok"}', "item_id, slot, raw_text"),
        ("a.jsonl", b'{"run_id": "", "state": "", "item_id": "", "slot": 1e400, "raw_text": ""}', "no whole number"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    [fault] = read_predictions(path).faults
    assert words in fault.message
    assert fault.file == name


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    [fault] = read_predictions(tmp_path / "a.csv").faults
    assert fault.message == "There is no such file."


def test_what_no_database_holds_is_replaced(
    take: Take, rows_of: Stored, items: list[ReleasedItem], tmp_path: Path
) -> None:
    path = lines(
        tmp_path / "a.jsonl",
        {"item_id": str(items[0].item_id), "raw_text": said("<script>", "Peru") + " \0 \ud800"},
        {"item_id": str(items[1].item_id), "raw_text": "", "error": "\0 gone"},
    )
    report = take(path)
    assert report.states == {"failed": 1, "ok": 1}
    ok = next(row for row in rows_of(report) if row.state == "ok")
    assert ok.raw_text == said("<script>", "Peru") + " \N{REPLACEMENT CHARACTER} ?"
    path = lines(tmp_path / "b.jsonl", {"item_id": str(items[0].item_id), "food": "\0\ud800" + "x" * 999, "country": 1})
    [row] = rows_of(take(path))
    assert (row.pred_name, row.pred_country) == ("\N{REPLACEMENT CHARACTER}?" + "x" * 298, "1")


def test_no_imported_reply_is_ever_taken_for_an_answer_of_our_own(
    take: Take, rows_of: Stored, items: list[ReleasedItem], tmp_path: Path
) -> None:
    row = {"run_id": "x", "item_id": str(items[0].item_id), "slot": 1, "raw_text": "x", "state": "ok"}
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([row | {"request_sha256": "0" * 64, "is_cached": True}]), path)
    [stored] = rows_of(take(path))
    assert (stored.request_sha256, stored.is_cached) == (None, False)


def test_a_model_needs_a_name_of_one_line(take: Take, items: list[ReleasedItem], tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "item_id,food,country", [items[0].item_id, "Pho", "Vietnam"])
    for model in ("", "a\nb", "\0", "x" * 201, None):
        with pytest.raises(Invalid, match=r"(?i)name"):
            take(path, model=model)
    with pytest.raises(Invalid, match="--strategy"):
        take(path, strategy=None)


def test_a_damaged_document_beside_an_export_is_one_sentence(
    take: Take, items: list[ReleasedItem], tmp_path: Path
) -> None:
    row = {"run_id": "x", "item_id": str(items[0].item_id), "slot": 1, "raw_text": "x", "state": "ok"}
    path = lines(tmp_path / "a.jsonl", row)
    beside = tmp_path / "a.jsonl.spec.json"
    unstorable = ('{"spec": {"a": "\\u0000"}}', '{"spec": {"a": NaN}}', '{"spec": {"a": 1e400}}', '{"\\ud800": 1}')
    for head in ("[]", "{", '{"spec": 1}', " " * 2**20, "[" * 100_000, *unstorable):
        beside.write_text(head)
        [fault] = take(path).errors
        assert fault.file == beside.name
    subsets = ([], 1, {"subtasks": ["X"]}, {"slots": 1}, {"slots": []}, {"slots": [3]}, {"limit": "1"}, {"limit": -1})
    documents = [{"subset": subset} for subset in subsets] + [{"seed": "x"}, {"seed": 2**31}]
    for head in map(json.dumps, documents):
        beside.write_text(head)
        with pytest.raises(Invalid, match="damaged"):
            take(path)


def test_imported_runs_stand_beside_each_other(
    take: Take, items: list[ReleasedItem], world: World, tmp_path: Path
) -> None:
    path = table(tmp_path / "a.csv", "item_id,food,country", *[[i.item_id, "Pizza", "Italy"] for i in items])
    take(path)
    with transaction(world.engine) as session:
        [run] = session.exec(select(Run).where(col(Run.is_imported)))
    assert run.spec is not None
    assert run.spec["imported"]["format"] == "csv"
    assert len(run.spec_sha256 or "") == 64
