"""Is it alive, is it ready, and how is it doing?"""

import secrets

import sqlalchemy as sa
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy.exc import OperationalError
from sqlmodel import Session
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.errors import Forbidden, NotSignedIn, TerroirError
from app.jobs import worker_is_alive
from app.web.session import SessionDep, SettingsDep, StorageDep

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    return PlainTextResponse("ok\n")


@router.get("/readyz")
def readyz(session: SessionDep, storage: StorageDep) -> Response:
    """200 when database, storage and worker answer; else 503 with what does not."""
    found = {"database": "ok", "storage": _storage_state(storage)}
    try:
        found["worker"] = "ok" if worker_is_alive(session) else "no worker has been heard of lately"
    except OperationalError:
        found |= {"database": "does not answer", "worker": "unknown: it is heard of through the database"}
    is_ready = all(state == "ok" for state in found.values())
    return JSONResponse(found, status_code=200 if is_ready else 503)


def _storage_state(storage: StorageDep) -> str:
    try:
        storage.check()
    except TerroirError as error:
        return error.message
    return "ok"


GAUGES = {
    "terroir_items": ("Items by status.", ("status",), "SELECT status, count(*) FROM item GROUP BY status"),
    "terroir_claims_open": ("Leases held now.", (), "SELECT count(*) FROM claim WHERE state = 'open'"),
    "terroir_claim_oldest_seconds": (
        "Age of the oldest open lease.",
        (),
        "SELECT coalesce(extract(epoch FROM now() - min(leased_at)), 0) FROM claim WHERE state = 'open'",
    ),
    "terroir_judged_last_hour": (
        "Judgments in the last hour.",
        (),
        "SELECT count(*) FROM judgment WHERE created_at > now() - interval '1 hour'",
    ),
    "terroir_jobs": ("Background jobs by status.", ("status",), "SELECT status, count(*) FROM job GROUP BY status"),
}


def metrics(session: Session) -> bytes:
    """Prometheus text: read from the database when asked, so it is the same whichever process answers."""
    registry = CollectorRegistry()
    for name, (help_, labels, query) in GAUGES.items():
        gauge = Gauge(name, help_, labels, registry=registry)
        for row in session.execute(sa.text(query)):
            *values, number = row
            (gauge.labels(*values) if labels else gauge).set(float(number))
    return generate_latest(registry)


def may_read_metrics(request: Request, settings: SettingsDep, role: str | None) -> None:
    """An admin, or a Prometheus server with the operator's token."""
    sent = request.headers.get("authorization", "").removeprefix("Bearer ")
    if settings.metrics_token and secrets.compare_digest(sent.encode(), settings.metrics_token.encode()):
        return
    if role is None:
        raise NotSignedIn("Send an admin's token, or the one set as TERROIR_METRICS_TOKEN.")
    if role != "admin":
        raise Forbidden("The metrics are for admins.")


def metrics_response(session: Session) -> Response:
    return Response(metrics(session), media_type=CONTENT_TYPE_LATEST)
