"""What comes of the images: how many are approved, and in which round, by generator, prompt, country and reason."""

import uuid
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from app import geography
from app.agreement.intervals import wilson
from app.campaigns.models import Campaign
from app.generation.wrong import SHORT, reason_choices, wrong_of
from app.web.figures.tables import Column, Table, Unit

MOST_ROWS: Final = 200
PROMPT: Final = 120
AT_ONCE: Final = 1000

TITLES: Final = {
    "generator": "By generator",
    "prompt": "By prompt",
    "country": "By country",
    "reason": "By what was wrong before",
}
NOTES: Final = {
    "generator": "",
    "prompt": f"Prompts are the same where they are but for case, space and what follows {PROMPT} characters.",
    "country": "The first country of the first dish.",
    "reason": "Images made again, by the reasons the image before was refused for: the adjudicator’s, else those the "
    "annotators gave most. Each of several counts.",
}
COLUMNS: Final = (
    Column("group", "", Unit.TEXT),
    Column("images", "Images", Unit.COUNT),
    Column("approved", "Approved", Unit.COUNT),
    Column("rejected", "Rejected", Unit.COUNT),
    Column("undecided", "Undecided", Unit.COUNT),
    Column("share_approved", "Approved of decided", Unit.SHARE),
    Column("mean_rounds", "Rounds until approved", Unit.TEXT),
)

# Candidates that nobody chose were never to be judged, and the truth about gold items is known beforehand.
_COUNTED: Final = """
    item.campaign_id = :campaign AND item.hold IS DISTINCT FROM 'candidates'
    AND NOT EXISTS (SELECT 1 FROM gold WHERE gold.item_id = item.id AND gold.withdrawn_at IS NULL)
"""
_FIGURES: Final = """
    count(*) AS images, count(*) FILTER (WHERE item.status = 'approved') AS approved,
    count(*) FILTER (WHERE item.status = 'rejected') AS rejected,
    count(*) FILTER (WHERE item.status IN ('pending', 'disputed')) AS undecided,
    avg(item.revision) FILTER (WHERE item.status = 'approved') AS rounds
"""
_NAMES: Final = {
    "generator": "coalesce(item.generator, 'not stated')",
    "prompt": f"coalesce(left(regexp_replace(lower(trim(item.prompt)), '\\s+', ' ', 'g'), {PROMPT}), 'not stated')",
    "country": "item.home",
}
_REASONS: Final = f"""
    SELECT reason.name, {_FIGURES} FROM item
    JOIN unnest(CAST(:parents AS uuid[]), CAST(:names AS text[])) AS reason (parent, name)
      ON reason.parent = item.revision_of_id
    WHERE {_COUNTED} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_ROWS}
"""  # noqa: S608  (nothing in it comes from outside)
_PARENTS: Final = sa.text(
    "SELECT DISTINCT revision_of_id FROM item WHERE campaign_id = :campaign AND revision_of_id IS NOT NULL ORDER BY 1"
)


def yield_table(session: Session, campaign: Campaign, kind: str) -> Table:
    """`kind` is one of TITLES. The groups with the most images, up to MOST_ROWS."""
    scope: dict[str, Any] = {"campaign": campaign.id}
    words: dict[str, str] = {}
    if kind == "reason":
        query = _REASONS
        words = dict(reason_choices(session, campaign))
        reasons = list(_reasons(session, campaign))
        scope |= {"parents": [parent for parent, _ in reasons], "names": [name for _, name in reasons]}
    else:
        query = (
            f"SELECT {_NAMES[kind]} AS name, {_FIGURES} FROM item WHERE {_COUNTED} "  # noqa: S608
            f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_ROWS}"
        )
    rows = [_row(kind, row, words) for row in session.execute(sa.text(query), scope)]
    if kind == "reason":
        rows.sort(key=lambda row: -row[1])
    heading = COLUMNS[0]._replace(label=TITLES[kind].removeprefix("By ").capitalize())
    return Table(kind, TITLES[kind], (heading, *COLUMNS[1:]), rows, NOTES[kind])


def _reasons(session: Session, campaign: Campaign) -> Iterator[tuple[uuid.UUID, str]]:
    """(item, "question code") of every reason that counts against an item that was made again."""
    parents = session.execute(_PARENTS, {"campaign": campaign.id}).scalars().all()
    for start in range(0, len(parents), AT_ONCE):
        for item_id, wrong in wrong_of(session, parents[start : start + AT_ONCE]).items():
            for question, codes in wrong.reasons.items():
                yield from ((item_id, f"{question} {code}") for code in codes)


def _row(kind: str, row: Any, words: dict[str, str]) -> tuple[Any, ...]:
    name = row.name
    if kind == "country":
        name = geography.name_of(name)
    elif kind == "reason":
        question, _, code = name.partition(" ")
        name = words.get(name, f"{SHORT.get(question, question)}: {code}")
    share = wilson(row.approved, row.approved + row.rejected).as_json()
    rounds = "" if row.rounds is None else f"{row.rounds:.2f}"
    return (name, row.images, row.approved, row.rejected, row.undecided, share, rounds)
