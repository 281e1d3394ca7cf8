"""Gold items: made, withdrawn, moved; never what somebody could recognise; bad ones stand out."""

import pytest
from sqlmodel import Session, select

from app.accounts.models import Account, AuditEvent, Role
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Exam, ExamKind
from app.errors import Invalid
from app.gold import listing, service
from app.gold.service import NoGoldMaterial
from app.items.models import Hold, Item, Status
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.gold.things import give, make_gold


@pytest.fixture
def campaign(session: Session) -> Campaign:
    return make_campaign(session)


@pytest.fixture
def admin(session: Session) -> Account:
    return make_account(session, Role.ADMIN)


def known(session: Session, item: Item) -> dict[str, str]:
    return {key: row.answer for key, row in service.gold_of(session, item).items() if row.withdrawn_at is None}


def test_an_approved_item_is_suggested_as_right(session: Session, campaign: Campaign) -> None:
    item = make_item(session, campaign, status=Status.APPROVED)
    assert service.suggested(session, item) == {"food1_identity": "yes", "food1_origin": "yes"}


def test_a_rejected_item_is_suggested_as_most_said(session: Session, campaign: Campaign) -> None:
    item = make_item(session, campaign, status=Status.REJECTED, held=3, judged=3)
    for slot, said in enumerate(("no", "no", "yes"), start=1):
        give(session, make_account(session), item, said, is_test=False).slot = slot
    give(session, make_account(session), item, "yes", is_test=False)  # surplus
    session.flush()
    assert service.suggested(session, item) == {"food1_identity": "no", "food1_origin": "yes"}


def test_an_item_that_is_not_decided_is_no_gold(session: Session, campaign: Campaign, admin: Account) -> None:
    for status in (Status.PENDING, Status.DISPUTED):
        item = make_item(session, campaign, status=status)
        with pytest.raises(NoGoldMaterial, match="approved or rejected"):
            service.promote(session, admin, item.id, {"food1_identity": "yes"}, "Easy.")


def test_known_answers_fit_the_decision(session: Session, campaign: Campaign, admin: Account) -> None:
    approved = make_item(session, campaign, status=Status.APPROVED)
    rejected = make_item(session, campaign, status=Status.REJECTED)
    with pytest.raises(Invalid, match="approved"):
        service.promote(session, admin, approved.id, {"food1_identity": "no"}, "Hm.")
    with pytest.raises(Invalid, match="rejected"):
        service.promote(session, admin, rejected.id, {"food1_identity": "yes", "food1_origin": "yes"}, "Hm.")
    with pytest.raises(Invalid, match="at least one"):
        service.promote(session, admin, approved.id, {"food1_identity": ""}, "Hm.")
    with pytest.raises(Invalid, match="no such question"):
        service.promote(session, admin, approved.id, {"background": "yes"}, "Hm.")


def test_promoting_again_changes_what_is_known(session: Session, campaign: Campaign, admin: Account) -> None:
    item = make_item(session, campaign, status=Status.REJECTED)
    service.promote(session, admin, item.id, {"food1_identity": "no", "food1_origin": "yes"}, "Rice, not couscous.")
    service.promote(session, admin, item.id, {"food1_identity": "no", "food1_origin": ""}, "The origin is moot.")
    assert known(session, item) == {"food1_identity": "no"}
    actions = [event.action for event in session.exec(select(AuditEvent).where(AuditEvent.subject_type == "item"))]
    assert actions == ["gold.promoted", "gold.changed"]


def test_what_people_met_in_an_exam_is_never_mixed_in(session: Session, campaign: Campaign, admin: Account) -> None:
    item = make_gold(session, campaign, hold=Hold.TRAINING)
    exam = Exam(
        campaign_id=campaign.id, account_id=make_account(session).id, region="Africa", kind=ExamKind.TRAINING,
        items=[str(item.id)],
    )  # fmt: skip
    session.add(exam)
    session.flush()
    with pytest.raises(NoGoldMaterial, match="recognise"):
        service.move(session, admin, item.id, "")
    with pytest.raises(NoGoldMaterial, match="told its answers"):
        service.move(session, admin, item.id, "test")
    service.withdraw(session, admin, item.id, "Unclear.")
    with pytest.raises(NoGoldMaterial, match="recognise"):
        service.restore(session, admin, item.id, "Clear.")
    with pytest.raises(NoGoldMaterial, match="recognise"):
        service.promote(session, admin, item.id, {"food1_identity": "yes"}, "Clear.")


def test_the_same_image_under_another_key_is_never_mixed_in(
    session: Session, campaign: Campaign, admin: Account
) -> None:
    twin = make_item(session, campaign)
    item = make_item(session, campaign, status=Status.APPROVED, image_sha256=twin.image_sha256)
    with pytest.raises(NoGoldMaterial, match="same image"):
        service.promote(session, admin, item.id, {"food1_identity": "yes"}, "Easy.")
    service.promote(session, admin, item.id, {"food1_identity": "yes"}, "Easy.", "test")
    assert item.hold is Hold.TEST


def test_an_example_of_the_guidelines_is_never_mixed_in(session: Session, campaign: Campaign, admin: Account) -> None:
    item = make_item(session, campaign, status=Status.APPROVED)
    policy = campaigns.current_policy(session, campaign)
    first = policy.questions[0] | {"good": [{"text": "So", "image_sha256": item.image_sha256}]}
    policy.questions = [first, *policy.questions[1:]]
    session.add(policy)
    session.flush()
    with pytest.raises(NoGoldMaterial, match="guidelines"):
        service.promote(session, admin, item.id, {"food1_identity": "yes"}, "Easy.")


def test_gold_that_people_right_elsewhere_disagree_with_stands_out(session: Session, campaign: Campaign) -> None:
    good = [make_gold(session, campaign, "no") for _ in range(4)]
    bad = make_gold(session, campaign, "no", key="bad.jpg")
    for _ in range(3):
        person = make_account(session)
        for item in good:
            give(session, person, item, "no")
        give(session, person, bad, "yes")
    clicker = make_account(session)
    for item in [*good, bad]:
        give(session, clicker, item, "yes")
    found = listing.entries(session, campaign.id)
    assert [entry.key for entry in found if entry.is_doubted] == ["bad.jpg"]
    assert found[0].key == "bad.jpg", "they come first"
    first = found[0].known[0]
    assert (first.share, first.reliable) == ((4, 0), (3, 0)), "the clicker is right too seldom elsewhere"
    assert found[0].people == 4


def test_the_share_of_wrong_claims_should_be_about_half(session: Session, campaign: Campaign) -> None:
    for _ in range(3):
        make_gold(session, campaign)
    make_gold(session, campaign, "no", hold=Hold.TEST)
    found = listing.entries(session, campaign.id)
    assert listing.mixed_in(found) == (6, 0), "what is kept for tests is not mixed in"
    assert not listing.mixed_in(found).is_half
    assert listing.exam_items(found) == {("Africa", "test"): (1, 1)}


def test_an_admin_makes_an_item_gold_and_withdraws_it_on_its_page(
    session: Session, campaign: Campaign, admin: Account, browse: SignIn
) -> None:
    item = make_item(session, campaign, status=Status.REJECTED, key="odd.jpg")
    browser = browse(admin)
    found = browser.get(f"/campaigns/{campaign.slug}/gold", params={"key": "odd.jpg"})
    assert found.headers["location"].endswith(f"/gold/{item.id}")
    page = f"/campaigns/{campaign.slug}/gold/{item.id}"
    assert browser.get(page).status_code == 200
    refused = browser.post(page, data={"answer.food1_identity": "no", "answer.food1_origin": "", "note": ""})
    assert refused.status_code == 422
    assert "Say why" in refused.text
    sent = {"answer.food1_identity": "no", "answer.food1_origin": "yes", "note": "A cake.", "use": ""}
    assert browser.post(page, data=sent).status_code == 303
    assert known(session, item) == {"food1_identity": "no", "food1_origin": "yes"}
    assert "A cake." in browser.get(page).text
    assert browser.post(f"{page}/withdraw", data={"note": "Wrong."}).status_code == 303
    assert known(session, item) == {}
    assert browser.post(f"{page}/restore", data={"note": "Right."}).status_code == 303
    assert browser.post(f"{page}/move", data={"use": "training"}).status_code == 303
    assert item.hold is Hold.TRAINING
    assert "odd.jpg" in browser.get(f"/campaigns/{campaign.slug}/gold").text


def test_an_unknown_key_says_so(session: Session, campaign: Campaign, admin: Account, browse: SignIn) -> None:
    found = browse(admin).get(f"/campaigns/{campaign.slug}/gold", params={"key": "nowhere.jpg"})
    assert found.status_code == 404
    assert "has no item “nowhere.jpg”" in found.text


def test_the_files_neutralise_formulas(session: Session, campaign: Campaign, admin: Account, browse: SignIn) -> None:
    make_gold(session, campaign, key="=cmd|x")
    person = make_account(session, name="@SUM(A1)")
    give(session, person, make_gold(session, campaign, key="fine.jpg"))
    browser = browse(admin)
    gold = browser.get(f"/campaigns/{campaign.slug}/gold.csv").text
    assert "\r\n'=cmd|x," in gold
    assert "'@SUM(A1)" in browser.get(f"/campaigns/{campaign.slug}/pool.csv").text
