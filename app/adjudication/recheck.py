"""An admin sends a decided item back to fresh annotators (`judgments.fresh`), with the reason for it."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from sqlmodel import Session, select

from app.accounts.models import Account
from app.accounts.service import clean_text, record
from app.adjudication.models import Adjudication
from app.adjudication.service import NotDecidedYet
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.campaigns.parameters import first_visits
from app.errors import Conflict
from app.items import queries as items
from app.items.models import Item, Status
from app.judgments.decisions import latest_decision
from app.judgments.fresh import fresh_annotators as fresh_annotators
from app.judgments.fresh import send_back
from app.judgments.models import Decision, Method

RULE: Final = "recheck/1"


class RecheckUnderWay(Conflict):
    title = "Already sent back"


class TooFewFresh(Conflict):
    """With nobody left to judge it, the item would stay undecided for good: a pending one can't be settled."""

    title = "Too few people have not judged it yet"


def checked_note(note: str) -> str:
    """The note without space around it. Raises Invalid."""
    return clean_text(note, wanted="Say why, in a sentence: it stays with the item.")


def recheck(
    session: Session, account: Account, item_id: uuid.UUID, note: str, *, because: Mapping[str, Any] | None = None
) -> Decision:
    """An admin sends a decided item back to as many fresh annotators as the campaign's policy begins with.

    `because` is what raised the doubt, as JSON; it stays with the decision, where annotators never look. Raises
    RecheckUnderWay, NotDecidedYet for an item still being judged for the first time, and TooFewFresh.
    """
    reason = checked_note(note)
    items.get_for(session, account, item_id)
    item = session.exec(
        select(Item).where(Item.id == item_id).with_for_update(key_share=True).execution_options(populate_existing=True)
    ).one()
    latest = latest_decision(session, item)
    if item.status is Status.PENDING or latest is None:
        if latest is not None and latest.method is Method.RECHECK:
            raise RecheckUnderWay(f"{item.key} was sent back already; fresh annotators are judging it.")
        raise NotDecidedYet(f"The annotators of {item.key} are still judging it; wait for their decision.")
    policy = campaigns.current_policy(session, session.get_one(Campaign, item.campaign_id))
    needed, fresh = first_visits(policy).wanted, fresh_annotators(session, [item.id])[item.id]
    if fresh < needed:
        people = {0: "Nobody is left who has", 1: "Only one annotator is left who has"}.get(
            fresh, f"Only {fresh} annotators are left who have"
        )
        raise TooFewFresh(f"{people} not judged {item.key}, and {needed} are needed; invite more people first.")
    assert latest.id is not None
    sent = send_back(session, item, policy, overrides=latest.id, rule=RULE, because=because or {})
    session.add(
        Adjudication(item_id=item.id, account_id=account.id, decision_id=sent, outcome=Status.PENDING, note=reason)
    )
    session.flush()
    decision = session.get_one(Decision, sent)
    record(
        session, account, "item.sent_back", "item", item.id,
        before=decision.detail["before"], decision=decision.id, **decision.detail["because"],
    )  # fmt: skip
    return decision
