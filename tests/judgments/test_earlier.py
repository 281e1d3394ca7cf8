"""An annotator's own earlier answers: the strip, and why one can't change any more."""

import re

import pytest
import sqlalchemy as sa
from sqlmodel import Session
from starlette.testclient import TestClient

from app.accounts.models import Account
from app.judgments.earlier import last_answers
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.test_page import claim_id, filled


@pytest.fixture
def annotator(session: Session) -> Account:
    return make_account(session)


@pytest.fixture
def page(browse: SignIn, annotator: Account) -> TestClient:
    return browse(annotator)


def judge_one(page: TestClient, **changed: str) -> str:
    html = page.get("/judge/sample").text
    page.post("/judge/sample", data=filled(html, **changed))
    return claim_id(html)


def test_the_last_twenty_newest_first(session: Session, page: TestClient, annotator: Account) -> None:
    campaign = make_campaign(session, "sample", policy="fixed-2")
    for _ in range(22):
        make_item(session, campaign)
    judged = [judge_one(page) for _ in range(22)]
    shown = [str(answer.claim_id) for answer in last_answers(session, annotator, campaign)]
    assert shown == judged[:1:-1]
    html = page.get("/judge/sample").text
    assert re.findall(r'data-strip-entry data-claim="([0-9a-f-]{36})"', html)[:20] == shown


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE item SET status = 'approved', decided_at = now()", "enough people have judged the image"),
        (
            "UPDATE item SET status = 'rejected', decided_at = now(); "
            "INSERT INTO decision (item_id, policy_id, outcome, method, rule, detail) "
            "SELECT item.id, policy.id, 'rejected', 'adjudication', 'by hand', '{}' FROM item, policy",
            "an adjudicator has settled the image",
        ),
        (
            "INSERT INTO decision (item_id, policy_id, outcome, method, rule, detail) "
            "SELECT item.id, policy.id, 'pending', 'recheck', 'recheck', jsonb_build_object('slots_before', 1) "
            "FROM item, policy",
            "enough people have judged",
        ),
    ],
)
def test_a_frozen_answer_is_shown_and_says_why(session: Session, page: TestClient, change: str, words: str) -> None:
    campaign = make_campaign(session, "sample", policy="fixed-2")
    make_item(session, campaign)
    claim = judge_one(page)
    for statement in change.split("; "):
        session.execute(sa.text(statement))
    html = page.get(f"/judge/sample/claims/{claim}").text
    assert words in html
    assert "data-frozen" in html
    assert "data-confirm" not in html
    assert re.search(r'name="answer.food1_origin" value="yes"[^>]* checked', html)
    assert 'data-state="frozen"' in html


def test_an_image_given_back_has_no_answer_to_change(session: Session, page: TestClient) -> None:
    campaign = make_campaign(session, "sample")
    make_item(session, campaign)
    claim = claim_id(page.get("/judge/sample").text)
    page.delete(f"/api/v1/claims/{claim}", headers={"sec-fetch-site": "same-origin"})
    reply = page.get(f"/judge/sample/claims/{claim}")
    assert reply.status_code == 410
    assert "You gave this image back" in reply.text


def test_what_was_skipped_by_mistake_is_found_again_and_answered(session: Session, page: TestClient) -> None:
    campaign = make_campaign(session, "sample")
    make_item(session, campaign)
    claim = claim_id(page.get("/judge/sample").text)
    page.post("/judge/sample", data={"claim_id": claim, "action": "broken"})
    none_left = page.get("/judge/sample").text
    assert f'data-claim="{claim}" data-state="skipped"' in none_left
    html = page.get(f"/judge/sample/claims/{claim}").text
    assert "You skipped this image. You can still answer." in html
    assert "is-skipped" in html
    page.post("/judge/sample", data=filled(html))
    assert f'data-claim="{claim}" data-state="sent"' in page.get("/judge/sample").text


def test_what_one_would_rather_not_see_is_not_shown_again(session: Session, page: TestClient) -> None:
    campaign = make_campaign(session, "sample")
    make_item(session, campaign)
    make_item(session, campaign)
    claim = claim_id(page.get("/judge/sample").text)
    page.post("/judge/sample", data={"claim_id": claim, "action": "skip", "skip_reason": "distressing"})
    html = page.get("/judge/sample").text
    assert claim not in html
    assert re.search(r'href="#" data-back hidden', html)


def test_an_image_whose_answer_is_on_its_way_can_be_opened(session: Session, page: TestClient) -> None:
    campaign = make_campaign(session, "sample")
    make_item(session, campaign)
    claim = claim_id(page.get("/judge/sample").text)
    assert claim_id(page.get(f"/judge/sample/claims/{claim}").text) == claim
