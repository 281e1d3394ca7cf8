"""Pages of a campaign for its admins, and for researchers what is theirs to see."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from app import geography
from app.accounts.access import Admin, Researcher
from app.accounts.models import Role
from app.adjudication import overview
from app.campaigns import service as campaigns
from app.campaigns.models import CampaignStatus
from app.items import queries as items
from app.judgments import audits
from app.web.render import redirect, render
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)


@router.get("/campaigns", name="adjudication:campaigns")
def campaign_list(request: Request, session: SessionDep, account: Researcher) -> Response:
    return render(
        request,
        "adjudication/campaigns.html",
        title="Campaigns",
        rows=overview.campaign_rows(session),
        is_admin=account.role is Role.ADMIN,
    )


@router.get("/campaigns/{slug}", name="adjudication:campaign")
def campaign_page(request: Request, session: SessionDep, account: Researcher, slug: str) -> Response:
    campaign = campaigns.get(session, slug)
    policy = campaigns.current_policy(session, campaign)
    return render(
        request,
        "adjudication/campaign.html",
        part="adjudication/_progress.html",
        title=campaign.name,
        campaign=campaign,
        policy=policy,
        policy_words=overview.policy_words(policy),
        audit=audits.estimate(session, campaign.id),
        progress=items.progress(session, campaign.id),
        overview=overview.overview(session, campaign),
        country_name=geography.name_of,
        is_admin=account.role is Role.ADMIN,
    )


@router.post("/campaigns/{slug}/status", name="adjudication:set_status")
def set_status(
    request: Request, session: SessionDep, admin: Admin, slug: str, status: Annotated[CampaignStatus, Form()]
) -> Response:
    campaign = campaigns.get(session, slug)
    campaigns.set_status(session, campaign, status, admin)
    words = {
        CampaignStatus.OPEN: "is open: people can judge",
        CampaignStatus.PAUSED: "is paused: nobody is given new items",
        CampaignStatus.CLOSED: "is closed: nobody is given new items",
    }
    return redirect(request, "adjudication:campaign", slug=slug, flash=("done", f"“{campaign.name}” {words[status]}."))
