"""What the worker does for releases."""

import uuid
from typing import Any

from app.jobs import JobContext, handles
from app.releases.publish import build_release
from app.releases.service import BUILD_JOB
from app.storage import storage_for


@handles(BUILD_JOB)
def build(context: JobContext) -> dict[str, Any]:
    release_id = uuid.UUID(context.job.arguments["release_id"])
    release = build_release(
        context.engine, context.settings, storage_for(context.settings), release_id, context.progress
    )
    return {"version": release.version, "manifest_sha256": release.manifest_sha256}
