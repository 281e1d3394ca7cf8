"""Releases over HTTP, for programs: list, build, look at, download (CONTRACT §6)."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.accounts.access import Admin, Researcher
from app.releases import downloads, service
from app.releases.service import Shown
from app.web.session import SessionDep, StorageDep

router = APIRouter(prefix="/api/v1/releases", tags=["releases"])


class BuildBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    campaign: str = Field(max_length=64, description="The campaign's slug.")
    version: str = Field(max_length=64, description="Three numbers, e.g. 1.0.0.")
    splits: dict[str, float] = Field(
        default={"test": 1.0}, description="Share of the items by split; they add up to 1. Families are never divided."
    )
    seed: int = Field(default=0, description="Places families in splits.")
    allow_simulated: bool = Field(default=False, description="Whether judgments of simulated annotators may go in.")


@router.get("")
def releases(session: SessionDep, account: Researcher) -> dict[str, Any]:
    """Every release, the newest first."""
    return {"releases": [as_json(shown) for shown in service.list_releases(session)]}


@router.post("", status_code=202)
def build(body: BuildBody, request: Request, response: Response, session: SessionDep, account: Admin) -> dict[str, Any]:
    """Asks the worker to freeze the campaign's approved items; `Location` tells how far it is."""
    release = service.queue_release(
        session, body.campaign, body.version,
        splits=body.splits, seed=body.seed, allow_simulated=body.allow_simulated, account_id=account.id,
    )  # fmt: skip
    response.headers["location"] = str(request.app.url_path_for("release", version=release.version))
    return as_json(service.show(session, release.version))


@router.get("/{version}")
def release(version: str, session: SessionDep, account: Researcher) -> dict[str, Any]:
    """One release: how its building goes, then what it holds. Its files are listed in `files/manifest.json`."""
    return as_json(service.show(session, version))


@router.get(
    "/{version}/files/{path:path}",
    response_class=Response,
    responses={
        200: {"description": "The file.", "content": {"application/octet-stream": {}}},
        206: {"description": "The part that `Range` asks for."},
        304: {"description": "The client has it: `If-None-Match` names its SHA-256."},
        416: {"description": "The range begins behind the file's end."},
    },
)
@router.head("/{version}/files/{path:path}", include_in_schema=False)
def file(
    version: str, path: str, request: Request, session: SessionDep, storage: StorageDep, account: Researcher
) -> Response:
    """One file of a published release; `Range` goes on where a download broke off."""
    found = service.file_for(session, storage, version, path)
    return downloads.answer(found, storage, request.method, request.headers)


def as_json(shown: Shown) -> dict[str, Any]:
    release, campaign, job = shown
    return {
        "version": release.version,
        "campaign": campaign.slug,
        "status": shown.status.value,
        "splits": release.splits,
        "seed": release.seed,
        "includes_simulated": release.includes_simulated,
        "manifest_sha256": release.manifest_sha256,
        "counts": release.counts,
        "created_at": release.created_at.isoformat(),
        "published_at": release.published_at.isoformat() if release.published_at else None,
        "job": {"status": job.status.value, "done": job.done, "total": job.total, "error": job.error} if job else None,
    }
