"""Files in and out: an S3 bucket or a local folder behind one Protocol."""

import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from app.errors import SettingsError
from app.settings import Settings
from app.storage.base import InvalidKey, MissingObject, Stat, Storage, StorageError
from app.storage.local import LocalStorage
from app.storage.s3 import S3Storage

__all__ = ["InvalidKey", "MissingObject", "Stat", "Storage", "StorageError", "storage_for"]

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_FORMS = "use file:///absolute/folder or s3://bucket/prefix, or unset it for a folder under TERROIR_HOME"


def storage_for(settings: Settings) -> Storage:
    """The store these settings name; one object for equal settings, so that its connections are shared.

    Raises SettingsError for an address that names none. Reaching the store is left to `check`.
    """
    if settings.storage_url is None:
        return LocalStorage(settings.home / "storage")
    return _opened(settings.storage_url, settings.s3_endpoint_url)


@lru_cache
def _opened(url: str, endpoint_url: str | None) -> Storage:
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        return LocalStorage(Path(unquote(parts.path)))
    if parts.scheme == "s3" and _BUCKET.fullmatch(parts.netloc) and not parts.query and not parts.fragment:
        try:
            return S3Storage(parts.netloc, parts.path.strip("/"), endpoint_url)
        except InvalidKey as error:
            raise SettingsError(f"TERROIR_STORAGE_URL: {error.message}") from error
        except ValueError as error:  # botocore's word for an endpoint that is no address
            raise SettingsError(f"TERROIR_S3_ENDPOINT_URL: {error}.") from error
    # The address itself isn't repeated: people put passwords into such things.
    raise SettingsError(f"TERROIR_STORAGE_URL names no store; {_FORMS}.")
