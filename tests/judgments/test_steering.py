"""What the worker looks after in open campaigns."""

import logging
import subprocess
import sys
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.campaigns.models import Campaign, CampaignStatus, Member, Policy
from app.db import now, transaction
from app.jobs import Job, queue
from app.judgments import jobs as fits
from app.judgments import steering
from app.judgments.better_half import mark_better_half
from app.judgments.steering import steer
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.adaptive_campaign import CAREFUL, CARELESS, adaptive_campaign, modelled, policy_of, visit

MIDDLING = [[0.95, 0.04, 0.01], [0.4, 0.55, 0.05]]


@pytest.fixture
def steers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is steered, without what the rooms registered."""
    found: list[Any] = []
    monkeypatch.setattr(steering, "_steers", found)
    return found


def campaigns_of(engine: sa.Engine) -> list[Campaign]:
    with transaction(engine) as session:
        found = [make_campaign(session, f"steered-{number}") for number in range(3)]
        found[1].status = CampaignStatus.PAUSED
    return found


def test_each_steer_sees_every_open_campaign_and_a_fault_stops_no_other(
    fresh_engine: sa.Engine, steers: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    campaigns = campaigns_of(fresh_engine)
    seen = []

    @steering.steers
    def breaks(session: Session, campaign: Campaign, policy: Policy) -> None:
        campaign.priority = 7
        session.add(campaign)
        session.flush()
        if campaign.id == campaigns[0].id:
            raise RuntimeError("broken")

    @steering.steers
    def looks(session: Session, campaign: Campaign, policy: Policy) -> None:
        seen.append((campaign.slug, policy.campaign_id == campaign.id))

    assert steers == [breaks, looks]
    with caplog.at_level(logging.ERROR):
        steer(fresh_engine)
    assert seen == [("steered-0", True), ("steered-2", True)]
    assert [record.message for record in caplog.records] == [f"steering campaign {campaigns[0].id}: breaks failed"]
    with transaction(fresh_engine) as session:
        kept = {campaign.slug: campaign.priority for campaign in session.exec(select(Campaign))}
    assert kept == {"steered-0": 0, "steered-1": 0, "steered-2": 7}, "each in a transaction of its own"


def test_a_fit_is_started_when_one_is_due_and_once(fresh_engine: sa.Engine) -> None:
    with transaction(fresh_engine) as session:
        campaign = adaptive_campaign(session)
        item = make_item(session, campaign)
        visit(session, campaign, item)
        visit(session, campaign, item, food1_identity="no")
    for _ in range(2):
        steer(fresh_engine)
    with transaction(fresh_engine) as session:
        (job,) = session.exec(select(Job)).all()
    assert (job.kind, job.arguments, job.account_id) == (fits.KIND, {"campaign_id": str(campaign.id)}, None)


def pool(session: Session, campaign: Campaign, n: int = 5) -> list[Member]:
    found = [Member(campaign_id=campaign.id, account_id=make_account(session).id) for _ in range(n)]
    session.add_all(found)
    session.flush()
    return found


def better(session: Session, members: list[Member]) -> list[bool]:
    for member in members:
        session.refresh(member)
    return [member.is_better_half for member in members]


def test_who_notices_more_than_the_median_is_the_better_half(session: Session) -> None:
    campaign = adaptive_campaign(session)
    members = pool(session, campaign)
    rows = [CAREFUL, CARELESS, MIDDLING, CAREFUL, CARELESS]
    policy = policy_of(session, campaign)
    mark_better_half(session, campaign, policy)
    assert better(session, members) == [False] * 5, "without a model nobody is known"
    raters = {member.account_id: row for member, row in zip(members, rows, strict=True)}
    modelled(session, campaign, "food1_identity", raters=raters)
    mark_better_half(session, campaign, policy)
    assert better(session, members) == [True, False, False, True, False]
    # Questions count alike: who notices one kind of fault alone (0.54 of all) does less than who notices half of both.
    modelled(session, campaign, "background", raters=raters | {members[0].account_id: CARELESS})
    mark_better_half(session, campaign, policy)
    assert better(session, members) == [False, False, True, True, False]


def test_who_is_paused_or_hardly_known_is_in_neither_half(session: Session) -> None:
    campaign, other = adaptive_campaign(session), adaptive_campaign(session)
    members, others = pool(session, campaign), pool(session, other)
    others[0].is_better_half = True
    members[0].paused_at, members[0].is_better_half = now(), True
    rows = [CAREFUL, CAREFUL, MIDDLING, CARELESS]
    fit = modelled(
        session, campaign, "food1_identity",
        raters={member.account_id: row for member, row in zip(members, rows, strict=False)},
    )  # fmt: skip
    mark_better_half(session, campaign, policy_of(session, campaign))
    assert better(session, members) == [False, True, False, False, False]
    fit = modelled(session, campaign, "food1_identity", raters={members[1].account_id: CAREFUL}, n=19)
    assert fit.fit["raters"]
    mark_better_half(session, campaign, policy_of(session, campaign))
    assert better(session, members) == [False] * 5
    assert better(session, others) == [True, False, False, False, False], "another campaign's pool is its own"


def test_the_worker_steers_every_twenty_seconds() -> None:
    """In a process of its own: this one has imported it already."""
    knows = (
        "import app.cli.serving, app.jobs; "
        "tasks = [entry.task.name for entry in app.jobs.queue.periodic_registry.periodic_tasks.values()]; "
        "raise SystemExit('terroir.steer' not in tasks)"
    )
    assert subprocess.run([sys.executable, "-c", knows], check=False).returncode == 0
    task = queue.tasks["terroir.steer"]
    assert (task.queue, task.lock, task.queueing_lock) == ("maintenance", "steer", "steer")
