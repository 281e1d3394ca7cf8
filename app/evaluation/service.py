"""Runs: what is asked, in which order, what is still to ask, and the answers as rows."""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.db import now, transaction
from app.errors import Conflict, Invalid
from app.evaluation import prompts
from app.evaluation.engines import Engine, Question, Reply
from app.evaluation.metrics import Answer, metrics
from app.evaluation.models import Prediction, Run, RunStatus
from app.evaluation.prompts import Strategy
from app.evaluation.reading import ReleasedItem, ReleaseFiles
from app.evaluation.replies import PARSER_VERSION, State, parse_reply, storable
from app.items.image_bytes import format_of
from app.items.models import Subtask
from app.releases.models import Release

CHUNK = 32
"""Questions whose answers are committed together: what a killed run loses at most."""
FAILURES_ALLOWED = 0.05
"""With a larger share of questions that failed, a run is incomplete: no result to compare with others."""
MAX_TOKENS = {Strategy.BASE: 512, Strategy.DIRECT: 512, Strategy.COT: 2048}

Progress = Callable[[int, int], None]


class NothingToAsk(Invalid):
    title = "There is nothing to ask"


class AlreadyRunning(Conflict):
    title = "This run is under way"


@dataclass(frozen=True)
class Subset:
    """What of a release is asked. Without `subtasks` all of them; `limit` counts items."""

    subtasks: tuple[Subtask, ...] = ()
    limit: int | None = None
    slots: tuple[int, ...] = (1,)


class Asked(NamedTuple):
    item: ReleasedItem
    slot: int


def plan(items: Sequence[ReleasedItem], subset: Subset, seed: int) -> list[Asked]:
    """The questions, in order. A limit takes whole families in an order drawn by `seed`, each with its SF item first,
    so that a small run can still compare a dish with itself alone. Raises NothingToAsk."""
    chosen = [item for item in items if not subset.subtasks or item.subtask in subset.subtasks]
    if subset.limit is not None:
        order = {family: hashlib.sha256(f"{seed} {family}".encode()).digest() for family in {i.family for i in chosen}}
        chosen.sort(key=lambda item: (order[item.family], item.subtask is not Subtask.SF, item.image_path))
        chosen = sorted(chosen[: subset.limit], key=lambda item: item.image_path)
    asked = [Asked(item, slot) for item in chosen for slot in subset.slots if slot <= item.subtask.foods]
    if not asked:
        raise NothingToAsk("The release has no item of these subtasks and slots; ask for others.")
    return asked


def spec_of(release_sha256: str, subset: Subset, engine: Engine, strategy: Strategy, seed: int) -> dict[str, Any]:
    """All that can change an answer. Equal specs are the same run."""
    return {
        "release_manifest_sha256": release_sha256,
        "subtasks": sorted(subset.subtasks),
        "limit": subset.limit,
        "slots": sorted(subset.slots),
        "engine": engine.describe(),
        "strategy": strategy.value,
        "prompt": prompts.describe(strategy),
        "image": "original bytes",
        "seed": seed,
        "parser_version": PARSER_VERSION,
    }


def spec_sha256(spec: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(spec, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def evaluate(
    database: sa.Engine,
    release: Release,
    files: ReleaseFiles,
    engine: Engine,
    *,
    model: str,
    strategy: Strategy = Strategy.BASE,
    subset: Subset | None = None,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> tuple[Run, list[Asked]]:
    """Asks whatever this run has not been answered yet; the run as it stands then, and its whole plan.

    Each chunk is one transaction, so a run that was killed goes on behind the last one. Only questions that failed are
    ever asked again. A chunk of which every question fails ends the attempt. Raises NothingToAsk, AlreadyRunning and
    whatever the engine raises.
    """
    subset = subset or Subset()
    asked = plan(files.items(), subset, seed)
    spec = spec_of(files.manifest_sha256, subset, engine, strategy, seed)
    with _alone(database, spec_sha256(spec)):
        with transaction(database) as session:
            run = _find_or_add(session, release, spec, model, strategy, len(asked))
            run_id, answered = run.id, _answered(session, run.id)
        remaining = [one for one in asked if (one.item.item_id, one.slot) not in answered]
        done = len(asked) - len(remaining)
        progress(done, len(asked))
        try:
            for start in range(0, len(remaining), CHUNK):
                chunk = remaining[start : start + CHUNK]
                replies = engine.answer([_question(files, one, strategy) for one in chunk])
                with transaction(database) as session:
                    _keep(session, run_id, chunk, replies)
                done += len(chunk)
                progress(done, len(asked))
                if all(reply.error is not None for reply in replies):
                    break
        except Exception:
            _end(database, run_id, RunStatus.FAILED)
            raise
        return _end(database, run_id, None), asked


def report(
    session: Session, run: Run, asked: Sequence[Asked], *, aliases: bool = False, seed: int = 0
) -> dict[str, Any]:
    """The metrics document, with the run it is about. The figures are those of what was answered: `status` says whether
    that is the whole run."""
    stored = _predictions(session, run.id)
    answers = [_as_answer(one, stored[key]) for one in asked if (key := (one.item.item_id, one.slot)) in stored]
    states = Counter(answer.state.value for answer in answers)
    errors = Counter(row.error for row in stored.values() if row.error)
    head = {
        "run": {
            "id": str(run.id),
            "status": run.status.value,
            "model": run.model,
            "spec": run.spec,
            "spec_sha256": run.spec_sha256,
            "planned": len(asked),
            "states": dict(sorted(states.items())),
            "commonest_error": errors.most_common(1)[0][0] if errors else None,
        }
    }
    return {**head, **metrics(answers, aliases=aliases, seed=seed)}


@contextmanager
def _alone(database: sa.Engine, sha256: str) -> Iterator[None]:
    """Two processes never ask the same run's questions; a killed one's lock goes with its connection."""
    key = int.from_bytes(bytes.fromhex(sha256[:16]), "big", signed=True)
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar():
            raise AlreadyRunning("Another process is at this very run; wait for it, or stop it first.")
        try:
            yield
        finally:
            connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": key})


def _find_or_add(
    session: Session, release: Release, spec: dict[str, Any], model: str, strategy: Strategy, planned: int
) -> Run:
    sha256 = spec_sha256(spec)
    run = session.exec(select(Run).where(Run.spec_sha256 == sha256, col(Run.is_imported).is_(False))).first()
    if run is None:
        run = Run(
            release_id=release.id, model=model, engine=spec["engine"]["name"], strategy=strategy.value, spec=spec,
            spec_sha256=sha256, planned=planned,
        )  # fmt: skip
        session.add(run)
    run.status, run.finished_at = RunStatus.RUNNING, None
    session.flush()
    return run


def _answered(session: Session, run_id: uuid.UUID) -> set[tuple[uuid.UUID, int]]:
    rows = session.exec(
        select(Prediction.item_id, Prediction.slot).where(
            Prediction.run_id == run_id, Prediction.state != State.FAILED.value
        )
    )
    return {(item_id, slot) for item_id, slot in rows}


def _question(files: ReleaseFiles, one: Asked, strategy: Strategy) -> Question:
    image = files.image(one.item)
    media_type = f"image/{format_of(image)}"  # from the bytes, never from the name; a release holds nothing else
    return Question(prompts.prompt(strategy, one.item.subtask, one.slot), image, media_type)


def _keep(session: Session, run_id: uuid.UUID, chunk: Sequence[Asked], replies: Sequence[Reply]) -> None:
    """One row a question; a failure gives way to an answer, an answer to nothing."""
    rows = [_row(run_id, one, reply) for one, reply in zip(chunk, replies, strict=True)]
    statement = insert(Prediction).values(rows)
    keys = ["run_id", "item_id", "slot", "repeat"]
    session.execute(
        statement.on_conflict_do_update(
            index_elements=keys,
            set_={name: statement.excluded[name] for name in rows[0] if name not in keys},
            where=col(Prediction.state) == State.FAILED.value,
        )
    )


def _row(run_id: uuid.UUID, one: Asked, reply: Reply) -> dict[str, Any]:
    if reply.error is not None:
        state, name, country = State.FAILED, None, None
    else:
        state, name, country = parse_reply(reply.text or "", is_cut=reply.is_cut, is_refused=reply.is_refused)
    return {
        "run_id": run_id,
        "item_id": one.item.item_id,
        "slot": one.slot,
        "repeat": 0,
        "raw_text": reply.text,
        "pred_name": name,
        "pred_country": country,
        "state": state.value,
        "error": storable(reply.error[:500]) if reply.error is not None else None,
        "latency_ms": reply.latency_ms,
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
        "created_at": now(),
    }


def _end(database: sa.Engine, run_id: uuid.UUID, status: RunStatus | None) -> Run:
    """Without a status: finished, or incomplete when more questions lack an answer than a run may."""
    with transaction(database) as session:
        run = session.get_one(Run, run_id)
        if status is None:
            missing = run.planned - len(_answered(session, run_id))
            status = RunStatus.INCOMPLETE if missing > FAILURES_ALLOWED * run.planned else RunStatus.FINISHED
        run.status, run.finished_at = status, now()
        session.add(run)
        return run


def _predictions(session: Session, run_id: uuid.UUID) -> dict[tuple[uuid.UUID, int], Prediction]:
    rows = session.exec(select(Prediction).where(Prediction.run_id == run_id, Prediction.repeat == 0))
    return {(row.item_id, row.slot): row for row in rows}


def _as_answer(one: Asked, row: Prediction) -> Answer:
    food = one.item.foods[one.slot - 1]
    other = [shown for slot, shown in enumerate(one.item.foods, start=1) if slot != one.slot]
    return Answer(
        one.item.subtask.value, one.slot, food.dish, food.name, food.countries, State(row.state),
        row.pred_name, row.pred_country, food.aliases, one.item.background, other[0].countries if other else (),
    )  # fmt: skip
