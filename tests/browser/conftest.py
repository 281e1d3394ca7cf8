"""A real Chromium: Debian's where there is one, else the one playwright installed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

AXE = next((Path(__file__).parents[1] / "vendor").glob("axe-*.min.js"))
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser a module. Until it stops, Playwright keeps an event loop running in the thread: kept for the session,
    it would fail every later test that runs a loop of its own."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """One person's browser. What the page's scripts complain of is a fault of the test."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self._console(message.type, message.text))

    def _console(self, kind: str, text: str) -> None:
        # Chromium also reports every 4xx and 5xx answer here; the tests look at those where they expect them.
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.complaints.append(text)

    def serious_faults(self) -> list[str]:
        """What axe finds on the page as it stands: WCAG 2.2 A and AA, serious and critical."""
        # Outside the page's policy, as a browser extension would be.
        self.page.evaluate(AXE.read_text() + "; undefined")
        # What it finds in order is neither described nor sent: that takes twice as long as the looking.
        found = self.page.evaluate(
            """axe.run({
                runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations'],
            }).then(found => found.violations)"""
        )
        return [
            f"{fault['id']}: {node['html'][:120]}"
            for fault in found
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        ]
