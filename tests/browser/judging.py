"""Judging in a real browser: one server with a campaign for a file's tests, and what each of them does on the page."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from app.accounts.models import Role
from app.db import make_engine
from app.db.connect import database_url
from app.settings import Settings
from tests.browser.conftest import Visitor
from tests.live import DEMO, Installation, fresh_home

CAMPAIGN = "tasting"
THUMB_MS = 800
"""Between two taps: one that follows a new question or card at once is ignored (static/js/judge/touch.js)."""


@contextmanager
def tasting(folder: Path, tables: tuple[str, ...] = ("sf",), policy: str = "fixed-7") -> Iterator[Installation]:
    """A server with the campaign `tasting`: the rows of these tables of the demo."""
    source = DEMO / "culturemix"
    with fresh_home() as home:
        installation = Installation(home)
        paths = [source / "metadata" / f"{table}.csv" for table in tables]
        installation.run("import", *paths, "--images", source, "--campaign", CAMPAIGN, "--policy", policy)
        with installation.started("serve"):
            yield installation


def query(installation: Installation, statement: str, **values: Any) -> list[Any]:
    """Rows of the installation's database; nothing for what only changes it."""
    settings = Settings(home=installation.home, _env_file=None)  # type: ignore[call-arg]
    with database_url(settings) as url:
        engine = make_engine(url, pooled=False)
        with engine.begin() as connection:
            found = connection.execute(sa.text(statement), values)
            return list(found) if found.returns_rows else []


def answers_of(installation: Installation, name: str) -> list[Any]:
    """This person's judgments, oldest first: claim_id, item_id, revision, answers, note, active_ms."""
    return query(
        installation,
        "SELECT judgment.* FROM judgment JOIN account ON account.id = judgment.account_id "
        "WHERE account.email = :email ORDER BY judgment.created_at",
        email=f"{name}@example.org",
    )


def sign_in(installation: Installation, page: Page, name: str) -> None:
    page.goto(installation.sign_in_link(f"{name}@example.org", Role.ANNOTATOR))


def judge_page(installation: Installation) -> str:
    return f"{installation.address}/judge/{CAMPAIGN}"


def visitor(installation: Installation, chromium: Browser, name: str, **settings: Any) -> Visitor:
    """Somebody at the page, with a card in front of them and the next ones ready."""
    found = Visitor(chromium.new_context(**({"viewport": {"width": 1280, "height": 800}} | settings)))
    sign_in(installation, found.page, name)
    open_card(installation, found.page)
    return found


def open_card(installation: Installation, page: Page) -> None:
    with page.expect_response(lambda reply: reply.url.endswith("/cards")):
        page.goto(judge_page(installation))
    expect(page.locator("[data-judge-form]")).to_be_visible()


def expect_ahead(page: Page) -> None:
    """Waits until the next three are there, too: on a busy machine that is later than the first."""
    expect(page.locator("[data-judging]")).to_have_attribute("data-loaded", "3")


def claim_on(page: Page) -> str:
    claim = page.locator("#card").get_attribute("data-claim")
    assert claim is not None
    return claim


def answer(page: Page, key: str = "y") -> str:
    """Answers every question of the card with this key and confirms; the claim it was."""
    before = claim_on(page)
    for _ in range(page.locator("[data-question]").count()):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.locator(f'[data-judge][data-claim="{before}"]')).to_have_count(0)
    return before


def expect_outbox(page: Page, words: str) -> None:
    expect(page.locator("[data-outbox-words]")).to_have_text(words)
