"""Where people agree: by country, generator or subtask."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import Researcher
from app.accounts.models import Account
from app.adjudication.agreement import where_views as views
from app.adjudication.agreement.frame import Frame, Votes, VotesDep, frame
from app.adjudication.agreement.memory import counted, remembered
from app.adjudication.agreement.where_views import Choice, Part
from app.adjudication.agreement.words import DEFINITIONS, FIGURES, QUESTIONS, unit_of
from app.agreement.report import FEW_ITEMS, PREVALENT
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.figures.svg import inline
from app.web.render import render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False, prefix="/campaigns/{slug}/agreement")

ALL = "All items"


class Shown(NamedTuple):
    frame: Frame
    choice: Choice
    overall: Part
    parts: list[Part]


@router.get("/where", name="agreement:where")
def where(
    request: Request, session: SessionDep, account: Researcher, slug: str, votes: VotesDep,
    by: str = "country", figure: str = "percent_agreement", sort: str = "name",
) -> Response:  # fmt: skip
    shown = _shown(request, session, account, slug, votes, views.chosen(by, figure, sort))
    choice = shown.choice
    n_below, n_cells = views.below(shown.parts, shown.overall, figure)
    figure_of = _leads_to(shown.frame, shown.frame.address("agreement:figure"))
    items = shown.frame.items()
    items_of = _leads_to(shown.frame, items) if items else None

    def figure_link(part: str, question: str, key: str = figure) -> str:
        return figure_of(question=question, by=choice.by if part else "all", part=part, figure=key)

    return render(
        request,
        "adjudication/agreement/where.html",
        title=f"Agreement by {by}",
        shown=shown,
        choice=choice,
        chart=views.heat_map(shown.parts, shown.overall, choice, figure_link) if shown.parts else None,
        lowest=views.lowest(shown.parts, shown.overall, figure),
        n_below=n_below,
        n_cells=n_cells,
        n_by_chance=n_cells * views.BEYOND_ON_ONE_SIDE,
        figure_link=figure_link,
        items_link=items_of
        and (
            lambda part, question, **more: items_of(
                question=question, **({"by": choice.by, "part": part} if part else {}), **more
            )
        ),
        groupings=[(name, name.capitalize()) for name in views.GROUPINGS],
        plural=views.GROUPINGS[by],
        figures=list(FIGURES.items()),
        sorts=[
            ("name", "Name"),
            ("n", "Paired items, most first"),
            *((key, f"{QUESTIONS[key]}, lowest first") for key in shown.overall.reports),
        ],
        questions=QUESTIONS,
        definition=DEFINITIONS[figure],
        thin=views.THIN,
        pale=views.PALE[figure],
        cautions=views.cautions,
        few=FEW_ITEMS,
        prevalent=PREVALENT,
        files=str(request.app.url_path_for("agreement:where", slug=slug)),
        query=urlsplit(with_query("", {**choice._asdict(), **votes.query})).query,
        in_words=views.in_words,
        unit_of=unit_of,
        estimates=tables,
        draw=inline,
        **shown.frame.context(),
    )


@router.get("/where/{name}", name="agreement:where_file")
def where_file(
    request: Request, session: SessionDep, account: Researcher, slug: str, votes: VotesDep, name: str,
    by: str = "country", figure: str = "percent_agreement", sort: str = "name",
) -> Response:  # fmt: skip
    """figures.csv, map.svg and map.png, in the page's order."""
    shown = _shown(request, session, account, slug, votes, views.chosen(by, figure, sort))
    unit = "families of items" if votes.cluster == "families" else "items"
    return figure_file(
        name,
        {"figures": lambda: views.table(shown.parts, shown.overall, shown.choice)},
        {"map": lambda: views.heat_map(shown.parts, shown.overall, shown.choice)} if shown.parts else {},
        f"{shown.frame.source}, 95 % intervals by bootstrap over {unit}",
        f"{slug}-agreement-by-{by}",
        stamp="source",
    )


def _shown(
    request: Request, session: Session, account: Account, slug: str, votes: Votes, choice: Choice
) -> Shown:  # fmt: skip
    around = frame(request, session, account, slug, votes, "agreement:where")
    version = counted(session, around.campaign.id)

    def reports(kind: str) -> views.Reports:
        return remembered(
            version, ("where", *votes, kind), partial(views.reports, session, around.campaign.id, votes, kind)
        )

    overall = Part("", ALL, reports("all").get("", {}))
    return Shown(around, choice, overall, views.in_order(reports(choice.by), choice))


def _leads_to(around: Frame, address: str) -> Callable[..., str]:
    """Addresses on one page, for the hundreds of numbers of a table: its route is looked up once."""
    path = urlsplit(address).path

    def to(**query: Any) -> str:
        return with_query(path, {**query, **around.votes.query})

    return to
