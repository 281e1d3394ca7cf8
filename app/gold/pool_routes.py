"""The page of a campaign's pool, for admins: who is in it, and who is paused and why."""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import Admin
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.campaigns.parameters import parameters_of
from app.errors import Invalid
from app.gold import members, pool
from app.gold.scores import QUESTION_NAMES
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.render import redirect, render
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]


@router.get("/campaigns/{slug}/pool", name="gold:pool")
def pool_page(request: Request, session: SessionDep, admin: Admin, slug: str) -> Response:
    campaign, policy = campaigns.with_policy(session, slug)
    return _page(request, session, campaign, policy)


@router.get("/campaigns/{slug}/pool.csv", name="gold:pool_file")
def pool_file(session: SessionDep, admin: Admin, slug: str) -> Response:
    campaign, policy = campaigns.with_policy(session, slug)
    found = {"pool": lambda: members.table(members.people(session, campaign, policy))}
    return figure_file("pool.csv", found, {}, slug, f"terroir-{slug}", stamp="campaign")


@router.post("/campaigns/{slug}/pool/{account_id}/pause", name="gold:pause")
def pause(
    request: Request, session: SessionDep, admin: Admin, slug: str, account_id: uuid.UUID,
    note: Text = "", set_aside: Text = "",
) -> Response:  # fmt: skip
    campaign, policy = campaigns.with_policy(session, slug)
    person = pool.annotator(session, account_id)
    try:
        is_new = pool.pause(session, admin, campaign, account_id, note, set_aside=set_aside == "true")
    except Invalid as error:
        return _page(request, session, campaign, policy, error=error, person=account_id)
    words = f"{person.name} is paused." if is_new else f"{person.name} was paused already."
    return redirect(request, "gold:pool", slug=slug, flash=("done", words))


@router.post("/campaigns/{slug}/pool/{account_id}/take-back", name="gold:take_back")
def take_back(
    request: Request, session: SessionDep, admin: Admin, slug: str, account_id: uuid.UUID, note: Text = ""
) -> Response:
    campaign, policy = campaigns.with_policy(session, slug)
    person = pool.annotator(session, account_id)
    try:
        is_new = pool.take_back(session, admin, campaign, account_id, note)
    except Invalid as error:
        return _page(request, session, campaign, policy, error=error, person=account_id)
    words = f"{person.name} is back in the pool." if is_new else f"{person.name} was in the pool already."
    return redirect(request, "gold:pool", slug=slug, flash=("done", words))


def _page(
    request: Request,
    session: Session,
    campaign: Campaign,
    policy: Policy,
    *,
    error: Invalid | None = None,
    person: uuid.UUID | None = None,
) -> Response:
    found = members.people(session, campaign, policy)
    return render(
        request,
        "gold/pool.html",
        status=error.status if error else 200,
        title="The pool",
        campaign=campaign,
        parameters=parameters_of(policy),
        people=found,
        n_paused=sum(one.paused_at is not None for one in found),
        log=pool.log(session, campaign),
        because=because_words,
        names=QUESTION_NAMES,
        questions=[key for key in QUESTION_NAMES if any(key in one.right for one in found)],
        error=error,
        errors=error.fields if error else {},
        person=person,
        words=tables,
    )


def because_words(because: Mapping[str, Any] | None) -> str:
    """Why somebody is or was paused, as a sentence.

    >>> because_words({"by": "admin", "note": "Asked for a break."})
    'Asked for a break.'
    >>> because_words({"by": "gold", "rule": "accuracy", "question": "background", "n": 20, "right": 12, "low": 0.3866,
    ...                "limit": 0.5})
    'Background: 12 of 20 gold answers right: sure of 39 % only (limit 50 %).'
    """
    if not because:
        return ""
    if because.get("rule") == "youden":
        return (
            f"Noticed {because['noticed']} of {because['wrong_claims']} wrong claims and confirmed "
            f"{because['confirmed']} of {because['right_claims']} right ones: Youden’s J "
            f"{because['youden']:.2f} (limit {because['limit']:.2f})."
        ).replace("-", tables.MINUS)
    if because.get("rule") == "accuracy":
        return (
            f"{QUESTION_NAMES.get(because['question'], because['question'])}: {because['right']} of {because['n']} "
            f"gold answers right: sure of {100 * because['low']:.0f} % only (limit {100 * because['limit']:.0f} %)."
        )
    return str(because.get("note", ""))
