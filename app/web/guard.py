"""What every request passes first: a request id, size limits, the cross-site check and security headers.

Plain ASGI: it adds no task and no thread to a request.
"""

import json
import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_LIMIT = 1_000_000
UPLOAD_LIMIT = 2_000_000_000
UPLOAD_PATH = re.compile(r"/campaigns/[^/]+/import")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = (
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
)


class Guard:
    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(raw=scope["headers"])
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(raw=message.setdefault("headers", []))
                out["x-request-id"] = request_id
                out.setdefault("content-security-policy", POLICY)
                for name, value in SECURITY_HEADERS:
                    out.setdefault(name, value)
                out.setdefault("cache-control", "no-store")
            await send(message)

        refusal = _refusal(scope, headers)
        if refusal is not None:
            await _problem(send_with_headers, *refusal)
            return
        limit = UPLOAD_LIMIT if UPLOAD_PATH.fullmatch(scope["path"]) else BODY_LIMIT
        length = headers.get("content-length")
        if length is not None and length.isdigit() and int(length) > limit:
            await _problem(
                send_with_headers, 413, "too-large", f"The request is larger than {limit:,} bytes; send less."
            )
            return
        await self.app(scope, _bounded(receive, limit), send_with_headers)


class BodyTooLarge(HTTPException):
    """A body without a length that went on past the limit. An HTTPException, since FastAPI lets no other through."""

    def __init__(self) -> None:
        super().__init__(413)


def _bounded(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise BodyTooLarge
        return message

    return bounded


def _refusal(scope: Scope, headers: Headers) -> tuple[int, str, str] | None:
    decoded = unquote_to_bytes(scope.get("query_string", b"")) + scope["path"].encode("utf-8", "surrogatepass")
    try:
        if "\0" in decoded.decode("utf-8"):
            raise ValueError
    except ValueError:
        return 400, "bad-request", "The address has characters that no address of ours has; check it."
    if scope["method"] not in SAFE_METHODS and _is_cross_site(headers):
        return 403, "cross-site", "This request came from another site; open Terroir itself and try again there."
    return None


def _is_cross_site(headers: Headers) -> bool:
    """Browsers say where a request comes from; programs with a token say nothing and carry no cookie.

    As datasette does: by Sec-Fetch-Site where the browser sends it, else by Origin.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc != headers.get("host")


async def _problem(send: Send, status: int, type_: str, detail: str) -> None:
    body = json.dumps({"type": f"/problems/{type_}", "title": detail, "status": status, "detail": detail}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
