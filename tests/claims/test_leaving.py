"""Somebody leaves the pool: their answers on what is undecided count no more, and others are asked."""

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Role
from app.adjudication.recheck import recheck
from app.claims import service as claims
from app.claims.models import ClaimState
from app.gold import pool
from app.judgments import service as judgments
from tests.claims.test_claims import claim, let_expire
from tests.claims.test_lanes import counts, knows, make_routed
from tests.claims.test_mixing import make_gold
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import all_yes


def test_counted_answers_on_undecided_items_become_surplus_and_places_are_free(session: Session) -> None:
    campaign = make_campaign(session, policy="fixed-2")
    spammer, other = make_account(session), make_account(session)
    decided, undecided = make_item(session, campaign, priority=2), make_item(session, campaign, priority=1)
    held = make_item(session, campaign)
    for account, n in ((other, 1), (spammer, 2)):
        for mine in claim(session, account, campaign, count=n).claims:
            judgments.submit(session, account, mine.id, all_yes())
    lease = claim(session, spammer, campaign).claims[0]
    assert claims.set_aside(session, spammer, campaign) == claims.SetAside(1, 1)
    assert (counts(session, decided), counts(session, undecided), counts(session, held)) == (
        (2, 0, 2),
        (0, 0, 0),
        (0, 0, 0),
    )
    session.refresh(lease)
    assert lease.state is ClaimState.RELEASED
    slots = "SELECT slot FROM claim WHERE state = 'judged' AND item_id = :item AND account_id = :account"
    where = {"item": undecided.id, "account": spammer.id}
    assert session.execute(sa.text(slots), where).scalar_one() is None
    changed = "SELECT count(*) FROM vote_change WHERE item_id = :item"
    assert session.execute(sa.text(changed), where).scalar_one() == 2
    for account in (other, make_account(session)):
        for mine in claim(session, account, campaign, count=2).claims:
            judgments.submit(session, account, mine.id, all_yes())
    assert counts(session, undecided) == (2, 0, 2)
    assert claims.set_aside(session, spammer, campaign) == claims.SetAside(0, 0)


def test_an_insiders_place_is_an_insiders_again(session: Session) -> None:
    campaign = make_routed(session, insiders=1)
    item = make_item(session, campaign)
    insider = knows(session, make_account(session), "EG")
    judgments.submit(session, insider, claim(session, insider, campaign).claims[0].id, all_yes())
    claims.set_aside(session, insider, campaign)
    assert counts(session, item) == (0, 1, 0)


def test_judgments_from_before_an_item_was_sent_back_stay(session: Session) -> None:
    campaign = make_campaign(session, policy="fixed-1")
    item = make_item(session, campaign)
    first, fresh = make_account(session), make_account(session)
    judgments.submit(session, first, claim(session, first, campaign).claims[0].id, all_yes())
    recheck(session, make_account(session, Role.ADMIN), item.id, "Look again.")
    assert claims.set_aside(session, first, campaign) == claims.SetAside(0, 0)
    judgments.submit(session, fresh, claim(session, fresh, campaign).claims[0].id, all_yes())
    session.refresh(item)
    assert (item.status.value, item.judged) == ("approved", 2)


def test_what_they_skipped_counts_only_once_they_are_back(session: Session) -> None:
    campaign = make_campaign(session, policy="fixed-1")
    items = [make_item(session, campaign) for _ in range(2)]
    spammer, admin = make_account(session), make_account(session, Role.ADMIN)
    first, second = claim(session, spammer, campaign, count=2).claims
    for mine in (first, second):
        claims.give_back(session, spammer, mine.id, reason="cannot_tell", skip=True)
    pool.pause(session, admin, campaign, spammer.id, "Guesses.", set_aside=True)
    assert judgments.submit(session, spammer, first.id, all_yes()).status == "surplus"
    pool.take_back(session, admin, campaign, spammer.id, "They were right.")
    assert judgments.submit(session, spammer, second.id, all_yes()).status == "counted"
    assert sorted(counts(session, item) for item in items) == [(0, 0, 0), (1, 0, 1)]


def test_what_they_let_lapse_takes_no_answer_any_more(session: Session) -> None:
    campaign = make_routed(session, gold_first=1.0, gold_last=1.0)
    make_item(session, campaign)
    make_gold(session, campaign, foods=(("Ramen", "JP"),))
    spammer = make_account(session)
    lapsed = claim(session, spammer, campaign, count=2).claims
    assert sorted(mine.is_test for mine in lapsed) == [False, True]
    for mine in lapsed:
        let_expire(session, mine)
    claim(session, make_account(session), campaign, count=2)  # finds that they lapsed
    assert claims.set_aside(session, spammer, campaign).n_judgments == 0
    for mine in lapsed:
        with pytest.raises(claims.LeaseGone):
            judgments.submit(session, spammer, mine.id, all_yes())
        with pytest.raises(claims.LeaseGone):
            claims.extend(session, spammer, mine.id, 60)
