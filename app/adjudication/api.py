"""How a campaign is doing, its agreement and its items, for programs (CONTRACT §4)."""

import time
import uuid
from collections.abc import Collection
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlmodel import Session
from starlette.responses import Response, StreamingResponse

from app.accounts.access import Admin, Researcher, SignedIn
from app.accounts.models import Role
from app.adjudication import overview
from app.adjudication.agreement.words import ONE_PERSON
from app.adjudication.events import require_place, stream
from app.agreement.bootstrap import Level
from app.campaigns import service as campaigns
from app.db import transaction
from app.errors import Forbidden, Invalid
from app.items import queries as items
from app.judgments.cards import image_url
from app.judgments.votes import Cluster, grouping
from app.judgments.votes import agreement as campaign_agreement
from app.web.session import SessionDep

router = APIRouter(prefix="/api/v1", tags=["campaigns"])

MAX_SEED = 2**32 - 1
MAX_REPLICATES = 10_000
GRID_PARAMETERS = frozenset({"status", "subtask", "country", "name", "cursor", "limit"})
AGREEMENT_PARAMETERS = frozenset({"by", "all", "level", "cluster", "seed", "replicates"})


@router.get("/campaigns/{slug}")
def progress(slug: str, session: SessionDep, account: SignedIn) -> dict[str, Any]:
    """Items by decision and subtask, judgments, and the policy. Annotators get totals only, new once an hour: figures
    that move with each judgment that counts would tell tests from the others."""
    if account.role is not Role.ANNOTATOR:
        return _progress(session, slug)
    hour = int(time.time() // 3600)
    key = (campaigns.get(session, slug).id, hour)
    found = _totals.get(key)
    if found is None:
        found = _progress(session, slug, totals_only=True)
        for old in list(_totals):  # a copy: other threads write to it too
            if old[1] != hour:
                _totals.pop(old, None)
        _totals[key] = found
    return found


_totals: dict[tuple[uuid.UUID, int], dict[str, Any]] = {}


def _progress(session: Session, slug: str, *, totals_only: bool = False) -> dict[str, Any]:
    campaign = campaigns.get(session, slug)
    return overview.progress_document(
        campaign,
        campaigns.current_policy(session, campaign),
        overview.tally(session, campaign),
        totals_only=totals_only,
    )


@router.get("/campaigns/{slug}/agreement")
def agreement(
    request: Request,
    slug: str,
    session: SessionDep,
    account: Researcher,
    by: Annotated[str | None, Query(description="subtask, country, generator or, for admins, rater.")] = None,
    all: Annotated[bool, Query(description="Every counted judgment, not each item's first two.")] = False,  # noqa: A002  (its name in the address)
    level: Annotated[Level, Query(description="ordinal: a near miss counts in part (no < unsure < yes).")] = "nominal",
    cluster: Annotated[Cluster, Query(description="What the bootstrap draws.")] = "items",
    seed: Annotated[int, Query(ge=0, le=MAX_SEED)] = 0,
    replicates: Annotated[int, Query(ge=0, le=MAX_REPLICATES)] = 1000,
) -> dict[str, Any]:
    """Per question: four coefficients with their intervals and sample sizes (CONTRACT §5). Raters go by their id."""
    _only(request, AGREEMENT_PARAMETERS)
    if grouping(by) == "rater" and account.role is not Role.ADMIN:
        raise Forbidden(ONE_PERSON)
    campaign = campaigns.get(session, slug)
    return campaign_agreement(
        session, campaign.id, by=by, every_judgment=all, level=level, cluster=cluster, seed=seed, replicates=replicates
    )


@router.get("/campaigns/{slug}/items")
def item_list(
    request: Request,
    slug: str,
    session: SessionDep,
    admin: Admin,
    status: str | None = None,
    subtask: str | None = None,
    country: Annotated[str | None, Query(description="Of any food or of the background, in any spelling.")] = None,
    name: Annotated[str | None, Query(description="A part of a dish's name.")] = None,
    cursor: Annotated[str | None, Query(description="next_cursor of the page before.")] = None,
    limit: int = 60,
) -> dict[str, Any]:
    """One page of items in the order of their keys; `next_cursor` is null on the last."""
    _only(request, GRID_PARAMETERS)
    campaign = campaigns.get(session, slug)
    page = items.grid(
        session, campaign.id, status=status, subtask=subtask, country=country, name=name, cursor=cursor, limit=limit
    )
    return {"items": [_entry(entry) for entry in page.items], "next_cursor": page.next_cursor}


def _only(request: Request, known: Collection[str]) -> None:
    """Raises Invalid for parameters there aren't: one that is misspelt would else be passed over in silence."""
    unknown = sorted(request.query_params.keys() - set(known))
    if unknown:
        message = f"There is no such parameter; there are {', '.join(sorted(known))}."
        raise Invalid(f"{unknown[0][:40]}: {message}", fields={parameter[:40]: message for parameter in unknown[:20]})


def _entry(entry: items.GridItem) -> dict[str, Any]:
    item = entry.item
    return {
        "id": str(item.id),
        "key": item.key,
        "subtask": item.subtask.value,
        "status": item.status.value,
        "foods": [{"name": food.name, "countries": food.countries} for food in entry.foods],
        "background_country": entry.background.country if entry.background else None,
        "image_url": image_url(item.image_sha256),
        "judged": item.judged,
        "wanted": item.wanted,
        "revision": item.revision,
        "decided_at": item.decided_at.isoformat() if item.decided_at else None,
    }


@router.get("/campaigns/{slug}/events", response_class=Response)
def events(request: Request, slug: str, session: SessionDep, account: Researcher) -> StreamingResponse:
    """Server-sent events: `progress` with the campaign's progress, at once and whenever it changes."""
    require_place()
    campaign_id = campaigns.get(session, slug).id
    engine = request.app.state.engine

    def read() -> dict[str, Any]:
        with transaction(engine) as fresh:
            return _progress(fresh, slug)

    return stream(campaign_id, read)
