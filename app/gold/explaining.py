"""Why a known answer is what it is: what people in training are told."""

import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlmodel import Session, col, select

from app.accounts.models import AuditEvent
from app.campaigns.models import Policy
from app.campaigns.wording import worded
from app.claims.models import Claim, ClaimState
from app.judgments.models import Judgment

MOST_REASONS: Final = 2


class Explained(NamedTuple):
    """`reasons` are those annotators gave most for a question's "no"; `note` is what the admin wrote, or ""."""

    reasons: Mapping[str, list[str]]
    note: str


def explained(session: Session, policy: Policy, item_id: uuid.UUID, language: str) -> Explained:
    """In this language, where it is translated. Of an imported gold item that nobody judged there is nothing to say."""
    votes = session.exec(
        select(Judgment.answers)
        .join(Claim, col(Claim.judgment_id) == col(Judgment.id))
        .where(Claim.item_id == item_id, Claim.state == ClaimState.JUDGED)
    ).all()
    reasons = {}
    for question in policy.questions:
        key = question["key"]
        texts = {reason["code"]: reason["text"] for reason in worded(question, language)["reasons"]}
        counts = Counter(code for vote in votes if key in vote for code in vote[key].get("reasons", ()))
        reasons[key] = [texts[code] for code, _ in counts.most_common(MOST_REASONS) if code in texts]
    detail = session.exec(
        select(AuditEvent.detail)
        .where(
            AuditEvent.subject_type == "item",
            AuditEvent.subject_id == str(item_id),
            col(AuditEvent.action).in_(("gold.promoted", "gold.changed")),
        )
        .order_by(col(AuditEvent.id).desc())
    ).first()
    return Explained(reasons, str((detail or {}).get("note", "")))
