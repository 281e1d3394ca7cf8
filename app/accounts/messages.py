"""Messages: what an admin writes to one annotator or to all of them, and who has read it."""

import uuid
from collections.abc import Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.accounts.models import Account, Message, MessageRead, Role
from app.accounts.service import record
from app.db import UNSTORABLE, now
from app.errors import Invalid, NotFound, Sentence

MAX_TEXT: Final = 2000
PAGE: Final = 50


def send(
    session: Session, admin: Account, text: str, *, to: uuid.UUID | None = None, campaign_id: uuid.UUID | None = None
) -> Message:
    """To one annotator, or to every one of them where `to` is None. `text`: 1 to 2,000 characters. Raises Invalid."""
    clean = text.strip().replace("\r\n", "\n")
    faults: dict[str, str] = {}
    if not clean:
        faults["text"] = "Write what you want to say."
    elif len(clean) > MAX_TEXT:
        faults["text"] = f"At most {MAX_TEXT:,} characters, please; this has {len(clean):,}."
    elif UNSTORABLE.search(clean):
        faults["text"] = "This text holds characters that can't be stored; please type it again."
    if to is not None:
        reader = session.get(Account, to)
        if reader is None or reader.role is not Role.ANNOTATOR or not reader.is_active:
            faults["to"] = "Choose an annotator whose account is open, or all of them."
    if faults:
        raise Invalid(next(iter(faults.values())), fields=faults)
    message = Message(from_id=admin.id, to_id=to, campaign_id=campaign_id, text=clean)
    session.add(message)
    session.flush()
    record(session, admin, "message.sent", "message", message.id, to=str(to) if to else "all annotators")
    return message


class Received(NamedTuple):
    message: Message
    sender: str
    is_read: bool


def received(session: Session, reader: Account, *, only_unread: bool = False, limit: int = PAGE) -> list[Received]:
    """The newest first. What was written to all before somebody joined isn't theirs."""
    read = sa.exists().where(col(MessageRead.message_id) == col(Message.id), col(MessageRead.account_id) == reader.id)
    query = (
        select(Message, Account.name, read)
        .join(Account, col(Account.id) == col(Message.from_id))
        .where(_is_for(reader))
        .order_by(col(Message.created_at).desc(), col(Message.id))
        .limit(limit)
    )
    if only_unread:
        query = query.where(~read)
    return [Received(*row) for row in session.exec(query)]


def mark_read(session: Session, reader: Account, message_id: uuid.UUID) -> None:
    """Once and for all. Raises NotFound for what wasn't written to this person."""
    if session.exec(select(Message.id).where(Message.id == message_id, _is_for(reader))).first() is None:
        raise NotFound(Sentence("There is no such message to you."))
    row = {"message_id": message_id, "account_id": reader.id, "read_at": now()}
    session.execute(insert(MessageRead).values(row).on_conflict_do_nothing())


def _is_for(reader: Account) -> sa.ColumnElement[bool]:
    to_all = sa.and_(col(Message.to_id).is_(None), col(Message.created_at) >= reader.created_at)
    return sa.or_(col(Message.to_id) == reader.id, to_all)


class Sent(NamedTuple):
    """`to` is None for a message to all, which is then `n_to` annotators' to read; `n_read` of them have."""

    message: Message
    sender: str
    to: str | None
    n_to: int
    n_read: int


_SENT: Final = sa.text(
    """
    SELECT message.id, sender.name AS sender, reader.name AS to,
           (SELECT count(*) FROM message_read WHERE message_id = message.id) AS n_read,
           CASE WHEN message.to_id IS NOT NULL THEN 1 ELSE
               (SELECT count(*) FROM account WHERE role = 'annotator' AND created_at <= message.created_at
                  AND (is_active AND NOT is_simulated OR EXISTS (
                      SELECT FROM message_read WHERE message_id = message.id AND account_id = account.id)))
           END AS n_to
    FROM message JOIN account AS sender ON sender.id = message.from_id
    LEFT JOIN account AS reader ON reader.id = message.to_id
    ORDER BY message.created_at DESC, message.id LIMIT :limit
    """
)


def sent(session: Session, limit: int = PAGE) -> list[Sent]:
    """Every admin's, the newest first."""
    rows = session.execute(_SENT, {"limit": limit}).all()
    found = {
        message.id: message
        for message in session.exec(select(Message).where(col(Message.id).in_([row.id for row in rows])))
    }
    return [Sent(found[row.id], row.sender, row.to, int(row.n_to), int(row.n_read)) for row in rows]


def readers(session: Session) -> Sequence[Account]:
    """Whom one can write to, by name: people with an open account."""
    return session.exec(
        select(Account)
        .where(Account.role == Role.ANNOTATOR, col(Account.is_active), ~col(Account.is_simulated))
        .order_by(col(Account.name), col(Account.email))
    ).all()
