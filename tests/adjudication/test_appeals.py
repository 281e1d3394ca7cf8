"""Appeals: who may make one against what, and how it is answered."""

import pytest
from sqlmodel import Session

from app.accounts.models import Account, Role
from app.adjudication import queue
from app.adjudication.appeals import (
    AnsweredAlready,
    AppealedAlready,
    NotFinal,
    NothingAgainst,
    appeal,
    appeals_of,
    uphold,
)
from app.adjudication.models import AppealOutcome
from app.adjudication.queue import Narrowed
from app.adjudication.rulings import Ruling
from app.adjudication.service import OwnJudgment, settle
from app.adjudication.undo import undo
from app.campaigns.models import Campaign
from app.errors import Invalid, NotFound
from app.items.models import Item, Status
from app.judgments.decisions import latest_decision
from tests.adjudication.conftest import NO, UNSURE, judge
from tests.conftest import SignIn
from tests.factories import make_account, make_item

YES = {"food1_identity": "yes", "food1_origin": "yes"}


class Case:
    """An item approved by two against one, who said no."""

    def __init__(self, session: Session, campaign: Campaign) -> None:
        self.item = make_item(session, campaign)
        self.agreeing, self.other, self.against = judge(session, campaign, self.item, {}, {}, NO)


@pytest.fixture
def case(session: Session, campaign: Campaign) -> Case:
    return Case(session, campaign)


def test_whoever_was_overruled_appeals_once(session: Session, case: Case) -> None:
    made = appeal(session, case.against, case.item.id, "  Those are lentils alone. ")
    assert (made.text, made.outcome, made.answered_at) == ("Those are lentils alone.", None, None)
    with pytest.raises(AppealedAlready):
        appeal(session, case.against, case.item.id, "Again.")


def test_nobody_appeals_against_what_agrees_with_them(session: Session, case: Case) -> None:
    with pytest.raises(NothingAgainst):
        appeal(session, case.agreeing, case.item.id, "I want more.")
    with pytest.raises(NotFound):
        appeal(session, make_account(session), case.item.id, "I never saw it.")


@pytest.mark.parametrize("text", ["", " \n", "x" * 2001, "a\0b"])
def test_an_appeal_is_a_text_of_1_to_2000_characters(session: Session, case: Case, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        appeal(session, case.against, case.item.id, text)
    assert list(refused.value.fields) == ["text"]


def test_what_is_undecided_takes_no_appeal(session: Session, campaign: Campaign, admin: Account) -> None:
    item = make_item(session, campaign)
    yes, unsure, _ = judge(session, campaign, item, {}, UNSURE, NO)
    with pytest.raises(NotFinal):
        appeal(session, yes, item.id, "It is.")
    # A rejection that doesn't say what is wrong is against whoever said yes throughout.
    settle(session, admin, item.id, "rejected", "No.")
    with pytest.raises(NothingAgainst):
        appeal(session, unsure, item.id, "Who knows?")
    appeal(session, yes, item.id, "It is.")


def test_an_adjudicators_answers_are_what_one_appeals_against(
    session: Session, campaign: Campaign, admin: Account
) -> None:
    item = make_item(session, campaign)
    yes, _, no = judge(session, campaign, item, {}, UNSURE, NO)
    ruling = Ruling(YES | {"food1_identity": "no"}, {"food1_identity": ["other_dish"]})
    settle(session, admin, item.id, "", "", ruling=ruling)
    appeal(session, yes, item.id, "It is koshary.")
    with pytest.raises(NothingAgainst):
        appeal(session, no, item.id, "It is not.")


def test_an_open_appeal_comes_first_in_the_queue(
    session: Session, campaign: Campaign, admin: Account, case: Case
) -> None:
    split = make_item(session, campaign)
    judge(session, campaign, split, {}, UNSURE, NO)
    made = appeal(session, case.against, case.item.id, "Lentils.")
    found = queue.waiting(session, admin, campaign)
    assert [(entry.item_id, entry.appeals) for entry in found] == [(case.item.id, 1), (split.id, 0)]
    assert [entry.item_id for entry in queue.waiting(session, admin, campaign, Narrowed(only="appeals"))] == [
        case.item.id
    ]
    assert queue.count_waiting(session, admin, campaign, Narrowed(only="disputes")) == 1
    uphold(session, admin, made.id, "There is pasta in it.")
    assert [entry.item_id for entry in queue.waiting(session, admin, campaign)] == [split.id]


def test_upholding_takes_a_reply_and_is_done_once(session: Session, admin: Account, case: Case) -> None:
    made = appeal(session, case.against, case.item.id, "Lentils.")
    with pytest.raises(Invalid) as refused:
        uphold(session, admin, made.id, " ")
    assert list(refused.value.fields) == ["reply"]
    case.other.role = Role.ADMIN
    with pytest.raises(OwnJudgment):
        uphold(session, case.other, made.id, "I said so.")
    before = latest_decision(session, case.item)
    uphold(session, admin, made.id, "There is pasta in it.")
    uphold(session, admin, made.id, "There is pasta in it.")
    assert (made.outcome, made.reply, made.answered_by) == (AppealOutcome.UPHELD, "There is pasta in it.", admin.id)
    assert latest_decision(session, case.item) == before
    with pytest.raises(AnsweredAlready):
        uphold(session, admin, made.id, "Another reply.")


def test_overturning_settles_anew_and_names_the_appeal(session: Session, admin: Account, case: Case) -> None:
    made = appeal(session, case.against, case.item.id, "Lentils.")
    with pytest.raises(Invalid, match="uphold it with a reply"):
        settle(session, admin, case.item.id, "", "It is.", ruling=Ruling(YES, {}))
    ruling = Ruling(YES | {"food1_identity": "no"}, {"food1_identity": ["other_dish"]})
    done = settle(session, admin, case.item.id, "", "You are right.", ruling=ruling)
    assert (case.item.status, made.outcome, made.reply) == (Status.REJECTED, AppealOutcome.OVERTURNED, "You are right.")
    decision = latest_decision(session, case.item)
    assert decision is not None
    assert decision.detail["appeals"] == [str(made.id)]
    undo(session, admin, done.id)
    assert (case.item.status, made.outcome, made.reply, made.answered_at) == (Status.APPROVED, None, "", None)
    assert [heard.account for heard in appeals_of(session, case.item)] == [case.against]


def test_the_item_page_shows_the_appeal_and_takes_the_reply(
    session: Session, browse: SignIn, admin: Account, case: Case
) -> None:
    made = appeal(session, case.against, case.item.id, "Those are <lentils>.")
    client, page = browse(admin), f"/campaigns/sample/items/{case.item.id}"
    assert "Those are &lt;lentils&gt;." in client.get(page).text
    assert "appeal" in client.get("/campaigns/sample/queue").text
    address = f"/campaigns/sample/appeals/{made.id}/uphold"
    empty = client.post(address, data={"reply": ""})
    assert (empty.status_code, "Say why the decision stands" in empty.text) == (422, True)
    assert client.post(address, data={"reply": "Look at the pasta."}).status_code == 303
    assert "Look at the pasta." in client.get(page).text


def test_an_appeal_of_another_campaign_looks_absent(
    session: Session, browse: SignIn, admin: Account, case: Case, disputed: Item
) -> None:
    made = appeal(session, case.against, case.item.id, "Lentils.")
    assert browse(admin).post(f"/campaigns/nothing/appeals/{made.id}/uphold", data={"reply": "x"}).status_code == 404
