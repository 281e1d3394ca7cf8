"""Choosing among candidates: one set a page, by keyboard or by hand."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import Admin
from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.errors import Conflict, Invalid, TerroirError
from app.generation import candidates
from app.items.cards import card_facts
from app.items.models import CandidateSet
from app.judgments.cards import background_words, image_url
from app.web.render import redirect_to, render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]


@router.get("/campaigns/{slug}/candidates", name="generation:candidates")
def next_set(
    request: Request, session: SessionDep, admin: Admin, slug: str, decided: uuid.UUID | None = None
) -> Response:
    """The first set that waits, or the one after the set that was just decided."""
    campaign = campaigns.get(session, slug)
    before = candidates.get(session, campaign, decided) if decided else None
    following = candidates.next_open(session, campaign, before)
    return _page(request, session, admin, campaign, following, before)


@router.get("/campaigns/{slug}/candidates/{set_id}", name="generation:candidate_set")
def one_set(request: Request, session: SessionDep, admin: Admin, slug: str, set_id: uuid.UUID) -> Response:
    campaign = campaigns.get(session, slug)
    return _page(request, session, admin, campaign, candidates.get(session, campaign, set_id))


@router.post("/campaigns/{slug}/candidates/{set_id}", name="generation:choose")
def choose(
    request: Request,
    session: SessionDep,
    admin: Admin,
    slug: str,
    set_id: uuid.UUID,
    choice: Text = "",
    note: Text = "",
) -> Response:
    campaign = campaigns.get(session, slug)
    try:
        with session.begin_nested():
            candidates.choose(session, admin, campaign, set_id, choice, note)
    except (Invalid, Conflict) as error:
        return _page(request, session, admin, campaign, candidates.get(session, campaign, set_id), error=error)
    here = str(request.app.url_path_for("generation:candidates", slug=slug))
    return redirect_to(with_query(here, {"decided": set_id}))


@router.post("/campaigns/{slug}/candidates/{set_id}/undo", name="generation:undo_choice")
def undo(request: Request, session: SessionDep, admin: Admin, slug: str, set_id: uuid.UUID) -> Response:
    campaign = campaigns.get(session, slug)
    try:
        with session.begin_nested():
            found = candidates.undo(session, admin, campaign, set_id)
    except Conflict as error:
        return _page(request, session, admin, campaign, candidates.get(session, campaign, set_id), error=error)
    here = str(request.app.url_path_for("generation:candidate_set", slug=slug, set_id=set_id))
    return redirect_to(here, flash=("done", f"Taken back: {found.key} is open again."))


def _page(
    request: Request,
    session: Session,
    admin: Account,
    campaign: Campaign,
    shown: CandidateSet | None,
    before: CandidateSet | None = None,
    error: TerroirError | None = None,
) -> Response:
    """`before` is the set that was decided a moment ago."""
    waiting = candidates.queue(session, admin, campaign)
    before = before if before and before.decided_at else None
    images = candidates.members(session, shown) if shown else []
    facts = card_facts(session, [images[0].id])[images[0].id] if images else None
    last = before or (waiting.latest if shown is None or waiting.latest != shown else None)
    return render(
        request,
        "generation/candidates.html",
        status=error.status if error else 200,
        title="Choose a candidate",
        campaign=campaign,
        shown=shown,
        images=images,
        facts=facts,
        background=background_words(facts.background) if facts and facts.background else None,
        waiting=waiting,
        before=before,
        chosen=candidates.chosen_of(session, before) if before else None,
        last=last,
        undoable=last if last and candidates.why_not_undo(session, last) is None else None,
        why_not_undo=candidates.why_not_undo(session, shown) if shown and shown.decided_at else None,
        image_url=image_url,
        error=error,
        errors=error.fields if error else {},
    )
