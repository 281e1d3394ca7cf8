"""The list of a campaign's raters, and the rater models behind it. For admins."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import Admin
from app.accounts.models import Account
from app.adjudication.agreement import people_fits, people_models, people_queries
from app.adjudication.agreement import people_views as views
from app.adjudication.agreement.frame import Frame, Votes, VotesDep, frame
from app.adjudication.agreement.memory import counted, remembered
from app.adjudication.agreement.people_flags import Flag, flags, flags_table
from app.adjudication.agreement.people_models import Models
from app.adjudication.agreement.people_views import Counts, Rater
from app.adjudication.agreement.words import QUESTIONS
from app.agreement.tallies import Basis
from app.campaigns import service as campaigns
from app.judgments import jobs, rater_models
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.figures.svg import inline
from app.web.figures.tables import Table
from app.web.render import redirect_to, render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False, prefix="/campaigns/{slug}/agreement")


class Shown(NamedTuple):
    frame: Frame
    models: Models
    question: str
    questions: list[str]
    everyone: list[Rater]
    ordered: list[Rater]
    sort: str


@router.get("/people", name="agreement:people")
def people(
    request: Request, session: SessionDep, account: Admin, slug: str, votes: VotesDep,
    question: str = "", sort: str = views.DEFAULT_SORT,
) -> Response:  # fmt: skip
    shown = _shown(request, session, account, slug, votes, question, sort)
    key, _ = views.checked_sort(sort)
    jobs.ensure_fresh(session, shown.frame.campaign, account)
    person = person_address(shown.frame, question)
    return render(
        request,
        "adjudication/agreement/people.html",
        title="People",
        table=views.people_table(shown.ordered, question),
        links=[_links(shown, rater, person(rater.who.id)) for rater in shown.ordered],
        heads=[_head(shown, column.key) for column in views.COLUMNS],
        chart=views.people_chart(shown.ordered, key, question) if shown.ordered else None,
        flags=[
            (flag, person(flag.rater.who.id), look_of(shown.frame, question, flag, person))
            for flag in flags(shown.everyone, question)
        ],
        n_raters=len(shown.everyone),
        choices=choices(shown.frame, shown.questions, question),
        models=shown.models,
        models_table=people_models.models_table(shown.models),
        traces=people_models.traces(shown.models),
        n_new=rater_models.stale(session, shown.frame.campaign.id),
        job=people_fits.newest(session, shown.frame.campaign.id),
        fit_address=str(request.app.url_path_for("agreement:fit", slug=slug)),
        meaning=[(column.label, views.MEANING[column.key]) for column in views.COLUMNS if column.key in views.MEANING],
        files=str(request.app.url_path_for("agreement:people", slug=slug)),
        query=with_query("", {"question": question, "sort": sort, **votes.query}).removeprefix("?"),
        words=tables,
        draw=inline,
        **shown.frame.context(),
    )


@router.post("/people/fit", name="agreement:fit")
def fit(request: Request, session: SessionDep, account: Admin, slug: str) -> Response:
    """Fits the rater models again, whether or not anything is new."""
    people_fits.fit_again(session, campaigns.get(session, slug), account)
    words = "The rater models are being fitted; reload this page in a moment."
    return redirect_to(str(request.app.url_path_for("agreement:people", slug=slug)), flash=("info", words))


@router.get("/people/{stem}.{ending}", name="agreement:people_file")
def people_file(
    request: Request, session: SessionDep, account: Admin, slug: str, votes: VotesDep, stem: str, ending: str,
    question: str = "", sort: str = views.DEFAULT_SORT,
) -> Response:  # fmt: skip
    shown = _shown(request, session, account, slug, votes, question, sort)
    key, _ = views.checked_sort(sort)
    every_table: dict[str, Callable[[], Table]] = {
        "people": lambda: views.people_table(shown.ordered, question),
        "worth-a-look": lambda: flags_table(flags(shown.everyone, question)),
        "models": lambda: people_models.models_table(shown.models),
    }
    drawn = people_models.traces(shown.models)
    if shown.ordered:
        drawn["people"] = views.people_chart(shown.ordered, key, question)
    charts = {name: lambda chart=chart: chart for name, chart in drawn.items()}
    return figure_file(f"{stem}.{ending}", every_table, charts, shown.frame.source, f"agreement-{slug}", stamp="source")


def counts_of(session: Session, campaign_id: uuid.UUID, basis: Basis) -> Counts:
    """Counted once for each version of the counts."""

    def count() -> Counts:
        people = people_queries.people(session, campaign_id)
        return Counts(
            people,
            people_queries.items(session, campaign_id, basis),
            people_queries.answers(session, campaign_id, basis),
            people_queries.pairs(session, campaign_id, basis),
            people_queries.paces(session, campaign_id, people),
            people_queries.gold(session, campaign_id),
        )

    return remembered(counted(session, campaign_id), ("people", basis), count)


def person_address(frame: Frame, question: str) -> Callable[[uuid.UUID], str]:
    return lambda account_id: frame.address("agreement:person", {"question": question}, account_id=account_id)


def choices(frame: Frame, questions: list[str], question: str) -> list[tuple[str, str, bool]]:
    """Label, address and whether it is the present one."""
    if len(questions) < 2:
        return []
    some = [("All questions", "")] + [(QUESTIONS[key], key) for key in questions]
    return [(label, frame.again(question=key), key == question) for label, key in some]


def _shown(
    request: Request, session: Session, account: Account, slug: str, votes: Votes, question: str, sort: str
) -> Shown:
    key, is_falling = views.checked_sort(sort)
    shown = frame(request, session, account, slug, votes, "agreement:people")
    counts = counts_of(session, shown.campaign.id, votes.basis)
    questions = views.questions_of(counts)
    views.checked_question(question, questions)
    models = rater_models.latest_models(session, shown.campaign.id)
    everyone = views.raters(counts, models, question, people_queries.paused(session, shown.campaign.id))
    return Shown(shown, models, question, questions, everyone, views.in_order(everyone, key, is_falling), sort)


def _head(shown: Shown, key: str) -> tuple[str, str]:
    """Where a column's heading leads, and how it is ordered now (aria-sort). The largest come first, then the least."""
    first = key if key in ("rater", "email", "first") else f"-{key}"
    other = f"-{key}" if first == key else key
    state = {key: "ascending", f"-{key}": "descending"}.get(shown.sort, "")
    return shown.frame.again(sort=other if shown.sort == first else first), state


def _links(shown: Shown, rater: Rater, person: str) -> Mapping[str, str]:
    """What each number of a rater leads to: items where the address can say which, else the part of their own page."""
    items: dict[str, Any] = {"rater": rater.who.id, "question": shown.question}
    found = {
        "rater": person,
        "seconds": f"{person}#pace",
        "notices": f"{person}#confusion",
        "met": f"{person}#confusion",
    }
    found |= {"gold": f"{person}#gold", "n_gold": f"{person}#gold", "agreement": f"{person}#colleagues"}
    found |= {"first": f"{person}#pace", "last": f"{person}#pace", "pairs": f"{person}#colleagues"}
    found["items"] = shown.frame.items(**items) or person
    for answer in ("yes", "no", "unsure"):
        one = shown.frame.items(**items, answer=answer) if shown.question else None
        found[answer] = one or f"{person}#answers"
    return found


def look_of(shown: Frame, question: str, flag: Flag, person: Callable[[uuid.UUID], str]) -> str:
    """Where to look: the rater's items, or that part of their page."""
    page = person(flag.rater.who.id)
    if flag.query is None:
        return f"{page}#{flag.part}"
    return shown.items(rater=flag.rater.who.id, question=question, **flag.query) or page
