"""One figure by itself: every number of the agreement pages leads here, and from here to its items."""

from typing import NamedTuple

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import Researcher
from app.accounts.models import Account
from app.adjudication.agreement import figure_views as views
from app.adjudication.agreement import words
from app.adjudication.agreement.figure_views import Found, Place
from app.adjudication.agreement.frame import Frame, Votes, VotesDep, frame
from app.adjudication.agreement.memory import counted
from app.adjudication.agreement.overview_views import changed_at, figures_chart
from app.adjudication.agreement.words import unit_of
from app.adjudication.overview import policy_words
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.figures.svg import inline
from app.web.render import render, site_address
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False, prefix="/campaigns/{slug}/agreement")


class Shown(NamedTuple):
    frame: Frame
    place: Place
    found: Found
    about: str


@router.get("/figure", name="agreement:figure")
def figure(
    request: Request, session: SessionDep, account: Researcher, slug: str, votes: VotesDep,
    question: str = "", by: str = "all", part: str = "", figure: str = "percent_agreement",
) -> Response:  # fmt: skip
    shown = _shown(request, session, account, slug, votes, (question, by, part, figure))
    place, found = shown.place, shown.found
    counted_at = changed_at(session, shown.frame.campaign.id)
    here = shown.frame.address("agreement:figure", place._asdict())
    text = views.citation(
        shown.frame, place, found, about=shown.about, rule=policy_words(shown.frame.policy), counted_at=counted_at,
        address=site_address(request) + here,
    )  # fmt: skip
    return render(
        request,
        "adjudication/agreement/figure.html",
        title=f"{words.FIGURES[figure]}: {words.QUESTIONS[question]}",
        **shown.frame.context(),
        place=place,
        about=shown.about,
        report=found.report,
        is_without_families=votes.cluster == "families" and by not in views.WITH_FAMILIES,
        interval_words=views.interval_words(found.report),
        policy_rule=policy_words(shown.frame.policy),
        counted_at=counted_at,
        citation=text,
        chart=figures_chart("figures", "All figures of these answers", found.report),
        patterns=views.pattern_table(found),
        items=lambda **more: shown.frame.items(**place.filters, **more),
        to_figure=lambda key: shown.frame.address("agreement:figure", place._asdict() | {"figure": key}),
        files=str(request.app.url_path_for("agreement:figure", slug=slug)),
        query=here.partition("?")[2],
        words=words,
        estimates=tables,
        unit_of=unit_of,
        draw=inline,
    )


@router.get("/figure/{name}", name="agreement:figure_file")
def file(
    request: Request, session: SessionDep, account: Researcher, slug: str, votes: VotesDep, name: str,
    question: str = "", by: str = "all", part: str = "", figure: str = "percent_agreement",
) -> Response:  # fmt: skip
    """patterns.csv and figures.csv, and the figures as figures.svg or figures.png."""
    shown = _shown(request, session, account, slug, votes, (question, by, part, figure))
    found = shown.found
    title = f"{words.QUESTIONS[question]}, {shown.about}"
    return figure_file(
        name,
        {"patterns": lambda: views.pattern_table(found), "figures": lambda: views.figure_table(found)},
        {"figures": lambda: figures_chart("figures", title, found.report)},
        f"{title}; {shown.frame.source}",
        "-".join(filter(None, ["agreement", slug, question, *([by, part.lower()] if by != "all" else [])]))
        .encode("ascii", "ignore")
        .decode()
        .replace('"', ""),
        "source",
    )


def _shown(
    request: Request, session: Session, account: Account, slug: str, votes: Votes, asked: tuple[str, str, str, str]
) -> Shown:
    shown = frame(request, session, account, slug, votes, "adjudication:agreement")
    question, by, part, figure = asked
    place = views.place_of(question, by, part, figure, is_admin=shown.is_admin)
    found = views.find(session, shown.campaign.id, counted(session, shown.campaign.id), votes, place)
    return Shown(shown, place, found, views.part_words(session, place))
