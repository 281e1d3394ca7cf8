"""Judged items, and the people who look at them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Account, Role
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims import service as claims
from app.items.models import Item, Subtask
from app.judgments.service import submit
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import all_yes, answer

UNSURE = {"food1_identity": answer("unsure")}
NO = {"food1_identity": answer("no", "other_dish", correction="Fūl")}


@pytest.fixture
def campaign(session: Session) -> Campaign:
    return make_campaign(session, "sample")


@pytest.fixture
def admin(session: Session) -> Account:
    return make_account(session, Role.ADMIN)


@pytest.fixture
def researcher(session: Session) -> Account:
    return make_account(session, Role.RESEARCHER)


@pytest.fixture
def annotator(session: Session) -> Account:
    return make_account(session)


def judge(session: Session, campaign: Campaign, item: Item, *votes: dict[str, dict[str, object]]) -> list[Account]:
    """As many new annotators as votes, who judge the item: yes but for what their vote says. They are returned."""
    policy = campaigns.current_policy(session, campaign)
    people = []
    for vote in votes:
        person = make_account(session)
        work = claims.claim_next(session, person, campaign, policy, count=10, lease=600)
        claim = next(claim for claim in work.claims if claim.item_id == item.id)
        submit(session, person, claim.id, all_yes(item.subtask, **vote))
        for other in work.claims:
            if other.id != claim.id:
                claims.give_back(session, person, other.id, reason=None, skip=False)
        people.append(person)
    session.refresh(item)
    return people


@pytest.fixture
def approved(session: Session, campaign: Campaign) -> Item:
    item = make_item(session, campaign, key="SF/approved.jpg")
    judge(session, campaign, item, {}, {}, {})
    return item


@pytest.fixture
def disputed(session: Session, campaign: Campaign) -> Item:
    item = make_item(session, campaign, Subtask.SFB, key="SFB/disputed.jpg")
    judge(session, campaign, item, {}, UNSURE, NO)
    return item


@contextmanager
def statements(session: Session) -> Iterator[list[str]]:
    """The SQL of what is done meanwhile."""
    said: list[str] = []

    def note(*event: object) -> None:
        said.append(str(event[2]))

    engine = session.get_bind().engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
