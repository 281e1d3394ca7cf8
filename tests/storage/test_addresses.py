"""TERROIR_STORAGE_URL: which addresses name a store, and what the others are answered."""

from pathlib import Path

import pytest

from app.errors import SettingsError
from app.settings import Settings
from app.storage import storage_for
from app.storage.local import LocalStorage
from app.storage.s3 import S3Storage


def settings(home: Path, url: str | None, endpoint: str | None = None) -> Settings:
    return Settings(home=home, storage_url=url, s3_endpoint_url=endpoint)


def test_unset_is_a_folder_under_home(tmp_path: Path) -> None:
    storage = storage_for(settings(tmp_path, None))
    assert isinstance(storage, LocalStorage)
    assert storage.root == tmp_path / "storage"


@pytest.mark.parametrize("form", ["file://{}", "file://localhost{}"])
def test_a_file_address_is_a_folder(tmp_path: Path, form: str) -> None:
    storage = storage_for(settings(tmp_path, form.format(tmp_path / "with%20space")))
    assert isinstance(storage, LocalStorage)
    assert storage.root == tmp_path / "with space"


def test_an_s3_address_is_a_bucket_and_a_prefix(tmp_path: Path) -> None:
    storage = storage_for(settings(tmp_path, "s3://culture-mix/terroir/one/", "http://127.0.0.1:9"))
    assert isinstance(storage, S3Storage)
    assert (storage.bucket, storage.prefix) == ("culture-mix", "terroir/one/")
    assert storage.client.meta.endpoint_url == "http://127.0.0.1:9"


def test_a_compatible_store_is_asked_for_the_bucket_by_path(tmp_path: Path) -> None:
    # bucket.store.example.org would need a name and a certificate of its own.
    storage = storage_for(settings(tmp_path, "s3://culture-mix", "https://store.example.org"))
    assert isinstance(storage, S3Storage)
    address = storage.client.generate_presigned_url("get_object", Params={"Bucket": "culture-mix", "Key": "a"})
    assert address.startswith("https://store.example.org/culture-mix/a?")


def test_equal_settings_share_one_store(tmp_path: Path) -> None:
    first, second = (storage_for(settings(tmp_path, "s3://shared-bucket", "http://127.0.0.1:9")) for _ in range(2))
    assert first is second


@pytest.mark.parametrize(
    "url",
    [
        "",
        "var/images",
        "/absolute/without/scheme",
        "file://relative/path",
        "file:relative",
        "s3://",
        "s3:///no-bucket",
        "s3://UPPER_case",
        "s3://user:hunter2@bucket/prefix",
        "s3://bucket?versionId=1",
        "s3://bucket/../other",
        "ftp://host/folder",
        "https://bucket.example.org/prefix",
    ],
)
def test_an_address_that_names_no_store_is_refused_with_the_forms_that_do(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"TERROIR_STORAGE_URL") as caught:
        storage_for(settings(tmp_path, url))
    assert "hunter2" not in caught.value.message


def test_an_endpoint_that_is_no_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TERROIR_S3_ENDPOINT_URL: Invalid endpoint"):
        storage_for(settings(tmp_path, "s3://bucket", "not an address"))
