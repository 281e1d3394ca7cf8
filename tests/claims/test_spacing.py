"""What is alike is kept apart."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.claims import queries as work
from app.items.models import CandidateSet, Item
from app.judgments import service as judgments
from tests.claims.test_claims import claim
from tests.claims.test_lanes import make_routed
from tests.factories import make_account, make_item
from tests.judgments.answers import all_yes


def family_order(session: Session, account: Account) -> list[str]:
    statement = sa.text(
        """
        SELECT food.name FROM claim JOIN item ON item.id = claim.item_id JOIN food ON food.id = family_id
        WHERE account_id = :account ORDER BY leased_at
        """
    )
    return list(session.execute(statement, {"account": account.id}).scalars())


def closest(order: list[str]) -> int:
    """The fewest items between two siblings."""
    return min(
        (b - a - 1 for a in range(len(order)) for b in range(a + 1, len(order)) if order[a] == order[b]), default=99
    )


@pytest.mark.parametrize("count", [1, 4, 10])
def test_siblings_lie_apart_within_a_batch_and_between_batches(session: Session, count: int) -> None:
    campaign, account = make_routed(session, family_spacing=3), make_account(session)
    for dish in "ABCDEF":
        for _ in range(4):
            make_item(session, campaign, foods=((dish, "EG"),))
    while found := claim(session, account, campaign, count).claims:
        for mine in found:
            judgments.submit(session, account, mine.id, all_yes())
    order = family_order(session, account)
    assert closest(order) >= 3
    assert len(order) >= 20


def test_the_last_siblings_wait_and_come_after_an_hour(session: Session) -> None:
    campaign, account = make_routed(session, family_spacing=3), make_account(session)
    make_item(session, campaign), make_item(session, campaign)
    mine = claim(session, account, campaign, count=2).claims
    assert len(mine) == 1
    judgments.submit(session, account, mine[0].id, all_yes())
    waiting = claim(session, account, campaign)
    assert waiting.claims == []
    assert "afresh" in (waiting.reason or "")
    assert work.remaining(session, account, campaign, 0) == 1
    session.execute(sa.text("UPDATE claim SET leased_at = leased_at - interval '61 minutes'"))
    assert len(claim(session, account, campaign).claims) == 1


def pair(session: Session, campaign: Campaign, kind: str) -> tuple[Item, Item]:
    if kind == "revisions":
        first = make_item(session, campaign, priority=1)
        make_item(session, campaign, revision_of_id=first.id, revision=2, status="rejected")
        second = session.execute(sa.text("SELECT id FROM item WHERE revision = 2")).scalar_one()
        return first, make_item(session, campaign, priority=1, revision_of_id=second, revision=3)
    candidates = CandidateSet(campaign_id=campaign.id, key="set")
    session.add(candidates)
    session.flush()
    first, second = (make_item(session, campaign, priority=1, candidate_set_id=candidates.id) for _ in range(2))
    return first, second


@pytest.mark.parametrize("kind", ["revisions", "candidates"])
def test_two_images_of_one_claim_never_follow_each_other(session: Session, kind: str) -> None:
    campaign, account = make_routed(session), make_account(session)
    alike = {item.id for item in pair(session, campaign, kind)}
    other = make_item(session, campaign)
    order = [found.item_id for found in claim(session, account, campaign, count=3).claims]
    assert order[1] == other.id
    assert {order[0], order[2]} == alike
    one_by_one = make_account(session)
    first = [claim(session, one_by_one, campaign, count=n).claims[-1].item_id for n in (1, 2, 3)]
    assert first[1] == other.id


def test_a_lease_that_lapsed_keeps_nothing_apart(session: Session) -> None:
    campaign, account = make_routed(session, family_spacing=2), make_account(session)
    make_item(session, campaign)
    mine = claim(session, account, campaign).claims[0]
    mine.expires_at -= timedelta(hours=1)
    session.flush()
    assert claim(session, account, campaign).claims[0].id == mine.id
