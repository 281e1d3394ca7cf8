"""How far annotators agreed, for the manifest: the usual figures over a whole campaign, approved or not."""

from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.patterns import Patterns
from app.agreement.report import question_report
from app.agreement.rules import ANSWERS
from app.campaigns.models import Campaign

BASIS = (
    "Each item's first two counted judgments, over all items of the campaign whatever became of them: "
    "the approved ones alone would agree too well."
)

# Later judgments are asked for where earlier ones disagree, so only the first two compare fairly.
_FIRST_TWO = """
WITH judged AS (
    SELECT claim.item_id, claim.account_id, judgment.answers,
           row_number() OVER (PARTITION BY claim.item_id ORDER BY claim.ended_at, claim.id) AS place
    FROM claim
    JOIN judgment ON judgment.id = claim.judgment_id
    JOIN account ON account.id = claim.account_id
    WHERE claim.campaign_id = :campaign AND claim.state = 'judged' AND claim.slot IS NOT NULL
      AND (:allow_simulated OR NOT account.is_simulated)
), answer AS (
    SELECT given.key AS question, judged.item_id, judged.account_id, given.value ->> 'answer' AS value
    FROM judged CROSS JOIN LATERAL jsonb_each(judged.answers) AS given
    WHERE judged.place <= 2
)
"""
_PATTERNS = """
SELECT question, yes, no, unsure, count(*) FROM (
    SELECT question, count(*) FILTER (WHERE value = 'yes') AS yes, count(*) FILTER (WHERE value = 'no') AS no,
           count(*) FILTER (WHERE value = 'unsure') AS unsure
    FROM answer GROUP BY question, item_id
) AS item GROUP BY question, yes, no, unsure
"""
_RATERS = "SELECT question, count(DISTINCT account_id) AS n_raters FROM answer GROUP BY question"

# Replicates differ between machines in their last bits, and a release must not.
_DECIMALS = 9


def campaign_agreement(session: Session, campaign: Campaign, *, allow_simulated: bool) -> dict[str, Any]:
    """{"basis", "questions": {question: document}}; see `agreement.report.question_report`."""
    values = {"campaign": campaign.id, "allow_simulated": allow_simulated}
    patterns = defaultdict(list)
    for question, yes, no, unsure, count in session.execute(sa.text(_FIRST_TWO + _PATTERNS), values):
        patterns[question].append(((yes, no, unsure), count))
    raters = {row.question: row.n_raters for row in session.execute(sa.text(_FIRST_TWO + _RATERS), values)}
    questions = {
        question: _rounded(question_report(Patterns.from_rows(patterns[question], ANSWERS), n_raters=raters[question]))
        for question in sorted(patterns)
    }
    return {"basis": BASIS, "questions": questions}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DECIMALS)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return value
