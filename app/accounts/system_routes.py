"""The start page, the metrics and the page of components: what depends on who is asking but on no other room."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.accounts.access import SignedIn, look_up
from app.accounts.models import Role
from app.errors import NotSignedIn
from app.web.render import redirect, render
from app.web.session import SessionDep, SettingsDep
from app.web.static import static
from app.web.system import may_read_metrics, metrics_response

router = APIRouter(include_in_schema=False)
HOME = {Role.ANNOTATOR: "judgments:start", Role.ADMIN: "adjudication:campaigns", Role.RESEARCHER: "releases:index"}


@router.get("/", name="home")
def home(request: Request, account: SignedIn) -> Response:
    return redirect(request, HOME[account.role])


@router.get("/patterns", name="patterns")
def patterns(request: Request, account: SignedIn) -> Response:
    return render(request, "patterns.html", title="Patterns", images=[static("logo.svg")] * 3)


@router.get("/metrics")
def metrics(request: Request, session: SessionDep, settings: SettingsDep) -> Response:
    try:
        account = look_up(request, session)
    except NotSignedIn:  # the operator's token is no account's
        account = None
    may_read_metrics(request, settings, account.role.value if account else None)
    return metrics_response(session)
