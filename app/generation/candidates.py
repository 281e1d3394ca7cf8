"""Choosing the most faithful of several images of one claim, or none of them; and taking that back."""

import uuid
from collections.abc import Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.accounts.service import record
from app.campaigns.models import Campaign
from app.db import now
from app.errors import Conflict, Invalid, NotFound
from app.generation.models import RequestState, RevisionRequest
from app.generation.service import NONE_FAITHFUL, checked_note, request_after_none
from app.items.models import CandidateSet, Hold, Item

NONE: Final = "none"


class Queue(NamedTuple):
    """`open` and `decided` count sets; `latest` is the one this admin decided last, where there is one."""

    open: int
    decided: int
    latest: CandidateSet | None


def queue(session: Session, admin: Account, campaign: Campaign) -> Queue:
    counts = sa.select(
        sa.func.count().filter(col(CandidateSet.decided_at).is_(None)),
        sa.func.count().filter(col(CandidateSet.decided_at).is_not(None)),
    ).where(col(CandidateSet.campaign_id) == campaign.id)
    is_open, decided = session.execute(counts).one()
    latest = session.exec(
        select(CandidateSet)
        .where(CandidateSet.campaign_id == campaign.id, CandidateSet.decided_by == admin.id)
        .order_by(col(CandidateSet.decided_at).desc())
        .limit(1)
    ).first()
    return Queue(is_open, decided, latest)


def next_open(session: Session, campaign: Campaign, after: CandidateSet | None = None) -> CandidateSet | None:
    """The open set that follows `after` in the order of their making, else the first."""
    query = (
        select(CandidateSet)
        .where(CandidateSet.campaign_id == campaign.id, col(CandidateSet.decided_at).is_(None))
        .order_by(col(CandidateSet.created_at), col(CandidateSet.key))
        .limit(1)
    )
    if after is not None:
        later = sa.tuple_(col(CandidateSet.created_at), col(CandidateSet.key)) > sa.tuple_(
            sa.literal(after.created_at), sa.literal(after.key)
        )
        if found := session.exec(query.where(later)).first():
            return found
    return session.exec(query).first()


def get(session: Session, campaign: Campaign, set_id: uuid.UUID, *, lock: bool = False) -> CandidateSet:
    """Raises NotFound, also for another campaign's."""
    query = select(CandidateSet).where(CandidateSet.id == set_id, CandidateSet.campaign_id == campaign.id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = session.exec(query).first()
    if found is None:
        raise NotFound("There is no such set of candidates.")
    return found


def members(session: Session, candidates: CandidateSet, *, lock: bool = False) -> list[Item]:
    """A set's items in the order of their keys: the digits that choose them."""
    query = select(Item).where(Item.candidate_set_id == candidates.id).order_by(col(Item.key))
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return list(session.exec(query))


def choose(
    session: Session, admin: Account, campaign: Campaign, set_id: uuid.UUID, choice: str, note: str = ""
) -> CandidateSet:
    """`choice` is an item's id, or "none". The chosen item goes on to be judged, the others stay held back; of none the
    first gets a revision request. Raises Conflict if somebody decided before, Invalid for no choice."""
    candidates = get(session, campaign, set_id, lock=True)
    words = checked_note(note, is_required=False)
    if candidates.decided_at is not None:
        raise Conflict(f"Somebody has decided on {candidates.key} already; what you see was out of date.")
    items = members(session, candidates, lock=True)
    chosen = next((item for item in items if str(item.id) == choice), None)
    if chosen is None and choice != NONE:
        fault = "Choose one of the images, or that none is faithful."
        raise Invalid(fault, fields={"choice": fault})
    candidates.decided_at, candidates.decided_by, candidates.note = now(), admin.id, words
    if chosen is not None:
        candidates.chosen_item_id = chosen.id
        chosen.hold = None
        session.execute(
            sa.update(RevisionRequest)
            .where(col(RevisionRequest.answer_id).in_([item.id for item in items]))
            .values(answer_id=chosen.id)
        )
    else:
        request_after_none(session, campaign, items[0], words)
    session.flush()
    record(
        session, admin, "candidates.chosen" if chosen else "candidates.none", "candidate_set", candidates.id,
        key=candidates.key, item=chosen.key if chosen else None, of=[item.key for item in items], note=words,
    )  # fmt: skip
    return candidates


def why_not_undo(session: Session, candidates: CandidateSet) -> str | None:
    """Why a decision can't be taken back any more, as a sentence; None where it can."""
    if candidates.decided_at is None:
        return f"Nothing is decided on {candidates.key}."
    if candidates.chosen_item_id is not None:
        chosen = session.get_one(Item, candidates.chosen_item_id)
        if chosen.judged or chosen.held or chosen.status != "pending":
            return f"{chosen.key} is being judged already, so the choice stands."
    elif _request(session, candidates) is None:
        return f"Another image was asked for in place of {candidates.key} and is being made, so the decision stands."
    return None


def undo(session: Session, admin: Account, campaign: Campaign, set_id: uuid.UUID) -> CandidateSet:
    """Takes a decision back while nobody has been given the chosen image, or the request after none is open.

    Raises Conflict with the reason where it can't.
    """
    candidates = get(session, campaign, set_id, lock=True)
    items = members(session, candidates, lock=True)
    if why_not := why_not_undo(session, candidates):
        raise Conflict(why_not)
    if candidates.chosen_item_id is not None:
        chosen = next(item for item in items if item.id == candidates.chosen_item_id)
        chosen.hold = Hold.CANDIDATES
    elif request := _request(session, candidates):
        request.state, request.closed_at = RequestState.WITHDRAWN, now()
    candidates.chosen_item_id, candidates.decided_at, candidates.decided_by, candidates.note = None, None, None, ""
    session.flush()
    record(session, admin, "candidates.undone", "candidate_set", candidates.id, key=candidates.key)
    return candidates


def _request(session: Session, candidates: CandidateSet) -> RevisionRequest | None:
    """The open request of a set of which none was chosen."""
    ids = [item.id for item in members(session, candidates)]
    query = select(RevisionRequest).where(
        col(RevisionRequest.item_id).in_(ids), RevisionRequest.state == RequestState.OPEN
    )
    found = session.exec(query.with_for_update()).all()
    return next((request for request in found if request.detail.get("why") == NONE_FAITHFUL), None)


def chosen_of(session: Session, candidates: CandidateSet) -> Item | None:
    return session.get(Item, candidates.chosen_item_id) if candidates.chosen_item_id else None


class Linked(NamedTuple):
    """A set as an item's page shows it: `items` are all of it, `decider` who chose."""

    candidates: CandidateSet
    items: Sequence[Item]
    decider: str | None


def linked(session: Session, item: Item) -> Linked | None:
    """The set an item belongs to."""
    if item.candidate_set_id is None:
        return None
    found = session.get_one(CandidateSet, item.candidate_set_id)
    decider = session.get(Account, found.decided_by) if found.decided_by else None
    return Linked(found, members(session, found), decider.name if decider else None)
