"""Who notices wrong claims best: the better half of a pool, who are given late visits first."""

import statistics
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.campaigns.models import Campaign, Member, Policy
from app.judgments.adaptive import Models, newest_models

FEWEST_ANSWERS: Final = 20
"""With fewer answers on each question a rater's row in the model is mostly everybody's."""


def mark_better_half(session: Session, campaign: Campaign, policy: Policy) -> None:
    """Marks the members who notice more than the pool's median by the newest models.

    Whoever is paused, or has answered too little to be known, is in neither half.
    """
    members = session.exec(select(Member.account_id).where(Member.campaign_id == campaign.id, _IS_IN)).all()
    known = notices(newest_models(session, campaign.id))
    scores = {account: known[str(account)] for account in members if str(account) in known}
    median = statistics.median(scores.values()) if scores else 0.0
    better = [account for account, score in scores.items() if score > median]
    session.execute(_MARK, {"campaign": campaign.id, "better": better})


def notices(models: Models) -> dict[str, float]:
    """{rater: how often they say no when a claim is wrong, averaged over the questions}, for those with enough answers.

    >>> rows = lambda share: {"n": 20, "confusion": [[0.9, 0.1, 0.0], [1 - share, share, 0.0]]}
    >>> raters = {"ann": rows(0.8), "bob": rows(0.2), "new": {"n": 19}}
    >>> fit = {"classes": ["yes", "no"], "answers": ["yes", "no", "unsure"], "raters": raters}
    >>> notices(Models({"food1_identity": fit}, {}, 20))
    {'ann': 0.8, 'bob': 0.2}
    """
    found: dict[str, list[float]] = {}
    for fit in models.fits.values():
        wrong, no = fit["classes"].index("no"), fit["answers"].index("no")
        for rater, of_rater in fit["raters"].items():
            if of_rater["n"] >= FEWEST_ANSWERS:
                found.setdefault(rater, []).append(_row(of_rater, wrong)[no])
    return {rater: statistics.fmean(shares) for rater, shares in found.items()}


def _row(of_rater: Mapping[str, Any], true: int) -> list[float]:
    row: list[float] = of_rater["confusion"][true]
    return row


_IS_IN = col(Member.paused_at).is_(None)

_MARK = sa.text(
    """
    UPDATE pool_member SET is_better_half = (account_id = ANY(:better))
    WHERE campaign_id = :campaign AND is_better_half <> (account_id = ANY(:better))
    """
)
