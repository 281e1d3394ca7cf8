"""The page of models against people, and sending items back to be judged anew from it."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app import geography
from app.accounts.access import Admin, Researcher
from app.accounts.models import Account, Role
from app.adjudication.agreement import words
from app.adjudication.recheck import checked_note, fresh_annotators, recheck
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, CampaignStatus
from app.errors import Conflict, Invalid, TerroirError
from app.evaluation.pages import views
from app.evaluation.people import doubts as people
from app.evaluation.people import items as people_items
from app.evaluation.people.items import Since
from app.items.models import Status
from app.judgments.cards import background_words, image_url
from app.releases import service as releases
from app.releases.models import Release
from app.storage import Storage
from app.web.forms import PostedForm
from app.web.render import redirect_to, render
from app.web.session import SessionDep, StorageDep

router = APIRouter(include_in_schema=False)

PAGE_SIZE = 12
VIEWS = {"doubts": "In doubt", "sent-back": "Sent back", "rejected": "Rejected since"}


@router.get("/releases/{version}/models-and-people", name="evaluation:people")
def show(
    request: Request,
    session: SessionDep,
    storage: StorageDep,
    account: Researcher,
    version: str,
    view: str = "doubts",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    if view not in VIEWS:
        raise Invalid(f"There is no view “{view[:40]}”; there are {', '.join(VIEWS)}.")
    release = releases.get_release(session, version)
    found = people.study(session, storage, release)
    since = people_items.since_release(session, release)
    listed = _listed(found, since)
    here = listed[view][(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    address = str(request.app.url_path_for("evaluation:people", version=version))

    def at(**changed: str | int) -> str:
        query = {
            name: value
            for name, value in ({"view": view} | changed).items()
            if (name, value) not in (("view", "doubts"), ("page", 1))
        }
        return f"{address}?{urlencode(query)}" if query else address

    return render(
        request,
        "evaluation/people.html",
        title="Models and people",
        release=release,
        campaign=session.get_one(Campaign, release.campaign_id),
        study=found,
        min_models=people.MIN_MODELS,
        rejected_unasked=people_items.rejected_unasked(session, release),
        view=view,
        views=[(name, words, len(listed[name])) for name, words in VIEWS.items()],
        at=at,
        previous=at(page=page - 1) if page > 1 else None,
        next=at(page=page + 1) if page * PAGE_SIZE < len(listed[view]) else None,
        page=page,
        pages=-(-len(listed[view]) // PAGE_SIZE),
        may_send=account.role is Role.ADMIN,
        **_of_items(session, release, found, since, here),
    )


def _listed(found: people.Study, since: Mapping[uuid.UUID, Since]) -> dict[str, list[uuid.UUID]]:
    """The items of each view. What was sent back once, or is rejected now, is no longer a doubt to look at."""
    return {
        "doubts": [doubt.item_id for doubt in found.doubts if doubt.item_id not in since],
        "sent-back": [id_ for id_, one in since.items() if one.is_sent_back],
        "rejected": [id_ for id_, one in since.items() if one.status is Status.REJECTED],
    }


def _of_items(
    session: Session,
    release: Release,
    found: people.Study,
    since: Mapping[uuid.UUID, Since],
    item_ids: Sequence[uuid.UUID],
) -> dict[str, Any]:
    """What the templates need to show items."""
    return {
        "shown": people_items.shown_items(session, release, found.voters, item_ids),
        "doubts": {doubt.item_id: doubt for doubt in found.doubts},
        "since": since,
        "questions": words.QUESTIONS,
        "state_words": views.STATE_WORDS,
        "image_url": image_url,
        "country_name": geography.name_of,
        "background_words": background_words,
    }


@router.get("/releases/{version}/models-and-people/send-back", name="evaluation:send_back")
def ask(
    request: Request,
    session: SessionDep,
    storage: StorageDep,
    admin: Admin,
    version: str,
    item: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """What sending these items back means, before it is done."""
    release = releases.get_release(session, version)
    item_ids = _ids(item or [])
    if not item_ids:
        address = str(request.app.url_path_for("evaluation:people", version=version))
        return redirect_to(address, flash=("warning", "Choose at least one item to send back."))
    return _confirm(request, session, storage, release, item_ids)


@router.post("/releases/{version}/models-and-people/send-back", name="evaluation:sent_back")
def send_back(
    request: Request, form: PostedForm, session: SessionDep, storage: StorageDep, admin: Admin, version: str
) -> Response:
    """Sends back those that can be; why others can't is said and stops none of the rest."""
    release = releases.get_release(session, version)
    item_ids = _ids([str(value) for value in form.getlist("item")])
    note = str(form.get("note") or "")
    try:
        if not item_ids:
            raise Invalid("Choose at least one item to send back.", fields={"item": "None is chosen."})
        checked_note(note)
        sent, refused = _send(session, storage, release, admin, item_ids, note)
    except TerroirError as error:
        return _confirm(request, session, storage, release, item_ids, note=note, error=error)
    if not sent:
        return _confirm(request, session, storage, release, item_ids, note=note, error=refused[0])
    words = "1 item was" if sent == 1 else f"{sent} items were"
    told = f"{words} sent back to fresh annotators."
    if refused:
        told += f" {len(refused)} could not be: {refused[0].message}"
    address = str(request.app.url_path_for("evaluation:people", version=version))
    return redirect_to(f"{address}?view=sent-back", flash=("warning" if refused else "done", told))


def _send(
    session: Session, storage: Storage, release: Release, admin: Account, item_ids: Sequence[uuid.UUID], note: str
) -> tuple[int, list[Conflict]]:
    found = people.study(session, storage, release)
    doubts = {doubt.item_id: doubt for doubt in found.doubts}
    shown = people_items.shown_items(session, release, (), item_ids)
    sent, refused = 0, list[Conflict]()
    for one in sorted(shown, key=lambda one: one.item.id):  # in one order, or two admins could wait for each other
        because: dict[str, Any] = {"release": release.version}
        if (doubt := doubts.get(one.item.id)) is not None:
            because |= {"models": doubt.n_models, "against": doubt.against}
        try:
            recheck(session, admin, one.item.id, note, because=because)
            sent += 1
        except Conflict as error:
            refused.append(error)
    if not sent and not refused:
        raise Invalid("None of these items is in this release.", fields={"item": "Unknown."})
    return sent, refused


def _confirm(
    request: Request,
    session: Session,
    storage: Storage,
    release: Release,
    item_ids: Sequence[uuid.UUID],
    *,
    note: str = "",
    error: TerroirError | None = None,
) -> Response:
    campaign = session.get_one(Campaign, release.campaign_id)
    found = people.study(session, storage, release)
    of_items = _of_items(session, release, found, people_items.since_release(session, release), item_ids)
    overlap = campaigns.current_policy(session, campaign).overlap
    fresh = fresh_annotators(session, [one.item.id for one in of_items["shown"]])
    ready = [
        one for one in of_items["shown"] if one.item.status is not Status.PENDING and fresh[one.item.id] >= overlap
    ]
    return render(
        request,
        "evaluation/people_send_back.html",
        status=error.status if error else 200,
        title="Send back for re-verification",
        release=release,
        campaign=campaign,
        is_open=campaign.status is CampaignStatus.OPEN,
        overlap=overlap,
        fresh=fresh,
        ready=ready,
        note=note,
        error=error,
        errors=error.fields if error else {},
        **of_items,
    )


def _ids(texts: Sequence[str]) -> list[uuid.UUID]:
    """The ids among these, each once; what is none names no item of the release either."""
    found = []
    for text in texts[:PAGE_SIZE]:
        try:
            found.append(uuid.UUID(text))
        except ValueError:
            continue
    return list(dict.fromkeys(found))
