"""The pay report of a campaign: who did how much within a period. For admins."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.accounts.access import Admin
from app.adjudication import pay
from app.adjudication.pay import Period
from app.campaigns import service as campaigns
from app.db import now
from app.errors import Invalid
from app.web.figures.downloads import figure_file
from app.web.render import render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)
First = Annotated[str, Query(alias="from", max_length=40)]
Last = Annotated[str, Query(alias="to", max_length=40)]


@router.get("/campaigns/{slug}/pay", name="adjudication:pay")
def pay_page(
    request: Request, session: SessionDep, admin: Admin, slug: str, first: First = "", last: Last = ""
) -> Response:
    campaign, today = campaigns.get(session, slug), now().date()
    errors: dict[str, str] = {}
    try:
        period = pay.checked_period(first, last, today)
    except Invalid as error:
        errors, period = error.fields, pay.month_of(today)
    here = str(request.app.url_path_for("adjudication:pay", slug=slug))
    usual = {
        "This week": pay.week_of(today),
        "Last week": pay.week_of(today - timedelta(days=7)),
        "This month": pay.month_of(today),
        "Last month": pay.month_of(pay.month_of(today).first - timedelta(days=1)),
    }
    return render(
        request,
        "work/pay.html",
        status=422 if errors else 200,
        title="Pay report",
        campaign=campaign,
        period=period,
        report=None if errors else pay.report(session, campaign.id, period),
        errors=errors,
        typed={"from": first or period.first.isoformat(), "to": last or period.last.isoformat()},
        usual=[(name, _address(here, choice), choice == period and not errors) for name, choice in usual.items()],
        file=_address(str(request.app.url_path_for("adjudication:pay_file", slug=slug)), period),
    )


@router.get("/campaigns/{slug}/pay.csv", name="adjudication:pay_file")
def pay_file(session: SessionDep, admin: Admin, slug: str, first: First = "", last: Last = "") -> Response:
    campaign = campaigns.get(session, slug)
    period = pay.checked_period(first, last, now().date())
    source = f"{slug}, {period.first} to {period.last} UTC"
    found = {"pay": lambda: pay.table(pay.report(session, campaign.id, period))}
    return figure_file("pay.csv", found, {}, source, f"terroir-{slug}-{period.first}-{period.last}", stamp="source")


def _address(path: str, period: Period) -> str:
    return with_query(path, {"from": period.first, "to": period.last})
