"""Runs of one release beside one another: the comparison that somebody asked for, and the leaderboard."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from app.errors import Invalid
from app.evaluation.metrics.compare import compare_all
from app.evaluation.metrics.leaderboard import leaderboard
from app.evaluation.metrics.panel import Verdict
from app.evaluation.models import Run, RunStatus
from app.evaluation.plan import Subset
from app.evaluation.scoring import OVER, SCORER
from app.evaluation.verdicts import verdicts_of
from app.releases.models import Release
from app.storage import Storage
from app.web.figures.charts import MAX_SERIES

MAX_RUNS = MAX_SERIES


class LeftOut(NamedTuple):
    """A run that is not ranked, and why."""

    run: Run
    reason: str


class Choice(NamedTuple):
    run: Run
    release: Release


class Standings(NamedTuple):
    """`document` is the leaderboard's, its runs named by their id."""

    document: dict[str, Any]
    runs: dict[str, Run]
    left_out: list[LeftOut]


def comparable(session: Session) -> list[Choice]:
    """Runs whose answers stay as they are, the newest first."""
    query = (
        select(Run, Release)
        .join(Release, col(Release.id) == Run.release_id)
        .where(col(Run.status).in_(OVER))
        .order_by(col(Run.created_at).desc(), col(Run.id))
    )
    return [Choice(run, release) for run, release in session.exec(query)]


def checked(runs: Sequence[Run]) -> None:
    """Raises Invalid unless these can be compared."""
    if not 2 <= len(runs) <= MAX_RUNS:
        raise Invalid(f"Choose 2 to {MAX_RUNS} runs; {len(runs)} {'is' if len(runs) == 1 else 'are'} chosen.")
    if len({run.release_id for run in runs}) > 1:
        raise Invalid("These runs are about different releases; only runs of one release share their questions.")
    for run in runs:
        if run.status not in OVER:
            raise Invalid(f"The run of {run.model[:80]} is {run.status.value}; it can be compared once it is over.")


def comparison_of(session: Session, storage: Storage, runs: Sequence[Run]) -> dict[str, Any]:
    """`compare_all` of these runs, named by their ids. Raises Invalid."""
    checked(runs)
    return _kept_by("compare", runs, lambda: compare_all(_entries(session, storage, runs)))


def board_of(session: Session, storage: Storage, runs: Sequence[Run]) -> dict[str, Any]:
    """`leaderboard` of these runs, named by their ids."""
    return _kept_by("leaderboard", runs, lambda: leaderboard(_entries(session, storage, runs)))


def standings_of(session: Session, storage: Storage, release: Release) -> Standings:
    """Finished runs over the whole release, ranked; every other run with the reason why it is not."""
    ranked: list[Run] = []
    left_out: list[LeftOut] = []
    every = select(Run).where(Run.release_id == release.id).order_by(col(Run.created_at), col(Run.id))
    for run in session.exec(every):
        reason = _reason(run)
        if reason is None:
            ranked.append(run)
        else:
            left_out.append(LeftOut(run, reason))
    document = board_of(session, storage, ranked)
    return Standings(document, {str(run.id): run for run in ranked}, left_out)


def _reason(run: Run) -> str | None:
    if run.status is RunStatus.INCOMPLETE:
        return "Too many of its questions have no answer."
    if run.status is not RunStatus.FINISHED:
        return {
            RunStatus.QUEUED: "It waits for its turn.",
            RunStatus.RUNNING: "It is under way.",
            RunStatus.PAUSED: "It is paused.",
            RunStatus.CANCELLED: "It was cancelled.",
            RunStatus.FAILED: "It failed.",
        }[run.status]
    if not Subset.of(run.subset).is_whole:
        return "It asked only a part of the release."
    return None


def _entries(session: Session, storage: Storage, runs: Sequence[Run]) -> Iterator[tuple[str, list[Verdict]]]:
    return ((str(run.id), verdicts_of(session, storage, run)) for run in runs)


def _kept_by(kind: str, runs: Sequence[Run], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Answers of runs that are over stay as they are, so what was made of them is kept at hand."""
    key = (kind, SCORER, *((run.id, run.finished_at) for run in runs))
    found = _kept.get(key)
    if found is None:
        found = make()
        if len(_kept) >= _MOST:
            _kept.clear()
        _kept[key] = found
    return found


_kept: dict[Any, dict[str, Any]] = {}
_MOST = 32
