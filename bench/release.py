"""A release of N items beside a bare tar of the same images: `python -m bench.release [N] [DIR]`.

Builds it in a database and folder of its own, from the .jpg files of DIR in turn, each made unique by a comment behind
its header, with three judgments an item. Prints time, rate and this process's peak memory for the import-free steps:
tar (the machine's limit), build, and verify.
"""

import hashlib
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import Session

import app.models  # noqa: F401  (relations between rooms resolve by table name)
from app.accounts.models import Account, Role
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.claims.models import Claim, ClaimState
from app.db import make_engine, now, transaction
from app.db.embedded import embedded_postgres
from app.db.schema import migrate
from app.items.models import Background, BackgroundKind, Food, Image, Item, ItemFood, Status, Subtask
from app.items.pictures import original_key
from app.judgments.models import Decision, Judgment, Method
from app.judgments.service import question_keys
from app.releases.publish import build_now
from app.releases.verify import verify_published
from app.settings import Settings
from app.storage import Storage, storage_for

ITEMS_A_FAMILY = 24
BATCH = 1000
SUBTASKS = (Subtask.SF, Subtask.MF, *[Subtask.SFB] * 12, *[Subtask.MFB] * 10)


def unique(data: bytes, number: int) -> bytes:
    """The same picture in other bytes: a JPEG comment behind the first marker."""
    comment = f"item {number}".encode()
    return data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]


def fill(engine: sa.Engine, storage: Storage, pictures: list[bytes], n_items: int) -> None:
    with transaction(engine) as session, ThreadPoolExecutor(8) as pool:
        campaign = campaigns.found(session, "bench")
        policy = campaigns.current_policy(session, campaign)
        people = [Account(email=f"{n}@example.org", name=f"{n}", role=Role.ANNOTATOR) for n in range(3)]
        scene = Background(key="street:kenya", name="Kenya", kind=BackgroundKind.STREET, country="KE")
        n_foods = n_items // ITEMS_A_FAMILY + 2
        foods = [Food(name=f"Dish {n}", name_key=f"dish {n}", source_id=f"wc:{n}") for n in range(n_foods)]
        session.add_all([*people, scene, *foods])
        session.flush()
        for start in range(0, n_items, BATCH):
            rows: list[list[dict[str, object]]] = [[] for _ in range(6)]
            numbers = range(start, min(start + BATCH, n_items))
            for number in numbers:
                data = unique(pictures[number % len(pictures)], number)
                for table, made in zip(
                    rows, rows_of(number, data, campaign, policy, people, scene, foods), strict=True
                ):
                    table += made
            list(pool.map(lambda number: keep(storage, unique(pictures[number % len(pictures)], number)), numbers))
            for model, made in zip((Image, Item, ItemFood, Claim, Judgment, Decision), rows, strict=True):
                session.execute(sa.insert(model), made)
            link(session)


def keep(storage: Storage, data: bytes) -> None:
    storage.put(original_key(hashlib.sha256(data).hexdigest(), "jpeg"), data, media_type="image/jpeg")


def link(session: Session) -> None:
    """Claims point at their judgments, which point at their claims: the one side is set afterwards."""
    session.execute(
        sa.text(
            "UPDATE claim SET judgment_id = judgment.id, state = 'judged' FROM judgment "
            "WHERE judgment.claim_id = claim.id AND claim.judgment_id IS NULL"
        )
    )


def rows_of(
    number: int,
    data: bytes,
    campaign: Campaign,
    policy: Policy,
    people: list[Account],
    scene: Background,
    foods: list[Food],
) -> Iterator[list[dict[str, object]]]:
    """One approved item: rows for image, item, its foods, claims, judgments and decision."""
    subtask = SUBTASKS[number % ITEMS_A_FAMILY]
    sha256, at = hashlib.sha256(data).hexdigest(), now()
    item_id, claims = uuid.uuid4(), [uuid.uuid4() for _ in people]
    named = foods[number // ITEMS_A_FAMILY : number // ITEMS_A_FAMILY + subtask.foods]
    yield [{"sha256": sha256, "format": "jpeg", "width": 1024, "height": 768, "byte_count": len(data), "phash": number}]
    yield [
        {
            "id": item_id, "campaign_id": campaign.id, "key": f"{subtask.value}/{number:06}.jpg", "subtask": subtask,
            "family_id": named[0].id, "background_id": scene.id if subtask.has_background else None,
            "background_as_written": "kenya" if subtask.has_background else None, "image_sha256": sha256,
            "shuffle": 0.5, "status": Status.APPROVED, "wanted": 3, "held": 3, "judged": 3,
            "home": "KE", "region": "Africa",
        }
    ]  # fmt: skip
    yield [
        {
            "item_id": item_id, "slot": slot, "food_id": food.id, "id_as_written": food.source_id, "name": food.name,
            "country_as_written": "kenya", "countries": ["KE"],
        }
        for slot, food in enumerate(named, start=1)
    ]  # fmt: skip
    yield [
        {
            "id": claim, "item_id": item_id, "account_id": person.id, "campaign_id": campaign.id, "slot": slot,
            "policy_id": policy.id, "state": ClaimState.RELEASED, "leased_at": at, "expires_at": at, "ended_at": at,
        }
        for slot, (claim, person) in enumerate(zip(claims, people, strict=True), start=1)
    ]  # fmt: skip
    answers = {key: {"answer": "yes", "reasons": [], "correction": None} for key in question_keys(subtask)}
    yield [
        {
            "id": uuid.uuid4(), "claim_id": claim, "item_id": item_id, "account_id": person.id, "policy_id": policy.id,
            "answers": answers, "active_ms": 4000, "body_sha256": "0" * 64,
        }
        for claim, person in zip(claims, people, strict=True)
    ]  # fmt: skip
    yield [
        {
            "item_id": item_id, "policy_id": policy.id, "outcome": Status.APPROVED, "method": Method.RULE,
            "rule": "fixed-majority/1",
        }
    ]  # fmt: skip


def measured(name: str, n_items: int, n_bytes: int, work: Callable[[], object]) -> None:
    start, cpu = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:<24} {seconds:8.1f} s {n_items / seconds:9.0f} items/s {n_bytes / seconds / 1e6:8.1f} MB/s "
        f"{cpu:8.1f} CPU s   peak {peak:6.0f} MiB",
        flush=True,
    )


def main() -> None:
    n_items = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[1] / "demo"
    pictures = [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))]
    if not pictures:
        sys.exit(f"{folder} holds no .jpg files: name a folder of images.")
    with (
        tempfile.TemporaryDirectory(prefix="terroir-bench-", dir=Path.cwd()) as home,
        embedded_postgres(Path(home)) as url,
    ):
        settings = Settings(home=Path(home), _env_file=None)  # type: ignore[call-arg]
        migrate(url)
        engine, storage = make_engine(url), storage_for(settings)
        fill(engine, storage, pictures, n_items)
        images = Path(home) / "storage" / "images"
        size = sum(path.stat().st_size for path in images.rglob("*.jpg"))
        print(f"{n_items:,} items, {size / 1e6:,.0f} MB of images, 3 judgments each")
        tar = ["tar", "-cf", str(Path(home) / "bare.tar"), "-C", str(images), "."]
        measured("bare tar", n_items, size, lambda: subprocess.run(tar, check=True))
        measured("tar and sha256sum", n_items, size, lambda: subprocess.run(
            f"{' '.join(tar)} && find {images} -type f -exec sha256sum {{}} + > /dev/null", shell=True, check=True
        ))  # fmt: skip
        release = []
        measured("terroir release build", n_items, size, lambda: release.append(
            build_now(engine, settings, storage, "bench", "1.0.0", splits={"train": 0.8, "test": 0.2})
        ))  # fmt: skip
        print(f"  writes {release[0].counts['files']:,} files, {release[0].counts['bytes'] / 1e6:,.0f} MB")
        measured("terroir release verify", n_items, size, lambda: verify_published(storage, release[0]))
        engine.dispose()


if __name__ == "__main__":
    main()
