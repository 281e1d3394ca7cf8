"""Runs as people steer them: asked for, paused, resumed, cancelled, moved forward."""

import uuid
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import jobs
from app.accounts.models import Account
from app.accounts.service import record
from app.db import now
from app.errors import Conflict, Invalid
from app.evaluation.engines import Setup, check, engine_class
from app.evaluation.ledger import spent
from app.evaluation.models import Prediction, Run, RunStatus
from app.evaluation.plan import Subset
from app.evaluation.prompts import Strategy
from app.evaluation.replies import State
from app.evaluation.watching import UnknownRun
from app.jobs import Job
from app.releases.models import ReleaseStatus
from app.releases.service import NotPublished, get_release

RUN_JOB = "evaluation.run"
MAX_PRIORITY = 100


class NotNow(Conflict):
    title = "The run is past that"


def start_run(
    session: Session,
    version: str,
    setup: Setup,
    *,
    model: str,
    strategy: Strategy,
    subset: Subset | None = None,
    seed: int = 0,
    priority: int = 0,
    prices: dict[str, float] | None = None,
    budget_usd: float | None = None,
    account: Account | None = None,
) -> Run:
    """A run that the worker will do, in the caller's transaction.

    Raises UnknownRelease, NotPublished, Invalid for what the engine can't do, and Conflict when the very same is under
    way.
    """
    release = get_release(session, version)
    if release.status is not ReleaseStatus.PUBLISHED:
        raise NotPublished(
            f"Release {release.version} is {release.status.value}; it can be asked about once published."
        )
    check(setup)
    _checked(priority, budget_usd)
    check_budget(budget_usd, prices)
    run = Run(
        release_id=release.id, model=model, engine=setup.engine, strategy=strategy.value, seed=seed,
        setup=setup.as_json(), subset=(subset or Subset()).as_json(), priority=priority, prices=prices or {},
        budget_usd=budget_usd, created_by=account.id if account else None,
    )  # fmt: skip
    if (same := _under_way(session, run)) is not None:
        raise Conflict(f"The very same run is under way since {same.created_at:%Y-%m-%d %H:%M} UTC; look at that one.")
    session.add(run)
    session.flush()
    _queue(session, run)
    record(session, account, "run.started", "run", run.id, model=model, strategy=strategy.value, release=version)
    return run


def _checked(priority: int, budget_usd: float | None) -> None:
    faults = {}
    if not -MAX_PRIORITY <= priority <= MAX_PRIORITY:
        faults["priority"] = f"A whole number from -{MAX_PRIORITY} to {MAX_PRIORITY}."
    if budget_usd is not None and not 0 < budget_usd < 1e6:
        faults["budget_usd"] = "An amount above 0, in US dollars; leave it empty for none."
    if faults:
        raise Invalid("Please mend what is marked.", fields=faults)


def check_budget(budget_usd: float | None, prices: Mapping[str, float] | None) -> None:
    """Refuses a budget that could never end a run. Raises Invalid."""
    if budget_usd is not None and not prices:
        raise Invalid(
            "No price is known of this model, so a budget can't stop it; give it one in TERROIR_MODELS_FILE, or leave "
            "the budget out.",
            fields={"budget_usd": "No price is known of this model: leave this empty."},
        )


def _under_way(session: Session, run: Run) -> Run | None:
    waiting = session.exec(
        select(Run).where(
            Run.release_id == run.release_id,
            Run.model == run.model,
            Run.strategy == run.strategy,
            Run.seed == run.seed,
            col(Run.is_imported).is_(False),
            col(Run.status).in_([RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED]),
        )
    )
    return next((one for one in waiting if (one.setup, one.subset) == (run.setup, run.subset)), None)


def _queue(session: Session, run: Run) -> None:
    """Where weights are loaded is another machine's work than where a server is asked."""
    loads_weights = engine_class(run.engine).capabilities.loads_weights
    job = jobs.start(
        session, RUN_JOB, title=f"{run.model}, {run.strategy}", account_id=run.created_by,
        queue="gpu" if loads_weights else "evaluation", priority=run.priority, run_id=str(run.id),
    )  # fmt: skip
    run.status, run.error, run.finished_at, run.job_id = RunStatus.QUEUED, None, None, job.id
    session.add(run)
    session.flush()


def pause(session: Session, run_id: uuid.UUID, account: Account | None = None) -> Run:
    """The worker stops between two chunks, within seconds, and keeps every answer. Raises UnknownRun and NotNow."""
    return _set_aside(session, run_id, RunStatus.PAUSED, (RunStatus.QUEUED, RunStatus.RUNNING), account)


def cancel(session: Session, run_id: uuid.UUID, account: Account | None = None) -> Run:
    """As `pause`, for good unless somebody resumes it after all; answers stay."""
    waiting = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED)
    return _set_aside(session, run_id, RunStatus.CANCELLED, waiting, account)


def _set_aside(
    session: Session, run_id: uuid.UUID, to: RunStatus, from_: Sequence[RunStatus], account: Account | None
) -> Run:
    run = _locked(session, run_id)
    if run.status not in from_:
        raise NotNow(f"This run is {run.status.value}, so it can't be {to.value}.")
    run.status, run.finished_at = to, now() if to is RunStatus.CANCELLED else None
    session.add(run)
    record(session, account, f"run.{to.value}", "run", run.id)
    return run


def resume(
    session: Session, run_id: uuid.UUID, account: Account | None = None, *, budget_usd: float | None = None
) -> Run:
    """Queues a run again: it asks what has no answer yet, the questions that failed among it. Raises UnknownRun, NotNow
    and Invalid."""
    run = _locked(session, run_id)
    if run.is_imported:
        raise NotNow("This run was imported: its answers were made elsewhere, so there is nothing to ask again.")
    if not run.setup:
        raise NotNow("This run comes from an earlier version that did not keep how it was made; start it anew.")
    if run.status is RunStatus.FINISHED and not _any_failed(session, run):
        raise NotNow("This run is finished: every question has its answer.")
    job = session.get(Job, run.job_id) if run.job_id else None
    is_left = (job is None or job.is_over) and not is_being_driven(session, run.id)
    if run.status in (RunStatus.QUEUED, RunStatus.RUNNING) and not is_left:
        raise NotNow(f"This run is {run.status.value} already.")
    if budget_usd is not None:
        _checked(run.priority, budget_usd)
        check_budget(budget_usd, run.prices)
        run.budget_usd = budget_usd
    used = spent(session, run.id).usd(run.prices)
    if run.budget_usd is not None and used >= run.budget_usd:
        raise NotNow(
            f"This run has used its budget ({used:.4f} of {run.budget_usd:.4f} USD); resume it with a larger one."
        )
    _queue(session, run)
    record(session, account, "run.resumed", "run", run.id)
    return run


def set_priority(session: Session, run_id: uuid.UUID, priority: int, account: Account | None = None) -> Run:
    """Of the waiting runs the one with the highest priority is next; one that has begun is not interrupted."""
    _checked(priority, None)
    run = _locked(session, run_id)
    run.priority = priority
    session.add(run)
    if run.job_id is not None:
        jobs.set_priority(session, run.job_id, priority)
    record(session, account, "run.priority", "run", run.id, priority=priority)
    return run


def _any_failed(session: Session, run: Run) -> bool:
    failed = select(Prediction.item_id).where(Prediction.run_id == run.id, Prediction.state == State.FAILED.value)
    return session.exec(failed.limit(1)).first() is not None


def _locked(session: Session, run_id: uuid.UUID) -> Run:
    run = session.exec(
        select(Run).where(Run.id == run_id).with_for_update().execution_options(populate_existing=True)
    ).first()
    if run is None:
        raise UnknownRun("There is no such run.")
    return run


def lock_key(run_id: uuid.UUID) -> int:
    """The advisory lock that whoever drives this run holds."""
    return int.from_bytes(run_id.bytes[:8], "big", signed=True)


def is_being_driven(session: Session, run_id: uuid.UUID) -> bool:
    free = session.execute(sa.text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": lock_key(run_id)}).scalar()
    return not free
