"""Revision requests: kept in step with what happens elsewhere, handed to an engine, dropped and opened again."""

import uuid
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import jobs
from app.accounts.models import Account
from app.accounts.service import record
from app.campaigns.models import Campaign, Policy
from app.campaigns.parameters import parameters_of
from app.db import UNSTORABLE, now
from app.errors import Conflict, Invalid, NotFound
from app.generation.engines import engine_named
from app.generation.models import RequestState, RevisionRequest
from app.items.models import Hold, Item, Status
from app.judgments.steering import steers

KIND: Final = "generation.serve"
MOST_SEEDS: Final = 4
MOST_AT_ONCE: Final = 200
MAX_NOTE: Final = 2000
NONE_FAITHFUL: Final = "None of the candidates is faithful."

NOT_GOLD: Final = """
    NOT EXISTS (SELECT 1 FROM gold WHERE gold.item_id = request.item_id AND gold.withdrawn_at IS NULL)
"""
"""A gold item is rejected because its claim is known to be wrong: nobody wants another image of it."""

_ANSWERED: Final = sa.text(
    """
    UPDATE revision_request AS request
    SET state = 'answered', answer_id = later.id, engine = 'import', error = NULL, closed_at = now()
    FROM (SELECT DISTINCT ON (revision_of_id) id, revision_of_id FROM item
          WHERE campaign_id = :campaign AND revision_of_id IS NOT NULL
          ORDER BY revision_of_id, created_at, key) AS later
    WHERE request.campaign_id = :campaign AND request.state = 'open' AND later.revision_of_id = request.item_id
    """
)
_SPENT: Final = sa.text(
    """
    UPDATE revision_request AS request SET state = 'dropped', error = :words, closed_at = now()
    WHERE campaign_id = :campaign AND state = 'open' AND round > :rounds AND NOT detail ? 'reopened'
    """
)
_LEFT: Final = sa.text(
    """
    UPDATE revision_request AS request SET state = 'open', error = 'The job that was to make it ended early.'
    FROM job WHERE job.id = request.job_id AND job.status IN ('done', 'failed')
      AND request.campaign_id = :campaign AND request.state = 'working'
    """
)


@steers
def keep_up(session: Session, campaign: Campaign, policy: Policy) -> None:
    """Answers requests whose revision was imported, drops those that had rounds enough, opens again what a job left.

    Pages and commands call it before they list or serve, so that nobody waits for a worker.
    """
    scope = {"campaign": campaign.id}
    session.execute(_LEFT, scope)
    session.execute(_ANSWERED, scope)
    rounds = parameters_of(policy).rounds
    words = f"It was made again {rounds} times, which is all the policy allows."
    session.execute(_SPENT, scope | {"rounds": rounds, "words": words})


def get(session: Session, campaign: Campaign, request_id: uuid.UUID, *, lock: bool = False) -> RevisionRequest:
    """Raises NotFound, also for another campaign's."""
    query = select(RevisionRequest).where(RevisionRequest.id == request_id, RevisionRequest.campaign_id == campaign.id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = session.exec(query).first()
    if found is None:
        raise NotFound("There is no such request.")
    return found


def drop(session: Session, admin: Account, campaign: Campaign, request_id: uuid.UUID, note: str) -> RevisionRequest:
    """Gives a request up. Raises Conflict if it isn't open, Invalid without a note."""
    request = get(session, campaign, request_id, lock=True)
    words = checked_note(note)
    if request.state is not RequestState.OPEN:
        raise Conflict(f"This request is {request.state.value}; only an open one can be dropped.")
    request.state, request.error, request.closed_at = RequestState.DROPPED, words, now()
    _log(session, admin, "revision.dropped", request, note=words)
    return request


def reopen(session: Session, admin: Account, campaign: Campaign, request_id: uuid.UUID, note: str) -> RevisionRequest:
    """Opens a dropped request again, whatever the policy's rounds. Raises Conflict, Invalid without a note."""
    request = get(session, campaign, request_id, lock=True)
    words = checked_note(note)
    if request.state is not RequestState.DROPPED:
        raise Conflict(f"This request is {request.state.value}; only a dropped one can be opened again.")
    item = session.get_one(Item, request.item_id)
    if not wants_image(item):
        raise Conflict(f"{item.key} is {item.status.value} now, so it wants no other image.")
    live = select(RevisionRequest.id).where(
        RevisionRequest.item_id == item.id, col(RevisionRequest.state).in_([RequestState.OPEN, RequestState.WORKING])
    )
    if session.exec(live).first():
        raise Conflict(f"{item.key} has an open request already.")
    request.state, request.error, request.closed_at = RequestState.OPEN, None, None
    request.detail = {**request.detail, "reopened": words}
    _log(session, admin, "revision.reopened", request, note=words)
    return request


def wants_image(item: Item) -> bool:
    """Rejected, or the first of candidates of which none was chosen."""
    return item.status is Status.REJECTED or item.hold is Hold.CANDIDATES


_NEXT: Final = sa.text(
    f"""
    SELECT request.id FROM revision_request AS request LEFT JOIN job ON job.id = request.job_id
    WHERE request.campaign_id = :campaign AND request.state = 'open' AND {NOT_GOLD}
    ORDER BY request.error IS NOT NULL, job.created_at NULLS FIRST, request.opened_at, request.id LIMIT :most
    """  # noqa: S608  (nothing in it comes from outside)
)


def next_to_serve(session: Session, campaign: Campaign) -> list[uuid.UUID]:
    """As many open requests as are served at once: the oldest first, but those that could not be made before come last,
    in the order of their last try, so that they keep no other waiting."""
    return list(session.execute(_NEXT, {"campaign": campaign.id, "most": MOST_AT_ONCE}).scalars())


_SERVED: Final = sa.text(
    f"""
    UPDATE revision_request AS request
    SET state = 'working', engine = :engine, error = NULL, detail = detail || jsonb_build_object('seeds', :seeds)
    WHERE id IN (
        SELECT id FROM revision_request AS request
        WHERE campaign_id = :campaign AND state = 'open' AND id = ANY(:ids) AND {NOT_GOLD} ORDER BY id FOR UPDATE
    )
    RETURNING id
    """  # noqa: S608  (nothing in it comes from outside)
)


def serve(
    session: Session,
    account: Account | None,
    campaign: Campaign,
    request_ids: Sequence[uuid.UUID],
    *,
    engine: str = "composite",
    seeds: int = 1,
) -> jobs.Job:
    """Queues a job that has an engine answer the open ones of these requests, each with 1 to 4 images: several are
    candidates. Raises Invalid, or Conflict when none of them is open."""
    engine_named(engine)
    if not 1 <= seeds <= MOST_SEEDS:
        fault = f"Ask for 1 to {MOST_SEEDS} images a request."
        raise Invalid(fault, fields={"seeds": fault})
    scope = {"campaign": campaign.id, "ids": list(request_ids)[:MOST_AT_ONCE], "engine": engine, "seeds": seeds}
    ids = sorted(session.execute(_SERVED, scope).scalars())
    if not ids:
        raise Conflict("None of these requests is open any more; reload the page.")
    title = f"Make {len(ids)} image{'' if len(ids) == 1 else 's'} again with {engine}"
    job = jobs.start(
        session, KIND, title=title, account_id=account.id if account else None,
        slug=campaign.slug, requests=[str(id_) for id_ in ids],
    )  # fmt: skip
    session.execute(
        sa.update(RevisionRequest).where(col(RevisionRequest.id).in_(ids)).values(job_id=job.id),
    )
    record(session, account, "revision.served", "campaign", campaign.id, engine=engine, seeds=seeds, requests=len(ids))
    return job


def request_after_none(session: Session, campaign: Campaign, item: Item, note: str) -> RevisionRequest:
    """For the first of candidates of which none was chosen."""
    detail: dict[str, Any] = {"why": NONE_FAITHFUL} | ({"note": note} if note else {})
    request = RevisionRequest(campaign_id=campaign.id, item_id=item.id, round=item.revision, detail=detail)
    session.add(request)
    session.flush()
    return request


def checked_note(note: str, *, is_required: bool = True) -> str:
    """Raises Invalid, tied to `note`."""
    words = note.strip()
    fault = ""
    if is_required and not words:
        fault = "Say why, in a sentence: it stays with the request."
    elif len(words) > MAX_NOTE or UNSTORABLE.search(words):
        fault = f"At most {MAX_NOTE:,} characters, without control characters."
    if fault:
        raise Invalid(fault, fields={"note": fault})
    return words


def _log(session: Session, admin: Account, action: str, request: RevisionRequest, **detail: Any) -> None:
    record(session, admin, action, "item", request.item_id, request=str(request.id), **detail)
