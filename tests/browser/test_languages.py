"""Judging in Arabic and in Korean: right to left, on keyboards without Latin letters, and a change on the way."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Visitor
from tests.browser.judging import answers_of, claim_on, expect_outbox, judge_page, open_card, sign_in, tasting
from tests.browser.stage import LOOKS, NARROW, WIDE
from tests.live import Installation

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("queue")]

PAGES = ("/judge", "/judge/tasting", "/judge/tasting/qualify", "/work", "/messages", "/account", "/account/judging")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with tasting(tmp_path_factory.mktemp("files"), ("mfb_street",)) as found:
        yield found


def visitor(installation: Installation, chromium: Browser, name: str, language: str, look: str = WIDE) -> Visitor:
    """Somebody who chose the language before they signed in, with a card in front of them."""
    found = Visitor(chromium.new_context(**LOOKS[look]))
    found.page.goto(f"{installation.address}/sign-in")
    found.page.locator(f'.languages button[value="{language}"]').click()
    expect(found.page.locator("html")).to_have_attribute("lang", language)
    sign_in(installation, found.page, name)
    open_card(installation, found.page)
    return found


def press(page: Page, key: str, code: str) -> None:
    """A key of a keyboard that playwright has none of: it types `key`, and sits where `code` says."""
    page.evaluate(
        """([key, code]) => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true }))""",
        [key, code],
    )


def left_edge(found: Locator) -> float:
    box = found.bounding_box()
    assert box is not None
    return box["x"]


@pytest.mark.parametrize(("language", "look"), [("ar", WIDE), ("ar", NARROW), ("es", NARROW)])
def test_every_page_is_sound(installation: Installation, chromium: Browser, language: str, look: str) -> None:
    amal = visitor(installation, chromium, f"amal-{language}-{look.split()[0]}", language, look)
    page, width = amal.page, LOOKS[look]["viewport"]["width"]
    for address in PAGES:
        page.goto(installation.address + address)
        expect(page.locator("html")).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
        assert amal.serious_faults() == [], address
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    assert amal.complaints == []
    amal.context.close()


def test_the_left_food_stays_on_the_left(installation: Installation, chromium: Browser) -> None:
    lina = visitor(installation, chromium, "lina", "ar")
    page = lina.page
    left, right, background = page.locator(".reference").all()
    assert left_edge(left) < left_edge(right) < left_edge(background)
    assert "الطبق الأيسر" in page.locator(".subject h2").first.inner_text()
    assert left_edge(page.locator(".judge-form")) < left_edge(page.locator(".judge .stage"))
    page.keyboard.press("z")
    zoomed = page.locator(".stage.is-zoomed")
    expect(zoomed).to_have_count(1)
    frame, picture = zoomed.bounding_box(), zoomed.locator("img").bounding_box()
    assert frame is not None
    assert picture is not None
    assert picture["x"] <= frame["x"]
    assert picture["x"] + picture["width"] >= frame["x"] + frame["width"]
    lina.context.close()


@pytest.mark.parametrize(
    ("language", "keys", "mark", "answer"),
    [
        ("ar", {"yes": "غ", "no": "ى", "one": "١"}, "؟", "نعم"),
        ("ko", {"yes": "ㅛ", "no": "ㅜ", "one": "1"}, "?", "예"),
    ],
)
def test_keys_work_on_keyboards_without_latin_letters(
    installation: Installation, chromium: Browser, language: str, keys: dict[str, str], mark: str, answer: str
) -> None:
    page = visitor(installation, chromium, f"keys-{language}", language).page
    press(page, mark, "Slash")
    expect(page.locator("[data-help]")).to_be_visible()
    press(page, mark, "Slash")
    expect(page.locator("[data-help]")).to_be_hidden()
    press(page, keys["no"], "KeyN")
    press(page, keys["one"], "Digit1")
    for _ in range(4):
        press(page, keys["yes"], "KeyY")
    given = page.locator("[data-given]").all_text_contents()
    assert given[1:] == [answer] * 4
    assert given[0].endswith("· 1")
    claim = claim_on(page)
    page.keyboard.press("Enter")
    expect(page.locator("#card")).not_to_have_attribute("data-claim", claim)
    said = {"ar": "قُيِّمت صورة واحدة اليوم. الصورة التالية.", "ko": "오늘 1개 평가함. 다음 이미지."}
    expect(page.locator("[data-announcer]")).to_contain_text(said[language])
    page.context.close()


def test_a_change_of_the_language_keeps_what_is_not_sent_and_each_answer_its_own(
    installation: Installation, chromium: Browser
) -> None:
    sana = visitor(installation, chromium, "sana", "ar")
    page = sana.page
    page.route("**/judgment", lambda route: route.abort())
    for _ in range(2):
        judge(page)
    expect_outbox(page, "دون اتصال · إجابتان تنتظران")
    begun = claim_on(page)
    page.keyboard.press("y")
    page.locator(".menu > summary").click()
    page.get_by_role("button", name="한국어").click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    assert page.url == judge_page(installation)
    expect_outbox(page, "오프라인 · 2개 대기")
    assert answers_of(installation, "sana") == []
    assert claim_on(page) == begun
    expect(page.locator("[data-given]").first).to_have_text("예")  # what was begun, in the words of now
    expect(page.locator("#card")).to_have_attribute("lang", "ko")
    page.unroute("**/judgment")
    judge(page)
    expect_outbox(page, "모두 전송됨")
    assert [row.language for row in answers_of(installation, "sana")] == ["ar", "ar", "ko"]
    sana.context.close()


def judge(page: Page) -> None:
    claim = claim_on(page)
    while (open_ones := page.locator("[data-question]:not(:has(.segment input:checked))")).count():
        before = open_ones.count()
        page.keyboard.press("y")
        expect(open_ones).to_have_count(before - 1)
    page.keyboard.press("Enter")
    expect(page.locator(f'[data-judge][data-claim="{claim}"]')).to_have_count(0)
