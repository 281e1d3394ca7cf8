"""The watching page in a real browser: it follows judgments by itself, works by keyboard, and disturbs nobody."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import APIRequestContext, Browser, Page, expect

from app.accounts.models import Role
from tests.browser.conftest import Visitor
from tests.live import Installation, few

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("watch")]

ITEMS = 5


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with few(tmp_path_factory.mktemp("files"), ITEMS) as found:
        yield found


@pytest.fixture(scope="module")
def ada(installation: Installation, chromium: Browser) -> Visitor:
    visitor = Visitor(chromium.new_context(viewport={"width": 1000, "height": 700}))
    visitor.page.goto(installation.sign_in_link("ada@example.org", Role.ADMIN))
    return visitor


@pytest.fixture(scope="module")
def ben(installation: Installation, chromium: Browser) -> APIRequestContext:
    visitor = Visitor(chromium.new_context())
    visitor.page.goto(installation.sign_in_link("ben@example.org", Role.ANNOTATOR))
    return visitor.context.request


def judge_one(asked: APIRequestContext, address: str) -> None:
    """The next item: no to everything."""
    claim = asked.post(f"{address}/api/v1/campaigns/few/claims", data={"count": 1}).json()["claims"][0]
    reasons = {question["key"]: question["reasons"][0]["code"] for question in claim["questions"]}
    answers = {key: {"answer": "no", "reasons": [code]} for key, code in reasons.items()}
    reply = asked.put(f"{address}/api/v1/claims/{claim['id']}/judgment", data={"answers": answers})
    assert reply.status == 201, reply.text()


def counted(page: Page) -> str:
    return page.locator(".stat", has_text="Judgments counted").locator(".stat-value").inner_text().split()[0]


def tab_to(page: Page, name: str) -> None:
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == name:
            return
    raise AssertionError(f"“{name}” is not reached by the Tab key")


def test_a_judgment_shows_within_three_seconds_and_the_keyboard_stays_where_it_is(
    installation: Installation, ada: Visitor, ben: APIRequestContext
) -> None:
    page = ada.page
    judge_one(ben, installation.address)
    page.goto(f"{installation.address}/campaigns/few")
    tab_to(page, "Watch")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Live: what happens shows here")).to_be_visible()
    assert counted(page) == "1"
    assert ada.serious_faults() == []
    page.evaluate("document.body.dataset.same = 'page'")
    tab_to(page, "The weeks as a table")
    page.keyboard.press("Enter")
    expect(page.locator("#weeks table")).to_be_visible()

    for given in (2, 3):
        judge_one(ben, installation.address)
        start = time.monotonic()
        shown = page.locator(".stat", has_text="Judgments counted").locator(".stat-value")
        expect(shown).to_have_text(f"{given} of {2 * ITEMS} wanted", timeout=5_000)
        assert time.monotonic() - start < 3

    assert page.evaluate("document.body.dataset.same") == "page"
    assert page.locator("#weeks").evaluate("details => details.open")
    assert page.evaluate("document.activeElement.textContent.trim()") == "The weeks as a table"
    expect(page.get_by_role("group", name="Reasons by country")).to_be_visible()
    assert ada.complaints == []
    assert ada.serious_faults() == []


def test_a_page_that_lost_the_server_says_so_and_finds_back(
    installation: Installation, ada: Visitor, ben: APIRequestContext
) -> None:
    page = ada.page
    page.goto(f"{installation.address}/campaigns/few/watch")
    expect(page.get_by_text("Live: what happens shows here")).to_be_visible()
    before = int(counted(page))
    page.clock.install()
    page.context.set_offline(True)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")  # as after coming back
    expect(page.get_by_text("Out of touch with the server")).to_be_visible()
    judge_one(ben, installation.address)
    page.context.set_offline(False)
    page.clock.run_for(6_000)
    expect(page.get_by_text("Live: what happens shows here")).to_be_visible()
    page.clock.resume()
    expect(page.locator(".stat", has_text="Judgments counted").locator(".stat-value")).to_have_text(
        f"{before + 1} of {2 * ITEMS} wanted"
    )
    ada.complaints.clear()
