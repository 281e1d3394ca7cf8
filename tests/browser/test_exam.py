"""A test on the page: a reload loses no answer, and nothing is sent into the void."""

import json
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Visitor
from tests.browser.judging import judge_page, query, sign_in, tasting
from tests.live import Installation

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("exam")]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with tasting(tmp_path_factory.mktemp("files")) as found:
        yield found


@pytest.fixture
def candidate(installation: Installation, chromium: Browser) -> Iterator[Visitor]:
    """Somebody before the first of a test's two images."""
    found = Visitor(chromium.new_context(viewport={"width": 1280, "height": 800}))
    sign_in(installation, found.page, "cleo")
    exam = uuid.uuid4()
    items = [str(row.id) for row in query(installation, "SELECT id FROM item ORDER BY key LIMIT 2")]
    query(
        installation,
        "INSERT INTO exam (id, campaign_id, account_id, region, kind, items, answers) SELECT :exam, campaign.id, "
        "account.id, 'Africa', 'test', ARRAY(SELECT jsonb_array_elements_text(CAST(:items AS jsonb))), '{}' "
        "FROM campaign, account WHERE email = 'cleo@example.org'",
        exam=exam,
        items=json.dumps(items),
    )
    found.page.goto(f"{judge_page(installation)}/qualify/{exam}")
    yield found
    found.context.close()


def test_answers_outlive_a_reload_and_are_not_sent_offline(candidate: Visitor) -> None:
    page = candidate.page
    page.keyboard.press("n")
    page.keyboard.press("1")
    page.reload()
    expect(page.locator(".segment.no input").first).to_be_checked()
    expect(page.locator(".reason input:checked")).to_have_count(1)
    page.keyboard.press("y")
    candidate.context.set_offline(True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The server can't be reached.")
    expect(page.locator(".segment input:checked")).to_have_count(2)
    candidate.context.set_offline(False)
    page.locator("[data-confirm]").click()
    expect(page.locator(".judge-progress strong")).to_have_text("2")
    expect(page.locator(".segment input:checked")).to_have_count(0)
