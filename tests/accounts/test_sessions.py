"""What a session's cookie lets a browser do, and for how long."""

from http.cookies import SimpleCookie

import pytest
from fastapi import FastAPI
from sqlmodel import Session
from starlette.testclient import TestClient

from app.accounts import access
from app.accounts.access import COOKIE, Keys
from app.accounts.models import Account
from app.accounts.passwords import hash_password
from app.accounts.service import issue_token
from app.settings import Settings
from tests.conftest import SignIn, open_browser
from tests.factories import make_account

PASSWORD = "a long enough word"


@pytest.fixture
def ana(session: Session) -> Account:
    return make_account(session, password_hash=hash_password(PASSWORD))


def sign_in(client: TestClient, ana: Account) -> SimpleCookie:
    reply = client.post("/sign-in", data={"email": ana.email, "password": PASSWORD})
    assert reply.status_code == 303
    return SimpleCookie(reply.headers["set-cookie"])


@pytest.mark.parametrize(("public_url", "is_secure"), [(None, False), ("https://terroir.example.org", True)])
def test_no_script_and_no_other_site_gets_the_cookie(
    app: FastAPI, settings: Settings, ana: Account, public_url: str | None, is_secure: bool
) -> None:
    app.state.keys = Keys(settings.model_copy(update={"public_url": public_url}))
    cookie = sign_in(open_browser(app), ana)[COOKIE]
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "lax"
    assert cookie["path"] == "/"
    assert cookie["domain"] == ""
    assert int(cookie["max-age"]) == access.SESSION_SECONDS
    assert bool(cookie["secure"]) is is_secure


def test_a_session_ends_by_itself(monkeypatch: pytest.MonkeyPatch, browse: SignIn, ana: Account) -> None:
    client = browse(ana)
    assert client.get("/account").status_code == 200
    monkeypatch.setattr(access, "SESSION_SECONDS", -1)
    assert client.get("/account").status_code == 303


def test_a_cookie_brought_along_is_not_the_session_one_gets(browse: SignIn, ana: Account, session: Session) -> None:
    """Somebody who plants a cookie before signing in knows nothing of the session after it."""
    stranger = make_account(session)
    client = browse(stranger)
    planted = client.cookies[COOKIE]
    given = sign_in(client, ana)[COOKIE].value
    assert given != planted
    client.cookies.clear()
    client.cookies.set(COOKIE, given)
    assert ana.email in client.get("/account").text


def test_a_sign_in_link_is_no_session_and_a_session_no_link(app: FastAPI, browse: SignIn, ana: Account) -> None:
    link = app.state.keys.link_for(ana)
    client = browse()
    client.cookies.set(COOKIE, link)
    assert client.get("/account").status_code == 303
    assert browse().get(f"/sign-in/link/{browse(ana).cookies[COOKIE]}").status_code == 410


def test_another_installation_s_key_signs_nothing_here(
    app: FastAPI, settings: Settings, browse: SignIn, ana: Account
) -> None:
    other = Keys(settings.model_copy(update={"secret_key": "k" * 48}))
    assert browse().get(f"/sign-in/link/{other.link_for(ana)}").status_code == 410
    assert browse().get(f"/sign-in/link/{app.state.keys.link_for(ana)}").status_code == 303


def test_signing_out_everywhere_ends_sessions_and_leaves_tokens(
    session: Session, browse: SignIn, call: SignIn, ana: Account
) -> None:
    """Tokens are programs' and are revoked one by one; a bulk job does not stop because a laptop was left behind."""
    secret = issue_token(session, ana).secret
    client = browse(ana)
    assert client.post("/sign-out-everywhere").status_code == 303
    assert browse(ana).get("/account").status_code == 200, "a new session"
    program = call()
    program.headers["authorization"] = f"Bearer {secret}"
    assert program.get("/api/v1/releases").status_code == 403, "known, only of another role"


def test_a_closed_account_s_token_and_session_end_at_once_and_look_like_any_wrong_one(
    session: Session, browse: SignIn, call: SignIn, ana: Account
) -> None:
    client, program = browse(ana), call(ana)
    ana.is_active = False
    session.flush()
    assert client.get("/account").status_code == 303
    closed = program.get("/api/v1/releases")
    program.headers["authorization"] = "Bearer trr_made-up"
    unknown = program.get("/api/v1/releases")
    assert (closed.status_code, closed.json()) == (unknown.status_code, unknown.json())
    assert closed.status_code == 401
