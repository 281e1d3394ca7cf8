"""Whole evaluations of a release, through a server with planted answers."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from app.db import transaction
from app.evaluation import driving, prompts, service
from app.evaluation.engines import Setup
from app.evaluation.engines.openai import OpenAIEngine
from app.evaluation.fleet import LocalFleet
from app.evaluation.models import Prediction, Run, RunStatus
from app.evaluation.plan import Subset, plan
from app.evaluation.prompts import Strategy
from app.evaluation.reading import ReleaseFiles, find_release
from app.evaluation.replies import State
from app.evaluation.scoring import report
from app.evaluation.service import evaluate
from app.items.models import Subtask
from app.releases.models import Release
from app.releases.publish import copy_to
from app.releases.service import DamagedRelease, UnknownRelease
from app.settings import ROOT
from tests.evaluation.server import Request, Script, Scripted, Server, answered, completion, refused, serving
from tests.releases.conftest import World

# The dishes are Koshary (EG), Pizza (IT) and Ceviche (PE), each beside the next, the last beside Pho (VN); every
# background is a street in Japan. By place in the release, which is MF, MFB, SF, SFB with three items each.
PLANTED = {
    "MF/001.jpg": ("koshary", "Italy"),  # drifts to the other food's country
    "MF/005.jpg": ("pizza", "Italy"),  # retained
    "MF/009.jpg": ("soup", "China"),  # wrong; drifts to the other food's continent
    "MFB/003.jpg": ("koshary", "Japan"),  # drifts to the background's country
    "MFB/007.jpg": ("pizza", "Italy"),
    "MFB/011.jpg": ("ceviche", "Peru"),
    "SF/000.jpg": ("Koshari", "Egypt"),
    "SF/004.jpg": ("pizza", "Italy"),
    "SF/008.jpg": ("ceviche", "Chile"),  # the country is wrong even alone
    "SFB/002.jpg": ("sushi", "South Korea"),  # wrong; drifts to the background's continent
    "SFB/006.jpg": ("pizza", "Italy"),
    "SFB/010.jpg": ("ceviche", "Peru"),  # right, but not what it said alone
}
EXPECTED = {  # name, country, entropy (one item a dish: none), retention, drift to country and continent
    "MF": (2 / 3, 1 / 3, 0, 1 / 3, 1 / 3, 1 / 3),
    "MFB": (1, 2 / 3, 0, 1 / 3, 1 / 3, 0),
    "SF": (1, 2 / 3, 0, None, None, None),
    "SFB": (2 / 3, 2 / 3, 0, 1 / 3, 0, 1 / 3),
}
FIGURES = (
    "name_accuracy", "country_accuracy", "country_entropy_bits", "retention", "drift_to_distractor_country",
    "drift_to_distractor_continent",
)  # fmt: skip


@pytest.fixture
def files(world: World, release: Release) -> ReleaseFiles:
    with transaction(world.engine) as session:
        return find_release(session, world.storage, "1.0.0")[1]


@pytest.fixture
def planted(files: ReleaseFiles) -> Script:
    said = {item.image_sha256: PLANTED[item.image_path] for item in files.items()}
    return lambda request: answered(*said[request.image_sha256])


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving, "CHUNK", 4)


Evaluate = Callable[..., tuple[Run, dict[str, Any]]]


@pytest.fixture
def run(world: World, release: Release, files: ReleaseFiles, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    def evaluated(server: Server, patience: float = 20.0, **options: Any) -> tuple[Run, dict[str, Any]]:
        # Only the patience differs from what the command does.
        monkeypatch.setattr(service, "open_fleet", lambda of: LocalFleet(OpenAIEngine(of, patience_seconds=patience)))
        setup = Setup("openai", "tiny", 99, base_url=server.base_url, seed=options.get("seed", 0), in_flight=4)
        found, _ = evaluate(world.engine, release, files, setup, model="tiny", **options)
        with transaction(world.engine) as session:
            return found, report(session, world.storage, found)

    return evaluated


def by_hand(document: dict[str, Any]) -> None:
    figures = {
        subtask: tuple(group[figure]["value"] for figure in FIGURES) for subtask, group in document["subtasks"].items()
    }
    assert figures == {subtask: pytest.approx(expected) for subtask, expected in EXPECTED.items()}


def test_planted_answers_give_the_figures_worked_out_by_hand(run: Evaluate, planted: Script) -> None:
    with serving(planted) as server:
        found, document = run(server)
    by_hand(document)
    assert found.status is RunStatus.FINISHED
    assert document["run"]["states"] == {"ok": 12}
    assert document["by_distance"]["MFB"]["cross_continent"]["n"] == 3
    assert len(server.requests) == 12


def test_one_failure_in_twenty_changes_nothing(run: Evaluate, planted: Script) -> None:
    with serving(lambda request: refused(500) if request.number % 20 == 3 else planted(request)) as server:
        found, document = run(server)
    by_hand(document)
    assert (found.status, document["run"]["states"]) == (RunStatus.FINISHED, {"ok": 12})


def test_nothing_but_failures_gives_no_score_and_can_be_mended(
    run: Evaluate, planted: Script, small_chunks: None
) -> None:
    with serving(lambda request: refused(500, "Out of memory")) as server:
        found, document = run(server, patience=0.1)
        assert found.status is RunStatus.INCOMPLETE
        assert "Out of memory" in document["run"]["commonest_error"]
        assert set(document["subtasks"]) == set(EXPECTED), "also those that no question was asked of"
        for group in document["subtasks"].values():
            assert {group[figure]["value"] for figure in FIGURES} == {None}
        server.script = planted
        again, document = run(server)
    assert (again.id, again.status) == (found.id, RunStatus.FINISHED)
    by_hand(document)


def test_a_server_that_dies_costs_no_answer_and_no_second_question(
    run: Evaluate, planted: Script, small_chunks: None
) -> None:
    with serving(lambda request: planted(request) if request.number < 8 else refused(503)) as server:
        found, document = run(server, patience=0)
        assert (found.status, document["run"]["states"]) == (RunStatus.INCOMPLETE, {"failed": 4, "ok": 8})
        answered_already = {request.question for request in server.requests[:8]}
        server.script = planted
        del server.requests[:]
        again, document = run(server)
    by_hand(document)
    assert again.id == found.id
    assert len(server.requests) == 4
    assert not answered_already & server.asked().keys()


def test_a_finished_run_asks_nothing_more(run: Evaluate, planted: Script) -> None:
    with serving(planted) as server:
        first, document = run(server)
        again, same = run(server)
        assert again.id == first.id
        assert json.dumps(same) == json.dumps(document), "the database keeps no order of keys; we do"
        assert len(server.requests) == 12


def test_refused_cut_and_unreadable_replies_are_no_wrong_answers(run: Evaluate, files: ReleaseFiles) -> None:
    replies = {
        "SF/000.jpg": completion("I'm sorry, I can't help with that."),
        "SF/004.jpg": completion('{"food": "pizza", "country": "Ita', "length"),
        "SF/008.jpg": answered("ceviche", "Peru"),
    }
    of = {item.image_sha256: replies.get(item.image_path, completion("???")) for item in files.items()}
    with serving(lambda request: of[request.image_sha256]) as server:
        found, document = run(server)
    assert found.status is RunStatus.FINISHED
    sf = document["subtasks"]["SF"]
    assert sf["states"] == {"ok": 1, "refused": 1, "truncated": 1}
    assert (sf["n"], sf["country_accuracy"]["value"]) == (1, 1)
    assert document["run"]["states"] == {"ok": 1, "refused": 1, "truncated": 1, "unparsable": 9}


def test_rows_hold_the_reply_as_it_came(world: World, run: Evaluate) -> None:
    hostile = '{"food": "<script>", "country": "Peru"} \0 \ud800'
    with serving(lambda request: completion(hostile)) as server:
        found, _ = run(server, subset=Subset(limit=1))
    with transaction(world.engine) as session:
        [row] = session.exec(select(Prediction).where(Prediction.run_id == found.id))
    assert (row.pred_name, row.pred_country, row.state) == ("<script>", "Peru", State.OK)
    assert (row.raw_text or "").startswith('{"food": "<script>"')
    assert (row.input_tokens, row.output_tokens, row.error) == (321, 12, None)


def test_the_second_slot_asks_about_the_right_food(run: Evaluate, planted: Script) -> None:
    with serving(planted) as server:
        _, document = run(server, subset=Subset(slots=(1, 2)), strategy=Strategy.DIRECT)
    by_hand(document)
    assert len(server.requests) == 18
    assert sum("right side" in request.prompt for request in server.requests) == 6
    assert sum("left side" in request.prompt for request in server.requests) == 6
    # Of MF: Pizza was called koshary of Italy, Ceviche pizza of Italy, Pho soup of China.
    assert document["slot2"]["subtasks"]["MF"]["country_accuracy"]["value"] == 1 / 3
    # Alone, Pizza is of Italy: retained; Ceviche is of Chile, and here of the left food's Italy; Pho is never alone.
    assert document["slot2"]["subtasks"]["MF"]["retention"]["value"] == 1 / 2
    assert document["slot2"]["subtasks"]["MF"]["drift_to_distractor_country"]["value"] == 1 / 2


def test_any_change_of_the_spec_is_another_run(run: Evaluate, planted: Script) -> None:
    with serving(planted) as server:
        runs = [
            run(server, subset=Subset(limit=1))[0],
            run(server, subset=Subset(limit=2))[0],
            run(server, subset=Subset(limit=1), strategy=Strategy.COT)[0],
            run(server, subset=Subset(limit=1), seed=1)[0],
            run(server, subset=Subset((Subtask.SF,), 1))[0],
        ]
    assert len({one.id for one in runs}) == len({one.spec_sha256 for one in runs}) == 5


def test_a_limit_takes_whole_families(files: ReleaseFiles) -> None:
    asked = plan(files.items(), Subset(limit=8), seed=3)
    assert len(asked) == 8
    assert len({one.item.family for one in asked}) == 2
    assert plan(files.items(), Subset(limit=8), seed=3) == asked
    [alone] = plan(files.items(), Subset(limit=1), seed=3)
    assert alone.item.subtask is Subtask.SF


def test_two_processes_are_never_at_one_run(run: Evaluate, planted: Script) -> None:
    first_is_in, may_go_on = threading.Event(), threading.Event()

    def script(request: Request) -> Scripted:
        first_is_in.set()
        assert may_go_on.wait(20)
        return planted(request)

    with serving(script) as server:
        other = threading.Thread(target=run, args=(server,))
        other.start()
        try:
            assert first_is_in.wait(20)
            with pytest.raises(service.AlreadyRunning):
                run(server)
        finally:
            may_go_on.set()
            other.join()
    assert len(server.requests) == 12


def test_a_copy_of_a_release_is_found_by_its_manifest(world: World, release: Release, tmp_path: Path) -> None:
    copy_to(world.storage, release, tmp_path / "copy")
    with transaction(world.engine) as session:
        found, files = find_release(session, world.storage, str(tmp_path / "copy"))
        assert found.id == release.id
        assert len(files.items()) == 12
        manifest = tmp_path / "copy" / "manifest.json"
        manifest.write_text(manifest.read_text() + " ")
        with pytest.raises(UnknownRelease, match="not published by this installation"):
            find_release(session, world.storage, str(tmp_path / "copy"))


def test_a_changed_image_or_table_is_never_asked_about(
    world: World, release: Release, tmp_path: Path, planted: Script
) -> None:
    folder = tmp_path / "copy"
    copy_to(world.storage, release, folder)
    with transaction(world.engine) as session:
        _, files = find_release(session, world.storage, str(folder))
    item = files.items()[0]
    (folder / "images" / item.image_path).write_bytes(b"\xff\xd8\xff other")
    with pytest.raises(DamagedRelease, match="release verify"):
        files.image(item)
    [table] = (folder / "data").iterdir()
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    with pytest.raises(DamagedRelease, match="release verify"):
        files.items()


def test_prompts_name_the_left_food_and_the_rule_of_the_strategy() -> None:
    for strategy in Strategy:
        assert "left side" in prompts.prompt(strategy, Subtask.MFB, 1)
        assert "side" not in prompts.prompt(strategy, Subtask.SFB, 1)
        assert prompts.prompt(strategy, Subtask.SF, 1).endswith('"country": "its country of origin"}\n')
    assert len({prompts.describe(strategy)["sha256"] for strategy in Strategy}) == 3


class Command:
    """`terroir evaluate` in a process of its own, on the world's database."""

    def __init__(self, world: World, url: str) -> None:
        self.chunk = driving.CHUNK
        self.environment = {
            **os.environ, "TERROIR_HOME": str(world.settings.home), "TERROIR_DATABASE_URL": url,
            "OPENAI_API_KEY": "sesame",
        }  # fmt: skip

    def start(self, server: Server, *words: str) -> subprocess.Popen[str]:
        program = f"from app.evaluation import driving; driving.CHUNK = {self.chunk}; from app.cli import main; main()"
        command = [sys.executable, "-c", program, "evaluate", "--release", "1.0.0"]
        command += ["--model", "tiny", "--engine", "openai", "--base-url", server.base_url, *words]
        return subprocess.Popen(
            command, env=self.environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def __call__(self, server: Server, *words: str) -> tuple[int, str, str]:
        with self.start(server, *words) as process:
            out, err = process.communicate(timeout=120)
            return process.returncode, out, err


@pytest.fixture
def command(world: World, release: Release, fresh_url: str) -> Command:
    return Command(world, fresh_url)


def test_the_command_prints_the_metrics_document(command: Command, planted: Script) -> None:
    with serving(planted) as server:
        status, out, err = command(server, "--json", "--aliases")
        assert (status, err) == (0, "")
        document = json.loads(out)
        by_hand(document)
        assert document["subtasks"]["SF"]["name_accuracy_with_aliases"]["value"] == 1
        assert "sesame" not in out
        status, out, _ = command(server)
        assert status == 0
        assert "SF: 3 answers" in out
    assert len(server.requests) == 12
    assert {request.authorization for request in server.requests} == {"Bearer sesame"}


def test_a_refused_key_is_one_sentence(command: Command) -> None:
    with serving(lambda request: refused(401, "Invalid key")) as server:
        status, out, err = command(server)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "Invalid key" in err
    assert "OPENAI_API_KEY" in err


def test_bad_usage_says_so(command: Command) -> None:
    with serving(lambda request: refused(500)) as server:
        assert command(server, "--slots", "3")[0] == 2
        assert command(server, "--limit", "0")[0] == 2
        status, _, err = command(server, "--subtask", "SF,cats")
        assert (status, "CATS" in err) == (2, True)


def test_several_subtasks_are_named_in_whatever_way(command: Command, planted: Script) -> None:
    with serving(planted) as server:
        runs = [
            json.loads(command(server, "--json", *words)[1])
            for words in (["--subtask", "sf, SFB"], ["--subtask", "SFB", "--subtask", "SF"])
        ]
    assert [list(one["subtasks"]) for one in runs] == [["SF", "SFB"]] * 2
    assert len({one["run"]["id"] for one in runs}) == 1


def test_a_killed_run_goes_on_and_asks_nothing_twice(
    command: Command, planted: Script, fresh_engine: sa.Engine
) -> None:
    """Killed while the third chunk is asked: the two that were committed are not asked again."""
    command.chunk, held, killed = 4, threading.Event(), threading.Event()

    def script(request: Request) -> Scripted:
        if request.number >= 8:
            held.set()
            killed.wait(60)
        return planted(request)

    with serving(script) as server:
        with command.start(server, "--json") as process:
            try:
                assert held.wait(60)
                deadline = time.monotonic() + 30
                while _answered(fresh_engine) < 8 and time.monotonic() < deadline:
                    time.sleep(0.05)
            finally:
                process.kill()
                killed.set()
        assert _answered(fresh_engine) == 8
        before = {request.question for request in server.requests[:8]}
        server.script = planted
        del server.requests[:]
        status, out, _ = command(server, "--json")
    assert status == 0
    by_hand(json.loads(out))
    assert _answered(fresh_engine) == 12
    assert len(server.requests) == 4
    assert not before & server.asked().keys()


def _answered(engine: sa.Engine) -> int:
    with transaction(engine) as session:
        return len(session.exec(select(col(Prediction.item_id))).all())


def test_the_plan_is_in_the_releases_order(files: ReleaseFiles) -> None:
    assert [one.item.image_path for one in plan(files.items(), Subset(), 0)] == sorted(PLANTED)
