"""From Confirm to the next card on the screen, in Chromium: `python -m bench.next_card`.

A campaign of images whose display rendition has 1 MB, a connection of 100 ms round trip and 20 Mbit/s (the
browser's own throttling, so that the server is not slowed), an annotator who answers each card after a pause. Measured
in the page: from the key that confirms to the frame in which the next card stands with its picture decoded. Beside it
the same without images ahead, as a page would be that loads the next card when it is asked for.
"""

import io
import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from app.accounts.models import Role
from tests.live import Installation, fresh_home

CARDS = 20
ROUND_TRIP_MS = 100
BITS_A_SECOND = 20_000_000
PAUSES_MS = (3000, 1000)
LIMIT_MS = 300
IMAGE_BYTES = 1_000_000

# From the key that confirms to the frame after the one in which the next card's picture is drawn.
WATCH = """() => {
  const before = document.querySelector("#card").dataset.claim;
  const frame = () => new Promise(requestAnimationFrame);
  window.measured = new Promise((resolve) => addEventListener("keydown", async (event) => {
    if (event.key !== "Enter") return;
    const start = event.timeStamp;
    let card;
    do {
      await frame();
      card = document.querySelector("#card");
    } while ((!card || card.dataset.claim === before) && performance.now() - start < 20000);
    await card.querySelector("[data-zoom-image]").decode();
    await frame();
    setTimeout(() => resolve(performance.now() - start));
  }, {capture: true}));
}"""

# The next card only when it is asked for: the page, then its picture.
RELOAD = """async () => {
  const start = performance.now();
  await (await fetch(location.pathname, {cache: "no-store"})).text();
  const image = new Image();
  image.src = document.querySelector("[data-zoom-image]").src + "?" + start;
  await image.decode();
  return performance.now() - start;
}"""


def noisy_images(folder: Path, n: int) -> Path:
    """n images of noise, which decode slowly and compress badly, and the table that lists them."""
    random = np.random.default_rng(1)
    rows = ["image_path,subtask,food1_name,food1_country"]
    for number in range(n):
        pixels = random.integers(0, 2, (1024, 1024, 3), dtype=np.uint8) * np.uint8(255)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        (folder / f"{number}.png").write_bytes(buffer.getvalue())
        rows.append(f"{number}.png,SF,Koshary {number},egypt")
    table = folder / "items.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


@contextmanager
def page_of(browser: Browser, installation: Installation, name: str) -> Iterator[Page]:
    """Somebody at their first card, over the slow connection, with the next ones loaded."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(installation.sign_in_link(f"{name}@example.org", Role.ANNOTATOR))
    context.new_cdp_session(page).send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": ROUND_TRIP_MS,
            "downloadThroughput": BITS_A_SECOND / 8,
            "uploadThroughput": BITS_A_SECOND / 8,
        },
    )
    page.goto(f"{installation.address}/judge/large")
    page.wait_for_selector("[data-judging][data-loaded='3']")
    yield page
    context.close()


def next_card(page: Page) -> float:
    """Answers the card and confirms; the milliseconds until the next one is there."""
    page.evaluate(WATCH)
    for _ in range(page.locator("[data-question]").count()):
        page.keyboard.press("y")
    page.keyboard.press("Enter")
    return float(page.evaluate("measured"))


def shown(name: str, times: list[float]) -> str:
    p95 = statistics.quantiles(times, n=20)[-1]
    return f"{name:52} median {statistics.median(times):6.0f} ms   p95 {p95:6.0f} ms   most {max(times):6.0f} ms"


def main() -> None:
    os.environ.pop("TERROIR_HOME", None)
    with tempfile.TemporaryDirectory() as place, fresh_home() as home, sync_playwright() as playwright:
        installation = Installation(home)
        table = noisy_images(Path(place), CARDS + 6)
        installation.run("import", table, "--images", place, "--campaign", "large", "--policy", "fixed-25")
        found = next((path for path in ("/usr/bin/chromium", "/usr/bin/google-chrome") if Path(path).exists()), None)
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for rendition in home.rglob("display/*/*.webp"):
            # Decoders pass over what follows a picture.
            rendition.write_bytes(rendition.read_bytes().ljust(IMAGE_BYTES, b"\0"))
        with installation.started("serve"):
            for pause in PAUSES_MS:
                with page_of(browser, installation, f"pace{pause}") as page:
                    size = page.evaluate(
                        "() => performance.getEntriesByType('resource').filter(one => one.name.endsWith('/display'))"
                        ".map(one => one.encodedBodySize)[0]"
                    )
                    times = []
                    for _ in range(CARDS):
                        page.wait_for_timeout(pause)
                        times.append(next_card(page))
                    print(shown(f"next card, {pause / 1000:.0f} s a card, {size / 1e6:.2f} MB an image", times))
                    if pause == PAUSES_MS[0]:
                        late = [page.evaluate(RELOAD) for _ in range(CARDS)]
                        print(shown("loaded when asked for (page, then image)", late))
                        verdict = "below" if statistics.median(times) < LIMIT_MS else "ABOVE"
                        print(f"the median is {verdict} {LIMIT_MS} ms at {ROUND_TRIP_MS} ms round trip")
        browser.close()


if __name__ == "__main__":
    main()
