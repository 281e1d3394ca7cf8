"""Every key is the person's own, on any keyboard; text fields and two fingers answer nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.judging import (
    THUMB_MS,
    answers_of,
    claim_on,
    expect_ahead,
    expect_outbox,
    judge_page,
    open_card,
    tasting,
    visitor,
)
from tests.live import Installation

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("keys")]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with tasting(tmp_path_factory.mktemp("files")) as found:
        yield found


def strike(page: Page, key: str, code: str) -> None:
    """A key of a keyboard that is laid out in another way: what it types, and where it is."""
    session = page.context.new_cdp_session(page)
    for kind in ("rawKeyDown", "keyUp"):
        session.send("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": code})
    session.detach()


def given(page: Page) -> list[str]:
    answers: list[str] = page.locator(".segment input:checked").evaluate_all("all => all.map(one => one.value)")
    return answers


@pytest.mark.parametrize(
    ("layout", "yes", "no"),
    [
        ("azerty", ("y", "KeyY"), ("n", "KeyN")),
        ("dvorak", ("y", "KeyT"), ("n", "KeyL")),
        ("qwertz, with shift", ("Y", "KeyZ"), ("N", "KeyN")),
        ("arabic: where the key is", ("غ", "KeyY"), ("ى", "KeyN")),
        ("korean: where the key is", ("ㅛ", "KeyY"), ("ㅜ", "KeyN")),
    ],
)
def test_letters_go_by_what_the_key_types(
    installation: Installation, chromium: Browser, layout: str, yes: tuple[str, str], no: tuple[str, str]
) -> None:
    kim = visitor(installation, chromium, f"kim-{layout[:4]}")
    strike(kim.page, *no)
    strike(kim.page, *yes)
    strike(kim.page, "&", "Digit1")  # AZERTY needs Shift for a 1
    assert given(kim.page) == ["no", "yes"]
    assert kim.page.locator(".reason input:checked").count() == 1
    assert kim.complaints == []
    kim.context.close()


def test_where_a_letter_lies_on_a_latin_keyboard_means_nothing(installation: Installation, chromium: Browser) -> None:
    ned = visitor(installation, chromium, "ned")
    strike(ned.page, "f", "KeyY")  # Dvorak
    strike(ned.page, "ü", "KeyN")
    assert given(ned.page) == []
    ned.context.close()


def test_own_keys_replace_the_usual_ones(installation: Installation, chromium: Browser) -> None:
    rem = visitor(installation, chromium, "rem")
    page = rem.page
    page.goto(f"{installation.address}/account/judging")
    assert rem.serious_faults() == []
    page.get_by_label("Yes").press("n")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("is the key for")).to_be_visible()
    expect(page.get_by_label("Yes")).to_have_value("n")
    assert rem.serious_faults() == []
    page.get_by_label("Yes").press("j")
    page.get_by_label("Confirm").press("Space")
    page.get_by_label("Skip").press("Tab")  # goes on; it is no key to choose
    expect(page.get_by_label("Skip")).to_have_value("s")
    page.get_by_role("button", name="Save").click()

    open_card(installation, page)
    page.keyboard.press("?")
    expect(page.locator("[data-help] kbd").first).to_have_text("j", ignore_case=True)
    page.keyboard.press("Escape")
    before = claim_on(page)
    page.keyboard.press("y")
    assert given(page) == []
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("ArrowUp")  # away from the button, which Enter presses whatever the keys are
    page.keyboard.press("Enter")
    assert page.locator("[data-judge-form][data-taken]").count() == 0
    assert claim_on(page) == before
    page.keyboard.press("Space")
    expect(page.locator("#card")).not_to_have_attribute("data-claim", before)
    expect_outbox(page, "All sent")
    assert len(answers_of(installation, "rem")) == 1

    page.goto(f"{installation.address}/account/judging")
    page.get_by_role("button", name="The usual keys again").click()
    expect(page.get_by_label("Yes")).to_have_value("y")
    rem.context.close()


def test_keys_rest_in_text_fields_and_while_a_modifier_is_held(installation: Installation, chromium: Browser) -> None:
    tex = visitor(installation, chromium, "tex")
    page = tex.page
    before = claim_on(page)
    page.keyboard.press("Control+y")
    page.keyboard.press("Alt+n")
    page.get_by_text("Add a note").click()
    page.locator("#note").press_sequentially("ynus?bxzrgp1")
    page.locator("#note").press("Enter")
    assert page.locator("#note").input_value() == "ynus?bxzrgp1\n"
    assert given(page) == []
    assert claim_on(page) == before
    expect(page.locator("dialog[open]")).to_have_count(0)
    tex.context.close()


class Fingers:
    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)

    def do(self, kind: str, *points: tuple[float, float]) -> None:
        found = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": found})


def test_a_pinch_on_the_buttons_answers_and_sends_nothing(installation: Installation, chromium: Browser) -> None:
    settings: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    pim = visitor(installation, chromium, "pim", **settings)
    page = pim.page
    fingers = Fingers(page)
    before = claim_on(page)
    box = page.locator(".is-current .segment.yes").bounding_box()
    assert box is not None
    on_yes = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    fingers.do("touchStart", (180, 120), on_yes)
    fingers.do("touchMove", (180, 90), on_yes)
    fingers.do("touchEnd")
    page.touchscreen.tap(*on_yes)  # the last finger, still there
    assert given(page) == []
    page.wait_for_timeout(THUMB_MS)
    page.touchscreen.tap(*on_yes)
    assert given(page) == ["yes"]
    page.wait_for_timeout(THUMB_MS)
    page.locator(".is-current .segment.yes").tap()
    confirm = page.locator(".confirm").bounding_box()
    assert confirm is not None
    on_confirm = (confirm["x"] + confirm["width"] / 2, confirm["y"] + confirm["height"] / 2)
    fingers.do("touchStart", on_confirm, (180, 120))
    fingers.do("touchEnd")
    page.touchscreen.tap(*on_confirm)
    assert claim_on(page) == before
    page.wait_for_timeout(THUMB_MS)
    page.touchscreen.tap(*on_confirm)
    expect(page.locator("#card")).not_to_have_attribute("data-claim", before)
    pim.context.close()


def middle(page: Page, what: str) -> tuple[float, float]:
    box = page.locator(what).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def tap_twice(page: Page, what: str, shown: str) -> None:
    """The second one in the page itself, so that it comes at once however busy the machine is."""
    x, y = middle(page, what)
    page.evaluate(
        """([shown, x, y]) => document.addEventListener(shown, () => setTimeout(() => {
            const click = new PointerEvent("click", {pointerType: "touch", bubbles: true, cancelable: true, detail: 1});
            document.elementFromPoint(x, y).dispatchEvent(click);
            document.body.dataset.tapped = shown;
        }, 50), {once: true})""",
        [shown, x, y],
    )
    page.touchscreen.tap(x, y)
    expect(page.locator("body")).to_have_attribute("data-tapped", shown)


def test_a_second_tap_answers_nothing_that_came_under_the_thumb(installation: Installation, chromium: Browser) -> None:
    settings: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    dot = visitor(installation, chromium, "dot", **settings)
    page = dot.page
    expect_ahead(page)
    before, n = claim_on(page), page.locator("[data-question]").count()
    page.wait_for_timeout(THUMB_MS)
    tap_twice(page, ".is-current .segment.yes", "question:shown")
    assert given(page) == ["yes"]
    for _ in range(n - 1):
        page.wait_for_timeout(THUMB_MS)
        page.locator(".is-current .segment.yes").tap()
    assert given(page) == ["yes"] * n
    page.wait_for_timeout(THUMB_MS)
    on_confirm = middle(page, ".confirm")
    tap_twice(page, ".confirm", "card:shown")
    expect(page.locator("#card")).not_to_have_attribute("data-claim", before)
    assert given(page) == []
    page.wait_for_timeout(THUMB_MS)
    page.touchscreen.tap(*on_confirm)
    assert len(given(page)) == 1, "later it is a tap as any other"
    dot.context.close()


def test_every_target_fits_a_thumb(installation: Installation, chromium: Browser) -> None:
    """At 360 pixels, with a question answered no, its reasons open, and in the end Confirm."""
    settings: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    tim = visitor(installation, chromium, "tim", **settings)
    page = tim.page
    small = """() => [...document.querySelectorAll(
            ".judge :is(button, summary, .segment, .reason, a), .workbar a, .outbox")]
        .filter(one => one.checkVisibility({visibilityProperty: true}) && !one.classList.contains("visually-hidden"))
        .map(one => [one.className || one.tagName, one.getBoundingClientRect()])
        .filter(([, box]) => box.width < 44 || box.height < 44)
        .map(([name, box]) => `${name} ${box.width} x ${box.height}`)
    """
    assert page.evaluate(small) == []
    page.locator(".is-current .segment.no").tap()
    assert page.evaluate(small) == []
    page.locator(".is-current .reason").first.tap()
    for what in (".is-current [data-next]", ".is-current .segment.yes", ".confirm"):
        page.locator(what).tap()
        page.wait_for_timeout(THUMB_MS)
    expect_outbox(page, "All sent")
    assert page.evaluate(small) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.url == judge_page(installation)
    tim.context.close()
