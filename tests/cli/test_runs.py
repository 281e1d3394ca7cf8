"""`terroir run`: a run made elsewhere comes in, is looked at, scored, exported and comes back."""

import csv
import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import select

from app.db import transaction
from app.evaluation.models import Run as EvaluationRun
from app.evaluation.models import RunScore, RunStatus
from app.releases.models import Release
from app.settings import Settings
from tests.cli.test_commands import Run, run
from tests.releases.conftest import Original

__all__ = ["run"]


@pytest.fixture
def fresh_template(published: Original) -> str:
    return published.database


@pytest.fixture
def release(
    published: Original, fresh_engine: sa.Engine, fresh_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published as 1.0.0."""
    monkeypatch.setenv("TERROIR_DATABASE_URL", fresh_url)
    published.world(fresh_engine, settings)


@pytest.fixture
def table(release: None, tmp_path: Path) -> Path:
    """Every dish is Pizza of Italy, which is right for one dish of three."""
    path = tmp_path / "mine.csv"
    names = [
        f"{subtask}/{n:03}.jpg"
        for place, subtask in enumerate(("SF", "MF", "SFB", "MFB"))
        for n in (place, place + 4, place + 8)
    ]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["image_path", "food", "country"], *[[name, "Pizza", "Italy"] for name in names]])
    return path


def test_a_run_comes_in_and_goes_out_again(
    run: Run, table: Path, settings: Settings, fresh_engine: sa.Engine, tmp_path: Path
) -> None:
    assert json.loads(run("run", "list", "--json").out) == []
    take = ("run", "import", str(table), "--release", "1.0.0", "--model", "elsewhere", "--strategy", "cot")
    tried = run(*take, "--dry-run")
    assert (tried.status, tried.err) == (0, "")
    assert "12 predictions would be added (12 ok), 0 of 12" in tried.out
    assert json.loads(run("run", "list", "--json").out) == []
    taken = json.loads(run(*take, "--json").out)
    assert (taken["added"], taken["missing"], taken["status"], taken["errors"]) == (12, 0, "finished", [])
    assert "Nothing changed" in run(*take).out
    [listed] = json.loads(run("run", "list", "--json").out)
    assert (listed["id"], listed["is_imported"], listed["done"]) == (taken["run_id"], True, 12)
    assert "imported     elsewhere" in run("run", "list").out

    name = listed["id"][:8]
    shown = run("run", "show", name)
    assert "Imported from mine.csv" in shown.out
    assert shown.status == 0
    document = json.loads(run("run", "show", name, "--json").out)
    assert document["run"]["source"]["format"] == "csv"
    assert document["subtasks"]["SF"]["country_accuracy"]["value"] == pytest.approx(1 / 3)

    scored = json.loads(run("run", "score", name, "--json").out)
    assert scored["run_ids"] == [listed["id"]]
    with transaction(fresh_engine) as session:
        session.add(RunScore(run_id=session.exec(select(EvaluationRun.id)).one(), scorer="an older one", document={}))
    assert "1 run is scored" in run("run", "score", "--all").out
    with transaction(fresh_engine) as session:
        scores = {score.scorer: score.document for score in session.exec(select(RunScore))}
    assert scores.keys() == {"an older one", scored["scorer"]}
    assert scores[scored["scorer"]]["subtasks"] == document["subtasks"]

    for form, file in (("parquet", "out.parquet"), ("jsonl", "out.jsonl"), ("inspect", "out.json")):
        written = json.loads(run("run", "export", name, "--format", form, "--out", file, "--json").out)
        assert (written["rows"], written["files"][0]) == (12, file)
    back = json.loads(run("run", "import", "out.jsonl", "--release", "1.0.0", "--json").out)
    assert (back["added"], back["format"], back["status"]) == (12, "terroir", "finished")
    again = json.loads(run("run", "show", back["run_id"], "--json").out)
    assert (again["run"]["model"], again["run"]["strategy"]) == ("elsewhere", "cot")
    assert again["subtasks"] == document["subtasks"]


def test_a_faulty_file_names_its_rows_and_ends_with_1(run: Run, table: Path) -> None:
    table.write_text(table.read_text() + "SF/999.jpg,Pho,Vietnam\nSF/000.jpg,Pho,Vietnam\n")
    take = ("run", "import", str(table), "--release", "1.0.0", "--model", "elsewhere", "--strategy", "base")
    ended = run(*take)
    assert (ended.status, ended.out) == (1, "")
    first, second, last = ended.err.splitlines()
    assert first.startswith("mine.csv, row 14, image_path: No item of release 1.0.0")
    assert second.startswith("mine.csv, row 15: Row 2 answers the same question")
    assert last == "Nothing was imported: 2 faults need mending."
    errors = json.loads(run(*take, "--json").out)["errors"]
    assert [(error["file"], error["row"], error["field"]) for error in errors] == [
        ("mine.csv", 14, "image_path"), ("mine.csv", 15, None),
    ]  # fmt: skip


def test_only_what_is_under_way_can_be_steered(run: Run, table: Path, fresh_engine: sa.Engine) -> None:
    taken = run(
        "run", "import", str(table), "--release", "1.0.0", "--model", "elsewhere", "--strategy", "base", "--json"
    )
    name = json.loads(taken.out)["run_id"][:8]
    for verb in ("pause", "resume", "cancel"):
        ended = run("run", verb, name)
        assert (ended.status, ended.err.count("\n")) == (1, 1)
    with transaction(fresh_engine) as session:
        own = EvaluationRun(
            release_id=session.exec(select(Release.id)).one(), model="own\x1b[31m", engine="openai", strategy="base",
            setup={"engine": "openai"}, subset={}, status=RunStatus.RUNNING, planned=12,
        )  # fmt: skip
        session.add(own)
    assert "\x1b" not in run("run", "list").out
    assert f"terroir run resume {str(own.id)[:8]}" in run("run", "pause", str(own.id)).out
    assert run("run", "score", str(own.id)).status == 1
    assert "queued" in run("run", "resume", str(own.id)).out
    assert "cancelled" in run("run", "cancel", str(own.id)).out


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("score",), 2),
        (("score", "abcd", "--all"), 2),
        (("export", "abcd"), 2),
        (("import", "x.csv"), 2),
        (("import", "x.csv", "--release", "1.0.0", "--format", "xml"), 2),
        (("show", "abcd"), 1),
        (("show", "ab"), 1),
        (("show", "../x"), 1),
        (("pause", "%"), 1),
        (("import", "x.csv", "--release", "9.9.9"), 1),
        (("export", "abcd", "--out", "x"), 1),
    ],
)  # fmt: skip
def test_wrong_words_are_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, fresh_url: str, words: tuple[str, ...], status: int
) -> None:
    monkeypatch.setenv("TERROIR_DATABASE_URL", fresh_url)
    ended = run("run", *words)
    assert (ended.status, ended.out) == (status, "")
    assert status == 2 or ended.err.count("\n") == 1
