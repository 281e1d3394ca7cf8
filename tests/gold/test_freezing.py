"""When the answer to a test can't be changed any more: as the annotator's own ordinary answers."""

from datetime import timedelta

import pytest
from sqlmodel import Session

from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims.models import Claim
from app.db import now
from app.items.models import Item, Status
from app.judgments import service as judgments
from app.judgments.earlier import last_answers
from app.judgments.models import Decision, Method
from tests.factories import make_account, make_campaign, make_item
from tests.gold.things import give, make_gold


@pytest.fixture
def campaign(session: Session) -> Campaign:
    return make_campaign(session)


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session)


def ordinary(session: Session, account: Account, campaign: Campaign, judged_hours_ago: float, *, took: float) -> None:
    """An ordinary judgment, so many hours old, whose item was decided `took` hours after it."""
    at = now() - timedelta(hours=judged_hours_ago)
    item = make_item(session, campaign, status=Status.APPROVED)
    give(session, account, item, is_test=False, at=at)
    policy = campaigns.current_policy(session, campaign)
    assert policy.id is not None
    session.add(
        Decision(
            item_id=item.id, policy_id=policy.id, outcome=Status.APPROVED, method=Method.RULE, rule="fixed-majority/1",
            created_at=at + timedelta(hours=took),
        )
    )  # fmt: skip
    session.flush()


def is_frozen(session: Session, account: Account, campaign: Campaign, test: Claim) -> bool:
    """By the way an answer is changed, and by what the strip shows: the two must say the same."""
    found = judgments.is_frozen(session, test, session.get_one(Item, test.item_id))
    shown = {one.claim_id: one.frozen for one in last_answers(session, account, campaign)}
    assert shown[test.id] == ("judged" if found else None)
    return found


def a_judged_test(session: Session, account: Account, campaign: Campaign, hours_ago: float) -> Claim:
    return give(session, account, make_gold(session, campaign), at=now() - timedelta(hours=hours_ago))


def test_it_freezes_at_once_where_ordinary_answers_do(session: Session, campaign: Campaign, account: Account) -> None:
    ordinary(session, account, campaign, 20, took=0)
    assert is_frozen(session, account, campaign, a_judged_test(session, account, campaign, 0))


@pytest.mark.parametrize(("hours_ago", "expected"), [(4.9, False), (15.1, True)])
def test_it_stays_open_about_as_long_as_ordinary_answers_do(
    session: Session, campaign: Campaign, account: Account, hours_ago: float, expected: bool
) -> None:
    """Ten hours lend between 5 and 15."""
    ordinary(session, account, campaign, 200, took=10)
    assert is_frozen(session, account, campaign, a_judged_test(session, account, campaign, hours_ago)) is expected


def test_it_stays_open_while_nothing_was_ever_decided(session: Session, campaign: Campaign, account: Account) -> None:
    give(session, account, make_item(session, campaign), is_test=False, at=now() - timedelta(hours=50))
    assert not is_frozen(session, account, campaign, a_judged_test(session, account, campaign, 40))


def test_whoever_begins_with_a_test_finds_it_as_the_next_item(
    session: Session, campaign: Campaign, account: Account
) -> None:
    test = a_judged_test(session, account, campaign, 40)
    assert not is_frozen(session, account, campaign, test)
    ordinary(session, account, campaign, 39, took=1)
    assert is_frozen(session, account, campaign, test)


def test_as_many_freeze_at_once_as_of_ordinary_answers(session: Session, campaign: Campaign, account: Account) -> None:
    """Of ordinary answers a third is the last one wanted. Of 90 tests 30 are expected; 12 to 50 all but always."""
    for number in range(30):
        ordinary(session, account, campaign, 500 - number, took=0 if number % 3 == 0 else 400)
    at_once = sum(
        judgments.is_frozen(session, test, session.get_one(Item, test.item_id))
        for test in [a_judged_test(session, account, campaign, 0) for _ in range(90)]
    )
    assert 12 <= at_once <= 50


def test_an_ordinary_answer_freezes_with_its_own_item(session: Session, campaign: Campaign, account: Account) -> None:
    item = make_item(session, campaign)
    claim = give(session, account, item, is_test=False)
    assert not judgments.is_frozen(session, claim, item)
    item.status = Status.DISPUTED
    assert judgments.is_frozen(session, claim, item)
