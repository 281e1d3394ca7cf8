"""Requests as pages, programs and outside generators read them."""

import base64
import binascii
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import geography
from app.campaigns.models import Campaign
from app.errors import Invalid
from app.generation.models import RequestState, RevisionRequest
from app.generation.service import NOT_GOLD
from app.generation.wrong import Wrong, wrong_of
from app.items.models import Item, ItemReference, SourceRecord
from app.items.queries import GridItem, grid_items
from app.items.rows import REFERENCES

NOT_STATED: Final = "not stated"
AT_ONCE: Final = 1000


class Filters(NamedTuple):
    """What the list is narrowed by; empty is no filter. `country` is an ISO code, of a dish or the background;
    `reason` is "question code", or a code alone for that of any question."""

    state: str = "open"
    country: str = ""
    generator: str = ""
    reason: str = ""


class Entry(NamedTuple):
    request: RevisionRequest
    entry: GridItem
    wrong: Wrong


class Page(NamedTuple):
    entries: Sequence[Entry]
    next_cursor: str | None


_LIST: Final = f"""
    FROM revision_request AS request JOIN item ON item.id = request.item_id
    WHERE request.campaign_id = :campaign AND {NOT_GOLD}
      AND (CAST(:state AS text) = '' OR request.state = CAST(:state AS text))
      AND (CAST(:generator AS text) = '' OR coalesce(item.generator, '{NOT_STATED}') = CAST(:generator AS text))
      AND (CAST(:country AS text) = '' OR EXISTS (
            SELECT 1 FROM item_food WHERE item_food.item_id = item.id AND CAST(:country AS text) = ANY(countries)
          ) OR EXISTS (
            SELECT 1 FROM background WHERE background.id = item.background_id AND country = CAST(:country AS text)))
      AND (CAST(:reason AS text) = '' OR EXISTS (
            SELECT 1 FROM claim JOIN judgment ON judgment.id = claim.judgment_id, jsonb_each(answers) AS given
            WHERE claim.item_id = item.id AND claim.slot > 0 AND given.value -> 'reasons' ? CAST(:reason AS text)
              AND (CAST(:question AS text) = '' OR given.key = CAST(:question AS text))
          ) OR EXISTS (
            SELECT 1 FROM decision, jsonb_each(coalesce(detail -> 'reasons', '{{}}')) AS given
            WHERE decision.item_id = item.id AND given.value ? CAST(:reason AS text)
              AND (CAST(:question AS text) = '' OR given.key = CAST(:question AS text))))
"""  # noqa: S608  (nothing in it comes from outside)


def listed(session: Session, campaign: Campaign, filters: Filters, *, cursor: str = "", limit: int = 24) -> Page:
    """The oldest first. Raises Invalid for a filter or a cursor that can't be meant."""
    if filters.state and filters.state not in list(RequestState):
        fault = f"There is no such state; there are {', '.join(RequestState)}."
        raise Invalid(fault, fields={"state": fault})
    scope = _scope(campaign, filters) | {"limit": limit + 1}
    after = ""
    if cursor:
        scope["opened_at"], scope["id"] = _read_cursor(cursor)
        after = "AND (request.opened_at, request.id) > (:opened_at, :id)"
    query = f"SELECT request.id {_LIST} {after} ORDER BY request.opened_at, request.id LIMIT :limit"
    ids = list(session.execute(sa.text(query), scope).scalars())
    entries = entries_of(session, ids[:limit])
    last = entries[-1].request if entries else None
    return Page(entries, _cursor(last) if last and len(ids) > limit else None)


def every(session: Session, campaign: Campaign, filters: Filters) -> Iterator[Sequence[Entry]]:
    """All of them, so many at once."""
    page = listed(session, campaign, filters, limit=AT_ONCE)
    yield page.entries
    while page.next_cursor is not None:
        page = listed(session, campaign, filters, cursor=page.next_cursor, limit=AT_ONCE)
        yield page.entries


def counts_by_state(session: Session, campaign: Campaign, filters: Filters) -> dict[RequestState, int]:
    """How many requests of each state the other filters leave."""
    query = f"SELECT request.state, count(*) {_LIST} GROUP BY 1"
    scope = _scope(campaign, filters) | {"state": ""}
    found = dict(session.execute(sa.text(query), scope).all())
    return {state: found.get(state.value, 0) for state in RequestState}


def _scope(campaign: Campaign, filters: Filters) -> dict[str, Any]:
    question, _, code = filters.reason.rpartition(" ")
    return {"campaign": campaign.id} | filters._asdict() | {"question": question, "reason": code}


def entries_of(session: Session, request_ids: Sequence[uuid.UUID]) -> list[Entry]:
    query = select(RevisionRequest).where(col(RevisionRequest.id).in_(request_ids))
    requests = {request.id: request for request in session.exec(query.execution_options(populate_existing=True))}
    item_ids = [request.item_id for request in requests.values()]
    grid = {entry.item.id: entry for entry in grid_items(session, item_ids)}
    wrong = wrong_of(session, item_ids)
    return [Entry(requests[id_], grid[requests[id_].item_id], wrong[requests[id_].item_id]) for id_ in request_ids]


def generators(session: Session, campaign: Campaign) -> list[str]:
    query = sa.text(
        f"SELECT DISTINCT coalesce(generator, '{NOT_STATED}') FROM item WHERE campaign_id = :campaign ORDER BY 1"  # noqa: S608
    )
    return list(session.execute(query, {"campaign": campaign.id}).scalars())


def documents(session: Session, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """One document a request: all that an outside generator needs to make another image of the claim."""
    item_ids = [entry.entry.item.id for entry in entries]
    sources: dict[uuid.UUID, dict[str, str]] = {}
    for reference in session.exec(select(ItemReference).where(col(ItemReference.item_id).in_(item_ids))):
        sources.setdefault(reference.item_id, {})[reference.part] = reference.image_sha256
    rows = {
        row.item_id: row for row in session.exec(select(SourceRecord).where(col(SourceRecord.item_id).in_(item_ids)))
    }
    return [_document(entry, sources.get(entry.entry.item.id, {}), rows.get(entry.entry.item.id)) for entry in entries]


def _document(entry: Entry, sources: dict[str, str], row: SourceRecord | None) -> dict[str, Any]:
    request, item, wrong = entry.request, entry.entry.item, entry.wrong
    scene = entry.entry.background
    values = row.values if row else {}
    return {
        "request": str(request.id),
        "state": request.state.value,
        "item": item.key,
        "item_id": str(item.id),
        "image_sha256": item.image_sha256,
        "revision": item.revision,
        "round": request.round,
        "generator": item.generator,
        "prompt": item.prompt,
        "seed": item.seed,
        "subtask": item.subtask.value,
        "claim": {
            **{
                f"food{food.slot}": {"name": food.name, "countries": food.countries, "aliases": food.aliases}
                for food in entry.entry.foods
            },
            "background": {"key": scene.key, "name": scene.name, "kind": scene.kind, "country": scene.country}
            if scene
            else None,
        },
        "sources": [
            {"part": part, "sha256": sha256, "path": values.get(REFERENCES[part]) or None}
            for part, sha256 in sorted(sources.items())
        ],
        "judgments": wrong.judgments,
        "wrong": [fault._asdict() for fault in wrong.faults],
        "corrections": [correction._asdict() for correction in wrong.corrections],
        "notes": [*wrong.notes, *filter(None, (request.detail.get("why"), request.detail.get("note")))],
        "opened_at": request.opened_at.isoformat(),
    }


def claim_words(entry: GridItem) -> str:
    """What an item claims, in a line: Koshary (EG) + Pizza (IT), street in Japan."""
    foods = " + ".join(f"{food.name} ({'/'.join(food.countries)})" for food in entry.foods)
    scene = entry.background
    if scene is None:
        return foods
    country = geography.name_of(scene.country)
    return f"{foods}, {scene.name}, {country}" if scene.name else f"{foods}, {scene.kind or 'place'} in {country}"


def _cursor(request: RevisionRequest) -> str:
    return base64.urlsafe_b64encode(f"{request.opened_at.isoformat()} {request.id}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, uuid.UUID]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        opened_at, _, id_ = text.rpartition(" ")
        return datetime.fromisoformat(opened_at), uuid.UUID(id_)
    except (binascii.Error, ValueError):
        message = "This page's address is damaged: go back to the first page."
        raise Invalid(message, fields={"cursor": message}) from None


def answers_of(session: Session, entries: Sequence[Entry]) -> dict[uuid.UUID, Item]:
    """The items that answer these requests, by their ids."""
    ids = [entry.request.answer_id for entry in entries if entry.request.answer_id]
    return {item.id: item for item in session.exec(select(Item).where(col(Item.id).in_(ids)))} if ids else {}


def of_item(session: Session, item: Item) -> Sequence[tuple[RevisionRequest, Item | None]]:
    """The requests for another image of this item, the latest first, with the items that answer them; none for gold."""
    query = (
        select(RevisionRequest, Item)
        .outerjoin(Item, col(Item.id) == col(RevisionRequest.answer_id))
        .where(RevisionRequest.item_id == item.id)
        .where(sa.text("NOT EXISTS (SELECT 1 FROM gold WHERE gold.item_id = :item AND gold.withdrawn_at IS NULL)"))
        .order_by(col(RevisionRequest.opened_at).desc())
    )
    return session.exec(query, params={"item": item.id}).all()
