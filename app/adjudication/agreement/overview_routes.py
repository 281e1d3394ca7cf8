"""The overview of a campaign's agreement, which follows new judgments by itself, and its files."""

from functools import partial
from typing import NamedTuple

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import RedirectResponse, Response

from app import geography
from app.accounts.access import Researcher
from app.adjudication.agreement import next_steps, words
from app.adjudication.agreement.frame import Frame, VotesDep, frame
from app.adjudication.agreement.memory import counted
from app.adjudication.agreement.overview_views import (
    Overview,
    changed_at,
    document,
    drawings,
    figures_table,
    overview_of,
)
from app.adjudication.agreement.people_flags import n_missing_wrong_claims
from app.adjudication.agreement.people_queries import paused
from app.adjudication.agreement.trend import MOST_WEEKS, SHOWN, trend_table
from app.adjudication.agreement.verdicts import percent, verdict_of
from app.adjudication.agreement.words import unit_of
from app.campaigns import service as campaigns
from app.errors import Invalid
from app.judgments import jobs
from app.judgments.rater_models import latest_models
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.render import render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False, prefix="/campaigns/{slug}")

HERE = "adjudication:agreement"
GROUPINGS = ("subtask", "country", "generator")


@router.get("/agreement", name=HERE)
def overview(
    request: Request, session: SessionDep, account: Researcher, slug: str, votes: VotesDep, by: str = "", seen: str = ""
) -> Response:
    """With `seen`, the version of the counts a page shows, htmx gets 204 as long as they are the same."""
    if by:
        path = str(request.app.url_path_for("agreement:where", slug=slug))
        return RedirectResponse(with_query(path, {"by": _grouping(by), **votes.query}), 301)
    campaign_id = campaigns.get(session, slug).id
    version = counted(session, campaign_id)
    if seen == str(version) and "hx-request" in request.headers:
        return Response(status_code=204)
    shown = frame(request, session, account, slug, votes, HERE)
    jobs.ensure_fresh(session, shown.campaign, account)
    found = overview_of(session, campaign_id, version, votes)
    drawn = drawings(version, votes, found)
    return render(
        request,
        "adjudication/agreement/overview.html",
        part="adjudication/agreement/_overview.html",
        title="Agreement",
        **shown.context(),
        found=found,
        version=version,
        refresh=shown.address(HERE, {"seen": version}),
        changed_at=changed_at(session, campaign_id),
        verdicts={question: verdict_of(report) for question, report in found.reports.items()},
        steps=_steps(session, shown, found),
        trend_figures=SHOWN,
        most_weeks=MOST_WEEKS,
        to_figure=lambda question, figure, by="all", part="": shown.address(
            "agreement:figure", {"question": question, "by": by, "part": part, "figure": figure}
        ),
        files=f"{request.app.url_path_for(HERE, slug=slug)}/overview",
        query=with_query("", votes.query),
        words=words,
        estimates=tables,
        unit_of=unit_of,
        share=percent,
        charts=drawn.figures,
        trend_charts=drawn.trend,
        draw=lambda chart: drawn.markup[chart.key],
    )


class Step(NamedTuple):
    """Something to do: why, and where."""

    why: str
    label: str
    href: str


def _steps(session: Session, shown: Frame, found: Overview) -> list[Step]:
    steps: list[Step] = []
    if shown.is_admin:
        steps += _admin_steps(session, shown, found)
    if found.lowest is not None:
        place = found.lowest
        steps.append(
            Step(
                f"People agree least on {words.QUESTIONS[place.question].lower()} where the first food is from "
                f"{geography.name_of(place.country)}: {100 * place.agreement:.0f} % of "
                f"pairs, {place.n_paired:,} items.",
                "See it by country",
                shown.address("agreement:where", {"by": "country", "figure": "percent_agreement"}),
            )
        )
    return steps


def _admin_steps(session: Session, shown: Frame, found: Overview) -> list[Step]:
    steps: list[Step] = []
    disputed = next_steps.n_disputed(session, shown.campaign.id)
    if disputed:
        path = str(shown.request.app.url_path_for("adjudication:disputed", slug=shown.campaign.slug))
        waiting = "1 item is disputed and waits" if disputed == 1 else f"{disputed:,} items are disputed and wait"
        steps.append(Step(f"{waiting} for you.", "Settle disputed", path))
    missing = n_missing_wrong_claims(latest_models(session, shown.campaign.id), paused(session, shown.campaign.id))
    if missing:
        people = "1 person notices" if missing == 1 else f"{missing:,} people notice"
        steps.append(
            Step(
                f"{people} clearly fewer wrong claims than the others.", "See people", shown.address("agreement:people")
            )
        )
    question = max(found.differing, key=lambda key: found.differing[key], default="")
    if question and found.differing[question]:
        n = found.differing[question]
        items = "1 item got" if n == 1 else f"{n:,} items got"
        about = words.QUESTIONS[question].lower()
        address = shown.items(question=question, votes="differ")
        assert address is not None
        steps.append(Step(f"{items} different answers about {about}, the most of any question.", "See them", address))
    return steps


@router.get("/agreement.csv", name="adjudication:agreement_csv")
def agreement_csv(
    request: Request, session: SessionDep, account: Researcher, slug: str, votes: VotesDep, by: str = ""
) -> Response:
    """The figures per question, of the whole and of each part."""
    kind = _grouping(by) if by else ""
    shown = frame(request, session, account, slug, votes, HERE)
    version = counted(session, shown.campaign.id)
    found = document(session, shown.campaign.id, version, votes, kind or None)
    stem = "-".join([slug, *([f"by-{kind}"] if kind else []), *(["all"] if votes.basis == "all" else [])])
    return figure_file(
        f"{stem}.csv", {stem: lambda: figures_table(found, kind)}, {}, shown.source, "agreement", "source"
    )


def _grouping(by: str) -> str:
    """By rater is for programs: a page of strangers' rows would say little."""
    if by not in GROUPINGS:
        raise Invalid(f"Agreement can't be shown by “{by[:40]}”; choose one of {', '.join(GROUPINGS)}.")
    return by


@router.get("/agreement/overview/{name}", name="agreement:overview_file")
def file(request: Request, session: SessionDep, account: Researcher, slug: str, votes: VotesDep, name: str) -> Response:
    """figures.csv and trend.csv, and for each question figures-QUESTION and trend-QUESTION as .svg or .png."""
    shown = frame(request, session, account, slug, votes, HERE)
    campaign_id = shown.campaign.id
    version = counted(session, campaign_id)
    found = overview_of(session, campaign_id, version, votes)
    drawn = drawings(version, votes, found)
    charts = {chart.key: chart for chart in (*drawn.figures.values(), *drawn.trend.values())}
    every_table = {
        "figures": lambda: figures_table({"questions": found.reports}),
        "trend": lambda: trend_table(found.trend),
    }
    every_chart = {key: partial(charts.__getitem__, key) for key in charts}
    return figure_file(name, every_table, every_chart, shown.source, f"agreement-{slug}", "source")
