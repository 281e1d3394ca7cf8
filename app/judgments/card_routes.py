"""What the open page asks for: more cards under lease, their leases kept, and let go when the page is left."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.accounts.access import Annotator
from app.campaigns import service as campaigns
from app.claims import held
from app.claims import queries as work
from app.claims import service as claims
from app.judgments.api import Sender
from app.judgments.preferences import READY_MANY
from app.judgments.views import claim_ids, more_cards
from app.web.forms import PostedForm
from app.web.session import SessionDep, SettingsDep

router = APIRouter(include_in_schema=False)


@router.post("/judge/{slug}/cards", name="judgments:cards")
def cards(
    request: Request, form: PostedForm, session: SessionDep, account: Sender, settings: SettingsDep, slug: str
) -> Response:
    """`want` more cards beside those the page has (`have`), as HTML. Fewer, when no more can be held at once."""
    campaign, policy = campaigns.with_policy(session, slug)
    have = set(claim_ids(form.getlist("have")))
    want = str(form.get("want", ""))
    wanted = min(int(want), READY_MANY) if want.isascii() and want.isdigit() and len(want) < 4 else 1
    count = max(1, min(len(have) + wanted, claims.MAX_PREPARED))
    lease = claims.lease_seconds(policy, settings.lease_seconds)
    found = claims.claim_next(session, account, campaign, policy, count=count, lease=lease, most=claims.MAX_PREPARED)
    new = [claim for claim in found.claims if claim.id not in have][:wanted]
    remaining = work.remaining(session, account, campaign, found.holding, found.asker) if found.claims else 0
    return more_cards(request, session, account, campaign, new, remaining=remaining, reason=found.reason)


@router.post("/judge/{slug}/heartbeat", name="judgments:heartbeat")
def heartbeat(form: PostedForm, session: SessionDep, account: Sender, settings: SettingsDep, slug: str) -> Response:
    """Keeps the leases of the cards the page has (`claim`); answers which of them are still held."""
    kept = held.keep(session, account, claim_ids(form.getlist("claim")), settings.lease_seconds)
    return JSONResponse({"held": [str(claim) for claim in kept]})


@router.post("/judge/{slug}/leave", name="judgments:leave")
def leave(form: PostedForm, session: SessionDep, account: Annotator, slug: str) -> Response:
    """The page is closing, and nothing has been answered on these cards (`claim`)."""
    held.leave(session, account, claim_ids(form.getlist("claim")))
    return Response(status_code=204)
