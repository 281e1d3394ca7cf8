"""A run's predictions as rows and files: all that its figures are made of, and the spec that led to them."""

import contextlib
import enum
import json
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
from sqlmodel import Session, col, select

from app.errors import Invalid
from app.evaluation.interchange.formats import HEAD_KEY, HEAD_SUFFIX
from app.evaluation.interchange.inspect_log import write_inspect
from app.evaluation.metrics.answers import Answer, Scored, score
from app.evaluation.metrics.similarity import name_similarity
from app.evaluation.models import Prediction, Run
from app.evaluation.plan import Asked
from app.evaluation.replies import PARSER_VERSION, State
from app.evaluation.scoring import SCORER, answer_of, asked_of, document_of
from app.releases.formats.parquet import table_writer
from app.releases.models import Release
from app.releases.outbox import HashingFile
from app.storage import Storage

VERSION: Final = "terroir-predictions/1"
_QUESTIONS_AT_ONCE: Final = 1000

SCHEMA: Final = pa.schema(
    [
        ("run_id", pa.string()),
        ("item_id", pa.string()),
        ("slot", pa.int16()),
        ("subtask", pa.string()),
        ("food_id", pa.string()),
        ("raw_text", pa.string()),
        ("pred_name", pa.string()),
        ("pred_country", pa.string()),
        ("name_similarity", pa.float64()),
        ("name_correct", pa.bool_()),
        ("country_correct", pa.bool_()),
        ("latency_ms", pa.int32()),
        ("input_tokens", pa.int32()),
        ("output_tokens", pa.int32()),
        ("error", pa.string()),
        # Up to here the order is promised. What follows lets the figures be worked out from this table alone.
        ("state", pa.string()),
        ("finish", pa.string()),
        ("repeat", pa.int16()),
        ("pred_country_code", pa.string()),
        ("alias_correct", pa.bool_()),
        ("origin_correct", pa.bool_()),
        ("dish", pa.string()),
        ("food_name", pa.string()),
        ("food_aliases", pa.string()),
        ("food_countries", pa.string()),
        ("other_food_countries", pa.string()),
        ("background_country", pa.string()),
        ("background_kind", pa.string()),
        ("difficulty", pa.string()),
        ("image_path", pa.string()),
        ("image_sha256", pa.string()),
        ("request_sha256", pa.string()),
        ("is_cached", pa.bool_()),
        ("gpu_ms", pa.int32()),
    ]
)


class FileFormat(enum.StrEnum):
    PARQUET = "parquet"
    JSONL = "jsonl"
    INSPECT = "inspect"


def head_of(session: Session, run: Run) -> dict[str, Any]:
    """The document about the run that goes with its rows."""
    release = session.get_one(Release, run.release_id)
    return {
        "version": VERSION,
        "run_id": str(run.id),
        "model": run.model,
        "engine": run.engine,
        "strategy": run.strategy,
        "seed": run.seed,
        "subset": run.subset,
        "planned": run.planned,
        "status": run.status.value,
        "release": release.version,
        "release_manifest_sha256": release.manifest_sha256,
        "spec": run.spec,
        "spec_sha256": run.spec_sha256,
        "is_imported": run.is_imported,
        "source": run.source,
        "provenance": run.provenance,
        "parser_version": PARSER_VERSION,
        "scorer": SCORER,
        "created_at": run.created_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
    }


def rows_of(session: Session, storage: Storage, run: Run) -> Iterator[dict[str, Any]]:
    """One row a prediction, in the order of the plan, with the columns of SCHEMA. Of however many, a thousand
    questions' are in memory at a time. Raises NotPublished and DamagedRelease."""
    asked = asked_of(session, storage, run)
    for start in range(0, len(asked), _QUESTIONS_AT_ONCE):
        part = asked[start : start + _QUESTIONS_AT_ONCE]
        stored = _stored(session, run.id, part)
        for one in part:
            for row in stored.get((one.item.item_id, one.slot), ()):
                yield _row(one, row)


def _stored(
    session: Session, run_id: uuid.UUID, part: Sequence[Asked]
) -> dict[tuple[uuid.UUID, int], list[Prediction]]:
    items = {one.item.item_id for one in part}
    query = select(Prediction).where(Prediction.run_id == run_id, col(Prediction.item_id).in_(items))
    stored: dict[tuple[uuid.UUID, int], list[Prediction]] = {}
    for row in session.exec(query.order_by(col(Prediction.repeat))):
        stored.setdefault((row.item_id, row.slot), []).append(row)
        session.expunge(row)  # else the session would keep every row of the run
    return stored


def _row(one: Asked, row: Prediction) -> dict[str, Any]:
    """What is no answer has no score, right or wrong. Several values in a cell have `;` between them."""
    answer = answer_of(one, row)
    scored: Scored | None = score(answer, {}) if answer.state is State.OK else None
    return {
        "run_id": str(row.run_id),
        "item_id": str(row.item_id),
        "slot": row.slot,
        "subtask": answer.subtask,
        "food_id": one.item.foods[row.slot - 1].id_as_written,
        "raw_text": row.raw_text,
        "pred_name": answer.pred_name,
        "pred_country": answer.pred_country,
        "name_similarity": name_similarity(answer.pred_name or "", answer.name) if scored else None,
        "name_correct": scored.name_correct if scored else None,
        "country_correct": scored.country_correct if scored else None,
        "latency_ms": row.latency_ms,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "error": row.error,
        "state": answer.state.value,
        "finish": row.finish,
        "repeat": row.repeat,
        "pred_country_code": scored.country if scored else None,
        "alias_correct": scored.alias_correct if scored else None,
        "origin_correct": scored.origin_correct if scored else None,
        **_gold(answer),
        "image_path": one.item.image_path,
        "image_sha256": one.item.image_sha256,
        "request_sha256": row.request_sha256,
        "is_cached": row.is_cached,
        "gpu_ms": row.gpu_ms,
    }


def _gold(answer: Answer) -> dict[str, Any]:
    return {
        "dish": answer.dish,
        "food_name": answer.name,
        "food_aliases": ";".join(answer.aliases),
        "food_countries": ";".join(answer.countries),
        "other_food_countries": ";".join(answer.other_food),
        "background_country": answer.background,
        "background_kind": answer.background_kind,
        "difficulty": answer.difficulty,
    }


def write_run(session: Session, storage: Storage, run: Run, form: FileFormat, file: IO[bytes]) -> int:
    """The run as one file, row by row; how many rows. The same answers give the same bytes."""
    head, rows = head_of(session, run), _Counted(rows_of(session, storage, run))
    if form is FileFormat.PARQUET:
        schema = SCHEMA.with_metadata({HEAD_KEY: json.dumps(head, ensure_ascii=False, sort_keys=True)})
        with table_writer(HashingFile(file), schema) as table:
            for row in rows:
                table.add(row, weight=len(row["raw_text"] or ""))
    elif form is FileFormat.JSONL:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    else:
        write_inspect(file, head, document_of(session, storage, run), rows)
    return rows.count


def export_run(session: Session, storage: Storage, run: Run, form: FileFormat, out: Path) -> int:
    """Writes `out`, whole or not at all; beside a JSON Lines file, whose every line is a row, goes the document about
    the run. How many rows. Raises Invalid for a place that can't be written, NotPublished and DamagedRelease."""
    try:
        with _placed(out) as file:
            count = write_run(session, storage, run, form, file)
        if form is FileFormat.JSONL:
            with _placed(out.with_name(out.name + HEAD_SUFFIX)) as file:
                text = json.dumps(head_of(session, run), ensure_ascii=False, sort_keys=True, indent=2)
                file.write(text.encode() + b"\n")
    except OSError as error:
        raise Invalid(f"{out} can't be written ({error.strerror}); name a file in a folder that can.") from error
    return count


@contextlib.contextmanager
def _placed(path: Path) -> Iterator[IO[bytes]]:
    """A file that stands at `path` once it is whole."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:100]}.", delete=False) as file:
        try:
            yield file
            file.flush()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


class _Counted:
    """The rows as they pass by, and how many there were."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows, self.count = rows, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._rows:
            self.count += 1
            yield row
