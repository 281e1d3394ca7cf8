"""Choosing the language of the annotators' pages, signed in or not."""

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import Response

from app.accounts.access import LANGUAGE, Visitor
from app.errors import Invalid, Sentence
from app.web import i18n
from app.web.render import local_path, redirect_to
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)

YEAR_SECONDS = 365 * 24 * 3600


@router.post("/language", name="accounts:choose_language")
def choose_language(
    session: SessionDep,
    account: Visitor,
    language: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002  (its name in the form)
) -> Response:
    """It holds for the account wherever it signs in, and for this browser before somebody does."""
    if language not in i18n.LANGUAGES:
        raise Invalid(Sentence("There is no such language here; choose one of those shown."))
    if account is not None:
        account.preferences = {**account.preferences, LANGUAGE: language}
        session.add(account)
    response = redirect_to(local_path(next))
    response.set_cookie(i18n.COOKIE, language, max_age=YEAR_SECONDS, httponly=True, samesite="lax")
    return response
