"""An installation comes up, goes down, survives being killed, and says in a sentence what is wrong with it."""

import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator

import psutil
import psycopg
import pytest

from app.accounts.models import Role
from app.db import libpq_url
from tests.live import DEMO, TERROIR, Installation, fresh_home

pytestmark = [pytest.mark.slow]


@pytest.fixture
def installation() -> Iterator[Installation]:
    with fresh_home() as home:
        found = Installation(home)
        yield found
        pid = postgres_pid(found)
        assert pid is None, f"PostgreSQL {pid} is still running"


def postgres_pid(installation: Installation) -> int | None:
    """The process of the embedded PostgreSQL, while it lives."""
    try:
        pid = int((installation.home / "postgres" / "postmaster.pid").read_text().split()[0])
    except FileNotFoundError:
        return None
    return pid if psutil.pid_exists(pid) else None


def fetch(address: str) -> tuple[int, str]:
    """Status and body, as a browser that follows redirects and keeps cookies gets them."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    try:
        with browser.open(address, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_server_and_worker_share_one_database_and_the_last_stops_it(installation: Installation) -> None:
    with installation.started("worker"):
        first = postgres_pid(installation)
        assert first is not None
        with installation.started("serve"):
            assert postgres_pid(installation) == first
            status, body = fetch(f"{installation.address}/readyz")
            assert status == 200, body
            assert installation.run_json("release", "list") == []
        assert postgres_pid(installation) == first
    assert postgres_pid(installation) is None


def test_a_second_server_on_the_same_home_says_so(installation: Installation) -> None:
    with installation.started("serve") as server:
        refused = installation.run("serve", status=1)
        assert refused.stderr.count("\n") == 1
        assert f"process {server.pid}" in refused.stderr
        assert "TERROIR_HOME" in refused.stderr


def test_after_kill_9_of_everything_nothing_is_lost(installation: Installation) -> None:
    installation.run("import", DEMO / "culturemix", "--campaign", "demo")
    with installation.started("serve") as server:
        link = installation.sign_in_link("ana@example.org", Role.ANNOTATOR)
        postgres = postgres_pid(installation)
        assert postgres is not None
        victims = [server.pid, *(child.pid for child in psutil.Process(server.pid).children(recursive=True)), postgres]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        server.wait()
    again = installation.run_json("import", DEMO / "culturemix", "--campaign", "demo")
    assert (again["added"], again["unchanged"]) == (0, 51)
    with installation.started("serve"):
        status, body = fetch(installation.address + link[link.index("/sign-in") :])
        assert status == 200
        assert "Judge" in body


def test_a_stale_process_number_that_now_is_another_program_s_does_not_matter(installation: Installation) -> None:
    installation.run("migrate")
    pid_file = installation.home / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n1\n5432\n/tmp\n\n  1 1\nready\n")
    installation.run("migrate")


@pytest.mark.parametrize("secret", ["", "not-long", "changeme" * 8, "a-default-secret-of-enough-length-0123456789"])
def test_an_unsafe_secret_key_is_refused(installation: Installation, secret: str) -> None:
    installation.environment["TERROIR_SECRET_KEY"] = secret
    refused = installation.run("serve", status=1)
    assert "TERROIR_SECRET_KEY" in refused.stderr
    assert secret == "" or secret not in refused.stderr


def test_the_made_secret_key_is_kept_for_its_owner_alone(installation: Installation) -> None:
    with installation.started("serve"):
        path = installation.home / "secret_key"
        assert path.stat().st_mode & 0o777 == 0o600
        first = path.read_text()
    with installation.started("serve"):
        assert path.read_text() == first


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TERROIR_PORT", "seventy"),
        ("TERROIR_WORKERS", "0"),
        ("TERROIR_STORAGE_URL", "ftp://example.org/x"),
        ("TERROIR_LEASE_SECONDS", "-1"),
    ],
)
def test_a_wrong_setting_is_named(installation: Installation, name: str, value: str) -> None:
    installation.environment[name] = value
    refused = installation.run("serve", status=1)
    assert name in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_port_in_use_is_named(installation: Installation) -> None:
    with installation.started("serve"):
        port = installation.address.rsplit(":", 1)[1]
        other = Installation(installation.home.parent / "other")
        other.environment["TERROIR_PORT"] = port
        assert f"port {port}" in other.run("serve", status=1).stderr


def test_an_outside_database_is_migrated_by_command_only(installation: Installation, server_url: str) -> None:
    with psycopg.connect(libpq_url(server_url), autocommit=True) as connection:
        connection.execute("CREATE DATABASE outside")
    try:
        installation.environment["TERROIR_DATABASE_URL"] = server_url.replace("/terroir?", "/outside?")
        refused = installation.run("serve", status=1)
        assert "terroir migrate" in refused.stderr
        installation.run("migrate")
        with installation.started("serve"):
            assert fetch(f"{installation.address}/healthz") == (200, "ok\n")
    finally:
        with psycopg.connect(libpq_url(server_url), autocommit=True) as connection:
            connection.execute("DROP DATABASE outside WITH (FORCE)")


def test_a_server_starts_with_several_processes_and_stops_cleanly(installation: Installation) -> None:
    installation.environment["TERROIR_WORKERS"] = "2"
    with installation.started("serve") as server:
        children = psutil.Process(server.pid).children(recursive=True)
        assert fetch(f"{installation.address}/healthz") == (200, "ok\n")
    assert server.returncode in (0, 130, -signal.SIGTERM)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


def test_the_demo_prints_three_links_and_ends_with_its_group(installation: Installation) -> None:
    with subprocess.Popen(
        [TERROIR, "demo"], env=installation.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if "Ctrl-C" in line:
                break
        links = [line for line in lines if "/sign-in/link/" in line]
        assert [line.split(":")[0] for line in links] == ["annotator", "admin", "researcher"]
        for line in links:
            assert fetch(line.split()[-1])[0] == 200
        os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does
        assert process.wait(timeout=60) == 0
