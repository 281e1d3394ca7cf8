"""The page of a background job, for whoever started it and for admins."""

import uuid

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import SignedIn
from app.accounts.models import Account, Role
from app.errors import NotFound
from app.jobs import Job, worker_is_alive
from app.web.render import render
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False)


@router.get("/jobs/{job_id}", name="adjudication:job")
def job_page(request: Request, session: SessionDep, account: SignedIn, job_id: uuid.UUID) -> Response:
    job = _get_for(session, account, job_id)
    return render(
        request,
        "adjudication/job.html",
        part="adjudication/_job.html",
        title=job.title,
        job=job,
        result=job.result or {},
        has_worker=job.is_over or worker_is_alive(session),
    )


def _get_for(session: Session, account: Account, job_id: uuid.UUID) -> Job:
    job = session.get(Job, job_id)
    if job is None or (account.role is not Role.ADMIN and job.account_id != account.id):
        raise NotFound("There is no such job.")
    return job
