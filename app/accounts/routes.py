"""Pages of people: signing in and out, one's own account, and the admin's list of everybody."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from app import geography
from app.accounts import service
from app.accounts.access import ROLE_WORDS, Admin, Annotator, SignedIn, Visitor, keys_of
from app.accounts.models import Role
from app.accounts.throttle import sign_in_throttle
from app.errors import Gone, Sentence, TerroirError
from app.web.i18n import spoken
from app.web.render import local_path, redirect, redirect_to, render, site_address
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]


@router.get("/sign-in", name="accounts:sign_in")
def sign_in_page(request: Request, account: Visitor, next: str = "/") -> Response:  # noqa: A002  (its name in the address)
    if account is not None:
        return redirect_to(local_path(next))
    return render(
        request, "accounts/sign_in.html", title=Sentence("Sign in"), next=local_path(next), email="", error=None
    )


@router.post("/sign-in")
def sign_in(
    request: Request,
    session: SessionDep,
    email: Text = "",
    password: Text = "",
    next: Text = "/",  # noqa: A002  (its name in the address)
) -> Response:
    keys = (f"account {email.strip().lower()[:200]}", f"address {request.client.host if request.client else ''}")
    try:
        sign_in_throttle.check(*keys)
        account = service.sign_in(session, email, password)
    except TerroirError as error:
        if isinstance(error, service.WrongPassword):
            sign_in_throttle.failed(*keys)
        return render(
            request,
            "accounts/sign_in.html",
            status=422 if isinstance(error, service.WrongPassword) else error.status,
            title=Sentence("Sign in"),
            next=local_path(next),
            email=email[:200],
            error=error.message,
        )
    response = redirect_to(local_path(next))
    keys_of(request).sign_in(response, account)
    return response


@router.get("/sign-in/link/{link}", name="accounts:link")
def sign_in_by_link(request: Request, session: SessionDep, link: str) -> Response:
    account = keys_of(request).account_for_link(session, link)
    if account is None:
        raise Gone(Sentence("This sign-in link is no longer valid; sign in with your password or ask for a new link."))
    response = redirect_to("/")
    keys_of(request).sign_in(response, account)
    return response


@router.post("/sign-out", name="accounts:sign_out")
def sign_out(request: Request) -> Response:
    response = redirect(request, "accounts:sign_in", flash=("done", Sentence("You are signed out.")))
    keys_of(request).sign_out(response)
    return response


@router.post("/sign-out-everywhere", name="accounts:sign_out_everywhere")
def sign_out_everywhere(request: Request, session: SessionDep, account: SignedIn) -> Response:
    service.sign_out_everywhere(session, account)
    response = redirect(request, "accounts:sign_in", flash=("done", Sentence("You are signed out on every device.")))
    keys_of(request).sign_out(response)
    return response


@router.get("/account", name="accounts:me")
def me(request: Request, session: SessionDep, account: SignedIn) -> Response:
    return _me(request, session, account)


def _me(
    request: Request,
    session: SessionDep,
    account: SignedIn,
    *,
    fields: dict[str, str] | None = None,
    new_token: str | None = None,
    country: str = "",
    status: int = 200,
) -> Response:
    is_annotator = account.role is Role.ANNOTATOR
    names = _country_names() if is_annotator else {}
    known = service.known_countries(session, account) if is_annotator else []
    return render(
        request,
        "accounts/me.html",
        status=status,
        title=Sentence("Your account"),
        tokens=service.tokens_of(session, account),
        has_password=account.password_hash is not None,
        fields=fields or {},
        new_token=new_token,
        is_annotator=is_annotator,
        known_countries=[(code, names[code]) for code in known],
        other_countries=[name for code, name in names.items() if code not in known],
        country=country,
    )


def _country_names() -> dict[str, str]:
    """All countries, code to name, in the language of the page, in the order of their English names."""
    return {code: geography.name_of(code, spoken()) for code in geography.every_country()}


@router.post("/account/countries", name="accounts:know_country")
def know_country(request: Request, session: SessionDep, account: Annotator, country: Text = "") -> Response:
    own = {name.casefold(): code for code, name in _country_names().items()}
    try:
        code = service.know_country(session, account, own.get(country.strip().casefold(), country))
    except TerroirError as error:
        return _me(request, session, account, fields=error.fields, country=country[:100], status=error.status)
    flash = ("done", Sentence("Noted: you know the food of {country}.", country=geography.name_of(code, spoken())))
    return redirect(request, "accounts:me", flash=flash)


@router.post("/account/countries/{country}/remove", name="accounts:forget_country")
def forget_country(request: Request, session: SessionDep, account: Annotator, country: str) -> Response:
    code = service.forget_country(session, account, country)
    return redirect(
        request,
        "accounts:me",
        flash=("done", Sentence("{country} is taken off your list.", country=geography.name_of(code, spoken()))),
    )


@router.post("/account/password", name="accounts:change_password")
def change_password(
    request: Request, session: SessionDep, account: SignedIn, current: Text = "", password: Text = ""
) -> Response:
    try:
        service.change_password(session, account, current, password)
    except TerroirError as error:
        return _me(request, session, account, fields=error.fields, status=error.status)
    response = redirect(
        request, "accounts:me", flash=("done", Sentence("Your password is changed; other devices are signed out."))
    )
    keys_of(request).sign_in(response, account)
    return response


@router.post("/account/tokens", name="accounts:issue_token")
def issue_token(
    request: Request, session: SessionDep, account: SignedIn, label: Text = "", days: Annotated[int, Form()] = 30
) -> Response:
    try:
        issued = service.issue_token(session, account, days=days, label=label)
    except TerroirError as error:
        return _me(request, session, account, fields=error.fields, status=error.status)
    return _me(request, session, account, new_token=issued.secret)


@router.post("/account/tokens/{token_id}/revoke", name="accounts:revoke_token")
def revoke_token(request: Request, session: SessionDep, account: SignedIn, token_id: uuid.UUID) -> Response:
    service.revoke_token(session, account, token_id)
    return redirect(request, "accounts:me", flash=("done", Sentence("The token no longer works.")))


@router.get("/invites/{secret}", name="accounts:invite")
def invite_page(request: Request, session: SessionDep, secret: str) -> Response:
    invite = service.open_invite(session, secret)
    return _invite(request, secret, invite.role, email=invite.email or "", name="")


def _invite(
    request: Request,
    secret: str,
    role: Role,
    *,
    email: str,
    name: str,
    fields: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    return render(
        request,
        "accounts/invite.html",
        status=status,
        title=Sentence("Welcome"),
        secret=secret,
        role=ROLE_WORDS[role],
        email=email,
        name=name,
        fields=fields or {},
    )


@router.post("/invites/{secret}")
def accept_invite(
    request: Request, session: SessionDep, secret: str, email: Text = "", name: Text = "", password: Text = ""
) -> Response:
    invite = service.open_invite(session, secret)
    try:
        account = service.accept_invite(session, secret, email=email, name=name, password=password)
    except Gone:
        raise
    except TerroirError as error:
        return _invite(
            request, secret, invite.role, email=email[:200], name=name[:200], fields=error.fields, status=error.status
        )
    response = redirect_to("/", flash=("done", Sentence("Welcome, {name}.", name=account.name)))
    keys_of(request).sign_in(response, account)
    return response


@router.get("/people", name="accounts:people")
def people(request: Request, session: SessionDep, admin: Admin) -> Response:
    return _people(request, session)


def _people(
    request: Request,
    session: SessionDep,
    *,
    fields: dict[str, str] | None = None,
    email: str = "",
    invite_link: str | None = None,
    reset: tuple[str, str] | None = None,
    status: int = 200,
) -> Response:
    return render(
        request,
        "accounts/people.html",
        status=status,
        title="People",
        people=service.everyone(session),
        invites=service.open_invites(session),
        roles=list(Role),
        fields=fields or {},
        email=email,
        invite_link=invite_link,
        reset=reset,
    )


@router.post("/people/invites", name="accounts:send_invite")
def send_invite(
    request: Request, session: SessionDep, admin: Admin, role: Annotated[Role, Form()], email: Text = ""
) -> Response:
    try:
        issued = service.invite(session, admin, role, email.strip() or None)
    except TerroirError as error:
        return _people(request, session, fields=error.fields, email=email[:200], status=error.status)
    path = str(request.app.url_path_for("accounts:invite", secret=issued.secret))
    return _people(request, session, invite_link=site_address(request) + path)


@router.post("/people/{account_id}/reset", name="accounts:reset_password")
def reset_password(request: Request, session: SessionDep, admin: Admin, account_id: uuid.UUID) -> Response:
    account = service.reset_password(session, admin, account_id)
    path = str(request.app.url_path_for("accounts:link", link=keys_of(request).link_for(account)))
    return _people(request, session, reset=(account.name, site_address(request) + path))


@router.post("/people/invites/{invite_id}/revoke", name="accounts:revoke_invite")
def revoke_invite(request: Request, session: SessionDep, admin: Admin, invite_id: uuid.UUID) -> Response:
    service.revoke_invite(session, admin, invite_id)
    return redirect(request, "accounts:people", flash=("done", "The invitation is withdrawn."))


@router.post("/people/{account_id}/active", name="accounts:set_active")
def set_active(
    request: Request, session: SessionDep, admin: Admin, account_id: uuid.UUID, is_active: Annotated[bool, Form()]
) -> Response:
    account = service.set_active(session, admin, account_id, is_active)
    word = "open again" if is_active else "closed; its sessions and tokens no longer work"
    return redirect(request, "accounts:people", flash=("done", f"The account of {account.name} is {word}."))
