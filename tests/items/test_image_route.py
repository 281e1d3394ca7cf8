"""Images as browsers get them: who may, under which headers, and what is said when there is none."""

import hashlib

import pytest
from fastapi import FastAPI
from sqlmodel import Session
from starlette.testclient import TestClient

from app.accounts.access import COOKIE
from app.accounts.models import Account
from app.items import pictures
from app.items.models import Image
from app.settings import Settings
from app.storage import storage_for
from tests.conftest import SignIn, open_browser
from tests.factories import make_account
from tests.items.tables import picture

DATA = picture("dish")
SIZES = {"display": "image/webp", "thumb": "image/webp", "original": "image/jpeg"}


@pytest.fixture
def image(session: Session, app: FastAPI) -> Image:
    return pictures.store(session, app.state.storage, DATA, "dish.jpg")


@pytest.fixture
def ana(session: Session) -> Account:
    return make_account(session)


@pytest.mark.parametrize("size", SIZES)
def test_it_is_an_image_whatever_its_bytes_pass_for(browse: SignIn, ana: Account, image: Image, size: str) -> None:
    reply = browse(ana).get(f"/images/{image.sha256}/{size}")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == SIZES[size]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    assert reply.headers["cache-control"] == "private, max-age=31536000, immutable", "no proxy keeps it"
    if size == "original":
        assert hashlib.sha256(reply.content).hexdigest() == image.sha256


def test_a_browser_that_has_it_gets_nothing_again(browse: SignIn, ana: Account, image: Image) -> None:
    client = browse(ana)
    etag = client.get(f"/images/{image.sha256}/thumb").headers["etag"]
    again = client.get(f"/images/{image.sha256}/thumb", headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"/images/{image.sha256}/display", headers={"if-none-match": etag}).status_code == 200


def test_nobody_sees_one_without_signing_in(browse: SignIn, ana: Account, image: Image) -> None:
    for address in (f"/images/{image.sha256}/thumb", f"/images/{'0' * 64}/thumb"):
        assert browse().get(address).status_code == 303, "one that is there and one that is not look alike"
    client = browse(ana)
    client.cookies.delete(COOKIE)
    assert client.get(f"/images/{image.sha256}/original").status_code == 303


@pytest.mark.parametrize(
    "name",
    [
        "0" * 64,
        "0" * 63,
        "F" * 64,
        "0" * 65,
        "%2e%2e",
        "..%2f..%2fsecret_key",
        "%2fetc%2fpasswd",
        "..%5c..%5csecret_key",
        "con",
        "0" * 64 + "%0a",
    ],
)
@pytest.mark.parametrize("size", [*SIZES, "..", "original%2f..", "thumb.webp"])
def test_nothing_else_is_found(browse: SignIn, ana: Account, image: Image, name: str, size: str) -> None:
    assert browse(ana).get(f"/images/{name}/{size}").status_code in (404, 422)


def test_a_store_out_of_reach_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, app: FastAPI, settings: Settings, ana: Account, image: Image
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame")
    away = {"storage_url": "s3://pictures-out-of-reach", "s3_endpoint_url": "http://127.0.0.1:1"}
    app.state.storage = storage_for(settings.model_copy(update=away))
    reply = open_browser(app, ana).get(f"/images/{image.sha256}/thumb")
    assert reply.status_code == 503
    assert "can&#39;t be reached" in reply.text
    assert "sesame" not in reply.text
    with TestClient(app) as client:
        ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "can't be reached" in ready.json()["storage"]
