"""The worker's fits of the rater models, and when one is due."""

import uuid
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from app import jobs
from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.db import transaction
from app.jobs import Job, JobContext, handles
from app.judgments.rater_models import fit_models, freshness
from app.judgments.refit import look_again
from app.judgments.tallies import up_to_date

KIND: Final = "agreement.fit"
DUE_SHARE: Final = 0.05
DUE_JUDGMENTS: Final = 20
"""A fit is due once so many judgments are new, and so large a share of those it was made from."""


@handles(KIND)
def fit(context: JobContext) -> dict[str, Any]:
    """{"questions": {question: "fitted", or why it has no model}}; under adaptive overlap {"decided", "reopened"} too:
    how many items the new models decided, and how many approved ones they doubt."""
    campaign_id = uuid.UUID(context.job.arguments["campaign_id"])
    with transaction(context.engine) as session:
        # Counted in a transaction of its own: pages that look at the counts needn't wait for the fit.
        up_to_date(session, campaign_id)
    with transaction(context.engine) as session:
        fits = fit_models(session, campaign_id)
    questions = {question: fitted.reason or "fitted" for question, fitted in fits.items()}
    return {"questions": questions} | look_again(context, campaign_id)


def ensure_fresh(session: Session, campaign: Campaign, account: Account | None) -> Job | None:
    """Starts a fit if one is due and none is on its way; a few milliseconds. The job, where it started one.

    After a job that failed it waits an hour.
    """
    scope = {"campaign": str(campaign.id), "kind": KIND}
    if not is_due(*freshness(session, campaign.id)) or not session.execute(_ANY_VOTES, scope).scalar_one():
        return None
    # Of two who look at once, one starts it; the other needn't wait.
    if not session.execute(_ALONE, scope).scalar_one() or session.execute(_ON_ITS_WAY, scope).scalar_one():
        return None
    return jobs.start(
        session,
        KIND,
        title=f"Rater models of {campaign.name}"[:200],
        account_id=account.id if account else None,
        campaign_id=str(campaign.id),
    )


def is_due(new: int, fitted: int | None) -> bool:
    """Whether to fit again, so many judgments being new since a fit of `fitted`; None: there was none."""
    return fitted is None or new >= max(DUE_JUDGMENTS, DUE_SHARE * fitted)


_ALONE = sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:kind || ' ' || :campaign, 0))")

_ON_ITS_WAY = sa.text(
    """
    SELECT EXISTS (
        SELECT 1 FROM job WHERE kind = :kind AND arguments ->> 'campaign_id' = :campaign
          AND (status IN ('queued', 'running') OR (status = 'failed' AND finished_at > now() - interval '1 hour'))
    )
    """
)

_ANY_VOTES = sa.text("SELECT EXISTS (SELECT 1 FROM counted_votes WHERE campaign_id = CAST(:campaign AS uuid))")
