"""Sending a decided item back to fresh annotators, who can't tell it from any other.

The item wants as many more judgments as its policy asks for and waits for them in the ordinary queue. Nothing earlier
changes; the decision log grows by one. The rule then decides on the fresh judgments alone (`judgments.service`).
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, select

from app.accounts.models import Account
from app.accounts.service import record
from app.adjudication.models import Adjudication
from app.adjudication.service import NotDecidedYet, latest_decision
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.db import UNSTORABLE
from app.errors import Conflict, Invalid
from app.items import queries as items
from app.items.models import Item, Status
from app.judgments.models import Decision, Method

RULE: Final = "recheck/1"
MAX_NOTE: Final = 2000


class RecheckUnderWay(Conflict):
    title = "Already sent back"


class TooFewFresh(Conflict):
    """With nobody left to judge it, the item would stay undecided for good: a pending one can't be settled."""

    title = "Too few people have not judged it yet"


# An item that simulated annotators judged may be judged by simulated ones again; one of people's is for people alone.
_FRESH = sa.text(
    """
    SELECT item.id, (
        SELECT count(*) FROM account
        WHERE account.role = 'annotator' AND account.is_active
          AND (NOT account.is_simulated OR EXISTS (
            SELECT 1 FROM claim JOIN account AS earlier ON earlier.id = claim.account_id
            WHERE claim.item_id = item.id AND claim.state = 'judged' AND earlier.is_simulated))
          AND NOT EXISTS (
            SELECT 1 FROM claim WHERE claim.item_id = item.id AND claim.account_id = account.id
              AND claim.state IN ('judged', 'skipped'))
    ) AS people
    FROM item WHERE item.id = ANY(:items)
    """
)


def fresh_annotators(session: Session, item_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many active annotators have neither judged nor skipped each item."""
    return {row.id: int(row.people) for row in session.execute(_FRESH, {"items": list(item_ids)})}


def checked_note(note: str) -> str:
    """The note without space around it. Raises Invalid."""
    reason = note.strip()
    fault = ""
    if not reason:
        fault = "Say why, in a sentence: it stays with the item."
    elif len(reason) > MAX_NOTE:
        fault = f"At most {MAX_NOTE:,} characters, please; this has {len(reason):,}."
    elif UNSTORABLE.search(reason):
        fault = "This text holds characters that can't be stored; please type it again."
    if fault:
        raise Invalid(fault, fields={"note": fault})
    return reason


def recheck(
    session: Session, account: Account, item_id: uuid.UUID, note: str, *, because: Mapping[str, Any] | None = None
) -> Decision:
    """An admin sends a decided item back to as many fresh annotators as the campaign's policy asks for.

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
    fresh = fresh_annotators(session, [item.id])[item.id]
    if fresh < policy.overlap:
        people = {0: "Nobody is left who has", 1: "Only one annotator is left who has"}.get(
            fresh, f"Only {fresh} annotators are left who have"
        )
        raise TooFewFresh(f"{people} not judged {item.key}, and {policy.overlap} are needed; invite more people first.")
    assert policy.id is not None
    decision = Decision(
        item_id=item.id,
        policy_id=policy.id,
        outcome=Status.PENDING,
        method=Method.RECHECK,
        rule=RULE,
        detail={
            "before": item.status.value,
            "overrides_decision": latest.id,
            "slots_before": item.wanted,
            "wanted": policy.overlap,
            "because": dict(because or {}),
        },
    )
    item.wanted += policy.overlap
    item.status, item.decided_at = Status.PENDING, None
    session.add_all([decision, item])
    session.flush()
    assert decision.id is not None
    session.add(
        Adjudication(
            item_id=item.id, account_id=account.id, decision_id=decision.id, outcome=Status.PENDING, note=reason
        )
    )
    session.flush()
    record(
        session, account, "item.sent_back", "item", item.id,
        before=decision.detail["before"], decision=decision.id, **decision.detail["because"],
    )  # fmt: skip
    return decision
