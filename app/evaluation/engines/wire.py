"""The HTTP client under the openai SDK: one host, bounded replies, a deadline for the whole of each, an end when told.

The SDK reads an error's body to its last byte, its time limits start anew with each packet, a call under way can't be
ended from another thread, and what the environment holds for OpenAI travels to whatever host is asked; here none of
that holds, and the key is known to nothing else.
"""

import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import SplitResult

import httpcore2
import httpx2

_SLICE_SECONDS = 0.25
"""How soon a call that waits for its server notices that it is to end."""
_CONNECT_SECONDS = 10.0
_WRITE_SECONDS = 10.0
_PIECE = 65_536
_HEADERS = {"host", "accept", "content-type", "content-length", "user-agent"}


class Stopped(httpcore2.NetworkError):
    """Whoever asked was told to end."""


class Limits(threading.local):
    """When the call of this very thread must be over, in `time.monotonic` seconds."""

    deadline = float("inf")


class Wire:
    """`client` for the SDK; `within` starts a call's clock, `stop` ends those under way within a second or so."""

    def __init__(self, address: SplitResult, key: str, connections: int, max_body: int) -> None:
        self._limits = Limits()
        self._stopped = threading.Event()
        backend = _Backend(self._limits, self._stopped)
        transport = _Transport(backend, key, _proxy_of(address), connections, max_body)
        timeout = httpx2.Timeout(_CONNECT_SECONDS)  # of connecting; the rest is `_Stream`'s
        self.client = httpx2.Client(transport=transport, timeout=timeout, follow_redirects=False)

    def within(self, seconds: float) -> None:
        self._limits.deadline = time.monotonic() + seconds

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self.client.close()


def _proxy_of(address: SplitResult) -> str | None:
    """As the environment says (HTTPS_PROXY, NO_PROXY): a client with a transport of its own does not look there."""
    if urllib.request.proxy_bypass(address.netloc):
        return None
    return urllib.request.getproxies().get(address.scheme)


class _Transport(httpx2.HTTPTransport):
    def __init__(self, backend: "_Backend", key: str, proxy: str | None, connections: int, max_body: int) -> None:
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        super().__init__(proxy=proxy, limits=limits)
        self._pool._network_backend = backend  # httpcore takes one, HTTPTransport does not pass it on
        self._authorization = [("Authorization", f"Bearer {key}")] if key else []
        self._max_body = max_body

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        # What the SDK found in the environment, or a server left as a cookie, is not for this host to see. And without
        # Accept-Encoding no honest server compresses; what comes compressed all the same is not blown up.
        headers = [pair for pair in request.headers.multi_items() if pair[0].lower() in _HEADERS]
        bare = httpx2.Request(
            request.method,
            request.url,
            headers=headers + self._authorization,
            stream=request.stream,
            extensions=request.extensions,
        )
        response = super().handle_request(bare)
        response.headers.pop("content-encoding", None)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Bounded(response.stream, self._max_body)
        return response


class _Bounded(httpx2.SyncByteStream):
    """Ends once `limit` bytes have been passed: the connection is then dropped with what is left unread in it."""

    def __init__(self, stream: httpx2.SyncByteStream, limit: int) -> None:
        self._stream, self._left = stream, limit

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            yield chunk[: self._left]
            self._left -= len(chunk)
            if self._left <= 0:
                return

    def close(self) -> None:
        self._stream.close()


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, limits: Limits, stopped: threading.Event) -> None:
        self._limits, self._stopped = limits, stopped
        self._inner = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        stream = self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream, self._limits, self._stopped)


class _Stream(httpcore2.NetworkStream):
    """Waits in slices, so that a server which sends a byte now and then, even of its headers, still meets the deadline,
    and a call that is to end does."""

    def __init__(self, inner: httpcore2.NetworkStream, limits: Limits, stopped: threading.Event) -> None:
        self._inner, self._limits, self._stopped = inner, limits, stopped

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while True:
            left = self._left(httpcore2.ReadTimeout)
            try:
                return self._inner.read(max_bytes, min(left, _SLICE_SECONDS))
            except httpcore2.ReadTimeout:
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE):
            left = self._left(httpcore2.WriteTimeout)
            self._inner.write(buffer[start : start + _PIECE], min(left, _WRITE_SECONDS))

    def _left(self, too_late: type[Exception]) -> float:
        if self._stopped.is_set():
            raise Stopped("the run was stopped")
        left = self._limits.deadline - time.monotonic()
        if left <= 0:
            raise too_late("the reply took too long")
        return left

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_Stream":
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._limits, self._stopped)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
