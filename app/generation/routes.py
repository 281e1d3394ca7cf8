"""Pages of a campaign's revision requests, for admins."""

import json
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from sqlmodel import Session
from starlette.datastructures import FormData
from starlette.responses import Response

from app import geography
from app.accounts.access import Admin
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.campaigns.parameters import parameters_of
from app.errors import Conflict, Invalid, NotFound, TerroirError
from app.generation import candidates, listing, service, yields
from app.generation.engines import NAMES
from app.generation.listing import Filters
from app.generation.models import RequestState
from app.generation.wrong import SHORT, reason_choices
from app.items import queries as items
from app.judgments.cards import image_url
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.forms import PostedForm
from app.web.render import redirect, redirect_to, render, with_query
from app.web.session import SessionDep

router = APIRouter()
PAGE_SIZE = 24
STATE_WORDS = {
    RequestState.OPEN: "Open",
    RequestState.WORKING: "Being made",
    RequestState.ANSWERED: "Answered",
    RequestState.DROPPED: "Dropped",
    RequestState.WITHDRAWN: "Withdrawn",
}


def _filters(state: str = "open", country: str = "", generator: str = "", reason: str = "") -> Filters:
    return Filters(state, country, generator, reason)


FiltersDep = Annotated[Filters, Depends(_filters)]
Text = Annotated[str, Form()]


@router.get("/campaigns/{slug}/revisions", name="generation:requests", include_in_schema=False)
def request_list(
    request: Request, session: SessionDep, admin: Admin, slug: str, filters: FiltersDep, cursor: str = ""
) -> Response:
    return _page(request, session, _up_to_date(session, slug), filters, cursor)


@router.get("/campaigns/{slug}/revisions.jsonl", name="generation:export", include_in_schema=False)
def export(session: SessionDep, admin: Admin, slug: str, filters: FiltersDep) -> Response:
    """Every request the filters leave, one a line, the oldest first."""
    campaign = _up_to_date(session, slug)
    found = [
        document
        for entries in listing.every(session, campaign, filters)
        for document in listing.documents(session, entries)
    ]
    return _as_jsonl(found, f"terroir-{slug}-revisions.jsonl")


@router.post("/campaigns/{slug}/revisions/serve", name="generation:serve", include_in_schema=False)
def serve(
    request: Request, form: PostedForm, session: SessionDep, admin: Admin, slug: str, filters: FiltersDep
) -> Response:
    """Has an engine make the requests in the form again: one, or all that the page shows."""
    campaign = _up_to_date(session, slug)
    try:
        ids = _ids(form)
        with session.begin_nested():
            job = service.serve(session, admin, campaign, ids, engine=str(form.get("engine", "")), seeds=_seeds(form))
    except (Invalid, Conflict) as error:
        return _page(request, session, campaign, filters, "", error)
    return redirect(request, "adjudication:job", job_id=job.id)


@router.post("/campaigns/{slug}/revisions/{request_id}/drop", name="generation:drop", include_in_schema=False)
def drop(
    request: Request, session: SessionDep, admin: Admin, slug: str, request_id: uuid.UUID, filters: FiltersDep,
    note: Text = "",
) -> Response:  # fmt: skip
    campaign = campaigns.get(session, slug)
    try:
        service.drop(session, admin, campaign, request_id, note)
    except (Invalid, Conflict) as error:
        return _page(request, session, campaign, filters, "", error, about=request_id)
    return redirect_to(_address(request, campaign, filters), flash=("done", "Dropped: nobody makes it again."))


@router.post("/campaigns/{slug}/revisions/{request_id}/reopen", name="generation:reopen", include_in_schema=False)
def reopen(
    request: Request, session: SessionDep, admin: Admin, slug: str, request_id: uuid.UUID, filters: FiltersDep,
    note: Text = "",
) -> Response:  # fmt: skip
    campaign = campaigns.get(session, slug)
    try:
        service.reopen(session, admin, campaign, request_id, note)
    except (Invalid, Conflict) as error:
        return _page(request, session, campaign, filters, "", error, about=request_id)
    return redirect_to(_address(request, campaign, filters), flash=("done", "Open again."))


@router.get("/campaigns/{slug}/revisions/yield", name="generation:yield", include_in_schema=False)
def yield_page(request: Request, session: SessionDep, admin: Admin, slug: str) -> Response:
    campaign = campaigns.get(session, slug)
    return render(
        request,
        "generation/yield.html",
        title="Yield",
        campaign=campaign,
        tables=[yields.yield_table(session, campaign, kind) for kind in yields.TITLES],
        words=tables,
    )


@router.get("/campaigns/{slug}/revisions/yield/{name}", name="generation:yield_file", include_in_schema=False)
def yield_file(session: SessionDep, admin: Admin, slug: str, name: str) -> Response:
    campaign = campaigns.get(session, slug)
    kind = name.rpartition(".")[0]
    if kind not in yields.TITLES:
        raise NotFound(f"There is no file “{name[:60]}” here; the page says which there are.")
    found = {kind: lambda: yields.yield_table(session, campaign, kind)}
    return figure_file(name, found, {}, slug, f"terroir-{slug}-yield-by", stamp="campaign")


@router.get("/campaigns/{slug}/items/{item_id}/made-again", name="generation:of_item", include_in_schema=False)
def of_item(request: Request, session: SessionDep, admin: Admin, slug: str, item_id: uuid.UUID) -> Response:
    """What was asked for in place of an item, and the candidates it was one of: a part of the item's page."""
    campaign = campaigns.get(session, slug)
    item = items.get_for(session, admin, item_id)
    if item.campaign_id != campaign.id:
        raise NotFound("There is no such item.")
    return render(
        request,
        "generation/of_item.html",
        part="generation/_of_item.html",
        title=f"Made again: {item.key}",
        campaign=campaign,
        item=item,
        requests=listing.of_item(session, item),
        linked=candidates.linked(session, item),
        state_words=STATE_WORDS,
        image_url=image_url,
    )


@router.get("/api/v1/campaigns/{slug}/revision-requests", tags=["campaigns"])
def request_documents(
    slug: str,
    session: SessionDep,
    admin: Admin,
    filters: FiltersDep,
    cursor: Annotated[str, Query(description="next_cursor of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 60,
    format: Annotated[str, Query(description="json, or jsonl for one request a line.", pattern="^jsonl?$")] = "json",  # noqa: A002
) -> Any:
    """Rejected images that want another: the claim, the prompt, the sources and what was wrong, the oldest first.

    Import the answer with the request's `item` in `revision_of`.
    """
    campaign = _up_to_date(session, slug)
    page = listing.listed(session, campaign, filters, cursor=cursor, limit=limit)
    found = listing.documents(session, page.entries)
    if format == "jsonl":
        return _as_jsonl(found, f"terroir-{slug}-revisions.jsonl")
    return {"requests": found, "next_cursor": page.next_cursor}


def _up_to_date(session: Session, slug: str) -> Campaign:
    campaign, policy = campaigns.with_policy(session, slug)
    service.keep_up(session, campaign, policy)
    return campaign


def _as_jsonl(found: list[dict[str, Any]], name: str) -> Response:
    lines = "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in found)
    return Response(
        lines, media_type="application/jsonl", headers={"content-disposition": f'attachment; filename="{name}"'}
    )


def _ids(form: FormData) -> list[uuid.UUID]:
    try:
        return [uuid.UUID(str(id_)) for id_ in form.getlist("request")]
    except ValueError:
        raise Invalid("The form doesn't say which requests are meant; reload the page.") from None


def _seeds(form: FormData) -> int:
    text = str(form.get("seeds", "1"))
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0


def _address(request: Request, campaign: Campaign, filters: Filters, **more: str | None) -> str:
    here = str(request.app.url_path_for("generation:requests", slug=campaign.slug))
    return with_query(here, filters._asdict() | more)


def _page(
    request: Request,
    session: Session,
    campaign: Campaign,
    filters: Filters,
    cursor: str,
    error: TerroirError | None = None,
    about: uuid.UUID | None = None,
) -> Response:
    page = listing.listed(session, campaign, filters, cursor=cursor, limit=PAGE_SIZE)
    policy = campaigns.current_policy(session, campaign)
    return render(
        request,
        "generation/requests.html",
        status=error.status if error else 200,
        title="Made again",
        campaign=campaign,
        rounds=parameters_of(policy).rounds,
        filters=filters,
        entries=page.entries,
        counts=listing.counts_by_state(session, campaign, filters),
        answers=listing.answers_of(session, page.entries),
        state_words=STATE_WORDS,
        countries=geography.choices(items.countries_in(session, campaign.id)),
        generators=[(name, name) for name in listing.generators(session, campaign)],
        reasons=reason_choices(session, campaign),
        engines=NAMES,
        address=lambda **changed: _address(request, campaign, filters, **changed),
        query=with_query("", filters._asdict()),
        next=_address(request, campaign, filters, cursor=page.next_cursor) if page.next_cursor else None,
        is_first=not cursor,
        claim_words=listing.claim_words,
        short=SHORT,
        image_url=image_url,
        error=error,
        about=about,
    )
