"""A rule that comes to something else than what is known of an item decides nothing: a person has to look."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.accounts.models import Role
from app.adjudication.service import settle
from app.campaigns.models import Campaign
from app.db import now
from app.gold.service import withdraw
from app.items.models import Gold, Item, Status
from app.judgments.decisions import latest_decision
from app.judgments.models import Decision, Method
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.gold.test_blindness import counted
from tests.judgments.adaptive_campaign import adaptive_campaign, policy_of, visit

IDENTITY, ORIGIN = "food1_identity", "food1_origin"


def make_known(session: Session, campaign: Campaign, **known: str) -> Item:
    item = make_item(session, campaign)
    session.add_all(Gold(item_id=item.id, question=key, answer=said) for key, said in known.items())
    session.flush()
    return item


def newest(session: Session, item: Item) -> Decision:
    decision = latest_decision(session, item)
    assert decision is not None
    return decision


def judged(session: Session, campaign: Campaign, known: dict[str, str], **votes: str) -> Item:
    """Judged alike by as many people as it takes, with these answers known."""
    item = make_known(session, campaign, **known)
    while item.status is Status.PENDING:
        visit(session, campaign, item, **votes)
    return item


CONTRADICTING = [
    pytest.param({IDENTITY: "no"}, {}, "approved", id="approved, but something is wrong"),
    pytest.param({IDENTITY: "yes", ORIGIN: "yes"}, {ORIGIN: "no"}, "rejected", id="rejected, but nothing is wrong"),
    pytest.param({IDENTITY: "yes"}, {IDENTITY: "no"}, "rejected", id="rejected for what is right"),
    pytest.param({ORIGIN: "no"}, {IDENTITY: "no"}, "rejected", id="rejected for something else"),
]


@pytest.mark.parametrize("rule", ["fixed-1", "adaptive"])
@pytest.mark.parametrize(("known", "votes", "outcome"), CONTRADICTING)
def test_what_contradicts_a_known_answer_is_disputed(
    session: Session, rule: str, known: dict[str, str], votes: dict[str, str], outcome: str
) -> None:
    campaign = make_campaign(session, policy=rule)
    policy_of(session, campaign).parameters = {"audit_share": 1.0}
    for _ in range(6):
        make_account(session)  # enough for an audit
    item = judged(session, campaign, known, **votes)
    decision = newest(session, item)
    assert (item.status, decision.outcome, decision.method) == (Status.DISPUTED, Status.DISPUTED, Method.RULE)
    wrong = {key: said for key, said in known.items() if said != votes.get(key, "yes")}
    assert decision.detail["known_otherwise"] == {"outcome": outcome, "answers": wrong}
    assert len(session.exec(select(Decision)).all()) == 1, "no audit"


@pytest.mark.parametrize(
    ("known", "votes", "status"),
    [
        ({IDENTITY: "yes"}, {}, Status.APPROVED),
        ({IDENTITY: "no"}, {IDENTITY: "no"}, Status.REJECTED),
        ({IDENTITY: "no"}, {IDENTITY: "no", ORIGIN: "unsure"}, Status.REJECTED),
        ({ORIGIN: "yes"}, {IDENTITY: "no", ORIGIN: "unsure"}, Status.REJECTED),
        ({IDENTITY: "no"}, {IDENTITY: "unsure"}, Status.DISPUTED),
    ],
)
def test_what_fits_the_known_answers_is_decided_as_ever(
    session: Session, known: dict[str, str], votes: dict[str, str], status: Status
) -> None:
    item = judged(session, make_campaign(session, policy="fixed-1"), known, **votes)
    assert item.status is status
    assert "known_otherwise" not in newest(session, item).detail


def test_withdrawn_answers_contradict_nothing(session: Session) -> None:
    campaign = make_campaign(session, policy="fixed-1")
    item = make_known(session, campaign, **{IDENTITY: "no"})
    session.execute(sa.update(Gold).values(withdrawn_at=now()))
    visit(session, campaign, item)
    assert item.status is Status.APPROVED


def test_an_admin_withdraws_the_known_answer_or_settles(session: Session, browse: SignIn) -> None:
    campaign, admin = make_campaign(session, "sample", policy="fixed-1"), make_account(session, Role.ADMIN)
    item = judged(session, campaign, {IDENTITY: "no"})
    page = browse(admin).get(f"/campaigns/sample/items/{item.id}").text
    assert "The rule came to “approved”, but another answer was known: “no” to “" in page
    settle(session, admin, item.id, "rejected", "It is no such dish.")
    assert item.status is Status.REJECTED
    page = browse(admin).get(f"/campaigns/sample/items/{item.id}").text
    assert page.count("The rule came to “approved”") == 1, "in the log alone"
    other = judged(session, campaign, {IDENTITY: "no"})
    withdraw(session, admin, other.id, "It is such a dish.")
    settle(session, admin, other.id, "approved", "It is such a dish.")
    assert other.status is Status.APPROVED


@pytest.mark.parametrize("rule", ["fixed-1", "adaptive"])
def test_the_database_is_asked_as_often_about_every_item(session: Session, engine: sa.Engine, rule: str) -> None:
    """Whether it is gold, and whether the answers are those known, up to and with the judgment that decides it."""
    campaign = adaptive_campaign(session) if rule == "adaptive" else make_campaign(session, policy=rule)
    asked = set()
    for known in ({}, {IDENTITY: "yes"}, {IDENTITY: "no"}):
        item = make_known(session, campaign, **known)
        people: list[Any] = [make_account(session) for _ in range(2 if rule == "adaptive" else 1)]
        with counted(engine) as statements:
            for person in people:
                session.expire_all()
                visit(session, campaign, item, person)
        assert item.status is (Status.DISPUTED if known.get(IDENTITY) == "no" else Status.APPROVED)
        asked.add(statements[0])
    assert len(asked) == 1
