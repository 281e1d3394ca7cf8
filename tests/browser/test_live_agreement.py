"""The overview of agreement in a real browser: it follows judgments by itself, and disturbs nobody who reads it."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import APIRequestContext, Browser, expect

from app.accounts.models import Role
from tests.browser.conftest import Visitor
from tests.live import Installation, few

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("live_agreement")]

ITEMS = 3


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with few(tmp_path_factory.mktemp("files"), ITEMS) as found:
        yield found


def signed_in(installation: Installation, chromium: Browser, name: str, role: Role) -> Visitor:
    visitor = Visitor(chromium.new_context(viewport={"width": 1000, "height": 500}))
    visitor.page.goto(installation.sign_in_link(f"{name}@example.org", role))
    return visitor


def judge_one(asked: APIRequestContext, address: str) -> None:
    """The next item: yes to everything."""
    claim = asked.post(f"{address}/api/v1/campaigns/few/claims", data={"count": 1}).json()["claims"][0]
    answers = {question["key"]: {"answer": "yes"} for question in claim["questions"]}
    reply = asked.put(f"{address}/api/v1/claims/{claim['id']}/judgment", data={"answers": answers})
    assert reply.status == 201, reply.text()


@pytest.fixture(scope="module")
def people(installation: Installation, chromium: Browser) -> list[APIRequestContext]:
    """Two, who have judged one item each."""
    found = [signed_in(installation, chromium, name, Role.ANNOTATOR).context.request for name in ("ana", "ben")]
    for person in found:
        judge_one(person, installation.address)
    return found


def test_a_judgment_shows_within_two_seconds_and_nothing_else_moves(
    installation: Installation, chromium: Browser, people: list[APIRequestContext]
) -> None:
    ada = signed_in(installation, chromium, "ada", Role.ADMIN)
    page = ada.page
    page.goto(f"{installation.address}/campaigns/few/agreement")
    judgments = page.get_by_role("region", name="Agreement per question").locator("tbody tr").first.locator("td").nth(5)
    expect(judgments).to_have_text("2")
    page.evaluate("document.body.dataset.same = 'page'")
    page.locator("#weeks summary").click()
    link = page.locator("#weeks td a").last
    link.focus()
    assert page.evaluate("scrollY") > 0
    before = link.bounding_box()

    for given in (3, 4):
        judge_one(people[given % 2], installation.address)
        start = time.monotonic()
        expect(judgments).to_have_text(str(given), timeout=5_000)
        assert time.monotonic() - start < 2

    assert page.evaluate("document.body.dataset.same") == "page"
    assert page.locator("#weeks").evaluate("details => details.open")
    after = link.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(after["y"] - before["y"]) < 2  # what is read stays where it is, though there is more above it
    assert link.evaluate("link => link === document.activeElement")
    assert ada.complaints == []
    assert ada.serious_faults() == []


def test_a_figure_is_copied_with_all_that_belongs_to_it(
    installation: Installation, chromium: Browser, people: list[APIRequestContext]
) -> None:
    remy = signed_in(installation, chromium, "remy", Role.ADMIN)
    remy.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=installation.address)
    remy.page.goto(f"{installation.address}/campaigns/few/agreement")
    remy.page.get_by_role("region", name="Agreement per question").locator("td a").first.click()
    remy.page.get_by_role("button", name="Copy").click()
    expect(remy.page.get_by_text("Copied.")).to_be_visible()
    copied = remy.page.evaluate("navigator.clipboard.readText()")
    assert copied == remy.page.get_by_label("To cite it").input_value()
    assert "(few): " in copied
    assert remy.complaints == []
    assert remy.serious_faults() == []
