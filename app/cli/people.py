"""`terroir admin create` and `terroir token`."""

from typing import Annotated

import typer

from app.accounts import service
from app.accounts.models import Role
from app.cli.common import JsonFlag, installation, say, say_json
from app.db import transaction
from app.errors import Conflict

admin_cli = typer.Typer(help="Administrators.", no_args_is_help=True)


def register(cli: typer.Typer) -> None:
    cli.add_typer(admin_cli, name="admin")
    cli.command("token")(token)


@admin_cli.command("create")
def create_admin(
    email: Annotated[str, typer.Option(help="Their address.", prompt="E-mail")],
    name: Annotated[str | None, typer.Option(help="Their name.")] = None,
    password: Annotated[
        str | None, typer.Option(help="Asked for when not given.", envvar="TERROIR_ADMIN_PASSWORD")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Make an admin's account: the first one is made here, the others by invitation."""
    if password is None:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    with installation() as (_, engine), transaction(engine) as session:
        account = service.open_account(session, email, Role.ADMIN, name=name, password=password)
    if json:
        say_json({"user": account.email, "name": account.name, "role": account.role.value})
    else:
        say(f"{account.email} is an admin now.")


def token(
    user: Annotated[str, typer.Option(help="Whose token: their e-mail address.")],
    role: Annotated[Role | None, typer.Option(help="Role of a new user; annotator when not given.")] = None,
    days: Annotated[int, typer.Option(help="How long it lasts.", min=1, max=service.MAX_TOKEN_DAYS)] = 30,
    json: JsonFlag = False,
) -> None:
    """Print an API token, once; the user is created if new."""
    with installation() as (_, engine), transaction(engine) as session:
        account = service.find(session, user)
        if account is None:
            account = service.open_account(session, user, role or Role.ANNOTATOR)
        elif role is not None and account.role is not role:
            raise Conflict(f"{account.email} is {account.role.value} already, not {role.value}; leave --role out.")
        elif not account.is_active:
            raise Conflict(f"The account {account.email} is closed; an admin can open it again under People.")
        issued = service.issue_token(session, account, days=days, label="command line")
    if json:
        say_json({"token": issued.secret, "user": account.email, "role": account.role.value, "days": days})
    else:
        say(issued.secret)
