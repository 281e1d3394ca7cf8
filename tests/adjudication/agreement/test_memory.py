"""Looking at the counts keeps nobody waiting."""

import sqlalchemy as sa
from sqlmodel import Session

from app.adjudication.agreement.memory import counted
from app.db import transaction
from app.judgments.tallies import up_to_date
from tests.factories import make_campaign, make_item
from tests.judgments.test_vote_items import voted


def test_a_page_at_work_lets_others_count_what_came_in_meanwhile(fresh_engine: sa.Engine) -> None:
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session)
        voted(session, make_item(session, campaign, key="a"), "yes", "no")
    with Session(fresh_engine) as page, Session(fresh_engine) as other:
        version = counted(page, campaign.id)
        with transaction(fresh_engine) as session:
            voted(session, make_item(session, campaign, key="b"), "yes", "no")
        other.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
        assert up_to_date(other, campaign.id) != version
