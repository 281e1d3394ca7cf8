"""Pages of single items for admins: the grid, everything known about one, and settling it."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlmodel import Session
from starlette.responses import Response

from app import geography
from app.accounts.access import Admin
from app.accounts.models import Account
from app.adjudication import service
from app.adjudication.agreement import words
from app.adjudication.evidence import evidence
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.errors import Conflict, Forbidden, Invalid, NotFound, TerroirError
from app.items import queries as items
from app.items.models import Item, Status, Subtask
from app.judgments import jobs
from app.judgments.cards import background_words, image_url
from app.judgments.routes import BROKEN, SKIP_REASONS
from app.judgments.service import question_keys
from app.web.render import redirect, redirect_to, render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]

PAGE_SIZE = 60
SKIP_WORDS = {**dict(SKIP_REASONS), BROKEN: "The image is broken", "": "no reason given"}


@router.get("/campaigns/{slug}/items", name="adjudication:items")
def grid(
    request: Request,
    session: SessionDep,
    admin: Admin,
    slug: str,
    status: str = "",
    subtask: str = "",
    country: str = "",
    name: str = "",
    cursor: str = "",
) -> Response:
    campaign = campaigns.get(session, slug)
    filters = items.Filters(status, subtask, country, name.strip())
    page = items.grid(session, campaign.id, **filters._asdict(), cursor=cursor, limit=PAGE_SIZE)
    here = str(request.app.url_path_for("adjudication:items", slug=slug))

    def address(**changed: str | None) -> str:
        return with_query(here, filters._asdict() | changed)

    return render(
        request,
        "adjudication/items.html",
        title="Items",
        campaign=campaign,
        filters=filters,
        entries=page.items,
        counts=items.counts_by_status(session, campaign.id, filters),
        statuses=list(Status),
        subtask_choices=[(subtask.value, subtask.value) for subtask in Subtask],
        countries=[(code, geography.name_of(code)) for code in items.countries_in(session, campaign.id)],
        country_name=geography.name_of,
        address=address,
        next=address(cursor=page.next_cursor) if page.next_cursor else None,
        is_first=not cursor,
        image_url=image_url,
    )


@router.get("/campaigns/{slug}/disputed", name="adjudication:disputed")
def disputed(
    request: Request, session: SessionDep, admin: Admin, slug: str, after: uuid.UUID | None = None
) -> Response:
    """On to the most disputed item, or to the one that follows `after`."""
    campaign = campaigns.get(session, slug)
    jobs.ensure_fresh(session, campaign, admin)
    item_id = service.next_disputed(session, admin, campaign, after)
    if item_id is not None:
        return redirect(request, "adjudication:item", slug=slug, item_id=item_id)
    return render(request, "adjudication/no_disputes.html", title="Disputed items", campaign=campaign)


@router.get("/campaigns/{slug}/items/{item_id}", name="adjudication:item")
def item_page(request: Request, session: SessionDep, admin: Admin, slug: str, item_id: uuid.UUID) -> Response:
    campaign, item = _find(session, admin, slug, item_id)
    return _item(request, session, admin, campaign, item)


@router.post("/campaigns/{slug}/items/{item_id}/settle", name="adjudication:settle")
def settle(
    request: Request,
    session: SessionDep,
    admin: Admin,
    slug: str,
    item_id: uuid.UUID,
    outcome: Text = "",
    note: Text = "",
    seen: Annotated[int | None, Form()] = None,
) -> Response:
    campaign, item = _find(session, admin, slug, item_id)
    try:
        adjudication = service.settle(session, admin, item_id, outcome, note, seen=seen)
    except (Invalid, Conflict, Forbidden) as error:
        return _item(request, session, admin, campaign, item, typed=(outcome, note), error=error)
    left = len(service.disputed(session, admin, campaign))
    to_go = {0: "None is left.", 1: "One is left."}.get(left, f"{left:,} are left.")
    address = str(request.app.url_path_for("adjudication:disputed", slug=slug))
    return redirect_to(address, flash=("done", f"{item.key} is {adjudication.outcome.value}. {to_go}"))


def _find(session: Session, admin: Account, slug: str, item_id: uuid.UUID) -> tuple[Campaign, Item]:
    campaign = campaigns.get(session, slug)
    item = items.get_for(session, admin, item_id)
    if item.campaign_id != campaign.id:
        raise NotFound("There is no such item.")
    return campaign, item


def _item(
    request: Request,
    session: Session,
    admin: Account,
    campaign: Campaign,
    item: Item,
    *,
    typed: tuple[str, str] = ("", ""),
    error: TerroirError | None = None,
) -> Response:
    found = evidence(session, item)
    return render(
        request,
        "adjudication/item.html",
        status=error.status if error else 200,
        title=item.key,
        campaign=campaign,
        item=item,
        evidence=found,
        keys=question_keys(item.subtask),
        questions=words.QUESTIONS,
        worded=found.questions,
        background=background_words(found.facts.background) if found.facts.background else None,
        image_url=image_url,
        country_name=geography.name_of,
        skip_words=SKIP_WORDS,
        is_own=service.has_judged(session, admin, item),
        seen=found.log[0].decision.id if found.log else None,
        outcome=typed[0],
        note=typed[1],
        error=error,
        errors=error.fields if error else {},
    )
