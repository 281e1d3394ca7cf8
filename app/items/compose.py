"""`terroir compose`: a benchmark's worth of items from real photographs, in the CultureMix layout, without a model."""

import csv
import multiprocessing
import os
import random
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Final, NamedTuple

from app import geography
from app.errors import Conflict, Invalid, TerroirError
from app.items import images
from app.items.compose_faults import Planted, gold_cells, plant, unplanted, write_truth
from app.items.compose_picture import picture_of
from app.items.compose_plan import BadSeeds, ItemPlan, Seed, plan, read_seeds

_COLUMNS: Final = (
    "image_path", "food1_id", "food1_name", "food1_country", "food2_id", "food2_name", "food2_country",
    "background_country", "background_id", "background_name", "background_kind", "source1_path", "source2_path",
    "background_path", "food1_aliases", "generator", "prompt", "seed",
)  # fmt: skip
_SHEETS: Final = ("sf", "mf", "sfb_street", "sfb_landmark", "mfb_street", "mfb_landmark")
_CREDITS: Final = ("file", "name", "country", "license", "attribution", "source_repo", "source_path")
_CHUNK: Final = 64


class OutputNotEmpty(Conflict):
    type = "output-not-empty"
    title = "That folder is in use"


class ComposeFailed(TerroirError):
    status = 500
    type = "compose-failed"
    title = "The items could not be written"


class ComposeSummary(NamedTuple):
    """Items by subtask, and by distance of the first dish to its partner ("MF") or background ("SFB", "MFB")."""

    out: Path
    items: int
    families: int
    by_subtask: Mapping[str, int]
    by_distance: Mapping[str, Mapping[str, int]]


def compose(
    seeds: Path,
    out: Path,
    items: int,
    seed: int,
    *,
    truth: Path | None = None,
    gold: int = 0,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ComposeSummary:
    """Write `items` composed items to the folder `out`, which must not exist or be empty.

    The same seeds, number and seed give the same bytes, however many `processes` (None: one a core) share the work.
    With `truth`, a new file outside `out`, faults are planted in them and it says which claims hold; `gold` of the
    items then carry their known answers.
    `progress` is told how many of how many images are written. Everything appears at once at the end or not at all.
    Raises `BadSeeds`, `images.BadImage`, `OutputNotEmpty`, `Invalid` (too few items), `ComposeFailed` (disk, memory).
    """
    photos = read_seeds(seeds)
    plans = plan(photos, items, seed)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputNotEmpty(f"{out} exists and is not empty: name a new folder.")
    if gold and truth is None:
        raise Invalid("Gold items come with planted faults: name a file for the truth too.")
    if truth is not None and (truth.exists() or truth.resolve().is_relative_to(out.resolve())):
        raise OutputNotEmpty(f"{truth} can't hold the truth: name a new file outside {out}, which will be imported.")
    planted = unplanted(plans) if truth is None else plant(plans, photos, seed, gold=gold)
    partial = out.parent / f".{out.name}-{uuid.uuid4().hex[:8]}.partial"
    try:
        partial.mkdir(parents=True)
        _copy_sources(seeds, partial, photos)
        for sheet in _SHEETS:
            if rows := [item for item in planted if item.claimed.sheet == sheet]:  # no import takes an empty table
                _write_sheet(partial, sheet, rows, seed)
        _draw_all(partial, [item.shown for item in planted], seed, processes or len(os.sched_getaffinity(0)), progress)
        if truth is not None:
            write_truth(truth, planted)
        partial.replace(out)
    except OSError as failed:
        raise ComposeFailed(f"{out} could not be written: {failed.strerror or failed}.") from failed
    except BrokenProcessPool:
        raise ComposeFailed(f"{out} was not written: a drawing process was killed, most likely for memory.") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return _summary(out, plans)


def _copy_sources(seeds: Path, out: Path, photos: Sequence[Seed]) -> None:
    """The photographs unchanged, each checked to be one, with who made them and on what terms."""
    for photo in photos:
        where = f"{seeds / 'manifest.csv'}, row {photo.row}"
        try:
            data = (seeds / photo.file).read_bytes()
            images.inspect(data, photo.file)
        except OSError as unreadable:
            raise BadSeeds(f"{where}: {photo.file} can't be read: {unreadable.strerror}.") from unreadable
        except images.BadImage as refused:
            raise BadSeeds(f"{where}: {refused.message}") from refused
        target = out / "sources" / photo.file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    with (out / "ATTRIBUTION.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_CREDITS)
        rows.writerows(
            [f"sources/{photo.file}", *(photo.credit.get(column, "") for column in _CREDITS[1:])] for photo in photos
        )
    if (seeds / "LICENSES.md").is_file():
        shutil.copyfile(seeds / "LICENSES.md", out / "LICENSES.md")


def _write_sheet(out: Path, sheet: str, items: Sequence[Planted], seed: int) -> None:
    (out / "metadata").mkdir(exist_ok=True)
    cells = [_row(item.claimed, seed) | gold_cells(item) for item in items]
    known = dict.fromkeys(column for row in cells for column in row if column not in _COLUMNS)
    with (out / "metadata" / f"{sheet}.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, (*_COLUMNS, *known), restval="", lineterminator="\n")
        rows.writeheader()
        rows.writerows(cells)


def _row(item: ItemPlan, seed: int) -> dict[str, str]:
    row = {
        "image_path": item.path,
        "food1_id": item.food1.id,
        "food1_name": item.food1.name,
        "food1_country": item.food1.country,
        "food1_aliases": item.food1.aliases,
        "source1_path": f"sources/{item.food1.file}",
        "generator": "composite",
        "prompt": _words(item),
        "seed": str(seed),
    }
    if item.food2:
        row["food2_id"] = item.food2.id
        row["food2_name"] = item.food2.name
        row["food2_country"] = item.food2.country
        row["source2_path"] = f"sources/{item.food2.file}"
    if item.background and item.background.kind:
        row["background_country"] = item.background.country
        row["background_id"] = item.background.id
        row["background_name"] = item.background.name
        row["background_kind"] = item.background.kind
        row["background_path"] = f"sources/{item.background.file}"
    return row


def _words(item: ItemPlan) -> str:
    foods = f"{item.food1.name} left, {item.food2.name} right" if item.food2 else item.food1.name
    place = f"on a table before {item.background.name}" if item.background else "on white"
    return f"Composite of photographs, no diffusion: {foods}, {place}"


def _draw_all(
    out: Path,
    plans: Sequence[ItemPlan],
    seed: int,
    processes: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    for folder in {item.path.split("/")[0] for item in plans}:
        (out / folder).mkdir()
    done = 0
    for drawn in _in_chunks(out, plans, seed, processes):
        done += drawn
        if progress:
            progress(done, len(plans))


def _in_chunks(out: Path, plans: Sequence[ItemPlan], seed: int, processes: int) -> Iterator[int]:
    chunks = [plans[start : start + _CHUNK] for start in range(0, len(plans), _CHUNK)]
    processes = min(processes, len(chunks))
    if processes == 1:
        yield from (_draw_chunk(out, chunk, seed) for chunk in chunks)
        return
    # Spawned, not forked: the caller may hold threads and database connections that must not be copied.
    pool = ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))
    try:
        for future in as_completed([pool.submit(_draw_chunk, out, chunk, seed) for chunk in chunks]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _draw_chunk(out: Path, plans: Sequence[ItemPlan], seed: int) -> int:
    sources = out / "sources"
    for item in plans:
        dishes = [sources / food.file for food in (item.food1, item.food2) if food]
        background = sources / item.background.file if item.background else None
        # Drawn by the item's own path, so that neither chunk nor process matters.
        draw = random.Random(f"{seed} {item.path}")  # noqa: S311
        (out / item.path).write_bytes(picture_of(dishes, background, draw))
    return len(plans)


def _summary(out: Path, plans: Sequence[ItemPlan]) -> ComposeSummary:
    distances: dict[str, Counter[str]] = {}
    for item in plans:
        if other := item.background or item.food2:
            distance = geography.cultural_distance(item.food1.codes, other.codes)
            distances.setdefault(item.subtask, Counter())[distance] += 1
    return ComposeSummary(
        out=out,
        items=len(plans),
        families=len({item.food1.id for item in plans}),
        by_subtask=Counter(item.subtask for item in plans),
        by_distance=distances,
    )
