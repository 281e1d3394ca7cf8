"""What the worker does for evaluation."""

import uuid
from typing import Any

from app.db import transaction
from app.evaluation.models import Run, RunStatus
from app.evaluation.runs import RUN_JOB
from app.evaluation.scoring import OVER, document_of
from app.evaluation.service import perform
from app.evaluation.verdicts import verdicts_of
from app.jobs import Interrupted, JobContext, handles
from app.storage import storage_for


@handles(RUN_JOB)
def run(context: JobContext) -> dict[str, Any]:
    run_id = uuid.UUID(context.job.arguments["run_id"])
    storage = storage_for(context.settings)
    with transaction(context.engine) as session:
        run = session.get_one(Run, run_id)
    if run.job_id == context.job.id:
        run = perform(context.engine, storage, run_id, progress=context.progress, is_stopping=context.is_stopping)
    if run.job_id != context.job.id:  # it was set aside and resumed before this job took notice
        return {"run": str(run.id), "status": "left to a later job"}
    if run.status in (RunStatus.QUEUED, RunStatus.RUNNING):
        raise Interrupted
    if run.status in OVER:
        with transaction(context.engine) as session:
            document_of(session, storage, run)  # both are kept, so that no page has to wait for them
            verdicts_of(session, storage, run)
    return {"run": str(run.id), "status": run.status.value}
