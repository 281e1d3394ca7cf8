"""An annotator's page of their own work: their figures, and nothing that tells what is known."""

from datetime import timedelta

import pytest
from sqlmodel import Session

from app.accounts.models import Account
from app.adjudication import own_work
from app.adjudication.appeals import appeal, uphold
from app.adjudication.own_work import Agreement, Decided
from app.adjudication.rulings import Ruling
from app.adjudication.service import settle
from app.campaigns.models import Campaign
from app.db import now
from app.items.models import Gold, Status
from tests.adjudication.conftest import NO, UNSURE, judge
from tests.adjudication.test_pay import give as give_answers
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.gold.things import give, make_gold

TOMORROW = timedelta(days=1)
RIGHT = {"food1_identity": "yes", "food1_origin": "yes"}


class Case:
    """An item approved by two against one, who said no to the dish."""

    def __init__(self, session: Session, campaign: Campaign) -> None:
        self.item = make_item(session, campaign)
        self.agreeing, _, self.against = judge(session, campaign, self.item, {}, {}, NO)


@pytest.fixture
def case(session: Session, campaign: Campaign) -> Case:
    return Case(session, campaign)


def otherwise(session: Session, account: Account) -> list[Decided]:
    return own_work.decided_otherwise(own_work.decided(session, account))


def agreement(session: Session, account: Account) -> list[tuple[str, int, int]]:
    found = own_work.agreement(own_work.decided(session, account), now() + TOMORROW)
    return [(one.question, one.n, one.agreeing) for one in found]


def test_counts_by_day_and_week_with_tests_among_them(session: Session, campaign: Campaign) -> None:
    person, other = make_account(session), make_campaign(session)
    at = now().replace(hour=12)
    for hours, slot in ((0, 1), (0, None), (24 * 8, 1)):
        give_answers(session, campaign, person, (at - timedelta(hours=hours), 1000), slot=slot)
    give(session, person, make_gold(session, campaign), at=at)
    give_answers(session, other, person, (at, 1000))
    make_campaign(session)
    found = {one.campaign_id: one.counts for one in own_work.counts(session, person, at)}
    assert found == {
        campaign.id: {"today": (2, 1), "week": (2, 1), "all": (3, 1)},
        other.id: {"today": (1, 0), "week": (1, 0), "all": (1, 0)},
    }


def test_pace_is_by_the_day_of_the_first_answer(session: Session, campaign: Campaign) -> None:
    person, at = make_account(session), now().replace(hour=12)
    yesterday = at - timedelta(days=1)
    give_answers(session, campaign, person, (yesterday, 10_000), (at, 2_000))
    give_answers(session, campaign, person, (at, 30_000))
    give_answers(session, campaign, person, (at, 0))
    give_answers(session, campaign, person, (at - timedelta(days=28), 5_000))
    pace = own_work.pace(session, person, at)
    assert len(pace.days) == 28
    assert [(day.items, day.active_ms, day.seconds) for day in pace.days[-3:]] == [
        (0, 0, None), (1, 12_000, 12.0), (2, 30_000, 30.0),
    ]  # fmt: skip
    assert (pace.whole.items, pace.whole.seconds, round(pace.whole.an_hour or 0)) == (3, 21.0, 257)


def test_agreement_is_with_what_stands(session: Session, campaign: Campaign, admin: Account, case: Case) -> None:
    assert agreement(session, case.against) == [("food1_identity", 1, 0), ("food1_origin", 1, 1)]
    assert agreement(session, case.agreeing) == [("food1_identity", 1, 1), ("food1_origin", 1, 1)]
    ruling = Ruling(RIGHT | {"food1_identity": "no"}, {"food1_identity": ["other_dish"]})
    settle(session, admin, case.item.id, "", "It is ful.", ruling=ruling)
    assert agreement(session, case.against) == [("food1_identity", 1, 1), ("food1_origin", 1, 1)]
    assert otherwise(session, case.against) == []
    [one] = otherwise(session, case.agreeing)
    assert (one.against, one.by_person, one.decision_note) == (["food1_identity"], True, "It is ful.")


def test_unsure_and_undecided_are_not_compared(session: Session, campaign: Campaign) -> None:
    _, _, unsure = judge(session, campaign, make_item(session, campaign), {}, {}, UNSURE)
    assert agreement(session, unsure) == [("food1_origin", 1, 1)]
    assert otherwise(session, unsure) == []
    disputed = judge(session, campaign, make_item(session, campaign), {}, UNSURE, NO)
    assert [agreement(session, person) for person in disputed] == [[], [], []]


def test_figures_stand_as_of_midnight(session: Session, case: Case) -> None:
    found = own_work.decided(session, case.against)
    assert own_work.agreement(found, now()) == []
    assert own_work.agreement(found, now() + TOMORROW) != []


def test_the_share_has_wilsons_interval(campaign: Campaign) -> None:
    share = Agreement(campaign.id, "background", 20, 18).share
    assert (share.value, round(share.low or 0, 3), round(share.high or 0, 3)) == (0.9, 0.699, 0.972)


@pytest.mark.parametrize("is_withdrawn", [False, True])
def test_known_answers_are_nowhere(session: Session, browse: SignIn, case: Case, *, is_withdrawn: bool) -> None:
    case.item.decided_at = now()
    session.add(
        Gold(
            item_id=case.item.id, question="food1_identity", answer="yes", withdrawn_at=now() if is_withdrawn else None
        )
    )
    session.flush()
    assert own_work.decided(session, case.against) == []
    reply = browse(case.against).post(f"/work/appeals/{case.item.id}", data={"text": "It is ful."})
    assert reply.status_code == 404


def test_a_test_is_nowhere(session: Session, browse: SignIn, case: Case, campaign: Campaign) -> None:
    """Not even if its item had no row of known answers any more."""
    person = make_account(session)
    give(session, person, case.item, "no")
    assert own_work.decided(session, person) == []
    client = browse(person)
    pending = make_item(session, campaign)
    give_answers(session, campaign, person, (now(), 1000), item=pending)
    replies = [client.post(f"/work/appeals/{one.id}", data={"text": "x"}) for one in (case.item, pending)]
    assert [reply.status_code for reply in replies] == [404, 404]
    assert replies[0].text == replies[1].text


def test_an_appeal_is_made_on_the_page_and_its_reply_stands_there(
    session: Session, browse: SignIn, admin: Account, case: Case
) -> None:
    client, address = browse(case.against), f"/work/appeals/{case.item.id}"
    page = client.get("/work").text
    assert "Decided otherwise" in page
    assert "You said <b>no</b>" in page
    assert "Decided: <b>yes</b>" in page
    empty = client.post(address, data={"text": " "})
    assert (empty.status_code, "Say in a sentence why the decision is wrong." in empty.text) == (422, True)
    done = client.post(address, data={"text": "Those are <lentils>."})
    assert (done.status_code, done.headers["location"]) == (303, f"/work#item-{case.item.id}")
    assert client.post(address, data={"text": "Again."}).status_code == 409
    page = client.get("/work").text
    assert "Those are &lt;lentils&gt;." in page
    assert "waits for a reply" in page
    [one] = otherwise(session, case.against)
    assert one.appeal is not None
    uphold(session, admin, one.appeal.id, "There is pasta in it.")
    page = client.get("/work").text
    assert "The decision stands" in page
    assert "There is pasta in it." in page


def test_an_overturned_decision_stays_listed_with_the_reply(session: Session, admin: Account, case: Case) -> None:
    appeal(session, case.against, case.item.id, "Lentils.")
    ruling = Ruling(RIGHT | {"food1_identity": "no"}, {"food1_identity": ["other_dish"]})
    settle(session, admin, case.item.id, "", "You are right.", ruling=ruling)
    [one] = otherwise(session, case.against)
    assert one.appeal is not None
    assert (one.against, one.appeal.outcome, one.appeal.reply) == ([], "overturned", "You are right.")


def test_only_ones_own_pay_is_shown(session: Session, browse: SignIn, campaign: Campaign, annotator: Account) -> None:
    other = make_account(session, name="Somebody Else")
    give_answers(session, campaign, annotator, (now(), 3_600_000))
    give_answers(session, campaign, other, (now(), 7_200_000))
    client = browse(annotator)
    page = client.get("/work").text
    assert "1:00 h" in page
    assert "2:00 h" not in page
    assert "Somebody Else" not in page
    last_month = (now().replace(day=1) - timedelta(days=1)).replace(day=1).date()
    assert "1:00 h" not in client.get(f"/work?period=month-{last_month}").text
    assert client.get("/work?period=nonsense").status_code == 200


def test_pages_of_ten_and_files(session: Session, browse: SignIn, campaign: Campaign, admin: Account) -> None:
    person = make_account(session)
    for _ in range(11):
        item = make_item(session, campaign, status=Status.DISPUTED)
        give_answers(session, campaign, person, (now(), 1000), item=item)
        settle(session, admin, item.id, "rejected", "No.")
    client = browse(person)
    assert client.get("/work").text.count('class="card" id="item-') == 10
    assert client.get("/work?page=2").text.count('class="card" id="item-') == 1
    assert client.get("/work?page=9").status_code == 200
    assert client.get("/work/files/days.csv").text.startswith("day,items,active_minutes")
    assert client.get("/work/files/images.svg").headers["content-type"] == "image/svg+xml"
    assert client.get("/work/files/gold.csv").status_code == 404
