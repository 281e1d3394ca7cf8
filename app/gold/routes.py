"""Pages of a campaign's gold items, for admins: the list, and one item."""

import uuid
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from sqlmodel import Session, col, select
from starlette.responses import Response

from app import geography
from app.accounts.access import Admin
from app.accounts.models import Account, AuditEvent
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.campaigns.parameters import parameters_of
from app.errors import Conflict, Invalid, NotFound, TerroirError
from app.gold import listing, service
from app.gold.scores import QUESTION_NAMES
from app.items import queries as items
from app.items.cards import card_facts
from app.items.models import Item
from app.judgments.cards import image_url, questions
from app.judgments.service import question_keys
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.forms import PostedForm
from app.web.render import redirect, render
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]

SHOWN = 300
USE_WORDS = (
    ("", "Mixed in among the others, to see how people judge"),
    ("training", "Training: people are told whether they were right"),
    ("test", "Test: people qualify with it"),
)
LOG_WORDS = {
    "gold.promoted": "made gold",
    "gold.changed": "known answers changed",
    "gold.withdrawn": "withdrawn",
    "gold.restored": "restored",
    "gold.moved": "moved",
}


@router.get("/campaigns/{slug}/gold", name="gold:items")
def gold_items(request: Request, session: SessionDep, admin: Admin, slug: str, key: str = "") -> Response:
    """The list. With a key: on to that item."""
    campaign, policy = campaigns.with_policy(session, slug)
    error = ""
    if wanted := key.strip():
        item_id = session.exec(select(Item.id).where(Item.campaign_id == campaign.id, Item.key == wanted)).first()
        if item_id is not None:
            return redirect(request, "gold:item", slug=slug, item_id=item_id)
        error = f"The campaign has no item “{wanted[:200]}”; an item’s own page shows its key."
    found = listing.entries(session, campaign.id)
    return render(
        request,
        "gold/items.html",
        status=404 if error else 200,
        title="Gold items",
        campaign=campaign,
        parameters=parameters_of(policy),
        key=wanted,
        error=error,
        entries=found[:SHOWN],
        n_entries=len(found),
        n_live=sum(entry.is_live for entry in found),
        n_doubted=sum(entry.is_doubted for entry in found),
        balance=listing.mixed_in(found),
        exams=listing.exam_items(found),
        names=QUESTION_NAMES,
        words=tables,
        image_url=image_url,
    )


@router.get("/campaigns/{slug}/gold.csv", name="gold:items_file")
def gold_file(session: SessionDep, admin: Admin, slug: str) -> Response:
    campaign = campaigns.get(session, slug)
    found = {"gold": lambda: listing.table(listing.entries(session, campaign.id))}
    return figure_file("gold.csv", found, {}, slug, f"terroir-{slug}", stamp="campaign")


@router.get("/campaigns/{slug}/gold/{item_id}", name="gold:item")
def gold_item(request: Request, session: SessionDep, admin: Admin, slug: str, item_id: uuid.UUID) -> Response:
    campaign, item = _find(session, admin, slug, item_id)
    return _item(request, session, campaign, item)


@router.post("/campaigns/{slug}/gold/{item_id}", name="gold:promote")
def promote(
    request: Request, form: PostedForm, session: SessionDep, admin: Admin, slug: str, item_id: uuid.UUID
) -> Response:
    campaign, item = _find(session, admin, slug, item_id)
    answers = {name.removeprefix("answer."): str(value) for name, value in form.items() if name.startswith("answer.")}
    note, use = str(form.get("note", "")), str(form.get("use", ""))
    try:
        service.promote(session, admin, item_id, answers, note, use)
    except (Invalid, Conflict) as error:
        typed = {"answers": answers, "note": note, "use": use}
        return _item(request, session, campaign, item, typed=typed, error=error)
    return redirect(request, "gold:item", slug=slug, item_id=item_id, flash=("done", f"{item.key} is gold now."))


@router.post("/campaigns/{slug}/gold/{item_id}/withdraw", name="gold:withdraw")
def withdraw(
    request: Request, session: SessionDep, admin: Admin, slug: str, item_id: uuid.UUID, note: Text = ""
) -> Response:
    campaign, item = _find(session, admin, slug, item_id)
    try:
        service.withdraw(session, admin, item_id, note)
    except Invalid as error:
        return _item(request, session, campaign, item, error=error, about="withdraw")
    words = f"{item.key} is withdrawn. Every score is counted without it."
    return redirect(request, "gold:item", slug=slug, item_id=item_id, flash=("done", words))


@router.post("/campaigns/{slug}/gold/{item_id}/restore", name="gold:restore")
def restore(
    request: Request, session: SessionDep, admin: Admin, slug: str, item_id: uuid.UUID, note: Text = ""
) -> Response:
    campaign, item = _find(session, admin, slug, item_id)
    try:
        service.restore(session, admin, item_id, note)
    except (Invalid, Conflict) as error:
        return _item(request, session, campaign, item, error=error, about="restore")
    words = f"{item.key} is gold again. Every score is counted with it."
    return redirect(request, "gold:item", slug=slug, item_id=item_id, flash=("done", words))


@router.post("/campaigns/{slug}/gold/{item_id}/move", name="gold:move")
def move(
    request: Request, session: SessionDep, admin: Admin, slug: str, item_id: uuid.UUID, use: Text = ""
) -> Response:
    campaign, item = _find(session, admin, slug, item_id)
    try:
        service.move(session, admin, item_id, use)
    except (Invalid, Conflict) as error:
        return _item(request, session, campaign, item, error=error, about="move")
    words = {"": "mixed in among the others", "training": "kept for training", "test": "kept for a test"}[use]
    return redirect(request, "gold:item", slug=slug, item_id=item_id, flash=("done", f"{item.key} is {words}."))


def _find(session: Session, admin: Account, slug: str, item_id: uuid.UUID) -> tuple[Campaign, Item]:
    campaign = campaigns.get(session, slug)
    item = items.get_for(session, admin, item_id)
    if item.campaign_id != campaign.id:
        raise NotFound("There is no such item.")
    return campaign, item


def _item(
    request: Request,
    session: Session,
    campaign: Campaign,
    item: Item,
    *,
    typed: dict[str, Any] | None = None,
    error: TerroirError | None = None,
    about: str = "promote",
) -> Response:
    facts = card_facts(session, [item.id])[item.id]
    known = service.gold_of(session, item)
    entry = next((one for one in listing.entries(session, campaign.id) if one.item_id == item.id), None)
    live = {key: row.answer for key, row in known.items() if row.withdrawn_at is None}
    hold = item.hold.value if item.hold in service.EXAM_HOLDS else ""
    given = typed or {"answers": live or service.suggested(session, item), "note": "", "use": hold}
    policy = campaigns.current_policy(session, campaign)
    return render(
        request,
        "gold/item.html",
        status=error.status if error else 200,
        title=f"Gold: {item.key}",
        campaign=campaign,
        item=item,
        facts=facts,
        entry=entry,
        is_gold=bool(live),
        was_gold=bool(known) and not live,
        use=hold,
        keys=question_keys(item.subtask),
        worded={question.key: question.text for question in questions(policy, facts)},
        given=given,
        why_not=service.why_not(session, item, None),
        may_be_gold=bool(known) or item.status in ("approved", "rejected"),
        log=_log(session, item),
        use_words=USE_WORDS,
        error=error,
        errors=error.fields if error else {},
        about=about,
        names=QUESTION_NAMES,
        words=tables,
        image_url=image_url,
        country_name=geography.name_of,
    )


def _log(session: Session, item: Item) -> list[dict[str, Any]]:
    """What was done with this item's known answers, the latest first."""
    found = session.execute(
        sa.select(col(AuditEvent.at), col(AuditEvent.action), col(AuditEvent.detail), col(Account.name))
        .outerjoin(Account, col(Account.id) == col(AuditEvent.actor_id))
        .where(
            col(AuditEvent.subject_type) == "item",
            col(AuditEvent.subject_id) == str(item.id),
            col(AuditEvent.action).in_(LOG_WORDS),
        )
        .order_by(col(AuditEvent.id).desc())
    )
    return [
        {"at": at, "words": LOG_WORDS[action], "detail": detail, "actor": name} for at, action, detail, name in found
    ]
