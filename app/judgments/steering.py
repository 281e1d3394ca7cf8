"""What a worker looks after in every open campaign, every twenty seconds: models, who is asked first, and whatever
other rooms add with `@steers`."""

import logging
import uuid
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import jobs
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, CampaignStatus, Policy
from app.db import transaction
from app.judgments.better_half import mark_better_half
from app.judgments.jobs import ensure_fresh

logger = logging.getLogger(__name__)

Steer = Callable[[Session, Campaign, Policy], None]
_steers: Final[list[Steer]] = []


def steers(function: Steer) -> Steer:
    """Registers what is done in each open campaign, in a transaction of its own: cheap when nothing has changed. The
    worker has to import its module (`cli/serving.py`)."""
    _steers.append(function)
    return function


@steers
def keep_models_fresh(session: Session, campaign: Campaign, policy: Policy) -> None:
    ensure_fresh(session, campaign, None)


steers(mark_better_half)


def steer(engine: sa.Engine) -> None:
    """Does all of it once. What fails is logged, and keeps nothing else from being done."""
    with transaction(engine) as session:
        found = session.exec(
            select(Campaign.id).where(Campaign.status == CampaignStatus.OPEN).order_by(col(Campaign.created_at))
        ).all()
    for campaign_id in found:
        steer_one(engine, campaign_id)


def steer_one(engine: sa.Engine, campaign_id: uuid.UUID) -> None:
    for one in tuple(_steers):
        try:
            with transaction(engine) as session:
                campaign = session.get_one(Campaign, campaign_id)
                one(session, campaign, campaigns.current_policy(session, campaign))
        except Exception:
            logger.exception("steering campaign %s: %s failed", campaign_id, one.__name__)


@jobs.queue.periodic(cron="* * * * * */20")
@jobs.queue.task(name="terroir.steer", queue="maintenance", queueing_lock="steer", lock="steer")
def steer_campaigns(timestamp: int) -> None:
    """With several workers one of them does it, and never two at once."""
    steer(jobs.worker_engine())
