"""A campaign with adaptive overlap to test with, and models as a fit would have left them."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.claims import service as claims
from app.claims.models import Claim
from app.items.models import Item
from app.judgments import service as judgments
from app.judgments.tally_models import RaterModelFit
from tests.factories import make_account, make_campaign
from tests.judgments.answers import answer

CAREFUL = [[0.97, 0.02, 0.01], [0.05, 0.93, 0.02]]
CARELESS = [[0.9, 0.06, 0.04], [0.8, 0.15, 0.05]]
SHARES = {"yes": 0.9, "no": 0.1}


def adaptive_campaign(session: Session, **parameters: Any) -> Campaign:
    """2 to 5 visits and nothing else but for the parameters given."""
    campaign = make_campaign(session, policy="adaptive")
    policy_of(session, campaign).parameters = parameters
    session.flush()
    return campaign


def policy_of(session: Session, campaign: Campaign) -> Policy:
    return campaigns.current_policy(session, campaign)


def modelled(
    session: Session,
    campaign: Campaign,
    question: str,
    pooled: list[list[float]] = CAREFUL,
    raters: Mapping[uuid.UUID, list[list[float]]] | None = None,
    n: int = 50,
    n_judgments: int = 1000,
) -> RaterModelFit:
    """A newer model of a question: `pooled` rows for everybody but `raters`, who have given `n` answers each."""
    fit = RaterModelFit(
        campaign_id=campaign.id, question=question, version=uuid.uuid4(), method="dawid-skene", n_items=500,
        n_judgments=n_judgments, n_raters=10, n_gold=0,
        fit={
            "classes": ["yes", "no"], "answers": ["yes", "no", "unsure"], "class_shares": SHARES,
            "pooled": {"confusion": pooled},
            "raters": {str(who): {"n": n, "confusion": rows} for who, rows in (raters or {}).items()},
        },
    )  # fmt: skip
    session.add(fit)
    session.flush()
    return fit


def take(session: Session, campaign: Campaign, account: Account, item: Item) -> Claim:
    """This account's claim of this very item."""
    item.priority = 100
    session.flush()
    work = claims.claim_next(session, account, campaign, policy_of(session, campaign), lease=600)
    assert [claim.item_id for claim in work.claims] == [item.id], work.reason
    item.priority = 0
    session.flush()
    return work.claims[0]


def visit(session: Session, campaign: Campaign, item: Item, account: Account | None = None, **votes: str) -> Claim:
    """A judgment: yes to all that is asked but for these votes."""
    account = account or make_account(session)
    claim = take(session, campaign, account, item)
    asked = judgments.asked_of(item.subtask, claim.questions)
    given = {key: said(key, votes.get(key, "yes")) for key in asked}
    judgments.submit(session, account, claim.id, judgments.Answers(given))
    session.refresh(item)
    return claim


def said(question: str, vote: str) -> dict[str, Any]:
    return answer(vote, *(["other_country"] if (question, vote) == ("food1_origin", "no") else []))


def on_test(session: Session, item: Item) -> Claim:
    """A test claim of a gold item, as the queue hands it out."""
    person = make_account(session)
    policy = policy_of(session, session.get_one(Campaign, item.campaign_id))
    claim = Claim(
        item_id=item.id, account_id=person.id, campaign_id=item.campaign_id, policy_id=policy.id, is_test=True,
        leased_at=item.created_at, expires_at=item.created_at.replace(year=2100),
    )  # fmt: skip
    session.add(claim)
    session.flush()
    return claim
