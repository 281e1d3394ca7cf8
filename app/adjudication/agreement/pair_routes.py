"""Two people at a time: the matrix of all pairs, and one pair's answers."""

import uuid
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import Admin
from app.accounts.models import Account
from app.adjudication.agreement import pair_counts as counts
from app.adjudication.agreement import pair_views as views
from app.adjudication.agreement.frame import Frame, Votes, VotesDep, frame, must_be_known
from app.adjudication.agreement.memory import counted, remembered
from app.adjudication.agreement.pair_counts import Matrix, PairRow
from app.adjudication.agreement.words import DEFINITIONS, QUESTIONS
from app.agreement.rules import ANSWERS
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.figures.svg import inline
from app.web.figures.tables import Unit
from app.web.render import render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False, prefix="/campaigns/{slug}/agreement")


class Shown(NamedTuple):
    frame: Frame
    question: str
    figure: str
    matrix: Matrix


@router.get("/pairs", name="agreement:pairs")
def pairs(
    request: Request, session: SessionDep, account: Admin, slug: str, votes: VotesDep,
    question: str = "food1_identity", figure: str = "percent_agreement", start: int = 0,
) -> Response:  # fmt: skip
    shown = _shown(request, session, account, slug, votes, question, figure)
    found = shown.matrix
    start = min(max(start, 0), len(found.rows))
    files = str(request.app.url_path_for("agreement:pairs", slug=slug))
    items = shown.frame.items() or ""

    def pair_address(a: uuid.UUID, b: uuid.UUID) -> str:
        return with_query(f"{files}/{a}/{b}", votes.query)

    def items_address(row: PairRow) -> str:
        query = {"question": question, "a": row.one.id, "b": row.other.id, **votes.query}
        return with_query(urlsplit(items).path, query)

    return render(
        request,
        "adjudication/agreement/pairs.html",
        title="Agreement of pairs",
        question=question,
        figure=figure,
        found=found,
        rows=[(row, counts.kappa_of(found, row).as_json()) for row in found.rows[start : start + views.A_PAGE]],
        first=start + 1,
        before=shown.frame.again(start=max(start - views.A_PAGE, 0)) if start else None,
        after=shown.frame.again(start=start + views.A_PAGE) if start + views.A_PAGE < len(found.rows) else None,
        n_hidden=sum(row.n < counts.ENOUGH for row in found.rows),
        chart=views.heat_map(found, question, figure, pair_address) if found.rows else None,
        pair_address=pair_address,
        items_address=items_address,
        enough=counts.ENOUGH,
        most=counts.MOST_RATERS,
        pale=views.PALE[figure],
        questions=list(QUESTIONS.items()),
        figures=list(views.FIGURES.items()),
        definition=DEFINITIONS["cohen_kappa"],
        files=files,
        query=urlsplit(with_query("", {"question": question, "figure": figure, **votes.query})).query,
        words=tables,
        unit=Unit,
        draw=inline,
        **shown.frame.context(),
    )


@router.get("/pairs/{name}", name="agreement:pairs_file")
def pairs_file(
    request: Request, session: SessionDep, account: Admin, slug: str, votes: VotesDep, name: str,
    question: str = "food1_identity", figure: str = "percent_agreement",
) -> Response:  # fmt: skip
    """pairs.csv of every pair; matrix.svg and matrix.png as on the page."""
    shown = _shown(request, session, account, slug, votes, question, figure)
    return figure_file(
        name,
        {"pairs": partial(views.pairs_table, shown.matrix)},
        {"matrix": partial(views.heat_map, shown.matrix, question, figure)} if shown.matrix.rows else {},
        f"{shown.frame.source}, {question}",
        f"{slug}-agreement-{question}",
        stamp="source",
    )


@router.get("/pairs/{a}/{b}", name="agreement:pair")
def pair(
    request: Request, session: SessionDep, account: Admin, slug: str, votes: VotesDep, a: uuid.UUID, b: uuid.UUID
) -> Response:
    shown = frame(request, session, account, slug, votes, "agreement:pairs")
    counted(session, shown.campaign.id)
    one, other = counts.both(session, shown.campaign.id, a, b)
    answers = counts.answers_of(session, shown.campaign.id, votes.basis, one.id, other.id)
    people = urlsplit(shown.address("agreement:people")).path

    def items(question: str, **more: Any) -> str | None:
        return shown.items(question=question, a=one.id, b=other.id, **more)

    return render(
        request,
        "adjudication/agreement/pair.html",
        title=f"{one.name} and {other.name}",
        one=one,
        other=other,
        compared=[views.compared(question, table) for question, table in answers.items()],
        person=lambda account: with_query(f"{people}/{account.id}", votes.query),
        items=items,
        answers=ANSWERS,
        questions=QUESTIONS,
        enough=counts.ENOUGH,
        definition=DEFINITIONS["cohen_kappa"],
        chance=views.chance,
        files=str(request.app.url_path_for("agreement:pair", slug=slug, a=one.id, b=other.id)),
        query=urlsplit(with_query("", votes.query)).query,
        words=tables,
        unit=Unit,
        **shown.context(),
    )


@router.get("/pairs/{a}/{b}/{name}", name="agreement:pair_file")
def pair_file(
    request: Request, session: SessionDep, account: Admin, slug: str, votes: VotesDep,
    a: uuid.UUID, b: uuid.UUID, name: str,
) -> Response:  # fmt: skip
    """answers.csv and figures.csv of one pair."""
    shown = frame(request, session, account, slug, votes, "agreement:pairs")
    counted(session, shown.campaign.id)
    one, other = counts.both(session, shown.campaign.id, a, b)
    answers = counts.answers_of(session, shown.campaign.id, votes.basis, one.id, other.id)
    return figure_file(
        name,
        {"answers": partial(views.answers_table, answers), "figures": partial(views.figures_table, answers)},
        {},
        f"{shown.source}; first: {one.name} ({one.id}), second: {other.name} ({other.id})",
        f"{slug}-agreement-pair",
        stamp="source",
    )


def _shown(
    request: Request, session: Session, account: Account, slug: str, votes: Votes, question: str, figure: str
) -> Shown:
    must_be_known((question, QUESTIONS), (figure, views.FIGURES))
    around = frame(request, session, account, slug, votes, "agreement:pairs")
    version = counted(session, around.campaign.id)
    make = partial(counts.matrix, session, around.campaign.id, votes.basis, question)
    return Shown(around, question, figure, remembered(version, ("pairs", votes.basis, question), make))
