"""Rejected items to make again: made of real photographs in a real storage."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, select

from app.campaigns.models import Campaign
from app.db import now
from app.generation.models import RevisionRequest
from app.items import pictures
from app.items.models import Item, ItemReference, Photo, Status, Subtask
from app.judgments.models import Judgment
from app.storage import Storage
from tests.factories import make_account, make_item
from tests.gold.things import answers_of, give
from tests.judgments.answers import answer

SEEDS = Path(__file__).parents[1] / "items" / "seeds"
DISHES = sorted((SEEDS / "dishes").iterdir())
SCENES = sorted((SEEDS / "backgrounds").iterdir())


def photograph(session: Session, storage: Storage, place: int, folder: list[Path] = DISHES) -> str:
    return pictures.store(session, storage, folder[place].read_bytes(), folder[place].name).sha256


def add_photo(session: Session, name: str, sha256: str, **values: Any) -> Photo:
    made = {"key": f"photo:{sha256[:8]}:{name}", "kind": "dish", "name": name, "country": "EG"} | values
    photo = Photo(**made, licence="CC0", attribution="somebody", image_sha256=sha256)
    session.add(photo)
    session.flush()
    return photo


def composed(
    session: Session, storage: Storage, campaign: Campaign, subtask: Subtask = Subtask.SF, **values: Any
) -> Item:
    """An item made of the first photographs: dish 0 (and 1), scene 0."""
    item = make_item(session, campaign, subtask, generator="composite", prompt="as it was", seed="1", **values)
    parts = [("food1", photograph(session, storage, 0))]
    if subtask.foods == 2:
        parts.append(("food2", photograph(session, storage, 1)))
    if subtask.has_background:
        parts.append(("background", photograph(session, storage, 0, SCENES)))
    session.add_all([ItemReference(item_id=item.id, part=part, image_sha256=sha) for part, sha in parts])
    session.flush()
    return item


def refuse(session: Session, item: Item, note: str | None = None, **noes: Any) -> RevisionRequest:
    """Two people's counted noes, and the rejection that opens a request. `noes` are {question: reason or answer}."""
    for slot in (1, 2):
        claim = give(session, make_account(session), item, is_test=False)
        given = answers_of(item) | {key: no if isinstance(no, dict) else answer("no", no) for key, no in noes.items()}
        judgment = Judgment(
            claim_id=claim.id, item_id=item.id, account_id=claim.account_id, policy_id=claim.policy_id, revision=2,
            answers=given, body_sha256="2" * 64, note=note,
        )  # fmt: skip
        session.add(judgment)
        session.flush()
        claim.judgment_id, claim.slot = judgment.id, slot
    item.held = item.judged = 2
    item.wanted = max(item.wanted, 2)
    reject(session, item)
    return request_of(session, item)


def reject(session: Session, item: Item) -> None:
    item.status, item.decided_at = Status.REJECTED, now()
    session.flush()


def request_of(session: Session, item: Item) -> RevisionRequest:
    return session.exec(
        select(RevisionRequest)
        .where(RevisionRequest.item_id == item.id)
        .order_by(sa.desc("opened_at"))
        .execution_options(populate_existing=True)
    ).first() or pytest_fail(item)


def pytest_fail(item: Item) -> RevisionRequest:
    raise AssertionError(f"{item.key} has no request")
