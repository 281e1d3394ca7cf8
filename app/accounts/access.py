"""Who is asking, and may they? Sessions are signed cookies; programs send a token."""

import uuid
from typing import Annotated, Any, Final, NamedTuple

from fastapi import Depends, Request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.models import Account, Role
from app.accounts.service import account_for_token
from app.errors import Forbidden, NotSignedIn, Sentence
from app.settings import Settings
from app.web import i18n
from app.web.session import SessionDep

COOKIE = "terroir_session"
LANGUAGE = "language"
"""Where an account's preferences keep the language of its pages."""
SESSION_SECONDS = 7 * 24 * 3600
LINK_SECONDS = 24 * 3600


def _serializer(settings: Settings, salt: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings.resolved_secret_key(), salt=salt)


ROLE_WORDS: Final = {
    Role.ANNOTATOR: Sentence("annotator"),
    Role.ADMIN: Sentence("admin"),
    Role.RESEARCHER: Sentence("researcher"),
}


class Person(NamedTuple):
    """What pages show of who is signed in."""

    name: str
    email: str
    role: Role

    @property
    def role_words(self) -> str:
        return ROLE_WORDS[self.role]


class Keys:
    """Signs and reads session cookies and sign-in links; made once per app."""

    def __init__(self, settings: Settings) -> None:
        self._session = _serializer(settings, "session")
        self._link = _serializer(settings, "sign-in link")
        self._secure = (settings.public_url or "").startswith("https://")

    def sign_in(self, response: Response, account: Account) -> None:
        response.set_cookie(
            COOKIE,
            self._session.dumps([account.id.hex, account.session_epoch]),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="lax",
            secure=self._secure,
        )

    def sign_out(self, response: Response) -> None:
        response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=self._secure)

    def link_for(self, account: Account) -> str:
        """What a sign-in link carries; it ends after a day and with every sign-out everywhere."""
        return str(self._link.dumps([account.id.hex, account.session_epoch]))

    def account_for_cookie(self, session: Session, cookie: str) -> Account | None:
        return _holder(session, self._session, cookie, SESSION_SECONDS)

    def account_for_link(self, session: Session, link: str) -> Account | None:
        return _holder(session, self._link, link, LINK_SECONDS)


def _holder(session: Session, serializer: URLSafeTimedSerializer, signed: str, seconds: int) -> Account | None:
    try:
        content: Any = serializer.loads(signed, max_age=seconds)
        account = session.get(Account, uuid.UUID(content[0]))
        epoch = content[1]
    except (BadSignature, ValueError, TypeError, LookupError, AttributeError):
        return None
    if account is None or not account.is_active or account.session_epoch != epoch:
        return None
    return account


def keys_of(request: Request) -> Keys:
    keys: Keys = request.app.state.keys
    return keys


def look_up(request: Request, session: SessionDep) -> Account | None:
    """The account behind this request, if any; pages find it as `account`."""
    account = None
    authorization = request.headers.get("authorization")
    if authorization is not None:
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() == "bearer":
            account = account_for_token(session, secret.strip())
        if account is None:
            raise NotSignedIn("The token is unknown, revoked or out of date; make a new one with `terroir token`.")
    elif cookie := request.cookies.get(COOKIE):
        account = keys_of(request).account_for_cookie(session, cookie)
    # Error pages are drawn after the rollback, when the row can't be read any more.
    request.state.account = Person(account.name, account.email, account.role) if account else None
    return account


async def signed_in(request: Request, account: Annotated[Account | None, Depends(look_up)]) -> Account:
    """`async`, so that the language holds for the whole request."""
    if account is None:
        raise NotSignedIn(Sentence("Sign in first, or send a token in the Authorization header."))
    if account.role is not Role.ANNOTATOR:
        i18n.speak(i18n.ENGLISH)
    elif "authorization" not in request.headers:
        i18n.speak(account.preferences.get(LANGUAGE))
    return account


class require:
    """`Annotated[Account, Depends(require(Role.ADMIN))]`: the signed-in account, if its role is one of these."""

    def __init__(self, *roles: Role) -> None:
        self.roles = roles

    async def __call__(self, account: Annotated[Account, Depends(signed_in)]) -> Account:
        if account.role not in self.roles:
            names = i18n.listed([i18n.translated(ROLE_WORDS[role]) for role in self.roles], "or")
            own = ROLE_WORDS[account.role]
            raise Forbidden(
                Sentence("This is for the role {names}; you are signed in as {role}.", names=names, role=own)
            )
        return account


Visitor = Annotated[Account | None, Depends(look_up)]
SignedIn = Annotated[Account, Depends(signed_in)]
Annotator = Annotated[Account, Depends(require(Role.ANNOTATOR))]
Admin = Annotated[Account, Depends(require(Role.ADMIN))]
Researcher = Annotated[Account, Depends(require(Role.RESEARCHER, Role.ADMIN))]
"""Researchers, and admins with them."""
