"""The paper's size, step by step: `python -m bench.scale [--seeds DIR] [--items N]`.

Composes, imports, claims and releases N items with the commands people use, in a folder that is removed afterwards
(14 GB at full size). Each step's time, rate and peak memory (all its processes' resident sets together, PostgreSQL's
own left out) stand beside the machine's limit for it: decode and encode alone, `COPY` alone, `tar` alone.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
from PIL import Image

import app.models  # noqa: F401  (relations between rooms resolve by table name)
from app.accounts import service as accounts
from app.accounts.models import Role
from app.db import make_engine, transaction
from app.db.embedded import embedded_postgres
from app.settings import ROOT
from bench.load import Connection, Tally, percentile
from bench.servers import TERROIR, terroir_server
from bench.stored import judge_pass, settle_down

SLUG = "scale"
PEOPLE = [f"c{n:02}@example.org" for n in range(32)]
SAMPLE = 200
"""Images the decode and encode limit is taken from."""
CLAIMS = 200
"""Claims a figure is taken from."""
STEP_SECONDS = 2 * 3600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=Path, default=ROOT.parent / "shared" / "seeds", help="photographs to compose")
    parser.add_argument("--items", type=int, default=23_766)
    options = parser.parse_args()
    if not (options.seeds / "manifest.csv").is_file():
        sys.exit(f"{options.seeds} holds no manifest.csv: name a folder of seeds with --seeds.")
    with tempfile.TemporaryDirectory(prefix="terroir-bench-") as folder:
        measure(Path(folder), options.seeds, options.items)


def measure(folder: Path, seeds: Path, items: int) -> None:
    home, made = folder / "home", folder / "made"
    print(f"{items:,} items, {os.cpu_count()} cores")
    command = ["compose", "--seeds", str(seeds), "--out", str(made), "--items", str(items), "--seed", "1"]
    step("terroir compose", items, lambda: terroir(home, *command))
    pictures = sorted(path for path in made.rglob("*.jpg") if "sources" not in path.parts)
    image_limit("decode + JPEG alone", pictures, items, "JPEG")
    with embedded_postgres(home) as url:
        step("terroir import", items, lambda: terroir(home, "import", str(made), "--campaign", SLUG))
        image_limit("decode + WebP alone", pictures, items, "WEBP")
        step("COPY of the items alone", items, lambda: copy_alone(url))
        claims(home, url, items)
        settle_down(url)
        release = ["release", "build", "--campaign", SLUG, "--version", "1.0.0"]
        step("terroir release build", items, lambda: terroir(home, *release))
        tar = ["tar", "-cf", str(folder / "bare.tar"), "-C", str(home / "storage" / "images"), "."]
        step("tar of the images alone", items, lambda: subprocess.run(tar, check=True, timeout=STEP_SECONDS))
        step("terroir release verify", items, lambda: terroir(home, "release", "verify", "1.0.0"))


def terroir(home: Path, *arguments: str) -> None:
    environment = os.environ | {"TERROIR_HOME": str(home)}
    done = subprocess.run(
        [TERROIR, *arguments], env=environment, capture_output=True, text=True, timeout=STEP_SECONDS, check=False
    )
    if done.returncode:
        sys.exit(f"terroir {arguments[0]} failed: {done.stderr[-2000:]}")


def step(name: str, items: int, work: Callable[[], object], scale: float = 1.0) -> None:
    """Runs and prints one step; with `scale` the work was that much of the whole."""
    with peak_memory() as peak:
        start = time.perf_counter()
        work()
        seconds = (time.perf_counter() - start) * scale
    print(f"{name:<26}{seconds:9.1f} s {items / seconds:9.0f} items/s   peak {peak[0] / 2**20:7,.0f} MiB", flush=True)


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """The most bytes that this process's children had resident together, looked at five times a second."""
    peak, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            total = 0
            for child in psutil.Process().children(recursive=True):
                try:
                    total += 0 if child.name() == "postgres" else child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            peak[0] = max(peak[0], total)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def recode(path: Path, kind: str) -> None:
    """What anything that turns a picture into another must do, and nothing else."""
    with Image.open(path) as image:
        image.convert("RGB").save(io.BytesIO(), kind, quality=80, **({"method": 0} if kind == "WEBP" else {}))


def image_limit(name: str, pictures: Sequence[Path], items: int, kind: str) -> None:
    sample = pictures[:: max(1, len(pictures) // SAMPLE)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(recode, sample[:4], [kind] * 4))  # starts the processes
        step(name, items, lambda: list(pool.map(recode, sample, [kind] * len(sample))), scale=items / len(sample))


def copy_alone(url: str) -> None:
    """The same rows, out and into a table without indexes or constraints."""
    with psycopg.connect(url) as source, psycopg.connect(url) as target:
        target.execute("CREATE TEMP TABLE bare (LIKE item)")
        with (
            source.cursor().copy("COPY item TO STDOUT") as reading,
            target.cursor().copy("COPY bare FROM STDIN") as writing,
        ):
            for block in reading:
                writing.write(block)
        target.commit()


def claims(home: Path, url: str, items: int) -> None:
    """How long a claim takes as the campaign fills; leaves every item approved."""
    engine = make_engine(url)
    with transaction(engine) as session:
        people = [accounts.open_account(session, email, Role.ANNOTATOR, name="Bench") for email in PEOPLE]
        token, other = (accounts.issue_token(session, people[number]).secret for number in (0, 1))
    engine.dispose()
    half = items // 2
    with terroir_server(home) as server:
        claim_times("nothing judged yet", server.address, token)
        judge_pass(url, SLUG, 1, PEOPLE[:1], half)
        settle_down(url)
        claim_times(f"{half:,} judged, all by the one who asks", server.address, token)
        judge_pass(url, SLUG, 1, PEOPLE[:1], items)
        settle_down(url)
        claim_times("all judged by the one who asks: none is left", server.address, token)
        claim_times("all judged once, by another", server.address, other)
        judge_pass(url, SLUG, 2, PEOPLE[1:], items)
        settle_down(url)
        claim_times("all judged twice, by 32", server.address, other)
    judge_pass(url, SLUG, 3, PEOPLE[1:], items)


def claim_times(name: str, address: str, token: str) -> None:
    """p50/p95/p99 of a claim of one item, given back at once so that nothing else changes."""
    connection, tally = Connection(address, token), Tally()
    for _ in range(CLAIMS):
        reply = tally.timed("claim", connection, "POST", f"/api/v1/campaigns/{SLUG}/claims", {"count": 1})
        for claim in reply["claims"] if reply else ():
            connection.send("DELETE", f"/api/v1/claims/{claim['id']}")
    connection.close()
    times = tally.latencies_ms["claim"]
    figures = "/".join(f"{percentile(times, share):.1f}" for share in (0.5, 0.95, 0.99))
    print(f"claim: {name:<45}{figures} ms (p50/p95/p99), mean {statistics.mean(times):.1f} ms, errors {tally.errors}")


if __name__ == "__main__":
    main()
