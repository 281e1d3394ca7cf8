"""A run from its spec to its end: on the command line at once, or by the worker."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import now, transaction
from app.errors import Conflict, TerroirError
from app.evaluation.driving import Progress, answered_of, drive
from app.evaluation.engines import Setup
from app.evaluation.fleet import Fleet, NotWanted, open_fleet
from app.evaluation.models import Run, RunStatus
from app.evaluation.plan import Asked, Subset, differences, plan, spec_of, spec_sha256
from app.evaluation.prompts import Strategy
from app.evaluation.provenance import provenance
from app.evaluation.reading import ReleaseFiles, release_files
from app.evaluation.runs import check_budget, lock_key
from app.evaluation.scoring import forget_scores
from app.releases.models import Release
from app.storage import Storage

FAILURES_ALLOWED = 0.05
"""With a larger share of questions that failed, a run is incomplete: no result to compare with others."""

SET_ASIDE = (RunStatus.PAUSED, RunStatus.CANCELLED)


class AlreadyRunning(Conflict):
    title = "This run is under way"


class ChangedSince(Conflict):
    title = "This run can't go on as it began"


def evaluate(
    database: sa.Engine,
    release: Release,
    files: ReleaseFiles,
    setup: Setup,
    *,
    model: str,
    strategy: Strategy = Strategy.BASE,
    subset: Subset | None = None,
    seed: int = 0,
    prices: dict[str, float] | None = None,
    budget_usd: float | None = None,
    progress: Progress = lambda done, total: None,
) -> tuple[Run, list[Asked]]:
    """Asks, here and now, whatever this run has not been answered yet; the run as it stands then, and its whole plan.

    The run is found again by its spec. Raises NothingToAsk, AlreadyRunning, UnusableEngine and Invalid.
    """
    subset = subset or Subset()
    check_budget(budget_usd, prices)
    asked = plan(files.items(), subset, seed)
    fleet = open_fleet(setup)
    try:
        spec = spec_of(files.manifest_sha256, subset, fleet.describe(), strategy, seed)
        sha256 = spec_sha256(spec)
        with transaction(database) as session:
            run = _of_spec(session, sha256)
            if run is None:
                run = Run(
                    release_id=release.id, model=model, engine=setup.engine, strategy=strategy.value, seed=seed,
                    setup=setup.as_json(), subset=subset.as_json(), spec=spec, spec_sha256=sha256,
                )  # fmt: skip
                session.add(run)
        with _alone(database, run.id) as is_alone:
            if not is_alone:
                raise AlreadyRunning("Another process is at this very run; wait for it, or stop it first.")
            with transaction(database) as session:
                run = session.get_one(Run, run.id, with_for_update=True)
                if run.status is RunStatus.FINISHED and len(answered_of(session, run.id)) == len(asked):
                    return run, asked  # as it was, with the time at which it ended
                run.setup, run.budget_usd = setup.as_json(), budget_usd  # its server may have moved meanwhile
                run.prices = run.prices or prices or {}
                _begin(session, run, len(asked))
            return _attempt(database, files, fleet, run, asked, progress), asked
    finally:
        fleet.close()


def perform(
    database: sa.Engine,
    storage: Storage,
    run_id: uuid.UUID,
    *,
    progress: Progress = lambda done, total: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Run:
    """The worker's turn at a run that somebody asked for; the run as it stands then.

    While another process drives it, which only happens when that one was thought dead, it waits. A run that was set
    aside meanwhile is left alone. Raises whatever kept it from being asked; the run then is failed and says why.
    """
    with _patiently_alone(database, run_id, is_stopping) as run:
        if run is None or run.status in (*SET_ASIDE, RunStatus.FINISHED):
            return _get(database, run_id)
        try:
            return _perform(database, storage, run, progress, is_stopping)
        except TerroirError as error:
            _end(database, run_id, RunStatus.FAILED, error.message)
            raise
        except Exception as error:
            words = f"A fault of ours ({type(error).__name__}) stopped it; the worker's log says more."
            _end(database, run_id, RunStatus.FAILED, words)
            raise


def _perform(
    database: sa.Engine, storage: Storage, run: Run, progress: Progress, is_stopping: Callable[[], bool]
) -> Run:
    with transaction(database) as session:
        files = release_files(storage, session.get_one(Release, run.release_id))
    subset = Subset.of(run.subset)
    asked = plan(files.items(), subset, run.seed)
    fleet = open_fleet(Setup.of(run.setup))
    try:
        engine = fleet.describe(lambda: not is_stopping() and _get(database, run.id).status not in SET_ASIDE)
        spec = spec_of(files.manifest_sha256, subset, engine, Strategy(run.strategy), run.seed)
        with transaction(database) as session:
            run = session.get_one(Run, run.id, with_for_update=True)
            if run.status in SET_ASIDE or not _adopt(session, run, spec):
                return run
            _begin(session, run, len(asked))
        return _attempt(database, files, fleet, run, asked, progress, is_stopping)
    except NotWanted:
        return _get(database, run.id)
    finally:
        fleet.close()


def _adopt(session: Session, run: Run, spec: dict[str, object]) -> bool:
    """Gives a run its spec before its first question; False when an older run has that spec already. Raises
    ChangedSince when it had another."""
    sha256 = spec_sha256(spec)
    session.add(run)
    if run.spec is not None and run.spec_sha256 != sha256:
        changed = ", ".join(differences(run.spec, spec))
        raise ChangedSince(f"Not all is as it was when this run began ({changed}); start a new one.")
    if run.spec is None:
        older = _of_spec(session, sha256)
        if older is not None:
            run.status, run.finished_at = RunStatus.CANCELLED, now()
            run.error = f"The same run was made before: {older.id} has this very spec, so nothing was asked again."
            return False
        run.spec, run.spec_sha256 = spec, sha256
    session.flush()
    return True


def _begin(session: Session, run: Run, planned: int) -> None:
    """The caller holds the run's row, so that nobody keeps figures of the answers there were."""
    if len(answered_of(session, run.id)) < planned:
        forget_scores(session, run.id)
        run.provenance = provenance()
    run.status, run.error, run.planned = RunStatus.RUNNING, None, planned
    run.started_at, run.finished_at = now(), None
    session.add(run)


def _attempt(
    database: sa.Engine,
    files: ReleaseFiles,
    fleet: Fleet,
    run: Run,
    asked: Sequence[Asked],
    progress: Progress,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Run:
    try:
        ended = drive(database, files, fleet, run, asked, progress=progress, is_stopping=is_stopping)
    except KeyboardInterrupt:
        _end(database, run.id, RunStatus.PAUSED, "It was interrupted; resume it, or give the same command again.")
        raise
    except BaseException as error:
        words = error.message if isinstance(error, TerroirError) else f"It was broken off ({type(error).__name__})."
        _end(database, run.id, RunStatus.FAILED, words)
        raise
    return _end(database, run.id, ended.status, ended.error)


def _end(database: sa.Engine, run_id: uuid.UUID, status: RunStatus | None, error: str | None = None) -> Run:
    """Without a status: finished, or incomplete when more questions lack an answer than a run may. Whoever paused or
    cancelled it meanwhile has the last word."""
    with transaction(database) as session:
        run = session.exec(select(Run).where(Run.id == run_id).with_for_update()).one()
        if run.status not in (RunStatus.QUEUED, RunStatus.RUNNING):
            return run
        status = status or status_at_end(session, run)
        run.status, run.error = status, error
        is_over = status in (RunStatus.FINISHED, RunStatus.INCOMPLETE, RunStatus.FAILED)
        run.finished_at = now() if is_over else None
        session.add(run)
        return run


def status_at_end(session: Session, run: Run) -> RunStatus:
    """Of a run whose questions all had their turn, here or elsewhere."""
    missing = run.planned - len(answered_of(session, run.id))
    return RunStatus.INCOMPLETE if missing > FAILURES_ALLOWED * run.planned else RunStatus.FINISHED


def _of_spec(session: Session, sha256: str) -> Run | None:
    """Until the transaction ends nobody else can give a run this spec."""
    key = int.from_bytes(bytes.fromhex(sha256[:16]), "big", signed=True)
    session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
    return session.exec(select(Run).where(Run.spec_sha256 == sha256, col(Run.is_imported).is_(False))).first()


def _get(database: sa.Engine, run_id: uuid.UUID) -> Run:
    with transaction(database) as session:
        return session.get_one(Run, run_id)


@contextmanager
def _alone(database: sa.Engine, run_id: uuid.UUID) -> Iterator[bool]:
    """Whether no other process asks this run's questions now; a killed one's lock goes with its connection."""
    key = {"key": lock_key(run_id)}
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        is_mine = bool(connection.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), key).scalar())
        try:
            yield is_mine
        finally:
            if is_mine:
                connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), key)


@contextmanager
def _patiently_alone(database: sa.Engine, run_id: uuid.UUID, is_stopping: Callable[[], bool]) -> Iterator[Run | None]:
    while True:
        with _alone(database, run_id) as is_alone:
            run = _get(database, run_id)
            if is_alone or is_stopping():
                yield run if is_alone else None
                return
        time.sleep(1)
