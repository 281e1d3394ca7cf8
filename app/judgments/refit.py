"""What new rater models change under adaptive overlap: what they doubt, and what needs no more visits."""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.agreement import adaptive as rules
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.campaigns.parameters import ADAPTIVE, first_visits
from app.db import transaction
from app.items.models import Item, Status
from app.jobs import JobContext
from app.judgments import adaptive, audits, decisions
from app.judgments.batches import through_items
from app.judgments.models import Method

RULE: Final = "refit/1"

# Approved by the rule, not by a person, and now perhaps below the threshold of that time. The kept posterior is rounded
# and of all votes, so it only says whom to look at; of an item that was sent back the earlier votes don't count.
_DOUBTFUL = """
    status = 'approved' AND EXISTS (
        SELECT 1 FROM (
            SELECT CASE WHEN method = 'undo' THEN CAST(detail ->> 'restores' AS bigint) ELSE id END AS id
            FROM decision WHERE decision.item_id = item.id ORDER BY decision.id DESC LIMIT 1
        ) AS latest
        JOIN decision AS in_force ON in_force.id = latest.id
        WHERE in_force.rule = :rule AND (
            EXISTS (SELECT 1 FROM decision WHERE decision.item_id = item.id AND decision.method = 'recheck')
            OR (SELECT min(CAST(claim.value AS float)) FROM item_posterior, jsonb_each_text(claims) AS claim
                WHERE item_posterior.item_id = item.id) < CAST(in_force.detail ->> 'threshold' AS float) + 0.00001))
"""

_WAITING = """
    status = 'pending' AND hold IS NULL AND held = judged AND judged < wanted AND judged >= :start AND reserved = 0
"""


def look_again(context: JobContext, campaign_id: uuid.UUID) -> dict[str, Any]:
    """{"decided", "reopened"}; nothing where the policy isn't adaptive.

    An item that the rule approved and that falls below the threshold it was approved at gets one more visit, or, at
    the cap, is disputed. An item that waits for a visit, in nobody's hands, and is sure by now is decided. What a
    person has settled stays, and so does what was decided by the very same models.
    """
    with transaction(context.engine) as session:
        policy = campaigns.current_policy(session, session.get_one(Campaign, campaign_id))
    if policy.rule != ADAPTIVE:
        return {}
    done: Counter[str] = Counter()

    def doubt(session: Session, items: Sequence[uuid.UUID]) -> None:
        done["reopened"] += sum(_reopen(session, item, policy) for item in _items(session, items))

    def conclude(session: Session, items: Sequence[uuid.UUID]) -> None:
        done["decided"] += sum(_decide(session, item, policy) for item in _items(session, items))

    through_items(context, campaign_id, _DOUBTFUL, {"rule": rules.RULE}, doubt)
    through_items(context, campaign_id, _WAITING, {"start": first_visits(policy).wanted}, conclude)
    return {"decided": done["decided"], "reopened": done["reopened"]}


def _items(session: Session, items: Sequence[uuid.UUID]) -> Iterator[Item]:
    yield from session.exec(
        select(Item).where(col(Item.id).in_(items)).order_by(col(Item.id)).execution_options(populate_existing=True)
    )


def _reopen(session: Session, item: Item, policy: Policy) -> bool:
    latest = decisions.latest_decision(session, item)
    before = decisions.in_force(session, latest) if latest else None
    if item.status is not Status.APPROVED or latest is None or before is None or before.rule != rules.RULE:
        return False  # somebody was quicker
    look = adaptive.look_at(session, item, policy, threshold=before.detail["threshold"])
    if look.verdict.outcome == "approved":  # always so by the models that approved it
        return False
    goes_on = look.visits < look.cap and adaptive.is_anybody_left(session, item, look.counted)
    assert policy.id is not None
    decisions.keep(
        session, item, policy.id, Status.PENDING if goes_on else Status.DISPUTED,
        method=Method.REFIT, rule=RULE, posterior=look.verdict.smallest,
        detail=look.as_json() | {
            "before": item.status.value, "overrides_decision": latest.id, "posterior_before": before.posterior,
            "posteriors_before": before.detail["posteriors"], "models_before": before.detail["models"],
        },
    )  # fmt: skip
    if goes_on:
        adaptive.ask_again(session, item, policy, look)
    return True


def _decide(session: Session, item: Item, policy: Policy) -> bool:
    if item.status is not Status.PENDING or item.held != item.judged or item.reserved or item.hold:
        return False
    look = adaptive.look_at(session, item, policy)
    if look.visits < first_visits(policy).wanted or look.verdict.outcome not in ("approved", "rejected"):
        return False
    # Slots are what a later sending back counts by: with a gap among them the item gets its visit.
    if session.execute(_LAST_SLOT, {"item": item.id}).scalar_one() != item.judged:
        return False
    item.wanted, item.open_questions = item.judged, None
    session.add(item)
    session.flush()
    decision = adaptive.decide(session, item, policy, look)
    audits.draw(session, item, policy, decision)
    return True


_LAST_SLOT = sa.text("SELECT max(slot) FROM claim WHERE item_id = :item")
