"""An annotator's page of their own work."""

import uuid
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts import messages
from app.accounts.access import Annotator
from app.accounts.models import Account
from app.adjudication import appeals, own_work, pay
from app.adjudication import own_work_views as views
from app.adjudication.message_routes import campaign_names
from app.db import now
from app.errors import Invalid, NotFound, Sentence
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.figures.svg import inline
from app.web.i18n import ENGLISH, speaking
from app.web.render import redirect_to, render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)

PAGE = 10
Number = Annotated[int, Query(ge=1, le=own_work.MOST_DECIDED // PAGE)]


@router.get("/work", name="work:mine")
def mine(request: Request, session: SessionDep, account: Annotator, period: str = "", page: Number = 1) -> Response:
    return _page(request, session, account, period=period, page=page)


@router.get("/work/files/{name}", name="work:file")
def work_file(session: SessionDep, account: Annotator, name: str) -> Response:
    """In English, as every file: its font has no letters for some of the languages."""
    found = own_work.pace(session, account, now())
    with speaking(ENGLISH):
        charts = views.days_charts(found)
        return figure_file(
            name,
            {"days": lambda: views.days_table(found)},
            {key: partial(charts.__getitem__, key) for key in charts},
            "own work, by UTC day",
            "terroir-work",
            stamp="source",
        )


@router.post("/work/appeals/{item_id}", name="work:appeal")
def appeal(
    request: Request,
    session: SessionDep,
    account: Annotator,
    item_id: uuid.UUID,
    text: Annotated[str, Form()] = "",
    page: Annotated[int, Form(ge=1, le=own_work.MOST_DECIDED // PAGE)] = 1,
) -> Response:
    """Only against what the page lists: any other item looks absent, whatever was decided about it."""
    if not own_work.decided_otherwise(own_work.decided(session, account, item_id)):
        raise NotFound(Sentence("This image isn't among those that were decided otherwise than you answered."))
    try:
        appeals.appeal(session, account, item_id, text)
    except Invalid as error:
        return _page(request, session, account, page=page, typed=(item_id, text, error.fields["text"]))
    here = with_query(str(request.app.url_path_for("work:mine")), {"page": page if page > 1 else None})
    return redirect_to(
        f"{here}#item-{item_id}", flash=("done", Sentence("Your appeal is sent. The reply will stand beside it."))
    )


def _page(
    request: Request,
    session: Session,
    account: Account,
    *,
    period: str = "",
    page: int = 1,
    typed: tuple[uuid.UUID, str, str] | None = None,
) -> Response:
    at = now()
    counted, pace = own_work.counts(session, account, at), own_work.pace(session, account, at)
    names = campaign_names(session)
    decided = own_work.decided(session, account)
    otherwise = own_work.decided_otherwise(decided)
    choices = views.period_choices(at.date())
    chosen = period if period in choices else next(iter(choices))
    here = str(request.app.url_path_for("work:mine"))
    return render(
        request,
        "work/mine.html",
        status=422 if typed else 200,
        title=Sentence("Your work"),
        unread=messages.received(session, account, only_unread=True),
        campaign_names=names,
        counted=counted,
        pace=pace,
        days=views.days_table(pace),
        charts=views.days_charts(pace),
        agreement=views.agreement_table(own_work.agreement(decided, at), names),
        period=choices[chosen][1],
        chosen=chosen,
        periods=[(key, words) for key, (words, _) in choices.items()],
        pay=[(one.name, pay.report(session, one.campaign_id, choices[chosen][1], account.id).total) for one in counted],
        otherwise=views.shown(session, otherwise[PAGE * (page - 1) : PAGE * page], names),
        n_otherwise=len(otherwise),
        page=page,
        pages=-(-len(otherwise) // PAGE),
        address=lambda number: with_query(here, {"page": number}) + "#otherwise",
        typed=typed,
        files=f"{here}/files",
        words=tables,
        draw=inline,
    )
