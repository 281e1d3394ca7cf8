"""Signing in, invitations, passwords and tokens, as people meet them."""

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.accounts import service
from app.accounts.access import COOKIE, Keys
from app.accounts.models import Account, Invite, Role, Token
from app.accounts.passwords import hash_password
from app.accounts.throttle import MAX_FAILURES, sign_in_throttle
from tests.conftest import SignIn
from tests.factories import make_account

PASSWORD = "tamarind and lime"


@pytest.fixture(autouse=True)
def _no_failures_from_other_tests() -> Iterator[None]:
    sign_in_throttle._failures.clear()
    yield
    sign_in_throttle._failures.clear()


@pytest.fixture
def ana(session: Session) -> Account:
    return make_account(session, email="ana@example.org", name="Ana", password_hash=hash_password(PASSWORD))


@pytest.fixture
def admin(session: Session) -> Account:
    return make_account(session, Role.ADMIN)


def sign_in(client: TestClient, password: str = PASSWORD, **more: str) -> int:
    return client.post("/sign-in", data={"email": "ana@example.org", "password": password} | more).status_code


def is_signed_in(client: TestClient) -> bool:
    return client.get("/account").status_code == 200


def test_the_right_password_signs_in(browse: SignIn, ana: Account) -> None:
    client = browse()
    reply = client.post("/sign-in", data={"email": " ANA@example.org", "password": PASSWORD, "next": "/account"})
    assert (reply.status_code, reply.headers["location"]) == (303, "/account")
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert is_signed_in(client)


@pytest.mark.parametrize("email", ["ana@example.org", "nobody@example.org", "no address", ""])
def test_a_wrong_one_says_nothing_of_who_has_an_account(browse: SignIn, ana: Account, email: str) -> None:
    client = browse()
    reply = client.post("/sign-in", data={"email": email, "password": "guess"})
    assert reply.status_code == 422
    assert "The e-mail address or the password is wrong." in reply.text
    assert not is_signed_in(client)


def test_guessing_is_slowed_down(browse: SignIn, ana: Account) -> None:
    client = browse()
    assert {sign_in(client, "guess") for _ in range(MAX_FAILURES)} == {422}
    assert sign_in(client) == 429
    assert not is_signed_in(client)


@pytest.mark.parametrize("next_", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_site(browse: SignIn, ana: Account, next_: str) -> None:
    data = {"email": "ana@example.org", "password": PASSWORD, "next": next_}
    assert browse().post("/sign-in", data=data).headers["location"] == "/"
    assert "evil.example" not in browse().get("/sign-in", params={"next": next_}).text


def test_who_is_sent_to_sign_in_comes_back(browse: SignIn) -> None:
    reply = browse().get("/campaigns/x/agreement?by=subtask")
    assert reply.headers["location"] == "/sign-in?next=%2Fcampaigns%2Fx%2Fagreement%3Fby%3Dsubtask"


def test_a_closed_account_is_out_at_once(session: Session, browse: SignIn, ana: Account, admin: Account) -> None:
    client = browse(ana)
    token = service.issue_token(session, ana).secret
    assert browse(admin).post(f"/people/{ana.id}/active", data={"is_active": "false"}).status_code == 303
    assert not is_signed_in(client)
    assert sign_in(browse()) == 422
    reply = browse().get("/api/v1/releases", headers={"authorization": f"Bearer {token}"})
    assert reply.status_code == 401


def test_the_list_offers_what_can_be_done_with_each_account(browse: SignIn, ana: Account, admin: Account) -> None:
    page = browse(admin).get("/people").text
    assert f'action="/people/{ana.id}/reset"' in page
    assert f'action="/people/{ana.id}/active"' in page
    assert f"/people/{admin.id}/" not in page


def test_who_lost_a_password_gets_a_link_and_sets_a_new_one(browse: SignIn, ana: Account, admin: Account) -> None:
    old = browse(ana)
    page = browse(admin).post(f"/people/{ana.id}/reset").text
    assert not is_signed_in(old)
    assert sign_in(browse()) == 422
    found = re.search(r"/sign-in/link/([^\"]+)", page)
    assert found is not None
    client = browse()
    assert client.get(found[0]).status_code == 303
    assert client.post("/account/password", data={"password": "cumin and coriander"}).status_code == 303
    assert sign_in(browse(), "cumin and coriander") == 303
    assert browse().get(found[0]).status_code == 410, "the link ends with the new password"


def test_a_closed_account_gets_no_link(session: Session, browse: SignIn, ana: Account, admin: Account) -> None:
    service.set_active(session, admin, ana.id, False)
    assert browse(admin).post(f"/people/{ana.id}/reset").status_code == 404


def test_an_admin_does_not_close_the_own_account(browse: SignIn, admin: Account) -> None:
    assert browse(admin).post(f"/people/{admin.id}/active", data={"is_active": "false"}).status_code == 409


def test_a_sign_in_link_works_until_signed_out_everywhere(app: FastAPI, browse: SignIn, ana: Account) -> None:
    keys: Keys = app.state.keys
    link = f"/sign-in/link/{keys.link_for(ana)}"
    client = browse()
    assert client.get(link).status_code == 303
    assert is_signed_in(client)
    client.post("/sign-out-everywhere")
    assert browse().get(link).status_code == 410


@pytest.mark.parametrize("link", ["nonsense", "WyJhIiwwXQ.x.y", "%00", "a" * 5000])
def test_a_made_up_link_is_gone(browse: SignIn, link: str) -> None:
    assert browse().get(f"/sign-in/link/{link}").status_code in (400, 410)


def test_a_forged_cookie_is_nobodys(browse: SignIn, ana: Account) -> None:
    client = browse(ana)
    good = client.cookies[COOKIE]
    client.cookies.clear()
    client.cookies.set(COOKIE, good[:-2] + ("AA" if not good.endswith("AA") else "BB"))
    assert not is_signed_in(client)


def test_signing_out_everywhere_ends_every_session(browse: SignIn, ana: Account) -> None:
    here, there = browse(ana), browse(ana)
    assert here.post("/sign-out-everywhere").headers["location"] == "/sign-in"
    assert (is_signed_in(here), is_signed_in(there)) == (False, False)


def test_signing_out_here_leaves_the_others(browse: SignIn, ana: Account) -> None:
    here, there = browse(), browse(ana)
    sign_in(here)
    assert is_signed_in(here)
    here.post("/sign-out")
    assert (is_signed_in(here), is_signed_in(there)) == (False, True)


def test_a_new_password_ends_the_other_sessions(browse: SignIn, ana: Account) -> None:
    here, there = browse(ana), browse(ana)
    reply = here.post("/account/password", data={"current": PASSWORD, "password": "cumin and clove"})
    assert reply.status_code == 303
    assert (is_signed_in(here), is_signed_in(there)) == (True, False)
    assert sign_in(browse()) == 422
    assert sign_in(browse(), "cumin and clove") == 303


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"current": "wrong", "password": "cumin and clove"}, "This is not your current password."),
        ({"current": PASSWORD, "password": "short"}, "Use 10 to 256 characters."),
        ({"current": PASSWORD, "password": ""}, "Use 10 to 256 characters."),
    ],
)
def test_a_password_that_cannot_be_is_said_beside_its_field(
    browse: SignIn, ana: Account, sent: dict[str, str], words: str
) -> None:
    reply = browse(ana).post("/account/password", data=sent)
    assert reply.status_code == 422
    assert words in reply.text
    assert 'aria-invalid="true"' in reply.text
    assert sign_in(browse()) == 303


def test_who_came_by_a_link_sets_a_first_password_without_an_old_one(session: Session, browse: SignIn) -> None:
    newcomer = make_account(session, email="ana@example.org")
    client = browse(newcomer)
    assert "Current password" not in client.get("/account").text
    assert client.post("/account/password", data={"password": PASSWORD}).status_code == 303
    assert sign_in(browse()) == 303


def test_a_token_is_shown_once_and_can_be_revoked(session: Session, browse: SignIn, admin: Account) -> None:
    client = browse(admin)
    page = client.post("/account/tokens", data={"label": "nightly", "days": "7"}).text
    secret = re.search(r"trr_[\w-]+", page)
    assert secret is not None
    bearer = {"authorization": f"Bearer {secret[0]}"}
    assert secret[0] not in client.get("/account").text
    assert browse().get("/api/v1/releases", headers=bearer).status_code == 200
    token = session.exec(select(Token)).one()
    assert secret[0] not in str(token)
    client.post(f"/account/tokens/{token.id}/revoke")
    assert browse().get("/api/v1/releases", headers=bearer).status_code == 401


def test_another_persons_token_looks_absent(session: Session, browse: SignIn, ana: Account, admin: Account) -> None:
    token = service.issue_token(session, ana)
    assert browse(admin).post(f"/account/tokens/{token.id}/revoke").status_code == 404


def test_a_token_lasts_a_sensible_time(browse: SignIn, ana: Account) -> None:
    reply = browse(ana).post("/account/tokens", data={"label": "x", "days": "0"})
    assert reply.status_code == 422
    assert "1 to 3,650" in reply.text


def invite_address(browse: SignIn, admin: Account, **data: str) -> str:
    page = browse(admin).post("/people/invites", data={"role": "researcher"} | data).text
    found = re.search(r"/invites/inv_[\w-]+", page)
    assert found is not None
    return found[0]


def test_an_invitation_makes_one_account_of_its_role(session: Session, browse: SignIn, admin: Account) -> None:
    address = invite_address(browse, admin)
    assert "You are invited as <b>researcher</b>" in browse().get(address).text
    form = {"email": "remy@example.org", "name": "Remy", "password": PASSWORD}
    client = browse()
    assert client.post(address, data=form).headers["location"] == "/"
    assert is_signed_in(client)
    remy = service.find(session, "remy@example.org")
    assert remy is not None
    assert remy.role is Role.RESEARCHER
    assert browse().post(address, data=form | {"email": "second@example.org"}).status_code == 410


def test_an_invitation_for_somebody_is_for_nobody_else(browse: SignIn, admin: Account) -> None:
    address = invite_address(browse, admin, email="remy@example.org")
    reply = browse().post(address, data={"email": "eve@example.org", "name": "Eve", "password": PASSWORD})
    assert reply.status_code == 422
    assert "Use remy@example.org." in reply.text
    assert 'value="Eve"' in reply.text
    assert PASSWORD not in reply.text


def test_a_withdrawn_invitation_is_gone(session: Session, browse: SignIn, admin: Account) -> None:
    address = invite_address(browse, admin)
    invite = session.exec(select(Invite)).one()
    browse(admin).post(f"/people/invites/{invite.id}/revoke")
    assert browse().get(address).status_code == 410
    assert browse().get("/invites/inv_guess").status_code == 410


def test_nobody_is_invited_twice(browse: SignIn, admin: Account, ana: Account) -> None:
    reply = browse(admin).post("/people/invites", data={"role": "annotator", "email": ana.email})
    assert reply.status_code == 409
    assert "Has an account already." in reply.text


def test_posts_from_another_site_are_refused(browse: SignIn, ana: Account) -> None:
    client = browse(ana)
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        assert client.post("/sign-out-everywhere", headers=headers).status_code == 403
    del client.headers["sec-fetch-site"]
    assert client.post("/sign-out-everywhere", headers={"origin": "https://evil.example"}).status_code == 403
    assert is_signed_in(client)


def test_every_page_forbids_what_is_not_its_own(browse: SignIn) -> None:
    headers = browse().get("/sign-in").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
