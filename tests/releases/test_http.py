"""Releases through pages and the API: who may, what comes back, and downloads that go on where they broke off."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select
from starlette.testclient import TestClient

from app.accounts.models import Role
from app.accounts.service import issue_token
from app.db import transaction
from app.items.models import Gold, Item
from app.jobs import Job, run_job
from app.releases import jobs as release_jobs
from app.releases.downloads import Unsatisfiable, wanted_span
from app.releases.publish import build_now
from tests.conftest import app_with
from tests.factories import make_account, make_campaign
from tests.releases.conftest import World

ALL = {"test": 1.0}
assert release_jobs  # registers the handler
As = Callable[[Role | None], TestClient]
FILE = "/api/v1/releases/1.0.0/files/images/SF/000.jpg"


@pytest.fixture
def app(world: World) -> FastAPI:
    return app_with(world.settings, world.engine)


@pytest.fixture
def as_role(app: FastAPI, world: World) -> Iterator[As]:
    """`as_role(Role.ADMIN)`: a client with a token of such an account."""
    with ExitStack() as stack:

        def client(role: Role | None) -> TestClient:
            found = stack.enter_context(TestClient(app, follow_redirects=False))
            if role is not None:
                with transaction(world.engine) as session:
                    secret = issue_token(session, make_account(session, role)).secret
                found.headers["authorization"] = f"Bearer {secret}"
            return found

        yield client


@pytest.fixture
def published(world: World) -> None:
    build_now(world.engine, world.settings, world.storage, world.slug, "1.0.0", splits=ALL)


def test_what_failed_is_asked_for_again_as_it_was(world: World, as_role: As) -> None:
    body = {"campaign": world.slug, "version": "1.0.0", "splits": "test=0.25,train=0.75", "seed": "7"}
    admin = as_role(Role.ADMIN)
    assert admin.post("/releases", data=body).status_code == 303
    form = admin.get("/releases?again=1.0.0").text
    for name, value in body.items():
        assert f'<option value="{value}" selected>' in form if name == "campaign" else f'value="{value}"' in form
    assert admin.get("/releases?again=9.9.9").status_code == 404


def work(world: World) -> None:
    """What the worker would do now."""
    with transaction(world.engine) as session:
        waiting = session.exec(select(Job.id).where(Job.status == "queued")).all()
    for job_id in waiting:
        run_job(world.engine, world.settings, job_id)


def test_a_program_builds_a_release_and_downloads_it(world: World, as_role: As) -> None:
    admin = as_role(Role.ADMIN)
    asked = admin.post("/api/v1/releases", json={"campaign": "tasting", "version": "1.0.0"})
    assert asked.status_code == 202
    assert asked.headers["location"] == "/api/v1/releases/1.0.0"
    assert asked.json()["status"] == "queued"
    assert admin.get("/api/v1/releases/1.0.0/files/README.md").status_code == 409
    work(world)
    shown = as_role(Role.RESEARCHER).get("/api/v1/releases/1.0.0").json()
    assert shown["status"] == "published"
    assert shown["counts"]["items"] == 12
    assert shown["job"] == {"status": "done", "done": 12, "total": 12, "error": None}
    manifest = admin.get("/api/v1/releases/1.0.0/files/manifest.json").json()
    for path in [*manifest["files"], "SHA256SUMS"]:
        response = admin.get(f"/api/v1/releases/1.0.0/files/{path}")
        assert response.status_code == 200
        assert response.content == world.storage.get(f"releases/1.0.0/{path}")
    assert [release["version"] for release in admin.get("/api/v1/releases").json()["releases"]] == ["1.0.0"]


@pytest.mark.usefixtures("published")
def test_only_admins_build_and_only_researchers_look(as_role: As) -> None:
    body = {"campaign": "tasting", "version": "2.0.0"}
    addresses = [
        "/api/v1/releases",
        "/api/v1/releases/1.0.0",
        FILE,
        "/releases",
        "/releases/1.0.0",
        "/releases/1.0.0/row",
    ]
    for address in addresses:
        assert as_role(Role.RESEARCHER).get(address).status_code == 200
        assert as_role(Role.ADMIN).get(address).status_code == 200
        assert as_role(Role.ANNOTATOR).get(address).status_code == 403
        assert as_role(None).get(address, headers={"accept": "application/json"}).status_code == 401
    for role, status in ((Role.ANNOTATOR, 403), (Role.RESEARCHER, 403), (None, 401), (Role.ADMIN, 202)):
        assert as_role(role).post("/api/v1/releases", json=body).status_code == status
    assert as_role(Role.RESEARCHER).post("/releases", data=body).status_code == 403


OUTSIDE = [
    "..%2f..%2fsecret_key", "%2e%2e/%2e%2e/secret_key", "%2fetc%2fpasswd", "/etc/passwd", "images/..%2f..%2fREADME.md",
    "..%5cREADME.md", "%252e%252e/README.md", "README.md%00", "..%2f1.0.0%2fREADME.md", "unlisted.txt", "",
]  # fmt: skip


@pytest.mark.usefixtures("published")
def test_no_path_leads_out_of_a_release(world: World, as_role: As) -> None:
    world.storage.put("releases/1.0.0/unlisted.txt", b"put there by somebody", media_type="text/plain")
    researcher = as_role(Role.RESEARCHER)
    for path in OUTSIDE:
        response = researcher.get(f"/api/v1/releases/1.0.0/files/{path}")
        assert response.status_code in (400, 404, 422), path
        assert response.headers["content-type"] == "application/problem+json"


SENSELESS = [
    {}, [], {"campaign": "tasting"}, {"campaign": "tasting", "version": "1"}, {"campaign": "tasting", "version": 1},
    {"campaign": "tasting", "version": "9.0.0", "splits": {}}, {"campaign": "tasting", "version": "9.0.0", "seed": -1},
    {"campaign": "tasting", "version": "9.0.0", "seed": 2**40}, {"campaign": "tasting", "version": "9.0.0", "more": 1},
    {"campaign": "tasting", "version": "9.0.0", "splits": {"test": "NaN"}},
    {"campaign": "tasting", "version": "9.0.0", "splits": {f"s{n}": 0.01 for n in range(100)}},
]  # fmt: skip


def test_a_build_that_makes_no_sense_is_explained(as_role: As) -> None:
    admin = as_role(Role.ADMIN)
    for body in SENSELESS:
        response = admin.post("/api/v1/releases", json=body)
        assert response.status_code == 422, body
        assert response.json()["errors"]
    assert admin.get("/api/v1/releases").json() == {"releases": []}


@pytest.mark.usefixtures("published")
def test_a_taken_version_and_an_unknown_campaign_are_said(as_role: As) -> None:
    admin = as_role(Role.ADMIN)
    taken = admin.post("/api/v1/releases", json={"campaign": "tasting", "version": "1.0.0"})
    assert taken.status_code == 409
    assert "never changes" in taken.json()["detail"]
    assert admin.post("/api/v1/releases", json={"campaign": "other", "version": "1.0.1"}).status_code == 404
    assert admin.get("/api/v1/releases/7.7.7").status_code == 404


@pytest.mark.usefixtures("published")
def test_a_file_comes_with_what_a_download_needs(world: World, as_role: As) -> None:
    researcher = as_role(Role.RESEARCHER)
    data = world.storage.get("releases/1.0.0/images/SF/000.jpg")
    whole = researcher.get(FILE)
    assert whole.content == data
    sha256 = whole.headers["etag"].strip('"')
    assert len(sha256) == 64
    assert dict(whole.headers).items() >= {
        "accept-ranges": "bytes", "content-length": str(len(data)), "content-type": "image/jpeg",
        "content-disposition": "attachment; filename*=UTF-8''000.jpg", "x-content-type-options": "nosniff",
    }.items()  # fmt: skip
    head = researcher.head(FILE)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(data)))
    assert researcher.get(FILE, headers={"if-none-match": f'"{sha256}"'}).status_code == 304
    assert researcher.get(FILE, headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.usefixtures("published")
def test_a_range_is_that_range(world: World, as_role: As) -> None:
    researcher = as_role(Role.RESEARCHER)
    data = world.storage.get("releases/1.0.0/images/SF/000.jpg")
    size = len(data)
    for wanted, part in [
        ("bytes=0-0", slice(0, 1)), ("bytes=0-99", slice(0, 100)), ("bytes=100-", slice(100, None)),
        ("bytes=-7", slice(-7, None)), (f"bytes=10-{size * 9}", slice(10, None)),
        (f"bytes=-{size * 9}", slice(0, None)),
    ]:  # fmt: skip
        response = researcher.get(FILE, headers={"range": wanted})
        assert response.status_code == 206, wanted
        assert response.content == data[part]
        start = part.indices(size)[0]
        assert response.headers["content-range"] == f"bytes {start}-{start + len(data[part]) - 1}/{size}"
        assert response.headers["content-length"] == str(len(data[part]))
    beyond = researcher.get(FILE, headers={"range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    for ignored in ("bytes=5-2", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", "bytes"):
        response = researcher.get(FILE, headers={"range": ignored})
        assert (response.status_code, response.content) == (200, data), ignored
    changed = researcher.get(FILE, headers={"range": "bytes=0-9", "if-range": '"another"'})
    assert (changed.status_code, changed.content) == (200, data)


@given(
    header=st.text(alphabet="bytes=-, 0123456789", max_size=20).map(lambda tail: "bytes=" + tail),
    size=st.integers(0, 50),
)
def test_no_range_leaves_the_file(header: str, size: int) -> None:
    try:
        span = wanted_span(header, size)
    except Unsatisfiable:
        return
    assert span is None or 0 <= span.start < span.end <= size


def test_the_pages_tell_how_a_release_comes_to_be(world: World, as_role: As) -> None:
    admin = as_role(Role.ADMIN)
    assert "No releases yet" in admin.get("/releases").text
    typed = {"campaign": "tasting", "version": "1.0.0", "splits": "train=0.6,test=0.4", "seed": "3"}
    sent = admin.post("/releases", data=typed)
    assert (sent.status_code, sent.headers["location"]) == (303, "/releases/1.0.0")
    waiting = admin.get("/releases/1.0.0").text
    assert 'hx-trigger="every 1s"' in waiting
    assert 'hx-get="/releases/1.0.0/row"' in admin.get("/releases").text
    work(world)
    part = admin.get("/releases/1.0.0", headers={"hx-request": "true", "hx-request-type": "partial"}).text
    assert part.lstrip().startswith('<div id="release">')
    assert "every 1s" not in part
    page = as_role(Role.RESEARCHER).get("/releases/1.0.0").text
    for words in ("data/train-00000-of-00001.parquet", "load_dataset", "food1_identity", "SHA256SUMS", "</html>"):
        assert words in page
    assert "images/SF/000.jpg" not in page
    assert "Build a release" not in as_role(Role.RESEARCHER).get("/releases").text
    assert 'value="1.1.0"' in admin.get("/releases").text


def test_the_page_counts_what_a_known_answer_kept_out(world: World, as_role: As) -> None:
    with transaction(world.engine) as session:
        item = session.exec(select(Item).where(Item.key == "SF/000.jpg")).one()
        session.add(Gold(item_id=item.id, question="food1_identity", answer="no"))
    build_now(world.engine, world.settings, world.storage, world.slug, "1.0.0", splits=ALL)
    page = as_role(Role.RESEARCHER).get("/releases/1.0.0").text
    assert '<th scope="row">approved, against a known answer</th><td class="number">1</td>' in page


@pytest.mark.usefixtures("published")
def test_the_page_names_the_address_the_operator_set(app: FastAPI, as_role: As) -> None:
    app.state.settings = app.state.settings.model_copy(update={"public_url": "https://terroir.example.org/"})
    page = as_role(Role.RESEARCHER).get("/releases/1.0.0", headers={"host": "evil.example"}).text
    assert "url=https://terroir.example.org/api/v1/releases/1.0.0/files/" in page
    assert "evil.example" not in page


@pytest.mark.usefixtures("published")
def test_mistakes_stand_beside_their_fields_and_what_was_typed_stays(as_role: As) -> None:
    admin = as_role(Role.ADMIN)
    sent = admin.post(
        "/releases",
        data={"campaign": "tasting", "version": "one", "splits": "train=0.5", "seed": "-4", "allow_simulated": "true"},
    )
    assert sent.status_code == 422
    for words in (
        "Three numbers with dots",
        "add up to 0.5",
        "A whole number from 0",
        'value="one"',
        'value="-4"',
        "checked",
    ):
        assert words in sent.text
    taken = admin.post("/releases", data={"campaign": "tasting", "version": "1.0.0", "splits": "test=1", "seed": "0"})
    assert taken.status_code == 409
    assert "Taken; choose another number." in taken.text


def test_a_failed_release_says_why_on_its_pages(world: World, as_role: As) -> None:
    with transaction(world.engine) as session:
        make_campaign(session, "empty")
    admin = as_role(Role.ADMIN)
    admin.post("/releases", data={"campaign": "empty", "version": "1.0.0", "splits": "test=1", "seed": "0"})
    work(world)
    for address in ("/releases", "/releases/1.0.0", "/releases/1.0.0/row"):
        assert "has no approved items yet" in admin.get(address).text
