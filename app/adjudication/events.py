"""Server-sent events: what is said of a campaign whenever it changes, read as seldom as possible."""

import json
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import anyio
import anyio.to_thread
from starlette.responses import StreamingResponse

from app.errors import NotFound, TooMany

POLL_SECONDS = 2.0
LOOK_UP_SECONDS = 0.25
"""How often a waiting stream looks whether the server is about to stop."""
KEEP_ALIVE_SECONDS = 15.0
"""A comment now and then: proxies keep the connection, and a client that has gone is noticed."""
MAX_STREAMS = 100

_latest: dict[Hashable, tuple[float, str]] = {}
_reading: dict[Hashable, anyio.Lock] = {}
_open = 0
_is_stopping = False


@contextmanager
def streams_end_with_the_server() -> Iterator[None]:
    """While it lasts, a signal to stop also ends every stream, which the server would else wait for in vain.

    The server's own handlers stand already when the application starts; they are called as before.
    """
    global _is_stopping
    _is_stopping = False
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's alone
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        global _is_stopping
        _is_stopping = True
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number, handler in before.items():
        if callable(handler):
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def require_place() -> None:
    """Raises TooMany when this process has streams enough."""
    if _open >= MAX_STREAMS:
        raise TooMany("Too many programs follow progress here; ask GET /api/v1/campaigns/{slug} now and then instead.")


def stream(
    key: Hashable, read: Callable[[], dict[str, Any]], *, event: str = "progress", every: float | None = None
) -> StreamingResponse:
    """`progress_events` as a response that no proxy keeps back."""
    return StreamingResponse(
        progress_events(key, read, event=event, every=every),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def progress_events(
    key: Hashable, read: Callable[[], dict[str, Any]], *, event: str = "progress", every: float | None = None
) -> AsyncIterator[str]:
    """The stream's text. `read` is called in a thread, and its short transaction is over before anybody waits.

    However many streams a process has, it reads what goes by one `key`, such as a campaign's id, at most once in
    `every` seconds, two unless said. The stream ends when the client goes, the server stops or the campaign is no more.
    """
    global _open
    _open += 1
    pause = POLL_SECONDS if every is None else every
    sent, sent_at = "", 0.0
    try:
        while not _is_stopping:
            try:
                found = await _read_once(key, read, pause)
            except NotFound:
                return
            if found != sent:
                yield f"event: {event}\ndata: {found}\n\n"
                sent, sent_at = found, time.monotonic()
            elif time.monotonic() - sent_at > KEEP_ALIVE_SECONDS:
                yield ": still here\n\n"
                sent_at = time.monotonic()
            await _pause(pause)
    finally:
        _open -= 1


async def _pause(seconds: float) -> None:
    until = time.monotonic() + seconds
    while not _is_stopping and (left := until - time.monotonic()) > 0:
        await anyio.sleep(min(left, LOOK_UP_SECONDS))


async def _read_once(key: Hashable, read: Callable[[], dict[str, Any]], fresh: float) -> str:
    """What was read less than `fresh` seconds ago, or what is read now, once for all who wait."""
    async with _reading.setdefault(key, anyio.Lock()):
        read_at, found = _latest.get(key, (0.0, ""))
        if not found or time.monotonic() - read_at >= fresh:
            found = json.dumps(await anyio.to_thread.run_sync(read), separators=(",", ":"))
            _latest[key] = (time.monotonic(), found)
        return found
