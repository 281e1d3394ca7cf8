"""One rater's page. For admins."""

import uuid
from functools import partial
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import Admin
from app.accounts.models import Account
from app.adjudication.agreement import person_queries
from app.adjudication.agreement import person_views as views
from app.adjudication.agreement.frame import Frame, VotesDep, frame
from app.adjudication.agreement.memory import counted, remembered
from app.adjudication.agreement.people_flags import flags
from app.adjudication.agreement.people_models import Models
from app.adjudication.agreement.people_queries import Who
from app.adjudication.agreement.people_routes import choices, counts_of, look_of, person_address
from app.adjudication.agreement.people_views import Counts, checked_question, questions_of, raters
from app.adjudication.agreement.person_queries import Miss, Shared, Work
from app.adjudication.agreement.words import QUESTIONS
from app.db import now
from app.errors import NotFound
from app.judgments import jobs, rater_models
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.figures.svg import Chart, inline
from app.web.figures.tables import Table
from app.web.render import render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False, prefix="/campaigns/{slug}/agreement")

SHOWN_MISSES = 50


class Person(NamedTuple):
    """What the page of one rater stands on."""

    frame: Frame
    who: Who
    counts: Counts
    models: Models
    question: str
    questions: list[str]
    work: Work
    misses: list[Miss]
    shared: dict[str, dict[str, Shared]]
    weekly: dict[str, dict[str, dict[str, int]]]
    colleagues: Table
    order: list[uuid.UUID]

    def tables(self) -> dict[str, Table]:
        found = (
            views.confusion_table(self.models, self.who),
            views.answers_table(self.counts.answers, self.who),
            self.colleagues,
            views.pace_table(self.work),
            views.days_table(self.work),
            views.gold_table(self.counts.gold.get(self.who.id, {})),
            views.misses_table(self.misses),
            views.drift_table(self.weekly, self.shared, self.question),
            views.alone_table(self.shared),
        )
        return {table.key: table for table in found}

    def charts(self) -> dict[str, Chart]:
        found = (
            views.confusion_chart(self.models, self.who),
            views.colleagues_chart(self.colleagues),
            views.pace_chart(self.work),
            views.days_chart(self.work),
            views.drift_chart(views.drift_table(self.weekly, self.shared, self.question)),
        )
        return {chart.key: chart for chart in found if chart is not None}


@router.get("/people/{account_id}", name="agreement:person")
def person(
    request: Request, session: SessionDep, account: Admin, slug: str, votes: VotesDep, account_id: uuid.UUID,
    question: str = "",
) -> Response:  # fmt: skip
    shown = frame(request, session, account, slug, votes, "agreement:people")
    somebody = session.get(Account, account_id)
    if somebody is None:
        raise NotFound("There is no such person.")
    found = _person(session, shown, account_id, question)
    if found is None:
        return render(
            request,
            "adjudication/agreement/person.html",
            title=somebody.name,
            who=somebody,
            found=None,
            people=shown.address("agreement:people"),
            **shown.context(),
        )
    jobs.ensure_fresh(session, shown.campaign, account)
    here = person_address(shown, question)
    everyone = raters(found.counts, found.models, question)
    own = [flag for flag in flags(everyone, question) if flag.rater.who.id == account_id]
    every = found.tables()
    return render(
        request,
        "adjudication/agreement/person.html",
        title=found.who.name,
        who=found.who,
        found=found,
        people=shown.address("agreement:people", {"question": question}),
        flags=[(flag, look_of(shown, question, flag, here)) for flag in own],
        tables=every,
        charts=found.charts(),
        links=_links(found, every),
        misses_shown=every["misses"]._replace(rows=every["misses"].rows[:SHOWN_MISSES]),
        choices=choices(shown, found.questions, question),
        question_name=QUESTIONS[question] if question else "",
        n_judgments=sum(found.work.days.values()),
        files=str(request.app.url_path_for("agreement:person", slug=slug, account_id=account_id)),
        query=with_query("", {"question": question, **votes.query}).removeprefix("?"),
        words=tables,
        draw=inline,
        **shown.context(),
    )


@router.get("/people/{account_id}/{name}", name="agreement:person_file")
def person_file(
    request: Request, session: SessionDep, account: Admin, slug: str, votes: VotesDep, account_id: uuid.UUID,
    name: str, question: str = "",
) -> Response:  # fmt: skip
    shown = frame(request, session, account, slug, votes, "agreement:people")
    found = _person(session, shown, account_id, question)
    if found is None:
        raise NotFound("There are no judgments of this person here, and so no files.")
    every_table, every_chart = found.tables(), found.charts()
    source = f"rater {account_id}, {shown.source}"
    return figure_file(
        name,
        {key: partial(every_table.__getitem__, key) for key in every_table},
        {key: partial(every_chart.__getitem__, key) for key in every_chart},
        source,
        f"agreement-{slug}-rater",
        stamp="source",
    )


def _person(session: Session, shown: Frame, account_id: uuid.UUID, question: str) -> Person | None:
    """None for who has no counted judgment in this campaign."""
    campaign_id, basis = shown.campaign.id, shown.votes.basis
    counts = counts_of(session, campaign_id, basis)
    who = counts.people.get(account_id)
    if who is None:
        return None
    questions = questions_of(counts)
    checked_question(question, questions)
    version = counted(session, campaign_id)

    def read() -> tuple[Any, ...]:
        return (
            person_queries.misses(session, campaign_id, account_id),
            person_queries.weekly_pairs(session, campaign_id, basis, account_id),
            person_queries.weekly_answers(session, campaign_id, basis, account_id),
            person_queries.colleagues(session, campaign_id, basis, account_id),
        )

    misses, shared, weekly, with_each = remembered(version, ("person", basis, account_id), read)
    colleagues, order = views.colleagues_table(with_each, counts.people, question)
    return Person(
        shown, who, counts, rater_models.latest_models(session, campaign_id), question, questions,
        person_queries.work(session, campaign_id, account_id, now()), misses, shared, weekly, colleagues, order,
    )  # fmt: skip


def _links(found: Person, every: dict[str, Table]) -> dict[str, list[dict[str, str | None]]]:
    """{table: what the cells of each row lead to, by column}."""
    shown, rater = found.frame, found.who.id
    key_of = {name: key for key, name in QUESTIONS.items()}

    def items(**query: Any) -> str | None:
        return shown.items(rater=rater, **query)

    def answers_of(row: tuple[Any, ...], name: int) -> dict[str, str | None]:
        question = key_of[row[0]]
        if row[name] != found.who.name:
            return {}
        given = {answer: items(question=question, answer=answer) for answer in ("yes", "no", "unsure")}
        return {**given, "n": items(question=question)}

    def week(row: tuple[Any, ...]) -> dict[str, str | None]:
        about = {"by": "week", "part": row[0], "question": found.question}
        no = items(**about, answer="no") if found.question else items(**about)
        pairs = items(**about, votes="paired")
        return {"n": items(**about), "no": no, "pairs": pairs, "agreement": items(**about, votes="differ")}

    def alone(row: tuple[Any, ...]) -> dict[str, str | None]:
        question = key_of[row[0]]
        stood = items(question=question, votes="alone")
        return {"n": items(question=question, votes="paired"), "alone": stood, "share": stood}

    def pair(other: uuid.UUID) -> dict[str, str | None]:
        a, b = sorted((rater, other))
        page = shown.address("agreement:pair", a=a, b=b)
        both = shown.items(a=a, b=b, question=found.question)
        return {"colleague": page, "n": both, "alike": page, "agreement": page}

    return {
        # Of the claims a model expects to be right, or wrong, there is no list.
        "confusion": [answers_of(row, 2) | {"n": None} for row in every["confusion"].rows],
        "answers": [answers_of(row, 1) for row in every["answers"].rows],
        "colleagues": [pair(other) for other in found.order],
        "drift": [week(row) for row in every["drift"].rows],
        "alone": [alone(row) for row in every["alone"].rows],
        "misses": [
            {
                "item": str(
                    shown.request.app.url_path_for("adjudication:item", slug=shown.campaign.slug, item_id=miss.item_id)
                )
            }
            for miss in found.misses
        ],
    }
