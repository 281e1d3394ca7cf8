"""The whole way once, as people go it: three annotators by keyboard, an admin, a researcher, the usual loader."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from datasets import Image, load_dataset
from playwright.sync_api import Browser, expect

from app.accounts.models import Role
from app.db import make_engine
from app.db.connect import database_url
from app.settings import Settings
from tests.browser.conftest import Visitor
from tests.live import DEMO, SAMPLE, Installation, fresh_home

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("whole_way")]

ANNOTATORS = ("ana@example.org", "ben@example.org", "chi@example.org")


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """With all 100 images of the sample where they lie beside the project, else with the demo's."""
    with fresh_home() as home:
        found = Installation(home)
        source = SAMPLE if SAMPLE.is_dir() else DEMO / "culturemix"
        found.run("knowledge", "import", DEMO / "reference")
        found.run("import", source, "--campaign", "sample")
        with found.running():
            yield found


def rows(installation: Installation, statement: str) -> list[Any]:
    settings = Settings(home=installation.home, _env_file=None)  # type: ignore[call-arg]
    with database_url(settings) as url:
        engine = make_engine(url, pooled=False)
        with engine.connect() as connection:
            return list(connection.execute(sa.text(statement)))


def bucket(image_url: str) -> int:
    """Which of ten fates an image has in this test; everybody sees the same."""
    return int(image_url.split("/")[2][:8], 16) % 10


def keys_for(annotator: int, image_url: str, questions: int) -> list[str]:
    """Fate 0: the three disagree on the first question. Fate 1: all reject it. Else: all yes."""
    first = "y"
    if bucket(image_url) == 0:
        first = ("y", "n", "u")[annotator]
    elif bucket(image_url) == 1:
        first = "n"
    reasons = ["1"] if first == "n" else []
    return [first, *["y"] * (questions - 1), *reasons, "Enter"]


def judge_everything(visitor: Visitor, annotator: int) -> int:
    page = visitor.page
    judged = 0
    while page.locator("[data-judge-form]").count():
        card = page.locator("#card")
        claim = card.get_attribute("data-claim")
        image_url = page.locator("[data-zoom-image]").get_attribute("src")
        assert image_url is not None
        for key in keys_for(annotator, image_url, page.locator("[data-question]").count()):
            page.keyboard.press(key)
        # The next card is there at once, or comes as soon as the server knows what was answered so far.
        page.wait_for_function(
            "claim => document.querySelector('[data-judge]:not([data-holding])')?.dataset.claim !== claim"
            " && !document.querySelector('[data-holding]')",
            arg=claim,
        )
        judged += 1
    expect(page.locator("[data-outbox-words]")).to_have_text("All sent")
    return judged


def test_three_annotators_an_admin_and_a_researcher(
    installation: Installation, chromium: Browser, tmp_path: Path
) -> None:
    (items,) = rows(installation, "SELECT count(*), count(DISTINCT image_sha256) FROM item")
    for number, email in enumerate(ANNOTATORS):
        visitor = Visitor(chromium.new_context(viewport={"width": 1280, "height": 800}))
        visitor.page.goto(installation.sign_in_link(email, Role.ANNOTATOR))
        expect(visitor.page.locator("[data-judge-form]")).to_be_visible()
        assert judge_everything(visitor, number) == items[0]
        expect(visitor.page.get_by_text("Nothing to judge right now")).to_be_visible()
        assert visitor.complaints == []
        visitor.context.close()

    found = rows(installation, "SELECT item.status, item.image_sha256, item.key, item.judged FROM item")
    fates = {0: "disputed", 1: "rejected"}
    assert {row.judged for row in found} == {3}
    for row in found:
        assert row.status == fates.get(bucket(f"/images/{row.image_sha256}"), "approved"), row.key

    settled = settle_disputes(installation, chromium)
    assert settled == sum(row.status == "disputed" for row in found)
    counts = Counter(row.status for row in rows(installation, "SELECT status FROM item"))
    assert counts["disputed"] == 0

    folder = release_and_download(installation, chromium, tmp_path)
    check_with_datasets(installation, folder, approved=counts["approved"])


def settle_disputes(installation: Installation, chromium: Browser) -> int:
    visitor = Visitor(chromium.new_context(viewport={"width": 1280, "height": 800}))
    page = visitor.page
    page.goto(installation.sign_in_link("ada@example.org", Role.ADMIN))
    settled = 0
    page.goto(f"{installation.address}/campaigns/sample/disputed")
    while page.get_by_role("heading", name="Settle it").count():
        form = page.locator("#settle form")
        for yes in form.locator(".segment.yes input").all():
            yes.check(force=True)
        form.locator("textarea").fill("The photograph shows the dish; two of three are sure.")
        with page.expect_navigation():
            form.locator("button[type=submit]").click()
        settled += 1
    assert visitor.complaints == []
    visitor.context.close()
    return settled


def release_and_download(installation: Installation, chromium: Browser, tmp_path: Path) -> Path:
    """An admin builds the release on its page; a researcher downloads every file of it."""
    admin = Visitor(chromium.new_context())
    admin.page.goto(installation.sign_in_link("ada@example.org", Role.ADMIN))
    admin.page.goto(f"{installation.address}/releases")
    admin.page.get_by_label("Version").fill("1.0.0")
    admin.page.locator("form[action='/releases'] button[type=submit]").first.click()
    # The page follows the job by itself.
    expect(admin.page.locator("main").get_by_text("published", exact=True).first).to_be_visible(timeout=60_000)
    assert admin.complaints == []
    admin.context.close()

    researcher = Visitor(chromium.new_context())
    researcher.page.goto(installation.sign_in_link("remy@example.org", Role.RESEARCHER))
    researcher.page.goto(f"{installation.address}/releases/1.0.0")
    files = f"{installation.address}/api/v1/releases/1.0.0/files"
    manifest = researcher.context.request.get(f"{files}/manifest.json").json()
    folder = tmp_path / "release"
    for path in [*manifest["files"], "manifest.json", "SHA256SUMS"]:
        answer = researcher.context.request.get(f"{files}/{path}")
        assert answer.ok, path
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(answer.body())
    assert researcher.complaints == []
    researcher.context.close()
    report = installation.run_json("release", "verify", folder)
    assert report["ok"], report
    return folder


def check_with_datasets(installation: Installation, folder: Path, approved: int) -> None:
    """Counts and hashes are the database's."""
    loaded = load_dataset("parquet", data_files={"test": str(folder / "data" / "test-*.parquet")}, split="test")
    assert len(loaded) == approved
    expected = {
        row.key: row.image_sha256
        for row in rows(installation, "SELECT key, image_sha256 FROM item WHERE status = 'approved'")
    }
    raw = loaded.cast_column("image", Image(decode=False))
    assert {row["image_path"]: hashlib.sha256(row["image"]["bytes"]).hexdigest() for row in raw} == expected
    assert loaded[0]["image"].size == (loaded[0]["width"], loaded[0]["height"])
