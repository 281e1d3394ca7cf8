"""The annotator's page: a card, its answers, the next card."""

import uuid
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from app.accounts import messages
from app.accounts.access import Annotator
from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims import queries as work
from app.claims import service as claims
from app.claims.models import ClaimState
from app.errors import Conflict, Gone, Invalid, NotFound, Sentence, TerroirError
from app.judgments import service
from app.judgments.earlier import earlier
from app.judgments.views import SKIP_REASONS, card_page, draft_of
from app.settings import Settings
from app.web.forms import PostedForm
from app.web.i18n import LANGUAGES, spoken
from app.web.render import redirect, render
from app.web.session import SessionDep, SettingsDep

router = APIRouter(include_in_schema=False)

BROKEN = "broken_image"


@router.get("/judge", name="judgments:start")
def start(request: Request, session: SessionDep, account: Annotator) -> Response:
    """Straight to work where there is one campaign; else the choice."""
    found = campaigns.by_priority(session)
    if len(found) == 1:
        return redirect(request, "judgments:judge", slug=found[0].slug)
    rows = [(campaign, work.judged_by(session, account, campaign)) for campaign in found]
    n_unread = len(messages.received(session, account, only_unread=True))
    return render(request, "judgments/start.html", title=Sentence("Judge"), rows=rows, n_unread=n_unread)


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
        return card_page(
            request, session, account, campaign, claim, draft=_draft(form), errors=error.fields, status=422
        )
    except (Conflict, Gone, NotFound) as error:
        return _next_card(request, session, account, settings, campaign, trouble=error)
    return redirect(request, "judgments:judge", slug=slug)


@router.get("/judge/{slug}/claims/{claim_id}", name="judgments:revise")
def revise(request: Request, session: SessionDep, account: Annotator, slug: str, claim_id: uuid.UUID) -> Response:
    """An own earlier answer, to look at or, until its item is decided, to change; or an image that still waits for
    one: its answer may be on the way, or it was skipped."""
    campaign = campaigns.get(session, slug)
    claim = claims.lock(session, account, claim_id).claim
    if claim.state is ClaimState.RELEASED:
        raise Gone(Sentence("You gave this image back, so there is no answer of yours to change."))
    if claim.state is ClaimState.SKIPPED:
        return card_page(request, session, account, campaign, claim, editing=True, skipped=True)
    if claim.judgment_id is None:
        return card_page(request, session, account, campaign, claim)
    latest = service.latest_judgment(session, claim)
    draft, frozen = draft_of(latest.answers, latest.note), earlier(session, claim).frozen
    return card_page(request, session, account, campaign, claim, draft=draft, editing=True, frozen=frozen)


def _act(session: SessionDep, account: Account, claim_id: uuid.UUID, form: FormData) -> None:
    action = form.get("action", "confirm")
    if action == "confirm":
        service.submit(session, account, claim_id, _answers(form))
    elif action in ("skip", "broken"):
        reason = BROKEN if action == "broken" else str(form.get("skip_reason") or SKIP_REASONS[0][0])
        if reason not in (BROKEN, *(code for code, _ in SKIP_REASONS)):
            raise Invalid(
                Sentence("Please choose why you skip it."),
                fields={"skip_reason": Sentence("Choose one of the reasons.")},
            )
        claims.give_back(session, account, claim_id, reason=reason, skip=True)
    else:
        raise Invalid(
            Sentence("The form asked for something unknown; reload the page."), fields={"action": Sentence("Unknown.")}
        )


def _claim_id(form: FormData) -> uuid.UUID:
    try:
        return uuid.UUID(str(form.get("claim_id", "")))
    except ValueError:
        raise claims.ClaimNotFound(Sentence("The form names no claim; reload the page.")) from None


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
    shown = str(form.get("language"))  # the card's: the page's own may have changed since
    language = shown if shown in LANGUAGES else spoken()
    return service.Answers(answers, max(active_ms, 0), str(note) if note else None, language)


def _draft(form: FormData) -> dict[str, Any]:
    """What was typed, for showing it again."""
    names = {name for name in form if name.partition(".")[0] in ("answer", "correction", "note", "active_ms")}
    reasons = {name: form.getlist(name) for name in form if name.startswith("reason.")}
    return {name: form.get(name) for name in names} | reasons


def _next_card(
    request: Request,
    session: SessionDep,
    account: Account,
    settings: Settings,
    campaign: Campaign,
    *,
    trouble: TerroirError | None = None,
) -> Response:
    """One card; a page with scripts asks for those ahead by itself."""
    policy = campaigns.current_policy(session, campaign)
    lease = claims.lease_seconds(policy, settings.lease_seconds)
    found = claims.claim_next(session, account, campaign, policy, count=1, lease=lease)
    return card_page(
        request,
        session,
        account,
        campaign,
        found.claims[0] if found.claims else None,
        remaining=work.remaining(session, account, campaign, found.holding, found.asker) if found.claims else 0,
        reason=found.reason,
        errors={"claim": trouble.message} if trouble else {},
        status=trouble.status if trouble else 200,
    )
