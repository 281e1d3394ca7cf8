"""Audits: some of what is approved goes to fresh annotators, and tells how much of it is wrong."""

import uuid

import pytest
from sqlmodel import Session, select

from app.accounts.models import Account, Role
from app.adjudication.models import Adjudication
from app.adjudication.service import settle
from app.campaigns.models import Campaign, Member, Qualification
from app.claims import service as claims
from app.claims.models import Claim
from app.db import now
from app.items.models import Item, Status
from app.judgments import audits
from app.judgments.models import Decision, Method
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.adaptive_campaign import adaptive_campaign, policy_of, visit


@pytest.fixture
def campaign(session: Session) -> Campaign:
    """Everything that is approved is audited."""
    return adaptive_campaign(session, audit_share=1.0)


@pytest.fixture
def fresh(session: Session) -> list[Account]:
    return [make_account(session) for _ in range(6)]


def log(session: Session, item: Item) -> list[Decision]:
    return list(session.exec(select(Decision).where(Decision.item_id == item.id).order_by(Decision.id)))  # type: ignore[arg-type]


def judged(session: Session, campaign: Campaign, *votes: str, item: Item | None = None) -> Item:
    """An item judged by new people on its identity; the rest is yes."""
    item = item or make_item(session, campaign)
    for vote in votes:
        visit(session, campaign, item, food1_identity=vote)
    return item


def test_an_approved_item_goes_to_fresh_people_at_once(
    session: Session, campaign: Campaign, fresh: list[Account]
) -> None:
    item = judged(session, campaign, "yes", "yes")
    rule, audit = log(session, item)
    assert (rule.outcome, rule.method) == (Status.APPROVED, Method.RULE)
    assert (audit.outcome, audit.method, audit.rule) == (Status.PENDING, Method.RECHECK, "audit/1")
    assert audit.detail == {
        "before": "approved", "overrides_decision": rule.id, "slots_before": 2, "wanted": 2,
        "because": {"audit_share": 1.0},
    }  # fmt: skip
    assert (item.status, item.wanted, item.held, item.judged, item.decided_at) == (Status.PENDING, 4, 2, 2, None)
    assert session.exec(select(Adjudication)).all() == [], "no person did this"
    earlier = set(session.exec(select(Claim.account_id).where(Claim.item_id == item.id)))
    for account_id in earlier:
        account = session.get_one(Account, account_id)
        assert not claims.claim_next(session, account, campaign, policy_of(session, campaign), lease=600).claims


def test_what_is_approved_again_is_audited_once(session: Session, campaign: Campaign, fresh: list[Account]) -> None:
    item = judged(session, campaign, "yes", "yes", "yes", "yes")
    assert item.status is Status.APPROVED
    assert [decision.method for decision in log(session, item)] == ["rule", "recheck", "rule"]
    assert len(log(session, item)[-1].detail["judgments"]) == 2


def test_what_is_rejected_or_disputed_is_not_audited(
    session: Session, campaign: Campaign, fresh: list[Account]
) -> None:
    rejected = judged(session, campaign, "no", "no")
    disputed = judged(session, campaign, "yes", "no", "yes", "no", "unsure")
    assert (rejected.status, disputed.status) == (Status.REJECTED, Status.DISPUTED)


def test_fixed_overlap_can_be_audited_too(session: Session, fresh: list[Account]) -> None:
    campaign = make_campaign(session, policy="fixed-1")
    policy_of(session, campaign).parameters = {"audit_share": 1.0}
    item = judged(session, campaign, "yes")
    assert (item.status, item.wanted) == (Status.PENDING, 2)
    judged(session, campaign, "no", item=item)
    assert item.status is Status.REJECTED


def test_no_audit_is_opened_that_nobody_could_end(session: Session, campaign: Campaign) -> None:
    """Only those who may be given the item are people enough."""
    one, other, third = (make_account(session) for _ in range(3))
    makers = [make_account(session) for _ in range(2)]
    other.is_active = False
    session.add(Member(campaign_id=campaign.id, account_id=third.id, paused_at=now()))
    session.flush()
    item = make_item(session, campaign)
    for maker in makers:
        visit(session, campaign, item, maker)
    assert item.status is Status.APPROVED
    other.is_active = True
    session.flush()
    audited = make_item(session, campaign)
    for maker in makers:
        visit(session, campaign, audited, maker)
    assert (one.is_active, audited.status) == (True, Status.PENDING)


def test_only_who_is_qualified_for_the_region_counts_as_fresh(session: Session, fresh: list[Account]) -> None:
    campaign = adaptive_campaign(session, audit_share=1.0, qualification=True)
    makers = [make_account(session) for _ in range(2)]
    for account in [*makers, fresh[0]]:
        session.add(Qualification(campaign_id=campaign.id, account_id=account.id, region="Africa", passed_at=now()))
    session.add(Qualification(campaign_id=campaign.id, account_id=fresh[1].id, region="Asia", passed_at=now()))
    session.flush()
    item = make_item(session, campaign)
    for maker in makers:
        visit(session, campaign, item, maker)
    assert item.status is Status.APPROVED


def test_the_share_is_drawn_by_chance_and_stays_the_same() -> None:
    campaign, other = uuid.uuid4(), uuid.uuid4()
    items = [uuid.uuid4() for _ in range(20_000)]
    drawn = {item for item in items if audits.is_drawn(campaign, item, 0.02)}
    assert 300 < len(drawn) < 500
    assert drawn == {item for item in items if audits.is_drawn(campaign, item, 0.02)}
    assert drawn < {item for item in items if audits.is_drawn(campaign, item, 0.03)}
    assert len(drawn & {item for item in items if audits.is_drawn(other, item, 0.02)}) < 30
    assert not any(audits.is_drawn(campaign, item, 0) for item in items)
    assert all(audits.is_drawn(campaign, item, 1) for item in items)


def test_the_estimate_counts_what_fresh_people_said(session: Session, campaign: Campaign, fresh: list[Account]) -> None:
    assert audits.estimate(session, adaptive_campaign(session).id) is None
    nothing = audits.estimate(session, campaign.id)
    assert nothing is not None
    assert (nothing.n, nothing.share.reason) == (0, "no_judgments")
    assert nothing.words == "No approved item has had its second look by fresh annotators yet."
    for _ in range(3):
        judged(session, campaign, "yes", "yes", "yes", "yes")
    judged(session, campaign, "yes", "yes", "no", "no")
    judged(session, campaign, "yes", "yes", "no")
    judged(session, campaign, "no", "no")
    disputed = judged(session, campaign, "yes", "yes", "yes", "no", "yes", "no", "unsure")
    found = audits.estimate(session, campaign.id)
    assert found is not None
    assert (found.n, found.wrong, found.pending) == (4, 1, 2)
    assert found.share.value == 0.25
    assert found.words == (
        "Estimated share of wrong items among the approved: 25.0 % [4.6, 69.9], from 4 approved at random for a second "
        "look by fresh annotators; 2 more wait for their second look."
    )
    settle(session, make_account(session, Role.ADMIN), disputed.id, "rejected", "It is another dish.")
    settled = audits.estimate(session, campaign.id)
    assert settled is not None
    assert (settled.n, settled.wrong, settled.pending) == (5, 2, 1)


def test_admins_read_the_estimate_on_the_campaigns_page(
    session: Session, campaign: Campaign, fresh: list[Account], browse: SignIn
) -> None:
    plain = make_campaign(session)
    judged(session, campaign, "yes", "yes", "yes", "yes")
    pages = [browse(make_account(session, Role.ADMIN)).get(f"/campaigns/{one.slug}").text for one in (campaign, plain)]
    assert "Estimated share of wrong items among the approved: 0.0 % [0.0, 79.3], from 1 approved" in pages[0]
    assert "A posterior is not an error rate" in pages[0]
    assert "second look" not in pages[1]
