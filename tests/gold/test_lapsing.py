"""Waiting until others have judged tells nothing apart: a test that lapsed is refused as ordinary items are."""

from datetime import timedelta

import pytest
from sqlmodel import Session

from app.accounts.models import Account
from app.adjudication import own_work, pay
from app.campaigns.models import Campaign
from app.claims import leases
from app.claims import service as claims
from app.claims.models import Claim, ClaimState
from app.db import now
from app.judgments import service as judgments
from tests.claims.test_claims import claim, let_expire
from tests.claims.test_lanes import make_routed
from tests.factories import make_account, make_item
from tests.gold.things import make_gold
from tests.judgments.answers import all_yes

N = 8


@pytest.fixture
def campaign(session: Session) -> Campaign:
    found = make_routed(session, gold_first=0.5, gold_last=0.5)
    for _ in range(N):
        make_item(session, found, wanted=1)
        make_gold(session, found)
    return found


@pytest.fixture
def prober(session: Session) -> Account:
    return make_account(session)


@pytest.fixture
def lapsed(session: Session, campaign: Campaign, prober: Account) -> list[Claim]:
    """What one person held for as long as they might, some of it tests."""
    held = list(claim(session, prober, campaign, count=N).claims)
    assert {mine.is_test for mine in held} == {True, False}
    for mine in held:
        let_expire(session, mine)
    return held


def judge_the_rest(session: Session, campaign: Campaign) -> None:
    other = make_account(session)
    while found := claim(session, other, campaign, count=5).claims:
        for mine in found:
            judgments.submit(session, other, mine.id, all_yes())
    session.expire_all()


def test_what_was_skipped_counts_while_there_is_room_and_not_later(
    session: Session, campaign: Campaign, prober: Account
) -> None:
    held = list(claim(session, prober, campaign, count=N).claims)
    for mine in held:
        claims.give_back(session, prober, mine.id, reason="broken_image", skip=True)
    early = [next(mine for mine in held if mine.is_test is is_test) for is_test in (True, False)]
    assert [judgments.submit(session, prober, mine.id, all_yes()).status for mine in early] == ["counted", "counted"]
    judge_the_rest(session, campaign)
    late = [mine for mine in held if all(mine is not one for one in early)]
    assert {mine.is_test for mine in late} == {True, False}
    assert {judgments.submit(session, prober, mine.id, all_yes()).status for mine in late} == {"surplus"}


def test_while_there_is_room_all_are_taken_again(
    session: Session, campaign: Campaign, prober: Account, lapsed: list[Claim]
) -> None:
    leases.reclaim(session, campaign.id)
    session.expire_all()
    for mine in lapsed:
        assert mine.state is ClaimState.EXPIRED
        assert claims.extend(session, prober, mine.id, 60).expires_at > now()


def test_once_others_have_judged_all_are_gone(
    session: Session, campaign: Campaign, prober: Account, lapsed: list[Claim]
) -> None:
    judge_the_rest(session, campaign)
    for mine in lapsed:
        with pytest.raises(claims.LeaseGone):
            claims.extend(session, prober, mine.id, 60)


def test_answers_that_come_too_late_are_all_surplus(
    session: Session, campaign: Campaign, prober: Account, lapsed: list[Claim]
) -> None:
    judge_the_rest(session, campaign)
    for mine in lapsed:
        for is_new in (True, False):  # the same again is told the same
            sent = judgments.submit(session, prober, mine.id, all_yes())
            assert (sent.status, sent.is_new) == ("surplus", is_new)
        with pytest.raises(judgments.AlreadyDecided):
            judgments.submit(session, prober, mine.id, all_yes()._replace(note="A second look."))
    (counts,) = own_work.counts(session, prober, now() + timedelta(seconds=1))
    assert counts.counts["all"] == (0, N)
    assert pay.report(session, campaign.id, pay.month_of(now().date()), prober.id).total.surplus == N
