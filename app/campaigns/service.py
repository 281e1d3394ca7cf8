"""Founding campaigns and reading their policies."""

import re
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.accounts.service import record
from app.campaigns.models import Campaign, CampaignStatus, Policy
from app.campaigns.parameters import ADAPTIVE, ADAPTIVE_CAP, ADAPTIVE_DEFAULTS, FIXED, stored
from app.campaigns.wording import default_questions
from app.errors import Conflict, Invalid, NotFound, Sentence

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
MAX_OVERLAP = 25


class UnknownCampaign(NotFound):
    pass


class SlugTaken(Conflict):
    pass


class PolicyName(NamedTuple):
    rule: str
    overlap: int


def parse_policy(text: str) -> PolicyName:
    """`fixed-3` → PolicyName("fixed", 3); `adaptive` is 2 to 5 judgments. Raises Invalid for anything else."""
    if text == ADAPTIVE:
        return PolicyName(ADAPTIVE, ADAPTIVE_CAP)
    match = re.fullmatch(r"fixed-(\d{1,3})", text)
    if match is None or not 1 <= int(match[1]) <= MAX_OVERLAP:
        raise Invalid(
            f"The policy “{text}” is not known; write adaptive, or fixed-K with K from 1 to {MAX_OVERLAP}, "
            "e.g. fixed-3."
        )
    return PolicyName(FIXED, int(match[1]))


def check_slug(slug: str) -> str:
    if SLUG.fullmatch(slug) is None:
        raise Invalid(
            f"“{slug}” can't name a campaign: use 1 to 64 of a–z, 0–9 and “-”, "
            "beginning and ending with a letter or digit.",
            fields={"slug": "Lower-case letters, digits and hyphens, at most 64."},
        )
    return slug


def found(
    session: Session,
    slug: str,
    *,
    name: str | None = None,
    policy: str = "fixed-3",
    lease_seconds: int | None = None,
    account_id: uuid.UUID | None = None,
) -> Campaign:
    """A new campaign with its first policy. Raises SlugTaken when there is one of that name."""
    rule, overlap = parse_policy(policy)
    if session.exec(select(Campaign).where(Campaign.slug == check_slug(slug))).first() is not None:
        raise SlugTaken(f"There is a campaign “{slug}” already; choose another name.", fields={"slug": "Taken."})
    campaign = Campaign(slug=slug, name=name or slug.replace("-", " ").capitalize(), created_by=account_id)
    session.add(campaign)
    session.flush()
    session.add(
        Policy(
            campaign_id=campaign.id,
            version=1,
            rule=rule,
            overlap=overlap,
            lease_seconds=lease_seconds,
            parameters=stored(ADAPTIVE_DEFAULTS) if rule == ADAPTIVE else {},
            questions=default_questions(),
            created_by=account_id,
        )
    )
    session.flush()
    return campaign


# Built once: SQLAlchemy then finds its compiled form by identity, and every claim asks it.
_BY_SLUG = select(Campaign).where(col(Campaign.slug) == sa.bindparam("slug"))
_WITH_POLICY = (
    select(Campaign, Policy)
    .join(Policy, (col(Policy.campaign_id) == Campaign.id) & (col(Policy.version) == Campaign.policy_version))
    .where(col(Campaign.slug) == sa.bindparam("slug"))
)


def get(session: Session, slug: str) -> Campaign:
    campaign = session.exec(_BY_SLUG, params={"slug": slug}).first()
    if campaign is None:
        raise UnknownCampaign(Sentence("There is no campaign “{slug}”.", slug=slug))
    return campaign


def with_policy(session: Session, slug: str) -> tuple[Campaign, Policy]:
    """A campaign and the policy it has now. Raises UnknownCampaign."""
    found = session.exec(_WITH_POLICY, params={"slug": slug}).first()
    if found is None:
        raise UnknownCampaign(Sentence("There is no campaign “{slug}”.", slug=slug))
    return found[0], found[1]


def all_campaigns(session: Session) -> Sequence[Campaign]:
    return session.exec(select(Campaign).order_by(col(Campaign.created_at))).all()


def by_priority(session: Session) -> Sequence[Campaign]:
    """In the order annotators choose from: the highest priority first, of equal ones the oldest."""
    return session.exec(select(Campaign).order_by(col(Campaign.priority).desc(), col(Campaign.created_at))).all()


def current_policy(session: Session, campaign: Campaign) -> Policy:
    return session.exec(
        select(Policy).where(Policy.campaign_id == campaign.id, Policy.version == campaign.policy_version)
    ).one()


def set_status(session: Session, campaign: Campaign, status: CampaignStatus, actor: Account) -> None:
    """Opens, pauses or closes it; leases that people hold stay theirs. A status it has already changes nothing."""
    if campaign.status is status:
        return
    record(session, actor, f"campaign.{status.value}", "campaign", campaign.id, before=campaign.status.value)
    campaign.status = status
    session.add(campaign)
    session.flush()
