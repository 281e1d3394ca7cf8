"""A changed policy takes hold of what is undecided: the worker brings every pending item to it.

Leases that people hold finish under the policy they were given under; nothing that is decided is touched. Each item
is locked while it changes, and brought to what the policy in force says whatever it was before, so a job that is cut
short, or comes twice, leaves the same.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import jobs
from app.accounts.models import Account
from app.campaigns.models import Campaign, Policy
from app.campaigns.parameters import ADAPTIVE, NEVER, first_visits, parameters_of
from app.db import transaction
from app.items.importing import await_imports
from app.items.models import NOT_CHOSEN, Item, Status
from app.jobs import Job, JobContext, handles
from app.judgments.batches import through_items
from app.judgments.quotas import hold_full_groups
from app.judgments.service import apply_rule

KIND: Final = "policy.change"

# `before` are the slots judged before an item was sent back: they count no more, and what is asked for comes on top.
# Never below what is promised already.
_AIMS = """
    SELECT item.id, item.family_id, item.held, item.judged, item.wanted AS was, round.before,
           greatest(item.held, round.before + :wanted, round.before + round.seated) AS wanted
    FROM item CROSS JOIN LATERAL (
        SELECT coalesce(max(CAST(detail ->> 'slots_before' AS integer)), 0) AS before FROM decision
        WHERE decision.item_id = item.id AND method = 'recheck'
    ) AS sent CROSS JOIN LATERAL (
        SELECT sent.before, count(*) AS seated FROM claim
        WHERE claim.item_id = item.id AND claim.slot > sent.before
    ) AS round
    WHERE item.status = 'pending'
"""

# Slots beyond the last one asked for move down to free ones: slots are what a later sending back counts by.
_MOVE_UP = sa.text(
    f"""
    WITH aim AS ({_AIMS} AND item.id = ANY(:items)),
    beyond AS (
        SELECT claim.id, claim.item_id, row_number() OVER (PARTITION BY claim.item_id ORDER BY claim.slot) AS place
        FROM claim JOIN aim ON aim.id = claim.item_id WHERE claim.slot > aim.wanted
    ),
    free AS (
        SELECT aim.id AS item_id, n, row_number() OVER (PARTITION BY aim.id ORDER BY n <= aim.before, n) AS place
        FROM aim CROSS JOIN LATERAL generate_series(1, aim.wanted) AS n
        WHERE aim.id IN (SELECT item_id FROM beyond)
          AND NOT EXISTS (SELECT 1 FROM claim WHERE claim.item_id = aim.id AND claim.slot = n)
    )
    UPDATE claim SET slot = free.n FROM beyond JOIN free USING (item_id, place) WHERE claim.id = beyond.id
    """  # noqa: S608  (nothing in it comes from outside)
)

# Those who know the country have had the places kept for such people, whichever policy they came under.
_SEAT_INSIDERS = sa.text(
    f"""
    WITH aim AS ({_AIMS} AND item.id = ANY(:items)),
    known AS (
        SELECT claim.id, row_number() OVER (PARTITION BY item.id ORDER BY claim.is_insider DESC, claim.slot) AS place
        FROM aim JOIN item ON item.id = aim.id JOIN claim ON claim.item_id = item.id AND claim.slot > aim.before
        WHERE claim.is_insider OR EXISTS (
            SELECT 1 FROM known_country
            WHERE known_country.account_id = claim.account_id AND known_country.country = item.home)
    )
    UPDATE claim SET is_insider = (known.place <= :reserved)
    FROM known WHERE claim.id = known.id AND claim.is_insider <> (known.place <= :reserved)
    """  # noqa: S608  (nothing in it comes from outside)
)

_ASK = sa.text(
    f"""
    WITH aim AS ({_AIMS} AND item.id = ANY(:items)),
    asked AS (
        SELECT aim.id, aim.wanted, least(:never, aim.before + :late_from) AS late_from,
               least(aim.wanted - aim.held, greatest(0, :reserved - count(claim.id))) AS reserved
        FROM aim LEFT JOIN claim ON claim.item_id = aim.id AND claim.slot > aim.before AND claim.is_insider
        GROUP BY aim.id, aim.wanted, aim.held, aim.before
    )
    UPDATE item SET wanted = asked.wanted, reserved = asked.reserved, late_from = asked.late_from,
        open_questions = CASE WHEN :open_only AND item.judged < asked.wanted THEN item.open_questions END
    FROM asked WHERE item.id = asked.id
    """  # noqa: S608  (nothing in it comes from outside)
)

_READY = sa.text(
    f"""
    WITH aim AS ({_AIMS} AND item.id = ANY(:items))
    SELECT id FROM aim WHERE judged = was AND judged > before ORDER BY id
    """  # noqa: S608  (nothing in it comes from outside)
)

_EFFECT = sa.text(
    f"""
    WITH aim AS ({_AIMS} AND item.campaign_id = :campaign AND NOT {NOT_CHOSEN})
    SELECT count(*) AS undecided, count(*) FILTER (WHERE wanted > was) AS more,
           count(*) FILTER (WHERE wanted < was) AS fewer,
           count(*) FILTER (WHERE wanted = judged AND judged > before) AS ready,
           (SELECT count(*) FROM claim WHERE campaign_id = :campaign AND state = 'open') AS leases,
           count(DISTINCT family_id) AS families
    FROM aim
    """  # noqa: S608  (nothing in it comes from outside)
)


class Effect(NamedTuple):
    """What a policy would do: undecided items, those that would want more or fewer judgments, those it would look at
    at once because they have what it asks for; the leases people hold; and how many families the undecided are of."""

    undecided: int
    more: int
    fewer: int
    ready: int
    leases: int
    families: int


def effect(session: Session, campaign: Campaign, policy: Policy) -> Effect:
    """`policy` needs no row. A second at a million items."""
    row = session.execute(_EFFECT, {"campaign": campaign.id, "wanted": first_visits(policy).wanted}).one()
    return Effect(*(int(count) for count in row))


def start(session: Session, account: Account | None, campaign: Campaign, policy: Policy) -> Job:
    """Queues it, in the transaction that makes the policy."""
    return jobs.start(
        session,
        KIND,
        title=f"Bring {campaign.name} to version {policy.version} of its policy"[:200],
        account_id=account.id if account else None,
        campaign_id=str(campaign.id),
        version=policy.version,
    )


@handles(KIND)
def bring_to_policy(context: JobContext) -> dict[str, Any]:
    """{"items": looked at}, or {"overtaken_by": version}: the newer version's own job does all there is to do."""
    campaign_id = uuid.UUID(context.job.arguments["campaign_id"])
    version = int(context.job.arguments["version"])
    with transaction(context.engine) as session:
        await_imports(session)  # one that began before the change brings items that ask for what was asked for then
    with transaction(context.engine) as session:
        policy = session.exec(select(Policy).where(Policy.campaign_id == campaign_id, Policy.version == version)).one()
        campaign = session.get_one(Campaign, campaign_id)
        if campaign.policy_version != version:
            return {"overtaken_by": campaign.policy_version}
    visits = first_visits(policy)
    parameters = parameters_of(policy)
    scope = {
        "wanted": visits.wanted,
        "reserved": visits.reserved,
        "late_from": visits.late_from,
        "never": NEVER,
        "open_only": policy.rule == ADAPTIVE and parameters.open_questions_only,
    }

    def bring(session: Session, items: Sequence[uuid.UUID]) -> None:
        if session.get_one(Campaign, campaign_id).policy_version == version:
            bring_items(session, policy, items, scope)

    items = through_items(context, campaign_id, "status = 'pending'", {}, bring)
    with transaction(context.engine) as session:
        hold_full_groups(session, session.get_one(Campaign, campaign_id), policy)
    return {"items": items}


def bring_items(session: Session, policy: Policy, items: Sequence[uuid.UUID], scope: Mapping[str, Any]) -> None:
    """Items that are locked ask for what the policy says; those that have it are looked at by its rule."""
    values = {**scope, "items": list(items)}
    for statement in (_MOVE_UP, _SEAT_INSIDERS, _ASK):
        session.execute(statement, values)
    ready = session.execute(_READY, values).scalars().all()
    found = select(Item).where(col(Item.id).in_(ready)).order_by(col(Item.id)).execution_options(populate_existing=True)
    for item in session.exec(found):
        if item.status is Status.PENDING:
            apply_rule(session, item, policy)
