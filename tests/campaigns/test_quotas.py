"""Groups that have enough wait, what comes first comes first, and nothing waits for good."""

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.claims import service as claims
from app.db import transaction
from app.errors import Invalid
from app.items.models import Gold, Hold, Item, Status, Subtask
from app.jobs import run_job
from app.judgments import priorities
from app.judgments.fresh import send_back
from app.judgments.models import Decision
from app.judgments.quotas import Group, groups, hold_full_groups
from app.judgments.steering import steer
from app.settings import Settings
from tests.adjudication.conftest import judge
from tests.campaigns.conftest import Change
from tests.factories import make_account, make_campaign, make_item


@pytest.fixture
def campaign(session: Session) -> Campaign:
    return make_campaign(session, "sample", policy="fixed-1")


def with_quotas(session: Session, campaign: Campaign, **quotas: int) -> Policy:
    policy = campaigns.current_policy(session, campaign)
    policy.parameters = {"quotas": {name.replace("_", " "): needed for name, needed in quotas.items()}}
    session.add(policy)
    session.flush()
    return policy


def holds(session: Session, campaign: Campaign) -> dict[str, Hold | None]:
    session.expire_all()
    return dict(session.exec(select(Item.key, Item.hold).where(Item.campaign_id == campaign.id)).all())


def test_a_full_group_waits_and_comes_back_when_approved_items_fall_out(session: Session, campaign: Campaign) -> None:
    done = make_item(session, campaign, Subtask.SFB, key="done", status=Status.APPROVED)
    make_item(session, campaign, Subtask.SFB, key="same subtask")
    make_item(session, campaign, key="other subtask")
    policy = with_quotas(session, campaign, subtask_SFB=1)
    hold_full_groups(session, campaign, policy)
    assert holds(session, campaign) == {"done": None, "same subtask": Hold.QUOTA, "other subtask": None}
    assert groups(session, campaign, policy) == [Group("subtask SFB", 1, approved=1, pending=1, held_back=1)]
    done.status = Status.REJECTED
    session.add(done)
    session.flush()
    hold_full_groups(session, campaign, policy)
    assert set(holds(session, campaign).values()) == {None}


def test_a_country_is_the_first_one_the_first_food_claims(session: Session, campaign: Campaign) -> None:
    make_item(session, campaign, key="done", status=Status.APPROVED)
    make_item(session, campaign, key="egypt")
    make_item(session, campaign, Subtask.MF, key="egypt on the right", foods=(("Pizza", "IT"), ("Koshary", "EG")))
    hold_full_groups(session, campaign, with_quotas(session, campaign, country_EG=1))
    assert [key for key, hold in holds(session, campaign).items() if hold] == ["egypt"]


def test_other_holds_gold_and_what_was_sent_back_are_left_alone(session: Session, campaign: Campaign) -> None:
    make_item(session, campaign, key="done", status=Status.APPROVED)
    make_item(session, campaign, key="exam", hold=Hold.TEST)
    gold = make_item(session, campaign, key="gold")
    session.add(Gold(item_id=gold.id, question="food1_identity", answer="yes"))
    again = make_item(session, campaign, key="again")
    gold_hold = gold.hold
    judge(session, campaign, again, {})
    decision = session.exec(select(Decision.id).where(Decision.item_id == again.id)).one()
    assert decision is not None
    policy = with_quotas(session, campaign, subtask_SF=1)
    send_back(session, again, policy, overrides=decision, rule="recheck/1", because={})
    hold_full_groups(session, campaign, policy)
    assert holds(session, campaign) == {"done": None, "exam": Hold.TEST, "gold": gold_hold, "again": None}


def test_a_held_item_is_offered_to_nobody(session: Session, campaign: Campaign) -> None:
    make_item(session, campaign, key="done", status=Status.APPROVED)
    make_item(session, campaign, key="held back")
    policy = with_quotas(session, campaign, subtask_SF=1)
    hold_full_groups(session, campaign, policy)
    assert not claims.claim_next(session, make_account(session), campaign, policy, lease=60).claims
    hold_full_groups(session, campaign, with_quotas(session, campaign))
    assert claims.claim_next(session, make_account(session), campaign, policy, lease=60).claims


def test_a_change_of_the_policy_holds_and_lets_go(fresh_engine: sa.Engine, change: Change) -> None:
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session, "sample")
        make_item(session, campaign, status=Status.APPROVED)
        item = make_item(session, campaign).id
    change("sample", quotas={"subtask SF": 1})
    with Session(fresh_engine) as session:
        assert session.get_one(Item, item).hold is Hold.QUOTA
    change("sample", quotas={"subtask SF": 2})
    with transaction(fresh_engine) as session:
        assert session.get_one(Item, item).hold is None
        make_item(session, campaign, status=Status.APPROVED)
    steer(fresh_engine)
    with Session(fresh_engine) as session:
        assert session.get_one(Item, item).hold is Hold.QUOTA


def test_items_of_a_higher_priority_are_handed_out_first(fresh_engine: sa.Engine, settings: Settings) -> None:
    with transaction(fresh_engine) as session:
        admin = make_account(session)
        campaign = make_campaign(session, "sample")
        make_item(session, campaign, key="a", shuffle=0)
        make_item(session, campaign, Subtask.SFB, key="b", shuffle=0.9)
        make_item(session, campaign, key="c", foods=(("Pizza", "IT"),), shuffle=0.9)
        make_item(session, campaign, key="d", generator="flux", shuffle=0.9)
        annotator = make_account(session)
    for level, (group, first) in enumerate([("subtask SFB", "b"), ("country IT", "c"), ("generator flux", "d")], 1):
        with transaction(fresh_engine) as session:
            job = priorities.set_priority(session, admin, campaign, group, level)
        run_job(fresh_engine, settings, job.id)
        assert first_item(fresh_engine, annotator) == first
    with Session(fresh_engine) as session:
        assert [(found.priority, found.undecided) for found in priorities.levels(session, campaign)] == [
            (3, 1), (2, 1), (1, 1), (0, 1),
        ]  # fmt: skip


def first_item(engine: sa.Engine, annotator: Account) -> str:
    """What they would be given; nothing is taken."""
    with Session(engine) as session:
        campaign, policy = campaigns.with_policy(session, "sample")
        claim = claims.claim_next(session, annotator, campaign, policy, lease=60).claims[0]
        return session.get_one(Item, claim.item_id).key


def test_a_priority_needs_items_and_bounds(session: Session, campaign: Campaign) -> None:
    make_item(session, campaign)
    admin = make_account(session)
    with pytest.raises(Invalid, match="there are no such ones"):
        priorities.set_priority(session, admin, campaign, "subtask MFB", 1)
    with pytest.raises(Invalid, match="from -100 to 100"):
        priorities.set_priority(session, admin, campaign, "subtask SF", 101)
