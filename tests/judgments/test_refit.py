"""New rater models: what they doubt is opened again, what they are sure of needs no more visits."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import select

from app import jobs
from app.accounts.models import Role
from app.adjudication.service import settle
from app.adjudication.undo import undo
from app.db import transaction
from app.items.models import Gold, Item, Status
from app.jobs import JobContext, run_job
from app.judgments import jobs as fits
from app.judgments.models import Decision, Method
from app.judgments.refit import look_again
from app.judgments.tally_models import ItemPosterior
from app.settings import Settings
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.adaptive_campaign import CARELESS, adaptive_campaign, modelled, policy_of, take, visit

IDENTITY, ORIGIN = "food1_identity", "food1_origin"


class World:
    """Three items of a campaign, judged before there was a model: approved, open, and approved by an admin."""

    def __init__(self, engine: sa.Engine, settings: Settings, **parameters: Any) -> None:
        self.engine, self.settings = engine, settings
        with transaction(engine) as session:
            self.campaign = adaptive_campaign(session, open_questions_only=True, **parameters)
            self.approved, self.open, self.settled = (make_item(session, self.campaign) for _ in range(3))
            for item in (self.approved, self.settled):
                visit(session, self.campaign, item)
                visit(session, self.campaign, item)
            visit(session, self.campaign, self.open)
            visit(session, self.campaign, self.open, food1_identity="unsure")
            self.admin = make_account(session, Role.ADMIN)
            settle(session, self.admin, self.settled.id, "approved", "I know this dish.")

    def learn(self, pooled: list[list[float]], item_posterior: float = 0.5) -> dict[str, Any]:
        """New models, as a fit leaves them, and what follows from them."""
        with transaction(self.engine) as session:
            for key in (IDENTITY, ORIGIN):
                modelled(session, self.campaign, key, pooled)
            session.execute(sa.text("DELETE FROM item_posterior"))
            for id_ in session.exec(select(Item.id)):
                session.add(
                    ItemPosterior(
                        item_id=id_, campaign_id=self.campaign.id, claims={IDENTITY: item_posterior}, doubt=0.1
                    )
                )
        return self.look_again()

    def look_again(self) -> dict[str, Any]:
        with transaction(self.engine) as session:
            job = jobs.start(session, fits.KIND, title="fit", campaign_id=str(self.campaign.id))
        return look_again(JobContext(self.engine, self.settings, job), self.campaign.id)

    def item(self, item: Item) -> Item:
        with transaction(self.engine) as session:
            return session.get_one(Item, item.id)

    def log(self, item: Item) -> list[Decision]:
        with transaction(self.engine) as session:
            found = select(Decision).where(Decision.item_id == item.id).order_by(sa.asc("id"))
            return list(session.exec(found))

    def visit(self, item: Item, **votes: str) -> None:
        with transaction(self.engine) as session:
            visit(session, session.merge(self.campaign), session.get_one(Item, item.id), **votes)


@pytest.fixture
def world(fresh_engine: sa.Engine, settings: Settings) -> World:
    return World(fresh_engine, settings)


def test_what_was_approved_and_is_doubted_now_gets_another_visit(world: World) -> None:
    (before,) = world.log(world.approved)
    assert world.learn(CARELESS) == {"decided": 0, "reopened": 1}
    item = world.item(world.approved)
    assert (item.status, item.wanted, item.held, item.judged) == (Status.PENDING, 3, 2, 2)
    assert (item.decided_at, item.open_questions) == (None, [IDENTITY, ORIGIN])
    refit = world.log(item)[-1]
    assert (refit.method, refit.outcome, refit.rule) == (Method.REFIT, Status.PENDING, "refit/1")
    assert refit.detail["posterior_before"] == before.posterior > 0.95 > (refit.posterior or 1)
    assert refit.detail["overrides_decision"] == before.id
    assert refit.detail["models_before"] == before.detail["models"] != refit.detail["models"]
    assert refit.detail["threshold"] == 0.95


def test_the_same_models_doubt_an_item_once(world: World) -> None:
    world.learn(CARELESS)
    assert world.look_again() == {"decided": 0, "reopened": 0}
    for _ in range(3):
        world.visit(world.approved)
    item = world.item(world.approved)
    assert item.wanted == 5, "careless people are asked up to the cap"
    assert item.status is Status.DISPUTED
    assert world.look_again() == {"decided": 0, "reopened": 0}
    assert [decision.method for decision in world.log(item)] == [Method.RULE, Method.REFIT, Method.RULE]


def test_what_is_approved_again_by_the_same_models_stays(world: World) -> None:
    world.learn([[0.9, 0.05, 0.05], [0.62, 0.33, 0.05]], 0.9)  # two yes: 0.9499, three: 0.965
    assert world.item(world.approved).status is Status.PENDING
    world.visit(world.approved)
    assert world.item(world.approved).status is Status.APPROVED
    assert world.look_again() == {"decided": 0, "reopened": 0}
    assert len(world.log(world.approved)) == 3


def test_at_the_cap_a_doubted_item_is_disputed(world: World) -> None:
    with transaction(world.engine) as session:
        policy_of(session, session.merge(world.campaign)).overlap = 2
    assert world.learn(CARELESS)["reopened"] == 1
    item = world.item(world.approved)
    assert (item.status, item.wanted) == (Status.DISPUTED, 2)
    assert item.decided_at is not None
    assert world.log(item)[-1].outcome is Status.DISPUTED


def test_what_a_person_settled_stays(world: World) -> None:
    world.learn(CARELESS)
    assert world.item(world.settled).status is Status.APPROVED
    assert [decision.method for decision in world.log(world.settled)] == [Method.RULE, Method.ADJUDICATION]


def test_what_an_undo_brought_back_is_doubted_as_before(world: World) -> None:
    (approved,) = world.log(world.approved)
    with transaction(world.engine) as session:
        given = settle(session, world.admin, world.approved.id, "rejected", "Not this dish.")
        undo(session, world.admin, given.id)
    assert world.learn(CARELESS) == {"decided": 0, "reopened": 1}
    assert world.item(world.approved).status is Status.PENDING
    *_, taken_back, refit = world.log(world.approved)
    assert (taken_back.method, refit.method) == (Method.UNDO, Method.REFIT)
    assert refit.detail["overrides_decision"] == taken_back.id
    assert refit.detail["models_before"] == approved.detail["models"]


def test_an_item_above_the_threshold_it_was_approved_at_stays_though_that_is_higher_now(world: World) -> None:
    with transaction(world.engine) as session:
        policy_of(session, session.merge(world.campaign)).parameters = {"threshold": 0.97, "raised_threshold": 0.99}
    assert world.learn([[0.9, 0.05, 0.05], [0.55, 0.4, 0.05]], 0.9)["reopened"] == 0  # two yes: 0.960


def test_what_the_new_models_are_sure_of_is_decided_without_another_visit(world: World) -> None:
    assert world.item(world.open).wanted == 3
    sure = [[0.9, 0.02, 0.08], [0.02, 0.96, 0.02]]
    assert world.learn(sure, 0.99) == {"decided": 1, "reopened": 0}
    item = world.item(world.open)
    assert (item.status, item.wanted, item.held, item.judged) == (Status.APPROVED, 2, 2, 2)
    assert item.open_questions is None
    last = world.log(item)[-1]
    assert (last.method, last.rule, len(last.detail["judgments"])) == (Method.RULE, "adaptive/1", 2)


@pytest.mark.parametrize(
    "changed",
    [{"hold": "quota"}, {"reserved": 1}],
    ids=["held back", "kept for an insider"],
)
def test_items_that_wait_for_something_else_go_on_waiting(world: World, changed: dict[str, Any]) -> None:
    with transaction(world.engine) as session:
        name, value = next(iter(changed.items()))
        setattr(session.get_one(Item, world.open.id), name, value)
    assert world.learn([[0.9, 0.02, 0.08], [0.02, 0.96, 0.02]], 0.99)["decided"] == 0


def test_an_item_in_somebodys_hands_is_left_to_them(world: World) -> None:
    with transaction(world.engine) as session:
        person = make_account(session)
        take(session, session.merge(world.campaign), person, session.get_one(Item, world.open.id))
    assert world.learn([[0.9, 0.02, 0.08], [0.02, 0.96, 0.02]], 0.99)["decided"] == 0
    assert world.item(world.open).status is Status.PENDING


def test_the_fit_itself_looks_again(fresh_engine: sa.Engine, settings: Settings) -> None:
    """Through the worker's job and real fits: only careful people's approvals survive."""
    with transaction(fresh_engine) as session:
        campaign = adaptive_campaign(session)
        careful = [make_account(session) for _ in range(3)]
        clickers = [make_account(session) for _ in range(2)]
        for number in range(45):
            item = make_item(session, campaign)
            is_wrong = number % 3 == 0
            votes = {IDENTITY: "no", ORIGIN: "no"} if is_wrong else {}
            item.wanted = 4 if is_wrong else 2
            for person in careful if is_wrong else careful[:2]:
                visit(session, campaign, item, person, **votes)
            if is_wrong:
                visit(session, campaign, item, clickers[number % 2])
        doubtful = make_item(session, campaign)
        for person in clickers:
            visit(session, campaign, doubtful, person)
        assert doubtful.status is Status.APPROVED
        job = fits.ensure_fresh(session, campaign, None)
        assert job is not None
    run_job(fresh_engine, settings, job.id)
    with transaction(fresh_engine) as session:
        assert session.get_one(jobs.Job, job.id).result == {
            "questions": {IDENTITY: "fitted", ORIGIN: "fitted"}, "decided": 0, "reopened": 1
        }  # fmt: skip
        assert session.get_one(Item, doubtful.id).status is Status.PENDING


def test_fixed_overlap_is_left_alone(fresh_engine: sa.Engine, settings: Settings) -> None:
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session)
        job = jobs.start(session, fits.KIND, title="fit", campaign_id=str(campaign.id))
    assert look_again(JobContext(fresh_engine, settings, job), campaign.id) == {}


def test_what_new_models_are_sure_of_is_disputed_where_it_is_known_otherwise(world: World) -> None:
    with transaction(world.engine) as session:
        policy_of(session, session.merge(world.campaign)).parameters = {"audit_share": 1.0}
        for _ in range(4):
            make_account(session)  # enough for an audit
        session.add(Gold(item_id=world.open.id, question=ORIGIN, answer="no"))
    assert world.learn([[0.9, 0.02, 0.08], [0.02, 0.96, 0.02]], 0.99)["decided"] == 1
    assert world.item(world.open).status is Status.DISPUTED
    last = world.log(world.open)[-1]
    assert last.detail["known_otherwise"] == {"outcome": "approved", "answers": {ORIGIN: "no"}}
