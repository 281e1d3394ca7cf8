"""Gold to test with: items whose answers are known, and people's answers to them."""

import uuid
from datetime import datetime
from typing import Any

from sqlmodel import Session

from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims.models import Claim, ClaimState
from app.db import now
from app.items.models import Gold, Item, Status
from app.judgments.models import Judgment
from app.judgments.service import question_keys
from tests.factories import make_item
from tests.judgments.answers import answer


def make_gold(session: Session, campaign: Campaign, truth: str = "yes", **values: Any) -> Item:
    """A decided item; the known answer to its first question is `truth`, to the others yes."""
    status = Status.REJECTED if truth == "no" else Status.APPROVED
    made: dict[str, Any] = {"status": status, "decided_at": now()} | values
    item = make_item(session, campaign, **made)
    first, *others = question_keys(item.subtask)
    known = {first: truth} | dict.fromkeys(others, "yes")
    session.add_all([Gold(item_id=item.id, question=key, answer=said) for key, said in known.items()])
    session.flush()
    return item


def answers_of(item: Item, first: str = "yes") -> dict[str, Any]:
    key, *others = question_keys(item.subtask)
    return {key: answer(first)} | {other: answer() for other in others}


def give(
    session: Session,
    account: Account,
    item: Item,
    first: str = "yes",
    *,
    at: datetime | None = None,
    is_test: bool = True,
) -> Claim:
    """A person's answers on an item, as if they had been given it: `first` to its first question, yes to the others."""
    campaign = session.get_one(Campaign, item.campaign_id)
    policy = campaigns.current_policy(session, campaign)
    assert policy.id is not None
    at = at or now()
    judgment_id = uuid.uuid4()
    claim = Claim(
        item_id=item.id, account_id=account.id, campaign_id=item.campaign_id, policy_id=policy.id,
        state=ClaimState.JUDGED, is_test=is_test, judgment_id=judgment_id, leased_at=at, expires_at=at, ended_at=at,
    )  # fmt: skip
    session.add(claim)
    session.flush()
    session.add(
        Judgment(
            id=judgment_id, claim_id=claim.id, item_id=item.id, account_id=account.id, policy_id=policy.id,
            answers=answers_of(item, first), body_sha256="0" * 64, created_at=at,
        )
    )  # fmt: skip
    session.flush()
    return claim


def revise(session: Session, claim: Claim, item: Item, first: str) -> None:
    """The same person's answers, changed."""
    session.add(
        Judgment(
            claim_id=claim.id, item_id=item.id, account_id=claim.account_id, policy_id=claim.policy_id, revision=2,
            answers=answers_of(item, first), body_sha256="1" * 64,
        )
    )  # fmt: skip
    session.flush()


def set_policy(session: Session, campaign: Campaign, **parameters: Any) -> None:
    policy = campaigns.current_policy(session, campaign)
    policy.parameters = {**policy.parameters, **parameters}
    session.add(policy)
    session.flush()
