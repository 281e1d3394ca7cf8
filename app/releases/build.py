"""Building a release: one pass over one moment of the database, every format at once, the manifest last."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from app.campaigns.models import Campaign, Policy
from app.errors import Conflict, Invalid
from app.items.pictures import original_key
from app.judgments import audits
from app.releases import authors
from app.releases.agreement import campaign_agreement
from app.releases.formats import manifest as manifests
from app.releases.formats.card import card
from app.releases.formats.croissant import croissant
from app.releases.formats.culturemix import Tables
from app.releases.formats.parquet import TableWriter, table_writer
from app.releases.formats.votes import AGGREGATED_SCHEMA, RAW_SCHEMA, aggregated_rows, raw_rows
from app.releases.models import Release
from app.releases.outbox import Outbox
from app.releases.shards import ShardWriters, shard_numbers
from app.releases.snapshot import (
    Planned,
    details,
    excluded,
    families_of,
    plan,
    refuse_simulated,
)
from app.releases.splits import assign
from app.storage import MissingObject, Storage

BATCH_ITEMS = 64
BATCH_BYTES = 32 * 2**20
THREADS = 4
"""Images are fetched and stored by several threads, for a bucket answers each request only after a while. Two batches
of them are in memory at a time."""

Progress = Callable[[int, int], None]


class ImageChanged(Conflict):
    title = "An image is no longer the one that was judged"


class Built(NamedTuple):
    """What publishing needs to know; `splits` is in the order of `planned`."""

    manifest: dict[str, Any]
    manifest_sha256: str
    planned: list[Planned]
    splits: list[str]
    n_files: int
    n_bytes: int


def write_release(
    session: Session,
    release: Release,
    *,
    source: Storage,
    target: Storage,
    prefix: str,
    secret_key: str,
    scratch: Path,
    progress: Progress,
) -> Built:
    """Writes every file of the release below `prefix` of `target`; `session` must see one moment (`frozen_session`).

    `scratch` is a folder for the files being written, one shard of each split at a time. The same rows give the same
    bytes. Raises NothingApproved, SimulatedJudgments, ImageChanged and Invalid.
    """
    campaign = session.get_one(Campaign, release.campaign_id)
    parent = session.get(Release, release.parent_id) if release.parent_id else None
    planned = plan(session, campaign)
    if not release.includes_simulated:
        refuse_simulated(session, campaign)
    split_of = _split_of(planned, release)
    splits = [split_of[item.family] for item in planned]
    policies = list(session.exec(select(Policy).where(Policy.campaign_id == campaign.id).order_by(col(Policy.version))))
    session.expunge_all()

    outbox = Outbox(target, prefix, scratch)
    counts, tables = _write_items(session, release, planned, splits, policies, source, outbox, secret_key, progress)
    for path, data in tables.files().items():
        outbox.put(path, data)
    if (named := authors.attribution(session, planned)) is not None:
        outbox.put(authors.PATH, named)
    used = [policy for policy in policies if policy.id in counts.policies or policy.version == campaign.policy_version]
    document = manifests.document(
        release,
        campaign,
        used,
        counts,
        frozen_at=max(item.decided_at for item in planned).astimezone(UTC).isoformat(),
        excluded=excluded(session, campaign),
        agreement=campaign_agreement(session, campaign),
        audit=audits.estimate(session, campaign.id),
        parent=parent,
        neutralised=tables.neutralised,
    )
    outbox.put("README.md", card(document, sorted(set(splits))))
    outbox.put("croissant.json", croissant(document, outbox.files))
    manifest = manifests.as_bytes(document, outbox.files)
    sha256 = hashlib.sha256(manifest).hexdigest()
    outbox.put(manifests.CHECKSUMS, manifests.checksums(outbox.files, sha256))
    outbox.put(manifests.MANIFEST, manifest)
    size = sum(entry.size for entry in outbox.files.values())
    return Built(document, sha256, planned, splits, len(outbox.files), size)


def _split_of(planned: Sequence[Planned], release: Release) -> dict[str, str]:
    """Split by family. Raises Invalid when a split would hold nothing, which no loader opens."""
    families = families_of(planned)
    split_of = assign(families, release.splits, release.seed)
    if empty := sorted(release.splits.keys() - set(split_of.values())):
        raise Invalid(
            f"The split “{empty[0]}” would be empty: the approved items make {len(families)} families, which are never "
            f"divided, for {len(release.splits)} splits; ask for fewer splits.",
            fields={"splits": "More splits than families."},
        )
    return split_of


def _write_items(
    session: Session,
    release: Release,
    planned: list[Planned],
    splits: list[str],
    policies: list[Policy],
    source: Storage,
    outbox: Outbox,
    secret_key: str,
    progress: Progress,
) -> tuple[manifests.Counts, Tables]:
    """Images, data, WebDataset and votes, in one pass in the order of `planned`."""
    counts, tables = manifests.Counts(), Tables()
    versions = {policy.id: policy.version for policy in policies if policy.id is not None}
    split_of = dict(zip((item.family for item in planned), splits, strict=True))
    numbers = shard_numbers(planned, split_of)
    totals = Counter({split: number + 1 for split, number in zip(splits, numbers, strict=True)})
    with (
        ShardWriters(outbox, totals) as shards,
        _table(outbox, "items.parquet", AGGREGATED_SCHEMA) as aggregated,
        _table(outbox, "judgments.parquet", RAW_SCHEMA) as raw,
        ThreadPoolExecutor(THREADS, thread_name_prefix="release") as pool,
    ):
        done = 0
        progress(0, len(planned))
        for batch, images in _fetched(pool, planned, source, outbox):
            for frozen, image in zip(
                details(session, batch, secret_key=secret_key, allow_simulated=release.includes_simulated),
                images,
                strict=True,
            ):
                split = splits[done]
                shards.add(split, numbers[done], frozen, image.result())
                for row in aggregated_rows(frozen, split):
                    aggregated.add(row)
                for row in raw_rows(frozen, split, versions):
                    raw.add(row)
                tables.add(frozen)
                counts.add(frozen, split)
                done += 1
            progress(done, len(planned))
    return counts, tables


@contextmanager
def _table(outbox: Outbox, path: str, schema: Any) -> Iterator[TableWriter]:
    with outbox.create(path) as file, table_writer(file, schema) as table:
        yield table


def _fetched(
    pool: ThreadPoolExecutor, planned: Sequence[Planned], source: Storage, outbox: Outbox
) -> Iterator[tuple[list[Planned], list[Future[bytes]]]]:
    """Each batch with its images, while those of the next one are already on their way."""
    ahead: tuple[list[Planned], list[Future[bytes]]] | None = None
    try:
        for batch in _batches(planned):
            coming = (batch, [pool.submit(_copy_image, item, source, outbox) for item in batch])
            ready, ahead = ahead, coming
            if ready is not None:
                yield ready
        if ahead is not None:
            yield ahead
    finally:
        for image in ahead[1] if ahead else ():
            image.cancel()


def _batches(planned: Sequence[Planned]) -> Iterator[list[Planned]]:
    batch: list[Planned] = []
    size = 0
    for item in planned:
        if batch and (len(batch) == BATCH_ITEMS or size + item.byte_count > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.byte_count
    yield batch


def _copy_image(item: Planned, source: Storage, outbox: Outbox) -> bytes:
    """The original bytes, put into the release. Raises ImageChanged unless they are those that were judged."""
    try:
        data = source.get(original_key(item.image_sha256, item.image_format))
    except MissingObject:
        raise ImageChanged(
            f"The image of {item.key} is missing from storage; put it back (its SHA-256 is {item.image_sha256}) "
            "and build the release again."
        ) from None
    if hashlib.sha256(data).hexdigest() != item.image_sha256:
        raise ImageChanged(
            f"The image of {item.key} has changed in storage since it was judged; put back the bytes whose SHA-256 is "
            f"{item.image_sha256} and build the release again."
        )
    outbox.put(f"images/{item.key}", data)
    return data
