"""The annotators' pages of training and tests."""

import json
import uuid
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from sqlmodel import Session
from starlette.datastructures import FormData
from starlette.responses import Response

from app.accounts.access import Annotator
from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Exam, ExamKind, Policy
from app.campaigns.parameters import parameters_of
from app.claims.models import Claim
from app.db import now
from app.errors import Invalid, Sentence
from app.geography import CONTINENT_WORDS
from app.gold import exams, explaining, marking
from app.gold.scores import QUESTION_NAMES
from app.items.cards import card_facts
from app.judgments import preferences, views
from app.judgments.cards import Card, questions
from app.judgments.service import Answers
from app.web.forms import PostedForm
from app.web.i18n import spoken
from app.web.render import redirect, redirect_to, render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)


@router.get("/judge/{slug}/qualify", name="gold:qualify")
def qualify(request: Request, session: SessionDep, account: Annotator, slug: str) -> Response:
    campaign, policy = campaigns.with_policy(session, slug)
    return _regions(request, session, account, campaign, policy)


@router.post("/judge/{slug}/qualify", name="gold:begin")
def begin(
    request: Request, session: SessionDep, account: Annotator, slug: str,
    region: Annotated[str, Form()], kind: Annotated[ExamKind, Form()],
) -> Response:  # fmt: skip
    campaign, policy = campaigns.with_policy(session, slug)
    try:
        with session.begin_nested():
            exam = exams.begin(session, account, campaign, policy, region, kind)
    except exams.NoExam as error:
        return _regions(request, session, account, campaign, policy, error=error)
    return redirect(request, "gold:exam", slug=slug, exam_id=exam.id)


@router.get("/judge/{slug}/qualify/{exam_id}", name="gold:exam")
def exam_page(
    request: Request, session: SessionDep, account: Annotator, slug: str, exam_id: uuid.UUID, after: str = ""
) -> Response:
    """Where the exam stands: the next image, or the end. `after` is the training's item just answered."""
    campaign, policy = campaigns.with_policy(session, slug)
    exam = exams.exam_of(session, account, campaign, exam_id)
    if exam.kind is ExamKind.TRAINING and after in exam.answers:
        return _feedback(request, session, campaign, policy, exam, uuid.UUID(after))
    item_id = exams.next_item(exam)
    if item_id is None:
        return _end(request, session, account, campaign, policy, exam)
    return _card(request, session, account, campaign, policy, exam, item_id)


@router.post("/judge/{slug}/qualify/{exam_id}", name="gold:answer")
def answer(
    request: Request, form: PostedForm, session: SessionDep, account: Annotator, slug: str, exam_id: uuid.UUID
) -> Response:
    campaign, policy = campaigns.with_policy(session, slug)
    item_id = str(form.get("item_id", ""))
    try:
        exam = exams.answer(session, account, campaign, policy, exam_id, item_id, _answers(form))
    except Invalid as error:
        exam = exams.exam_of(session, account, campaign, exam_id)
        draft = _draft(form)
        return _card(
            request, session, account, campaign, policy, exam, uuid.UUID(item_id), draft=draft, errors=error.fields
        )
    here = str(request.app.url_path_for("gold:exam", slug=slug, exam_id=exam_id))
    return redirect_to(with_query(here, {"after": item_id if exam.kind is ExamKind.TRAINING else ""}))


def _answers(form: FormData) -> Answers:
    keys = dict.fromkeys(name.partition(".")[2] for name in form if name.startswith("answer."))
    return Answers(
        {
            key: {
                "answer": form.get(f"answer.{key}"),
                "reasons": form.getlist(f"reason.{key}") if form.get(f"answer.{key}") == "no" else [],
                "correction": form.get(f"correction.{key}") or None,
            }
            for key in keys
        }
    )


def _draft(form: FormData) -> dict[str, Any]:
    reasons = {name: form.getlist(name) for name in form if name.startswith("reason.")}
    return {name: form.get(name) for name in form if name.partition(".")[0] in ("answer", "correction")} | reasons


def _regions(
    request: Request, session: Session, account: Account, campaign: Campaign, policy: Policy,
    *, error: exams.NoExam | None = None,
) -> Response:  # fmt: skip
    parameters = parameters_of(policy)
    return render(
        request,
        "gold/qualify.html",
        status=error.status if error else 200,
        title=Sentence("Qualify for {campaign}", campaign=campaign.name),
        campaign=campaign,
        parameters=parameters,
        regions=exams.regions(session, account, campaign, policy),
        region_words=CONTINENT_WORDS,
        error=error,
    )


def _card(
    request: Request, session: Session, account: Account, campaign: Campaign, policy: Policy, exam: Exam,
    item_id: uuid.UUID, *, draft: Mapping[str, Any] | None = None, errors: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    return render(
        request,
        "gold/exam.html",
        status=422 if errors else 200,
        title=_title(exam),
        campaign=campaign,
        exam=exam,
        item_id=item_id,
        card=_view(session, policy, item_id),
        place=len(exam.answers) + 1,
        progress={"campaign_slug": campaign.slug},
        keys=(keys := preferences.keys_of(account)),
        keys_json=json.dumps(keys),
        draft=draft or {},
        errors=errors or {},
    )


def _feedback(
    request: Request, session: Session, campaign: Campaign, policy: Policy, exam: Exam, item_id: uuid.UUID
) -> Response:
    return render(
        request,
        "gold/feedback.html",
        title=_title(exam),
        campaign=campaign,
        exam=exam,
        card=_view(session, policy, item_id),
        place=exam.items.index(str(item_id)) + 1,
        marks=marking.marks(session, exam)[str(item_id)],
        explained=explaining.explained(session, policy, item_id, spoken()),
        said=views.SAID,
    )


def _end(
    request: Request, session: Session, account: Account, campaign: Campaign, policy: Policy, exam: Exam
) -> Response:
    states = exams.regions(session, account, campaign, policy)
    return render(
        request,
        "gold/end.html",
        title=_title(exam),
        campaign=campaign,
        exam=exam,
        parameters=parameters_of(policy),
        state=next(state for state in states if state.region == exam.region),
        by_question=marking.by_question(marking.marks(session, exam)),
        names=QUESTION_NAMES,
        region_words=CONTINENT_WORDS,
    )


def _title(exam: Exam) -> str:
    region = CONTINENT_WORDS[exam.region]
    if exam.kind is ExamKind.TRAINING:
        return Sentence("Training: {region}", region=region)
    return Sentence("Test: {region}", region=region)


def _view(session: Session, policy: Policy, item_id: uuid.UUID) -> dict[str, Any]:
    """The item as a judge's card shows it. The claim is none that was ever made: an exam needs no lease."""
    facts = card_facts(session, [item_id], spoken())[item_id]
    at = now()
    claim = Claim(item_id=item_id, account_id=item_id, campaign_id=item_id, policy_id=0, leased_at=at, expires_at=at)
    return views.view(Card(claim, facts, questions(policy, facts, language=spoken())))
