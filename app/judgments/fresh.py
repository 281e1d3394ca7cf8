"""Sending a decided item to fresh annotators, who can't tell it from any other.

The item wants as many more judgments as its policy begins with and waits for them in the ordinary queue. Nothing
earlier changes; the decision log grows by one. The rule then decides on the fresh judgments alone.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.campaigns.models import Policy
from app.campaigns.parameters import NEVER, first_visits
from app.items.models import Item, Status
from app.judgments import decisions
from app.judgments.models import Method

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
          AND NOT EXISTS (
            SELECT 1 FROM pool_member WHERE pool_member.campaign_id = item.campaign_id
              AND pool_member.account_id = account.id AND pool_member.paused_at IS NOT NULL)
          AND (NOT coalesce(CAST(policy.parameters ->> 'qualification' AS boolean), false) OR EXISTS (
            SELECT 1 FROM qualification WHERE qualification.campaign_id = item.campaign_id
              AND qualification.account_id = account.id AND qualification.region = item.region
              AND qualification.passed_at IS NOT NULL AND qualification.paused_at IS NULL))
    ) AS people
    FROM item
    JOIN campaign ON campaign.id = item.campaign_id
    JOIN policy ON policy.campaign_id = campaign.id AND policy.version = campaign.policy_version
    WHERE item.id = ANY(:items)
    """
)


def fresh_annotators(session: Session, item_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many active annotators, whom the campaign may give each item to, have neither judged nor skipped it."""
    return {row.id: int(row.people) for row in session.execute(_FRESH, {"items": list(item_ids)})}


def send_back(
    session: Session, item: Item, policy: Policy, *, overrides: int, rule: str, because: Mapping[str, Any]
) -> int:
    """Sends an item, decided and locked by the caller, back to the queue; the id of the decision to do so.

    `overrides` is the decision that is in doubt. That there are enough fresh annotators is for the caller to see.
    """
    visits, before = first_visits(policy), item.wanted
    assert policy.id is not None
    decision = decisions.keep(
        session, item, policy.id, Status.PENDING,
        method=Method.RECHECK, rule=rule,
        detail={
            "before": item.status.value, "overrides_decision": overrides, "slots_before": before,
            "wanted": visits.wanted, "because": dict(because),
        },
    )  # fmt: skip
    item.wanted = before + visits.wanted
    item.reserved = visits.reserved
    item.late_from = min(NEVER, before + visits.late_from)
    item.open_questions = None
    session.add(item)
    session.flush()
    return decision
