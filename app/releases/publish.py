"""From a reserved release to a published one, by the worker or on the command line; and copies in a folder."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import Session, col

from app.db import now, transaction
from app.errors import Conflict, Invalid
from app.releases import service
from app.releases.build import Built, Progress, write_release
from app.releases.formats.manifest import CHECKSUMS, MANIFEST
from app.releases.models import Release, ReleaseItem, ReleaseStatus
from app.releases.service import VersionTaken, lock_key, prefix_of
from app.releases.snapshot import frozen_session
from app.settings import Settings
from app.storage import Storage
from app.storage.local import LocalStorage

_ROWS_AT_ONCE = 5_000


class BeingBuilt(Conflict):
    title = "This release is being built"


class FolderInUse(Invalid):
    title = "This folder can't take a release"


def build_release(
    engine: sa.Engine, settings: Settings, storage: Storage, release_id: uuid.UUID, progress: Progress
) -> Release:
    """Builds a reserved release and publishes it; one that is published already is left as it is.

    When anything fails, none of its files stay and its status is failed. Raises as `write_release`, and BeingBuilt.
    """
    with _building(engine, release_id) as session:
        if not _set_status(engine, release_id, ReleaseStatus.BUILDING):
            return _fresh(engine, release_id)
        release = session.get_one(Release, release_id)
        prefix = prefix_of(release.version)
        try:
            storage.delete_prefix(prefix)  # what a builder that was killed left behind
            built = _write(session, release, settings, source=storage, target=storage, prefix=prefix, progress=progress)
            _publish(engine, release_id, built)
        except BaseException:
            # Not so if the commit took place after all and only its answer was lost.
            if _set_status(engine, release_id, ReleaseStatus.FAILED):
                storage.delete_prefix(prefix)
            raise
    return _fresh(engine, release_id)


def build_now(
    engine: sa.Engine,
    settings: Settings,
    storage: Storage,
    campaign_slug: str,
    version: str,
    *,
    splits: Mapping[str, float],
    seed: int = 0,
    allow_simulated: bool = False,
    account_id: uuid.UUID | None = None,
    out: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Release:
    """Builds a release here and now, with a copy in the folder `out` if one is named.

    A version that is published already is built once more and compared: the same bytes are no error, so that anybody
    can try what a release promises; other bytes raise VersionTaken. Raises as `reserve` and `build_release`.
    """
    if out is not None:
        require_free(out)
    with transaction(engine) as session:
        release = service.published_as(
            session, campaign_slug, version, splits=splits, seed=seed, allow_simulated=allow_simulated
        )
        if release is None:
            release = service.reserve(
                session, campaign_slug, version,
                splits=splits, seed=seed, allow_simulated=allow_simulated, account_id=account_id,
            )  # fmt: skip
    if release.status is ReleaseStatus.PUBLISHED:
        _compare(engine, settings, storage, release, progress)
    else:
        release = build_release(engine, settings, storage, release.id, progress)
    if out is not None:
        copy_to(storage, release, out)
    return release


def require_free(out: Path) -> None:
    """Raises FolderInUse unless `out` is empty or not there yet."""
    if not out.exists():
        return
    if not out.is_dir():
        raise FolderInUse(f"{out} is a file; name a folder that is empty or not there yet.")
    if any(out.iterdir()):
        raise FolderInUse(f"{out} is not empty; name a folder that is empty or not there yet.")


def copy_to(storage: Storage, release: Release, out: Path) -> None:
    """The whole release in a folder, which appears complete or not at all. Raises FolderInUse."""
    require_free(out)
    prefix = prefix_of(release.version)
    paths = [*service.manifest_of(storage, release)["files"], CHECKSUMS, MANIFEST]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
            whole = Path(scratch) / "release"  # of the usual mode; the folder around it is for nobody else
            for path in paths:
                (whole / path).parent.mkdir(parents=True, exist_ok=True)
                with storage.open(f"{prefix}/{path}") as source, (whole / path).open("wb") as target:
                    shutil.copyfileobj(source, target, 2**20)
            os.rename(whole, out)
    except OSError as error:
        raise FolderInUse(
            f"The release can't be written to {out} ({error.strerror}); choose another folder."
        ) from error


def _compare(engine: sa.Engine, settings: Settings, storage: Storage, release: Release, progress: Progress) -> None:
    """Builds a published release once more, aside. Raises VersionTaken when the bytes would be others."""
    with _scratch(settings) as folder, frozen_session(engine) as session:
        built = _write(
            session, release, settings,
            source=storage, target=LocalStorage(folder), prefix="again", progress=progress,
        )  # fmt: skip
    if built.manifest_sha256 != release.manifest_sha256:
        raise VersionTaken(
            f"Version {release.version} is published, and the campaign's items or judgments have changed since: "
            "a published release never changes, so choose another number.",
            fields={"version": "Taken; choose another number."},
        )


def _write(
    session: Session,
    release: Release,
    settings: Settings,
    *,
    source: Storage,
    target: Storage,
    prefix: str,
    progress: Progress,
) -> Built:
    with _scratch(settings) as scratch:
        return write_release(
            session,
            release,
            source=source,
            target=target,
            prefix=prefix,
            secret_key=settings.resolved_secret_key(),
            scratch=scratch,
            progress=progress,
        )


@contextmanager
def _scratch(settings: Settings) -> Iterator[Path]:
    """Beside the data and not in /tmp, which often is memory."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="release-", dir=settings.home) as folder:
        yield Path(folder)


@contextmanager
def _building(engine: sa.Engine, release_id: uuid.UUID) -> Iterator[Session]:
    """A frozen session that is the only builder of this release; the lock goes with its transaction or its process."""
    with frozen_session(engine) as session:
        lock = sa.text("SELECT pg_try_advisory_xact_lock(:key)")
        if not session.execute(lock, {"key": lock_key(release_id)}).scalar():
            raise BeingBuilt("Another process is building this release right now; wait for it to end.")
        yield session


def _set_status(engine: sa.Engine, release_id: uuid.UUID, status: ReleaseStatus) -> bool:
    """False, and nothing changed, when the release is published."""
    with transaction(engine) as session:
        changed = session.execute(
            sa.update(Release)
            .where(col(Release.id) == release_id, col(Release.status) != ReleaseStatus.PUBLISHED)
            .values(status=status)
            .returning(col(Release.id))
        )
        return changed.first() is not None


def _publish(engine: sa.Engine, release_id: uuid.UUID, built: Built) -> None:
    with transaction(engine) as session:
        rows = [
            {"release_id": release_id, "item_id": item.item_id, "split": split, "decision_id": item.decision_id}
            for item, split in zip(built.planned, built.splits, strict=True)
        ]
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            session.execute(sa.insert(ReleaseItem), rows[start : start + _ROWS_AT_ONCE])
        release = session.get_one(Release, release_id)
        release.status = ReleaseStatus.PUBLISHED
        release.manifest_sha256 = built.manifest_sha256
        release.includes_simulated = built.manifest["includes_simulated"]
        release.counts = {**built.manifest["counts"], "files": built.n_files, "bytes": built.n_bytes}
        release.published_at = now()


def _fresh(engine: sa.Engine, release_id: uuid.UUID) -> Release:
    with transaction(engine) as session:
        return session.get_one(Release, release_id)
