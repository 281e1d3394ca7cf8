"""What a run costs beside its engine: `python -m bench.evaluation [ITEMS]`.

An engine that sleeps stands for a model, so that all the rest is what is measured: reading images, checking them,
looking up earlier replies, threads, parsing, rows. The bare loop calls the same engine for the same questions from a
pool of as many threads. Rounds of both take turns. Then a whole benchmark with an engine of 5 ms, with this process's
memory at each quarter.
"""

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from PIL import Image as Picture

from app.db import make_engine, transaction
from app.db.embedded import embedded_postgres
from app.db.schema import migrate
from app.evaluation import prompts, service
from app.evaluation.driving import drive
from app.evaluation.engines import Capabilities, Question, Reply, Setup
from app.evaluation.fleet import LocalFleet
from app.evaluation.models import Run, RunStatus
from app.evaluation.plan import Asked, Subset, plan
from app.evaluation.prompts import Strategy
from app.evaluation.reading import ReleaseFiles, release_files
from app.releases.models import Release
from app.releases.publish import build_now
from app.settings import Settings
from app.storage import storage_for
from bench.release import fill

ITEMS = 23_766
ROUNDS = 3
IN_FLIGHT = {1: 60, 8: 480, 64: 1920}
"""In flight: how many questions a round has, six or three seconds' worth at 100 ms."""
TEXT = '{"food": "pizza", "country": "Italy"}'


class Sleeper:
    """Answers after so many seconds, whatever it is asked."""

    capabilities = Capabilities(loads_weights=False)
    batch_size = 1

    def __init__(self, seconds: float, in_flight: int) -> None:
        self.seconds, self.in_flight = seconds, in_flight

    def describe(self) -> dict[str, Any]:
        return {"name": "sleeper", "version": 1}

    def answer(self, batch: Sequence[Question]) -> list[Reply]:
        time.sleep(self.seconds * len(batch))
        return [Reply(TEXT, input_tokens=300, output_tokens=12)] * len(batch)

    def close(self) -> None:
        return


def pictures() -> list[bytes]:
    made = []
    for path in sorted((Path(__file__).parents[1] / "demo").rglob("*.jpg")):
        out = io.BytesIO()
        with Picture.open(path) as picture:
            picture.convert("RGB").resize((256, 256)).save(out, "JPEG", quality=80)
        made.append(out.getvalue())
    return made


def bare(engine: Sleeper, questions: Sequence[Question]) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(engine.in_flight) as pool:
        list(pool.map(lambda question: engine.answer([question]), questions))
    return time.perf_counter() - began


def ours(database: sa.Engine, release: Release, files: ReleaseFiles, engine: Sleeper, asked: Sequence[Asked]) -> float:
    """A run of its own, with a temperature: no reply is taken from an earlier one."""
    setup = Setup("openai", "sleeper", 99, temperature=0.5).as_json()
    with transaction(database) as session:
        run = Run(
            release_id=release.id, model="sleeper", engine="openai", strategy="base", setup=setup,
            spec={"engine": engine.describe()}, status=RunStatus.RUNNING, planned=len(asked),
        )  # fmt: skip
        session.add(run)
    fleet = LocalFleet(engine)
    began = time.perf_counter()
    try:
        drive(database, files, fleet, run, asked)
    finally:
        fleet.close()
    return time.perf_counter() - began


def overhead(database: sa.Engine, release: Release, files: ReleaseFiles, asked: Sequence[Asked]) -> None:
    print("\nAn engine of 100 ms:")
    print("in flight  questions  bare s  ours s  bare / ours  ours per answer beyond the engine, ms")
    for in_flight, count in IN_FLIGHT.items():
        engine, some = Sleeper(0.1, in_flight), asked[:count]
        questions = [
            Question(prompts.prompt(Strategy.BASE, one.item.subtask, 1), files.image(one.item), "image/jpeg")
            for one in some
        ]
        rounds = [(bare(engine, questions), ours(database, release, files, engine, some)) for _ in range(ROUNDS)]
        bare_s, ours_s = (statistics.median(times) for times in zip(*rounds, strict=True))
        ratio = statistics.median(one / other for one, other in rounds)
        beyond = 1000 * (ours_s - bare_s) / count
        print(f"{in_flight:9}  {count:9,}  {bare_s:6.2f}  {ours_s:6.2f}  {ratio:11.3f}  {beyond:8.2f}", flush=True)


def whole(database: sa.Engine, release: Release, files: ReleaseFiles, asked: Sequence[Asked], in_flight: int) -> None:
    """Through `evaluate`, as the command does it; only the fleet is given."""
    process, seen = psutil.Process(), {}
    service.open_fleet = lambda setup: LocalFleet(Sleeper(0.005, in_flight))

    def progress(done: int, total: int) -> None:
        seen.setdefault(4 * done // total, process.memory_info().rss / 2**20)

    began = time.perf_counter()
    run, _ = service.evaluate(
        database, release, files, Setup("openai", "sleeper", 99, temperature=0.5, in_flight=in_flight),
        model="sleeper", seed=in_flight, progress=progress,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    ideal = 0.005 * len(asked) / in_flight
    memory = " ".join(f"{value:.0f}" for _, value in sorted(seen.items()))
    print(
        f"{in_flight:9}  {len(asked):9,}  {ideal:7.1f}  {seconds:7.1f}  {len(asked) / seconds:9,.0f}  {memory}"
        f"  ({run.status.value})",
        flush=True,
    )


def main() -> None:
    n_items = int(sys.argv[1]) if len(sys.argv) > 1 else ITEMS
    with (
        tempfile.TemporaryDirectory(prefix="terroir-bench-", dir=Path.cwd()) as home,
        embedded_postgres(Path(home)) as url,
    ):
        settings = Settings(home=Path(home), _env_file=None)  # type: ignore[call-arg]
        migrate(url)
        database, storage = make_engine(url), storage_for(settings)
        fill(database, storage, pictures(), n_items)
        release = build_now(database, settings, storage, "bench", "1.0.0", splits={"test": 1.0})
        began = time.perf_counter()
        files = release_files(storage, release)
        asked = plan(files.items(), Subset(), 0)
        print(f"{n_items:,} items; reading and checking the release's tables: {time.perf_counter() - began:.1f} s")
        overhead(database, release, files, asked)
        print("\nAn engine of 5 ms, the whole release, reading it included:")
        print("in flight  questions  ideal s   ours s  answers/s  MiB at 0 25 50 75 100 %")
        for in_flight in (8, 64):
            whole(database, release, files, asked, in_flight)
        database.dispose()


if __name__ == "__main__":
    main()
