"""The pages of requests, candidates and yield, and their files, over HTTP."""

import json
import uuid

import pytest
from sqlmodel import Session, col, select

from app import jobs
from app.accounts.models import Account, Role
from app.campaigns.models import Campaign
from app.generation import listing
from app.generation.models import RequestState
from app.items.models import CandidateSet, Hold, Item, Status
from app.settings import Settings
from app.storage import Storage, storage_for
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.generation.things import composed, refuse, reject, request_of
from tests.judgments.answers import answer


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return storage_for(settings)


@pytest.fixture
def campaign(session: Session) -> Campaign:
    return make_campaign(session, "tasting")


@pytest.fixture
def admin(session: Session) -> Account:
    return make_account(session, Role.ADMIN)


def make_set(session: Session, campaign: Campaign, key: str = "k1", images: int = 3) -> list[Item]:
    found = CandidateSet(campaign_id=campaign.id, key=key)
    session.add(found)
    session.flush()
    return [
        make_item(session, campaign, key=f"{key}-{place}.jpg", candidate_set_id=found.id, hold=Hold.CANDIDATES)
        for place in range(1, images + 1)
    ]


def test_the_list_shows_what_was_wrong_and_makes_it_again(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account, storage: Storage
) -> None:
    item = composed(session, storage, campaign, key="1.jpg")
    refuse(session, item, "<b>too dark</b>", food1_identity=answer("no", "other_dish", correction="=Falafel"))
    client = browse(admin)
    page = client.get("/campaigns/tasting/revisions").text
    for words in ("Koshary (EG)", "It is another dish", "2 of 2", "=Falafel", "&lt;b&gt;too dark", "as it was"):
        assert words in page
    exported = client.get("/campaigns/tasting/revisions.jsonl?state=open")
    (line,) = exported.text.splitlines()
    assert json.loads(line)["item"] == "1.jpg"
    request = request_of(session, item)
    data = {"request": str(request.id), "engine": "composite", "seeds": "2"}
    reply = client.post("/campaigns/tasting/revisions/serve", data=data)
    job = session.exec(select(jobs.Job)).one()
    assert (reply.status_code, reply.headers["location"]) == (303, f"/jobs/{job.id}")
    assert request_of(session, item).state is RequestState.WORKING
    assert "How far it is" in client.get("/campaigns/tasting/revisions?state=working").text
    assert client.post("/campaigns/tasting/revisions/serve", data=data).status_code == 409
    assert client.post("/campaigns/tasting/revisions/serve", data=data | {"engine": "x"}).status_code == 422


def test_an_export_leaves_out_nothing_however_many_there_are(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "AT_ONCE", 2)
    for number in range(5):
        reject(session, make_item(session, campaign, key=f"{number}.jpg"))
    lines = browse(admin).get("/campaigns/tasting/revisions.jsonl?state=open").text.splitlines()
    assert sorted(json.loads(line)["item"] for line in lines) == [f"{number}.jpg" for number in range(5)]


def test_a_request_is_dropped_and_opened_again_with_a_note(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    item = make_item(session, campaign)
    reject(session, item)
    client, here = browse(admin), f"/campaigns/tasting/revisions/{request_of(session, item).id}"
    assert client.post(f"{here}/drop", data={"note": ""}).status_code == 422
    assert client.post(f"{here}/drop", data={"note": "Too odd."}).status_code == 303
    assert "Too odd." in client.get("/campaigns/tasting/revisions?state=dropped").text
    assert client.post(f"{here}/reopen", data={"note": "Not that odd."}).status_code == 303
    assert request_of(session, item).state is RequestState.OPEN
    assert client.post(f"/campaigns/tasting/revisions/{uuid.uuid4()}/drop", data={"note": "x"}).status_code == 404


def test_programs_read_requests_page_by_page(
    session: Session, call: SignIn, campaign: Campaign, admin: Account
) -> None:
    for key in "abc":
        reject(session, make_item(session, campaign, key=key))
    client, here = call(admin), "/api/v1/campaigns/tasting/revision-requests"
    first = client.get(here, params={"limit": 2}).json()
    second = client.get(here, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert sorted(request["item"] for request in first["requests"] + second["requests"]) == ["a", "b", "c"]
    assert second["next_cursor"] is None
    assert len(client.get(here, params={"format": "jsonl"}).text.splitlines()) == 3
    assert client.get(here, params={"cursor": "x"}).status_code == 422


def test_the_chosen_candidate_goes_on_and_the_others_stay(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    one, two, three = make_set(session, campaign)
    client, here = browse(admin), f"/campaigns/tasting/candidates/{one.candidate_set_id}"
    assert "Which is the most faithful?" in client.get("/campaigns/tasting/candidates").text
    assert client.post(here, data={}).status_code == 422
    reply = client.post(here, data={"choice": str(two.id), "note": "clear"})
    assert reply.status_code == 303
    session.expire_all()
    assert [item.hold for item in (one, two, three)] == [Hold.CANDIDATES, None, Hold.CANDIDATES]
    found = session.exec(select(CandidateSet)).one()
    assert (found.chosen_item_id, found.decided_by, found.note) == (two.id, admin.id, "clear")
    page = client.get(reply.headers["location"]).text
    assert "k1-2.jpg</bdi> goes on to be judged" in page
    assert "All sets are decided" in page
    assert client.post(here, data={"choice": str(one.id)}).status_code == 409
    part = client.get(f"/campaigns/tasting/items/{one.id}/made-again", headers={"hx-request-type": "partial"}).text
    assert part.count("held back") == 2
    assert "<html" not in part
    # Undone until somebody was given the image.
    two.held = 1
    session.flush()
    assert client.post(f"{here}/undo").status_code == 409
    two.held = 0
    session.flush()
    assert client.post(f"{here}/undo").status_code == 303
    session.expire_all()
    assert two.hold is Hold.CANDIDATES
    assert session.exec(select(CandidateSet)).one().decided_at is None


def test_of_none_another_image_is_asked_for(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    first, second = make_set(session, campaign, images=2)
    client, here = browse(admin), f"/campaigns/tasting/candidates/{first.candidate_set_id}"
    assert client.post(here, data={"choice": "none", "note": "all blurred"}).status_code == 303
    session.expire_all()
    assert [first.hold, second.hold] == [Hold.CANDIDATES, Hold.CANDIDATES]
    assert request_of(session, first).state is RequestState.OPEN
    page = client.get("/campaigns/tasting/revisions").text
    assert "None of the candidates is faithful." in page
    assert "all blurred" in page
    assert client.post(f"{here}/undo").status_code == 303
    assert request_of(session, first).state is RequestState.WITHDRAWN


def test_yield_counts_what_was_decided(session: Session, browse: SignIn, campaign: Campaign, admin: Account) -> None:
    bad = make_item(session, campaign, generator="=flux", prompt="A  Bowl")
    refuse(session, bad, food1_identity="malformed")
    values = {"generator": "=flux", "prompt": "a bowl", "status": Status.APPROVED}
    make_item(session, campaign, revision=2, revision_of_id=bad.id, **values)
    make_item(session, campaign, **values)
    make_set(session, campaign)
    client = browse(admin)
    page = client.get("/campaigns/tasting/revisions/yield").text
    assert "66.7" in page
    assert "not stated" not in page  # the candidates nobody chose
    assert "First dish: Deformed, not plausible as food" in page
    lines = client.get("/campaigns/tasting/revisions/yield/generator.csv").text.splitlines()
    assert lines[1].startswith("'=flux,3,2,1,0,0.666")
    assert ",1.50," in lines[1]
    assert client.get("/campaigns/tasting/revisions/yield/prompt.csv").text.splitlines()[1].startswith("a bowl,3,")
    assert client.get("/campaigns/tasting/revisions/yield/reason.csv").text.splitlines()[1].split(",")[2:5] != [
        "0",
        "0",
    ]
    assert client.get("/campaigns/tasting/revisions/yield/rater.csv").status_code == 404


def test_an_items_page_leads_to_its_requests(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    item = make_item(session, campaign)
    reject(session, item)
    new = make_item(session, campaign, revision=2, revision_of_id=item.id, key="new.jpg")
    client = browse(admin)
    address = f"/campaigns/tasting/items/{item.id}"
    assert f'hx-get="{address}/made-again"' in client.get(address).text
    client.get("/campaigns/tasting/revisions")  # it is noticed that a revision came
    page = client.get(f"{address}/made-again").text
    assert "answered by import" in page
    assert str(new.id) in page
    assert session.exec(select(Item.id).where(col(Item.key) == "new.jpg")).one() == new.id
