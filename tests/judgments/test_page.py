"""The annotator's page as a plain form, and as htmx asks for it."""

import re

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.accounts.models import Account, Role
from app.campaigns.models import Campaign
from app.claims.models import Claim, ClaimState
from app.items.models import Subtask
from app.judgments.models import Judgment
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item


@pytest.fixture
def campaign(session: Session) -> Campaign:
    return make_campaign(session, "sample", policy="fixed-2")


@pytest.fixture
def annotator(session: Session) -> Account:
    return make_account(session)


@pytest.fixture
def page(browse: SignIn, annotator: Account) -> TestClient:
    return browse(annotator)


def claim_id(html: str) -> str:
    found = re.search(r'name="claim_id" value="([0-9a-f-]{36})"', html)
    assert found is not None, html
    return found[1]


def filled(html: str, **changed: str) -> dict[str, str]:
    keys = dict.fromkeys(re.findall(r'name="(answer\.[a-z0-9_]+)"', html))
    return {"claim_id": claim_id(html), "action": "confirm"} | dict.fromkeys(keys, "yes") | changed


def test_a_plain_form_takes_an_answer_and_shows_the_next_item(
    session: Session, campaign: Campaign, page: TestClient
) -> None:
    make_item(session, campaign), make_item(session, campaign)
    first = page.get("/judge/sample").text
    answered = page.post("/judge/sample", data=filled(first) | {"active_ms": "1500", "note": "good"})
    assert (answered.status_code, answered.headers["location"]) == (303, "/judge/sample")
    second = page.get("/judge/sample").text
    assert claim_id(second) != claim_id(first)
    stored = session.exec(select(Judgment)).one()
    assert (stored.active_ms, stored.note) == (1500, "good")


def test_htmx_gets_the_next_card_alone(session: Session, campaign: Campaign, page: TestClient) -> None:
    make_item(session, campaign), make_item(session, campaign)
    html = page.get("/judge/sample").text
    headers = {"hx-request": "true", "hx-request-type": "partial"}
    reply = page.post("/judge/sample", data=filled(html), headers=headers)
    assert reply.status_code == 200
    assert "<html" not in reply.text
    assert claim_id(reply.text) != claim_id(html)
    assert "HX-Request-Type" in reply.headers["vary"]


def test_the_next_three_images_are_named_for_prefetching(
    session: Session, campaign: Campaign, page: TestClient
) -> None:
    for _ in range(6):
        make_item(session, campaign)
    html = page.get("/judge/sample").text
    found = re.search(r'data-prefetch="([^"]*)"', html)
    assert found is not None
    assert len(found[1].split()) == 3
    assert session.execute(sa.text("SELECT count(*) FROM claim WHERE state = 'open'")).scalar_one() == 4


@pytest.mark.parametrize("htmx", [False, True])
def test_a_form_with_gaps_comes_back_with_what_was_typed(
    session: Session, campaign: Campaign, page: TestClient, htmx: bool
) -> None:
    make_item(session, campaign, Subtask.SFB)
    html = page.get("/judge/sample").text
    form = filled(html, **{"answer.food1_identity": "no", "correction.food1_identity": "Rösti", "note": "hm"})
    del form["answer.background"]
    headers = {"hx-request": "true", "hx-request-type": "partial"} if htmx else {}
    reply = page.post("/judge/sample", data=form, headers=headers)
    assert reply.status_code == 422
    assert "choose at least one reason" in reply.text
    assert "Please answer this question." in reply.text
    assert 'value="Rösti"' in reply.text
    assert claim_id(reply.text) == claim_id(html)
    assert session.exec(select(Judgment)).all() == []


def test_reasons_left_behind_by_a_changed_mind_are_dropped(
    session: Session, campaign: Campaign, page: TestClient
) -> None:
    make_item(session, campaign)
    html = page.get("/judge/sample").text
    page.post("/judge/sample", data=filled(html) | {"reason.food1_identity": "other_dish"})
    assert session.exec(select(Judgment)).one().answers["food1_identity"]["reasons"] == []


def test_several_reasons_are_kept(session: Session, campaign: Campaign, page: TestClient) -> None:
    make_item(session, campaign)
    html = page.get("/judge/sample").text
    reasons = {"reason.food1_identity": ["other_dish", "malformed"]}
    page.post("/judge/sample", data=filled(html, **{"answer.food1_identity": "no"}) | reasons)
    assert session.exec(select(Judgment)).one().answers["food1_identity"]["reasons"] == ["other_dish", "malformed"]


@pytest.mark.parametrize(("action", "reason"), [("skip", "unknown_region"), ("broken", "broken_image")])
def test_skipping_needs_no_answers_and_shows_the_next(
    session: Session, campaign: Campaign, page: TestClient, action: str, reason: str
) -> None:
    make_item(session, campaign)
    html = page.get("/judge/sample").text
    form = {"claim_id": claim_id(html), "action": action, "skip_reason": "unknown_region"}
    assert page.post("/judge/sample", data=form).status_code == 303
    ended = session.exec(select(Claim)).one()
    assert (ended.state, ended.reason) == (ClaimState.SKIPPED, reason)
    assert "Nothing to judge right now" in page.get("/judge/sample").text


def test_an_own_answer_can_be_opened_and_changed(session: Session, campaign: Campaign, page: TestClient) -> None:
    make_item(session, campaign)
    first = page.get("/judge/sample").text
    page.post("/judge/sample", data=filled(first, **{"answer.food1_origin": "unsure"}))
    back = page.get(f"/judge/sample/claims/{claim_id(first)}")
    assert back.status_code == 200
    assert "changing an earlier answer" in back.text
    assert re.search(r'name="answer.food1_origin" value="unsure"[^>]* checked', back.text)
    page.post("/judge/sample", data=filled(back.text))
    revisions = session.exec(select(Judgment.revision).order_by(Judgment.revision)).all()
    assert revisions == [1, 2]


def test_an_answer_that_came_too_late_says_so_on_the_next_card(
    session: Session, browse: SignIn, campaign: Campaign, page: TestClient
) -> None:
    make_item(session, campaign, wanted=1)
    first = page.get("/judge/sample").text
    page.post("/judge/sample", data=filled(first))
    changed = page.post("/judge/sample", data=filled(first, **{"answer.food1_origin": "unsure"}))
    assert changed.status_code == 409
    assert "has been decided since" in changed.text


def test_a_strangers_claim_can_not_be_posted(
    session: Session, browse: SignIn, campaign: Campaign, page: TestClient
) -> None:
    make_item(session, campaign)
    html = page.get("/judge/sample").text
    reply = browse(make_account(session)).post("/judge/sample", data=filled(html))
    assert reply.status_code == 404
    assert session.exec(select(Judgment)).all() == []


@pytest.mark.parametrize("form", [{}, {"claim_id": "nonsense"}, {"claim_id": "x", "action": "eat"}])
def test_a_form_without_a_claim_changes_nothing(
    session: Session, campaign: Campaign, page: TestClient, form: dict[str, str]
) -> None:
    make_item(session, campaign)
    assert page.post("/judge/sample", data=form).status_code == 404
    assert session.exec(select(Judgment)).all() == []


def test_dish_names_are_text_and_nothing_else(session: Session, campaign: Campaign, page: TestClient) -> None:
    hostile = "<img src=x onerror=alert(1)>{{7*7}}\"' ${x}"
    make_item(session, campaign, foods=((hostile, "EG"),))
    html = page.get("/judge/sample").text
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;{{7*7}}" in html


@pytest.mark.parametrize("role", [Role.ADMIN, Role.RESEARCHER])
def test_only_annotators_have_the_page(session: Session, campaign: Campaign, browse: SignIn, role: Role) -> None:
    client = browse(make_account(session, role))
    assert client.get("/judge/sample").status_code == 403
    assert client.post("/judge/sample", data={}).status_code == 403


def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(campaign: Campaign, browse: SignIn) -> None:
    reply = browse().get("/judge/sample")
    assert (reply.status_code, reply.headers["location"]) == (303, "/sign-in?next=%2Fjudge%2Fsample")
