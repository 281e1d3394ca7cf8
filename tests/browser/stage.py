"""An installation with something on every page, and the browsers of the people who look at it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect

from app.accounts.models import Role
from tests.browser.conftest import Visitor
from tests.live import DEMO, Installation, fresh_home

LOOKS: dict[str, dict[str, Any]] = {
    "wide and light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "narrow and dark": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "is_mobile": True,
        "has_touch": True,
    },
}
WIDE, NARROW = LOOKS
ROLES = {"ana": Role.ANNOTATOR, "ada": Role.ADMIN, "remy": Role.RESEARCHER, "rosa": Role.RESEARCHER}


class Stage:
    """`places` are the parts of addresses that only the running installation knows."""

    def __init__(self, installation: Installation, chromium: Browser) -> None:
        self.installation = installation
        self.places: dict[str, str] = {}
        self._chromium = chromium
        self._visitors: dict[tuple[str, str], Visitor] = {}

    def visitor(self, name: str, look: str = WIDE, **settings: Any) -> Visitor:
        """This person's browser, signed in unless it is nobody's; the same one each time."""
        if (name, look) not in self._visitors:
            visitor = Visitor(self._chromium.new_context(**LOOKS[look], **settings))
            if name != "nobody":
                role = ROLES.get(name, Role.ANNOTATOR)
                visitor.page.goto(self.installation.sign_in_link(f"{name}@example.org", role))
            self._visitors[name, look] = visitor
        return self._visitors[name, look]

    def address(self, path: str) -> str:
        return self.installation.address + path.format(**self.places)

    def close(self) -> None:
        for visitor in self._visitors.values():
            visitor.context.close()


@contextmanager
def set_up(chromium: Browser, folder: Path) -> Iterator[Stage]:
    """Campaigns: `crowd` (simulated people, every decision, a release), `sf` and `mfb` (untouched), `one` (done)."""
    with fresh_home() as home:
        installation = Installation(home)
        with installation.running():
            _fill(installation, folder)
            stage = Stage(installation, chromium)
            try:
                _visit(stage, folder)
                yield stage
            finally:
                stage.close()


def _fill(installation: Installation, folder: Path) -> None:
    images, tables = DEMO / "culturemix", DEMO / "culturemix" / "metadata"
    single = folder / "sf.csv"
    single.write_text("".join((tables / "sf.csv").read_text().splitlines(keepends=True)[:2]))
    installation.run("knowledge", "import", DEMO / "reference")
    installation.run("import", images, "--campaign", "crowd", "--policy", "fixed-2")
    for slug, table, policy in [
        ("sf", tables / "sf.csv", "fixed-7"),
        ("mfb", tables / "mfb_street.csv", "fixed-7"),
        ("one", single, "fixed-1"),
    ]:
        installation.run("import", table, "--images", images, "--campaign", slug, "--policy", policy)
    # Two judgments each and a tie is disputed, so that of 51 items some end as each of the four.
    crowd = ("--campaign", "crowd", "--annotators", "4", "--judgments", "84", "--seed", "1")
    installation.run("simulate", *crowd)
    installation.run("release", "build", "--campaign", "crowd", "--version", "1.0.0", "--allow-simulated")


def _visit(stage: Stage, folder: Path) -> None:
    """Does on the pages what leaves something to look at, and learns the addresses."""
    admin = stage.visitor("ada")
    for status in ("approved", "rejected", "disputed", "pending"):
        found = admin.context.request.get(stage.address(f"/api/v1/campaigns/crowd/items?status={status}"))
        stage.places[status] = found.json()["items"][0]["id"]

    admin.page.goto(stage.address("/people"))
    admin.page.get_by_role("button", name="Make the link").click()
    link = admin.page.get_by_label("Invitation link").input_value()
    stage.places["invite"] = link.removeprefix(stage.installation.address)

    archive = shutil.make_archive(str(folder / "culturemix"), "zip", DEMO / "culturemix")
    faulty = folder / "faulty.csv"
    faulty.write_text("image_path,subtask,food1_name,food1_country\nnowhere.jpg,SF,Koshary,atlantis\n")
    for place, file, word in [("done", archive, "done"), ("failed", str(faulty), "failed")]:
        admin.page.goto(stage.address("/campaigns/new/import"))
        admin.page.get_by_label("Short name").fill(f"import-{place}")
        admin.page.get_by_label("Table and images").set_input_files(file)
        admin.page.get_by_label("Only check").check()
        admin.page.get_by_role("button", name="Import").click()
        expect(admin.page.locator("#job .badge")).to_have_text(word, timeout=60_000)
        stage.places[f"job_{place}"] = admin.page.url.removeprefix(stage.installation.address)

    _evaluate(stage, folder)

    annotator = stage.visitor("ana")
    annotator.page.goto(stage.address("/judge/one"))
    for _ in range(annotator.page.locator("[data-question]").count()):
        annotator.page.keyboard.press("y")
    annotator.page.keyboard.press("Enter")
    back = annotator.page.get_by_role("link", name="Back to your last answer").get_attribute("href")
    assert back is not None
    stage.places["earlier"] = back


def _evaluate(stage: Stage, folder: Path) -> None:
    """Two runs made elsewhere, which differ, and one that nobody here can do."""
    admin = stage.visitor("ada")
    manifest = admin.context.request.get(stage.address("/api/v1/releases/1.0.0/files/manifest.json")).json()
    paths = [path.removeprefix("images/") for path in manifest["files"] if path.startswith("images/")]
    for place, countries in [("run", ["Portugal"]), ("other_run", ["Portugal", "Egypt", "United Kingdom", "nowhere"])]:
        said = [f"{path},Aletria,{countries[number % len(countries)]}" for number, path in enumerate(paths)]
        table = folder / f"{place}.csv"
        table.write_text("\n".join(["image_path,food,country", *said]))
        model = ("--model", f"model-{place}", "--strategy", "base")
        stage.installation.run("run", "import", table, "--release", "1.0.0", *model)
    for run in admin.context.request.get(stage.address("/api/v1/runs")).json()["runs"]:
        stage.places[run["model"].removeprefix("model-")] = run["id"]

    admin.page.goto(stage.address("/runs"))
    admin.page.get_by_label("Model").select_option("molmo-72b")
    admin.page.get_by_role("button", name="Start the run").click()
    expect(admin.page.locator("#run .badge").first).to_have_text("failed", timeout=60_000)
    stage.places["failed_run"] = admin.page.url.rsplit("/", 1)[1]
