"""Storage in an S3 bucket, Amazon's or a compatible store's."""

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from boto3.s3.transfer import TransferConfig
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
from botocore.response import StreamingBody

from app.storage.base import (
    CHUNK_BYTES,
    PROBE,
    PROBE_KEY,
    InvalidKey,
    MissingObject,
    Stat,
    StorageError,
    checked_key,
    checked_prefix,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_DELETE_BATCH = 1000  # the most keys DeleteObjects takes
_MISSING = {"404", "NoSuchKey", "NotFound"}
_REFUSED = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}


class S3Storage:
    """A key lies at `prefix/key` in the bucket. Keys and region come from the usual AWS_* variables or files."""

    def __init__(self, bucket: str, prefix: str = "", endpoint_url: str | None = None) -> None:
        self.bucket = bucket
        self.prefix = checked_prefix(prefix)
        config = Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=64,  # more than the threads of one server process that may ask at once
            s3={"addressing_style": "path" if endpoint_url else "auto"},
            # Compatible stores often know only the checksums that a request requires.
            request_checksum_calculation="when_required" if endpoint_url else "when_supported",
            response_checksum_validation="when_required" if endpoint_url else "when_supported",
        )
        # A session of our own: boto3's default one isn't safe to make clients from in several threads. Clients are.
        session = Session()
        with _situations(self.bucket, ""):
            self.client = session.client(
                "s3", endpoint_url=endpoint_url, region_name=session.region_name or "us-east-1", config=config
            )
        self._transfer = TransferConfig(multipart_threshold=16 * 2**20, multipart_chunksize=16 * 2**20)

    def put(self, key: str, data: bytes | BinaryIO, *, media_type: str) -> None:
        name = self._name(key)
        with _situations(self.bucket, key):
            if isinstance(data, bytes):
                self.client.put_object(Bucket=self.bucket, Key=name, Body=data, ContentType=media_type)
            else:
                # In several parts if it is large. Nothing appears under the key before the last one is there.
                extra = {"ContentType": media_type}
                self.client.upload_fileobj(data, self.bucket, name, ExtraArgs=extra, Config=self._transfer)

    def put_file(self, key: str, path: Path, media_type: str) -> None:
        with path.open("rb") as file:
            self.put(key, file, media_type=media_type)

    def get(self, key: str) -> bytes:
        with _situations(self.bucket, key), closing(self._body(key)) as body:
            return body.read()

    def open(self, key: str) -> io.BufferedReader:
        raw = _Stream(self.bucket, key, self._body(key))
        return io.BufferedReader(raw, CHUNK_BYTES)

    def read_range(self, key: str, start: int, end: int | None = None) -> Iterator[bytes]:
        # Clamped first: stores differ in what they answer to a range that leaves the file.
        stat = self.stat(key)
        if stat is None:
            raise MissingObject(key)
        end = stat.size if end is None else min(end, stat.size)
        if start >= end:
            return iter(())
        with _situations(self.bucket, key):
            name, wanted = self._name(key), f"bytes={start}-{end - 1}"
            return self._chunks(key, self.client.get_object(Bucket=self.bucket, Key=name, Range=wanted)["Body"])

    def stat(self, key: str) -> Stat | None:
        try:
            with _situations(self.bucket, key):
                head = self.client.head_object(Bucket=self.bucket, Key=self._name(key))
        except MissingObject:
            return None
        etag = head.get("ETag")  # a file that reached the store by another way than S3 may have none
        return Stat(head["ContentLength"], etag.strip('"') if etag else None)

    def exists(self, key: str) -> bool:
        return self.stat(key) is not None

    def list(self, prefix: str = "") -> Iterator[str]:
        start = self.prefix + checked_prefix(prefix)
        found = []
        with _situations(self.bucket, prefix):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=start)
            for page in pages:
                found += [entry["Key"].removeprefix(self.prefix) for entry in page.get("Contents", ())]
        return iter(sorted(found))  # not every store keeps Amazon's order

    def delete(self, key: str) -> None:
        with _situations(self.bucket, key):
            self.client.delete_object(Bucket=self.bucket, Key=self._name(key))

    def delete_prefix(self, prefix: str) -> None:
        if not prefix:
            raise InvalidKey(prefix, "it would remove everything")
        names = [self.prefix + key for key in self.list(prefix)]
        for start in range(0, len(names), _DELETE_BATCH):
            batch = names[start : start + _DELETE_BATCH]
            with _situations(self.bucket, prefix):
                answer = self.client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": [{"Key": name} for name in batch], "Quiet": True}
                )
            if failed := answer.get("Errors"):
                raise StorageError(
                    f"The bucket {self.bucket!r} kept {len(failed)} files below {prefix!r}: {failed[0].get('Message')}."
                )

    def check(self) -> None:
        self.put(PROBE_KEY, PROBE, media_type="text/plain")
        if self.get(PROBE_KEY) != PROBE:
            raise StorageError(f"The bucket {self.bucket!r} gives back other bytes than were written.")

    def local_path(self, key: str) -> Path | None:
        checked_key(key)
        return None

    def _name(self, key: str) -> str:
        return self.prefix + checked_key(key)

    def _body(self, key: str) -> StreamingBody:
        with _situations(self.bucket, key):
            return self.client.get_object(Bucket=self.bucket, Key=self._name(key))["Body"]

    def _chunks(self, key: str, body: StreamingBody) -> Iterator[bytes]:
        with _situations(self.bucket, key), closing(body):
            yield from body.iter_chunks(CHUNK_BYTES)


class _Stream(io.RawIOBase):
    """A body as an ordinary file whose errors are ours; cut short, it fails instead of ending early."""

    def __init__(self, bucket: str, key: str, body: StreamingBody) -> None:
        self._bucket, self._key, self._body = bucket, key, body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        with _situations(self._bucket, self._key):
            return self._body.readinto(buffer)  # type: ignore[arg-type]  # the stubs say IO

    def close(self) -> None:
        self._body.close()
        super().close()


@contextmanager
def _situations(bucket: str, key: str) -> Iterator[None]:
    """Turns what the store or the network answers into sentences."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code in _MISSING:
            raise MissingObject(key) from error
        if code == "NoSuchBucket":
            message = f"There is no bucket {bucket!r}; make it, or mend TERROIR_STORAGE_URL."
        elif code in _REFUSED:
            message = (
                f"The store refuses our access to the bucket {bucket!r} ({code}); "
                "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy."
            )
        else:
            message = f"The bucket {bucket!r} failed at {key!r} ({code}); try again, then look at its logs."
        raise StorageError(message) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StorageError(
            f"No keys for the bucket {bucket!r}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from error
    except BotoCoreError as error:
        raise StorageError(
            f"The bucket {bucket!r} can't be reached ({type(error).__name__}); "
            "check TERROIR_S3_ENDPOINT_URL and that the store runs."
        ) from error
