"""Auditing what the rule approves: a random share goes to fresh annotators, and tells how much of it is wrong.

The rule's posterior is no error rate: on items that are hard for everybody it is too sure of itself.
"""

import hashlib
import uuid
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.intervals import Estimate, wilson
from app.campaigns.models import Policy
from app.campaigns.parameters import first_visits, parameters_of
from app.items.models import Item, Status
from app.judgments.fresh import fresh_annotators, send_back

RULE: Final = "audit/1"


class Audit(NamedTuple):
    """Of the audited items: `n` were decided again, of which `wrong` were not approved again; `pending` wait for their
    fresh annotators, or for an adjudicator. `share` is wrong of n."""

    n: int
    wrong: int
    pending: int
    share: Estimate

    def as_json(self) -> dict[str, Any]:
        share = {
            key: round(value, 9) if isinstance(value, float) else value for key, value in self.share.as_json().items()
        }
        return {"n": self.n, "wrong": self.wrong, "pending": self.pending, "share_wrong": share, "words": self.words}

    @property
    def words(self) -> str:
        """What pages and releases quote."""
        waiting = f"; {self.pending:,} more wait for their second look" if self.pending else ""
        if self.share.value is None or self.share.low is None or self.share.high is None:
            return f"No approved item has had its second look by fresh annotators yet{waiting}."
        return (
            f"Estimated share of wrong items among the approved: {100 * self.share.value:.1f} % "
            f"[{100 * self.share.low:.1f}, {100 * self.share.high:.1f}], from {self.n:,} approved at random for a "
            f"second look by fresh annotators{waiting}."
        )


def is_drawn(campaign_id: uuid.UUID, item_id: uuid.UUID, share: float) -> bool:
    """Whether an item belongs to the audited share: the same at any time, and nothing about the item tells it.

    >>> campaign = uuid.UUID(int=1)
    >>> sum(is_drawn(campaign, uuid.UUID(int=number), 0.25) for number in range(10_000)) / 10_000
    0.2537
    """
    digest = hashlib.sha256(b"audit" + campaign_id.bytes + item_id.bytes).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def draw(session: Session, item: Item, policy: Policy, decision: int) -> bool:
    """Sends an item that the rule has just decided to fresh annotators if it is approved and drawn; whether it did.

    Once an item, and only while there are enough who haven't seen it: else it stays as it is.
    """
    if item.status is not Status.APPROVED:
        return False
    share = parameters_of(policy).audit_share
    if not is_drawn(item.campaign_id, item.id, share):
        return False
    if session.execute(_SENT_BACK, {"item": item.id}).scalar_one():
        return False
    if fresh_annotators(session, [item.id])[item.id] < first_visits(policy).wanted:
        return False
    send_back(session, item, policy, overrides=decision, rule=RULE, because={"audit_share": share})
    return True


def estimate(session: Session, campaign_id: uuid.UUID) -> Audit | None:
    """None for a campaign that has never been audited: no policy of it asks for it."""
    row = session.execute(_ESTIMATE, {"campaign": campaign_id, "rule": RULE}).one()
    if not row.is_audited:
        return None
    return Audit(
        row.approved + row.rejected, row.rejected, row.pending, wilson(row.rejected, row.approved + row.rejected)
    )


_SENT_BACK = sa.text("SELECT EXISTS (SELECT 1 FROM decision WHERE item_id = :item AND method = 'recheck')")

# Who is asked counts, not how often: an item that an admin sent back later still stands for one draw.
_ESTIMATE = sa.text(
    """
    WITH policies AS (
        SELECT EXISTS (
            SELECT 1 FROM policy WHERE campaign_id = :campaign
              AND coalesce(CAST(parameters ->> 'audit_share' AS float), 0) > 0
        ) AS audited
    ),
    audited AS MATERIALIZED (
        SELECT item.status FROM policies JOIN item ON policies.audited
        WHERE item.campaign_id = :campaign AND EXISTS (
            SELECT 1 FROM decision
            WHERE decision.item_id = item.id AND decision.method = 'recheck' AND decision.rule = :rule)
    )
    SELECT (SELECT audited FROM policies) AS is_audited,
           count(*) FILTER (WHERE status = 'approved') AS approved,
           count(*) FILTER (WHERE status = 'rejected') AS rejected,
           count(*) FILTER (WHERE status IN ('pending', 'disputed')) AS pending
    FROM audited
    """
)
