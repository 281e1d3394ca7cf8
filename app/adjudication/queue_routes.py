"""The queue of what waits for an admin's word, and the way through it."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app import geography
from app.accounts.access import Admin
from app.accounts.models import Account
from app.adjudication import queue, queue_table
from app.adjudication.agreement import words
from app.adjudication.models import Adjudication
from app.adjudication.queue import Narrowed
from app.adjudication.undo import can_undo
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.items import queries as items
from app.items.models import Item, Subtask
from app.judgments import jobs
from app.judgments.cards import image_url
from app.web.figures.downloads import figure_file
from app.web.render import redirect_to, render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)

QUEUE_SIZE = 50
ONLY_WORDS = {"": "Disputes and appeals", "appeals": "Appeals only", "disputes": "Disputes only"}


def _narrowed(subtask: str = "", country: str = "", question: str = "", only: str = "") -> Narrowed:
    return Narrowed(subtask, country, question, only)


NarrowedDep = Annotated[Narrowed, Depends(_narrowed)]


@router.get("/campaigns/{slug}/queue", name="adjudication:queue")
def queue_page(
    request: Request,
    session: SessionDep,
    admin: Admin,
    slug: str,
    narrowed: NarrowedDep,
    page: Annotated[int, Query(ge=1, le=queue.MOST // QUEUE_SIZE)] = 1,
    settled: uuid.UUID | None = None,
) -> Response:
    """What waits for this admin's word, the most valuable first."""
    campaign = campaigns.get(session, slug)
    jobs.ensure_fresh(session, campaign, admin)
    found = queue.waiting(session, admin, campaign, narrowed)
    shown = found[QUEUE_SIZE * (page - 1) : QUEUE_SIZE * page]

    def address(page: int) -> str:
        return address_of(request, "adjudication:queue", campaign, narrowed, page=page)

    return render(
        request,
        "adjudication/queue.html",
        title="What waits for your word",
        campaign=campaign,
        narrowed=narrowed,
        waiting=queue.with_pictures(session, shown),
        left=queue.count_waiting(session, admin, campaign, narrowed),
        all_left=queue.count_waiting(session, admin, campaign),
        order=queue.ORDER,
        weights=queue.WEIGHTS,
        questions=words.QUESTIONS,
        only_choices=list(ONLY_WORDS.items()),
        subtask_choices=[(subtask.value, subtask.value) for subtask in Subtask],
        countries=geography.choices(items.countries_in(session, campaign.id)),
        country_name=geography.name_of,
        image_url=image_url,
        item_address=lambda item_id: address_of(request, "adjudication:item", campaign, narrowed, item_id=item_id),
        file=address_of(request, "adjudication:queue_file", campaign, narrowed),
        address=address,
        page=page,
        first=QUEUE_SIZE * (page - 1) + 1,
        pages=-(-len(found) // QUEUE_SIZE),
        toast=toast_of(request, session, admin, campaign, settled, narrowed),
        query=with_query("", narrowed._asdict()),
    )


@router.get("/campaigns/{slug}/queue.csv", name="adjudication:queue_file")
def queue_file(session: SessionDep, admin: Admin, slug: str, narrowed: NarrowedDep) -> Response:
    """The list under the same filters, on as many pages as it stands."""
    campaign = campaigns.get(session, slug)
    found = queue.with_pictures(session, queue.waiting(session, admin, campaign, narrowed))
    filters = " ".join(f"{name}={value}" for name, value in narrowed._asdict().items() if value)
    source = f"{slug}, filters: {filters or 'none'}"
    return figure_file(
        "queue.csv", {"queue": lambda: queue_table.table(found)}, {}, source, f"terroir-{slug}", "source"
    )


@router.get("/campaigns/{slug}/disputed", name="adjudication:disputed")
def disputed(
    request: Request,
    session: SessionDep,
    admin: Admin,
    slug: str,
    narrowed: NarrowedDep,
    after: uuid.UUID | None = None,
) -> Response:
    """On to the first item of the queue, or to the one that follows `after`; to the empty queue if there is none."""
    campaign = campaigns.get(session, slug)
    jobs.ensure_fresh(session, campaign, admin)
    item_id = queue.next_waiting(session, admin, campaign, after, narrowed)
    if item_id is None:
        return redirect_to(address_of(request, "adjudication:queue", campaign, narrowed))
    return redirect_to(address_of(request, "adjudication:item", campaign, narrowed, item_id=item_id, back=after))


def address_of(
    request: Request,
    route: str,
    campaign: Campaign,
    narrowed: Narrowed,
    *,
    item_id: uuid.UUID | None = None,
    **more: object,
) -> str:
    path = {"slug": campaign.slug} | ({"item_id": item_id} if item_id else {})
    return with_query(str(request.app.url_path_for(route, **path)), narrowed._asdict() | more)


def toast_of(
    request: Request,
    session: Session,
    admin: Account,
    campaign: Campaign,
    settled: uuid.UUID | None,
    narrowed: Narrowed,
) -> dict[str, object] | None:
    """What was settled a moment ago and can still be taken back."""
    adjudication = session.get(Adjudication, settled) if settled else None
    item = session.get(Item, adjudication.item_id) if adjudication else None
    if adjudication is None or item is None or item.campaign_id != campaign.id:
        return None
    if not can_undo(session, item, adjudication):
        return None
    action = address_of(request, "adjudication:undo", campaign, narrowed, item_id=item.id)
    left = queue.count_waiting(session, admin, campaign, narrowed)
    return {"item": item, "adjudication": adjudication, "action": action, "left": left}
