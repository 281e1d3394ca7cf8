"""Judging over HTTP, as CONTRACT §4 promises it."""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session
from starlette.testclient import TestClient

from app.accounts.models import Account, Role
from app.campaigns.models import Campaign
from app.db import now
from app.items.models import Background, Photo, Subtask
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_image, make_item


@pytest.fixture
def campaign(session: Session) -> Campaign:
    return make_campaign(session, "sample")


@pytest.fixture
def annotator(session: Session) -> Account:
    return make_account(session)


@pytest.fixture
def client(call: SignIn, annotator: Account) -> TestClient:
    return call(annotator)


CLAIMS = "/api/v1/campaigns/sample/claims"


def claim(client: TestClient, count: int = 1) -> list[dict[str, Any]]:
    reply = client.post(CLAIMS, json={"count": count})
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["claims"]
    return found


def body(claim: dict[str, Any], **changed: Any) -> dict[str, Any]:
    yes = {"answer": "yes", "reasons": [], "correction": None}
    return {"answers": {question["key"]: yes for question in claim["questions"]} | changed, "active_ms": 1200}


def test_a_claim_says_what_the_image_claims_and_what_is_asked(
    session: Session, campaign: Campaign, client: TestClient
) -> None:
    item = make_item(session, campaign, Subtask.MFB)
    photo = Photo(
        key="bg",
        kind="background_street",
        name="Osaka",
        country="JP",
        licence="CC0",
        attribution="Ann",
        image_sha256=make_image(session, "osaka").sha256,
    )
    session.add(photo)
    session.flush()
    background = session.get_one(Background, item.background_id)
    background.photo_id = photo.id
    session.flush()
    (found,) = claim(client)
    assert found["item_id"] == str(item.id)
    assert (found["width"], found["height"], found["subtask"]) == (640, 480, "MFB")
    assert found["food1"]["name"] == "Koshary"
    assert (found["food1"]["country"], found["food2"]["country"]) == ("Egypt", "Italy")
    assert found["background"]["country"] == "Japan"
    assert found["background"]["reference_url"] == f"/images/{photo.image_sha256}/display"
    assert found["background"]["reference_credit"] == "Ann, CC0"
    assert [question["text"] for question in found["questions"]] == [
        "Is the food on the left Koshary?",
        "Is Koshary a dish from Egypt?",
        "Is the food on the right Pizza?",
        "Is Pizza a dish from Italy?",
        "Does the background show a street in Japan?",
    ]
    assert all(question["answers"] == ["yes", "no", "unsure"] for question in found["questions"])
    assert all({"code", "text"} == set(reason) for question in found["questions"] for reason in question["reasons"])
    assert datetime.fromisoformat(found["expires_at"]) > now()


def test_one_food_has_no_second_and_no_background(session: Session, campaign: Campaign, client: TestClient) -> None:
    make_item(session, campaign)
    (found,) = claim(client)
    assert found["food2"] is None
    assert found["background"] is None
    assert found["questions"][0]["text"] == "Is this Koshary?"


def test_a_claim_tells_nothing_of_votes_or_gold(session: Session, campaign: Campaign, client: TestClient) -> None:
    make_item(session, campaign)
    (found,) = claim(client)
    assert set(found) == {
        "id", "item_id", "expires_at", "image_url", "width", "height", "subtask", "food1", "food2", "background",
        "questions",
    }  # fmt: skip


def test_claiming_again_returns_the_same_claims_first(session: Session, campaign: Campaign, client: TestClient) -> None:
    for _ in range(4):
        make_item(session, campaign)
    first = [found["id"] for found in claim(client, 2)]
    assert [found["id"] for found in claim(client, 3)][:2] == first


def test_an_empty_list_says_why(campaign: Campaign, client: TestClient) -> None:
    reply = client.post(CLAIMS, json={}).json()
    assert (reply["claims"], reply["remaining"]) == ([], 0)
    assert "no items yet" in reply["reason"]


def test_remaining_goes_down_with_every_judgment(session: Session, campaign: Campaign, client: TestClient) -> None:
    for _ in range(3):
        make_item(session, campaign)
    left = []
    for _ in range(3):
        reply = client.post(CLAIMS, json={"count": 1}).json()
        left.append(reply["remaining"])
        client.put(f"/api/v1/claims/{reply['claims'][0]['id']}/judgment", json=body(reply["claims"][0]))
    assert left == [3, 2, 1]


def test_a_judgment_is_created_once_and_replayed_after(
    session: Session, campaign: Campaign, client: TestClient
) -> None:
    make_item(session, campaign)
    (found,) = claim(client)
    address = f"/api/v1/claims/{found['id']}/judgment"
    first = client.put(address, json=body(found))
    again = client.put(address, json=body(found))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["status"] == "counted"
    changed = client.put(address, json=body(found, food1_identity={"answer": "unsure"}))
    assert changed.status_code == 201
    assert changed.json()["judgment_id"] != first.json()["judgment_id"]


def test_a_late_answer_on_a_full_item_is_surplus_and_a_heartbeat_on_it_gone(
    session: Session, campaign: Campaign, call: SignIn, client: TestClient
) -> None:
    item = make_item(session, campaign, wanted=1)
    (found,) = claim(client)
    session.execute(sa.text("UPDATE claim SET expires_at = now() - interval '1 s'"))
    other = call(make_account(session))
    (theirs,) = claim(other)
    assert other.put(f"/api/v1/claims/{theirs['id']}/judgment", json=body(theirs)).status_code == 201
    gone = client.post(f"/api/v1/claims/{found['id']}/heartbeat")
    assert gone.status_code == 410
    late = client.put(f"/api/v1/claims/{found['id']}/judgment", json=body(found))
    assert (late.status_code, late.json()["status"]) == (201, "surplus")
    session.refresh(item)
    assert item.judged == 1


def test_a_heartbeat_extends_and_delete_gives_back(session: Session, campaign: Campaign, client: TestClient) -> None:
    item = make_item(session, campaign)
    (found,) = claim(client)
    session.execute(sa.text("UPDATE claim SET expires_at = now() + interval '1 s'"))
    reply = client.post(f"/api/v1/claims/{found['id']}/heartbeat")
    assert datetime.fromisoformat(reply.json()["expires_at"]) > now() + timedelta(seconds=60)
    for _ in range(2):
        gone = client.request("DELETE", f"/api/v1/claims/{found['id']}", json={"reason": "blurred"})
        assert gone.status_code == 204
    session.refresh(item)
    assert item.held == 0
    assert claim(client) == []


FAULTY_BODIES: list[tuple[str, Any, str]] = [
    ("no answers", {}, "answers"),
    ("answers not an object", {"answers": []}, "answers"),
    ("one answer missing", {"answers": {"food1_identity": {"answer": "yes"}}}, "answers.food1_origin"),
    ("answer of another subtask", {"+": {"background": {"answer": "yes"}}}, "answers.background"),
    ("no without a reason", {"+": {"food1_identity": {"answer": "no"}}}, "answers.food1_identity"),
    ("unknown reason", {"+": {"food1_origin": {"answer": "no", "reasons": ["x"]}}}, "answers.food1_origin"),
    ("yes with a reason", {"+": {"background": {"answer": "yes", "reasons": ["x"]}}}, "answers.background"),
    ("unknown answer", {"+": {"food1_origin": {"answer": "perhaps"}}}, "answers.food1_origin"),
    ("answer is a number", {"+": {"food1_origin": {"answer": 1}}}, "answers.food1_origin.answer"),
    ("reasons is a text", {"+": {"food1_origin": {"answer": "no", "reasons": "x"}}}, "answers.food1_origin.reasons"),
    ("mass assignment", {"+": {}, "rater_id": "x"}, "rater_id"),
    ("gold by mass assignment", {"+": {"background": {"answer": "yes", "is_gold": 1}}}, "answers.background.is_gold"),
    ("negative time", {"+": {}, "active_ms": -5}, "active_ms"),
    ("a day and more", {"+": {}, "active_ms": 10**9}, "active_ms"),
    ("time is a word", {"+": {}, "active_ms": "long"}, "active_ms"),
    ("a note of 1 MB", {"+": {}, "note": "x" * 900_000}, "note"),
    ("NUL in a note", {"+": {}, "note": "a\0b"}, "note"),
    ("half a surrogate pair", {"+": {}, "note": "\ud800"}, "note"),
    ("too many questions", {"answers": {f"q{n}": {"answer": "yes"} for n in range(21)}}, "answers"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("faulty", "field"), [case[1:] for case in FAULTY_BODIES], ids=[case[0] for case in FAULTY_BODIES]
)
def test_a_faulty_body_is_refused_field_by_field_and_nothing_is_kept(
    session: Session, campaign: Campaign, client: TestClient, faulty: dict[str, Any], field: str
) -> None:
    make_item(session, campaign)
    (found,) = claim(client)
    sent = dict(faulty)
    if (more := sent.pop("+", None)) is not None:
        sent = body(found, **more) | sent
    address = f"/api/v1/claims/{found['id']}/judgment"
    reply = client.put(address, content=json.dumps(sent), headers={"content-type": "application/json"})
    assert reply.status_code == 422, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["type"] == "/problems/invalid"
    assert field in [error["field"] for error in problem["errors"]]
    assert problem["detail"].endswith((".", "”)."))
    assert session.execute(sa.text("SELECT count(*) FROM judgment")).scalar_one() == 0


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"{}", "text/plain"),
        (b"[1]", "application/json"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(
    session: Session, campaign: Campaign, client: TestClient, content: bytes, content_type: str
) -> None:
    make_item(session, campaign)
    (found,) = claim(client)
    address = f"/api/v1/claims/{found['id']}/judgment"
    reply = client.put(address, content=content, headers={"content-type": content_type})
    assert reply.status_code == 422
    assert reply.json()["detail"]


def test_an_endless_body_is_cut_off(campaign: Campaign, client: TestClient) -> None:
    reply = client.post(CLAIMS, content=b" " * 1_000_001, headers={"content-type": "application/json"})
    assert reply.status_code == 413
    chunks = (b" " * 100_000 for _ in range(11))
    assert client.post(CLAIMS, content=chunks, headers={"content-type": "application/json"}).status_code == 413


@pytest.mark.parametrize("count", [0, 11, -1, "many", 1.5, None])
def test_a_wrong_count_is_refused(campaign: Campaign, client: TestClient, count: Any) -> None:
    reply = client.post(CLAIMS, json={"count": count})
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["field"] == "count"


def test_what_is_unknown_and_what_is_another_s_look_alike(
    session: Session, campaign: Campaign, call: SignIn, client: TestClient
) -> None:
    make_item(session, campaign)
    (theirs,) = claim(call(make_account(session)))
    make_item(session, campaign)
    foreign = client.put(f"/api/v1/claims/{theirs['id']}/judgment", json=body(theirs))
    unknown = client.put(f"/api/v1/claims/{uuid.uuid4()}/judgment", json=body(theirs))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json() == unknown.json()


def test_an_unknown_campaign_is_not_found(client: TestClient) -> None:
    assert client.post("/api/v1/campaigns/nothing/claims", json={}).status_code == 404


@pytest.mark.parametrize("role", [Role.ADMIN, Role.RESEARCHER])
def test_only_annotators_judge(session: Session, campaign: Campaign, call: SignIn, role: Role) -> None:
    reply = call(make_account(session, role)).post(CLAIMS, json={})
    assert (reply.status_code, reply.json()["type"]) == (403, "/problems/forbidden")


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Bearer ", "Basic YTpi", "Bearer trr_\udcff"])
def test_without_a_valid_token_there_is_nothing(call: SignIn, campaign: Campaign, authorization: str | None) -> None:
    client = call()
    headers = {} if authorization is None else {"authorization": authorization.encode("utf-8", "surrogateescape")}
    reply = client.post(CLAIMS, json={}, headers=headers)
    assert (reply.status_code, reply.json()["type"]) == (401, "/problems/not-signed-in")


def test_openapi_describes_the_api(client: TestClient) -> None:
    document = client.get("/api/v1/openapi.json").json()
    assert "/api/v1/claims/{claim_id}/judgment" in document["paths"]
    assert not any(path.startswith("/judge") for path in document["paths"])
