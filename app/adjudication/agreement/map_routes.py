"""Dispute map: see `frame`."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.accounts.access import Admin
from app.adjudication.agreement.frame import VotesDep, frame
from app.web.render import render
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False, prefix="/campaigns/{slug}/agreement")


@router.get("/map", name="agreement:map")
def dispute_map(request: Request, session: SessionDep, account: Admin, slug: str, votes: VotesDep) -> Response:
    shown = frame(request, session, account, slug, votes, "agreement:map")
    return render(request, "adjudication/agreement/_frame.html", title="Dispute map", **shown.context())
