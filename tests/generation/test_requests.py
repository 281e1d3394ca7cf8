"""Requests: opened by a rejection, answered from outside or by the engine, dropped and opened again."""

import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import jobs
from app.accounts.models import Account, AuditEvent, Role
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.errors import Conflict, Invalid
from app.generation import listing, service
from app.generation.jobs import _answer
from app.generation.listing import Filters
from app.generation.models import RequestState
from app.items.models import CandidateSet, Gold, Hold, Item, ItemReference, Status, Subtask
from app.settings import Settings
from app.storage import Storage, storage_for
from tests.factories import make_account, make_campaign, make_item
from tests.generation.things import add_photo, composed, photograph, refuse, reject, request_of
from tests.gold.things import set_policy
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


def keep_up(session: Session, campaign: Campaign) -> None:
    service.keep_up(session, campaign, campaigns.current_policy(session, campaign))


def shown(session: Session, campaign: Campaign, **filters: Any) -> list[str]:
    return [entry.entry.item.key for entry in listing.listed(session, campaign, Filters(**filters)).entries]


def serve(session: Session, storage: Storage, campaign: Campaign, item: Item, seeds: int = 1) -> jobs.Job:
    """Through the same function as the worker, in the test's transaction."""
    job = service.serve(session, None, campaign, [request_of(session, item).id], seeds=seeds)
    for id_ in job.arguments["requests"]:
        _answer(session, storage, uuid.UUID(id_), job.id)
    session.flush()
    return job


def revisions(session: Session, item: Item) -> list[Item]:
    return list(session.exec(select(Item).where(Item.revision_of_id == item.id).order_by(col(Item.key))))


def test_a_document_says_what_was_wrong(session: Session, campaign: Campaign, storage: Storage) -> None:
    item = composed(session, storage, campaign, Subtask.MF, key="MF/1.jpg")
    refuse(
        session, item, "look left", food1_identity=answer("no", "other_dish", correction="Pizza"),
        food2_origin="shared_origin",
    )  # fmt: skip
    (document,) = listing.documents(session, listing.listed(session, campaign, Filters()).entries)
    assert (document["item"], document["prompt"], document["seed"], document["round"]) == (
        "MF/1.jpg",
        "as it was",
        "1",
        1,
    )
    assert document["wrong"] == [
        {"question": "food1_identity", "code": "other_dish", "votes": 2, "by_adjudicator": False,
         "text": "It is another dish"},
        {"question": "food2_origin", "code": "shared_origin", "votes": 2, "by_adjudicator": False,
         "text": "Several countries share it; this one alone is misleading"},
    ]  # fmt: skip
    assert document["corrections"] == [{"question": "food1_identity", "text": "Pizza", "votes": 2}]
    assert document["notes"] == ["look left", "look left"]
    assert [source["part"] for source in document["sources"]] == ["food1", "food2"]
    assert document["claim"]["food2"]["name"] == "Pizza"


def test_the_list_is_narrowed_and_paged(session: Session, campaign: Campaign) -> None:
    refuse(session, make_item(session, campaign, key="a"), food1_identity="malformed")
    refuse(session, make_item(session, campaign, key="b", foods=(("Ramen", "JP"),), generator="flux"))
    gold = make_item(session, campaign, key="gold")
    refuse(session, gold)
    session.add(Gold(item_id=gold.id, question="food1_identity", answer="no"))
    session.flush()
    # All were opened at the time of this one transaction: the cursor goes by the id then.
    assert sorted(shown(session, campaign)) == ["a", "b"]
    assert shown(session, campaign, country="JP") == ["b"]
    assert shown(session, campaign, generator="flux") == ["b"]
    assert shown(session, campaign, generator="not stated") == ["a"]
    assert shown(session, campaign, reason="malformed") == ["a"]
    assert shown(session, campaign, state="dropped") == []
    first = listing.listed(session, campaign, Filters(), limit=1)
    second = listing.listed(session, campaign, Filters(), limit=1, cursor=first.next_cursor or "")
    assert sorted(entry.entry.item.key for page in (first, second) for entry in page.entries) == ["a", "b"]
    assert second.next_cursor is None
    with pytest.raises(Invalid, match="no such state"):
        shown(session, campaign, state="lost")
    with pytest.raises(Conflict):  # a gold item is never served
        service.serve(session, None, campaign, [request_of(session, gold).id])


def test_an_imported_revision_answers_its_request(session: Session, campaign: Campaign) -> None:
    item, other = make_item(session, campaign), make_item(session, campaign)
    reject(session, item)
    reject(session, other)
    new = make_item(session, campaign, revision=2, revision_of_id=item.id)
    keep_up(session, campaign)
    request = request_of(session, item)
    assert (request.state, request.answer_id, request.engine) == (RequestState.ANSWERED, new.id, "import")
    assert (new.judged, new.status, item.status) == (0, Status.PENDING, Status.REJECTED)
    assert request_of(session, other).state is RequestState.OPEN


def test_after_so_many_rounds_a_request_is_dropped_unless_it_is_opened_again(
    session: Session, campaign: Campaign, admin: Account
) -> None:
    set_policy(session, campaign, rounds=2)
    items = [make_item(session, campaign, key=f"r{revision}", revision=revision) for revision in (2, 3)]
    for item in items:
        reject(session, item)
    keep_up(session, campaign)
    assert [request_of(session, item).state for item in items] == [RequestState.OPEN, RequestState.DROPPED]
    assert "made again 2 times" in str(request_of(session, items[1]).error)
    service.reopen(session, admin, campaign, request_of(session, items[1]).id, "One more.")
    session.flush()
    keep_up(session, campaign)
    assert request_of(session, items[1]).state is RequestState.OPEN


def test_dropping_and_opening_again_need_a_note_and_are_logged(
    session: Session, campaign: Campaign, admin: Account
) -> None:
    item = make_item(session, campaign)
    reject(session, item)
    request = request_of(session, item)
    with pytest.raises(Invalid):
        service.drop(session, admin, campaign, request.id, " ")
    service.drop(session, admin, campaign, request.id, "Not worth it.")
    with pytest.raises(Conflict):
        service.drop(session, admin, campaign, request.id, "Again.")
    service.reopen(session, admin, campaign, request.id, "It is.")
    actions = session.exec(select(AuditEvent.action).where(AuditEvent.subject_id == str(item.id))).all()
    assert list(actions) == ["revision.dropped", "revision.reopened"]
    service.drop(session, admin, campaign, request.id, "Not.")
    item.status = Status.PENDING
    session.flush()
    with pytest.raises(Conflict, match="wants no other image"):
        service.reopen(session, admin, campaign, request.id, "It is.")


def test_the_engine_answers_with_a_revision_that_has_no_votes(
    session: Session, campaign: Campaign, storage: Storage
) -> None:
    item = composed(session, storage, campaign, Subtask.MF, key="MF/1.jpg")
    refuse(session, item, food1_identity=answer("no", "other_dish", correction="Pizza"))
    job = serve(session, storage, campaign, item)
    (new,) = revisions(session, item)
    request = request_of(session, item)
    assert (request.state, request.answer_id) == (RequestState.ANSWERED, new.id)
    assert (new.key, new.revision, new.generator, new.status) == ("MF/1.r2.jpg", 2, "composite", Status.PENDING)
    assert (new.held, new.judged, new.hold, new.wanted) == (0, 0, None, 3)
    assert "changed sides" in request.detail["changes"][0]
    used = {
        one.part: one.image_sha256 for one in session.exec(select(ItemReference).where(ItemReference.item_id == new.id))
    }
    assert used == {"food1": photograph(session, storage, 1), "food2": photograph(session, storage, 0)}
    with storage.open(f"images/{new.image_sha256[:2]}/{new.image_sha256}.jpg") as file:
        assert file.read(2) == b"\xff\xd8"
    _answer(session, storage, request.id, job.id)  # the job of a killed worker comes again
    assert len(revisions(session, item)) == 1
    assert request_of(session, item).engine == "composite"


def test_a_wrong_dish_is_made_of_another_photograph_each_time(
    session: Session, campaign: Campaign, storage: Storage
) -> None:
    item = composed(session, storage, campaign, key="1.jpg")
    for place in (0, 2, 3):
        add_photo(session, "Koshary", photograph(session, storage, place))
    seen = []
    for _ in range(2):
        refuse(session, item, food1_identity="other_dish")
        serve(session, storage, campaign, item)
        (item,) = revisions(session, item)
        seen.append(request_of(session, session.get_one(Item, item.revision_of_id)).detail["made"][0]["used"]["food1"])
    assert set(seen) == {photograph(session, storage, place) for place in (2, 3)}
    assert item.key == "1.r3.jpg"
    refuse(session, item, food1_identity="other_dish")
    serve(session, storage, campaign, item)
    request = request_of(session, item)
    assert request.state is RequestState.OPEN  # for a generator elsewhere
    assert "only photograph of the dish Koshary" in str(request.error)


def test_several_seeds_become_candidates(session: Session, campaign: Campaign, storage: Storage) -> None:
    item = composed(session, storage, campaign, key="1.jpg")
    refuse(session, item, food1_identity="not_there")
    serve(session, storage, campaign, item, seeds=3)
    made = revisions(session, item)
    assert [one.key for one in made] == ["1.r2-1.jpg", "1.r2-2.jpg", "1.r2-3.jpg"]
    assert {one.hold for one in made} == {Hold.CANDIDATES}
    assert len({one.image_sha256 for one in made}) == 3
    found = session.exec(select(CandidateSet)).one()
    assert {one.candidate_set_id for one in made} == {found.id}
    with pytest.raises(Invalid, match="1 to 4"):
        service.serve(session, None, campaign, [], seeds=5)


def test_what_a_job_left_is_open_again(session: Session, campaign: Campaign) -> None:
    item = make_item(session, campaign)
    reject(session, item)
    job = service.serve(session, None, campaign, [request_of(session, item).id])
    keep_up(session, campaign)
    assert request_of(session, item).state is RequestState.WORKING
    with pytest.raises(Conflict):  # it is not taken twice
        service.serve(session, None, campaign, [request_of(session, item).id])
    session.execute(sa.update(jobs.Job).where(col(jobs.Job.id) == job.id).values(status="failed"))
    keep_up(session, campaign)
    assert request_of(session, item).state is RequestState.OPEN


def test_an_item_that_is_no_longer_rejected_is_not_made_again(
    session: Session, campaign: Campaign, storage: Storage
) -> None:
    item = composed(session, storage, campaign)
    refuse(session, item, food1_identity="not_there")
    job = service.serve(session, None, campaign, [request_of(session, item).id])
    item.status = Status.DISPUTED
    session.flush()
    _answer(session, storage, request_of(session, item).id, job.id)
    session.flush()
    assert request_of(session, item).state is RequestState.WITHDRAWN
    assert revisions(session, item) == []
