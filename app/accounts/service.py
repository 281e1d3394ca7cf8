"""People: inviting, signing in, tokens, signing out everywhere."""

import re
import unicodedata
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app import geography
from app.accounts.models import Account, AuditEvent, Invite, KnownCountry, Role, Token
from app.accounts.passwords import hash_password, new_secret, password_matches, secret_hash
from app.db import UNSTORABLE, now
from app.errors import Conflict, Gone, Invalid, NotFound, NotSignedIn, Sentence

MAX_NOTE = 2000
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
INVITE_DAYS = 7
MAX_TOKEN_DAYS = 3650


class WrongPassword(NotSignedIn):
    title = Sentence("Sign-in failed")


def record(session: Session, actor: Account | None, action: str, subject: str, id_: object, **detail: Any) -> None:
    """Adds to the audit log, in the same transaction as what it tells of."""
    session.add(
        AuditEvent(
            actor_id=actor.id if actor else None,
            action=action,
            subject_type=subject,
            subject_id=str(id_),
            detail=detail,
        )
    )


def clean_email(text: str) -> str:
    email = unicodedata.normalize("NFKC", text).strip().lower()
    if EMAIL.fullmatch(email) is None or not email.isprintable():
        raise Invalid(
            Sentence("“{text}” is no e-mail address.", text=text[:80]),
            fields={"email": Sentence("Write an address like ana@example.org.")},
        )
    return email


def clean_name(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise Invalid(
            Sentence("The name needs 1 to 100 printable characters."),
            fields={"name": Sentence("Use 1 to 100 characters.")},
        )
    return name


def clean_text(text: str, *, field: str = "note", wanted: str | None = None) -> str:
    """What a person says in free words, without space around it. Raises Invalid, tied to `field`.

    `wanted` is the sentence for saying nothing; without it nothing need be said.
    """
    clean = text.strip()
    fault = None
    if not clean:
        fault = wanted
    elif len(clean) > MAX_NOTE:
        fault = Sentence("At most {most} characters, please; this has {n}.", most=MAX_NOTE, n=len(clean))
    elif UNSTORABLE.search(clean):
        fault = Sentence("This text holds characters that can't be stored; please type it again.")
    if fault:
        raise Invalid(fault, fields={field: fault})
    return clean


def find(session: Session, email: str) -> Account | None:
    return session.exec(select(Account).where(Account.email == clean_email(email))).first()


def open_account(
    session: Session,
    email: str,
    role: Role,
    *,
    name: str | None = None,
    password: str | None = None,
    is_simulated: bool = False,
    actor: Account | None = None,
) -> Account:
    """Raises Conflict when the address has an account already."""
    email = clean_email(email)
    if find(session, email) is not None:
        raise Conflict(
            Sentence("{email} has an account already.", email=email),
            fields={"email": Sentence("Has an account already.")},
        )
    account = Account(
        email=email,
        name=clean_name(name if name is not None else email.split("@")[0]),
        role=role,
        password_hash=hash_password(password) if password is not None else None,
        is_simulated=is_simulated,
    )
    session.add(account)
    session.flush()
    record(session, actor, "account.opened", "account", account.id, role=role.value, is_simulated=is_simulated)
    return account


def sign_in(session: Session, email: str, password: str) -> Account:
    """Raises WrongPassword with the same words and after the same time whatever was wrong."""
    try:
        account = find(session, email)
    except Invalid:
        account = None
    usable = account is not None and account.is_active
    if not password_matches(password, account.password_hash if account and usable else None):
        raise WrongPassword(Sentence("The e-mail address or the password is wrong."))
    assert account is not None
    record(session, account, "session.opened", "account", account.id)
    return account


def change_password(session: Session, account: Account, current: str, new: str) -> None:
    """Other sessions end with it: whoever knew the old password is out."""
    if account.password_hash is not None and not password_matches(current, account.password_hash):
        raise Invalid(
            Sentence("The current password is wrong."),
            fields={"current": Sentence("This is not your current password.")},
        )
    account.password_hash = hash_password(new)
    sign_out_everywhere(session, account)
    record(session, account, "password.changed", "account", account.id)


def sign_out_everywhere(session: Session, account: Account) -> None:
    account.session_epoch += 1
    session.add(account)
    record(session, account, "session.closed_everywhere", "account", account.id)


def set_active(session: Session, admin: Account, account_id: uuid.UUID, is_active: bool) -> Account:
    account = session.get(Account, account_id)
    if account is None:
        raise NotFound("There is no such account.")
    if account.id == admin.id:
        raise Conflict("You can't close your own account; ask another admin.")
    account.is_active = is_active
    account.session_epoch += 1
    session.add(account)
    record(session, admin, "account.opened_again" if is_active else "account.closed", "account", account.id)
    return account


def reset_password(session: Session, admin: Account, account_id: uuid.UUID) -> Account:
    """Takes a person's password away and ends their sessions; the admin gives them a sign-in link to set a new one."""
    account = session.get(Account, account_id)
    if account is None or not account.is_active:
        raise NotFound("There is no such open account.")
    account.password_hash = None
    account.session_epoch += 1
    session.add(account)
    record(session, admin, "password.reset", "account", account.id)
    return account


def known_countries(session: Session, account: Account) -> list[str]:
    """Codes of the countries whose food this person says to know, in the order of their names."""
    found = set(session.exec(select(KnownCountry.country).where(KnownCountry.account_id == account.id)))
    return [code for code in geography.every_country() if code in found]


def know_country(session: Session, account: Account, name: str) -> str:
    """Notes that the person knows a country's food, and returns its code; a second time changes nothing.

    Raises Invalid for a name that is no country's, or several countries'.
    """
    try:
        code = geography.resolve(name)
    except Invalid as error:
        raise Invalid(error.message, fields={"country": error.message}) from error
    _let_judgments_wait(session, account)
    added = insert(KnownCountry).values(account_id=account.id, country=code, is_tested=False).on_conflict_do_nothing()
    if session.execute(added.returning(col(KnownCountry.country))).scalar_one_or_none() is not None:
        record(session, account, "known_country.added", "account", account.id, country=code)
    return code


def forget_country(session: Session, account: Account, country: str) -> str:
    """Takes it back, and returns its code; a second time changes nothing. Raises Invalid as `know_country`."""
    code = geography.resolve(country)
    _let_judgments_wait(session, account)
    known = session.get(KnownCountry, (account.id, code))
    if known is not None:
        session.delete(known)
        session.flush()
        record(session, account, "known_country.removed", "account", account.id, country=code)
    return code


def _let_judgments_wait(session: Session, account: Account) -> None:
    """The person's next judgment is kept after this transaction: one that came in between would be counted without
    what they have just said, and nothing would note it again."""
    session.execute(select(Account.id).where(Account.id == account.id).with_for_update())


class Issued(NamedTuple):
    """`secret` is shown once and never again."""

    secret: str
    id: uuid.UUID


def issue_token(session: Session, account: Account, *, days: int = 30, label: str = "") -> Issued:
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise Invalid(
            Sentence("A token lasts 1 to {most} days.", most=MAX_TOKEN_DAYS),
            fields={"days": Sentence("1 to {most}.", most=MAX_TOKEN_DAYS)},
        )
    if len(label) > 100 or not (label.isprintable() or label == ""):
        raise Invalid(
            Sentence("A token's label has at most 100 printable characters."),
            fields={"label": Sentence("At most 100.")},
        )
    secret = new_secret("trr")
    token = Token(
        account_id=account.id, label=label, token_hash=secret_hash(secret), expires_at=now() + timedelta(days=days)
    )
    session.add(token)
    session.flush()
    record(session, account, "token.issued", "token", token.id, days=days)
    return Issued(secret, token.id)


def revoke_token(session: Session, account: Account, token_id: uuid.UUID) -> None:
    token = session.get(Token, token_id)
    if token is None or token.account_id != account.id:
        raise NotFound(Sentence("There is no such token."))
    token.revoked_at = token.revoked_at or now()
    session.add(token)
    record(session, account, "token.revoked", "token", token.id)


def tokens_of(session: Session, account: Account) -> Sequence[Token]:
    return session.exec(
        select(Token)
        .where(Token.account_id == account.id, col(Token.revoked_at).is_(None))
        .order_by(col(Token.created_at))
    ).all()


# Built once: SQLAlchemy then finds its compiled form by identity, and this is asked on every request of a program.
_HOLDER = (
    select(Account)
    .join(Token, col(Token.account_id) == col(Account.id))
    .where(
        col(Token.token_hash) == sa.bindparam("hash"),
        col(Token.revoked_at).is_(None),
        col(Token.expires_at) > sa.bindparam("now"),
        col(Account.is_active),
    )
)


def account_for_token(session: Session, secret: str) -> Account | None:
    return session.exec(_HOLDER, params={"hash": secret_hash(secret), "now": now()}).first()


def invite(session: Session, admin: Account | None, role: Role, email: str | None = None) -> Issued:
    """A link for one person; only its hash is kept."""
    if email:
        email = clean_email(email)
        if find(session, email) is not None:
            raise Conflict(
                Sentence("{email} has an account already.", email=email),
                fields={"email": Sentence("Has an account already.")},
            )
    secret = new_secret("inv")
    invite = Invite(
        token_hash=secret_hash(secret),
        role=role,
        email=email or None,
        created_by=admin.id if admin else None,
        expires_at=now() + timedelta(days=INVITE_DAYS),
    )
    session.add(invite)
    session.flush()
    record(session, admin, "invite.sent", "invite", invite.id, role=role.value)
    return Issued(secret, invite.id)


def open_invite(session: Session, secret: str, *, lock: bool = False) -> Invite:
    """Raises Gone for one that is unknown, used, revoked or out of date: a guess learns nothing."""
    statement = select(Invite).where(Invite.token_hash == secret_hash(secret))
    found = session.exec(statement.with_for_update() if lock else statement).first()
    if found is None or found.accepted_at or found.revoked_at or found.expires_at <= now():
        raise Gone(Sentence("This invitation is no longer valid; ask an admin for a new one."))
    return found


def accept_invite(session: Session, secret: str, *, email: str, name: str, password: str) -> Account:
    found = open_invite(session, secret, lock=True)
    if found.email is not None and clean_email(email) != found.email:
        raise Invalid(
            Sentence("This invitation is for {email}.", email=found.email),
            fields={"email": Sentence("Use {email}.", email=found.email)},
        )
    account = open_account(session, email, found.role, name=name, password=password)
    found.accepted_at = now()
    found.accepted_by = account.id
    session.add(found)
    return account


def revoke_invite(session: Session, admin: Account, invite_id: uuid.UUID) -> None:
    found = session.get(Invite, invite_id)
    if found is None:
        raise NotFound("There is no such invitation.")
    found.revoked_at = found.revoked_at or now()
    session.add(found)
    record(session, admin, "invite.revoked", "invite", found.id)


def everyone(session: Session) -> Sequence[Account]:
    return session.exec(select(Account).order_by(col(Account.role), col(Account.email)).limit(1000)).all()


def open_invites(session: Session) -> Sequence[Invite]:
    return session.exec(
        select(Invite)
        .where(col(Invite.accepted_at).is_(None), col(Invite.revoked_at).is_(None), col(Invite.expires_at) > now())
        .order_by(col(Invite.created_at).desc())
    ).all()
