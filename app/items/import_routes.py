"""The admin's import page: tables and images come in, the worker does the rest."""

import shutil
import tempfile
import zipfile
from collections.abc import AsyncIterator, Sequence
from pathlib import PurePosixPath
from typing import Annotated, BinaryIO, Final, cast

from fastapi import APIRouter, Depends, Request
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response

from app.accounts.access import Admin
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.errors import Invalid, TerroirError
from app.items import jobs
from app.items.importing import DEFAULT_POLICY
from app.items.tables import SUFFIXES
from app.storage import Storage
from app.storage.base import checked_key
from app.web.render import redirect, render
from app.web.session import SessionDep, StorageDep

router = APIRouter(include_in_schema=False)

MAX_FILES: Final = 500
MAX_FIELDS: Final = 20
PICTURES: Final = "images.zip"
NEW: Final = "new"
"""Stands in the address for a campaign that is not there yet."""


class _Parser(MultiPartParser):
    """Every file goes to disk as it comes, so that 500 of them don't add up in memory."""

    spool_max_size = 64 * 1024


async def uploaded(request: Request, session: SessionDep, admin: Admin) -> AsyncIterator[FormData]:
    """The posted form. It depends on the admin, so that nobody else's upload is even read.

    Reading may take minutes, so the database connection goes back to the pool meanwhile.
    """
    await run_in_threadpool(session.commit)
    try:
        form = await _Parser(request.headers, request.stream(), max_files=MAX_FILES, max_fields=MAX_FIELDS).parse()
    except (MultiPartException, KeyError) as error:
        raise Invalid(
            f"The upload can't be read; send the form again, with at most {MAX_FILES} files (more go into a ZIP)."
        ) from error
    try:
        yield form
    finally:
        await form.close()


Uploaded = Annotated[FormData, Depends(uploaded, scope="function")]


@router.get("/campaigns/{slug}/import", name="items:import")
def import_page(request: Request, session: SessionDep, admin: Admin, slug: str) -> Response:
    campaign = _existing(session, slug)
    typed = {"slug": "" if slug == NEW and campaign is None else slug, "policy": DEFAULT_POLICY, "dry_run": ""}
    return _page(request, campaign, typed)


@router.post("/campaigns/{slug}/import")
def start_import(
    request: Request, session: SessionDep, storage: StorageDep, admin: Admin, slug: str, form: Uploaded
) -> Response:
    campaign = _existing(session, slug)
    typed = {name: _text(form, name).strip() for name in ("slug", "policy", "dry_run")}
    target = campaign.slug if campaign else typed["slug"]
    try:
        campaigns.check_slug(target)
        # A campaign that is there keeps its policy.
        policy = None if campaign or _existing(session, target) else typed["policy"] or DEFAULT_POLICY
        if policy is not None:
            campaigns.parse_policy(policy)
        with tempfile.TemporaryFile() as pictures:
            kept = _keep(storage, _files(form), cast(BinaryIO, pictures))
        job = jobs.start_import(
            session, admin, slug=target, policy=policy, dry_run=bool(typed["dry_run"]), uploads=kept
        )
    except Invalid as error:
        return _page(request, campaign, typed, error)
    return redirect(request, "adjudication:job", job_id=job.id)


def _existing(session: Session, slug: str) -> Campaign | None:
    try:
        return campaigns.get(session, slug)
    except campaigns.UnknownCampaign:
        return None


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _files(form: FormData) -> list[UploadFile]:
    """What was chosen; a browser sends a nameless file for an input left empty."""
    chosen = [*form.getlist("files"), *form.getlist("folder")]
    files = [
        file for file in chosen if isinstance(file, UploadFile) and file.filename and not _is_clutter(file.filename)
    ]
    if not files:
        message = "Choose a table and its images, or a ZIP or folder with both."
        raise Invalid(message, fields={"files": message})
    return files


def _is_clutter(name: str) -> bool:
    """What systems leave in folders: .DS_Store and its like."""
    return PurePosixPath(name).name.startswith(".") or PurePosixPath(name).name == "Thumbs.db"


def _keep(storage: Storage, files: Sequence[UploadFile], pictures: BinaryIO) -> list[dict[str, str]]:
    """Stores ZIPs and tables as they came; everything else is packed into one ZIP, folders and all."""
    kept: list[dict[str, str]] = []
    names: set[str] = set()
    with zipfile.ZipFile(pictures, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            name = checked_key(str(file.filename))
            if name in names:
                message = f"{name} is chosen twice; choose each file once."
                raise Invalid(message, fields={"files": message})
            names.add(name)
            suffix = PurePosixPath(name).suffix.lower()
            if suffix == ".zip" or (suffix in SUFFIXES and "/" not in name):
                kept.append(_store(storage, file.file, name))
            else:
                with archive.open(name, "w", force_zip64=True) as target:
                    shutil.copyfileobj(file.file, target)
        is_empty = not archive.namelist()
    if not is_empty:
        pictures.seek(0)
        kept.append(_store(storage, pictures, PICTURES))
    return kept


def _store(storage: Storage, file: BinaryIO, name: str) -> dict[str, str]:
    key = jobs.upload_key(name)
    storage.put(key, file, media_type="application/octet-stream")
    return {"key": key, "name": name}


def _page(
    request: Request, campaign: Campaign | None, typed: dict[str, str], error: TerroirError | None = None
) -> Response:
    return render(
        request,
        "items/import.html",
        status=error.status if error else 200,
        title=f"Import into {campaign.name}" if campaign else "New campaign",
        campaign=campaign,
        address_slug=campaign.slug if campaign else NEW,
        typed=typed,
        error=error,
        errors=error.fields if error else {},
    )
