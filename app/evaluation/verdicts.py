"""What each answer of a run is worth, a byte an answer, so that thirty runs of a release stand side by side at once.

Made once from a run's replies and kept beside its release's index; named by run, end and scorer: never out of date.
"""

import gzip
import uuid
from collections.abc import Sequence

from sqlmodel import Session

from app.evaluation.metrics.answers import score_all
from app.evaluation.metrics.panel import Verdict, flags_of
from app.evaluation.models import Run
from app.evaluation.plan import Asked
from app.evaluation.scoring import OVER, SCORER, answers_of, asked_of
from app.releases.models import Release
from app.storage import MissingObject, Storage


def verdicts_of(session: Session, storage: Storage, run: Run) -> list[Verdict]:
    """Every scored answer about a first food, in the order of the plan."""
    release = session.get_one(Release, run.release_id)
    asked = asked_of(session, storage, run)
    first = [one for one in asked if one.slot == 1]
    flags = _flags(session, storage, run, release, asked)
    return [
        Verdict(str(one.item.item_id), one.item.subtask.value, one.item.foods[0].dish, flag)
        for one, flag in zip(first, flags, strict=True)
        if flag
    ]


def _flags(session: Session, storage: Storage, run: Run, release: Release, asked: Sequence[Asked]) -> bytes:
    """One byte a question about a first food; 0 where there is nothing to score."""
    ended = run.finished_at.isoformat() if run.finished_at else "never"
    name = uuid.uuid5(run.id, f"{ended} {SCORER}")
    key = f"evaluation/{release.manifest_sha256}/verdicts-{name}.gz"
    if run.status in OVER:
        try:
            return gzip.decompress(storage.get(key))
        except MissingObject:
            pass
    scored = score_all(answers_of(session, run, asked))
    by_item = {one.answer.item: flags_of(one) for one in scored if one.answer.slot == 1}
    flags = bytes(by_item.get(str(one.item.item_id), 0) for one in asked if one.slot == 1)
    if run.status in OVER:
        storage.put(key, gzip.compress(flags, mtime=0), media_type="application/gzip")
    return flags
