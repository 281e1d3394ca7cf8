"""Releases as people know them: asking for one, finding one, and finding a file of one."""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import jobs
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.errors import Conflict, Invalid, NotFound, TerroirError
from app.jobs import Job, JobStatus
from app.releases import splits as split_rules
from app.releases.formats.manifest import CHECKSUMS, MANIFEST, checksums
from app.releases.models import Release, ReleaseStatus
from app.releases.outbox import FileEntry, media_type_of
from app.storage import Storage

# Semantic Versioning 2.0.0 without pre-releases: a release is one or it isn't.
_VERSION = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")
BUILD_JOB = "release.build"
MAX_SEED = 2**31 - 1


class UnknownRelease(NotFound):
    pass


class UnknownFile(NotFound):
    pass


class VersionTaken(Conflict):
    title = "This version is taken"


class DamagedRelease(TerroirError):
    status = 500
    type = "damaged-release"
    title = "This release is damaged"


class NotPublished(Conflict):
    title = "This release is not published"


class Shown(NamedTuple):
    """A release with its campaign, and the job that builds or built it; None for one built on the command line."""

    release: Release
    campaign: Campaign
    job: Job | None

    @property
    def status(self) -> ReleaseStatus:
        """The release's, but failed also when its job ended in a way that left it waiting."""
        if self.job is not None and self.job.status is JobStatus.FAILED:
            return ReleaseStatus.FAILED
        return self.release.status

    @property
    def is_published(self) -> bool:
        return self.status is ReleaseStatus.PUBLISHED

    @property
    def is_coming(self) -> bool:
        return self.status in (ReleaseStatus.QUEUED, ReleaseStatus.BUILDING)


class ReleaseFile(NamedTuple):
    """One file of a published release and where it lies; `path` is its place in the release."""

    path: str
    key: str
    sha256: str
    size: int
    media_type: str


def prefix_of(version: str) -> str:
    return f"releases/{checked_version(version)}"


def checked_version(version: str) -> str:
    """The version, if it is one: three numbers, as semantic versioning writes them. Raises Invalid."""
    if _VERSION.fullmatch(version) is None:
        raise Invalid(
            f"“{version[:64]}” is no version; write three numbers, e.g. 1.0.0.",
            fields={"version": "Three numbers with dots between, e.g. 1.0.0."},
        )
    return version


def reserve(
    session: Session,
    campaign_slug: str,
    version: str,
    *,
    splits: Mapping[str, float],
    seed: int = 0,
    allow_simulated: bool = False,
    account_id: uuid.UUID | None = None,
) -> Release:
    """A release that is about to be built. A failed one gives its number back.

    Raises VersionTaken, Invalid and UnknownCampaign.
    """
    checked_version(version)
    shares = split_rules.checked(splits)
    if not 0 <= seed <= MAX_SEED:
        raise Invalid(f"The seed {seed} is out of range.", fields={"seed": f"A whole number from 0 to {MAX_SEED:,}."})
    campaign = campaigns.get(session, campaign_slug)
    # Two requests for one number wait for each other here, and the second finds what the first has made.
    one_at_a_time = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('release ' || :version, 0))")
    session.execute(one_at_a_time, {"version": version})
    release = session.exec(select(Release).where(Release.version == version)).first()
    if release is not None and not _gives_way(session, release):
        raise VersionTaken(
            f"Version {version} is {_taken_words(release)} already; a published release never changes, "
            "so choose another number.",
            fields={"version": "Taken; choose another number."},
        )
    if release is None:
        release = Release(version=version, campaign_id=campaign.id, splits=shares)
    release.campaign_id = campaign.id
    release.parent_id = _newest_published(session, campaign)
    release.status = ReleaseStatus.QUEUED
    release.splits = shares
    release.seed = seed
    release.includes_simulated = allow_simulated
    release.job_id = None
    release.created_by = account_id
    session.add(release)
    session.flush()
    return release


def published_as(
    session: Session,
    campaign_slug: str,
    version: str,
    *,
    splits: Mapping[str, float],
    seed: int = 0,
    allow_simulated: bool = False,
) -> Release | None:
    """The published release that was asked for in the same words, if there is one."""
    release = session.exec(
        select(Release)
        .join(Campaign, col(Campaign.id) == Release.campaign_id)
        .where(Campaign.slug == campaign_slug, Release.version == version)
        .where(Release.status == ReleaseStatus.PUBLISHED, Release.seed == seed)
    ).first()
    if release is None or release.splits != dict(splits) or (release.includes_simulated and not allow_simulated):
        return None
    return release


def queue_release(
    session: Session,
    campaign_slug: str,
    version: str,
    *,
    splits: Mapping[str, float],
    seed: int = 0,
    allow_simulated: bool = False,
    account_id: uuid.UUID | None = None,
) -> Release:
    """Asks the worker for a release, in the caller's transaction. Raises as `reserve`."""
    release = reserve(
        session, campaign_slug, version,
        splits=splits, seed=seed, allow_simulated=allow_simulated, account_id=account_id,
    )  # fmt: skip
    job = jobs.start(session, BUILD_JOB, title=f"Release {version}", account_id=account_id, release_id=str(release.id))
    release.job_id = job.id
    session.flush()
    return release


def _gives_way(session: Session, release: Release) -> bool:
    """Whether a release's number can be used again: it failed for good, or its builder on the command line died."""
    if release.status is ReleaseStatus.PUBLISHED:
        return False
    job = session.get(Job, release.job_id) if release.job_id else None
    if job is not None:
        return job.is_over
    return release.status is ReleaseStatus.FAILED or not _is_being_built(session, release)


def _is_being_built(session: Session, release: Release) -> bool:
    """Whether some process holds the builder's lock; see `publish`."""
    free = session.execute(sa.text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": lock_key(release.id)}).scalar()
    return not free


def lock_key(release_id: uuid.UUID) -> int:
    """The advisory lock that whoever builds this release holds."""
    return int.from_bytes(release_id.bytes[:8], "big", signed=True)


def _taken_words(release: Release) -> str:
    return "published" if release.status is ReleaseStatus.PUBLISHED else "being built"


def _newest_published(session: Session, campaign: Campaign) -> uuid.UUID | None:
    return session.exec(
        select(Release.id)
        .where(Release.campaign_id == campaign.id, Release.status == ReleaseStatus.PUBLISHED)
        .order_by(col(Release.published_at).desc())
    ).first()


def list_releases(session: Session) -> list[Shown]:
    """Every release, the newest first."""
    return [
        Shown(release, campaign, job)
        for release, campaign, job in session.execute(
            sa.select(Release, Campaign, Job)
            .join(Campaign, col(Campaign.id) == Release.campaign_id)
            .outerjoin(Job, col(Job.id) == Release.job_id)
            .order_by(col(Release.created_at).desc(), col(Release.version).desc())
        )
    ]


def show(session: Session, version: str) -> Shown:
    """One release with what stands around it. Raises UnknownRelease."""
    release = get_release(session, version)
    job = session.get(Job, release.job_id) if release.job_id else None
    return Shown(release, session.get_one(Campaign, release.campaign_id), job)


def next_version(session: Session) -> str:
    """What the next release is likely to be called: the highest number there is, with its second part one up."""
    versions = session.exec(select(Release.version).where(Release.status != ReleaseStatus.FAILED))
    highest = max((tuple(map(int, version.split("."))) for version in versions), default=None)
    return f"{highest[0]}.{highest[1] + 1}.0" if highest else "1.0.0"


def get_release(session: Session, version: str) -> Release:
    release = session.exec(select(Release).where(Release.version == version)).first()
    if release is None:
        raise UnknownRelease(f"There is no release “{version[:64]}”; `terroir release list` names those there are.")
    return release


def manifest_of(storage: Storage, release: Release) -> dict[str, Any]:
    """The manifest of a published release, for reading only. Raises NotPublished and DamagedRelease."""
    sha256 = release.manifest_sha256
    if release.status is not ReleaseStatus.PUBLISHED or sha256 is None:
        raise NotPublished(f"Release {release.version} is {release.status.value}; it has no files yet.")
    manifest = _manifests.get(sha256)
    if manifest is None:
        data = storage.get(f"{prefix_of(release.version)}/{MANIFEST}")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DamagedRelease(
                f"The manifest of release {release.version} is not the one that was published; "
                f"`terroir release verify {release.version}` says more, and a backup has the right one."
            )
        if len(_manifests) >= _MANIFESTS_KEPT:
            _manifests.clear()
        manifest = _manifests[sha256] = json.loads(data)
    return manifest


# By the hash of what they hold, so that nothing here can be out of date. The manifest of 23,766 items takes 4 MB, and
# every file that is served asks for it.
_manifests: dict[str, dict[str, Any]] = {}
_MANIFESTS_KEPT = 4


def file_for(session: Session, storage: Storage, version: str, path: str) -> ReleaseFile:
    """A file of a published release. Only what its manifest names is found; everything else raises UnknownFile."""
    release = get_release(session, version)
    manifest = manifest_of(storage, release)
    key = f"{prefix_of(release.version)}/{path}"
    if path == MANIFEST:
        stat = storage.stat(key)
        entry = FileEntry(str(release.manifest_sha256), stat.size if stat else 0)
    elif path == CHECKSUMS:
        files = {name: FileEntry(**listed) for name, listed in manifest["files"].items()}
        entry = FileEntry.of(checksums(files, str(release.manifest_sha256)))
    elif path in manifest["files"]:
        entry = FileEntry(**manifest["files"][path])
    else:
        raise UnknownFile(f"Release {version} has no such file; its manifest.json lists those it has.")
    return ReleaseFile(path, key, entry.sha256, entry.size, media_type_of(path))
