"""Text from strangers is text, on every page that shows it."""

import uuid
from urllib.parse import urlencode

import pytest
from fastapi.routing import APIRoute
from sqlmodel import Session

from app import jobs
from app.accounts.models import Account, Invite, Role
from app.adjudication.service import settle
from app.campaigns.models import Campaign
from app.db import now
from app.items.models import ImportBatch, Item, SourceRecord, Subtask
from app.jobs import Job, JobStatus
from app.main import ROOMS
from app.releases.formats.card import card
from tests.adjudication.conftest import judge
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import answer

HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>{{7*7}}${x}\u202e"
ESCAPED = "&lt;img src=x onerror=alert(1)&gt;"
NO = {"food1_identity": answer("no", "other_dish", correction=HOSTILE)}


@pytest.fixture
def campaign(session: Session) -> Campaign:
    return make_campaign(session, "hostile", name=HOSTILE)


@pytest.fixture
def item(session: Session, campaign: Campaign) -> Item:
    """Disputed and settled, with hostile words wherever somebody could have put them."""
    item = make_item(
        session, campaign, Subtask.MFB,
        foods=((HOSTILE, "EG"), (HOSTILE + "2", "IT")), key=f"MFB/{HOSTILE}.jpg", generator=HOSTILE, prompt=HOSTILE,
    )  # fmt: skip
    batch = ImportBatch(campaign_id=campaign.id, files=[HOSTILE], added=1, unchanged=0)
    session.add(batch)
    session.flush()
    session.add(SourceRecord(item_id=item.id, batch_id=batch.id, file=HOSTILE, row=2, values={HOSTILE: HOSTILE}))
    for person in judge(session, campaign, item, {}, NO, {"food1_identity": answer("unsure")}):
        person.name = HOSTILE
    settle(session, make_account(session, Role.ADMIN, name=HOSTILE), item.id, "approved", HOSTILE)
    session.flush()
    return item


@pytest.fixture
def job(session: Session, admin: Account) -> Job:
    fault = {"file": HOSTILE, "row": 2, "field": HOSTILE, "message": HOSTILE}
    pair = {"kind": "near", "a": HOSTILE, "b": HOSTILE, "distance": 1}
    result = {"added": 0, "unchanged": 0, "errors": [fault], "n_errors": 1, "duplicates": [pair]}
    job = jobs.start(session, "items.import", title=HOSTILE, account_id=admin.id, slug="hostile")
    job.status, job.result, job.finished_at = JobStatus.DONE, result, now()
    session.flush()
    return job


@pytest.fixture
def admin(session: Session) -> Account:
    return make_account(session, Role.ADMIN, name=HOSTILE)


def is_harmless(page: str) -> bool:
    return "<img src=x" not in page and "<script>alert" not in page and "49$" not in page


def test_it_is_shown_as_it_is_and_never_run(
    session: Session, browse: SignIn, campaign: Campaign, item: Item, admin: Account, job: Job
) -> None:
    session.add(Invite(token_hash="0" * 64, role=Role.ANNOTATOR, email=HOSTILE, expires_at=now().replace(year=2999)))
    waiting = make_item(session, campaign, Subtask.MFB, foods=((HOSTILE, "EG"), (HOSTILE, "IT")))
    failed = jobs.start(session, "items.import", title="x", account_id=admin.id)
    failed.status, failed.error = JobStatus.FAILED, HOSTILE
    session.flush()
    client = browse(admin)
    slug = campaign.slug
    for address in (
        "/campaigns",
        f"/campaigns/{slug}",
        f"/campaigns/{slug}/agreement/where?by=generator",
        f"/campaigns/{slug}/items",
        f"/campaigns/{slug}/items?{urlencode({'name': '<img src=x onerror=alert(1)>'})}",
        f"/campaigns/{slug}/items/{item.id}",
        f"/campaigns/{slug}/items/{waiting.id}",
        f"/campaigns/{slug}/import",
        f"/jobs/{job.id}",
        f"/jobs/{failed.id}",
        "/people",
        "/account",
        "/releases",
    ):
        page = client.get(address)
        assert page.status_code == 200, address
        assert ESCAPED in page.text, address
        assert is_harmless(page.text), address
    annotator = make_account(session)
    page = browse(annotator).get(f"/judge/{slug}")
    assert ESCAPED in page.text
    assert is_harmless(page.text)


def test_what_was_typed_comes_back_as_text(session: Session, browse: SignIn, admin: Account, item: Item) -> None:
    forms = (
        (f"/campaigns/hostile/items/{item.id}/settle", {"outcome": HOSTILE, "note": HOSTILE}),
        ("/people/invites", {"role": "annotator", "email": HOSTILE}),
        ("/people/invites", {"role": HOSTILE}),
        ("/account/tokens", {"label": HOSTILE, "days": HOSTILE}),
        ("/account/tokens", {"label": HOSTILE}),
        ("/releases", {"campaign": HOSTILE, "version": HOSTILE, "splits": HOSTILE, "seed": HOSTILE}),
        ("/campaigns/new/import", {"slug": HOSTILE, "policy": HOSTILE}),
        ("/campaigns/hostile/status", {"status": HOSTILE}),
        ("/sign-in", {"email": HOSTILE, "next": HOSTILE}),
    )
    client = browse(admin)
    for address, fields in forms:
        files = {"files": ("", b"")} if address.endswith("/import") else None
        reply = client.post(address, data=fields, files=files)
        assert reply.status_code == 422, address
        assert is_harmless(reply.text), address


def test_no_error_page_repeats_mark_up(browse: SignIn, admin: Account) -> None:
    client = browse(admin)
    query = urlencode({"status": HOSTILE, "subtask": HOSTILE, "country": HOSTILE, "cursor": HOSTILE, "by": HOSTILE})
    for path in {route.path for room in ROOMS for route in room.router.routes if isinstance(route, APIRoute)}:
        parts = [urlencode({"": HOSTILE})[1:] if part.startswith("{") else part for part in path.split("/")]
        reply = client.get("/".join(parts) + "?" + query)
        assert reply.status_code < 500 or path == "/readyz", path
        if reply.headers.get("content-type", "").startswith("text/html"):
            assert is_harmless(reply.text), path
        assert "\n" not in reply.headers.get("location", "")


def test_a_job_of_a_kind_nobody_knows_and_one_without_its_upload_say_so(
    session: Session, browse: SignIn, admin: Account
) -> None:
    job = jobs.start(session, "no.such", title="A riddle", account_id=admin.id)
    job.status, job.error = JobStatus.FAILED, "This worker does not know the job “no.such”."
    session.flush()
    assert "does not know the job" in browse(admin).get(f"/jobs/{job.id}").text
    assert browse(admin).get(f"/jobs/{uuid.uuid4()}").status_code == 404


def test_a_release_s_card_takes_a_name_for_words() -> None:
    name = "# <b>A</b>\n---\n[x](javascript:alert(1)) | `y`"
    estimate = {"value": None, "low": None, "high": None, "reason": "no_overlap"}
    manifest = {
        "version": "1.0.0", "campaign": {"slug": "x", "name": name}, "frozen_at": "2026", "parent": None,
        "software": {"name": "terroir", "version": "1"}, "licence": "cc-by-sa-4.0",
        "rule": {"name": "fixed", "overlap": 3, "decided_by": {"fixed/1": 1}}, "wording_version": 1,
        "includes_simulated": False, "simulated_judgments": 0, "neutralised_cells": {}, "audit": None,
        "counts": {
            "items": 1, "families": 1, "judgments": 3, "annotators": 3, "by_subtask": {"SF": 1},
            "by_country": {"EG": 1}, "by_split": {"test": 1}, "families_by_split": {"test": 1}, "excluded": {},
        },
        "agreement": {"basis": "b", "simulated_judgments": 0, "questions": {"food1_identity": {
            "n_items_paired": 0, "percent_agreement": estimate, "krippendorff_alpha": estimate,
            "fleiss_kappa": estimate, "gwet_ac1": estimate,
        }}},
    }  # fmt: skip
    text = card(manifest, ["test"]).decode()
    head, body = text.split("\n---\n", 1)
    assert "pretty_name: " in head
    assert "\\n---\\n" in head, "the name's line breaks stay inside the quotes"
    assert "# \\# \\<b\\>A\\</b\\> --- \\[x\\](javascript:alert(1)) \\| \\`y\\`, release 1.0.0" in body
