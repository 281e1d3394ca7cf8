"""The worker's imports: what an admin uploaded is unpacked, read like any folder, and thrown away."""

import shutil
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlmodel import Session

from app import jobs
from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.db import transaction
from app.errors import Invalid, TerroirError
from app.items.archives import unpack
from app.items.importing import await_imports, import_items
from app.items.tables import SUFFIXES
from app.jobs import Job, JobContext, handles
from app.storage import Storage, StorageError, storage_for
from app.storage.base import checked_key

UPLOADS: Final = "uploads"
KIND: Final = "items.import"
MOST_ERRORS_SHOWN: Final = 1000


def upload_key(name: str) -> str:
    """Where an uploaded file is kept until its import is done; `name` only gives the ending."""
    suffix = Path(name).suffix.lower()
    if suffix not in (*SUFFIXES, ".zip"):
        raise Invalid("Upload a .csv, .jsonl or .parquet table, and a .zip of its images or of the whole folder.")
    return f"{UPLOADS}/{uuid.uuid4().hex}{suffix}"


def start_import(
    session: Session,
    account: Account,
    *,
    slug: str,
    policy: str | None,
    dry_run: bool,
    uploads: list[dict[str, str]],
) -> Job:
    """Queue an import of stored uploads, each `{"key", "name"}`: tables, archives of images, archives of both.

    Raises Invalid for what can be told at once: an impossible slug or policy.
    """
    campaigns.check_slug(slug)
    if policy is not None:
        campaigns.parse_policy(policy)
    title = f"{'Check' if dry_run else 'Import'} {', '.join(upload['name'] for upload in uploads)}"
    return jobs.start(
        session, KIND, title=title[:200], account_id=account.id,
        slug=slug, policy=policy, dry_run=dry_run, uploads=uploads,
    )  # fmt: skip


@handles(KIND)
def run_import(context: JobContext) -> dict[str, Any]:
    """The report of `import_items`; its errors are cut at MOST_ERRORS_SHOWN, with `n_errors` saying how many there are.

    A worker that dies leaves the uploads for the next try; an import that ran, or can never run, removes them.
    """
    arguments = context.job.arguments
    storage = storage_for(context.settings)
    try:
        with tempfile.TemporaryDirectory(prefix="terroir-import-") as folder:
            paths = _fetch(storage, arguments["uploads"], Path(folder))
            with transaction(context.engine) as session:
                await_imports(session)
                report = import_items(
                    session,
                    storage,
                    paths,
                    arguments["slug"],
                    policy=arguments["policy"],
                    dry_run=arguments["dry_run"],
                    account_id=context.job.account_id,
                    progress=context.progress,
                )
    except TerroirError:
        _discard(storage, arguments["uploads"])
        raise
    _discard(storage, arguments["uploads"])
    document = report.as_json()
    return document | {"errors": document["errors"][:MOST_ERRORS_SHOWN], "n_errors": len(report.errors)}


def _fetch(storage: Storage, uploads: list[dict[str, str]], folder: Path) -> list[Path]:
    """Unpacks the uploads into `folder` and finds what to import: CultureMix folders, and tables outside them."""
    for upload in uploads:
        with storage.open(upload["key"]) as source:
            if upload["key"].endswith(".zip"):
                # A ZIP is read from its end, which a stream from a bucket can't do.
                with tempfile.TemporaryFile() as archive:
                    shutil.copyfileobj(source, archive)
                    unpack(archive, folder, upload["name"])
            else:
                try:
                    with (folder / checked_key(upload["name"])).open("xb") as target:
                        shutil.copyfileobj(source, target)
                except OSError as error:
                    raise Invalid(f"{upload['name']} can't be used under this name ({error.strerror}).") from None
    layouts = sorted({table.parent.parent for table in folder.rglob("metadata/*.csv")})
    tables = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in SUFFIXES)
    loose = [path for path in tables if not any(path.is_relative_to(layout) for layout in layouts)]
    if not layouts and not loose:
        raise Invalid("There is no table in what was uploaded: add a .csv, .jsonl or .parquet file, or metadata/*.csv.")
    return [*layouts, *loose]


def _discard(storage: Storage, uploads: list[dict[str, str]]) -> None:
    with suppress(StorageError):
        for upload in uploads:
            storage.delete(upload["key"])
