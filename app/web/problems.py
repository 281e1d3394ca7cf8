"""One place where a situation becomes an answer: problem+json for programs, a page or a fragment for people."""

import logging
from typing import Any
from urllib.parse import urlencode

import psycopg.errors
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.errors import NotSignedIn, Sentence, TerroirError
from app.web.i18n import spoken, translated
from app.web.render import render

logger = logging.getLogger(__name__)

SENTENCES = {
    404: (
        "not-found",
        Sentence("Not found"),
        Sentence("There is nothing at this address; check it or go back to the start page."),
    ),
    413: ("too-large", Sentence("Too large"), Sentence("The request went on past its limit; send less at a time.")),
    405: (
        "method-not-allowed",
        Sentence("Not possible here"),
        Sentence("This address does not take that kind of request."),
    ),
}


def add_problem_handlers(app: FastAPI) -> None:
    """All but the last resort, `unexpected`, which `guard` calls."""
    app.add_exception_handler(TerroirError, situation)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(UnicodeEncodeError, _unstorable)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(PoolTimeout, _busy)


def problem(
    request: Request, status: int, type_: str, title: str, detail: str, fields: dict[str, str] | None = None
) -> Response:
    if wants_json(request):
        body: dict[str, Any] = {
            "type": f"/problems/{type_}", "title": translated(title), "status": status, "detail": translated(detail)
        }  # fmt: skip
        if fields:
            body["errors"] = [{"field": name, "message": translated(text)} for name, text in fields.items()]
        headers = {"content-language": spoken()}
        return JSONResponse(body, status, headers, media_type="application/problem+json")
    way_on: tuple[str, str] | None = (Sentence("Start page"), "/") if status in (403, 404, 410) else None
    if status == 401 and "authorization" not in request.headers:  # a form: who opens a page is sent to sign in
        title, way_on = Sentence("You have been signed out"), (Sentence("Sign in again"), _sign_in(request))
        detail = Sentence(
            "Nothing was saved. Sign in again, then come back to this tab and go back one page: "
            "what you wrote is still there."
        )
    return render(
        request,
        "errors/error.html",
        part="errors/_error.html",
        status=status,
        title=title,
        message=detail,
        fields=fields or {},
        way_on=way_on,
    )


def wants_json(request: Request) -> bool:
    path = request.url.path
    return path.startswith("/api/") or "application/json" in request.headers.get("accept", "")


def _sign_in(request: Request) -> str:
    return str(request.app.url_path_for("accounts:sign_in"))


def _is_page_visit(request: Request) -> bool:
    """Somebody at a browser. A program whose token is wrong must hear so; signing in would not mend it."""
    is_program = wants_json(request) or "authorization" in request.headers
    return request.method == "GET" and not is_program and "hx-request" not in request.headers


def situation(request: Request, error: Exception) -> Response:
    assert isinstance(error, TerroirError)
    if isinstance(error, NotSignedIn) and _is_page_visit(request):
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{_sign_in(request)}?{urlencode({'next': back})}", 303)
    if error.status >= 500:
        logger.error("%s: %s", error.type, error.message)
    response = problem(request, error.status, error.type, error.title, error.message, error.fields)
    if error.status == 401:
        response.headers["www-authenticate"] = "Bearer"  # RFC 9110 wants a 401 to say how
    return response


def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if not wants_json(request) and all(fault["loc"][0] == "path" for fault in error.errors()):
        return problem(request, 404, *SENTENCES[404])  # a mistyped address; its parts' names say nothing to people
    fields: dict[str, str] = {}
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0])
        fields.setdefault(place, _sentence(fault))
    first = next(iter(fields))
    detail = f"{first}: {fields[first]}"
    if len(fields) > 1:
        detail += f" ({len(fields) - 1} more in “errors”.)"
    return problem(request, 422, "invalid", Sentence("Some of this can't be accepted"), detail, fields)


def _sentence(fault: dict[str, Any]) -> str:
    """pydantic's words are good; what a person typed is not repeated."""
    message = str(fault["msg"]).removeprefix("Value error, ")
    return message if message.endswith(".") else message + "."


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    type_, title, detail = SENTENCES.get(
        error.status_code,
        ("bad-request", Sentence("This request can't be carried out"), f"{error.detail}.".replace("..", ".")),
    )
    response = problem(request, error.status_code, type_, title, detail)
    response.headers.update(error.headers or {})  # a 405 says in Allow what can be done
    return response


def _unstorable(request: Request, error: Exception) -> Response:
    detail = Sentence(
        "A text holds characters that can't be stored (half of a surrogate pair); remove them and send it again."
    )
    return problem(request, 422, "invalid", Sentence("Some of this can't be accepted"), detail)


def _database(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    if isinstance(error.orig, psycopg.DataError):
        detail = Sentence(
            "A value can't be stored (too long, too large, or with a NUL character); mend it and send it again."
        )
        return problem(request, 422, "invalid", Sentence("Some of this can't be accepted"), detail)
    if isinstance(error.orig, psycopg.errors.UniqueViolation):
        detail = Sentence(
            "Somebody did the same at the same moment, so nothing was saved; look again before you repeat it."
        )
        return problem(request, 409, "conflict", Sentence("This no longer fits"), detail)
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("the database does not answer: %s", error.orig)
        detail = Sentence("The database does not answer at the moment; nothing was saved. Please try again shortly.")
        return problem(request, 503, "unavailable", Sentence("Not available right now"), detail)
    return unexpected(request, error)


def _busy(request: Request, error: Exception) -> Response:
    logger.error("no connection to the database came free: %s", error)
    detail = Sentence("The server is busy at the moment; nothing was saved. Please try again shortly.")
    return problem(request, 503, "unavailable", Sentence("Not available right now"), detail)


def unexpected(request: Request, error: Exception) -> Response:
    """A fault of ours: the log has the whole of it under the number that the answer gives."""
    request_id = getattr(request.state, "request_id", "unknown")
    logger.error("request %s failed", request_id, exc_info=error)
    detail = Sentence(
        "Something broke on our side and nothing was saved. Tell your admin this number: {id}.", id=request_id
    )
    return problem(request, 500, "internal", Sentence("Something broke"), detail)
