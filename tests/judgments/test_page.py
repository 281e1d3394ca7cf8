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


def cards(page: TestClient, *have: str, want: int = 3) -> list[str]:
    """The claims of the cards that an open page is given."""
    reply = page.post("/judge/sample/cards", data={"have": list(have), "want": str(want)})
    assert reply.status_code == 200
    assert "<html" not in reply.text
    return re.findall(r'name="claim_id" value="([0-9a-f-]{36})"', reply.text)


def open_leases(session: Session) -> int:
    return int(session.execute(sa.text("SELECT count(*) FROM claim WHERE state = 'open'")).scalar_one())


def test_an_open_page_gets_more_cards_under_lease(session: Session, campaign: Campaign, page: TestClient) -> None:
    for _ in range(6):
        make_item(session, campaign)
    shown = claim_id(page.get("/judge/sample").text)
    ahead = cards(page, shown)
    assert len(set(ahead)) == 3
    assert shown not in ahead
    assert open_leases(session) == 4
    assert cards(page, shown, *ahead, want=0) == []
    assert open_leases(session) == 4
    assert len(cards(page, shown, *ahead)) == 2  # no more are there
    assert cards(page, shown, want=3) == ahead  # another tab's reload: the leases already held come first


def test_an_open_page_without_more_cards_is_told_why(session: Session, campaign: Campaign, page: TestClient) -> None:
    reply = page.post("/judge/sample/cards", data={"want": "3"})
    assert "has no items yet" in reply.text
    assert 'data-left="0"' in reply.text


@pytest.mark.parametrize("form", [{}, {"want": "many"}, {"want": "-1", "have": "x"}, {"want": "9" * 5000}])
def test_nonsense_asked_for_is_no_fault(
    session: Session, campaign: Campaign, page: TestClient, form: dict[str, str]
) -> None:
    make_item(session, campaign)
    assert page.post("/judge/sample/cards", data=form).status_code in (200, 422)


def test_leases_are_kept_and_soon_let_go(
    session: Session, campaign: Campaign, page: TestClient, browse: SignIn
) -> None:
    for _ in range(2):
        make_item(session, campaign)
    one, two = cards(page, want=2)
    lease = sa.text("SELECT id, extract(epoch FROM expires_at - now()) FROM claim")

    def left() -> dict[str, float]:
        return {str(row[0]): float(row[1]) for row in session.execute(lease)}

    assert page.post("/judge/sample/leave", data={"claim": [one]}).status_code == 204
    assert left()[one] <= 60 < 500 < left()[two]
    stranger = browse(make_account(session))
    stranger.post("/judge/sample/leave", data={"claim": [two]})
    assert stranger.post("/judge/sample/heartbeat", data={"claim": [one]}).json() == {"held": []}
    assert left()[one] <= 60 < 500 < left()[two]
    assert set(page.post("/judge/sample/heartbeat", data={"claim": [one, two]}).json()["held"]) == {one, two}
    assert left()[one] > 500


def test_kept_answers_never_go_out_under_another_account(
    session: Session, campaign: Campaign, page: TestClient, annotator: Account, browse: SignIn
) -> None:
    make_item(session, campaign)
    (claim,) = cards(page, want=1)
    body = {"answers": {key: {"answer": "yes"} for key in ("food1_identity", "food1_origin")}}
    other = make_account(session)
    for path, send in [(f"/api/v1/claims/{claim}/judgment", page.put), ("/judge/sample/cards", page.post)]:
        reply = send(path, json=body, headers={"terroir-account": str(other.id), "accept": "application/json"})
        assert (reply.status_code, reply.json()["type"]) == (401, "/problems/other-account")
    reply = page.put(f"/api/v1/claims/{claim}/judgment", json=body, headers={"terroir-account": str(annotator.id)})
    assert reply.status_code == 201


def test_a_form_with_gaps_comes_back_with_what_was_typed(
    session: Session, campaign: Campaign, page: TestClient
) -> None:
    make_item(session, campaign, Subtask.SFB)
    html = page.get("/judge/sample").text
    form = filled(html, **{"answer.food1_identity": "no", "correction.food1_identity": "Rösti", "note": "hm"})
    del form["answer.background"]
    reply = page.post("/judge/sample", data=form)
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
