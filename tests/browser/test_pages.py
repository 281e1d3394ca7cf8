"""Every page of every role, wide and light, narrow and dark; and judging when something is in the way."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Visitor
from tests.browser.judging import THUMB_MS
from tests.browser.stage import LOOKS, NARROW, WIDE, Stage, set_up

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("pages")]

HTML_BYTES = 100_000
# Every figure of every country and question, each number with its address.
DENSE_HTML_BYTES = {"/campaigns/crowd/agreement?by=country": 200_000}
PAGES = {
    "nobody": ["/sign-in", "{invite}", "/no-such-page"],
    "ana": [
        *("/account", "/judge", "/judge/sf", "/judge/mfb", "/judge/one", "{earlier}", "/patterns", "/account/judging"),
        "/judge/crowd/qualify",
        *("/no-such-page", "/people", "/work", "/messages"),
    ],
    "remy": [
        *("/account", "/campaigns", "/campaigns/crowd", "/campaigns/crowd/agreement", "/campaigns/sf/agreement"),
        *("/releases", "/releases/1.0.0", "/campaigns/crowd/items"),
        *("/runs", "/runs/{run}", "/runs/{other_run}/answers?outcome=country_wrong", "/runs/compare"),
    ],
    "ada": [
        *("/people", "/campaigns", "/campaigns/crowd", "/campaigns/sf", "/messages", "/campaigns/crowd/pay"),
        *("/campaigns/crowd/agreement", "/campaigns/crowd/watch", "/campaigns/sf/watch"),
        *(f"/campaigns/crowd/agreement?by={by}" for by in ("subtask", "country", "generator", "nobody")),
        *("/campaigns/crowd/gold", "/campaigns/crowd/gold/{rejected}", "/campaigns/crowd/pool", "/campaigns/sf/pool"),
        *("/campaigns/crowd/items", "/campaigns/crowd/items?status=rejected&subtask=MF", "/campaigns/sf/items?name=x"),
        *(f"/campaigns/crowd/items/{{{status}}}" for status in ("approved", "rejected", "disputed", "pending")),
        *(
            "/campaigns/crowd/policy",
            "/campaigns/crowd/policy?preset=adaptive",
            "/campaigns/crowd/policy/questions",
            "/campaigns/crowd/policy/questions/food1_identity",
            "/campaigns/crowd/revisions",
            "/campaigns/crowd/revisions/yield",
            "/campaigns/crowd/candidates",
            "/campaigns/crowd/disputed",
            "/campaigns/crowd/queue",
            "/campaigns/sf/disputed",
            "/campaigns/crowd/import",
            "/campaigns/new/import",
        ),
        *("{job_done}", "{job_failed}", "/releases", "/releases/1.0.0"),
        *("/runs", "/runs?release=1.0.0", "/runs/{run}", "/runs/{failed_run}", "/runs/{run}/by/distance"),
        *("/runs/{other_run}/by/country?subtask=SFB", "/runs/{other_run}/countries?subtask=SFB", "/runs/{run}/answers"),
        *("/runs/compare?run={run}&run={other_run}", "/runs/compare?run={run}", "/releases/1.0.0/leaderboard"),
    ],
}
REFUSED = {
    ("nobody", "/no-such-page"): 404,
    ("ana", "/no-such-page"): 404,
    ("ana", "/people"): 403,
    ("remy", "/campaigns/crowd/items"): 403,
    ("ada", "/campaigns/crowd/agreement?by=nobody"): 422,
    ("ada", "/runs/compare?run={run}"): 422,
}


@pytest.fixture(scope="module")
def stage(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with set_up(chromium, tmp_path_factory.mktemp("files")) as found:
        yield found


def faults_of(visitor: Visitor) -> list[str]:
    """What is wrong with the page as it stands, in words."""
    page = visitor.page
    faults = visitor.serious_faults() + visitor.complaints
    visitor.complaints.clear()
    assert page.viewport_size is not None
    room = page.viewport_size["width"]
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > room:
        faults.append(f"The page is {width} pixels wide where there are {room}.")
    if not page.title().removesuffix(" · Terroir").strip():
        faults.append("The title is empty.")
    if (headings := page.locator("h1").count()) != 1:
        faults.append(f"There are {headings} first headings.")
    return faults


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(("name", "path"), [(name, path) for name, paths in PAGES.items() for path in paths])
def test_a_page_is_sound(stage: Stage, name: str, path: str, look: str) -> None:
    visitor = stage.visitor(name, look)
    response = visitor.page.goto(stage.address(path))
    assert response is not None
    assert response.status == REFUSED.get((name, path), 200)
    assert len(response.body()) < DENSE_HTML_BYTES.get(path, HTML_BYTES)
    assert faults_of(visitor) == []


@pytest.mark.parametrize("look", LOOKS)
def test_a_card_with_mistakes_is_sound(stage: Stage, look: str) -> None:
    visitor = stage.visitor("ana", look)
    page = visitor.page
    page.goto(stage.address("/judge/sf"))
    with page.expect_navigation() as navigation:
        page.evaluate(
            """() => {
                for (const radio of document.querySelectorAll(".segment.no input")) radio.checked = true;
                document.querySelector("[data-judge-form]").submit(); // past the scripts that ask for a reason first
            }"""
        )
    assert navigation.value.status == 422
    expect(page.locator(".question .field-error").first).to_be_attached()
    assert faults_of(visitor) == []
    page.locator(".question").last.locator(".segment.no input").focus()
    assert faults_of(visitor) == []


def open_card(stage: Stage, name: str, slug: str = "sf", look: str = WIDE, **settings: object) -> Page:
    page = stage.visitor(name, look, **settings).page
    page.goto(stage.address(f"/judge/{slug}"))
    expect(page.locator("[data-judge-form]")).to_be_visible()
    return page


def claim_on(page: Page) -> str:
    claim = page.locator("#card").get_attribute("data-claim")
    assert claim is not None
    return claim


def expect_next_card(page: Page, before: str) -> None:
    expect(page.locator("#card")).not_to_have_attribute("data-claim", before)


def answer_yes(page: Page) -> None:
    for _ in range(page.locator("[data-question]").count()):
        page.keyboard.press("y")


def given(page: Page) -> list[str]:
    answers: list[str] = page.locator(".segment input:checked").evaluate_all("all => all.map(one => one.value)")
    return answers


def test_judging_works_without_scripts(stage: Stage) -> None:
    page = open_card(stage, "noah", java_script_enabled=False)
    before = claim_on(page)
    for question in page.locator("[data-question]").all():
        question.locator(".segment.no input").check()
        question.locator(".reason input").first.check()
    page.locator(".confirm").click()
    expect_next_card(page, before)
    expect(page.locator(".judge-progress")).to_contain_text("1 today")


def test_judging_works_by_tapping_on_a_phone(stage: Stage) -> None:
    page = open_card(stage, "tapio", "mfb", NARROW)
    before = claim_on(page)
    sheet = page.locator(".question.is-current")
    sheet.locator(".segment.no").tap()
    sheet.locator(".reason").first.tap()
    sheet.locator("[data-next]").tap()
    page.wait_for_timeout(THUMB_MS)
    for number in range(2, page.locator("[data-question]").count() + 1):
        expect(sheet.locator(".question-place")).to_have_text(f"{number} of 5")
        sheet.locator(".segment.yes").tap()
        page.wait_for_timeout(THUMB_MS)
    expect(sheet).to_have_count(0)
    page.locator(".confirm").tap()
    expect_next_card(page, before)
    expect(page.locator(".judge-progress")).to_contain_text("1 today")


def test_keys_rest_while_somebody_types(stage: Stage) -> None:
    page = open_card(stage, "kay")
    page.keyboard.press("n")
    page.keyboard.press("1")
    before = claim_on(page)
    page.get_by_text("Add a note").click()
    note = page.locator("#note")
    note.press_sequentially("yn? 2sxbz")
    correction = page.locator(".reasons .input").first
    page.locator("[data-question]").first.locator(".segment input:checked").focus()
    correction.press_sequentially("yu1?")
    correction.press("Enter")
    assert (note.input_value(), correction.input_value()) == ("yn? 2sxbz", "yu1?")
    assert given(page) == ["no"]
    assert page.locator(".reason input:checked").count() == 1
    assert claim_on(page) == before
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_a_question_mark_opens_the_map_of_keys(stage: Stage) -> None:
    visitor = stage.visitor("mark")
    page = open_card(stage, "mark")
    page.keyboard.press("?")
    expect(page.locator("[data-help]")).to_be_visible()
    assert faults_of(visitor) == []
    page.keyboard.press("y")
    page.keyboard.press("?")
    expect(page.locator("[data-help]")).to_be_hidden()
    assert given(page) == []


def test_unsent_answers_survive_a_reload(stage: Stage) -> None:
    page = open_card(stage, "rea")
    page.keyboard.press("u")
    page.reload()
    expect(page.locator(".segment.unsure input").first).to_be_checked()


def test_the_next_picture_is_there_before_its_card(stage: Stage) -> None:
    page = open_card(stage, "fay")
    before = claim_on(page)
    expect(page.locator("[data-judging]")).to_have_attribute("data-loaded", "3")
    answer_yes(page)
    page.keyboard.press("Enter")
    expect_next_card(page, before)
    picture = page.locator("[data-zoom-image]")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    over_the_wire = "url => performance.getEntriesByName(url).filter(one => one.transferSize > 0).length"
    assert page.evaluate(over_the_wire, picture.evaluate("image => image.src")) == 1


def test_a_double_enter_sends_one_judgment(stage: Stage) -> None:
    page = open_card(stage, "dee")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)
    before = claim_on(page)
    answer_yes(page)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect_next_card(page, before)
    page.keyboard.press("Enter")  # nothing is answered on this card
    expect(page.locator("[data-outbox-words]")).to_have_text("All sent")
    assert len(sent) == 1
    expect(page.locator(".judge-progress")).to_contain_text("1 today")


def test_a_server_out_of_reach_costs_no_answers(stage: Stage) -> None:
    page = open_card(stage, "olga")
    expect(page.locator("[data-judging]")).to_have_attribute("data-loaded", "3")
    before = claim_on(page)
    page.context.set_offline(True)
    answer_yes(page)
    page.keyboard.press("Enter")
    expect_next_card(page, before)
    expect(page.locator("[data-outbox-words]")).to_have_text("Offline · 1 waits")
    page.context.set_offline(False)
    expect(page.locator("[data-outbox-words]")).to_have_text("All sent")
    page.reload()
    expect(page.locator(f'[data-strip-entry][data-claim="{before}"]')).to_have_attribute("data-state", "sent")


def test_a_run_is_asked_for_and_steered_without_scripts(stage: Stage) -> None:
    page = stage.visitor("rosa", java_script_enabled=False).page
    page.goto(stage.address("/runs"))
    page.get_by_label("Model").select_option("internvl3-78b")
    page.get_by_text("More settings").click()
    page.get_by_label("Priority").fill("3")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("heading", name="internvl3-78b")).to_be_visible()
    again = page.get_by_role("button", name="Try again")
    for _ in range(60):  # the worker finds that it has no such model
        if again.is_visible():
            break
        page.wait_for_timeout(500)
        page.reload()
    again.click()
    expect(page.get_by_text("It is in the queue again")).to_be_visible()
