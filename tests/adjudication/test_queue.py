"""What waits for an admin's word: in which order, and narrowed by what."""

import csv
import io
import uuid
from datetime import timedelta

import pytest
from sqlmodel import Session

from app.accounts.models import Account
from app.adjudication.queue import Narrowed, count_waiting, next_waiting, waiting
from app.adjudication.reliability import reliabilities
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.db import now
from app.errors import Invalid
from app.items.models import Item, Status, Subtask
from app.judgments.models import Decision, Method
from app.judgments.tally_models import ItemPosterior, RaterModelFit
from tests.adjudication.conftest import NO, UNSURE, judge
from tests.conftest import SignIn
from tests.factories import make_account, make_item
from tests.judgments.answers import answer


def dispute(session: Session, campaign: Campaign, dish: str, doubt: float, subtask: Subtask = Subtask.SF) -> Item:
    item = make_item(session, campaign, subtask, foods=((dish, "EG"), ("Pizza", "IT")))
    judge(session, campaign, item, {}, UNSURE, NO)
    session.add(ItemPosterior(item_id=item.id, campaign_id=campaign.id, claims={}, doubt=doubt))
    session.flush()
    return item


def approve_three(session: Session, campaign: Campaign, dish: str) -> None:
    for _ in range(3):
        make_item(session, campaign, foods=((dish, "EG"),), status=Status.APPROVED)


def test_doubt_counts_more_the_more_a_word_is_worth(session: Session, campaign: Campaign, admin: Account) -> None:
    policy = campaigns.current_policy(session, campaign)
    policy.parameters = {"quotas": {"subtask SFB": 5, "country EG": 3}}
    for dish in ("Koshary", "Ful", "Hawawshi", "Molokhia"):
        approve_three(session, campaign, dish)
    plain = dispute(session, campaign, "Koshary", 0.30)
    short = dispute(session, campaign, "Ful", 0.20, Subtask.SFB)
    back = dispute(session, campaign, "Hawawshi", 0.16)
    session.add(
        Decision(
            item_id=back.id, policy_id=policy.id or 0, outcome=Status.PENDING, method=Method.RECHECK, rule="audit/1"
        )
    )
    rare = dispute(session, campaign, "Bamia", 0.17)
    unseen = make_item(session, campaign)
    judge(session, campaign, unseen, {}, UNSURE, NO)
    found = waiting(session, admin, campaign)
    assert [(entry.item_id, list(entry.weights)) for entry in found] == [
        (short.id, ["quota"]), (rare.id, ["rare"]), (back.id, ["sent_back"]), (plain.id, []), (unseen.id, []),
    ]  # fmt: skip
    assert found[0].tallies == {"food1_identity": {"yes": 1, "no": 1, "unsure": 1}}


def test_the_queue_is_narrowed_by_subtask_country_and_question(
    session: Session, campaign: Campaign, admin: Account
) -> None:
    dish = make_item(session, campaign, foods=(("Koshary", "EG"),))
    judge(session, campaign, dish, {}, UNSURE, NO)
    scene = make_item(session, campaign, Subtask.SFB, foods=(("Pho", "VN"),), background="JP")
    no_scene = {"background": answer("no", "malformed")}
    judge(session, campaign, scene, {}, no_scene, {"background": answer("unsure")})
    for narrowed, kept in [
        (Narrowed(), {dish.id, scene.id}),
        (Narrowed(subtask="SFB"), {scene.id}),
        (Narrowed(country="EG"), {dish.id}),
        (Narrowed(country="JP"), {scene.id}),
        (Narrowed(question="background"), {scene.id}),
        (Narrowed(question="food1_identity", subtask="SFB"), set()),
        (Narrowed(only="appeals"), set()),
    ]:
        assert {entry.item_id for entry in waiting(session, admin, campaign, narrowed)} == kept
        assert count_waiting(session, admin, campaign, narrowed) == len(kept)
    assert next_waiting(session, admin, campaign, scene.id, Narrowed(subtask="SFB")) == scene.id


def test_a_question_between_the_thresholds_is_in_dispute(session: Session, campaign: Campaign, admin: Account) -> None:
    item = make_item(session, campaign, status=Status.DISPUTED)
    policy = campaigns.current_policy(session, campaign)
    detail = {"threshold": 0.95, "posteriors": {"food1_identity": 0.97, "food1_origin": 0.5}}
    decision = {"outcome": Status.DISPUTED, "method": Method.RULE, "rule": "adaptive/1", "detail": detail}
    session.add(Decision(item_id=item.id, policy_id=policy.id or 0, **decision))
    session.flush()
    assert [list(entry.questions) for entry in waiting(session, admin, campaign)] == [["food1_origin"]]


@pytest.mark.parametrize("query", ["subtask=XL", "question=taste", "only=mine", "page=0", "page=x"])
def test_a_filter_that_cannot_be_meant_is_a_sentence(
    browse: SignIn, admin: Account, disputed: Item, query: str
) -> None:
    reply = browse(admin).get(f"/campaigns/sample/queue?{query}")
    assert (reply.status_code, "<h1" in reply.text) == (422, True)


def test_filters_stay_in_the_address_all_the_way(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account, disputed: Item
) -> None:
    other = make_item(session, campaign, Subtask.SFB)
    judge(session, campaign, other, {}, UNSURE, NO)
    elsewhere = make_item(session, campaign)
    judge(session, campaign, elsewhere, {}, UNSURE, NO)
    client = browse(admin)
    page = client.get("/campaigns/sample/queue?subtask=SFB").text
    assert f"/campaigns/sample/items/{disputed.id}?subtask=SFB" in page
    assert str(elsewhere.id) not in page
    reply = client.post(
        f"/campaigns/sample/items/{disputed.id}/settle?subtask=SFB", data={"outcome": "approved", "note": "It is."}
    )
    assert reply.headers["location"].startswith(f"/campaigns/sample/items/{other.id}?subtask=SFB&settled=")
    page = client.get(reply.headers["location"]).text
    assert "One is left." in page
    undone = page.partition('name="adjudication" value="')[2][:36]
    reply = client.post(f"/campaigns/sample/items/{disputed.id}/undo?subtask=SFB", data={"adjudication": undone})
    assert reply.headers["location"] == f"/campaigns/sample/items/{disputed.id}?subtask=SFB"
    assert disputed.status is Status.DISPUTED
    again = client.post(f"/campaigns/sample/items/{disputed.id}/undo", data={"adjudication": undone})
    assert (again.status_code, "was taken back already" in again.text) == (409, True)


def test_the_queue_is_a_file_with_harmless_cells(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    first = dispute(session, campaign, "=1+1", 0.30, Subtask.MF)
    dispute(session, campaign, "Pho", 0.10, Subtask.SFB)
    link = "/campaigns/sample/queue.csv?subtask=MF"
    assert link in browse(admin).get("/campaigns/sample/queue?subtask=MF").text
    reply = browse(admin).get(link)
    assert (reply.status_code, reply.headers["content-disposition"]) == (
        200, 'attachment; filename="terroir-sample-queue.csv"'
    )  # fmt: skip
    (row,) = csv.DictReader(io.StringIO(reply.text))
    assert row == {
        "key": first.key, "place": "1", "subtask": "MF", "foods": "'=1+1; Pizza", "countries": "EG; IT",
        "background": "", "status": "disputed", "appeals": "0", "doubt": "0.3000",
        "weights": "few approved of this dish", "questions": "food1_identity",
        "votes": "food1_identity: 1 yes, 1 no, 1 unsure", "source": "sample, filters: subtask=MF",
    }  # fmt: skip


def test_reliability_adds_up_what_the_newest_models_expect(session: Session, campaign: Campaign) -> None:
    known, unknown = make_account(session), make_account(session)
    for question, age, expected in [
        ("food1_identity", 0, [[9, 1, 0], [1, 5, 2]]),
        ("food1_identity", 1, [[1, 99, 0], [99, 1, 0]]),
        ("background", 0, [[9, 0, 1], [0, 3, 0]]),
        ("food1_origin", 0, [[0, 50, 0], [50, 0, 0]]),
    ]:
        fit = {"classes": ["yes", "no"], "answers": ["yes", "no", "unsure"]}
        made = RaterModelFit(
            campaign_id=campaign.id, question=question, version=uuid.uuid4(), method="dawid-skene", n_items=1,
            n_judgments=1, n_raters=1, n_gold=0, fit=fit | {"raters": {str(known.id): {"expected": expected}}},
            created_at=now() - timedelta(days=age),
        )  # fmt: skip
        session.add(made)
    session.flush()
    found = reliabilities(session, campaign.id, [known.id, unknown.id], ["food1_identity", "background"])
    assert list(found) == [known.id]
    # Jeffreys' prior adds half an answer of each kind: 8 of 11 nos where it is wrong, 18 of 20 yes where it is right.
    assert found[known.id].notices.value == pytest.approx(8.5 / 12.5)
    assert found[known.id].agrees.value == pytest.approx(18.5 / 21.5)


def test_with_wrong_type_narrowing_says_the_choices(session: Session, campaign: Campaign, admin: Account) -> None:
    with pytest.raises(Invalid, match="SF, MF, SFB, MFB"):
        waiting(session, admin, campaign, Narrowed(subtask="XL"))
