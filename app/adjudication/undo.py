"""Taking an adjudication back, while the item is in no release."""

import uuid
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.accounts.service import record
from app.adjudication.models import Adjudication, Appeal
from app.adjudication.service import locked, refuse_own
from app.adjudication.standing import FINAL
from app.errors import Conflict, NotFound
from app.gold import service as gold
from app.items.models import Item, Status
from app.judgments.decisions import in_force, latest_decision
from app.judgments.models import Decision, Method

RULE: Final = "undo/1"


class TakenBack(Conflict):
    title = "Taken back already"


class DecidedSince(Conflict):
    title = "Decided anew since"


class Released(Conflict):
    title = "In a release"


class Replaced(Conflict):
    title = "Another image stands in its place"


def undo(session: Session, account: Account, adjudication_id: uuid.UUID) -> Decision:
    """An admin takes a settlement back: the item is again what it was before. The decision log grows by one.

    Appeals that the settlement answered are open again. Raises NotFound, Released once the item is in a release,
    Replaced once another image was made of what it rejected, DecidedSince when a newer decision stands, TakenBack when
    this was undone, gold.KnownOtherwise, and OwnJudgment.
    """
    adjudication, undone = _settlement(session, adjudication_id)
    item = locked(session, account, adjudication.item_id)
    refuse_own(session, account, item)
    if (fault := _fault(session, item, undone)) is not None:
        raise fault
    restored = in_force(session, session.get_one(Decision, undone.detail["overrides_decision"]))
    if restored.outcome in FINAL:
        gold.refuse_contradiction(session, item, restored.outcome, {})
    decision = Decision(
        item_id=item.id,
        policy_id=restored.policy_id,
        outcome=restored.outcome,
        method=Method.UNDO,
        rule=RULE,
        posterior=restored.posterior,
        detail={
            "before": item.status.value,
            "undoes": undone.id,
            "restores": restored.id,
            "by": str(account.id),
            "judgments": restored.detail.get("judgments", []),
        },
    )
    item.status, item.decided_at = restored.outcome, restored.created_at
    session.add_all([decision, item])
    for appeal in session.exec(select(Appeal).where(col(Appeal.id).in_(undone.detail.get("appeals", [])))):
        appeal.outcome, appeal.reply, appeal.answered_at, appeal.answered_by = None, "", None, None
        session.add(appeal)
    session.flush()
    record(
        session, account, "item.settlement_undone", "item", item.id,
        outcome=decision.outcome.value, before=decision.detail["before"], decision=decision.id, undoes=undone.id,
    )  # fmt: skip
    return decision


def can_undo(session: Session, item: Item, adjudication: Adjudication) -> bool:
    """Whether `undo` would still take it back, as far as the item goes."""
    decision = session.get_one(Decision, adjudication.decision_id)
    return decision.method is Method.ADJUDICATION and _fault(session, item, decision) is None


def _settlement(session: Session, adjudication_id: uuid.UUID) -> tuple[Adjudication, Decision]:
    """An admin's word that sent an item back is none: that is under way."""
    adjudication = session.get(Adjudication, adjudication_id)
    decision = session.get_one(Decision, adjudication.decision_id) if adjudication else None
    if adjudication is None or decision is None or decision.method is not Method.ADJUDICATION:
        raise NotFound("There is no such settlement.")
    return adjudication, decision


# Releases stand above this room, so their table is asked by name.
_RELEASED = sa.text(
    """
    SELECT release.version FROM release_item JOIN release ON release.id = release_item.release_id
    WHERE release_item.item_id = :item ORDER BY release.created_at LIMIT 1
    """
)

_REVISION = sa.text("SELECT key FROM item WHERE revision_of_id = :item ORDER BY created_at, key LIMIT 1")


def _fault(session: Session, item: Item, decision: Decision) -> Conflict | None:
    latest = latest_decision(session, item)
    assert latest is not None
    if latest.id != decision.id:
        if latest.method is Method.UNDO and latest.detail["undoes"] == decision.id:
            return TakenBack(f"This settlement of {item.key} was taken back already.")
        return DecidedSince(f"{item.key} was decided anew since, so this settlement can't be taken back any more.")
    if decision.detail["overrides_decision"] is None or item.status is Status.PENDING:
        return DecidedSince(f"Nothing was decided about {item.key} before this settlement; settle it anew instead.")
    version = session.execute(_RELEASED, {"item": item.id}).scalar_one_or_none()
    if version is not None:
        return Released(f"{item.key} is in release {version}, which stays as it is; overturn the decision instead.")
    newer = session.execute(_REVISION, {"item": item.id}).scalar_one_or_none()
    if newer is not None and decision.outcome is Status.REJECTED:
        return Replaced(f"{newer} was made in place of {item.key}; settle it anew if both images are to be kept.")
    return None
