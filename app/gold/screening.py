"""Who leaves the pool because of how they answer gold items."""

import time
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.campaigns.models import Campaign, Member, Policy
from app.campaigns.parameters import Parameters, parameters_of
from app.gold import pool, scores
from app.gold.scores import GoldAnswer
from app.judgments.steering import steers

EACH_KIND: Final = 4
"""A screen after 20 answers wants a fourth part of them, 5, of wrong claims and as many of right ones: with fewer,
Youden's J says nothing."""


_RESTLESS = sa.text(
    """
    SELECT (SELECT sum(n_claimed) FROM pool_member WHERE campaign_id = :campaign),
           (SELECT count(*) FROM pool_member WHERE campaign_id = :campaign AND paused_at IS NOT NULL),
           (SELECT count(*) FROM gold JOIN item ON item.id = gold.item_id
            WHERE item.campaign_id = :campaign AND withdrawn_at IS NULL)
    """
)
AT_LEAST_EVERY: Final = 300.0
_looked: Final[dict[uuid.UUID, tuple[tuple[object, ...], float]]] = {}


@steers
def screen_when_new(session: Session, campaign: Campaign, policy: Policy) -> None:
    """As `screen`, once anybody was given something or what is known has changed; else every five minutes."""
    now = (policy.version, *session.execute(_RESTLESS, {"campaign": campaign.id}).one())
    before, looked_at = _looked.get(campaign.id, ((), 0.0))
    if now != before or time.monotonic() - looked_at > AT_LEAST_EVERY:
        screen(session, campaign, policy)
        _looked[campaign.id] = now, time.monotonic()


def screen(session: Session, campaign: Campaign, policy: Policy) -> None:
    """Pauses whoever answers gold items as the policy doesn't accept, and tops up the open items they judged.

    One person each time: to set somebody aside locks their items in order, and two in a row would be out of order.
    """
    parameters = parameters_of(policy)
    if not (parameters.screen_answers or parameters.pause_accuracy):
        return
    given = scores.by_person(scores.answers(session, campaign.id))
    if not given:
        return
    since = pool.taken_back_at(session, campaign)
    paused = set(
        session.exec(
            select(Member.account_id).where(Member.campaign_id == campaign.id, col(Member.paused_at).is_not(None))
        )
    )
    for account_id in sorted(given.keys() - paused):
        if because := verdict(since_then(given[account_id], since.get(account_id)), parameters):
            pool.leave(session, None, campaign, session.get_one(Account, account_id), because, set_aside=True)
            return


def since_then(given: Sequence[GoldAnswer], taken_back_at: datetime | None) -> Sequence[GoldAnswer]:
    """Whoever was taken back into the pool begins anew: by the old answers they would be paused again at once."""
    return [answer for answer in given if taken_back_at is None or answer.at > taken_back_at]


def verdict(given: Sequence[GoldAnswer], parameters: Parameters) -> dict[str, Any] | None:
    """Why somebody with these answers is paused, with the figures; None for who isn't."""
    told = scores.telling(given)
    least = parameters.screen_answers
    n = told.wrong_claims + told.right_claims
    if least and n >= least and min(told.wrong_claims, told.right_claims) * EACH_KIND >= least:
        assert told.youden is not None
        if told.youden < parameters.screen_youden:
            return {
                "by": "gold", "rule": "youden", "youden": told.youden, "limit": parameters.screen_youden,
                "n": n, **told._asdict(),
            }  # fmt: skip
    if parameters.pause_accuracy:
        for question, right in scores.by_question(given).items():
            low = right.estimate.low
            if right.n >= parameters.pause_answers and low is not None and low < parameters.pause_accuracy:
                return {
                    "by": "gold", "rule": "accuracy", "question": question, "n": right.n, "right": right.right,
                    "low": round(low, 6), "limit": parameters.pause_accuracy,
                }  # fmt: skip
    return None
