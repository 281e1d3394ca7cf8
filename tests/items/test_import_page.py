"""The import page: what an admin chooses becomes a job, and the job's page says what came of it."""

import io
import zipfile

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.accounts.models import Account, Role
from app.db import transaction
from app.items.models import Item
from app.jobs import Job, run_job
from app.main import create_app
from app.settings import Settings
from app.storage import storage_for
from tests.conftest import SignIn, open_browser
from tests.factories import make_account, make_campaign
from tests.items.tables import picture

TABLE = "image_path,subtask,food1_name,food1_country\nSF/a.jpg,SF,Koshary,egypt\n"
Parts = list[tuple[str, tuple[str, bytes, str]]]


def chosen(*files: tuple[str, bytes], field: str = "files") -> Parts:
    return [(field, (name, content, "application/octet-stream")) for name, content in files]


@pytest.fixture
def admin(session: Session) -> Account:
    return make_account(session, Role.ADMIN)


def uploads(session: Session) -> dict[str, str]:
    arguments = session.exec(select(Job)).one().arguments
    return {upload["name"]: upload["key"] for upload in arguments["uploads"]}


def test_a_table_and_its_images_become_a_job(
    session: Session, settings: Settings, browse: SignIn, admin: Account
) -> None:
    reply = browse(admin).post(
        "/campaigns/new/import",
        data={"slug": "fresh", "policy": "fixed-5"},
        files=chosen(("t.csv", TABLE.encode()), ("SF/a.jpg", b"one"), ("SF/.DS_Store", b"clutter")),
    )
    job = session.exec(select(Job)).one()
    assert (reply.status_code, reply.headers["location"]) == (303, f"/jobs/{job.id}")
    assert (job.arguments["slug"], job.arguments["policy"], job.arguments["dry_run"]) == ("fresh", "fixed-5", False)
    kept = uploads(session)
    storage = storage_for(settings)
    assert storage.get(kept["t.csv"]) == TABLE.encode()
    with zipfile.ZipFile(io.BytesIO(storage.get(kept["images.zip"]))) as archive:
        assert archive.namelist() == ["SF/a.jpg"]
        assert archive.read("SF/a.jpg") == b"one"


def test_a_campaign_that_is_there_keeps_its_policy(session: Session, browse: SignIn, admin: Account) -> None:
    make_campaign(session, "sample", policy="fixed-1")
    files = chosen(("all.zip", b"PK"))
    data = {"slug": "another", "policy": "fixed-7", "dry_run": "true"}
    assert browse(admin).post("/campaigns/sample/import", data=data, files=files).status_code == 303
    arguments = session.exec(select(Job)).one().arguments
    assert (arguments["slug"], arguments["policy"], arguments["dry_run"]) == ("sample", None, True)


@pytest.mark.parametrize(
    ("data", "files", "words"),
    [
        ({"slug": "Not A Slug"}, chosen(("t.csv", b"x")), "Lower-case letters, digits and hyphens"),
        ({"slug": ""}, chosen(("t.csv", b"x")), "Lower-case letters, digits and hyphens"),
        ({"slug": "ok", "policy": "fixed-99"}, chosen(("t.csv", b"x")), "is not known; write adaptive, or fixed-K"),
        ({"slug": "ok"}, chosen(("", b"")), "Choose a table and its images"),
        ({"slug": "ok"}, chosen(("a.jpg", b"1"), ("a.jpg", b"2")), "a.jpg is chosen twice"),
        ({"slug": "ok"}, chosen(("../../etc/passwd", b"1")), "can&#39;t name a stored file"),
    ],
)
def test_a_form_with_mistakes_comes_back_as_typed(
    session: Session, browse: SignIn, admin: Account, data: dict[str, str], files: Parts, words: str
) -> None:
    reply = browse(admin).post("/campaigns/new/import", data=data, files=files)
    assert reply.status_code == 422
    assert words in reply.text
    assert f'value="{data["slug"]}"' in reply.text
    assert session.exec(select(Job)).all() == []


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"slug=x", "application/x-www-form-urlencoded"),
        (b"nonsense", "multipart/form-data; boundary=x"),
        (b"nonsense", "multipart/form-data"),
        (b"", "application/json"),
    ],
)
def test_what_is_no_upload_is_refused(browse: SignIn, admin: Account, content: bytes, media_type: str) -> None:
    reply = browse(admin).post("/campaigns/new/import", content=content, headers={"content-type": media_type})
    assert reply.status_code == 422


def test_too_many_files_are_refused_with_the_way_out(browse: SignIn, admin: Account) -> None:
    files = chosen(*((f"{number}.jpg", b"x") for number in range(501)))
    reply = browse(admin).post("/campaigns/new/import", data={"slug": "x"}, files=files)
    assert reply.status_code == 422
    assert "at most 500 files (more go into a ZIP)" in reply.text


def test_the_page_of_a_new_campaign_asks_for_its_name(session: Session, browse: SignIn, admin: Account) -> None:
    make_campaign(session, "sample")
    client = browse(admin)
    assert 'name="slug"' in client.get("/campaigns/new/import").text
    assert 'name="slug"' not in client.get("/campaigns/sample/import").text
    assert 'value="not-there-yet"' in client.get("/campaigns/not-there-yet/import").text


def test_from_the_form_to_the_items(fresh_engine: sa.Engine, settings: Settings) -> None:
    """Chosen, queued, imported by the worker, told on the job's page; a faulty row likewise."""
    with transaction(fresh_engine) as session:
        admin = make_account(session, Role.ADMIN)
    with open_browser(create_app(settings, fresh_engine), admin) as client:

        def import_(table: str) -> str:
            files = chosen(("t.csv", table.encode()), ("SF/a.jpg", picture("a")))
            address = client.post("/campaigns/new/import", data={"slug": "whole"}, files=files).headers["location"]
            assert "Waits for its turn" in client.get(address).text
            with transaction(fresh_engine) as session:
                job = session.exec(select(Job).order_by(sa.desc("created_at"))).first()
            assert job is not None
            run_job(fresh_engine, settings, job.id)
            return client.get(address).text

        faulty = import_(TABLE.replace("egypt", "atlantis"))
        assert "1 fault needs mending" in faulty
        assert "<code>food1_country</code>" in faulty
        assert "1 item is added." in import_(TABLE)
        assert "Koshary" in client.get("/campaigns/whole/items").text
    with transaction(fresh_engine) as session:
        assert session.exec(select(Item.key)).all() == ["SF/a.jpg"]
    assert list(storage_for(settings).list("uploads")) == []
