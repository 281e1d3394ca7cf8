"""The annotator's page: a card, its answers, the next card."""

import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from app.accounts.access import Annotator
from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims import queries as work
from app.claims import service as claims
from app.claims.models import Claim
from app.errors import Conflict, Gone, Invalid, NotFound, TerroirError
from app.judgments import service
from app.judgments.cards import Card, as_json, cards_for
from app.settings import Settings
from app.web.forms import PostedForm
from app.web.render import redirect, render
from app.web.session import SessionDep, SettingsDep

router = APIRouter(include_in_schema=False)

AHEAD = 3
"""Images loaded before they are needed, under lease."""
SKIP_REASONS = (
    ("cannot_tell", "I can't tell from this image"),
    ("unknown_region", "I don't know this region's food"),
    ("distressing", "I'd rather not judge this image"),
)
BROKEN = "broken_image"
ANSWER_WORDS = (("yes", "Yes"), ("no", "No"), ("unsure", "Unsure"))


@router.get("/judge", name="judgments:start")
def start(request: Request, session: SessionDep, account: Annotator) -> Response:
    """Straight to work where there is one campaign; else the choice."""
    found = campaigns.all_campaigns(session)
    if len(found) == 1:
        return redirect(request, "judgments:judge", slug=found[0].slug)
    rows = [(campaign, work.judged_by(session, account, campaign)) for campaign in found]
    return render(request, "judgments/start.html", title="Judge", rows=rows)


@router.get("/judge/{slug}", name="judgments:judge")
def judge(request: Request, session: SessionDep, account: Annotator, settings: SettingsDep, slug: str) -> Response:
    return _next_card(request, session, account, settings, campaigns.get(session, slug))


@router.post("/judge/{slug}", name="judgments:submit")
def submit(
    request: Request, form: PostedForm, session: SessionDep, account: Annotator, settings: SettingsDep, slug: str
) -> Response:
    """`form` stands first so that it is read before a database connection is taken, however slowly it arrives."""
    campaign = campaigns.get(session, slug)
    claim_id = _claim_id(form)
    try:
        with session.begin_nested():
            _act(session, account, claim_id, form)
    except Invalid as error:
        claim = claims.lock(session, account, claim_id).claim
        return _show(request, session, account, campaign, [claim], draft=_draft(form), errors=error.fields, status=422)
    except (Conflict, Gone, NotFound) as error:
        return _next_card(request, session, account, settings, campaign, trouble=error)
    if request.headers.get("hx-request") is None:
        return redirect(request, "judgments:judge", slug=slug)
    return _next_card(request, session, account, settings, campaign)


@router.get("/judge/{slug}/claims/{claim_id}", name="judgments:revise")
def revise(request: Request, session: SessionDep, account: Annotator, slug: str, claim_id: uuid.UUID) -> Response:
    """An own earlier answer, to look at or to change."""
    campaign = campaigns.get(session, slug)
    claim = claims.lock(session, account, claim_id).claim
    latest = service.latest_judgment(session, claim)
    return _show(
        request, session, account, campaign, [claim], draft=_draft_of(latest.answers, latest.note), editing=True
    )


@router.post("/judge/{slug}/heartbeat/{claim_id}", name="judgments:heartbeat")
def heartbeat(
    session: SessionDep, account: Annotator, settings: SettingsDep, slug: str, claim_id: uuid.UUID
) -> Response:
    claims.extend(session, account, claim_id, settings.lease_seconds)
    return Response(status_code=204)


def _act(session: SessionDep, account: Account, claim_id: uuid.UUID, form: FormData) -> None:
    action = form.get("action", "confirm")
    if action == "confirm":
        service.submit(session, account, claim_id, _answers(form))
    elif action in ("skip", "broken"):
        reason = BROKEN if action == "broken" else str(form.get("skip_reason") or SKIP_REASONS[0][0])
        if reason not in (BROKEN, *(code for code, _ in SKIP_REASONS)):
            raise Invalid("Please choose why you skip it.", fields={"skip_reason": "Choose one of the reasons."})
        claims.give_back(session, account, claim_id, reason=reason, skip=True)
    else:
        raise Invalid("The form asked for something unknown; reload the page.", fields={"action": "Unknown."})


def _claim_id(form: FormData) -> uuid.UUID:
    try:
        return uuid.UUID(str(form.get("claim_id", "")))
    except ValueError:
        raise claims.ClaimNotFound("The form names no claim; reload the page.") from None


def _answers(form: FormData) -> service.Answers:
    keys = dict.fromkeys(name.partition(".")[2] for name in form if name.startswith("answer."))
    answers = {
        key: {
            "answer": form.get(f"answer.{key}"),
            # Reasons hidden behind a yes are leftovers of a changed mind.
            "reasons": form.getlist(f"reason.{key}") if form.get(f"answer.{key}") == "no" else [],
            "correction": form.get(f"correction.{key}") or None,
        }
        for key in keys
    }
    try:
        active_ms = int(str(form.get("active_ms") or 0))
    except ValueError:
        active_ms = 0  # the clock of a page is no reason to lose an answer
    note = form.get("note")
    return service.Answers(answers, max(active_ms, 0), str(note) if note else None)


def _draft(form: FormData) -> dict[str, Any]:
    """What was typed, for showing it again."""
    names = {name for name in form if name.partition(".")[0] in ("answer", "correction", "note", "active_ms")}
    reasons = {name: form.getlist(name) for name in form if name.startswith("reason.")}
    return {name: form.get(name) for name in names} | reasons


def _draft_of(answers: Mapping[str, Any], note: str | None) -> dict[str, Any]:
    draft: dict[str, Any] = {"note": note or ""}
    for key, given in answers.items():
        draft[f"answer.{key}"] = given["answer"]
        draft[f"reason.{key}"] = given["reasons"]
        draft[f"correction.{key}"] = given["correction"] or ""
    return draft


def _next_card(
    request: Request,
    session: SessionDep,
    account: Account,
    settings: Settings,
    campaign: Campaign,
    *,
    trouble: TerroirError | None = None,
) -> Response:
    policy = campaigns.current_policy(session, campaign)
    lease = claims.lease_seconds(policy, settings.lease_seconds)
    found = claims.claim_next(session, account, campaign, policy, count=1 + AHEAD, lease=lease)
    errors = {"claim": trouble.message} if trouble else {}
    return _show(
        request,
        session,
        account,
        campaign,
        list(found.claims),
        remaining=work.remaining(session, account, campaign, found.holding) if found.claims else 0,
        reason=found.reason,
        errors=errors,
        status=trouble.status if trouble else 200,
    )


def _show(
    request: Request,
    session: SessionDep,
    account: Account,
    campaign: Campaign,
    shown: list[Claim],
    *,
    remaining: int | None = None,
    reason: str | None = None,
    draft: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    editing: bool = False,
    status: int = 200,
) -> Response:
    cards = cards_for(session, shown)
    done = work.judged_by(session, account, campaign)
    if remaining is None:
        holding = len(claims.open_claims(session, account, campaign))
        remaining = work.remaining(session, account, campaign, holding)
    before = work.previous_claim(session, account, campaign, shown[0] if editing else None)
    return render(
        request,
        "judgments/judge.html",
        part="judgments/_card.html" if cards else "judgments/_no_work.html",
        status=status,
        title=campaign.name,
        card=_view(cards[0]) if cards else None,
        prefetch=[card.image_url for card in cards[1:]],
        progress={
            "judged_today": done.today,
            "judged_total": done.total,
            "remaining": remaining,
            "campaign_name": campaign.name,
            "campaign_slug": campaign.slug,
        },
        previous=before.id if before else None,
        reason=reason,
        draft=draft,
        errors=errors,
        editing=editing,
        skip_reasons=SKIP_REASONS,
    )


def _view(card: Card) -> dict[str, Any]:
    """The card as the template takes it: the API's shape, and what only people read."""
    view = as_json(card) | {"claim_id": card.claim.id}
    for part, food in zip(("food1", "food2"), card.facts.foods, strict=False):
        view[part]["description"] = food.description
    for question in view["questions"]:
        question["answers"] = ANSWER_WORDS
    return view
