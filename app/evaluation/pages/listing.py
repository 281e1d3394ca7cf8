"""Runs a page at a time, for the page and for programs."""

import uuid
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from app.errors import Invalid
from app.evaluation.watching import ShownRun, list_runs
from app.releases.service import get_release

MOST_AT_ONCE = 200


class RunPage(NamedTuple):
    """`next_cursor` is None on the last page."""

    runs: list[ShownRun]
    next_cursor: str | None


def run_page(session: Session, release: str = "", cursor: str = "", limit: int = 50) -> RunPage:
    """The newest first, of one release or of all. Raises UnknownRelease and Invalid."""
    if not 1 <= limit <= MOST_AT_ONCE:
        raise Invalid(f"A page can have 1 to {MOST_AT_ONCE} runs.", fields={"limit": f"1 to {MOST_AT_ONCE}."})
    release_id = get_release(session, release).id if release else None
    found = list_runs(session, release_id=release_id, before=_read(cursor) if cursor else None, limit=limit + 1)
    page = found[:limit]
    return RunPage(page, _cursor(page[-1]) if len(found) > limit else None)


def _cursor(last: ShownRun) -> str:
    return f"{last.run.created_at.isoformat()}_{last.run.id}"


def _read(cursor: str) -> tuple[datetime, uuid.UUID]:
    moment, _, run_id = cursor.partition("_")
    try:
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None:
            raise ValueError
        return at, uuid.UUID(run_id)
    except ValueError:
        raise Invalid("This cursor is none of ours; begin without one.", fields={"cursor": "No such cursor."}) from None
