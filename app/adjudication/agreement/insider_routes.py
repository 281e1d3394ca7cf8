"""Do people who know a country's food judge it differently? Insiders and outsiders, country by country."""

from typing import NamedTuple
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import Researcher
from app.accounts.models import Account
from app.adjudication.agreement import insider_views as views
from app.adjudication.agreement.frame import Frame, Votes, VotesDep, frame, must_be_known
from app.adjudication.agreement.insider_queries import OVERALL, sides_of
from app.adjudication.agreement.memory import counted, remembered
from app.adjudication.agreement.words import DEFINITIONS, FIGURES, QUESTIONS
from app.judgments.votes import counts_by_part
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.figures.svg import inline
from app.web.render import render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False, prefix="/campaigns/{slug}/agreement")


class Shown(NamedTuple):
    """`questions` are those that have been answered; without any there are no rows."""

    frame: Frame
    questions: list[str]
    question: str
    figure: str
    answer: str
    rows: list[views.Row]


@router.get("/insiders", name="agreement:insiders")
def insiders(
    request: Request, session: SessionDep, account: Researcher, slug: str, votes: VotesDep,
    question: str = "", figure: str = "percent_agreement", answer: str = "no",
) -> Response:  # fmt: skip
    shown = _shown(request, session, account, slug, votes, question, figure, answer)
    rows, again = shown.rows, shown.frame.again
    n_countries = sum(row.part != OVERALL for row in rows)
    return render(
        request,
        "adjudication/agreement/insiders.html",
        title="Insiders",
        shown=shown,
        is_compared=n_countries > 0,
        sentences=views.sentences(rows),
        agreement=views.agreement_table(rows, shown.question, figure) if n_countries else None,
        answers=views.answers_table(rows, shown.question) if n_countries else None,
        agreement_chart=views.agreement_chart(rows, shown.question, figure) if n_countries else None,
        answers_chart=views.answers_chart(rows, shown.question, answer) if n_countries else None,
        agreement_links=[_links(shown, row) for row in rows if row.groups],
        answers_links=[_links(shown, row) for row in rows],
        n_countries=n_countries,
        n_drawn=views.DRAWN,
        n_by_chance=n_countries * 0.05,
        questions=[(QUESTIONS[key], again(question=key), key == shown.question) for key in shown.questions],
        figures=[(label, again(figure=key), key == figure) for key, label in FIGURES.items()],
        measured=[(f"Answer “{key}”", again(answer=key), key == answer) for key in views.MEASURED],
        definition=DEFINITIONS[figure],
        files=str(request.app.url_path_for("agreement:insiders", slug=slug)),
        query=urlsplit(_query(shown)).query,
        words=tables,
        draw=inline,
        **shown.frame.context(),
    )


@router.get("/insiders/{name}", name="agreement:insiders_file")
def insiders_file(
    request: Request, session: SessionDep, account: Researcher, slug: str, votes: VotesDep, name: str,
    question: str = "", figure: str = "percent_agreement", answer: str = "no",
) -> Response:  # fmt: skip
    """agreement.csv, .svg and .png, answers.csv, .svg and .png: what the page with this query shows."""
    shown = _shown(request, session, account, slug, votes, question, figure, answer)
    has_any = any(row.part != OVERALL for row in shown.rows)
    every_table = {
        "agreement": lambda: views.agreement_table(shown.rows, shown.question, figure),
        "answers": lambda: views.answers_table(shown.rows, shown.question),
    }
    every_chart = {
        "agreement": lambda: views.agreement_chart(shown.rows, shown.question, figure),
        "answers": lambda: views.answers_chart(shown.rows, shown.question, answer),
    }
    return figure_file(
        name,
        every_table if has_any else {},
        every_chart if has_any else {},
        f"{shown.frame.source}, question {shown.question}, clusters: {votes.cluster}",
        f"{slug}-insiders",
        stamp="source",
    )


def _shown(
    request: Request, session: Session, account: Account, slug: str, votes: Votes,
    question: str, figure: str, answer: str,
) -> Shown:  # fmt: skip
    """Raises Invalid, naming the choices."""
    must_be_known((question, ("", *QUESTIONS)), (figure, FIGURES), (answer, views.MEASURED))
    around = frame(request, session, account, slug, votes, "agreement:insiders")
    version = counted(session, around.campaign.id)
    answered = list(counts_by_part(session, around.campaign.id, "all", votes.basis).get("", {}))
    one = question or next(iter(answered), "food1_identity")

    def rows() -> list[views.Row]:
        families = votes.cluster == "families"
        return views.rows(sides_of(session, around.campaign.id, one, votes.basis, families=families), figure)

    found = remembered(version, ("insiders", *votes, one, figure), rows)
    return Shown(around, answered, one, figure, answer, found)


def _query(shown: Shown) -> str:
    chosen = {"question": shown.question, "figure": shown.figure, "answer": shown.answer}
    return with_query("", {**chosen, **shown.frame.votes.query})


def _links(shown: Shown, row: views.Row) -> dict[str, str | None]:
    """{column: what lies behind its cell}: the one figure with its vote patterns, or the items. Votes are counted by
    country, so of all countries together there are but the items."""
    if row.part == OVERALL:
        return _links_overall(shown, row)
    links: dict[str, str | None] = {}
    for name in views.GROUPS:
        wanted = {"question": shown.question, "by": name, "part": row.part}
        links[name] = links[f"{name}_items"] = shown.frame.address(
            "agreement:figure", wanted | {"figure": shown.figure}
        )
        if name != "mixed":
            links[f"{name[:-1]}_answers"] = shown.frame.items(**wanted)
            links |= {f"{name}_{answer}": links[name] for answer in views.MEASURED}
    both = {"question": shown.question, "by": "mixed", "part": row.part}
    links |= {f"difference_{answer}": shown.frame.items(**both, votes="differ") for answer in views.MEASURED}
    return links


def _links_overall(shown: Shown, row: views.Row) -> dict[str, str | None]:
    """Of one answer of each side, the items are those that both judged."""

    def items(by: str, votes: str = "") -> str | None:
        return shown.frame.items(question=shown.question, by=by, votes=votes)

    links = {f"difference_{answer}": items("mixed", "differ") for answer in views.MEASURED}
    for name in ("insiders", "outsiders"):
        answered = items(name if row.groups else "mixed")
        links |= {f"{name[:-1]}_answers": answered} | {f"{name}_{answer}": answered for answer in views.MEASURED}
        links[name] = links[f"{name}_items"] = items(name, "paired")
    links["mixed"] = links["mixed_items"] = items("mixed")
    return links
