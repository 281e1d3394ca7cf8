"""What only a store over the network can do: refuse us, be away, lose its bucket, stop in mid-file."""

import contextlib
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import boto3
import pytest

from app.storage import StorageError
from app.storage.s3 import S3Storage
from tests.storage.conftest import BUCKET, Server


@contextlib.contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives each connection the next of these answers, and keeps what was asked."""
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        for answer in answers:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(65536))
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)  # wakes an accept that still waits
    thread.join(timeout=10)


def test_the_prefix_is_put_before_the_key_with_its_media_type(server: Server) -> None:
    with closing_client(S3Storage(BUCKET, "deep/er", server.endpoint_url)) as storage:
        storage.put("images/a.jpg", b"x", media_type="image/jpeg")
        answer = storage.client.get_object(Bucket=BUCKET, Key="deep/er/images/a.jpg")
        assert answer["ContentType"] == "image/jpeg"
        assert answer["Body"].read() == b"x"


def test_two_prefixes_do_not_see_each_other(server: Server) -> None:
    with (
        closing_client(S3Storage(BUCKET, "one", server.endpoint_url)) as one,
        closing_client(S3Storage(BUCKET, "one-more", server.endpoint_url)) as more,
    ):
        one.put("a", b"x", media_type="text/plain")
        more.put("b", b"x", media_type="text/plain")
        assert list(one.list()) == ["a"]
        one.delete_prefix("a")
        assert list(more.list()) == ["b"]


def test_a_wrong_secret_is_one_sentence(nanio_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret-than-the-server-has")
    with (
        closing_client(S3Storage(BUCKET, "", nanio_server.endpoint_url)) as storage,
        pytest.raises(StorageError, match=r"refuses our access to the bucket 'terroir-test' \(SignatureDoesNotMatch\)"),
    ):
        storage.check()


def test_a_missing_bucket_is_named(server: Server) -> None:
    with (
        closing_client(S3Storage("nobody-made-this", "", server.endpoint_url)) as storage,
        pytest.raises(
            StorageError, match="There is no bucket 'nobody-made-this'; make it, or mend TERROIR_STORAGE_URL"
        ),
    ):
        storage.check()


def test_missing_keys_are_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with (
        closing_client(S3Storage(BUCKET, "", server.endpoint_url)) as storage,
        pytest.raises(StorageError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ):
        storage.check()


def test_a_store_that_is_away_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with (
        closing_client(S3Storage(BUCKET, "", address)) as storage,
        pytest.raises(
            StorageError, match=r"can't be reached \(EndpointConnectionError\); check TERROIR_S3_ENDPOINT_URL"
        ),
    ):
        storage.get("a")


def test_a_store_that_is_busy_is_asked_again() -> None:
    busy = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    fine = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "e"\r\nConnection: close\r\n\r\nhello'
    with answering(busy, fine) as (address, asked), closing_client(S3Storage(BUCKET, "", address)) as storage:
        assert storage.get("a") == b"hello"
        assert len(asked) == 2


@pytest.mark.parametrize(
    "read",
    [
        lambda storage: storage.get("a"),
        lambda storage: storage.open("a").read(),
        lambda storage: hashlib.file_digest(storage.open("a"), "sha256"),
    ],
    ids=["whole", "stream", "digest"],
)
def test_a_file_that_breaks_off_is_an_error_not_a_short_file(read: Callable[[S3Storage], object]) -> None:
    cut = b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\nETag: "e"\r\nConnection: close\r\n\r\nonly this much'
    with (
        answering(cut) as (address, _),
        closing_client(S3Storage(BUCKET, "", address)) as storage,
        pytest.raises(StorageError, match="can't be reached"),
    ):
        read(storage)


def test_no_upload_is_left_open_when_the_source_fails(server: Server) -> None:
    with closing_client(S3Storage(BUCKET, "broken", server.endpoint_url)) as storage:
        with pytest.raises(OSError, match="the disk is gone"):
            storage.put("big", Failing(), media_type="text/plain")  # type: ignore[arg-type]
        assert not storage.exists("big")
        assert not storage.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


class Failing:
    """A stream of 40 MiB whose source fails after half of it."""

    def __init__(self) -> None:
        self.given = 0

    def read(self, size: int) -> bytes:
        if self.given > 20 * 2**20:
            raise OSError("the disk is gone")
        self.given += size
        return bytes(size)


@contextlib.contextmanager
def closing_client(storage: S3Storage) -> Iterator[S3Storage]:
    with closing(storage.client):
        yield storage


def test_the_tests_own_keys_are_the_only_ones(server: Server) -> None:
    credentials = boto3.Session().get_credentials()
    assert credentials is not None
    assert credentials.access_key == "AKIATERROIRTESTS"
