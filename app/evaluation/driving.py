"""The loop that takes a run's open questions to an engine and keeps the answers, a chunk at a time."""

import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, SQLModel, col, select

from app.db import now, transaction
from app.evaluation import prompts
from app.evaluation.engines import Question, Reply
from app.evaluation.fleet import Fleet
from app.evaluation.ledger import cost_of, spent
from app.evaluation.models import Prediction, Run, RunStatus
from app.evaluation.plan import Asked, request_sha256
from app.evaluation.prompts import Strategy
from app.evaluation.reading import ReleaseFiles
from app.evaluation.replies import State, parse_reply, storable
from app.items.image_bytes import format_of

CHUNK = 32
"""Questions whose answers are committed together: what a killed run loses at most."""
KEEP_SECONDS = 1.0
"""Answers wait no longer than this for their chunk to fill, and a pause or cancellation no longer to be seen."""
AHEAD = 64
"""Images read before they are asked about: all that a run holds in memory."""

Progress = Callable[[int, int], None]


class Open(NamedTuple):
    """A question still to ask. `key` is its request's hash; None where a reply may differ from the last."""

    asked: Asked
    question: Question
    key: str | None


class Drive(NamedTuple):
    """How a drive ended: `status` None when every question had its turn, else what somebody made of the run."""

    status: RunStatus | None
    error: str | None = None


def drive(
    database: sa.Engine,
    files: ReleaseFiles,
    fleet: Fleet,
    run: Run,
    asked: Sequence[Asked],
    *,
    progress: Progress = lambda done, total: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Drive:
    """Asks whatever the run has no answer to, and keeps it.

    Each chunk is one transaction and the only checkpoint, so a run that was killed goes on behind the last one. Only
    questions that failed are ever asked again. Between chunks the run's status is looked at: paused or cancelled, it
    ends at once. It ends, too, at its budget, and after CHUNK failures in a row. However it ends, what has come back is
    kept: it was paid for. Raises what the fleet raises.
    """
    with transaction(database) as session:
        answered = answered_of(session, run.id)
        cost = spent(session, run.id).usd(run.prices)
    if (end := _at_budget(run, cost)) is not None and len(answered) < len(asked):
        return end
    remaining = [one for one in asked if (one.item.item_id, one.slot) not in answered]
    done, failures = len(asked) - len(remaining), 0
    progress(done, len(asked))
    source = _open(files, run, remaining, AHEAD)
    waiting: deque[Open] = deque()
    out: dict[int, list[Open]] = {}
    ready: list[tuple[Open, Reply, bool]] = []
    number, kept_at, is_drained = 0, time.monotonic(), False
    try:
        while True:
            while fleet.room() > 0 and len(ready) < CHUNK:
                if len(waiting) < fleet.batch_size and not is_drained:
                    window = list(islice(source, CHUNK))
                    is_drained = not window
                    found = _known(database, window)
                    ready += [(one, found[one.key], True) for one in window if one.key in found]
                    waiting += [one for one in window if one.key not in found]
                elif waiting:
                    batch = [waiting.popleft() for _ in range(min(fleet.batch_size, len(waiting)))]
                    out[number] = batch
                    fleet.submit(number, [one.question for one in batch])
                    number += 1
                else:
                    break
            if out or waiting or not is_drained:
                for key, replies in fleet.finished(0.0 if len(ready) >= CHUNK else KEEP_SECONDS / 2):
                    ready += [(one, reply, False) for one, reply in zip(out.pop(key), replies, strict=True)]
            is_over = is_drained and not waiting and not out
            moment = time.monotonic()
            if len(ready) < CHUNK and moment - kept_at < KEEP_SECONDS and not is_over:
                continue
            while True:
                chunk = ready[:CHUNK]
                status = _keep(database, run.id, chunk)
                ready = ready[CHUNK:]
                done += len(chunk)
                for _, reply, is_cached in chunk:
                    failures = failures + 1 if reply.error is not None else 0
                    cost += 0.0 if is_cached else cost_of(reply, run.prices)
                if len(ready) < CHUNK and not (is_over and ready):
                    break
            kept_at = moment
            progress(done, len(asked))
            if status is not RunStatus.RUNNING:
                return Drive(status)
            if is_over or failures >= CHUNK:
                return Drive(None)
            if (end := _at_budget(run, cost)) is not None:
                return end
            if is_stopping():
                return Drive(RunStatus.QUEUED)
    finally:
        if ready:
            with suppress(sa.exc.SQLAlchemyError):  # of which the run ends already
                _keep(database, run.id, ready)
        source.close()


def _at_budget(run: Run, cost: float) -> Drive | None:
    if run.budget_usd is None or cost < run.budget_usd:
        return None
    return Drive(RunStatus.PAUSED, f"Stopped at its budget: {cost:.4f} of {run.budget_usd:.4f} USD.")


def answered_of(session: Session, run_id: uuid.UUID) -> set[tuple[uuid.UUID, int]]:
    """The questions that have an answer, of whatever state; those that failed have none."""
    rows = session.exec(
        select(Prediction.item_id, Prediction.slot).where(
            Prediction.run_id == run_id, Prediction.repeat == 0, Prediction.state != State.FAILED.value
        )
    )
    return {(item_id, slot) for item_id, slot in rows}


def _open(files: ReleaseFiles, run: Run, remaining: Sequence[Asked], ahead: int) -> Generator[Open]:
    """The questions with their images, read a little ahead by threads of their own."""
    strategy, engine = Strategy(run.strategy), (run.spec or {})["engine"]
    is_repeatable = run.setup.get("temperature") == 0

    def prepared(one: Asked) -> Open:
        image = files.image(one.item)
        media_type = f"image/{format_of(image)}"  # from the bytes, never from the name; a release holds nothing else
        prompt = prompts.prompt(strategy, one.item.subtask, one.slot)
        key = request_sha256(engine, prompt, one.item.image_sha256) if is_repeatable else None
        return Open(one, Question(prompt, image, media_type), key)

    readers = ThreadPoolExecutor(4, thread_name_prefix="read")
    coming: deque[Future[Open]] = deque()
    try:
        for one in remaining:
            coming.append(readers.submit(prepared, one))
            if len(coming) >= ahead:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        readers.shutdown(cancel_futures=True)


_KNOWN = sa.text(
    """
    SELECT DISTINCT ON (request_sha256) request_sha256, raw_text, finish FROM prediction
    WHERE request_sha256 = ANY(:keys) AND state IN ('ok', 'unparsable', 'truncated') AND raw_text <> ''
    ORDER BY request_sha256, created_at
    """
)


def _known(database: sa.Engine, window: Sequence[Open]) -> dict[str | None, Reply]:
    """Replies that some run has had to the very same requests. Refusals, empty ones and failures are asked again.

    They cost nothing now, so they carry no tokens and no time.
    """
    keys = [one.key for one in window if one.key is not None]
    if not keys:
        return {}
    with transaction(database) as session:
        rows = session.execute(_KNOWN, {"keys": keys}).all()
    return {row.request_sha256: Reply(row.raw_text, is_cut=row.finish == "length") for row in rows}


def _keep(database: sa.Engine, run_id: uuid.UUID, chunk: Sequence[tuple[Open, Reply, bool]]) -> RunStatus:
    """One row a question, in one transaction. The run's status as it stands then."""
    with transaction(database) as session:
        if chunk:
            rows = [row_of(run_id, one.asked, reply, one.key, is_cached) for one, reply, is_cached in chunk]
            keep_rows(session, rows)
        return RunStatus(session.exec(select(Run.status).where(Run.id == run_id)).one())


_KEYS = ("run_id", "item_id", "slot", "repeat")
_INSERT = insert(SQLModel.metadata.tables["prediction"])
_UPSERT = _INSERT.on_conflict_do_update(
    index_elements=_KEYS,
    set_={column.name: column for column in _INSERT.excluded if column.name not in _KEYS},
    where=col(Prediction.state) == State.FAILED.value,
)


def keep_rows(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """A failure gives way to an answer, an answer to nothing. One statement for all rows, compiled once: to compile
    the values of a whole chunk took longer than the database did."""
    session.execute(_UPSERT, rows)


def row_of(
    run_id: uuid.UUID, one: Asked, reply: Reply, key: str | None = None, is_cached: bool = False
) -> dict[str, Any]:
    """A reply as a row of `prediction`."""
    finish: str | None = "refusal" if reply.is_refused else "length" if reply.is_cut else "stop"
    if reply.error is not None:
        state, name, country, finish = State.FAILED, None, None, None
    else:
        state, name, country = parse_reply(reply.text or "", is_cut=reply.is_cut, is_refused=reply.is_refused)
    return {
        "run_id": run_id,
        "item_id": one.item.item_id,
        "slot": one.slot,
        "repeat": 0,
        "raw_text": reply.text,
        "finish": finish,
        "pred_name": name,
        "pred_country": country,
        "state": state.value,
        "error": storable(reply.error[:500]) if reply.error is not None else None,
        "request_sha256": key,
        "is_cached": is_cached,
        "latency_ms": reply.latency_ms,
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
        "gpu_ms": reply.gpu_ms,
        "created_at": now(),
    }
