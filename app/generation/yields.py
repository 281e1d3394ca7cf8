"""What comes of the images: how many are approved, and in which round, by generator, prompt, country and reason."""

from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from app import geography
from app.agreement.intervals import wilson
from app.agreement.tallies import QUESTIONS
from app.campaigns.models import Campaign
from app.generation.wrong import reason_choices
from app.web.figures.tables import Column, Table, Unit

MOST_ROWS: Final = 200
PROMPT: Final = 120

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
    "reason": "Images made again, by the reasons the image before was refused for; each of several reasons counts.",
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
_REASONS: Final = """
    SELECT reason.name, {figures} FROM item CROSS JOIN LATERAL (
        SELECT DISTINCT given.key || ' ' || code AS name
        FROM claim JOIN judgment ON judgment.id = claim.judgment_id, jsonb_each(answers) AS given,
             jsonb_array_elements_text(given.value -> 'reasons') AS code
        WHERE claim.item_id = item.revision_of_id AND claim.state = 'judged' AND claim.slot > 0
          AND given.value ->> 'answer' = 'no'
    ) AS reason
    WHERE {counted} AND item.revision_of_id IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most}
"""


def yield_table(session: Session, campaign: Campaign, kind: str) -> Table:
    """`kind` is one of TITLES. The groups with the most images, up to MOST_ROWS."""
    if kind == "reason":
        query = _REASONS.format(figures=_FIGURES, counted=_COUNTED, most=MOST_ROWS)
    else:
        query = (
            f"SELECT {_NAMES[kind]} AS name, {_FIGURES} FROM item WHERE {_COUNTED} "  # noqa: S608
            f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_ROWS}"
        )
    words = dict(reason_choices(session, campaign)) if kind == "reason" else {}
    rows = [_row(kind, row, words) for row in session.execute(sa.text(query), {"campaign": campaign.id})]
    if kind == "reason":
        rows.sort(key=lambda row: -row[1])
    heading = COLUMNS[0]._replace(label=TITLES[kind].removeprefix("By ").capitalize())
    return Table(kind, TITLES[kind], (heading, *COLUMNS[1:]), rows, NOTES[kind])


def _row(kind: str, row: Any, words: dict[str, str]) -> tuple[Any, ...]:
    name = row.name
    if kind == "country":
        name = geography.name_of(name)
    elif kind == "reason":
        question, _, code = name.partition(" ")
        name = f"{SHORT.get(question, question)}: {words.get(code, code)}"
    share = wilson(row.approved, row.approved + row.rejected).as_json()
    rounds = "" if row.rounds is None else f"{row.rounds:.2f}"
    return (name, row.images, row.approved, row.rejected, row.undecided, share, rounds)


SHORT: Final = dict(
    zip(
        QUESTIONS,
        ("First dish", "Origin of the first dish", "Second dish", "Origin of the second dish", "Background"),
        strict=True,
    )
)
"""The questions in a word or two."""
