"""How far annotators agreed, for the manifest: the campaign's own figures, as its pages and commands give them."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.claims.models import Claim, ClaimState
from app.judgments import votes

BASIS = (
    "Each item's first two counted judgments, over all items of the campaign whatever became of them: "
    "the approved ones alone would agree too well."
)

# Bootstrap replicates differ between machines in their last bits, and a release must not.
_DECIMALS = 9


def campaign_agreement(session: Session, campaign: Campaign) -> dict[str, Any]:
    """{"basis", "simulated_judgments", "questions": {question: document}}; see `agreement.report.question_report`.

    `simulated_judgments` are the campaign's: also where a release takes none, its campaign may have some elsewhere.
    """
    simulated = session.exec(
        select(sa.func.count())
        .select_from(Claim)
        .join(Account, col(Account.id) == Claim.account_id)
        .where(Claim.campaign_id == campaign.id, Claim.state == ClaimState.JUDGED)
        .where(col(Claim.slot).is_not(None), col(Account.is_simulated))
    ).one()
    questions = votes.agreement_afresh(session, campaign.id)["questions"]
    return {"basis": BASIS, "simulated_judgments": simulated, "questions": _rounded(questions)}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DECIMALS)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return value
