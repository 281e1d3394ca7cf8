"""Who may ask for what: every route, every role, and nobody at all."""

import uuid
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from sqlmodel import Session

from app.accounts.models import Role
from app.main import ROOMS
from tests.conftest import SignIn
from tests.factories import make_account

ANYONE = None
EVERYBODY = frozenset(Role)
ANNOTATORS = frozenset({Role.ANNOTATOR})
ADMINS = frozenset({Role.ADMIN})
RESEARCHERS = frozenset({Role.RESEARCHER, Role.ADMIN})

MAY: dict[tuple[str, str], frozenset[Role] | None] = {
    ("GET", "/healthz"): ANYONE,
    ("GET", "/readyz"): ANYONE,
    ("GET", "/"): EVERYBODY,
    ("GET", "/patterns"): EVERYBODY,
    ("GET", "/metrics"): ADMINS,
    ("GET", "/sign-in"): ANYONE,
    ("POST", "/sign-in"): ANYONE,
    ("GET", "/sign-in/link/{link}"): ANYONE,
    ("POST", "/sign-out"): ANYONE,
    ("POST", "/language"): ANYONE,
    ("POST", "/sign-out-everywhere"): EVERYBODY,
    ("GET", "/account"): EVERYBODY,
    ("POST", "/account/countries"): ANNOTATORS,
    ("POST", "/account/countries/{country}/remove"): ANNOTATORS,
    ("POST", "/account/password"): EVERYBODY,
    ("POST", "/account/tokens"): EVERYBODY,
    ("POST", "/account/tokens/{token_id}/revoke"): EVERYBODY,
    ("GET", "/invites/{secret}"): ANYONE,
    ("POST", "/invites/{secret}"): ANYONE,
    ("GET", "/people"): ADMINS,
    ("POST", "/people/invites"): ADMINS,
    ("POST", "/people/invites/{invite_id}/revoke"): ADMINS,
    ("POST", "/people/{account_id}/active"): ADMINS,
    ("POST", "/people/{account_id}/reset"): ADMINS,
    ("GET", "/images/{sha256}/{size}"): EVERYBODY,
    ("GET", "/campaigns/{slug}/import"): ADMINS,
    ("POST", "/campaigns/{slug}/import"): ADMINS,
    ("GET", "/judge"): ANNOTATORS,
    ("GET", "/judge/{slug}"): ANNOTATORS,
    ("POST", "/judge/{slug}"): ANNOTATORS,
    ("GET", "/judge/{slug}/claims/{claim_id}"): ANNOTATORS,
    ("POST", "/judge/{slug}/cards"): ANNOTATORS,
    ("POST", "/judge/{slug}/heartbeat"): ANNOTATORS,
    ("POST", "/judge/{slug}/leave"): ANNOTATORS,
    ("GET", "/account/judging"): ANNOTATORS,
    ("POST", "/account/judging"): ANNOTATORS,
    ("POST", "/api/v1/campaigns/{slug}/claims"): ANNOTATORS,
    ("PUT", "/api/v1/claims/{claim_id}/judgment"): ANNOTATORS,
    ("POST", "/api/v1/claims/{claim_id}/heartbeat"): ANNOTATORS,
    ("DELETE", "/api/v1/claims/{claim_id}"): ANNOTATORS,
    ("GET", "/campaigns"): RESEARCHERS,
    ("GET", "/campaigns/{slug}"): RESEARCHERS,
    ("POST", "/campaigns/{slug}/status"): ADMINS,
    ("GET", "/campaigns/{slug}/watch"): ADMINS,
    ("GET", "/campaigns/{slug}/watch/events"): ADMINS,
    ("GET", "/campaigns/{slug}/watch/{name}"): ADMINS,
    ("GET", "/campaigns/{slug}/policy"): ADMINS,
    ("POST", "/campaigns/{slug}/policy"): ADMINS,
    ("POST", "/campaigns/{slug}/policy/priority"): ADMINS,
    ("POST", "/campaigns/{slug}/policy/items-priority"): ADMINS,
    ("POST", "/campaigns/{slug}/policy/translations"): ADMINS,
    ("GET", "/campaigns/{slug}/policy/questions"): ADMINS,
    ("GET", "/campaigns/{slug}/policy/questions/{key}"): ADMINS,
    ("POST", "/campaigns/{slug}/policy/questions/{key}"): ADMINS,
    ("GET", "/api/v1/campaigns/{slug}/policy"): ADMINS,
    ("GET", "/campaigns/{slug}/agreement"): RESEARCHERS,
    ("GET", "/campaigns/{slug}/agreement.csv"): RESEARCHERS,
    ("GET", "/campaigns/{slug}/agreement/overview/{name}"): RESEARCHERS,
    ("GET", "/campaigns/{slug}/agreement/figure"): RESEARCHERS,
    ("GET", "/campaigns/{slug}/agreement/figure/{name}"): RESEARCHERS,
    ("GET", "/campaigns/{slug}/agreement/where"): RESEARCHERS,
    ("GET", "/campaigns/{slug}/agreement/where/{name}"): RESEARCHERS,
    ("GET", "/campaigns/{slug}/agreement/backgrounds"): RESEARCHERS,
    ("GET", "/campaigns/{slug}/agreement/backgrounds/{name}"): RESEARCHERS,
    ("GET", "/campaigns/{slug}/agreement/insiders"): RESEARCHERS,
    ("GET", "/campaigns/{slug}/agreement/insiders/{name}"): RESEARCHERS,
    ("GET", "/campaigns/{slug}/agreement/people"): ADMINS,
    ("POST", "/campaigns/{slug}/agreement/people/fit"): ADMINS,
    ("GET", "/campaigns/{slug}/agreement/people/{stem}.{ending}"): ADMINS,
    ("GET", "/campaigns/{slug}/agreement/people/{account_id}"): ADMINS,
    ("GET", "/campaigns/{slug}/agreement/people/{account_id}/{name}"): ADMINS,
    ("GET", "/campaigns/{slug}/agreement/pairs"): ADMINS,
    ("GET", "/campaigns/{slug}/agreement/pairs/{name}"): ADMINS,
    ("GET", "/campaigns/{slug}/agreement/pairs/{a}/{b}"): ADMINS,
    ("GET", "/campaigns/{slug}/agreement/pairs/{a}/{b}/{name}"): ADMINS,
    ("GET", "/campaigns/{slug}/agreement/map"): ADMINS,
    ("GET", "/campaigns/{slug}/agreement/map/{name}"): ADMINS,
    ("GET", "/campaigns/{slug}/agreement/items"): ADMINS,
    ("GET", "/campaigns/{slug}/agreement/items/{name}"): ADMINS,
    ("GET", "/campaigns/{slug}/items"): ADMINS,
    ("GET", "/campaigns/{slug}/queue.csv"): ADMINS,
    ("GET", "/campaigns/{slug}/queue"): ADMINS,
    ("GET", "/campaigns/{slug}/disputed"): ADMINS,
    ("GET", "/campaigns/{slug}/items/{item_id}"): ADMINS,
    ("POST", "/campaigns/{slug}/items/{item_id}/settle"): ADMINS,
    ("POST", "/campaigns/{slug}/items/{item_id}/undo"): ADMINS,
    ("POST", "/campaigns/{slug}/appeals/{appeal_id}/uphold"): ADMINS,
    ("GET", "/campaigns/{slug}/gold"): ADMINS,
    ("GET", "/campaigns/{slug}/gold.csv"): ADMINS,
    ("GET", "/campaigns/{slug}/gold/{item_id}"): ADMINS,
    ("POST", "/campaigns/{slug}/gold/{item_id}"): ADMINS,
    ("POST", "/campaigns/{slug}/gold/{item_id}/withdraw"): ADMINS,
    ("POST", "/campaigns/{slug}/gold/{item_id}/restore"): ADMINS,
    ("POST", "/campaigns/{slug}/gold/{item_id}/move"): ADMINS,
    ("GET", "/campaigns/{slug}/pool"): ADMINS,
    ("GET", "/campaigns/{slug}/pool.csv"): ADMINS,
    ("POST", "/campaigns/{slug}/pool/{account_id}/pause"): ADMINS,
    ("POST", "/campaigns/{slug}/pool/{account_id}/take-back"): ADMINS,
    ("GET", "/judge/{slug}/qualify"): ANNOTATORS,
    ("POST", "/judge/{slug}/qualify"): ANNOTATORS,
    ("GET", "/judge/{slug}/qualify/{exam_id}"): ANNOTATORS,
    ("POST", "/judge/{slug}/qualify/{exam_id}"): ANNOTATORS,
    ("GET", "/work"): ANNOTATORS,
    ("GET", "/work/files/{name}"): ANNOTATORS,
    ("POST", "/work/appeals/{item_id}"): ANNOTATORS,
    ("GET", "/messages"): frozenset({Role.ANNOTATOR, Role.ADMIN}),
    ("POST", "/messages"): ADMINS,
    ("POST", "/messages/{message_id}/read"): ANNOTATORS,
    ("GET", "/campaigns/{slug}/pay"): ADMINS,
    ("GET", "/campaigns/{slug}/pay.csv"): ADMINS,
    ("GET", "/campaigns/{slug}/revisions"): ADMINS,
    ("GET", "/campaigns/{slug}/revisions.jsonl"): ADMINS,
    ("POST", "/campaigns/{slug}/revisions/serve"): ADMINS,
    ("POST", "/campaigns/{slug}/revisions/{request_id}/drop"): ADMINS,
    ("POST", "/campaigns/{slug}/revisions/{request_id}/reopen"): ADMINS,
    ("GET", "/campaigns/{slug}/revisions/yield"): ADMINS,
    ("GET", "/campaigns/{slug}/revisions/yield/{name}"): ADMINS,
    ("GET", "/campaigns/{slug}/items/{item_id}/made-again"): ADMINS,
    ("GET", "/api/v1/campaigns/{slug}/revision-requests"): ADMINS,
    ("GET", "/campaigns/{slug}/candidates"): ADMINS,
    ("GET", "/campaigns/{slug}/candidates/{set_id}"): ADMINS,
    ("POST", "/campaigns/{slug}/candidates/{set_id}"): ADMINS,
    ("POST", "/campaigns/{slug}/candidates/{set_id}/undo"): ADMINS,
    ("GET", "/jobs/{job_id}"): EVERYBODY,
    ("GET", "/api/v1/campaigns/{slug}"): EVERYBODY,
    ("GET", "/api/v1/campaigns/{slug}/agreement"): RESEARCHERS,
    ("GET", "/api/v1/campaigns/{slug}/items"): ADMINS,
    ("GET", "/api/v1/campaigns/{slug}/events"): RESEARCHERS,
    ("GET", "/releases"): RESEARCHERS,
    ("POST", "/releases"): ADMINS,
    ("GET", "/releases/{version}"): RESEARCHERS,
    ("GET", "/releases/{version}/row"): RESEARCHERS,
    ("GET", "/releases/{version}/models-and-people"): RESEARCHERS,
    ("GET", "/releases/{version}/models-and-people/send-back"): ADMINS,
    ("POST", "/releases/{version}/models-and-people/send-back"): ADMINS,
    ("GET", "/runs"): RESEARCHERS,
    ("POST", "/runs"): RESEARCHERS,
    ("GET", "/runs/compare"): RESEARCHERS,
    ("GET", "/runs/compare/files/{name}"): RESEARCHERS,
    ("GET", "/runs/{run_id}"): RESEARCHERS,
    ("POST", "/runs/{run_id}/pause"): RESEARCHERS,
    ("POST", "/runs/{run_id}/resume"): RESEARCHERS,
    ("POST", "/runs/{run_id}/cancel"): RESEARCHERS,
    ("POST", "/runs/{run_id}/priority"): RESEARCHERS,
    ("GET", "/runs/{run_id}/by/{by}"): RESEARCHERS,
    ("GET", "/runs/{run_id}/countries"): RESEARCHERS,
    ("GET", "/runs/{run_id}/answers"): RESEARCHERS,
    ("GET", "/runs/{run_id}/files/{name}"): RESEARCHERS,
    ("GET", "/releases/{version}/leaderboard"): RESEARCHERS,
    ("GET", "/releases/{version}/leaderboard/files/{name}"): RESEARCHERS,
    ("GET", "/api/v1/runs"): RESEARCHERS,
    ("POST", "/api/v1/runs"): RESEARCHERS,
    ("GET", "/api/v1/runs/{run_id}"): RESEARCHERS,
    ("POST", "/api/v1/runs/{run_id}/pause"): RESEARCHERS,
    ("POST", "/api/v1/runs/{run_id}/resume"): RESEARCHERS,
    ("POST", "/api/v1/runs/{run_id}/cancel"): RESEARCHERS,
    ("GET", "/api/v1/runs/{run_id}/predictions"): RESEARCHERS,
    ("GET", "/api/v1/releases"): RESEARCHERS,
    ("POST", "/api/v1/releases"): ADMINS,
    ("GET", "/api/v1/releases/{version}"): RESEARCHERS,
    ("HEAD", "/api/v1/releases/{version}/files/{path:path}"): RESEARCHERS,
    ("GET", "/api/v1/releases/{version}/files/{path:path}"): RESEARCHERS,
}
WORDS = {"{sha256}": "0" * 64, "{size}": "thumb", "{version}": "9.9.9", "{path:path}": "README.md", "{slug}": "nothing"}
SENT = {
    "/campaigns/{slug}/items/{item_id}/undo": {"adjudication": str(uuid.UUID(int=1))},
    "/people/invites": {"role": "annotator"},
    "/people/{account_id}/active": {"is_active": "true"},
    "/campaigns/{slug}/status": {"status": "open"},
    "/judge/{slug}/qualify": {"region": "Asia", "kind": "test"},
}


def routes() -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        for route in room.router.routes:
            assert isinstance(route, APIRoute)
            yield from ((method, route.path) for method in sorted(route.methods))


def address(path: str) -> str:
    for word, value in WORDS.items():
        path = path.replace(word, value)
    return "/".join(str(uuid.UUID(int=1)) if part.startswith("{") else part for part in path.split("/"))


def test_every_route_is_in_the_table() -> None:
    assert sorted(routes()) == sorted(MAY)


@pytest.mark.parametrize(("method", "path"), MAY)
def test_only_these_roles_get_past_the_door(
    session: Session, browse: SignIn, call: SignIn, method: str, path: str
) -> None:
    enter = call if path.startswith("/api/") else browse
    may = MAY[method, path]
    for role in Role:
        account = make_account(session, role)
        reply = enter(account).request(method, address(path), data=SENT.get(path))
        if may is ANYONE or role in may:
            assert reply.status_code not in (401, 403, 405, 500), (role, reply.status_code)
        else:
            assert reply.status_code == 403, (role, reply.status_code)


@pytest.mark.parametrize(("method", "path"), MAY)
def test_nobody_is_asked_to_sign_in(browse: SignIn, call: SignIn, method: str, path: str) -> None:
    is_program = path.startswith("/api/")
    reply = (call if is_program else browse)().request(method, address(path), data=SENT.get(path))
    if MAY[method, path] is ANYONE:
        assert reply.status_code not in (401, 403, 405, 500)
    elif method == "GET" and not is_program:
        assert reply.status_code == 303
        assert reply.headers["location"].startswith("/sign-in?next=")
    else:
        assert reply.status_code == 401
