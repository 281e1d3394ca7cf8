"""Choosing among candidates in a real browser, by keyboard alone: chosen, none, taken back, and on a phone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from app.accounts.models import Role
from tests.browser.conftest import Visitor
from tests.browser.stage import LOOKS, NARROW, WIDE
from tests.live import DEMO, Installation, fresh_home

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("adjudicate")]


@pytest.fixture(scope="module")
def installation(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Two sets: one of three images, one of two."""
    table = tmp_path_factory.mktemp("files") / "sf.csv"
    images = sorted(path.relative_to(DEMO / "culturemix").as_posix() for path in (DEMO / "culturemix").rglob("*.jpg"))
    rows = [
        f"{image},SF,Koshary,Egypt,{'first' if place < 3 else 'second'},sdxl,{place}"
        for place, image in enumerate(images[:5])
    ]
    table.write_text("\n".join(["image_path,subtask,food1_name,food1_country,candidate_set,generator,seed", *rows]))
    with fresh_home() as home:
        found = Installation(home)
        found.run("import", table, "--images", DEMO / "culturemix", "--campaign", "few", "--policy", "fixed-2")
        with found.started("serve"):
            yield found


def admin(installation: Installation, chromium: Browser, look: str) -> Visitor:
    visitor = Visitor(chromium.new_context(**LOOKS[look]))
    visitor.page.goto(installation.sign_in_link("ada@example.org", Role.ADMIN))
    visitor.page.goto(f"{installation.address}/campaigns/few/candidates")
    return visitor


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def chosen(page: Page) -> str | None:
    return page.locator("[name=choice]:checked").get_attribute("value")


def test_candidates_are_chosen_by_keyboard_and_taken_back(installation: Installation, chromium: Browser) -> None:
    visitor = admin(installation, chromium, WIDE)
    page = visitor.page
    expect(page.locator(".candidate")).to_have_count(3)
    assert visitor.serious_faults() == []
    press(page, "Enter")  # nothing is chosen, so nothing is sent
    expect(page.locator("[data-announcer]")).to_have_text("Choose an image, or 0 for none.")
    # Zoom moves all of them.
    page.locator("[data-zoom-toggle]").first.click()
    expect(page.locator(".stage.is-zoomed")).to_have_count(3)
    page.locator("[data-zoom-toggle]").first.click()
    press(page, "9", "2")
    second = page.locator(".candidate [name=choice]").nth(1).get_attribute("value")
    assert chosen(page) == second
    # Digits are text inside the note.
    page.locator("#note").focus()
    press(page, "1", "b")
    expect(page.locator("#note")).to_have_value("1b")
    assert chosen(page) == second
    page.locator("#note").fill("")
    page.locator("[name=choice]:checked").focus()
    press(page, "Enter")
    expect(page.locator(".decided")).to_contain_text("goes on to be judged")
    expect(page.locator(".candidate")).to_have_count(2)
    press(page, "u")
    expect(page.locator(".candidate")).to_have_count(3)
    expect(page.locator("[name=choice]:checked")).to_have_count(0)
    press(page, "1", "Enter")
    expect(page.locator(".candidate")).to_have_count(2)
    press(page, "b")
    expect(page.locator(".pick", has_text="Chosen")).to_be_visible()
    assert visitor.complaints == []
    visitor.context.close()


def test_none_is_chosen_on_a_phone(installation: Installation, chromium: Browser) -> None:
    visitor = admin(installation, chromium, NARROW)
    page = visitor.page
    assert visitor.serious_faults() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    heights = page.locator(".pick").evaluate_all("picks => picks.map(pick => pick.getBoundingClientRect().height)")
    assert min(heights) >= 44
    # Whatever the test before left: none of this set.
    page.get_by_text("None is faithful").tap()
    page.get_by_role("button", name="Confirm").tap()
    expect(page.locator(".decided")).to_contain_text("another image is asked for")
    page.goto(f"{installation.address}/campaigns/few/revisions")
    expect(page.locator(".request")).to_contain_text("None of the candidates is faithful.")
    assert visitor.serious_faults() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert visitor.complaints == []
    visitor.context.close()
