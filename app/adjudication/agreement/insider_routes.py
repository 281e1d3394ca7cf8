"""Insiders: see `frame`."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.accounts.access import Researcher
from app.adjudication.agreement.frame import VotesDep, frame
from app.web.render import render
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False, prefix="/campaigns/{slug}/agreement")


@router.get("/insiders", name="agreement:insiders")
def insiders(request: Request, session: SessionDep, account: Researcher, slug: str, votes: VotesDep) -> Response:
    shown = frame(request, session, account, slug, votes, "agreement:insiders")
    return render(request, "adjudication/agreement/_frame.html", title="Insiders", **shown.context())
