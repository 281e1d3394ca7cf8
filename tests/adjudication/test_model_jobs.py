"""Whoever looks at agreement, or settles disputes, finds the rater models at work."""

import pytest
from sqlmodel import Session, select

from app.accounts.models import Role
from app.jobs import Job
from app.judgments.jobs import KIND
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.test_votes import voted


@pytest.mark.parametrize("page", ["agreement", "disputed"])
def test_looking_starts_a_fit_of_the_rater_models_once(session: Session, browse: SignIn, page: str) -> None:
    campaign, admin = make_campaign(session), make_account(session, Role.ADMIN)
    browser = browse(admin)
    browser.get(f"/campaigns/{campaign.slug}/{page}")
    assert session.exec(select(Job).where(Job.kind == KIND)).all() == []  # nothing to fit yet
    voted(session, campaign, make_item(session, campaign), "yes", "no")
    for _ in range(2):
        browser.get(f"/campaigns/{campaign.slug}/{page}")
    assert [job.arguments for job in session.exec(select(Job).where(Job.kind == KIND))] == [
        {"campaign_id": str(campaign.id)}
    ]
