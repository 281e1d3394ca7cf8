"""An exported run says by itself all that its figures say, and comes back as the same run."""

import json
import uuid
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest
from sqlmodel import Session

from app.db import transaction
from app.errors import Invalid
from app.evaluation import service
from app.evaluation.engines import Setup
from app.evaluation.engines.openai import OpenAIEngine
from app.evaluation.fleet import LocalFleet
from app.evaluation.interchange.export import SCHEMA, FileFormat, export_run, write_run
from app.evaluation.interchange.importing import import_predictions
from app.evaluation.metrics.answers import Answer
from app.evaluation.metrics.document import metrics
from app.evaluation.models import Run, RunStatus
from app.evaluation.plan import Subset
from app.evaluation.reading import find_release
from app.evaluation.replies import State
from app.evaluation.scoring import document_of
from app.releases.models import Release
from tests.evaluation.server import Request, Scripted, answered, completion, refused, serving
from tests.releases.conftest import World

PROMISED = [
    "run_id", "item_id", "slot", "subtask", "food_id", "raw_text", "pred_name", "pred_country", "name_similarity",
    "name_correct", "country_correct", "latency_ms", "input_tokens", "output_tokens", "error",
]  # fmt: skip


def script(request: Request) -> Scripted:
    """By the image and the side asked about: mostly Pizza, with every state there is."""
    draw = int(request.image_sha256[:8], 16) + ("right side" in request.prompt)
    return (
        answered("Pizza", "Italy"),
        answered("Koshary <b>&;", "Côte d'Ivoire"),
        completion("I'm sorry, I can't help with that."),
        answered("pizza", "Japan"),
        completion('{"food": "Pi', "length"),
        completion("???"),
        completion(json.dumps({"food": None, "country": "Italy"})),
        refused(400, "Too large"),
    )[draw % 8]


@pytest.fixture
def run(world: World, release: Release, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(service, "open_fleet", lambda setup: LocalFleet(OpenAIEngine(setup, patience_seconds=0.1)))
    with transaction(world.engine) as session:
        files = find_release(session, world.storage, "1.0.0")[1]
    with serving(script) as server:
        setup = Setup("openai", "tiny", 99, base_url=server.base_url, seed=3)
        subset = Subset(slots=(1, 2))
        return service.evaluate(world.engine, release, files, setup, model="tiny", subset=subset, seed=3)[0]


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    with transaction(world.engine) as session:
        yield session


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    return [json.loads(line) for line in path.read_text().splitlines()]


def answers(rows: list[dict[str, Any]]) -> list[Answer]:
    def several(cell: str) -> tuple[str, ...]:
        return tuple(cell.split(";")) if cell else ()

    return [
        Answer(
            row["subtask"], row["slot"], row["dish"], row["food_name"], several(row["food_countries"]),
            State(row["state"]), row["pred_name"], row["pred_country"], several(row["food_aliases"]),
            row["background_country"], several(row["other_food_countries"]), row["background_kind"],
            row["difficulty"], row["item_id"],
        )
        for row in rows
    ]  # fmt: skip


def test_the_figures_can_be_worked_out_from_an_export_alone(
    world: World, run: Run, session: Session, tmp_path: Path
) -> None:
    published = document_of(session, world.storage, run)
    for name in ("a.parquet", "a.jsonl"):
        path = tmp_path / name
        assert export_run(session, world.storage, run, FileFormat(path.suffix[1:]), path) == 18
        rows = read(path)
        assert list(rows[0]) == SCHEMA.names
        assert SCHEMA.names[: len(PROMISED)] == PROMISED
        assert {row["state"] for row in rows} == {"ok", "refused", "truncated", "unparsable", "failed"}
        assert json.loads(json.dumps(metrics(answers(rows), seed=3))) == json.loads(json.dumps(published))
        for row in rows:
            scores = (row["name_similarity"], row["name_correct"], row["country_correct"])
            assert (None in scores) == (row["state"] != "ok")
            assert (row["error"] is not None) == (row["state"] == "failed")
        assert {row["finish"] for row in rows if row["state"] == "truncated"} == {"length"}


def test_the_same_answers_give_the_same_bytes_and_the_spec_goes_along(
    world: World, run: Run, session: Session, tmp_path: Path
) -> None:
    for form in FileFormat:
        first, again = BytesIO(), BytesIO()
        for file in (first, again):
            write_run(session, world.storage, run, form, file)
        assert first.getvalue() == again.getvalue()
    export_run(session, world.storage, run, FileFormat.PARQUET, tmp_path / "a.parquet")
    export_run(session, world.storage, run, FileFormat.JSONL, tmp_path / "a.jsonl")
    head = json.loads(pq.read_schema(tmp_path / "a.parquet").metadata[b"terroir"])
    assert head == json.loads((tmp_path / "a.jsonl.spec.json").read_text())
    assert (head["spec"], head["spec_sha256"], head["release"]) == (run.spec, run.spec_sha256, "1.0.0")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "a.jsonl", "a.jsonl.spec.json", "a.parquet",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])
def test_an_export_comes_back_as_the_same_run(
    world: World, run: Run, release: Release, session: Session, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    export_run(session, world.storage, run, FileFormat(path.suffix[1:]), path)
    report = import_predictions(session, world.storage, release, path)
    assert (report.errors, report.added, report.missing, report.planned) == ([], 18, 0, 18)
    back = report.run
    assert back is not None
    assert (back.is_imported, back.model, back.strategy, back.engine, back.seed) == (True, "tiny", "base", "openai", 3)
    assert back.status is run.status is RunStatus.INCOMPLETE
    assert back.source is not None
    assert (back.source["file"], back.source["tool"], back.source["spec"]) == (name, "Terroir", run.spec)
    assert document_of(session, world.storage, back) == document_of(session, world.storage, run)
    again = BytesIO()
    write_run(session, world.storage, back, FileFormat.JSONL, again)
    kept = [json.loads(line) for line in again.getvalue().splitlines()]
    lost = {"run_id", "request_sha256", "is_cached", "gpu_ms"}
    assert [{k: v for k, v in row.items() if k not in lost} for row in kept] == [
        {k: v for k, v in row.items() if k not in lost} for row in read(path)
    ]


def test_an_export_of_another_installation_finds_the_same_images(
    world: World, run: Run, release: Release, session: Session, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    export_run(session, world.storage, run, FileFormat.JSONL, path)
    rows = [row | {"item_id": str(uuid.uuid4())} for row in read(path)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = import_predictions(session, world.storage, release, path, model="tiny, by our friends")
    assert (report.errors, report.added) == ([], 18)
    assert report.run is not None
    assert report.run.model == "tiny, by our friends"
    assert document_of(session, world.storage, report.run) == document_of(session, world.storage, run)


def test_the_log_is_what_inspect_reads(world: World, run: Run, session: Session, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert export_run(session, world.storage, run, FileFormat.INSPECT, path) == 18
    log = json.loads(path.read_text())
    schema = json.loads((Path(__file__).parent / "inspect_log.schema.json").read_text())
    jsonschema.validate(log, schema, jsonschema.Draft202012Validator)
    assert list(log)[-1] == "samples"  # readers that stream the head stop there
    assert (log["status"], log["eval"]["metadata"]["spec_sha256"]) == ("error", run.spec_sha256)
    published = document_of(session, world.storage, run)["subtasks"]
    figures = {score["name"]: score["metrics"] for score in log["results"]["scores"]}
    for subtask, group in figures["country_accuracy"].items():
        assert group["value"] == published[subtask]["country_accuracy"]["value"]
    samples = log["samples"]
    assert log["results"]["total_samples"] == len(samples)
    assert len({sample["id"] for sample in samples}) == 18
    assert any("right side" in sample["input"] for sample in samples)
    assert {"error" in sample for sample in samples} == {True, False}
    assert all(("scores" in sample) == (sample["metadata"]["state"] == "ok") for sample in samples)


def test_a_place_that_cannot_be_written_is_one_sentence(
    world: World, run: Run, session: Session, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "none" / "a.jsonl", tmp_path / "file" / "a.jsonl", tmp_path):
        with pytest.raises(Invalid, match="can't be written"):
            export_run(session, world.storage, run, FileFormat.JSONL, out)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["file"]
    assert not [path for path in tmp_path.parent.iterdir() if path.name.startswith(f".{tmp_path.name}")]
