"""The job that fits a campaign's rater models: the newest one, and a new one on request."""

import uuid

import sqlalchemy as sa
from sqlmodel import Session

from app import jobs
from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.jobs import Job
from app.judgments.jobs import KIND


def newest(session: Session, campaign_id: uuid.UUID) -> Job | None:
    """The fit that was asked for last, whatever became of it."""
    return session.scalars(_NEWEST, {"kind": KIND, "campaign": str(campaign_id)}).first()


def fit_again(session: Session, campaign: Campaign, account: Account) -> Job:
    """A fit whether or not one is due; the one on its way where there is one."""
    session.execute(_ALONE, {"kind": KIND, "campaign": str(campaign.id)})
    job = newest(session, campaign.id)
    if job is not None and not job.is_over:
        return job
    return jobs.start(
        session,
        KIND,
        title=f"Rater models of {campaign.name}"[:200],
        account_id=account.id,
        campaign_id=str(campaign.id),
    )


_NEWEST = sa.select(Job).from_statement(
    sa.text(
        "SELECT * FROM job WHERE kind = :kind AND arguments ->> 'campaign_id' = :campaign "
        "ORDER BY created_at DESC LIMIT 1"
    )
)

# The lock under which a fit that is due is started, so that two can't start at once.
_ALONE = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:kind || ' ' || :campaign, 0))")
