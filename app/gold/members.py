"""The pool as its page and its CSV file show it: who is in it, how they answer gold items, what they may judge."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, select

from app.agreement.intervals import Estimate
from app.campaigns.models import Campaign, Policy, Qualification
from app.campaigns.parameters import parameters_of
from app.gold import pool, scores
from app.gold.scores import QUESTION_NAMES, Right, Telling
from app.gold.screening import since_then, verdict
from app.web.figures.tables import Column, Table, Unit


class Person(NamedTuple):
    """`judged` counts judgments, `n` gold answers. `would_stay`: paused by gold, but not by the gold of today."""

    id: uuid.UUID
    name: str
    email: str
    is_simulated: bool
    judged: int
    paused_at: datetime | None
    because: Mapping[str, Any] | None
    n: int
    right: Mapping[str, Right]
    telling: Telling
    taken_back_at: datetime | None
    would_stay: bool
    regions: Sequence[Qualification]


_PEOPLE = sa.text(
    """
    SELECT account.id, account.name, account.email, account.is_simulated, worked.judged,
           pool_member.paused_at, pool_member.paused_because
    FROM account
    LEFT JOIN pool_member ON pool_member.account_id = account.id AND pool_member.campaign_id = :campaign
    LEFT JOIN (
        SELECT account_id, count(*) FILTER (WHERE state = 'judged') AS judged
        FROM claim WHERE campaign_id = :campaign GROUP BY account_id
    ) AS worked ON worked.account_id = account.id
    WHERE account.role = 'annotator' AND (pool_member.account_id IS NOT NULL OR worked.account_id IS NOT NULL
        OR account.id IN (SELECT account_id FROM qualification WHERE campaign_id = :campaign))
    ORDER BY pool_member.paused_at DESC NULLS LAST, account.name, account.id
    """
)


def people(session: Session, campaign: Campaign, policy: Policy) -> list[Person]:
    """Everybody who ever was given an item or took a test: who is paused first, then by name."""
    given = scores.by_person(scores.answers(session, campaign.id))
    since = pool.taken_back_at(session, campaign)
    regions: dict[uuid.UUID, list[Qualification]] = {}
    for one in session.exec(
        select(Qualification).where(Qualification.campaign_id == campaign.id).order_by(Qualification.region)
    ):
        regions.setdefault(one.account_id, []).append(one)
    parameters = parameters_of(policy)
    found = []
    for row in session.execute(_PEOPLE, {"campaign": campaign.id}):
        own = given.get(row.id, [])
        is_by_gold = row.paused_at is not None and row.paused_because and row.paused_because.get("by") == "gold"
        found.append(
            Person(
                row.id, row.name, row.email, row.is_simulated, row.judged or 0, row.paused_at, row.paused_because,
                len(own), scores.by_question(own), scores.telling(own), since.get(row.id),
                bool(is_by_gold) and verdict(since_then(own, since.get(row.id)), parameters) is None,
                regions.get(row.id, []),
            )
        )  # fmt: skip
    return found


def table(found: Sequence[Person]) -> Table:
    columns = (
        Column("name", "Name", Unit.TEXT),
        Column("email", "E-mail", Unit.TEXT),
        Column("state", "State", Unit.TEXT),
        Column("paused_by", "Paused by", Unit.TEXT),
        Column("judged", "Judgments", Unit.COUNT),
        Column("gold_answers", "Gold answers", Unit.COUNT),
        *(Column(f"{key}_right", name, Unit.SHARE) for key, name in QUESTION_NAMES.items()),
        Column("wrong_claims", "Wrong claims", Unit.COUNT),
        Column("noticed", "Noticed", Unit.COUNT),
        Column("right_claims", "Right claims", Unit.COUNT),
        Column("confirmed", "Confirmed", Unit.COUNT),
        Column("youden", "Youden’s J", Unit.COEFFICIENT),
        Column("qualified", "Qualified for", Unit.TEXT),
    )
    rows = [
        (
            one.name, one.email, "paused" if one.paused_at else "in the pool", (one.because or {}).get("by", ""),
            one.judged, one.n,
            *(one.right.get(key, Right()).estimate.as_json() for key in QUESTION_NAMES),
            *one.telling,
            Estimate(one.telling.youden, reason=None if one.telling.youden is not None else "no_judgments").as_json(),
            " ".join(region.region for region in one.regions if region.passed_at),
        )
        for one in found
    ]  # fmt: skip
    return Table("pool", "The pool", columns, rows)
