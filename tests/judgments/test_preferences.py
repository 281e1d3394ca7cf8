"""An annotator's own keys, and how many images are kept ready."""

import json
import re

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from app.accounts.models import Account
from app.errors import Invalid
from app.judgments.preferences import ACTIONS, checked_keys, keys_of
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item


@pytest.fixture
def annotator(session: Session) -> Account:
    return make_account(session)


@pytest.fixture
def page(browse: SignIn, annotator: Account) -> TestClient:
    return browse(annotator)


def form(**changed: str) -> dict[str, str]:
    return {f"key.{action}": key for action, key in (ACTIONS | changed).items()} | {"action": "save"}


def test_own_keys_are_kept_and_reach_the_page(session: Session, page: TestClient, annotator: Account) -> None:
    make_item(session, make_campaign(session, "sample"))
    assert (
        page.post("/account/judging", data=form(yes="J", confirm="Space") | {"many_ready": "true"}).status_code == 303
    )
    assert annotator.preferences == {"keys": ACTIONS | {"yes": "j", "confirm": "Space"}, "many_ready": True}
    html = page.get("/judge/sample").text
    found = re.search(r'data-keys="([^"]*)"', html)
    assert found is not None
    assert json.loads(found[1].replace("&#34;", '"'))["yes"] == "j"
    assert 'data-ready="30"' in html
    page.post("/account/judging", data={"action": "reset"})
    assert annotator.preferences == {}


def test_other_preferences_stay(page: TestClient, annotator: Account) -> None:
    annotator.preferences = {"language": "ko"}
    page.post("/account/judging", data=form(yes="j"))
    assert annotator.preferences["language"] == "ko"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"yes": "n"}, "is the key for"),
        ({"yes": "1"}, "Digits choose the reasons"),
        ({"yes": "?"}, "has its own use"),
        ({"yes": ""}, "One letter or sign"),
        ({"yes": "ab"}, "One letter or sign"),
        ({"yes": "\u200b"}, "One letter or sign"),
        ({"yes": "<script>"}, "One letter or sign"),
    ],
)
def test_keys_that_can_not_work_are_refused(
    page: TestClient, annotator: Account, changed: dict[str, str], words: str
) -> None:
    reply = page.post("/account/judging", data=form(**changed))
    assert reply.status_code == 422
    assert words in reply.text
    assert "<script>" not in reply.text.replace("<script ", "").replace("<script src", "")
    assert annotator.preferences == {}


@pytest.mark.parametrize("kept", [None, 7, "y", {"yes": "n"}, {"yes": ["y"]}, {"yes": "too long"}])
def test_what_is_kept_and_no_longer_valid_is_the_usual(kept: object) -> None:
    assert keys_of(Account(email="a", name="a", role="annotator", preferences={"keys": kept})) == ACTIONS


def test_keys_of_other_scripts_are_keys_too() -> None:
    assert checked_keys(ACTIONS | {"yes": "Й"})["yes"] == "й"
    with pytest.raises(Invalid):
        checked_keys(ACTIONS | {"yes": "й", "no": "Й"})
