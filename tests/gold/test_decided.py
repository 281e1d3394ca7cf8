"""Gold and what was decided: one is filled in from the other, and neither says otherwise."""

import pytest
from sqlmodel import Session

from app.accounts.models import Account, Role
from app.adjudication.rulings import Ruling
from app.adjudication.service import settle
from app.adjudication.undo import undo
from app.campaigns.models import Campaign
from app.errors import Invalid
from app.gold import service
from app.gold.service import NoGoldMaterial
from app.items.models import Item, Status, Subtask
from tests.adjudication.conftest import judge
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import answer

RULED = {"food1_identity": "no", "food1_origin": "yes", "food2_identity": "yes", "food2_origin": "yes"}
REASONS = {"food1_identity": ["other_dish"]}
BY_VOTES = {"food1_identity": "yes", "food1_origin": "yes", "food2_identity": "yes", "food2_origin": "no"}


@pytest.fixture
def campaign(session: Session) -> Campaign:
    return make_campaign(session, "sample")


@pytest.fixture
def admin(session: Session) -> Account:
    return make_account(session, Role.ADMIN)


@pytest.fixture
def rejected(session: Session, campaign: Campaign) -> Item:
    """By its votes, for the origin of the second food."""
    item = make_item(session, campaign, Subtask.MF)
    judge(session, campaign, item, *[{"food2_origin": answer("no", "other_country")}] * 3)
    assert item.status is Status.REJECTED
    return item


def rule_otherwise(session: Session, admin: Account, item: Item) -> None:
    settle(session, admin, item.id, "", "The votes have it the wrong way round.", ruling=Ruling(RULED, REASONS))


def test_an_adjudicators_answers_are_suggested_not_the_votes(
    session: Session, admin: Account, rejected: Item, browse: SignIn
) -> None:
    assert service.suggested(session, rejected) == BY_VOTES
    rule_otherwise(session, admin, rejected)
    assert service.suggested(session, rejected) == RULED
    page = f"/campaigns/sample/gold/{rejected.id}"
    assert browse(admin).get(page).status_code == 200
    sent = {f"answer.{key}": said for key, said in RULED.items()} | {"note": "Plain.", "use": ""}
    assert browse(admin).post(page, data=sent).status_code == 303, "what is filled in can be saved"


def test_what_an_undo_brought_back_is_suggested(session: Session, admin: Account, rejected: Item) -> None:
    settled = settle(session, admin, rejected.id, "", "So.", ruling=Ruling(RULED, REASONS))
    undo(session, admin, settled.id)
    assert service.suggested(session, rejected) == BY_VOTES


def test_votes_speak_where_the_decision_is_silent(session: Session, admin: Account, rejected: Item) -> None:
    settle(session, admin, rejected.id, "rejected", "It is no photograph of this dish.")
    assert service.suggested(session, rejected) == BY_VOTES


def test_votes_that_a_rejection_overruled_suggest_nothing(session: Session, admin: Account, campaign: Campaign) -> None:
    item = make_item(session, campaign)
    judge(session, campaign, item, {}, {}, {})
    settle(session, admin, item.id, "rejected", "Everybody overlooked it.")
    assert service.suggested(session, item) == {}, "yes to everything could not be saved"


@pytest.mark.parametrize("said", ["yes", "unsure"])
def test_gold_does_not_contradict_an_adjudicator(session: Session, admin: Account, rejected: Item, said: str) -> None:
    rule_otherwise(session, admin, rejected)
    with pytest.raises(Invalid, match="An adjudicator answered “no” here") as refused:
        service.promote(session, admin, rejected.id, BY_VOTES | {"food1_identity": said, "food2_origin": ""}, "Hm.")
    assert list(refused.value.fields) == ["answer.food1_identity"]
    assert service.gold_of(session, rejected) == {}
    with pytest.raises(Invalid, match="An adjudicator answered “yes” here"):
        service.promote(session, admin, rejected.id, {"food2_origin": "no"}, "Hm.")
    service.promote(session, admin, rejected.id, {"food1_identity": "no"}, "The rest is moot.")


def test_an_approved_items_claims_are_not_known_to_be_unclear(
    session: Session, admin: Account, campaign: Campaign
) -> None:
    item = make_item(session, campaign, status=Status.APPROVED)
    with pytest.raises(Invalid, match="every claim holds"):
        service.promote(session, admin, item.id, {"food1_identity": "unsure"}, "Hm.")


def test_withdrawn_gold_does_not_come_back_against_an_adjudicator(
    session: Session, admin: Account, rejected: Item, browse: SignIn
) -> None:
    service.promote(session, admin, rejected.id, {"food2_origin": "no"}, "Plain.")
    service.withdraw(session, admin, rejected.id, "Not so plain.")
    rule_otherwise(session, admin, rejected)
    with pytest.raises(NoGoldMaterial, match="An adjudicator answered “yes” here"):
        service.restore(session, admin, rejected.id, "Plain after all.")
    page = browse(admin).post(f"/campaigns/sample/gold/{rejected.id}/restore", data={"note": "Plain after all."})
    assert page.status_code == 409
    assert "An adjudicator answered “yes” here" in page.text
