"""The stores the contract runs on: a folder, and two S3 servers over real HTTP on the loopback."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import boto3
import pytest
from moto.server import ThreadedMotoServer

from app.storage import Storage
from app.storage.local import LocalStorage
from app.storage.s3 import S3Storage

BUCKET = "terroir-test"
ACCESS_KEY, SECRET_KEY = "AKIATERROIRTESTS", "not-a-secret-outside-these-tests"


class Server(NamedTuple):
    endpoint_url: str
    checks_signatures: bool


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only these keys: never those of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Server]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    endpoint_url = "http://{}:{}".format(*server.get_host_and_port())
    _make_bucket(endpoint_url)
    yield Server(endpoint_url, checks_signatures=False)
    server.stop()


@pytest.fixture(scope="session")
def nanio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # Through uvicorn, for nanio's own command takes no port 0 ("any free one").
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "--factory", "nanio.app:build_app", "--host", "127.0.0.1", "--port", "0"],
        env=os.environ
        | {
            "NANIO_DATA_DIR": str(tmp_path_factory.mktemp("nanio")),
            "NANIO_ACCESS_KEY": ACCESS_KEY,
            "NANIO_SECRET_KEY": SECRET_KEY,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:  # ends when the process does
        said.append(line)
        if address := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
            break
    else:
        pytest.fail("nanio did not start:\n" + "".join(said))
    _make_bucket(address[1])
    yield Server(address[1], checks_signatures=True)
    process.terminate()
    process.wait(timeout=10)
    process.stderr.close()


@pytest.fixture(params=["moto", "nanio"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the S3 servers in turn."""
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


@pytest.fixture(params=["folder", "moto", "nanio"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """Each kind of store in turn, empty."""
    if request.param == "folder":
        yield LocalStorage(tmp_path / "storage")
        return
    found: Server = request.getfixturevalue(f"{request.param}_server")
    store = S3Storage(BUCKET, f"some/{tmp_path.name}", found.endpoint_url)
    yield store
    store.client.close()


def _make_bucket(endpoint_url: str) -> None:
    session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name="us-east-1")
    with closing(session.client("s3", endpoint_url=endpoint_url)) as client:
        client.create_bucket(Bucket=BUCKET)
