"""A release built into a bucket is the same as one in a folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.db import transaction
from app.releases import service
from app.releases.publish import build_now
from app.releases.verify import verify_published
from app.settings import Settings
from app.storage import Storage
from app.storage.s3 import S3Storage
from tests.releases.conftest import World
from tests.storage.conftest import BUCKET, Server, aws_environment, moto_server

__all__ = ["aws_environment", "moto_server"]  # fixtures


@pytest.fixture
def bucket(moto_server: Server, tmp_path: Path) -> Iterator[S3Storage]:
    store = S3Storage(BUCKET, f"releases-of/{tmp_path.name}", moto_server.endpoint_url)
    yield store
    store.client.close()


def test_a_bucket_holds_the_same_release_as_a_folder(
    world: World, bucket: S3Storage, settings: Settings, tmp_path: Path, files_of: Callable[[Path], dict[str, bytes]]
) -> None:
    for key in world.storage.list("images"):
        bucket.put(key, world.storage.get(key), media_type="image/jpeg")
    release = in_(bucket, world, tmp_path / "bucket")
    assert verify_published(bucket, release) == (True, release.counts["files"], [])
    with transaction(world.engine) as session:
        found = service.file_for(session, bucket, "1.0.0", "README.md")
        assert b"".join(bucket.read_range(found.key, 4, 15)) == b"pretty_name"
        session.execute(sa.text("DELETE FROM release_item"))
        session.execute(sa.text("DELETE FROM release"))
    in_(world.storage, world, tmp_path / "folder")
    assert files_of(tmp_path / "bucket") == files_of(tmp_path / "folder")


def in_(storage: Storage, world: World, out: Path) -> service.Release:
    return build_now(world.engine, world.settings, storage, world.slug, "1.0.0", splits={"test": 1.0}, out=out)
