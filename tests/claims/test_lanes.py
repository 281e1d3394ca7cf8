"""Who may look into which lane: late visits, insiders, regions, people who are paused."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Account, KnownCountry
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Member, Qualification
from app.claims import queries as work
from app.claims import service as claims
from app.db import now
from app.items.models import Item
from app.judgments import service as judgments
from tests.claims.test_claims import claim, let_expire
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import all_yes

EGYPT, ITALY, JAPAN = ("Koshary", "EG"), ("Pizza", "IT"), ("Sushi", "JP")


def make_routed(session: Session, *, overlap: int = 2, **parameters: Any) -> Campaign:
    campaign = make_campaign(session, policy=f"fixed-{overlap}")
    campaigns.current_policy(session, campaign).parameters = parameters
    session.flush()
    return campaign


def knows(session: Session, account: Account, country: str) -> Account:
    session.add(KnownCountry(account_id=account.id, country=country))
    session.flush()
    return account


def join(session: Session, campaign: Campaign, account: Account, **values: Any) -> Account:
    session.add(Member(campaign_id=campaign.id, account_id=account.id, **values))
    session.flush()
    return account


def counts(session: Session, item: Item) -> tuple[int, int, int]:
    statement = sa.text("SELECT held, reserved, judged FROM item WHERE id = :id")
    return tuple(session.execute(statement, {"id": item.id}).one())  # type: ignore[return-value]


def test_the_better_half_looks_for_late_visits_first_and_the_others_last(session: Session) -> None:
    campaign = make_campaign(session, policy="fixed-3")
    late, fresh = make_item(session, campaign, late_from=1), make_item(session, campaign)
    claims.claim_next(
        session, make_account(session), campaign, campaigns.current_policy(session, campaign), count=2, lease=60
    )
    make_item(session, campaign)
    better = join(session, campaign, make_account(session), is_better_half=True)
    assert claim(session, better, campaign).claims[0].item_id == late.id
    other = claim(session, make_account(session), campaign, count=3).claims
    assert [found.item_id for found in other][1:] == [fresh.id, late.id]


def test_what_is_kept_for_insiders_waits_for_one(session: Session) -> None:
    campaign = make_routed(session, insiders=1)
    item = make_item(session, campaign)
    assert counts(session, item) == (0, 1, 0)
    assert claim(session, make_account(session), campaign).claims[0].is_insider is False
    nothing = claim(session, make_account(session), campaign)
    assert nothing.claims == []
    assert "know the country" in (nothing.reason or "")
    assert work.remaining(session, make_account(session), campaign, 0) == 0
    insider = knows(session, make_account(session), "EG")
    mine = claim(session, insider, campaign).claims[0]
    assert mine.is_insider
    assert counts(session, item) == (2, 0, 0)
    claims.give_back(session, insider, mine.id, reason=None, skip=False)
    assert counts(session, item) == (1, 1, 0)


def test_an_insider_who_comes_first_leaves_room_for_anybody(session: Session) -> None:
    campaign = make_routed(session, insiders=1)
    item = make_item(session, campaign)
    claim(session, knows(session, make_account(session), "EG"), campaign)
    assert counts(session, item) == (1, 0, 0)
    assert claim(session, make_account(session), campaign).claims


def test_an_insiders_late_answer_takes_an_insiders_place_again(session: Session) -> None:
    campaign = make_routed(session, insiders=1)
    item = make_item(session, campaign)
    insider, other = knows(session, make_account(session), "EG"), make_account(session)
    mine = claim(session, insider, campaign).claims[0]
    let_expire(session, mine)
    claim(session, other, campaign)
    assert counts(session, item) == (1, 1, 0)
    assert judgments.submit(session, insider, mine.id, all_yes()).status == "counted"
    assert counts(session, item) == (2, 0, 1)


def test_an_outsiders_late_answer_takes_no_place_kept_for_insiders(session: Session) -> None:
    campaign = make_routed(session, insiders=1)
    item = make_item(session, campaign)
    slow, quick = make_account(session), make_account(session)
    mine = claim(session, slow, campaign).claims[0]
    let_expire(session, mine)
    claim(session, quick, campaign)
    with pytest.raises(claims.LeaseGone):
        claims.extend(session, slow, mine.id, 60)
    assert judgments.submit(session, slow, mine.id, all_yes()).status == "surplus"
    assert counts(session, item) == (1, 1, 0)


def test_only_who_passed_a_regions_test_is_given_its_items(session: Session) -> None:
    campaign, account = make_routed(session, qualification=True), make_account(session)
    african, asian = make_item(session, campaign, foods=(EGYPT,)), make_item(session, campaign, foods=(JAPAN,))
    nothing = claim(session, account, campaign)
    assert nothing.claims == []
    assert "Africa or Asia: pass the test" in (nothing.reason or "")
    passed = Qualification(campaign_id=campaign.id, account_id=account.id, region="Asia", passed_at=now())
    session.add(passed)
    session.flush()
    assert [found.item_id for found in claim(session, account, campaign, count=2).claims] == [asian.id]
    assert work.remaining(session, account, campaign, 1) == 1
    knows(session, account, "EG")
    passed.paused_at = now()
    session.flush()
    make_item(session, campaign, foods=(JAPAN,), reserved=2), make_item(session, campaign, reserved=2)
    assert [found.item_id for found in claim(session, account, campaign, count=4).claims] == [asian.id]
    assert counts(session, african)[0] == 0


def test_the_gate_stands_in_the_query(session: Session) -> None:
    """Even with the lanes of a region one has not passed."""
    from app.claims import offers
    from app.claims.askers import REGIONS, asker

    campaign, account = make_routed(session, qualification=True), make_account(session)
    make_item(session, campaign)
    who = asker(session, account, campaign, campaigns.current_policy(session, campaign))
    forged = who._replace(regions=REGIONS)
    assert offers.choose(session, forged, offers.Before((), 0), 1, now()) == []


def test_who_is_paused_is_given_nothing_and_told_so(session: Session) -> None:
    campaign = make_campaign(session)
    make_item(session, campaign)
    account = join(session, campaign, make_account(session), paused_at=now(), paused_because={"by": "gold"})
    nothing = claim(session, account, campaign)
    assert nothing.claims == []
    assert "paused" in (nothing.reason or "")
    assert "gold" not in (nothing.reason or "")


def test_a_first_claim_makes_a_member_and_only_new_items_are_counted(session: Session) -> None:
    campaign, account = make_campaign(session), make_account(session)

    def n_claimed() -> int | None:
        statement = sa.text("SELECT n_claimed FROM pool_member WHERE account_id = :id")
        return session.execute(statement, {"id": account.id}).scalar_one_or_none()

    claim(session, account, campaign)
    assert n_claimed() is None
    for _ in range(3):
        make_item(session, campaign)
    first = claim(session, account, campaign, count=2).claims
    assert n_claimed() == 2
    claims.give_back(session, account, first[0].id, reason=None, skip=False)
    claim(session, account, campaign, count=2)
    assert n_claimed() == 2
    claim(session, account, campaign, count=3)
    assert n_claimed() == 3


def test_a_page_may_hold_thirty_and_a_program_ten(session: Session) -> None:
    campaign, account = make_campaign(session), make_account(session)
    for _ in range(31):
        make_item(session, campaign)
    policy = campaigns.current_policy(session, campaign)
    most = claims.MAX_PREPARED
    assert len(claims.claim_next(session, account, campaign, policy, count=30, lease=60, most=most).claims) == 30
    assert claim(session, account, campaign, count=10).holding == 30


def test_a_visit_asks_the_items_open_questions(session: Session) -> None:
    campaign = make_campaign(session)
    make_item(session, campaign, open_questions=["food1_origin"])
    assert claim(session, make_account(session), campaign).claims[0].questions == ["food1_origin"]
