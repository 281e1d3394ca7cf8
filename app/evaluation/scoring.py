"""From stored replies to figures: no engine is needed, and every reply is read anew by today's parser."""

import uuid
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.db import now
from app.evaluation.metrics.answers import Answer
from app.evaluation.metrics.document import in_order, metrics
from app.evaluation.models import Prediction, Run, RunScore, RunStatus
from app.evaluation.plan import Asked, Subset, plan
from app.evaluation.released import released_items
from app.evaluation.replies import PARSER_VERSION, Parsed, State, parse_reply
from app.releases.models import Release
from app.storage import Storage

METRICS_VERSION = 2
"""Raise it with any change that gives some figure another value."""
SCORER = f"parser {PARSER_VERSION}, metrics {METRICS_VERSION}"
OVER = (RunStatus.FINISHED, RunStatus.INCOMPLETE)
"""Only then do the answers stay as they are, so that their figures can be kept."""


def asked_of(session: Session, storage: Storage, run: Run) -> list[Asked]:
    """The run's whole plan, in order. Raises NotPublished and DamagedRelease."""
    release = session.get_one(Release, run.release_id)
    return plan(released_items(storage, release), Subset.of(run.subset), run.seed)


def predictions_of(session: Session, run_id: uuid.UUID) -> dict[tuple[uuid.UUID, int], Prediction]:
    rows = session.exec(select(Prediction).where(Prediction.run_id == run_id, Prediction.repeat == 0))
    return {(row.item_id, row.slot): row for row in rows}


def read_again(row: Prediction) -> Parsed:
    """What the parser makes of a stored reply today; an imported answer without its text stays what it is."""
    if row.state == State.FAILED.value or row.raw_text is None:
        return Parsed(State(row.state), row.pred_name, row.pred_country)
    return parse_reply(row.raw_text, is_cut=row.finish == "length", is_refused=row.finish == "refusal")


def answer_of(one: Asked, row: Prediction) -> Answer:
    food = one.item.foods[one.slot - 1]
    other = [shown for slot, shown in enumerate(one.item.foods, start=1) if slot != one.slot]
    state, name, country = read_again(row)
    return Answer(
        subtask=one.item.subtask.value,
        slot=one.slot,
        dish=food.dish,
        name=food.name,
        countries=food.countries,
        state=state,
        pred_name=name,
        pred_country=country,
        aliases=food.aliases,
        background=one.item.background,
        other_food=other[0].countries if other else (),
        background_kind=one.item.background_kind,
        difficulty=one.item.difficulty,
        item=str(one.item.item_id),
    )


def asked_with_answers(session: Session, run: Run, asked: Iterable[Asked]) -> list[tuple[Asked, Answer]]:
    """The questions that had their turn so far and what came of each, in the order of the plan."""
    stored = predictions_of(session, run.id)
    return [(one, answer_of(one, stored[key])) for one in asked if (key := (one.item.item_id, one.slot)) in stored]


def answers_of(session: Session, run: Run, asked: Iterable[Asked]) -> list[Answer]:
    return [answer for _, answer in asked_with_answers(session, run, asked)]


def document_of(session: Session, storage: Storage, run: Run) -> dict[str, Any]:
    """The metrics document. Kept once the run is over; computed each time before that."""
    kept = session.get(RunScore, (run.id, SCORER))
    if kept is not None:
        return in_order(kept.document)
    document = _measured(session, storage, run)
    if run.status in OVER and _is_as_it_was(session, run):
        session.execute(
            insert(RunScore)
            .values(run_id=run.id, scorer=SCORER, document=document, created_at=now())
            .on_conflict_do_nothing()
        )
    return document


def _measured(session: Session, storage: Storage, run: Run, *, aliases: bool = False) -> dict[str, Any]:
    asked = asked_of(session, storage, run)
    subtasks = {one.item.subtask.value for one in asked if one.slot == 1}
    return metrics(answers_of(session, run, asked), asked=subtasks, aliases=aliases, seed=run.seed)


def _is_as_it_was(session: Session, run: Run) -> bool:
    """Whether nobody has begun to ask again since `run` was read; until the transaction ends, nobody can."""
    now_so = sa.text("SELECT status, finished_at FROM run WHERE id = :run FOR SHARE")
    row = session.execute(now_so, {"run": run.id}).one()
    return (row.status, row.finished_at) == (run.status, run.finished_at)


def forget_scores(session: Session, run_id: uuid.UUID) -> None:
    """Its answers are about to change."""
    session.execute(sa.delete(RunScore).where(col(RunScore.run_id) == run_id))


def rescore(session: Session, storage: Storage, run: Run) -> dict[str, Any]:
    """Scores stored replies with today's parser and metrics, and keeps what was read beside them. What an older scorer
    made of the run stays."""
    for row in predictions_of(session, run.id).values():
        state, name, country = read_again(row)
        if (row.state, row.pred_name, row.pred_country) != (state.value, name, country):
            row.state, row.pred_name, row.pred_country = state.value, name, country
            session.add(row)
    session.flush()
    return document_of(session, storage, run)


def states_of(session: Session, run_id: uuid.UUID) -> dict[str, int]:
    """How many of a run's answers are in each state."""
    states = select(Prediction.state, sa.func.count()).where(Prediction.run_id == run_id).group_by(Prediction.state)
    return dict(sorted(session.exec(states).all()))


def _head(session: Session, run: Run) -> dict[str, Any]:
    """The run that a metrics document is about. The figures are those of what was answered: `status` says whether that
    is the whole run."""
    commonest = session.execute(_COMMONEST, {"run": run.id}).scalar()
    return {
        "run": {
            "id": str(run.id),
            "status": run.status.value,
            "model": run.model,
            "spec": run.spec,
            "spec_sha256": run.spec_sha256,
            "planned": run.planned,
            "states": states_of(session, run.id),
            "commonest_error": commonest,
        }
    }


_COMMONEST = sa.text(
    "SELECT error FROM prediction WHERE run_id = :run AND error IS NOT NULL "
    "GROUP BY error ORDER BY count(*) DESC, error LIMIT 1"
)


def report(session: Session, storage: Storage, run: Run, *, aliases: bool = False) -> dict[str, Any]:
    """The metrics document under its head; with `aliases`, each group also has `name_accuracy_with_aliases`."""
    if not aliases:
        return _head(session, run) | document_of(session, storage, run)
    return _head(session, run) | _measured(session, storage, run, aliases=True)
