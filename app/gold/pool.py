"""An annotator's place in a campaign's pool: pausing somebody, taking them back, and the log of both."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.accounts.models import Account, AuditEvent, Role
from app.accounts.service import record
from app.campaigns.models import Campaign, Member
from app.claims import service as claims
from app.claims.askers import one_at_a_time
from app.db import now
from app.errors import NotFound
from app.gold.service import checked_note

PAUSED: Final = "pool.paused"
TAKEN_BACK: Final = "pool.taken_back"
SUBJECT: Final = "pool_member"
MOST_LOGGED: Final = 100


class LogEntry(NamedTuple):
    """`actor` is None where a rule acted; `detail` is what `paused_because` said, or the note."""

    at: datetime
    action: str
    actor: str | None
    person: str
    detail: Mapping[str, Any]


def pause(
    session: Session, admin: Account, campaign: Campaign, account_id: uuid.UUID, note: str, *, set_aside: bool
) -> bool:
    """An admin takes somebody out of the pool; False if they were out already.

    With `set_aside` their answers on items that aren't decided become surplus and others judge these instead.
    """
    reason = checked_note(note)
    return leave(
        session, admin, campaign, annotator(session, account_id), {"by": "admin", "note": reason}, set_aside=set_aside
    )


def leave(
    session: Session,
    actor: Account | None,
    campaign: Campaign,
    account: Account,
    because: dict[str, Any],
    *,
    set_aside: bool,
) -> bool:
    member = _locked(session, campaign, account)
    if member.paused_at is not None:
        return False
    member.paused_at, member.paused_because = now(), because
    session.add(member)
    session.flush()
    if set_aside:
        claims.set_aside(session, account, campaign)
    record(session, actor, PAUSED, SUBJECT, _subject(campaign, account.id), **because, set_aside=set_aside)
    return True


def take_back(session: Session, admin: Account, campaign: Campaign, account_id: uuid.UUID, note: str) -> bool:
    """Into the pool again; False if they were in it. From now on only newer gold answers can pause them."""
    reason = checked_note(note)
    account = annotator(session, account_id)
    member = _locked(session, campaign, account)
    if member.paused_at is None:
        return False
    record(
        session, admin, TAKEN_BACK, SUBJECT, _subject(campaign, account.id),
        note=reason, paused_at=member.paused_at.isoformat(), because=member.paused_because,
    )  # fmt: skip
    member.paused_at = member.paused_because = None
    session.add(member)
    session.flush()
    return True


def annotator(session: Session, account_id: uuid.UUID) -> Account:
    account = session.get(Account, account_id)
    if account is None or account.role is not Role.ANNOTATOR:
        raise NotFound("There is no such annotator.")
    return account


def _locked(session: Session, campaign: Campaign, account: Account) -> Member:
    one_at_a_time(session, campaign.id, account.id)  # a newcomer may be asking for their first item
    place = insert(Member).values(
        campaign_id=campaign.id, account_id=account.id, n_claimed=0, is_better_half=False, created_at=now()
    )
    session.execute(place.on_conflict_do_nothing())
    return session.exec(
        select(Member)
        .where(Member.campaign_id == campaign.id, Member.account_id == account.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _subject(campaign: Campaign, account_id: uuid.UUID) -> str:
    return f"{campaign.id}/{account_id}"


def taken_back_at(session: Session, campaign: Campaign) -> Mapping[uuid.UUID, datetime]:
    """When each person who ever was taken back was so last."""
    found = session.execute(
        sa.select(col(AuditEvent.subject_id), sa.func.max(col(AuditEvent.at)))
        .where(*_of(campaign), col(AuditEvent.action) == TAKEN_BACK)
        .group_by(col(AuditEvent.subject_id))
    )
    return {uuid.UUID(subject.rpartition("/")[2]): at for subject, at in found}


def log(session: Session, campaign: Campaign) -> Sequence[LogEntry]:
    """Who left the pool and who came back, the latest first; at most 100."""
    events = session.exec(
        select(AuditEvent).where(*_of(campaign)).order_by(col(AuditEvent.id).desc()).limit(MOST_LOGGED)
    ).all()
    people = {uuid.UUID(event.subject_id.rpartition("/")[2]) for event in events}
    people |= {event.actor_id for event in events if event.actor_id}
    names = dict(
        session.execute(sa.select(col(Account.id), col(Account.name)).where(col(Account.id).in_(people))).all()
    )
    return [
        LogEntry(
            event.at,
            event.action,
            names[event.actor_id] if event.actor_id else None,
            names[uuid.UUID(event.subject_id.rpartition("/")[2])],
            event.detail,
        )
        for event in events
    ]


def _of(campaign: Campaign) -> tuple[Any, ...]:
    return col(AuditEvent.subject_type) == SUBJECT, col(AuditEvent.subject_id).startswith(f"{campaign.id}/")
