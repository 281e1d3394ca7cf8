"""What every request passes first: a request id, size limits, the cross-site check and security headers.

Plain ASGI: it adds no task and no thread to a request.
"""

import re
import uuid
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Forbidden, Sentence, TerroirError, TooLarge
from app.web import i18n
from app.web.problems import situation, unexpected

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


class CrossSite(Forbidden):
    type = "cross-site"
    title = Sentence("This came from another site")


class Guard:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(raw=scope["headers"])
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        _speak(Request(scope))

        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                out = MutableHeaders(raw=message.setdefault("headers", []))
                out["x-request-id"] = request_id
                out.setdefault("content-security-policy", POLICY)
                for name, value in SECURITY_HEADERS:
                    out.setdefault(name, value)
                out.setdefault("cache-control", "no-store")
            await send(message)

        limit = UPLOAD_LIMIT if UPLOAD_PATH.fullmatch(scope["path"]) else BODY_LIMIT
        try:
            refusal = _refusal(scope, headers, limit)
            if refusal is not None:
                await situation(Request(scope), refusal)(scope, receive, send_with_headers)
            else:
                await self.app(scope, _bounded(receive, limit), send_with_headers)
        except Exception as error:
            # Answered here and not by starlette's outermost layer, whose answer would lack the headers above.
            if not has_begun:
                await unexpected(Request(scope), error)(scope, receive, send_with_headers)
            raise


def _speak(request: Request) -> None:
    """The language until it is known who asks. Programs, which send a token, are answered in English."""
    i18n.speak(i18n.ENGLISH)
    if "authorization" not in request.headers:
        i18n.speak(i18n.asked_for(request.headers.get("accept-language", "")))
        i18n.speak(request.cookies.get(i18n.COOKIE))


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


def _refusal(scope: Scope, headers: Headers, limit: int) -> TerroirError | None:
    decoded = unquote_to_bytes(scope.get("query_string", b"")) + scope["path"].encode("utf-8", "surrogatepass")
    try:
        if "\0" in decoded.decode("utf-8"):
            raise ValueError
    except ValueError:
        return TerroirError(Sentence("The address has characters that no address of ours has; check it."))
    if scope["method"] not in SAFE_METHODS and _is_cross_site(headers):
        return CrossSite(Sentence("This request came from another site; open Terroir itself and try again there."))
    length = headers.get("content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        return TooLarge(Sentence("The request is larger than {limit} bytes; send less.", limit=limit))
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
