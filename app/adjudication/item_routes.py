"""Pages of single items for admins: the grid, everything known about one, settling it and taking that back."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlmodel import Session
from starlette.datastructures import FormData
from starlette.responses import Response

from app import geography
from app.accounts.access import Admin
from app.accounts.models import Account
from app.adjudication import appeals, queue, service
from app.adjudication.agreement import words
from app.adjudication.evidence import evidence
from app.adjudication.models import Adjudication, Appeal
from app.adjudication.queue import Narrowed
from app.adjudication.queue_routes import NarrowedDep, address_of, toast_of
from app.adjudication.rulings import Ruling
from app.adjudication.undo import can_undo
from app.adjudication.undo import undo as take_back
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.errors import Conflict, Forbidden, Invalid, NotFound, TerroirError
from app.items import queries as items
from app.items.models import Item, Status, Subtask
from app.judgments.cards import background_words, image_url
from app.judgments.routes import BROKEN
from app.judgments.service import question_keys
from app.judgments.views import SKIP_REASONS
from app.web.forms import PostedForm
from app.web.render import redirect_to, render, with_query
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
        countries=geography.choices(items.countries_in(session, campaign.id)),
        country_name=geography.name_of,
        address=address,
        next=address(cursor=page.next_cursor) if page.next_cursor else None,
        is_first=not cursor,
        image_url=image_url,
    )


@router.get("/campaigns/{slug}/items/{item_id}", name="adjudication:item")
def item_page(
    request: Request,
    session: SessionDep,
    admin: Admin,
    slug: str,
    item_id: uuid.UUID,
    narrowed: NarrowedDep,
    back: uuid.UUID | None = None,
    settled: uuid.UUID | None = None,
) -> Response:
    campaign, item = _find(session, admin, slug, item_id)
    return _item(request, session, admin, campaign, item, narrowed, back=back, settled=settled)


@router.post("/campaigns/{slug}/items/{item_id}/settle", name="adjudication:settle")
def settle(
    request: Request,
    form: PostedForm,
    session: SessionDep,
    admin: Admin,
    slug: str,
    item_id: uuid.UUID,
    narrowed: NarrowedDep,
) -> Response:
    """Then on to the next of the queue; from an item that isn't in it, back to that item."""
    campaign, item = _find(session, admin, slug, item_id)
    following = queue.next_waiting(session, admin, campaign, item.id, narrowed)
    is_waiting = queue.is_waiting(session, item)
    outcome, note, ruling = str(form.get("outcome") or ""), str(form.get("note") or ""), _ruling(form)
    try:
        with session.begin_nested():
            adjudication = service.settle(session, admin, item_id, outcome, note, seen=_seen(form), ruling=ruling)
    except (Invalid, Conflict, Forbidden) as error:
        return _item(request, session, admin, campaign, item, narrowed, typed=(ruling, note), error=error)
    more = {"settled": adjudication.id}
    if not is_waiting:
        return redirect_to(address_of(request, "adjudication:item", campaign, narrowed, item_id=item.id, **more))
    if following is None or following == item.id:
        return redirect_to(address_of(request, "adjudication:queue", campaign, narrowed, **more))
    more["back"] = item.id
    return redirect_to(address_of(request, "adjudication:item", campaign, narrowed, item_id=following, **more))


@router.post("/campaigns/{slug}/items/{item_id}/undo", name="adjudication:undo")
def undo(
    request: Request,
    session: SessionDep,
    admin: Admin,
    slug: str,
    item_id: uuid.UUID,
    narrowed: NarrowedDep,
    adjudication: Annotated[uuid.UUID, Form()],
) -> Response:
    campaign, item = _find(session, admin, slug, item_id)
    found = session.get(Adjudication, adjudication)
    if found is None or found.item_id != item.id:
        raise NotFound("There is no such settlement.")
    try:
        decision = take_back(session, admin, adjudication)
    except (Conflict, Forbidden) as error:
        return _item(request, session, admin, campaign, item, narrowed, error=error)
    address = address_of(request, "adjudication:item", campaign, narrowed, item_id=item.id)
    return redirect_to(address, flash=("done", f"Taken back: {item.key} is {decision.outcome.value} again."))


@router.post("/campaigns/{slug}/appeals/{appeal_id}/uphold", name="adjudication:uphold")
def uphold(
    request: Request,
    session: SessionDep,
    admin: Admin,
    slug: str,
    appeal_id: uuid.UUID,
    narrowed: NarrowedDep,
    reply: Text = "",
) -> Response:
    appeal = session.get(Appeal, appeal_id)
    if appeal is None:
        raise NotFound("There is no such appeal.")
    campaign, item = _find(session, admin, slug, appeal.item_id)
    following = queue.next_waiting(session, admin, campaign, item.id, narrowed)
    try:
        appeals.uphold(session, admin, appeal_id, reply)
    except (Invalid, Conflict, Forbidden) as error:
        return _item(request, session, admin, campaign, item, narrowed, replied=(appeal_id, reply), error=error)
    flash = ("done", f"The decision on {item.key} stands; whoever appealed reads your reply.")
    if following is None or (following == item.id and not queue.is_waiting(session, item)):
        return redirect_to(address_of(request, "adjudication:queue", campaign, narrowed), flash=flash)
    address = address_of(request, "adjudication:item", campaign, narrowed, item_id=following, back=item.id)
    return redirect_to(address, flash=flash)


def _seen(form: FormData) -> int | None:
    try:
        return int(str(form["seen"])) if form.get("seen") else None
    except ValueError:
        raise Invalid("The form doesn't say which decision you saw; reload the page.") from None


def _ruling(form: FormData) -> Ruling | None:
    """The answers to each question; None for a form that says the outcome alone."""
    answers = {name.partition(".")[2]: str(form[name]) for name in form if name.startswith("answer.")}
    if not answers and form.get("outcome"):
        return None
    # Reasons hidden behind a yes are leftovers of a changed mind.
    reasons = {key: [str(code) for code in form.getlist(f"reason.{key}")] for key in answers if answers[key] == "no"}
    return Ruling(answers, reasons)


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
    narrowed: Narrowed,
    *,
    back: uuid.UUID | None = None,
    settled: uuid.UUID | None = None,
    typed: tuple[Ruling | None, str] | None = None,
    replied: tuple[uuid.UUID, str] | None = None,
    error: TerroirError | None = None,
) -> Response:
    found = evidence(session, item)
    ruling, note = typed or (None, "")
    newest = found.log[0] if found.log else None
    return render(
        request,
        "adjudication/item.html",
        status=error.status if error else 200,
        title=item.key,
        campaign=campaign,
        item=item,
        is_not_chosen=bool(items.not_chosen(session, [item])),
        evidence=found,
        keys=question_keys(item.subtask),
        questions=words.QUESTIONS,
        worded=found.questions,
        background=background_words(found.facts.background) if found.facts.background else None,
        image_url=image_url,
        country_name=geography.name_of,
        skip_words=SKIP_WORDS,
        is_own=service.has_judged(session, admin, item),
        seen=newest.decision.id if newest else None,
        ruling=ruling or found.preset,
        note=note,
        replied=replied,
        error=error,
        errors=error.fields if error else {},
        toast=toast_of(request, session, admin, campaign, settled, narrowed),
        undoable=newest.adjudication
        if newest and newest.adjudication and can_undo(session, item, newest.adjudication)
        else None,
        query=with_query("", narrowed._asdict()),
        back=address_of(request, "adjudication:item", campaign, narrowed, item_id=back)
        if back
        else address_of(request, "adjudication:queue", campaign, narrowed),
        later=address_of(request, "adjudication:disputed", campaign, narrowed, after=item.id),
        queue_address=address_of(request, "adjudication:queue", campaign, narrowed),
    )
