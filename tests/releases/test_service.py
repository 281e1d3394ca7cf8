"""Asking for a release and finding its files."""

import threading
from collections import Counter

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, select

from app.db import transaction
from app.errors import Invalid, TerroirError
from app.jobs import Job, JobStatus, run_job
from app.releases import jobs as release_jobs
from app.releases import service, splits
from app.releases.models import Release, ReleaseStatus
from app.releases.publish import build_now
from tests.factories import make_account, make_campaign
from tests.releases.conftest import World

ALL = {"test": 1.0}
assert release_jobs  # registers the handler


def test_a_version_is_three_numbers(session: Session) -> None:
    make_campaign(session, "tasting")
    for version in ("", "1", "1.0", "v1.0.0", "1.0.0-rc1", "01.0.0", "1.0.0/../x", "1.0.0\n", "١.0.0"):
        with pytest.raises(Invalid) as caught:
            service.reserve(session, "tasting", version, splits=ALL)
        assert "version" in caught.value.fields


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train=0.8,test=0.3", "add up to 1.1"),
        ("train", "is no split"),
        ("train=", "is no split"),
        ("train=nan", "is no split"),
        ("train=inf", "above 0 and at most 1"),
        ("train=0,test=1", "above 0"),
        ("train=-1,test=2", "above 0"),
        ("Train=1", "can't name a split"),
        ("../x=1", "can't name a split"),
        ("all=1", "can't name a split"),
        ("test=0.5,test=0.5", "named twice"),
        ("", "is no split"),
    ],
)
def test_shares_that_make_no_splits_are_refused(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        splits.parse(text)
    assert "splits" in caught.value.fields


@given(
    families=st.dictionaries(st.text(min_size=1), st.integers(1, 30), min_size=3, max_size=40), seed=st.integers(0, 9)
)
def test_splits_come_as_near_their_shares_as_families_allow(families: dict[str, int], seed: int) -> None:
    shares = {"train": 0.7, "test": 0.2, "dev": 0.1}
    found = splits.assign(families, shares, seed)
    assert found == splits.assign(dict(reversed(families.items())), dict(reversed(shares.items())), seed)
    assert found.keys() == families.keys()
    placed = Counter(dict.fromkeys(shares, 0))
    for family, split in found.items():
        placed[split] += families[family]
    assert all(placed.values())
    total = sum(families.values())
    assert all(placed[split] <= shares[split] * total + max(families.values()) for split in shares)


def test_a_queued_release_is_built_by_the_worker(world: World) -> None:
    with transaction(world.engine) as session:
        admin = make_account(session)
        release = service.queue_release(session, world.slug, "1.0.0", splits=ALL, account_id=admin.id)
        with pytest.raises(service.VersionTaken, match="being built"):
            service.queue_release(session, world.slug, "1.0.0", splits=ALL)
    assert release.job_id is not None
    run_job(world.engine, world.settings, release.job_id)
    with transaction(world.engine) as session:
        job = session.get_one(Job, release.job_id)
        assert job.status is JobStatus.DONE
        assert (job.done, job.total) == (12, 12)
        assert service.get_release(session, "1.0.0").status is ReleaseStatus.PUBLISHED
        with pytest.raises(service.VersionTaken, match="published already"):
            service.queue_release(session, world.slug, "1.0.0", splits=ALL)
    run_job(world.engine, world.settings, release.job_id)  # delivered twice: nothing happens


def test_a_failed_release_says_why_and_gives_its_number_back(empty_world: World) -> None:
    with transaction(empty_world.engine) as session:
        make_campaign(session, "empty")
        release = service.queue_release(session, "empty", "1.0.0", splits=ALL)
    assert release.job_id is not None
    run_job(empty_world.engine, empty_world.settings, release.job_id)
    with transaction(empty_world.engine) as session:
        job = session.get_one(Job, release.job_id)
        assert job.status is JobStatus.FAILED
        assert job.error == "The campaign “empty” has no approved items yet; a release needs at least one."
        failed = service.get_release(session, "1.0.0")
        assert failed.status is ReleaseStatus.FAILED
        with pytest.raises(service.NotPublished, match="is failed"):
            service.manifest_of(empty_world.storage, failed)
        assert service.queue_release(session, "empty", "1.0.0", splits=ALL).id == failed.id


def test_of_many_who_ask_for_one_version_one_gets_it(world: World) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def ask() -> None:
        start.wait()
        try:
            with transaction(world.engine) as session:
                service.queue_release(session, world.slug, "2.0.0", splits=ALL)
            outcomes.append("queued")
        except TerroirError as error:
            outcomes.append(error.type)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict", "conflict", "conflict", "queued"]
    with transaction(world.engine) as session:
        assert len(session.exec(select(Release)).all()) == 1
        assert session.execute(sa.select(sa.func.count()).select_from(Job)).scalar() == 1


HOSTILE = [
    "../1.0.1/manifest.json",
    "images/../manifest.json",
    "%2e%2e/1.0.1/manifest.json",
    "/etc/passwd",
    "images//SF/000.jpg",
    "./README.md",
    "README.md/",
    "images/SF",
    "",
    "../1.0.0/README.md",
    "..\\README.md",
    "README.md\0",
    "unlisted.txt",
]


def test_only_files_of_the_manifest_of_a_known_version_are_found(world: World) -> None:
    build_now(world.engine, world.settings, world.storage, world.slug, "1.0.0", splits=ALL)
    world.storage.put("releases/1.0.0/unlisted.txt", b"put there by somebody", media_type="text/plain")
    with transaction(world.engine) as session:
        for path in HOSTILE:
            with pytest.raises(service.UnknownFile):
                service.file_for(session, world.storage, "1.0.0", path)
        for version in ("1.0", "..", "1.0.0/../1.0.0", "%2e%2e", "1.0.00"):
            with pytest.raises(service.UnknownRelease):
                service.file_for(session, world.storage, version, "README.md")


def test_every_file_is_found_with_its_hash(world: World) -> None:
    release = build_now(world.engine, world.settings, world.storage, world.slug, "1.0.0", splits=ALL)
    with transaction(world.engine) as session:
        paths = [*service.manifest_of(world.storage, release)["files"], "manifest.json", "SHA256SUMS"]
        for path in paths:
            found = service.file_for(session, world.storage, "1.0.0", path)
            data = world.storage.get(found.key)
            assert service.FileEntry.of(data) == (found.sha256, found.size)


def test_a_manifest_that_was_exchanged_is_not_believed(world: World) -> None:
    release = build_now(world.engine, world.settings, world.storage, world.slug, "1.0.0", splits=ALL)
    world.storage.put("releases/1.0.0/manifest.json", b'{"files": {}}', media_type="application/json")
    service._manifests.clear()
    with pytest.raises(service.DamagedRelease, match="not the one that was published"):
        service.manifest_of(world.storage, release)
