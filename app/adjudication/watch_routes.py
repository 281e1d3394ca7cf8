"""The watching page of a campaign, which follows what happens by itself, and its files. For admins."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response, StreamingResponse

from app import geography
from app.accounts.access import Admin
from app.adjudication import watch
from app.adjudication.agreement.memory import remembered
from app.adjudication.agreement.words import QUESTIONS
from app.adjudication.events import require_place, stream
from app.adjudication.watch import Watched
from app.adjudication.watch_views import charts_of, tables_of
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.db import now, transaction
from app.items.models import Status
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.figures.svg import Chart, inline
from app.web.figures.tables import Table, Unit
from app.web.render import render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False, prefix="/campaigns/{slug}/watch")

HERE = "adjudication:watch"
LOOK_SECONDS = 1.0
"""How often a stream looks whether anything is new: half a dozen rows, so more often than other streams."""
SHOWN = 20
"""Rows of people, holders and countries on the page; the files have all."""


class Step(NamedTuple):
    """Something to do: why, and where."""

    why: str
    label: str
    href: str


@router.get("", name=HERE)
def page(request: Request, session: SessionDep, admin: Admin, slug: str, seen: str = "") -> Response:
    """With `seen`, the mark of what a page shows, htmx gets 204 as long as nothing is new."""
    campaign = campaigns.get(session, slug)
    moment = watch.moment(session, campaign.id, now())
    if seen == moment.mark and "hx-request" in request.headers:
        return Response(status_code=204)
    policy = campaigns.current_policy(session, campaign)
    found = watch.watched(session, campaign, policy, moment)
    drawn = _drawn(moment, found, policy)
    here = str(request.app.url_path_for(HERE, slug=slug))
    return render(
        request,
        "adjudication/watch.html",
        part="adjudication/_watch.html",
        title="Watching",
        campaign=campaign,
        found=found,
        mark=moment.mark,
        refresh=with_query(here, {"seen": moment.mark}),
        stream=str(request.app.url_path_for("adjudication:watch_events", slug=slug)),
        steps=_steps(request, campaign, found),
        tables=drawn.tables,
        charts=drawn.charts,
        people_links=[{"rater": _person(request, slug, suspect)} for suspect in found.suspects],
        questions=QUESTIONS,
        shown=SHOWN,
        files=here,
        words=tables,
        draw=lambda chart: drawn.markup[chart.key],
    )


@router.get("/events", name="adjudication:watch_events")
def events(request: Request, session: SessionDep, admin: Admin, slug: str) -> StreamingResponse:
    """Server-sent events: `watch` with the mark of what there is to show, at once and whenever it changes."""
    require_place()
    campaign_id = campaigns.get(session, slug).id
    engine = request.app.state.engine

    def read() -> dict[str, Any]:
        with transaction(engine) as fresh:
            campaigns.get(fresh, slug)
            return {"mark": watch.moment(fresh, campaign_id, now()).mark}

    return stream(("watch", campaign_id), read, event="watch", every=LOOK_SECONDS)


@router.get("/{name}", name="adjudication:watch_file")
def file(request: Request, session: SessionDep, admin: Admin, slug: str, name: str) -> Response:
    """Every table as .csv, every chart as .svg or .png."""
    campaign = campaigns.get(session, slug)
    policy = campaigns.current_policy(session, campaign)
    moment = watch.moment(session, campaign.id, now())
    found = watch.watched(session, campaign, policy, moment)
    drawn = _drawn(moment, found, policy)
    source = f"campaign {slug}, policy version {policy.version}, {found.at.strftime('%Y-%m-%d %H:%M UTC')}"
    every_table = {key: partial(drawn.tables.__getitem__, key) for key in drawn.tables}
    every_chart = {key: partial(drawn.charts.__getitem__, key) for key in drawn.charts}
    return figure_file(name, every_table, every_chart, source, f"watching-{slug}", "source")


class Drawn(NamedTuple):
    """Every table, every chart, and each chart as it stands in the page by its key."""

    tables: Mapping[str, Table]
    charts: Mapping[str, Chart]
    markup: Mapping[str, Markup]


def _drawn(moment: watch.Moment, found: Watched, policy: Policy) -> Drawn:
    def draw() -> Drawn:
        words = _words(policy)
        charts = charts_of(found, words)
        return Drawn(tables_of(found, words), charts, {chart.key: inline(chart) for chart in charts.values()})

    return remembered(moment.version, ("watch drawn", moment.mark), draw)


def _words(policy: Policy) -> dict[tuple[str, str], str]:
    return {
        (question["key"], reason["code"]): reason["text"]
        for question in policy.questions
        for reason in question["reasons"]
    }


def _person(request: Request, slug: str, suspect: watch.Suspect) -> str:
    return str(request.app.url_path_for("agreement:person", slug=slug, account_id=suspect.rater.who.id))


def _steps(request: Request, campaign: Campaign, found: Watched) -> list[Step]:
    """What needs attention, the most pressing first."""

    def path(route: str) -> str:
        return str(request.app.url_path_for(route, slug=campaign.slug))

    steps: list[Step] = []
    if disputed := found.progress.of(Status.DISPUTED):
        items = "1 item is disputed and waits" if disputed == 1 else f"{disputed:,} items are disputed and wait"
        steps.append(Step(f"{items} for you.", "Settle disputed", path("adjudication:disputed")))
    shut = [gate.words for gate in found.gates if gate.words]
    steps += [Step(words, "See the pool and gold", path("gold:pool")) for words in shut]
    unknown = sorted((row for row in found.insiders if not row.insiders), key=lambda row: -row.only)
    for row in unknown[:3]:
        n = row.only or row.items
        items = "1 item" if n == 1 else f"{n:,} items"
        plural = "s" if n == 1 else ""
        what = f"wait{plural} for" if row.only else f"keep{plural} visits for"
        why = f"{items} {what} somebody who knows {geography.name_of(row.country)}, and nobody here does."
        steps.append(Step(why, "See all countries", "#insiders"))
    for question, weeks in found.drift.items():
        if change := watch.change_of(weeks):
            week, before = change
            share, earlier = week.share["value"], before["value"]
            why = (
                f"“No” on {QUESTIONS[question].lower()} has {'risen' if share > earlier else 'fallen'}: "
                f"{tables.number(share, Unit.SHARE)} % in the week of {week.monday.strftime('%-d %b')}, "
                f"{tables.number(earlier, Unit.SHARE)} % in the weeks before."
            )
            steps.append(Step(why, "See the weeks", "#drift"))
    if n := len(found.suspects):
        people = "1 person stands" if n == 1 else f"{n:,} people stand"
        steps.append(Step(f"{people} out from the others.", "See why", "#people"))
    if lapsed := sum(holder.lapsed for holder in found.holders):
        leases = "1 lease has" if lapsed == 1 else f"{lapsed:,} leases have"
        why = f"{leases} run out and not come back yet; the next person who asks gets the place."
        steps.append(Step(why, "See whose", "#claims"))
    if asked := found.progress.revisions.asked:
        images = "1 rejected image waits" if asked == 1 else f"{asked:,} rejected images wait"
        steps.append(Step(f"{images} to be made again.", "See which", path("generation:requests")))
    return steps
