"""The words of a campaign's questions: read as annotators read them, and changed."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import Admin
from app.adjudication.policy_routes import EDIT, SAVE, seen_version
from app.adjudication.policy_views import Examples
from app.campaigns import policies, question_form
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.campaigns.policy_form import checked_note
from app.campaigns.policy_words import Change
from app.campaigns.question_words import question_changes, title_of
from app.campaigns.shipped import with_shipped_translations
from app.campaigns.translations import LANGUAGES, RIGHT_TO_LEFT, SAMPLE, WHICH
from app.campaigns.wording import PLACEHOLDERS, filled, part_of, worded
from app.errors import Conflict, Invalid, NotFound, TerroirError
from app.judgments.cards import image_url
from app.web.forms import PostedForm
from app.web.render import redirect, render
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)

SHIPPED_NOTE: Final = "Shipped translations added."
Question = Mapping[str, Any]


@router.get("/campaigns/{slug}/policy/questions", name="adjudication:questions")
def questions_page(request: Request, session: SessionDep, admin: Admin, slug: str) -> Response:
    campaign, policy = campaigns.with_policy(session, slug)
    return render(
        request,
        "campaigns/questions.html",
        title="Words of the questions",
        campaign=campaign,
        policy=policy,
        questions=[(q["key"], title_of(q["key"]), _view(q), _languages(q)) for q in policy.questions],
        lacks_shipped=with_shipped_translations(policy.questions) != policy.questions,
        image_url=image_url,
    )


@router.post("/campaigns/{slug}/policy/translations", name="adjudication:add_translations")
def add_translations(
    request: Request, session: SessionDep, admin: Admin, slug: str, version: Annotated[str, Form()] = ""
) -> Response:
    """The shipped ones, for whatever still reads as it was shipped."""
    campaign, policy = campaigns.with_policy(session, slug)
    questions = with_shipped_translations(policy.questions)
    seen = seen_version({"version": version})
    saved = policies.change_questions(session, admin, campaign, questions, SHIPPED_NOTE, seen=seen)
    words = f"The translations are in version {saved.version} of the policy."
    return redirect(request, "adjudication:questions", slug=slug, flash=("done", words))


@router.get("/campaigns/{slug}/policy/questions/{key}", name="adjudication:question")
def question_page(request: Request, session: SessionDep, admin: Admin, slug: str, key: str) -> Response:
    campaign, policy = campaigns.with_policy(session, slug)
    question = _find(policy, key)
    typed = question_form.as_typed(question, Examples(session, campaign).keys_of(policy))
    return _page(request, campaign, policy, question, typed)


@router.post("/campaigns/{slug}/policy/questions/{key}", name="adjudication:change_question")
def change_question(
    request: Request, form: PostedForm, session: SessionDep, admin: Admin, slug: str, key: str
) -> Response:
    """First shows how it would read; the second time, with step=save, it is the next version."""
    campaign, policy = campaigns.with_policy(session, slug)
    question = _find(policy, key)
    texts = {name: str(value) for name, value in form.items()}
    step = texts.pop("step", "")
    if step == EDIT:
        return _page(request, campaign, policy, question, texts)
    try:
        new, note = _read(session, campaign, question, texts)
        seen = seen_version(texts)
        policies.check_seen(policy.version, seen)
        questions = _with(policy, new, with_twin=bool(texts.get("both")))
        if step == SAVE:
            with session.begin_nested():
                saved = policies.change_questions(session, admin, campaign, questions, note, seen=seen)
            words = f"Version {saved.version} of the policy has the new words; open leases finish with the old ones."
            return redirect(request, "adjudication:questions", slug=slug, flash=("done", words))
        return _preview(request, campaign, policy, question, new, questions, texts)
    except (Invalid, Conflict) as error:
        session.refresh(campaign)
        current = campaigns.current_policy(session, campaign)
        return _page(request, campaign, current, _find(current, key), texts, error=error)


def _find(policy: Policy, key: str) -> dict[str, Any]:
    for question in policy.questions:
        if question["key"] == key:
            return question
    raise NotFound("There is no such question.")


def _read(
    session: Session, campaign: Campaign, question: Question, texts: Mapping[str, str]
) -> tuple[dict[str, Any], str]:
    """Raises Invalid for all that is wrong at once."""
    faults: dict[str, str] = {}
    message, new, note = "", None, ""
    try:
        new = question_form.read(texts, question, *Examples(session, campaign).find(question_form.example_keys(texts)))
    except Invalid as error:
        faults |= error.fields
        message = error.message
    try:
        note = checked_note(texts.get("note", ""))
    except Invalid as error:
        faults |= error.fields
        message = message or error.message
    if new is None or faults:
        raise Invalid(message, fields=faults)
    return new, note


def _with(policy: Policy, new: dict[str, Any], *, with_twin: bool) -> list[dict[str, Any]]:
    """The policy's questions with this one in its place, and its words for the other food too if they are to be."""
    twin = question_form.twin_of(new["key"]) if with_twin else None
    return [
        new
        if question["key"] == new["key"]
        else question_form.with_words_of(question, new)
        if question["key"] == twin
        else question
        for question in policy.questions
    ]


def _preview(
    request: Request,
    campaign: Campaign,
    policy: Policy,
    question: Question,
    new: Question,
    questions: list[dict[str, Any]],
    texts: Mapping[str, str],
) -> Response:
    found = [Change(*change) for change in question_changes(policy.questions, questions)]
    if not found:
        raise policies.NothingDiffers(f"Nothing differs from version {policy.version} yet; change something first.")
    stale = question_form.outdated(question, new)
    names = " and ".join(filter(None, [", ".join(stale[:-1]), *stale[-1:]]))
    warnings = [f"The English words change and the {names} ones don't; are they still right?"] if stale else []
    return render(
        request,
        "campaigns/question_preview.html",
        title="Look before you save",
        campaign=campaign,
        policy=policy,
        key=question["key"],
        heading=title_of(question["key"]),
        views=[_view(new), *(_view(new, language) for language in _languages(new))],
        changes=found,
        warnings=warnings,
        texts=texts,
        image_url=image_url,
    )


def _languages(question: Question) -> list[str]:
    return [language for language in LANGUAGES if question.get("translations", {}).get(language)]


def _view(question: Question, language: str = "en") -> dict[str, Any]:
    """As an annotator reads it, about a sample dish."""
    words = worded(question, language)
    names = SAMPLE[language] | {"which": WHICH[language]["only"]}
    return words | {
        "text": filled(words["text"], names),
        "reasons": [reason for reason in words["reasons"] if not reason["is_retired"]],
        "language": language,
        "language_name": LANGUAGES.get(language, "English"),
        "direction": "rtl" if language in RIGHT_TO_LEFT else "ltr",
    }


def _page(
    request: Request,
    campaign: Campaign,
    policy: Policy,
    question: Question,
    typed: Mapping[str, str],
    *,
    error: TerroirError | None = None,
) -> Response:
    key = question["key"]
    twin = question_form.twin_of(key)
    return render(
        request,
        "campaigns/question.html",
        status=error.status if error else 200,
        title=title_of(key),
        campaign=campaign,
        policy=policy,
        question=question,
        key=key,
        heading=title_of(key),
        twin=title_of(twin) if twin and any(q["key"] == twin for q in policy.questions) else None,
        placeholders=[f"{{{name}}}" for name in sorted(PLACEHOLDERS[part_of(key)])],
        languages=[(code, name, "rtl" if code in RIGHT_TO_LEFT else "ltr") for code, name in LANGUAGES.items()],
        n_examples={kind: _rows(typed, kind) for kind in ("good", "bad")},
        n_new=question_form.NEW_REASONS,
        typed=typed,
        error=error,
        errors=error.fields if error else {},
    )


def _rows(typed: Mapping[str, str], kind: str) -> int:
    """One empty row after those that hold something."""
    filled_rows = [n for n in range(question_form.MOST_EXAMPLES) if typed.get(f"{kind}.{n}.text")]
    return min(question_form.MOST_EXAMPLES, (filled_rows[-1] if filled_rows else -1) + 2)
