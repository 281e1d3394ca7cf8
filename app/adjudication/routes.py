"""Pages of a campaign for its admins, and for researchers what is theirs to see."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlmodel import Session
from starlette.responses import Response, StreamingResponse

from app import geography
from app.accounts.access import Admin, Researcher
from app.accounts.models import Role
from app.adjudication import figures, overview
from app.adjudication.agreement import words
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, CampaignStatus
from app.errors import Invalid
from app.items import queries as items
from app.judgments.votes import agreement as campaign_agreement
from app.web.render import redirect, render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)

GROUPINGS = ("subtask", "country", "generator")
"""By rater is for programs: a page of strangers' rows would say little."""


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


@router.get("/campaigns/{slug}/agreement", name="adjudication:agreement")
def agreement(
    request: Request,
    session: SessionDep,
    account: Researcher,
    slug: str,
    by: str = "",
    all: str = "",  # noqa: A002  (its name in the address)
) -> Response:
    campaign = campaigns.get(session, slug)
    here = str(request.app.url_path_for("adjudication:agreement", slug=slug))
    found = _figures(session, campaign, by, every_judgment=_is_set(all))
    return render(
        request,
        "adjudication/agreement.html",
        title="Agreement",
        campaign=campaign,
        by=by,
        every_judgment=_is_set(all),
        rows=found,
        cautions=figures.cautions([row for row in found if not row.group]),
        groupings=GROUPINGS,
        figures=figures.FIGURES,
        questions=words.QUESTIONS,
        reasons=words.REASONS,
        address=lambda by, every: here + _query(by, every),
        csv_address=f"{here}.csv{_query(by, _is_set(all))}",
    )


@router.get("/campaigns/{slug}/agreement.csv", name="adjudication:agreement_csv")
def agreement_csv(
    session: SessionDep,
    account: Researcher,
    slug: str,
    by: str = "",
    all: str = "",  # noqa: A002  (its name in the address)
) -> Response:
    table = _figures(session, campaigns.get(session, slug), by, every_judgment=_is_set(all))
    name = "-".join(["agreement", slug, *([f"by-{by}"] if by else []), *(["all"] if _is_set(all) else [])])
    return StreamingResponse(
        figures.as_csv(table, by or None),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}.csv"'},
    )


def _figures(session: Session, campaign: Campaign, by: str, *, every_judgment: bool) -> list[figures.Row]:
    if by and by not in GROUPINGS:
        raise Invalid(f"Agreement can't be shown by “{by[:40]}”; choose one of {', '.join(GROUPINGS)}.")
    document = campaign_agreement(session, campaign.id, by=by or None, every_judgment=every_judgment)
    return figures.rows(document, by or None)


def _is_set(flag: str) -> bool:
    return flag in ("1", "true", "yes", "on")


def _query(by: str, every: bool) -> str:
    return with_query("", {"by": by, "all": "1" if every else ""})
