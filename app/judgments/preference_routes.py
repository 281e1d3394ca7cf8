"""The page on which an annotator chooses keys, and how many images are kept ready."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.accounts.access import Annotator
from app.accounts.models import Account
from app.errors import Invalid, Sentence
from app.judgments import preferences
from app.web.forms import PostedForm
from app.web.render import local_path, redirect, render
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)


@router.get("/account/judging", name="judgments:preferences")
def preferences_page(request: Request, account: Annotator, back: str = "/judge") -> Response:
    return _page(request, account, preferences.keys_of(account), back=back)


@router.post("/account/judging", name="judgments:choose")
def choose(request: Request, form: PostedForm, session: SessionDep, account: Annotator) -> Response:
    """Saves the form as it is; `reset` makes the keys the usual ones again."""
    back = local_path(str(form.get("back", "")), "/judge")
    chosen = {name: value for name, value in account.preferences.items() if name not in ("keys", "many_ready")}
    if form.get("many_ready") == "true":
        chosen["many_ready"] = True
    if form.get("action") != "reset":
        sent = {action: str(form.get(f"key.{action}", "")) for action in preferences.ACTIONS}
        try:
            keys = preferences.checked_keys(sent)
        except Invalid as error:
            return _page(request, account, sent, back=back, errors=error.fields, status=error.status)
        if keys != preferences.ACTIONS:
            chosen["keys"] = keys
    account.preferences = chosen
    session.add(account)
    usual, saved = Sentence("Your keys are the usual ones again."), Sentence("Saved; it holds from now on.")
    return redirect(request, "judgments:preferences", flash=("done", usual if form.get("action") == "reset" else saved))


def _page(
    request: Request,
    account: Account,
    keys: Mapping[str, str],
    *,
    back: str,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    return render(
        request,
        "judgments/preferences.html",
        status=status,
        title=Sentence("How you judge"),
        keys=keys,
        words=preferences.ACTION_WORDS,
        usual=preferences.ACTIONS,
        errors=errors or {},
        is_many_ready=preferences.ready_of(account) == preferences.READY_MANY,
        many=preferences.READY_MANY,
        back=local_path(back, "/judge"),
    )
