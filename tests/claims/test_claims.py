"""Leases: who gets which item, for how long, and never one too many."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, CampaignStatus
from app.claims import queries as work
from app.claims import service as claims
from app.claims.models import Claim, ClaimState
from app.db import now
from app.errors import Invalid
from app.items.models import Item
from app.judgments import service as judgments
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import all_yes

LEASE = 600


def claim(session: Session, account: Account, campaign: Campaign, count: int = 1) -> claims.Work:
    policy = campaigns.current_policy(session, campaign)
    return claims.claim_next(session, account, campaign, policy, count=count, lease=LEASE)


def let_expire(session: Session, claim: Claim) -> None:
    claim.expires_at = now() - timedelta(seconds=1)
    session.add(claim)
    session.flush()


def held(session: Session, item: Item) -> int:
    return session.execute(sa.text("SELECT held FROM item WHERE id = :id"), {"id": item.id}).scalar_one()


def test_an_open_claim_is_returned_before_a_new_one(session: Session) -> None:
    campaign, account = make_campaign(session), make_account(session)
    for _ in range(3):
        make_item(session, campaign)
    first = claim(session, account, campaign).claims
    again = claim(session, account, campaign, count=2).claims
    assert again[0].id == first[0].id
    assert len({found.item_id for found in again}) == 2


def test_an_item_is_promised_to_as_many_as_it_wants_and_no_more(session: Session) -> None:
    campaign = make_campaign(session, policy="fixed-2")
    item = make_item(session, campaign)
    for _ in range(2):
        assert claim(session, make_account(session), campaign).claims
    late = claim(session, make_account(session), campaign)
    assert late.claims == []
    assert "others are judging" in (late.reason or "")
    assert held(session, item) == 2


def test_least_promised_items_come_first(session: Session) -> None:
    campaign = make_campaign(session)
    items = {make_item(session, campaign).id for _ in range(4)}
    seen = {claim(session, make_account(session), campaign).claims[0].item_id for _ in range(4)}
    assert seen == items


def test_higher_priority_goes_before_least_promised(session: Session) -> None:
    campaign = make_campaign(session)
    make_item(session, campaign)
    urgent = make_item(session, campaign, priority=5)
    for _ in range(3):
        assert claim(session, make_account(session), campaign).claims[0].item_id == urgent.id


def test_nobody_sees_a_judged_or_skipped_item_twice(session: Session) -> None:
    campaign, account = make_campaign(session), make_account(session)
    make_item(session, campaign), make_item(session, campaign)
    judged, skipped = claim(session, account, campaign, count=2).claims
    judgments.submit(session, account, judged.id, all_yes())
    claims.give_back(session, account, skipped.id, reason="blurred", skip=True)
    nothing = claim(session, account, campaign)
    assert nothing.claims == []
    assert "you skipped 1" in (nothing.reason or "")


def test_a_lapsed_lease_frees_its_slot_for_somebody_else(session: Session) -> None:
    campaign = make_campaign(session, policy="fixed-1")
    item = make_item(session, campaign)
    slow, quick = make_account(session), make_account(session)
    lost = claim(session, slow, campaign).claims[0]
    assert claim(session, quick, campaign).claims == []
    let_expire(session, lost)
    assert claim(session, quick, campaign).claims[0].item_id == item.id
    session.refresh(lost)
    assert (lost.state, lost.slot) == (ClaimState.EXPIRED, None)
    assert held(session, item) == 1


def test_who_let_a_lease_lapse_may_have_the_item_again(session: Session) -> None:
    campaign, account = make_campaign(session), make_account(session)
    make_item(session, campaign)
    lost = claim(session, account, campaign).claims[0]
    let_expire(session, lost)
    again = claim(session, account, campaign).claims[0]
    assert again.id == lost.id
    assert again.expires_at > now()


def test_a_heartbeat_extends_a_lease_and_revives_a_lapsed_one(session: Session) -> None:
    campaign, account = make_campaign(session, policy="fixed-1"), make_account(session)
    item = make_item(session, campaign)
    mine = claim(session, account, campaign).claims[0]
    before = mine.expires_at
    assert claims.extend(session, account, mine.id, 900).expires_at > before
    let_expire(session, mine)
    other = make_account(session)
    theirs = claim(session, other, campaign).claims[0]
    with pytest.raises(claims.LeaseGone, match="ran out"):
        claims.extend(session, account, mine.id, 900)
    claims.give_back(session, other, theirs.id, reason=None, skip=False)
    assert claims.extend(session, account, mine.id, 900).state is ClaimState.OPEN
    assert held(session, item) == 1


def test_a_heartbeat_lasts_as_long_as_the_policy_says(session: Session) -> None:
    campaign, account = make_campaign(session, lease_seconds=3600), make_account(session)
    make_item(session, campaign)
    mine = claim(session, account, campaign).claims[0]
    assert claims.extend(session, account, mine.id, 60).expires_at > now() + timedelta(seconds=3000)


def test_giving_back_twice_frees_one_slot(session: Session) -> None:
    campaign, account = make_campaign(session), make_account(session)
    item = make_item(session, campaign)
    mine = claim(session, account, campaign).claims[0]
    for _ in range(2):
        claims.give_back(session, account, mine.id, reason=None, skip=False)
    assert held(session, item) == 0


def test_a_strangers_claim_looks_like_none(session: Session) -> None:
    campaign, stranger = make_campaign(session), make_account(session)
    make_item(session, campaign)
    mine = claim(session, make_account(session), campaign).claims[0]
    with pytest.raises(claims.ClaimNotFound):
        claims.give_back(session, stranger, mine.id, reason=None, skip=True)


@pytest.mark.parametrize("count", [0, 11, -1])
def test_a_count_out_of_range_is_refused(session: Session, count: int) -> None:
    with pytest.raises(Invalid, match="1 to 10"):
        claim(session, make_account(session), make_campaign(session), count=count)


def test_a_paused_campaign_says_so(session: Session) -> None:
    campaign = make_campaign(session)
    campaign.status = CampaignStatus.PAUSED
    assert "paused" in (claim(session, make_account(session), campaign).reason or "")


def test_an_empty_and_a_finished_campaign_say_why_there_is_no_work(session: Session) -> None:
    campaign, account = make_campaign(session, policy="fixed-1"), make_account(session)
    assert "no items yet" in (claim(session, account, campaign).reason or "")
    make_item(session, campaign)
    judgments.submit(session, account, claim(session, account, campaign).claims[0].id, all_yes())
    assert "all its judgments" in (claim(session, make_account(session), campaign).reason or "")


def test_remaining_counts_what_one_can_still_judge(session: Session) -> None:
    campaign, account = make_campaign(session, policy="fixed-1"), make_account(session)
    for _ in range(3):
        make_item(session, campaign)
    mine = claim(session, account, campaign)
    assert work.remaining(session, account, campaign, mine.holding) == 3
    assert work.remaining(session, make_account(session), campaign, 0) == 2
    judgments.submit(session, account, mine.claims[0].id, all_yes())
    assert work.remaining(session, account, campaign, 0) == 2


def test_the_database_itself_refuses_one_promise_too_many(session: Session) -> None:
    campaign = make_campaign(session, policy="fixed-1")
    item = make_item(session, campaign)
    claim(session, make_account(session), campaign)
    with pytest.raises(sa.exc.IntegrityError, match="ck_item_held"), session.begin_nested():
        session.execute(sa.text("UPDATE item SET held = held + 1 WHERE id = :id"), {"id": item.id})
    with pytest.raises(sa.exc.IntegrityError, match="uq_claim_slot"), session.begin_nested():
        session.execute(
            sa.text(
                """
                INSERT INTO claim (id, item_id, account_id, campaign_id, policy_id, state, slot, leased_at, expires_at)
                SELECT gen_random_uuid(), item_id, :account, campaign_id, policy_id, 'open', slot, now(), now()
                FROM claim
                """
            ),
            {"account": make_account(session).id},
        )
