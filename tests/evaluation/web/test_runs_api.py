"""Runs over the API: started, steered, read and downloaded by programs."""

import io
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pyarrow.parquet as pq
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.accounts.models import Role
from app.accounts.service import issue_token
from app.evaluation.models import Run, RunStatus
from app.releases.models import Release
from tests.conftest import SignIn
from tests.evaluation.test_evaluate import PLANTED
from tests.evaluation.web.conftest import Plant
from tests.factories import make_account

COLUMNS = [
    "run_id", "item_id", "slot", "subtask", "food_id", "raw_text", "pred_name", "pred_country", "name_similarity",
    "name_correct", "country_correct", "latency_ms", "input_tokens", "output_tokens", "error",
]  # fmt: skip
BODY = {"release": "1.0.0", "model": "qwen3-vl-8b", "strategy": "direct", "subtasks": ["SFB", "SF"], "limit": 5}


@pytest.fixture
def as_role(app: FastAPI, session: Session) -> Iterator[Callable[[Role | None], TestClient]]:
    with ExitStack() as stack:

        def client(role: Role | None) -> TestClient:
            found = stack.enter_context(TestClient(app, follow_redirects=False))
            if role is not None:
                found.headers["authorization"] = f"Bearer {issue_token(session, make_account(session, role)).secret}"
            return found

        yield client


@pytest.fixture
def program(as_role: Callable[[Role | None], TestClient]) -> TestClient:
    return as_role(Role.RESEARCHER)


def test_a_program_starts_a_run_and_follows_it(program: TestClient, session: Session) -> None:
    reply = program.post("/api/v1/runs", json=BODY)
    assert reply.status_code == 202, reply.text
    assert reply.json()["status"] == "queued"
    found = program.get(reply.headers["location"]).json()
    assert found["id"] == reply.json()["id"]
    assert found["subset"] == {"subtasks": ["SF", "SFB"], "limit": 5, "slots": [1]}
    assert (found["spec"], found["metrics"], found["done"]) == (None, None, 0)
    assert program.post("/api/v1/runs", json=BODY).status_code == 409
    both = program.post("/api/v1/runs", json=BODY | {"slots": [2, 1], "subtasks": ["MFB"]})
    assert both.json()["subset"] == {"subtasks": ["MFB"], "limit": 5, "slots": [1, 2]}
    assert program.post("/api/v1/runs", json=BODY | {"slots": [3]}).status_code == 422


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"release": "9.9.9"}, 404, None),
        ({"model": "gpt-99"}, 422, "model"),
        ({"base_url": "http://169.254.169.254"}, 422, "base_url"),
        ({"subtasks": []}, 422, "subtasks"),
        ({"limit": 0}, 422, "limit"),
        ({"strategy": "magic"}, 422, "strategy"),
        ({"budget_usd": -1}, 422, "budget_usd"),
        ({"priority": 101}, 422, "priority"),
    ],
)
def test_what_can_not_be_meant_is_a_problem(
    program: TestClient, session: Session, change: dict[str, Any], status: int, field: str | None
) -> None:
    reply = program.post("/api/v1/runs", json=BODY | change)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert [one["field"] for one in reply.json().get("errors", [])] == ([field] if field else [])
    assert not session.exec(select(Run)).all()


def test_a_run_that_is_over_has_its_metrics_and_its_ledger(program: TestClient, planted: Plant) -> None:
    found = program.get(f"/api/v1/runs/{planted(PLANTED).id}").json()
    assert found["metrics"]["subtasks"]["MF"]["country_accuracy"]["value"] == pytest.approx(1 / 3)
    assert list(found["metrics"]["subtasks"]) == ["SF", "MF", "SFB", "MFB"]
    assert (found["ledger"]["input_tokens"], found["ledger"]["usd"]) == (12_000, pytest.approx(0.024))
    assert (found["planned"], found["done"], found["failed"]) == (12, 12, 0)
    running = planted(PLANTED, status=RunStatus.RUNNING, finished_at=None)
    assert program.get(f"/api/v1/runs/{running.id}").json()["metrics"] is None


def test_the_list_has_pages(program: TestClient, planted: Plant) -> None:
    made = {str(planted({}, model=f"m{number}").id) for number in range(5)}
    seen: list[str] = []
    cursor = ""
    while True:
        found = program.get("/api/v1/runs", params={"limit": 2, "cursor": cursor, "release": "1.0.0"}).json()
        seen += [run["id"] for run in found["runs"]]
        if found["next_cursor"] is None:
            break
        cursor = found["next_cursor"]
    assert len(seen) == 5
    assert set(seen) == made
    for fault in ("limit=0", "limit=201", "cursor=x", "cursor=2026-01-01T00:00:00_x"):
        assert program.get(f"/api/v1/runs?{fault}").status_code == 422


def test_predictions_come_as_lines_and_as_parquet(program: TestClient, planted: Plant) -> None:
    run = planted(PLANTED)
    lines = program.get(f"/api/v1/runs/{run.id}/predictions")
    assert lines.headers["content-type"] == "application/jsonl"
    rows = [json.loads(line) for line in lines.text.splitlines()]
    assert list(rows[0])[: len(COLUMNS)] == COLUMNS
    assert len(rows) == 12
    parquet = program.get(f"/api/v1/runs/{run.id}/predictions?format=parquet")
    table = pq.read_table(io.BytesIO(parquet.content))
    assert table.column_names[: len(COLUMNS)] == COLUMNS
    assert table.to_pylist() == rows
    assert sum(row["country_correct"] for row in rows) == 7
    assert program.get(f"/api/v1/runs/{run.id}/predictions?format=csv").status_code == 422
    wants = {"accept": "application/vnd.apache.parquet, application/json;q=0.5"}
    negotiated = program.get(f"/api/v1/runs/{run.id}/predictions", headers=wants)
    assert (negotiated.content, negotiated.headers["vary"]) == (parquet.content, "Accept")
    named = program.get(f"/api/v1/runs/{run.id}/predictions?format=jsonl", headers=wants)
    assert named.headers["content-type"] == "application/jsonl"


def test_a_run_is_steered(program: TestClient) -> None:
    at = program.post("/api/v1/runs", json=BODY).headers["location"]
    assert program.post(f"{at}/pause").json()["status"] == "paused"
    assert program.post(f"{at}/pause").status_code == 409
    assert program.post(f"{at}/resume").json()["status"] == "queued"
    assert program.post(f"{at}/cancel").json()["status"] == "cancelled"
    assert program.post(f"{at}/cancel").headers["content-type"] == "application/problem+json"


def test_a_resumed_run_may_have_a_larger_budget(program: TestClient, browse: SignIn, session: Session) -> None:
    researcher = browse(make_account(session, Role.RESEARCHER))
    at = program.post("/api/v1/runs", json=BODY | {"model": "gemini-2.5-pro", "budget_usd": 1}).headers["location"]
    program.post(f"{at}/pause")
    assert program.post(f"{at}/resume", json={"budget_usd": -1}).status_code == 422
    assert program.post(f"{at}/resume", json={"budget_usd": 2}).json()["budget_usd"] == 2
    program.post(f"{at}/pause")
    page = at.removeprefix("/api/v1")
    assert 'name="budget_usd"' in researcher.get(page).text
    assert researcher.post(f"{page}/resume", data={"budget_usd": "much"}).status_code == 422
    assert researcher.post(f"{page}/resume", data={"budget_usd": "3.5"}).status_code == 303
    assert program.get(at).json()["budget_usd"] == 3.5


def test_only_researchers_and_admins_may(
    as_role: Callable[[Role | None], TestClient], planted: Plant, session: Session
) -> None:
    run = planted(PLANTED)
    asked = [
        ("GET", "/api/v1/runs"), ("POST", "/api/v1/runs"), ("GET", f"/api/v1/runs/{run.id}"),
        ("GET", f"/api/v1/runs/{run.id}/predictions"), ("POST", f"/api/v1/runs/{run.id}/cancel"),
    ]  # fmt: skip
    for role, status in ((None, 401), (Role.ANNOTATOR, 403)):
        client = as_role(role)
        for method, path in asked:
            assert client.request(method, path, json=BODY).status_code == status, (role, path)
    assert as_role(Role.ADMIN).get(f"/api/v1/runs/{run.id}").status_code == 200
    assert session.get_one(Run, run.id).status is RunStatus.FINISHED


@pytest.mark.parametrize("path", ["", "/predictions", "/pause", "/resume", "/cancel"])
def test_a_run_that_is_not_there_is_not_found(program: TestClient, path: str) -> None:
    method = "GET" if path in ("", "/predictions") else "POST"
    assert program.request(method, f"/api/v1/runs/{uuid.uuid4()}{path}").status_code == 404
    assert program.request(method, f"/api/v1/runs/x{path}").status_code == 422


def test_a_release_that_lost_its_files_is_no_fault_of_the_asker(
    program: TestClient, planted: Plant, session: Session
) -> None:
    run = planted(PLANTED)
    release = session.get_one(Release, run.release_id)
    release.manifest_sha256 = "0" * 64
    session.flush()
    assert program.get(f"/api/v1/runs/{run.id}/predictions").json()["type"] == "/problems/damaged-release"


def test_no_request_about_a_run_that_is_there_breaks_it(app: FastAPI, session: Session, planted: Plant) -> None:
    run = planted(PLANTED)
    headers = {"authorization": f"Bearer {issue_token(session, make_account(session, Role.RESEARCHER)).secret}"}
    tried = 0
    for result in schemathesis.openapi.from_asgi("/api/v1/openapi.json", app).get_all_operations():
        operation = result.ok()
        if not operation.path.startswith("/api/v1/runs"):
            continue

        @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def send(case: schemathesis.Case) -> None:
            if "run_id" in case.path_parameters:
                case.path_parameters["run_id"] = str(run.id)
            if isinstance(case.body, dict) and "release" in case.body:
                case.body |= {"release": "1.0.0", "model": "gpt-5"}
            reply = case.call(headers=headers)
            assert reply.status_code < 500, reply.text
            if reply.status_code >= 400:
                assert reply.headers["content-type"] == ["application/problem+json"], reply.headers

        send()
        tried += 1
    assert tried == 7
