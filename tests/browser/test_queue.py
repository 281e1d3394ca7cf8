"""Nothing that was answered is lost: without a network, with a dead tab, two tabs, or somebody else signed in."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, Page, Route, expect

from tests.browser.conftest import Visitor
from tests.browser.judging import (
    CAMPAIGN,
    answer,
    answers_of,
    claim_on,
    expect_ahead,
    expect_outbox,
    judge_page,
    open_card,
    query,
    sign_in,
    tasting,
    visitor,
)  # fmt: skip
from tests.live import Installation

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("queue")]

MANY = 30


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with tasting(tmp_path_factory.mktemp("files"), ("sf", "mf", "sfb_street", "sfb_landmark")) as found:
        yield found


def claims_of(installation: Installation, name: str) -> list[str]:
    return [str(row.claim_id) for row in answers_of(installation, name)]


def test_thirty_answers_given_offline_outlive_a_killed_tab(installation: Installation, chromium: Browser) -> None:
    olga = visitor(installation, chromium, "olga")
    page = olga.page
    page.keyboard.press("?")
    page.get_by_role("link", name="weak connection").click()
    page.get_by_label(f"Keep {MANY} images ready").check()
    page.get_by_role("button", name="Save").click()
    page.goto(judge_page(installation))
    # Loaded ahead, each of them: the browser keeps them whatever becomes of the network.
    expect(page.locator("[data-judging]")).to_have_attribute("data-loaded", str(MANY - 1), timeout=30_000)
    olga.context.set_offline(True)
    given = []
    for number in range(1, MANY + 1):
        picture = page.locator("[data-zoom-image]")
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth") > 0
        given.append(answer(page))
        expect_outbox(page, f"Offline · {number} wait{'s' if number == 1 else ''}")
    expect(page.get_by_role("heading", name="No more images are ready")).to_be_visible()
    assert claims_of(installation, "olga") == []

    with pytest.raises(Error):
        page.goto("chrome://crash")
    page.close()
    olga.context.set_offline(False)
    reopened = olga.context.new_page()
    reopened.goto(judge_page(installation))
    expect_outbox(reopened, "All sent")
    assert claims_of(installation, "olga") == given
    assert {row.revision for row in answers_of(installation, "olga")} == {1}
    olga.context.close()


def test_two_tabs_show_different_cards_and_send_each_answer_once(installation: Installation, chromium: Browser) -> None:
    tea = visitor(installation, chromium, "tea")
    one, two = tea.page, tea.context.new_page()
    with two.expect_response(lambda reply: reply.url.endswith("/cards")):
        two.goto(judge_page(installation))
    expect(two.locator("#card")).not_to_have_attribute("data-claim", claim_on(one))
    puts: list[str] = []
    tea.context.on("request", lambda request: puts.append(request.url) if request.method == "PUT" else None)
    tea.context.set_offline(True)
    given = [answer(page) for page in (one, two, one, two)]
    expect_outbox(one, "Offline · 4 wait")
    expect_outbox(two, "Offline · 4 wait")
    puts.clear()
    tea.context.set_offline(False)
    expect_outbox(one, "All sent")
    expect_outbox(two, "All sent")
    assert claims_of(installation, "tea") == given
    assert len(puts) == 4
    tea.context.close()


def test_an_answer_whose_reply_was_lost_lands_once(installation: Installation, chromium: Browser) -> None:
    lou = visitor(installation, chromium, "lou")
    lost: list[int] = []

    def lose(route: Route) -> None:
        lost.append(route.fetch().status)
        route.abort()

    lou.page.route("**/judgment", lose, times=1)
    claim = answer(lou.page)
    expect_outbox(lou.page, "All sent")
    assert lost == [201]
    assert claims_of(installation, "lou") == [claim]
    lou.context.close()


def test_a_busy_server_is_asked_again(installation: Installation, chromium: Browser) -> None:
    bea = visitor(installation, chromium, "bea")
    bea.page.route("**/judgment", lambda route: route.fulfill(status=503, body="{}"), times=1)
    claim = answer(bea.page)
    expect_outbox(bea.page, "Server busy · 1 waits")
    assert claim_on(bea.page) != claim
    expect_outbox(bea.page, "All sent")
    assert claims_of(installation, "bea") == [claim]
    bea.context.close()


def test_an_expired_session_holds_the_answers_until_the_same_person_is_back(
    installation: Installation, chromium: Browser
) -> None:
    eve = visitor(installation, chromium, "eve")
    page = eve.page
    eve.context.clear_cookies()
    claim = answer(page)
    expect_outbox(page, "Signed out · 1 waits")
    link = page.get_by_role("link", name="Sign in again")
    expect(link).to_be_visible()
    assert eve.serious_faults() == []
    link.click()
    expect(page).to_have_url(re.compile(rf"/sign-in\?next=%2Fjudge%2F{CAMPAIGN}$"))

    sign_in(installation, page, "mallory")  # somebody else first, at the same computer
    open_card(installation, page)
    expect(page.get_by_text("1 answer of eve waits in this browser.")).to_be_visible()
    expect_outbox(page, "All sent")
    answer(page)
    expect_outbox(page, "All sent")
    assert claims_of(installation, "eve") == []
    assert claim not in claims_of(installation, "mallory")

    sign_in(installation, page, "eve")
    open_card(installation, page)
    expect_outbox(page, "All sent")
    assert claims_of(installation, "eve") == [claim]
    eve.context.close()


def test_a_page_left_open_sends_nothing_as_somebody_else(installation: Installation, chromium: Browser) -> None:
    ida = visitor(installation, chromium, "ida")
    other = ida.context.new_page()
    sign_in(installation, other, "otto")  # the cookie is otto's now; ida's page is still there
    claim = answer(ida.page)
    expect_outbox(ida.page, "Signed out · 1 waits")
    assert claims_of(installation, "otto") == []
    sign_in(installation, other, "ida")
    ida.page.bring_to_front()
    ida.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect_outbox(ida.page, "All sent")
    assert claims_of(installation, "ida") == [claim]
    ida.context.close()


def refuse_one(page: Page) -> str:
    """A note that is too long: the server will never take it."""
    page.locator("#note").evaluate("note => { note.removeAttribute('maxlength'); note.value = 'x'.repeat(3000); }")
    claim = answer(page)
    expect_outbox(page, "1 not taken")
    return claim


def test_a_refused_answer_says_why_and_is_mended(installation: Installation, chromium: Browser) -> None:
    max_ = visitor(installation, chromium, "max")
    page = max_.page
    claim = refuse_one(page)
    entry = page.locator("[data-outbox-list] > li")
    expect(entry).to_contain_text("At most 2,000 characters")
    expect(page.locator(f'[data-strip-entry][data-claim="{claim}"]')).to_have_attribute("data-state", "refused")
    assert max_.serious_faults() == []
    page.reload()  # it is still there, and its card comes from the server now
    expect(entry).to_have_count(1)
    page.get_by_role("link", name="Mend it").click()
    expect(page.locator("#card")).to_have_attribute("data-claim", claim)
    expect(page.locator(".segment.yes input:checked")).to_have_count(page.locator("[data-question]").count())
    page.locator("#note").fill("short")
    page.locator("[data-confirm]").click()
    expect_outbox(page, "All sent")
    (kept,) = answers_of(installation, "max")
    assert (str(kept.claim_id), kept.note) == (claim, "short")
    max_.context.close()


def test_a_refused_answer_is_discarded_only_when_one_is_sure(installation: Installation, chromium: Browser) -> None:
    dan = visitor(installation, chromium, "dan")
    page = dan.page
    claim = refuse_one(page)
    page.get_by_role("button", name="Discard it").click()
    page.get_by_role("button", name="Keep it").click()
    expect_outbox(page, "1 not taken")
    with page.expect_response(lambda reply: reply.request.method == "PUT"):
        taken = answer(page)  # the ones behind it are not held up
    expect_outbox(page, "1 not taken")
    assert claims_of(installation, "dan") == [taken]
    page.get_by_role("button", name="Discard it").click()
    page.get_by_role("button", name="Yes, discard it").click()
    expect_outbox(page, "All sent")
    assert claim not in claims_of(installation, "dan")
    dan.context.close()


def test_an_image_that_was_given_back_elsewhere_can_only_be_discarded(
    installation: Installation, chromium: Browser
) -> None:
    gil = visitor(installation, chromium, "gil")
    page = gil.page
    expect_ahead(page)  # before that the page may still ask for cards, and would be given this one again
    address = f"{installation.address}/api/v1/claims/{claim_on(page)}"
    assert gil.context.request.delete(address, headers={"sec-fetch-site": "same-origin"}).status == 204
    answer(page)
    expect_outbox(page, "1 not taken")
    expect(page.locator("[data-outbox-list] > li")).to_contain_text("You gave this item back")
    expect(page.get_by_role("link", name="Mend it")).to_be_hidden()
    gil.context.close()


def test_back_and_forth_never_shows_an_answered_card_again(installation: Installation, chromium: Browser) -> None:
    bo = visitor(installation, chromium, "bo")
    page = bo.page
    page.route("**/judgment", lambda route: route.abort())  # the first answer is still on its way
    claim = answer(page)
    page.goto(f"{installation.address}/account")
    page.go_back()
    expect(page.locator("[data-judge-form]")).to_be_visible()
    expect(page.locator("#card")).not_to_have_attribute("data-claim", claim)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    page.unroute("**/judgment")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")  # as out of the bfcache
    expect_outbox(page, "All sent")
    second = answer(page)
    expect_outbox(page, "All sent")
    assert claims_of(installation, "bo") == [claim, second]
    bo.context.close()


def test_skipping_waits_in_the_same_row(installation: Installation, chromium: Browser) -> None:
    sky = visitor(installation, chromium, "sky")
    page = sky.page
    expect_ahead(page)
    sky.context.set_offline(True)
    skipped, broken = claim_on(page), ""
    page.keyboard.press("s")
    page.keyboard.press("Enter")
    expect(page.locator("#card")).not_to_have_attribute("data-claim", skipped)
    broken = claim_on(page)
    page.keyboard.press("x")
    expect(page.locator("#card")).not_to_have_attribute("data-claim", broken)
    expect_outbox(page, "Offline · 2 wait")
    sky.context.set_offline(False)
    expect_outbox(page, "All sent")
    found = query(installation, "SELECT id, state, reason FROM claim WHERE state = 'skipped'")
    reasons = {str(row.id): row.reason for row in found}
    assert (reasons[skipped], reasons[broken]) == ("cannot_tell", "broken_image")
    sky.context.close()


def test_leaving_lets_the_images_ahead_go_but_not_the_one_begun(installation: Installation, chromium: Browser) -> None:
    lea = visitor(installation, chromium, "lea")
    page = lea.page
    expect_ahead(page)
    begun = claim_on(page)
    page.keyboard.press("u")
    page.goto(f"{installation.address}/account")
    leases = (
        "SELECT claim.id, extract(epoch FROM expires_at - now()) AS left FROM claim "
        "JOIN account ON account.id = account_id WHERE email = 'lea@example.org' AND state = 'open'"
    )
    for _ in range(50):
        found = {str(row.id): row.left for row in query(installation, leases)}
        if sorted(left <= 60 for left in found.values()) == [False, True, True, True]:
            break
        page.wait_for_timeout(100)
    assert found[begun] > 60
    assert all(left <= 60 for claim, left in found.items() if claim != begun)
    open_card(installation, page)
    assert claim_on(page) == begun
    expect(page.locator(".segment.unsure input").first).to_be_checked()
    lea.context.close()


def test_without_a_database_in_the_browser_the_plain_form_is_sent(
    installation: Installation, chromium: Browser
) -> None:
    private = Visitor(chromium.new_context(viewport={"width": 1280, "height": 800}))
    private.context.add_init_script("Object.defineProperty(window, 'indexedDB', {value: {open() { throw 1; }}})")
    sign_in(installation, private.page, "pia")
    private.page.goto(judge_page(installation))
    claim = answer(private.page)
    assert claims_of(installation, "pia") == [claim]
    private.context.close()
