"""A campaign's policy for programs."""

from typing import Any

from fastapi import APIRouter

from app.accounts.access import Admin
from app.adjudication.policy_views import document
from app.campaigns import service as campaigns
from app.web.session import SessionDep, SettingsDep

router = APIRouter(prefix="/api/v1", tags=["campaigns"])


@router.get("/campaigns/{slug}/policy")
def policy(session: SessionDep, admin: Admin, settings: SettingsDep, slug: str) -> dict[str, Any]:
    """The policy in force, in full and in words, its quotas and how full they are, and every version with its
    changes."""
    campaign, policy = campaigns.with_policy(session, slug)
    return document(session, campaign, policy, settings)
