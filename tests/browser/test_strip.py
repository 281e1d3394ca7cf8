"""Back and undo on the page, guidelines and pauses, and the reference beside the image."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.judging import (
    answer,
    answers_of,
    claim_on,
    expect_ahead,
    expect_outbox,
    judge_page,
    open_card,
    query,
    tasting,
    visitor,
)
from tests.live import Installation

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("strip")]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with tasting(tmp_path_factory.mktemp("files"), ("sf", "mf")) as found:
        query(
            found,
            "UPDATE policy SET questions = jsonb_set(questions, '{0}', questions -> 0 || jsonb_build_object("
            "'good', jsonb_build_array(jsonb_build_object('text', 'A whole plate')), "
            "'bad', jsonb_build_array(jsonb_build_object('text', 'Only a sauce'))))",
        )
        query(found, "UPDATE campaign SET guidelines = 'Look closely.'")
        yield found


def entry(page: Page, claim: str) -> str:
    return f'[data-strip-entry][data-claim="{claim}"]'


def test_an_answer_is_changed_from_the_strip(installation: Installation, chromium: Browser) -> None:
    ann = visitor(installation, chromium, "ann")
    page = ann.page
    first, second = answer(page), answer(page)
    expect_outbox(page, "All sent")
    expect(page.locator("[data-strip-entry]")).to_have_count(2)
    assert page.locator("[data-strip-entry]").first.get_attribute("data-claim") == second
    begun = claim_on(page)
    page.keyboard.press("u")
    page.locator(f"{entry(page, first)} a").click()
    expect(page.locator("#card")).to_have_attribute("data-claim", first)
    expect(page.get_by_text("You are changing an earlier answer.")).to_be_visible()
    expect(page.locator(".segment.yes input:checked")).to_have_count(page.locator("[data-question]").count())
    assert ann.serious_faults() == []
    page.keyboard.press("u")  # keys answer from its first question on
    page.keyboard.press("Enter")
    expect(page.locator("#card")).to_have_attribute("data-claim", begun)  # on with what was begun, as it was
    expect(page.locator(".segment.unsure input").first).to_be_checked()
    expect_outbox(page, "All sent")
    expect(page.locator(entry(page, first))).to_have_attribute("data-state", "changed")
    found = answers_of(installation, "ann")
    assert [(str(row.claim_id), row.revision) for row in found] == [(first, 1), (second, 1), (first, 2)]
    expect(page.locator(".judge [data-today]")).to_have_text("2")

    page.reload()  # then the card comes from the server
    page.locator(f"{entry(page, second)} a").click()
    expect(page.locator("#card")).to_have_attribute("data-claim", second)
    page.locator(".segment.unsure input").first.check()
    page.locator("[data-confirm]").click()
    expect(page.locator("#card")).to_have_attribute("data-claim", begun)
    expect_outbox(page, "All sent")
    assert len(answers_of(installation, "ann")) == 4
    ann.context.close()


def test_an_answer_that_still_waits_is_changed_before_it_is_sent(installation: Installation, chromium: Browser) -> None:
    wes = visitor(installation, chromium, "wes")
    page = wes.page
    expect_ahead(page)
    wes.context.set_offline(True)
    first, second = answer(page), answer(page)
    expect(page.locator(entry(page, first))).to_have_attribute("data-state", "waiting")
    page.keyboard.press("b")
    expect(page.locator("#card")).to_have_attribute("data-claim", second)
    page.keyboard.press("b")
    expect(page.locator("#card")).to_have_attribute("data-claim", first)
    page.locator(".segment.unsure input").first.check()
    page.locator("[data-confirm]").click()
    expect(page.locator("#card")).not_to_have_attribute("data-claim", first)
    expect_outbox(page, "Offline · 2 wait")
    wes.context.set_offline(False)
    expect_outbox(page, "All sent")
    found = answers_of(installation, "wes")
    assert [(str(row.claim_id), row.revision) for row in found] == [(first, 1), (second, 1)]
    assert found[0].answers["food1_identity"]["answer"] == "unsure"
    wes.context.close()


def test_what_was_changed_in_another_tab_is_what_comes_back(installation: Installation, chromium: Browser) -> None:
    two = visitor(installation, chromium, "two")
    page = two.page
    claim = answer(page)
    expect_outbox(page, "All sent")
    page.evaluate(
        """() => {
            const { person } = document.querySelector("[data-judging]").dataset;
            new BroadcastChannel(`terroir-answers-${person}`).onmessage = () => (document.body.dataset.told = "yes");
        }"""
    )
    other = two.context.new_page()
    other.goto(f"{judge_page(installation)}/claims/{claim}")
    other.locator(".segment.unsure input").first.check()
    other.locator("[data-confirm]").click()
    expect(page.locator("body")).to_have_attribute("data-told", "yes")  # as the page itself has been
    expect_outbox(other, "All sent")
    page.bring_to_front()
    page.keyboard.press("b")
    expect(page.locator("#card")).to_have_attribute("data-claim", claim)
    expect(page.locator(".segment.unsure input").first).to_be_checked()
    two.context.close()


def test_a_change_that_came_too_late_leads_to_what_stands(installation: Installation, chromium: Browser) -> None:
    ted = visitor(installation, chromium, "ted")
    page = ted.page
    expect_ahead(page)
    claim = answer(page)
    expect_outbox(page, "All sent")
    query(
        installation,
        "UPDATE item SET status = 'approved', decided_at = now() FROM claim WHERE item_id = item.id AND claim.id = :id",
        id=claim,
    )
    page.keyboard.press("b")
    expect(page.locator("#card")).to_have_attribute("data-claim", claim)
    page.locator(".segment.unsure input").first.check()
    page.locator("[data-confirm]").click()
    expect_outbox(page, "1 not taken")
    expect(page.locator("[data-outbox-list] > li")).to_contain_text("This item has been decided since")
    expect(page.get_by_role("link", name="Mend it")).to_be_hidden()
    expect(page.locator(entry(page, claim))).to_have_attribute("data-state", "frozen")
    page.locator(f"{entry(page, claim)} a").click()
    expect(page.get_by_text("enough people have judged the image")).to_be_visible()
    expect(page.locator(".segment.yes input:checked")).to_have_count(page.locator("[data-question]").count())
    ted.context.close()


def test_a_skip_by_mistake_is_taken_back(installation: Installation, chromium: Browser) -> None:
    sam = visitor(installation, chromium, "sam")
    page = sam.page
    expect_ahead(page)
    skipped = claim_on(page)
    page.keyboard.press("x")
    expect(page.locator("#card")).not_to_have_attribute("data-claim", skipped)
    begun = claim_on(page)
    expect_outbox(page, "All sent")
    expect(page.locator(entry(page, skipped))).to_have_attribute("data-state", "skipped")
    page.keyboard.press("b")
    expect(page.locator("#card")).to_have_attribute("data-claim", skipped)
    expect(page.get_by_text("You skipped this image. You can still answer.")).to_be_visible()
    assert sam.serious_faults() == []
    page.keyboard.press("x")  # once is enough
    assert claim_on(page) == skipped
    assert answer(page) == skipped
    expect(page.locator("#card")).to_have_attribute("data-claim", begun)
    expect_outbox(page, "All sent")
    expect(page.locator(entry(page, skipped))).to_have_attribute("data-state", "sent")
    expect(page.locator(".judge [data-today]")).to_have_text("1")

    sam.context.set_offline(True)
    page.keyboard.press("x")
    expect(page.locator("#card")).not_to_have_attribute("data-claim", begun)
    expect_outbox(page, "Offline · 1 waits")
    page.keyboard.press("b")
    expect(page.locator("#card")).to_have_attribute("data-claim", begun)
    answer(page)
    expect_outbox(page, "Offline · 1 waits")
    sam.context.set_offline(False)
    expect_outbox(page, "All sent")
    assert [str(row.claim_id) for row in answers_of(installation, "sam")] == [skipped, begun]

    page.reload()  # then the card comes from the server
    expect_ahead(page)
    last = claim_on(page)
    page.keyboard.press("x")
    expect(page.locator("#card")).not_to_have_attribute("data-claim", last)
    expect_outbox(page, "All sent")
    page.reload()
    page.locator(f"{entry(page, last)} a").click()
    expect(page.get_by_text("You skipped this image. You can still answer.")).to_be_visible()
    answer(page)
    expect_outbox(page, "All sent")
    assert len(answers_of(installation, "sam")) == 3
    sam.context.close()


def test_what_one_would_rather_not_judge_is_not_in_the_strip(installation: Installation, chromium: Browser) -> None:
    dis = visitor(installation, chromium, "dis")
    page = dis.page
    expect_ahead(page)
    skipped = claim_on(page)
    dis.context.set_offline(True)
    page.keyboard.press("s")
    page.get_by_label("I'd rather not judge this image").check()
    page.get_by_role("button", name="Skip this image").click()
    expect(page.locator("#card")).not_to_have_attribute("data-claim", skipped)
    expect_outbox(page, "Offline · 1 waits")
    expect(page.locator("[data-strip-entry]")).to_have_count(0)
    dis.context.set_offline(False)
    expect_outbox(page, "All sent")
    answered = answer(page)
    expect_outbox(page, "All sent")
    page.reload()
    expect(page.locator("[data-strip-entry]")).to_have_count(1)
    expect(page.locator(entry(page, answered))).to_be_visible()
    dis.context.close()


def test_a_frozen_answer_opens_to_look_at_and_says_why(installation: Installation, chromium: Browser) -> None:
    fay = visitor(installation, chromium, "fay")
    page = fay.page
    claim = answer(page)
    expect_outbox(page, "All sent")
    query(
        installation,
        "UPDATE item SET status = 'approved', decided_at = now() FROM claim WHERE item_id = item.id AND claim.id = :id",
        id=claim,
    )
    open_card(installation, page)
    expect(page.locator(entry(page, claim))).to_have_attribute("data-state", "frozen")
    page.locator(f"{entry(page, claim)} a").click()
    expect(page.get_by_text("enough people have judged the image")).to_be_visible()
    expect(page.locator("[data-confirm]")).to_have_count(0)
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    expect(page.locator(".segment.yes input:checked")).to_have_count(page.locator("[data-question]").count())
    assert fay.serious_faults() == []
    page.get_by_role("link", name="On with the next image").click()
    expect(page.locator("[data-confirm]")).to_have_count(1)
    assert len(answers_of(installation, "fay")) == 1
    assert fay.complaints == []
    fay.context.close()


def test_the_image_and_its_reference_are_zoomed_together(installation: Installation, chromium: Browser) -> None:
    zoe = visitor(installation, chromium, "zoe")
    page = zoe.page
    link = page.locator("[data-look]").first
    if not link.count():  # the demo's items have no photograph of their own: any picture will do
        page.evaluate(
            """() => document.querySelector(".reference").insertAdjacentHTML("beforeend",
                `<a href="${document.querySelector("[data-zoom-image]").src}" data-look="x"><img alt="x"></a>`)"""
        )
    page.keyboard.press("+")
    page.keyboard.press("r")
    stages = page.locator("dialog[open] [data-zoom]")
    expect(stages).to_have_count(2)
    scales = """all => all.map(one => new DOMMatrix(getComputedStyle(one.querySelector("img")).transform))
        .map(one => [one.a, Math.round(one.e), Math.round(one.f)])"""
    page.wait_for_function(
        "() => [...document.querySelectorAll('dialog[open] img')].every(one => one.complete && one.style.transform)"
    )
    assert [scale for scale, _, _ in stages.evaluate_all(scales)] == [1.25, 1.25]
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    left, right = stages.evaluate_all(scales)
    assert left == right  # the same picture in frames of one size
    assert left[0] == pytest.approx(1.5625)
    box = stages.nth(1).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.wheel(0, -300)
    left, right = stages.evaluate_all(scales)
    assert left == right
    assert left[0] > 1.6
    assert zoe.serious_faults() == []
    page.keyboard.press("Escape")
    assert page.locator(".judge [data-zoom]").evaluate_all(scales)[0][0] == pytest.approx(left[0])
    zoe.context.close()


def test_guidelines_stay_pinned_from_card_to_card(installation: Installation, chromium: Browser) -> None:
    gus = visitor(installation, chromium, "gus")
    page = gus.page
    page.keyboard.press("g")
    expect(page.get_by_text("Look closely.")).to_be_visible()
    expect(page.get_by_text("A whole plate")).to_be_visible()
    expect(page.get_by_text("Only a sauce")).to_be_visible()
    assert gus.serious_faults() == []
    answer(page)
    expect(page.get_by_text("A whole plate")).to_be_visible()
    page.reload()
    expect(page.get_by_text("A whole plate")).to_be_visible()
    page.keyboard.press("g")
    expect(page.get_by_text("A whole plate")).to_be_hidden()
    gus.context.close()


def test_the_clock_stands_in_a_pause_behind_other_tabs_and_after_a_minute_of_nothing(
    installation: Installation, chromium: Browser
) -> None:
    pat = visitor(installation, chromium, "pat")
    page = pat.page
    page.clock.install()
    open_card(installation, page)
    page.keyboard.press("y")
    page.clock.run_for(10_000)
    page.keyboard.press("p")
    expect(page.get_by_role("heading", name="A pause")).to_be_visible()
    assert pat.serious_faults() == []
    page.clock.run_for(300_000)
    page.keyboard.press("y")  # answers nothing
    page.keyboard.press("p")
    expect(page.get_by_role("heading", name="A pause")).to_be_hidden()
    page.clock.run_for(5_000)
    page.keyboard.press("ArrowUp")
    page.clock.run_for(600_000)  # gone without a word: a minute of it counts
    page.keyboard.press("ArrowDown")
    page.evaluate(
        """() => { Object.defineProperty(document, "hidden", {value: true, configurable: true});
            document.dispatchEvent(new Event("visibilitychange")); }"""
    )
    page.clock.run_for(400_000)
    page.evaluate("() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }")
    answer(page)
    page.clock.run_for(2_000)
    expect_outbox(page, "All sent")
    (row,) = answers_of(installation, "pat")
    assert row.active_ms == pytest.approx(75_000, abs=8_000)
    pat.context.close()
