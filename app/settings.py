"""Settings: environment variables with the prefix TERROIR_, or a .env file."""

import os
import secrets
import time
from functools import lru_cache
from pathlib import Path

from dotenv import dotenv_values
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent
MIN_SECRET_LENGTH = 32
KNOWN_SECRETS = ("changeme", "change-me", "secret", "default", "terroir", "password", "insecure", "example")


class Settings(BaseSettings):
    """Every field is listed in the README. A secret may also come from the file named by NAME_FILE."""

    model_config = SettingsConfigDict(env_prefix="TERROIR_", env_file=".env", extra="ignore")

    home: Path = Field(default=Path("var"), description="Data folder: embedded database, images, secret key.")
    database_url: str | None = Field(
        default=None, description="PostgreSQL to use. Unset: an embedded PostgreSQL under TERROIR_HOME."
    )
    database_url_file: Path | None = Field(default=None, description="File that holds the database address.")
    storage_url: str | None = Field(
        default=None, description="file:///… or s3://bucket/prefix. Unset: a folder under TERROIR_HOME."
    )
    s3_endpoint_url: str | None = Field(default=None, description="Address of an S3-compatible store.")
    secret_key: str | None = Field(
        default=None, description="Signs sessions. Unset: made once and kept under TERROIR_HOME."
    )
    secret_key_file: Path | None = Field(default=None, description="File that holds the secret key.")
    host: str = Field(default="127.0.0.1", description="Address the server listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port the server listens on.")
    workers: int = Field(default=1, ge=1, le=64, description="Server processes.")
    lease_seconds: int = Field(
        default=600, ge=1, le=86400, description="How long a claimed item is held for its annotator."
    )
    public_url: str | None = Field(
        default=None, description="Address people use, e.g. https://terroir.example.org; makes cookies Secure."
    )
    metrics_token: str | None = Field(
        default=None, description="Lets a Prometheus server read /metrics with this bearer token."
    )

    models_file: Path | None = Field(
        default=None, description="TOML file with models of one's own, and other settings for those that ship."
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    def resolved_secret_key(self) -> str:
        """The key that signs cookies and links.

        Raises SettingsError for a short or well-known key: with it anybody could sign in as anybody.
        """
        key = self.secret_key
        if key is None and self.secret_key_file is not None:
            key = _read_secret(self.secret_key_file, "TERROIR_SECRET_KEY_FILE")
        if key is None:
            return _kept_secret(self.home / "secret_key")
        if len(key) < MIN_SECRET_LENGTH or any(word in key.lower() for word in KNOWN_SECRETS):
            raise SettingsError(
                "TERROIR_SECRET_KEY is short or well known, so sessions could be forged; unset it to have one made, "
                f"or set at least {MIN_SECRET_LENGTH} random characters (python -c 'import secrets; "
                "print(secrets.token_urlsafe(48))')."
            )
        return key

    def outside_database_url(self) -> str | None:
        """The operator's own database, if one is set; None means the embedded one."""
        if self.database_url:
            return self.database_url
        if self.database_url_file is not None:
            return _read_secret(self.database_url_file, "TERROIR_DATABASE_URL_FILE")
        return None


def _read_secret(path: Path, setting: str) -> str:
    try:
        value = path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"{setting} names {path}, which can't be read ({error.strerror}).") from error
    if not value:
        raise SettingsError(f"{setting} names {path}, which is empty.")
    return value


def _kept_secret(path: Path) -> str:
    """Made once. O_EXCL and a rename-free write: two processes that start together agree on one key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        for _ in range(100):  # the other process may still be writing
            if key := path.read_text().strip():
                return key
            time.sleep(0.02)
        raise SettingsError(f"{path} is empty; remove it to have a new key made (all sessions end).") from None
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(48))
    return path.read_text().strip()


@lru_cache
def get_settings() -> Settings:
    _pass_on_aws_variables()
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "TERROIR_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{name}: {first['msg']}.") from error


def _pass_on_aws_variables() -> None:
    """The store's keys may stand in .env, too; the S3 library looks for them in the environment only."""
    for name, value in dotenv_values(".env").items():
        if name.startswith("AWS_") and value:
            os.environ.setdefault(name, value)
