"""Runs over HTTP, for programs: start, steer, look at, download (CONTRACT §7)."""

import tempfile
import uuid
from collections.abc import Iterator
from typing import IO, Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session
from starlette.responses import Response, StreamingResponse

from app.accounts.access import Researcher
from app.evaluation import runs
from app.evaluation.interchange.export import FileFormat, write_run
from app.evaluation.ledger import spent
from app.evaluation.models import Run
from app.evaluation.pages import forms
from app.evaluation.pages.forms import Wanted
from app.evaluation.pages.listing import run_page
from app.evaluation.pages.starting import start_wanted
from app.evaluation.prompts import Strategy
from app.evaluation.scoring import OVER, document_of
from app.evaluation.watching import get_run, show_run
from app.items.models import Subtask
from app.web.session import SessionDep, SettingsDep, StorageDep

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])

_MEDIA_TYPES = {"parquet": "application/vnd.apache.parquet", "jsonl": "application/jsonl"}


class StartBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    release: str = Field(max_length=64, description="A published version.")
    model: str = Field(max_length=300, description="A name of the registry; `terroir models` lists them.")
    strategy: Strategy = Strategy.BASE
    subtasks: list[Subtask] = Field(default_factory=lambda: list(Subtask), min_length=1, max_length=16)
    limit: int | None = Field(default=None, ge=1, le=forms.MAX_LIMIT, description="At most so many items.")
    slots: list[Literal[1, 2]] = Field(
        default=[1],
        min_length=1,
        max_length=2,
        description="1: the only or left food; 2: the right one.",
    )
    seed: int = Field(default=0, ge=0, le=forms.MAX_SEED)
    priority: int = Field(default=0, ge=-runs.MAX_PRIORITY, le=runs.MAX_PRIORITY)
    budget_usd: float | None = Field(default=None, gt=0, lt=1e6, description="The run ends within one chunk of it.")


class ResumeBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    budget_usd: float | None = Field(default=None, gt=0, lt=1e6, description="In place of the one it has.")


@router.get("")
def run_list(
    session: SessionDep, account: Researcher, release: str = "", cursor: str = "", limit: int = 50
) -> dict[str, Any]:
    """One page of runs, the newest first; `next_cursor` is null on the last."""
    page = run_page(session, release, cursor, limit)
    return {"runs": [one.as_json() for one in page.runs], "next_cursor": page.next_cursor}


@router.post("", status_code=202)
def start(
    body: StartBody,
    request: Request,
    response: Response,
    session: SessionDep,
    settings: SettingsDep,
    account: Researcher,
) -> dict[str, Any]:
    """Puts a run into the worker's queue; `Location` tells how far it is."""
    subset = forms.subset_of(body.subtasks, body.limit, body.slots)
    wanted = Wanted(
        body.release, body.model, body.strategy, subset, body.seed, body.priority, body.budget_usd
    )  # fmt: skip
    run = start_wanted(session, settings, wanted, account)
    response.headers["location"] = str(request.app.url_path_for("one_run", run_id=run.id))
    return show_run(session, run.id).as_json()


@router.get("/{run_id}", name="one_run")
def one_run(run_id: uuid.UUID, session: SessionDep, storage: StorageDep, account: Researcher) -> dict[str, Any]:
    """One run: progress, spec, what it has used, and once it is over the metrics document (null before)."""
    shown = show_run(session, run_id)
    run = shown.run
    used = spent(session, run_id)
    return {
        **shown.as_json(),
        "spec": run.spec,
        "provenance": run.provenance,
        "source": run.source,
        "ledger": {**used._asdict(), "prices": run.prices, "usd": used.usd(run.prices) if run.prices else None},
        "metrics": document_of(session, storage, run) if run.status in OVER else None,
    }


@router.post("/{run_id}/pause")
def pause(run_id: uuid.UUID, session: SessionDep, account: Researcher) -> dict[str, Any]:
    """The worker stops after the chunk at hand; every answer is kept."""
    return _steered(session, runs.pause(session, run_id, account))


@router.post("/{run_id}/resume")
def resume(
    run_id: uuid.UUID, session: SessionDep, account: Researcher, body: ResumeBody | None = None
) -> dict[str, Any]:
    """Queues it again; only what has no answer is asked. A run that used its budget needs a larger one."""
    budget_usd = body.budget_usd if body is not None else None
    return _steered(session, runs.resume(session, run_id, account, budget_usd=budget_usd))


@router.post("/{run_id}/cancel")
def cancel(run_id: uuid.UUID, session: SessionDep, account: Researcher) -> dict[str, Any]:
    """As pause, for good; the answers it has stay."""
    return _steered(session, runs.cancel(session, run_id, account))


@router.get(
    "/{run_id}/predictions",
    response_class=Response,
    responses={200: {"description": "The rows.", "content": {media: {} for media in _MEDIA_TYPES.values()}}},
)
def predictions(
    run_id: uuid.UUID, session: SessionDep, storage: StorageDep, account: Researcher,
    format: Literal["parquet", "jsonl"] | None = None,  # noqa: A002  (its name in the address)
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:  # fmt: skip
    """Every prediction of the run, a row each: JSON Lines, unless `format` or else `Accept` names Parquet."""
    form = FileFormat(format or ("parquet" if _MEDIA_TYPES["parquet"] in accept else "jsonl"))
    run = get_run(session, run_id)
    file = tempfile.TemporaryFile()  # noqa: SIM115  (it is closed once it was sent)
    try:
        write_run(session, storage, run, form, file)
        size = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return StreamingResponse(
        _content(file),
        media_type=_MEDIA_TYPES[form],
        headers={
            "content-disposition": f'attachment; filename="run-{run_id}.{form}"',
            "vary": "Accept",
            "content-length": str(size),
            "x-spec-sha256": run.spec_sha256 or "",
        },
    )


def _content(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(2**18):
            yield chunk


def _steered(session: Session, run: Run) -> dict[str, Any]:
    session.flush()
    return show_run(session, run.id).as_json()
