"""A campaign's judgments as the agreement arithmetic takes them: counted in the database, as vote patterns."""

import uuid
from collections import defaultdict
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.answers import Answers
from app.agreement.bootstrap import Level
from app.agreement.families import Families
from app.agreement.patterns import Patterns, as_answers
from app.agreement.raters import rater_report
from app.agreement.report import question_report
from app.agreement.rules import ANSWERS
from app.errors import Invalid

Cluster = Literal["items", "families"]

GROUPINGS = ("subtask", "country", "generator", "rater")
QUESTIONS = ("food1_identity", "food1_origin", "food2_identity", "food2_origin", "background")
ORDERED = ("no", "unsure", "yes")
"""The answers as a scale."""
FIRST_JUDGMENTS = 2
"""With adaptive overlap the items that disagree get more judgments, which bends every figure: the first two of each
item are a fair sample whatever the rule."""

# Gold items stay out: their answers are known, and annotators meet them more often than the rest.
_COUNTED = """
    counted AS (
        SELECT claim.item_id, claim.account_id, claim.judgment_id,
               row_number() OVER (PARTITION BY claim.item_id ORDER BY claim.ended_at, claim.id) AS place
        FROM claim
        WHERE claim.campaign_id = :campaign AND claim.state = 'judged' AND claim.slot IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM gold WHERE gold.item_id = claim.item_id)
    ),
    vote AS (
        SELECT counted.item_id, counted.account_id, answer.key AS question, answer.value ->> 'answer' AS answer
        FROM counted JOIN judgment ON judgment.id = counted.judgment_id
        CROSS JOIN LATERAL jsonb_each(judgment.answers) AS answer
        WHERE counted.place <= :first
    )
"""

_GROUPS: dict[str | None, str] = {
    None: "SELECT item_id, NULL::text AS name FROM vote GROUP BY item_id",
    "subtask": "SELECT id AS item_id, subtask AS name FROM item WHERE campaign_id = :campaign",
    "generator": "SELECT id AS item_id, coalesce(generator, 'not stated') AS name FROM item "
    "WHERE campaign_id = :campaign",
    "country": "SELECT item_food.item_id, unnest(item_food.countries) AS name FROM item_food "
    "JOIN item ON item.id = item_food.item_id WHERE item.campaign_id = :campaign AND item_food.slot = 1",
    "rater": "SELECT DISTINCT item_id, account_id::text AS name FROM vote",
}


def grouping(name: str | None) -> str | None:
    """Checks what a person wants agreement by. Raises Invalid, naming the choices."""
    if name is not None and name not in GROUPINGS:
        raise Invalid(f"Agreement can't be shown by “{name[:40]}”; choose one of {', '.join(GROUPINGS)}.")
    return name


def agreement(
    session: Session,
    campaign_id: uuid.UUID,
    *,
    by: str | None = None,
    every_judgment: bool = False,
    raters: bool = False,
    level: Level = "nominal",
    cluster: Cluster = "items",
    seed: int = 0,
    replicates: int = 1000,
) -> dict[str, Any]:
    """The agreement document of a campaign: {"questions": {KEY: figures}}, with `by` also {"by": {VALUE: …}}.

    Counted judgments only: each item's first two, or all with `every_judgment`. By "country" is by the first
    food's claimed origin; by "rater" takes all judgments of the items that rater judged. Gold items stay out.
    Level "ordinal" takes the answers as no < unsure < yes; `cluster` "families" resamples items by their first food.
    """
    wanted: dict[str, Any] = {"level": level, "cluster": cluster, "seed": seed, "replicates": replicates}
    scope = {"campaign": campaign_id, "first": 1_000_000 if every_judgment else FIRST_JUDGMENTS}
    document: dict[str, Any] = {"questions": _reports(session, scope, None, **wanted).get(None, {})}
    if raters:
        for key, model in _rater_reports(session, scope).items():
            document["questions"][key] |= model
    if by is not None:
        grouped = _reports(session, scope, by, **wanted)
        document["by"] = {name: {"questions": grouped[name]} for name in sorted(grouped, key=str)}
    return document


def _reports(
    session: Session, scope: dict[str, Any], by: str | None, **wanted: Any
) -> dict[str | None, dict[str, Any]]:
    """{part of `by`: {question: its document}}; `wanted` is passed on to `_report`."""
    family, tallies = "NULL::uuid", "tally"
    if wanted["cluster"] == "families":
        family, tallies = "item.family_id", "tally JOIN item ON item.id = tally.item_id"
    statement = f"""
        WITH {_COUNTED}, part AS ({_GROUPS[by]}),
        tally AS (
            SELECT part.name, vote.question, vote.item_id,
                   count(*) FILTER (WHERE answer = 'yes') AS yes, count(*) FILTER (WHERE answer = 'no') AS no,
                   count(*) FILTER (WHERE answer = 'unsure') AS unsure
            FROM vote JOIN part USING (item_id) GROUP BY part.name, vote.question, vote.item_id
        ),
        pattern AS (
            SELECT name, question, {family} AS family, yes, no, unsure, count(*) AS items
            FROM {tallies}
            GROUP BY 1, 2, 3, 4, 5, 6
        ),
        people AS (
            SELECT part.name, vote.question, count(DISTINCT account_id) AS raters
            FROM vote JOIN part USING (item_id) GROUP BY part.name, vote.question
        )
        SELECT pattern.*, people.raters FROM pattern JOIN people
          ON people.question = pattern.question AND people.name IS NOT DISTINCT FROM pattern.name
    """  # noqa: S608  (nothing in it comes from outside)
    rows: dict[str | None, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in session.execute(sa.text(statement), scope):
        rows[row.name][row.question].append(row)
    return {
        name: {key: _report(questions[key], **wanted) for key in QUESTIONS if key in questions}
        for name, questions in rows.items()
    }


def _report(rows: list[Any], *, level: Level, cluster: Cluster, seed: int, replicates: int) -> dict[str, Any]:
    """One question's document from its rows: how many items (of a family) got each combination of answers."""
    categories = ORDERED if level == "ordinal" else ANSWERS
    counted = [(row.family, tuple(getattr(row, answer) for answer in categories), row.items) for row in rows]
    patterns = Patterns.from_rows([(counts, items) for _, counts, items in counted], categories)
    families = None
    if cluster == "families":
        families = Families.from_items(patterns, [(name, as_answers(counts), items) for name, counts, items in counted])
    return question_report(
        patterns, n_raters=rows[0].raters, level=level, families=families, seed=seed, replicates=replicates
    )


def _rater_reports(session: Session, scope: dict[str, Any]) -> dict[str, dict[str, Any]]:
    statement = f"""
        WITH {_COUNTED}
        SELECT vote.question, vote.item_id::text AS item, account.email AS rater, vote.answer
        FROM vote JOIN account ON account.id = vote.account_id
    """  # noqa: S608
    rows: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for row in session.execute(sa.text(statement), scope):
        rows[row.question].append((row.item, row.rater, row.answer))
    return {key: rater_report(Answers.from_rows(found, ANSWERS)) for key, found in rows.items()}
