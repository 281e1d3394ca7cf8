"""What every request passes first, and what becomes of those that fail on the way."""

import json
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import Session
from starlette.testclient import TestClient

from app.accounts.access import COOKIE
from app.accounts.models import Role
from app.db import make_engine
from app.main import create_app
from app.settings import Settings
from app.web.session import SessionDep
from tests.conftest import SignIn, app_within, open_browser
from tests.factories import make_account, make_campaign

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=2"


@pytest.fixture
def broken(session: Session, settings: Settings) -> Iterator[TestClient]:
    """A browser of an application with a fault at /boom and /api/v1/boom."""
    app = app_within(session, settings, create_app(settings, session.get_bind().engine))

    @app.get("/boom")
    @app.get("/api/v1/boom")
    def boom() -> None:
        raise RuntimeError("secret inner words")

    with TestClient(app, raise_server_exceptions=False, headers={"accept": "text/html"}) as client:
        yield client


@pytest.mark.parametrize(
    ("address", "media_type"), [("/boom", "text/html; charset=utf-8"), ("/api/v1/boom", "application/problem+json")]
)
def test_a_fault_of_ours_keeps_every_header_and_tells_only_its_number(
    broken: TestClient, caplog: pytest.LogCaptureFixture, address: str, media_type: str
) -> None:
    reply = broken.get(address)
    assert reply.status_code == 500
    assert reply.headers["content-type"] == media_type
    assert reply.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-request-id"] in reply.text
    assert "secret inner words" not in reply.text
    assert reply.headers["x-request-id"] in caplog.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://testserver.evil.example"},
        {"sec-fetch-site": "cross-site", "origin": "http://testserver"},
    ],
)
def test_no_verb_is_taken_from_another_site(
    session: Session, app: FastAPI, method: str, headers: dict[str, str]
) -> None:
    client = open_browser(app, make_account(session, Role.ADMIN))
    del client.headers["sec-fetch-site"]
    for address in ("/sign-out", "/people/invites", "/api/v1/releases", "/no/such/page"):
        reply = client.request(method, address, headers=headers)
        assert reply.status_code == 403, address
        assert "another site" in reply.text


def test_a_person_is_told_on_a_page_and_a_program_in_json(browse: SignIn) -> None:
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert browse().post("/sign-in", headers=elsewhere).text.startswith("<!doctype html>")
    program = browse().post("/api/v1/releases", headers=elsewhere)
    assert program.headers["content-type"] == "application/problem+json"
    assert program.json()["type"] == "/problems/cross-site"


@pytest.mark.parametrize("name", ["x-http-method-override", "x-method-override", "x-http-method"])
def test_a_header_does_not_turn_a_get_into_another_verb(session: Session, browse: SignIn, name: str) -> None:
    account = make_account(session)
    assert browse(account).get("/sign-out-everywhere", headers={name: "POST"}).status_code == 405
    assert browse(account).get("/sign-out-everywhere?_method=POST").status_code == 405
    assert account.session_epoch == 0


def test_json_under_another_name_is_not_taken_for_json(session: Session, browse: SignIn) -> None:
    """A form on another site can send text/plain without asking first."""
    client = browse(make_account(session, Role.ADMIN))
    campaign = make_campaign(session)
    body = json.dumps({"campaign": campaign.slug, "version": "1.0.0"})
    assert client.post("/api/v1/releases", content=body, headers={"content-type": "text/plain"}).status_code == 422
    as_json = {"content-type": "application/json"}
    assert client.post("/api/v1/releases", content=body, headers=as_json).status_code == 202


FORWARDED = {
    "host": "evil.example",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "gopher",
    "forwarded": "host=evil.example",
    "x-original-url": "/people",
    "x-rewrite-url": "/people",
}


def test_a_made_up_host_moves_nobody_away_and_opens_nothing(session: Session, browse: SignIn) -> None:
    client = browse(make_account(session))
    for address in ("/", "/judge", "/account"):
        reply = client.get(address, headers=FORWARDED)
        assert "evil.example" not in reply.headers.get("location", "")
        assert "evil.example" not in reply.text
    assert client.get("/people", headers=FORWARDED).status_code == 403


def test_an_invitation_leads_to_the_address_the_operator_set(
    session: Session, settings: Settings, app: FastAPI
) -> None:
    app.state.settings = settings.model_copy(update={"public_url": "https://terroir.example.org"})
    client = open_browser(app, make_account(session, Role.ADMIN))
    page = client.post("/people/invites", data={"role": "annotator"}, headers={"host": "evil.example"}).text
    assert "https://terroir.example.org/invites/inv_" in page
    assert "evil.example" not in page


def test_what_is_private_is_kept_by_no_cache(session: Session, browse: SignIn) -> None:
    admin = browse(make_account(session, Role.ADMIN))
    slug = make_campaign(session).slug
    for address in (
        "/campaigns",
        f"/campaigns/{slug}",
        "/people",
        "/account",
        "/releases",
        f"/api/v1/campaigns/{slug}",
    ):
        assert admin.get(address).headers["cache-control"] == "no-store", address
    assert browse().get("/sign-in").headers["cache-control"] == "no-store"


def test_a_refused_verb_names_those_that_can_be_used(call: SignIn) -> None:
    reply = call().patch("/api/v1/releases")
    assert reply.status_code == 405
    assert reply.headers["content-type"] == "application/problem+json"
    assert "GET" in reply.headers["allow"] or "POST" in reply.headers["allow"]


def test_a_401_says_how_to_sign_in(call: SignIn) -> None:
    reply = call().get("/api/v1/releases")
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"


def test_a_form_sent_after_signing_out_says_what_to_do(browse: SignIn) -> None:
    reply = browse().post("/judge/sample", data={"action": "confirm", "note": "So it is."})
    assert reply.status_code == 401
    assert "You have been signed out" in reply.text
    assert "what you wrote is still there" in reply.text
    assert re.search(r'<a class="button" href="/sign-in" target="_blank">', reply.text)


@pytest.mark.parametrize("address", ["/api/v1/nothing", "/api/nothing", "/api/v2/releases"])
def test_what_is_not_there_is_a_problem_document(call: SignIn, address: str) -> None:
    reply = call().get(address)
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"] == "/problems/not-found"


def test_an_address_with_a_mistyped_id_is_not_found(browse: SignIn, call: SignIn, session: Session) -> None:
    admin = make_account(session, Role.ADMIN)
    page = browse(admin).get("/jobs/nonsense", headers={"accept": "text/html"})
    assert (page.status_code, "There is nothing at this address" in page.text) == (404, True)
    assert "UUID" not in page.text
    assert call(admin).get("/jobs/nonsense", headers={"accept": "application/json"}).status_code == 422  # says why


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer nonsense", "Basic YTpi", "Bearer \xff", "x" * 5000])
def test_a_wrong_token_is_said_and_leads_in_no_circle(browse: SignIn, authorization: str) -> None:
    for address in ("/sign-in", "/campaigns"):
        reply = browse().get(address, headers={b"authorization": authorization.encode("latin-1")})
        assert reply.status_code == 401, address


@pytest.mark.parametrize(
    "cookie",
    [
        f"{COOKIE}=\xff\xfe",
        f"{COOKIE}=" + "a." * 5000,
        f"{COOKIE}=W10.a.b",
        "=;;;=",
        COOKIE,
        "terroir_flash=" + quote("[" * 20_000),
        "terroir_flash=" + quote('[["done", "\\ud800"]]'),
        "terroir_flash=" + quote("[[1, 2, 3]]"),
        "terroir_flash=" + quote('{"ab": 1}'),
        "terroir_flash=" + "9" * 5000,
    ],
)
def test_no_cookie_breaks_a_page(browse: SignIn, cookie: str) -> None:
    reply = browse().get("/sign-in", headers={b"cookie": cookie.encode("latin-1")})
    assert reply.status_code == 200


def test_what_a_flash_cookie_says_is_text(browse: SignIn) -> None:
    flash = quote(json.dumps([['done"><script>', "<img src=x onerror=alert(1)>"]]))
    page = browse().get("/sign-in", headers={"cookie": f"terroir_flash={flash}"}).text
    assert "<script>" not in page
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_without_a_database_each_answer_says_so(settings: Settings) -> None:
    engine = make_engine(NOWHERE)
    app = create_app(settings, engine)
    with TestClient(app, follow_redirects=False) as client:
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["database"] == "does not answer"
        assert ready.json()["storage"] == "ok"
        assert client.get("/healthz").status_code == 200
        token = {"authorization": "Bearer trr_x"}
        program = client.get("/api/v1/releases", headers=token)
        assert program.status_code == 503
        assert program.json()["detail"].startswith("The database does not answer")
        page = client.get("/campaigns", headers=token | {"accept": "text/html"})
        assert page.status_code == 503
        assert "nothing was saved" in page.text
    engine.dispose()


def test_when_no_connection_comes_free_the_answer_is_to_try_again(settings: Settings, fresh_url: str) -> None:
    engine = make_engine(fresh_url)
    held = [engine.connect() for _ in range(engine.pool.size() + engine.pool._max_overflow)]  # type: ignore[attr-defined]
    engine.pool._timeout = 0.1  # type: ignore[attr-defined]
    try:
        with TestClient(create_app(settings, engine)) as client:
            reply = client.get("/api/v1/releases", headers={"authorization": "Bearer trr_x"})
            assert reply.status_code == 503
            assert "busy" in reply.json()["detail"]
    finally:
        for connection in held:
            connection.close()
        engine.dispose()


def test_the_log_of_a_database_s_fault_holds_no_values(
    fresh_engine: sa.Engine, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor can a value with line breaks in it write lines of its own there."""
    app = create_app(settings, fresh_engine)

    @app.get("/boom")
    def boom(session: SessionDep, email: str) -> None:
        session.execute(sa.text("SELECT no_such(:email)"), {"email": email})

    with TestClient(app) as client:
        assert client.get("/boom", params={"email": "ana@example.org\nERROR"}).status_code == 500
    assert "no_such" in caplog.text
    assert "ana@example.org" not in caplog.text


def test_who_comes_second_to_something_unique_is_told_so(fresh_engine: sa.Engine, settings: Settings) -> None:
    """As when two people accept two invitations under one address at the same moment."""
    app = create_app(settings, fresh_engine)

    @app.post("/api/v1/twice")
    def twice(session: SessionDep) -> None:
        make_account(session, email="ana@example.org")
        make_account(session, email="ana@example.org")

    with TestClient(app) as client:
        reply = client.post("/api/v1/twice")
    assert reply.status_code == 409
    assert reply.json()["type"] == "/problems/conflict"
    assert "nothing was saved" in reply.json()["detail"]
