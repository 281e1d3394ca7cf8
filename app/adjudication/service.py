"""Settling what the annotators could not: an admin's decision on an item, with the reason for it."""

import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.accounts.service import record
from app.adjudication.models import Adjudication
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims.models import Claim, ClaimState
from app.db import UNSTORABLE, now
from app.errors import Conflict, Forbidden, Invalid
from app.items import queries as items
from app.items.models import Item, Status
from app.judgments.models import Decision, Method

RULE = "adjudication/1"
OUTCOMES = (Status.APPROVED, Status.REJECTED)
MAX_NOTE = 2000
MOST_DISPUTED = 1000


class NotDecidedYet(Conflict):
    """Its annotators are still judging it."""


class OwnJudgment(Forbidden):
    title = "You judged this item yourself"


class SettledSince(Conflict):
    """Somebody settled it after the page was read."""


def settle(
    session: Session, account: Account, item_id: uuid.UUID, outcome: str, note: str, *, seen: int | None = None
) -> Adjudication:
    """An admin approves or rejects an item and says why. Nothing earlier is touched: the decision log grows by one.

    `seen` is the id of the newest decision the admin had before their eyes; if there is a newer one, SettledSince is
    raised, unless it is this very settlement sent twice. Raises NotDecidedYet for a pending item and OwnJudgment for
    one the admin judged.
    """
    chosen, reason = _checked(outcome, note)
    items.get_for(session, account, item_id)
    item = session.exec(
        select(Item).where(Item.id == item_id).with_for_update(key_share=True).execution_options(populate_existing=True)
    ).one()
    if item.status is Status.PENDING:
        raise NotDecidedYet("Its annotators are still judging this item; it can be settled once a rule has decided it.")
    if has_judged(session, account, item):
        raise OwnJudgment("You judged this item as an annotator; somebody else has to settle it.")
    latest = latest_decision(session, item)
    if seen is not None and latest is not None and latest.id != seen:
        if (mine := _same_again(session, account, latest, chosen, reason)) is not None:
            return mine
        raise SettledSince("Somebody settled this item while you were looking; look at their note, then decide again.")
    campaign = session.get_one(Campaign, item.campaign_id)
    decision = Decision(
        item_id=item.id,
        policy_id=_id(campaigns.current_policy(session, campaign).id),
        outcome=chosen,
        method=Method.ADJUDICATION,
        rule=RULE,
        detail={
            "before": item.status.value,
            "overrides_decision": latest.id if latest else None,
            "judgments": [str(id_) for id_ in _judgments_of(session, item)],
        },
    )
    item.status, item.decided_at = chosen, now()
    session.add_all([decision, item])
    session.flush()
    adjudication = Adjudication(
        item_id=item.id, account_id=account.id, decision_id=_id(decision.id), outcome=chosen, note=reason
    )
    session.add(adjudication)
    session.flush()
    record(
        session, account, "item.settled", "item", item.id,
        outcome=chosen.value, before=decision.detail["before"], decision=decision.id,
    )  # fmt: skip
    return adjudication


def _checked(outcome: str, note: str) -> tuple[Status, str]:
    faults: dict[str, str] = {}
    if outcome not in OUTCOMES:
        faults["outcome"] = "Choose whether to approve or to reject."
    reason = note.strip()
    if not reason:
        faults["note"] = "Say why, in a sentence: it stays with the decision."
    elif len(reason) > MAX_NOTE:
        faults["note"] = f"At most {MAX_NOTE:,} characters, please; this has {len(reason):,}."
    elif UNSTORABLE.search(reason):
        faults["note"] = "This text holds characters that can't be stored; please type it again."
    if faults:
        raise Invalid(next(iter(faults.values())), fields=faults)
    return Status(outcome), reason


def _id(value: int | None) -> int:
    assert value is not None, "flushed rows have their id"
    return value


def has_judged(session: Session, account: Account, item: Item) -> bool:
    return (
        session.exec(
            select(Claim.id).where(
                Claim.item_id == item.id, Claim.account_id == account.id, Claim.state == ClaimState.JUDGED
            )
        ).first()
        is not None
    )


def latest_decision(session: Session, item: Item) -> Decision | None:
    return session.exec(
        select(Decision).where(Decision.item_id == item.id).order_by(col(Decision.id).desc()).limit(1)
    ).first()


def _same_again(
    session: Session, account: Account, latest: Decision, outcome: Status, note: str
) -> Adjudication | None:
    found = session.exec(select(Adjudication).where(Adjudication.decision_id == latest.id)).first()
    if found is not None and (found.account_id, found.outcome, found.note) == (account.id, outcome, note):
        return found
    return None


def _judgments_of(session: Session, item: Item) -> Sequence[uuid.UUID | None]:
    """The counted judgments the admin had before their eyes, in the order of their slots."""
    return session.exec(
        select(Claim.judgment_id)
        .where(Claim.item_id == item.id, Claim.state == ClaimState.JUDGED, col(Claim.slot).is_not(None))
        .order_by(col(Claim.slot))
    ).all()


_DISPUTED = sa.text(
    """
    SELECT item.id FROM item
    LEFT JOIN item_posterior ON item_posterior.item_id = item.id
    LEFT JOIN LATERAL (
        SELECT detail FROM decision WHERE decision.item_id = item.id ORDER BY id DESC LIMIT 1
    ) AS latest ON true
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE value = 'null') AS split, count(*) FILTER (WHERE value = '"unsure"') AS unsure
        FROM jsonb_each(coalesce(latest.detail -> 'majorities', '{}'))
    ) AS answers
    WHERE item.campaign_id = :campaign AND item.status = 'disputed'
      AND NOT EXISTS (SELECT 1 FROM claim WHERE claim.item_id = item.id AND claim.account_id = :account
                        AND claim.state = 'judged')
    ORDER BY item_posterior.doubt DESC NULLS LAST, answers.split DESC, answers.unsure DESC, item.decided_at, item.key
    LIMIT :limit
    """
)


def disputed(session: Session, account: Account, campaign: Campaign) -> Sequence[uuid.UUID]:
    """Up to 1,000 disputed items this admin may settle, the most disputed first.

    First those the rater models have looked at, from the one they doubt most: a word on it settles most. The others
    follow: most questions without a majority, then most where the majority is unsure, then the longest undecided.
    """
    scope = {"campaign": campaign.id, "account": account.id, "limit": MOST_DISPUTED}
    return session.execute(_DISPUTED, scope).scalars().all()


def next_disputed(
    session: Session, account: Account, campaign: Campaign, after: uuid.UUID | None = None
) -> uuid.UUID | None:
    """The most disputed item, or the one that follows `after` in that order; from the last it goes on at the first."""
    waiting = disputed(session, account, campaign)
    if not waiting:
        return None
    place = waiting.index(after) + 1 if after in waiting else 0
    return waiting[place % len(waiting)]
