"""Pages of messages: admins write them and see who has read them, annotators read them."""

import uuid
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts import messages
from app.accounts.access import Admin, Annotator, require
from app.accounts.models import Account, Role
from app.campaigns import service as campaigns
from app.errors import Invalid, Sentence
from app.web.render import local_path, redirect, redirect_to, render
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
Either = Annotated[Account, Depends(require(Role.ANNOTATOR, Role.ADMIN))]


@router.get("/messages", name="messages:all")
def message_page(request: Request, session: SessionDep, account: Either, to: str = "", campaign: str = "") -> Response:
    """An admin's page with the form, or an annotator's with what was written to them."""
    if account.role is Role.ADMIN:
        return _writing(request, session, {"to": to, "campaign": campaign})
    return render(
        request,
        "work/messages.html",
        title=Sentence("Messages"),
        received=messages.received(session, account),
        campaign_names=campaign_names(session),
    )


def campaign_names(session: Session) -> Mapping[uuid.UUID, str]:
    return {campaign.id: campaign.name for campaign in campaigns.all_campaigns(session)}


def _writing(
    request: Request, session: Session, typed: Mapping[str, str], errors: Mapping[str, str] | None = None
) -> Response:
    readers, every = messages.readers(session), campaigns.all_campaigns(session)
    return render(
        request,
        "work/messages_sent.html",
        status=422 if errors else 200,
        title="Messages",
        sent=messages.sent(session),
        readers=[("", f"All annotators ({len(readers)})"), *((str(one.id), _named(one)) for one in readers)],
        campaigns=[("", "None in particular"), *((campaign.slug, campaign.name) for campaign in every)],
        campaign_names=campaign_names(session),
        most=messages.MAX_TEXT,
        typed=typed,
        errors=errors or {},
    )


def _named(account: Account) -> str:
    return f"{account.name} ({account.email})"


@router.post("/messages", name="messages:send")
def send(
    request: Request, session: SessionDep, admin: Admin, text: Text = "", to: Text = "", campaign: Text = ""
) -> Response:
    try:
        reader = _id(to)
        about = next((one for one in campaigns.all_campaigns(session) if one.slug == campaign), None)
        if campaign and about is None:
            raise Invalid("There is no such campaign.", fields={"campaign": "Choose one of the campaigns, or none."})
        messages.send(session, admin, text, to=reader, campaign_id=about.id if about else None)
    except Invalid as error:
        return _writing(request, session, {"text": text, "to": to, "campaign": campaign}, error.fields)
    return redirect(
        request, "messages:all", flash=("done", "Sent. It stands above their work until they have read it.")
    )


def _id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        raise Invalid("There is no such annotator.", fields={"to": "Choose an annotator, or all of them."}) from None


@router.post("/messages/{message_id}/read", name="messages:read")
def mark_read(session: SessionDep, account: Annotator, message_id: uuid.UUID, back: Text = "") -> Response:
    messages.mark_read(session, account, message_id)
    return redirect_to(local_path(back, "/messages"))
