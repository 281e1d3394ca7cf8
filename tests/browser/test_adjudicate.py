"""Settling disputes in a real browser by keyboard alone: per question, with a note where it is demanded, taken back."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from app.accounts.models import Role
from tests.browser.conftest import Visitor
from tests.browser.stage import LOOKS, WIDE
from tests.live import Installation, few

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("adjudicate")]

ITEMS = 3
ANSWERS = {"ana": {"answer": "yes"}, "ben": {"answer": "no", "reasons": ["other_dish"]}}
"""What each of them says on the dish; on everything else they agree."""


@pytest.fixture(scope="module")
def installation(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Three items, each disputed on its dish."""
    with few(tmp_path_factory.mktemp("files"), ITEMS) as found:
        for name, answer in ANSWERS.items():
            judge_all(found, chromium, name, answer)
        yield found


def judge_all(installation: Installation, chromium: Browser, name: str, answer: dict[str, object]) -> None:
    context = chromium.new_context()
    context.new_page().goto(installation.sign_in_link(f"{name}@example.org", Role.ANNOTATOR))
    address = f"{installation.address}/api/v1"
    claims = context.request.post(f"{address}/campaigns/few/claims", data={"count": ITEMS}).json()["claims"]
    assert len(claims) == ITEMS
    for claim in claims:
        answers = {question["key"]: {"answer": "yes"} for question in claim["questions"]} | {"food1_identity": answer}
        reply = context.request.put(f"{address}/claims/{claim['id']}/judgment", data={"answers": answers})
        assert reply.status == 201, reply.text()
    context.close()


@pytest.fixture
def ada(installation: Installation, chromium: Browser) -> Iterator[Visitor]:
    visitor = Visitor(chromium.new_context(**LOOKS[WIDE]))
    visitor.page.goto(installation.sign_in_link("ada@example.org", Role.ADMIN))
    yield visitor
    assert visitor.complaints == []
    visitor.context.close()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def go(page: Page, *keys: str) -> None:
    """Presses keys of which the last leads to another page."""
    press(page, *keys[:-1])
    with page.expect_navigation():
        page.keyboard.press(keys[-1])


def statuses(visitor: Visitor, installation: Installation) -> list[str]:
    found = visitor.context.request.get(f"{installation.address}/api/v1/campaigns/few/items").json()
    return sorted(item["status"] for item in found["items"])


def test_three_disputes_are_settled_without_a_mouse(installation: Installation, ada: Visitor) -> None:
    page = ada.page
    page.goto(f"{installation.address}/campaigns/few/queue")
    expect(page.locator("[data-queue-item]")).to_have_count(ITEMS)
    assert ada.serious_faults() == []
    press(page, "ArrowDown", "ArrowDown")
    assert page.evaluate("document.activeElement === document.querySelectorAll('[data-queue-item]')[1]")
    go(page, "ArrowUp", "Enter")

    # The dish is open, its origin chosen already. Later leads on, Back leads here again.
    dish, origin = page.locator("[data-question]").nth(0), page.locator("[data-question]").nth(1)
    first = page.url
    expect(dish).to_have_class("question is-current")
    expect(origin.get_by_role("radio", name="Yes")).to_be_checked()
    go(page, "s")
    assert page.url != first
    go(page, "b")
    assert page.url.partition("?")[0] == first.partition("?")[0]

    press(page, "Enter")  # an open question is not settled by haste
    expect(page.locator("[data-announcer]")).to_contain_text("Still open")
    go(page, "y", "Enter")
    expect(page.locator(".toast")).to_contain_text("Settled as approved")
    assert ada.serious_faults() == []

    press(page, "n", "Enter")
    expect(page.locator("[data-announcer]")).to_contain_text("Choose at least one reason")
    go(page, "2", "Enter")
    expect(page.locator(".toast")).to_contain_text("Settled as rejected")
    assert statuses(ada, installation) == ["approved", "disputed", "rejected"]

    # Against both who said yes to the origin: only with a note.
    press(page, "y", "ArrowUp", "n", "1", "Enter")
    note = page.locator("#note")
    expect(note).to_be_focused()
    expect(page.locator("[data-announcer]")).to_contain_text("you overrule a majority")
    page.keyboard.type("Younger sources say otherwise.")
    assert page.url.find("/items/") > 0
    go(page, "Control+Enter")
    expect(page.get_by_text("Nothing to settle")).to_be_visible()
    expect(page.locator(".toast")).to_contain_text("Settled as rejected")

    go(page, "u")
    expect(page.get_by_role("heading", name="Settle it")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="is disputed again")).to_be_visible()
    assert statuses(ada, installation) == ["approved", "disputed", "rejected"]
    go(page, "y", "Enter")
    assert statuses(ada, installation) == ["approved", "approved", "rejected"]
