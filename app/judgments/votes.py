"""A campaign's agreement documents, from the counts of its votes."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.answers import Answers
from app.agreement.bootstrap import Level
from app.agreement.families import Families
from app.agreement.patterns import Patterns, as_answers
from app.agreement.raters import rater_report
from app.agreement.report import question_report
from app.agreement.rules import ANSWERS
from app.agreement.tallies import FIRST_JUDGMENTS, LETTERS, NOT_ASKED, QUESTIONS, Basis
from app.errors import Invalid
from app.judgments.tallies import counted_afresh, up_to_date

Cluster = Literal["items", "families"]

GROUPINGS = ("subtask", "country", "generator", "rater")
ORDERED = ("no", "unsure", "yes")
"""The answers as a scale."""


class Counts(NamedTuple):
    """One question's votes in one part: (yes, no, unsure) of an item, and how many items have them."""

    rows: list[tuple[tuple[int, int, int], int]]
    n_raters: int


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
    up_to_date(session, campaign_id)
    basis: Basis = "all" if every_judgment else "first"
    document: dict[str, Any] = {"questions": {}}
    for kind in (None, by) if by else (None,):
        families = family_rows(session, campaign_id, basis, kind) if cluster == "families" else None
        parts = {
            part: {
                key: document_of(
                    counts,
                    level=level,
                    families=None if families is None else families[part, key],
                    seed=seed,
                    replicates=replicates,
                )
                for key, counts in questions.items()
            }
            for part, questions in counts_by_part(session, campaign_id, kind or "all", basis).items()
        }
        if kind is None:
            document["questions"] = parts.get("", {})
        else:
            document["by"] = {part: {"questions": parts[part]} for part in sorted(parts)}
    if raters:
        for key, answers in answers_of(session, campaign_id, basis).items():
            document["questions"][key] |= rater_report(answers)
    return document


def agreement_afresh(session: Session, campaign_id: uuid.UUID) -> dict[str, Any]:
    """`agreement` of the first two judgments, counted from the judgments themselves and writing nothing."""
    tally = counted_afresh(session, campaign_id)
    found: dict[str, Counts] = {}
    for key in QUESTIONS:
        rows = [
            ((yes, no, unsure), n)
            for (basis, question, kind, _, yes, no, unsure), n in tally.patterns.items()
            if (basis, question, kind) == ("first", key, "all")
        ]
        if rows:
            raters = {name[4] for name in tally.raters if name[:3] == ("first", key, "all")}
            found[key] = Counts(rows, len(raters))
    return {"questions": {key: document_of(counts) for key, counts in found.items()}}


def document_of(
    counts: Counts,
    *,
    level: Level = "nominal",
    families: Iterable[tuple[str, tuple[int, int, int], int]] | None = None,
    seed: int = 0,
    replicates: int = 1000,
) -> dict[str, Any]:
    """One question's document (see `agreement.report`); `families` are the rows of `family_rows`."""
    categories = ORDERED if level == "ordinal" else ANSWERS
    order = [ANSWERS.index(answer) for answer in categories]

    def ordered(votes: tuple[int, int, int]) -> tuple[int, ...]:
        return tuple(votes[place] for place in order)

    patterns = Patterns.from_rows([(ordered(votes), n) for votes, n in counts.rows], categories)
    clusters = None
    if families is not None:
        members = [(name, as_answers(ordered(votes)), n) for name, votes, n in families]
        clusters = Families.from_items(patterns, members)
    return question_report(
        patterns, n_raters=counts.n_raters, level=level, families=clusters, seed=seed, replicates=replicates
    )


def counts_by_part(
    session: Session, campaign_id: uuid.UUID, kind: str, basis: Basis, part: str | None = None
) -> dict[str, dict[str, Counts]]:
    """{part: {question: its counts}} of a kind of part (see `VotePattern`), or of one part alone; questions in their
    order. The counts must be up to date."""
    scope = {"campaign": campaign_id, "kind": kind, "basis": basis, "part": part}
    rows: dict[str, dict[str, list[tuple[tuple[int, int, int], int]]]] = defaultdict(lambda: defaultdict(list))
    for row in session.execute(_PATTERNS, scope):
        rows[row.part][row.question].append(((row.yes, row.no, row.unsure), row.n_items))
    people = {
        (row.part, row.question): row.n for row in session.execute(_COLLEAGUES if kind == "rater" else _RATERS, scope)
    }
    return {
        name: {key: Counts(questions[key], people.get((name, key), 1)) for key in QUESTIONS if key in questions}
        for name, questions in rows.items()
    }


FamilyRows = dict[tuple[str, str], list[tuple[str, tuple[int, int, int], int]]]


def family_rows(session: Session, campaign_id: uuid.UUID, basis: Basis, by: str | None = None) -> FamilyRows:
    """{(part, question): (family, its items' votes, how many items)}, counted item by item; without `by` of part ""."""
    statement = f"""
        WITH part AS ({_MEMBERS[by]}), vote AS (
            SELECT part.name, item.family_id::text AS family, place,
                   (SELECT string_agg(substr(answer, place, 1), '')
                    FROM unnest(answers[1:CAST(:most AS integer)]) AS answer) AS given
            FROM counted_votes JOIN item ON item.id = counted_votes.item_id JOIN part ON part.item_id = item.id
            CROSS JOIN generate_series(1, {len(QUESTIONS)}) AS place
            WHERE counted_votes.campaign_id = :campaign AND NOT is_gold
        )
        SELECT name, family, place, given, count(*) AS n FROM vote
        WHERE left(given, 1) <> '{NOT_ASKED}' GROUP BY name, family, place, given
    """  # noqa: S608  (nothing in it comes from outside)
    scope = {"campaign": campaign_id, "most": FIRST_JUDGMENTS if basis == "first" else 1_000_000}
    rows: FamilyRows = defaultdict(list)
    for row in session.execute(sa.text(statement), scope):
        votes = (row.given.count("y"), row.given.count("n"), row.given.count("u"))
        rows[row.name, QUESTIONS[row.place - 1]].append((row.family, votes, row.n))
    return rows


def answers_of(session: Session, campaign_id: uuid.UUID, basis: Basis) -> dict[str, Answers]:
    """Every counted vote by question, for measures that need to know who gave it; raters by their e-mail address."""
    most = FIRST_JUDGMENTS if basis == "first" else None
    names = {row.id: row.email for row in session.execute(sa.text("SELECT id, email FROM account"))}
    rows: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for row in session.execute(_VOTES, {"campaign": campaign_id}):
        for rater, answers in zip(row.raters[:most], row.answers[:most], strict=True):
            for question, letter in zip(QUESTIONS, answers, strict=True):
                if letter != NOT_ASKED:
                    rows[question].append((row.item, names[rater], LETTERS[letter]))
    return {key: Answers.from_rows(rows[key], ANSWERS) for key in QUESTIONS if key in rows}


_PATTERNS = sa.text(
    """
    SELECT part, question, yes, no, unsure, n_items FROM vote_pattern
    WHERE campaign_id = :campaign AND basis = :basis AND kind = :kind AND n_items > 0
      AND (CAST(:part AS text) IS NULL OR part = :part)
    ORDER BY part, question, yes, no, unsure
    """
)

_RATERS = sa.text(
    """
    SELECT part, question, count(DISTINCT rater_id) AS n FROM rater_votes
    WHERE campaign_id = :campaign AND basis = :basis AND kind = :kind AND n_items > 0
      AND (CAST(:part AS text) IS NULL OR part = :part)
    GROUP BY part, question
    """
)

# Who judged the items of a rater: the rater, and everyone they share an item with.
_COLLEAGUES = sa.text(
    """
    WITH pair AS (
        SELECT a AS rater, b AS other, question FROM rater_pair
        WHERE campaign_id = :campaign AND basis = :basis AND n_items > 0
        UNION ALL
        SELECT b, a, question FROM rater_pair WHERE campaign_id = :campaign AND basis = :basis AND n_items > 0
    )
    SELECT rater::text AS part, question, 1 + count(DISTINCT other) AS n FROM pair
    WHERE CAST(:part AS text) IS NULL OR rater = CAST(:part AS uuid)
    GROUP BY rater, question
    """
)

_MEMBERS: dict[str | None, str] = {
    None: "SELECT item_id, '' AS name FROM counted_votes WHERE campaign_id = :campaign",
    "subtask": "SELECT id AS item_id, subtask AS name FROM item WHERE campaign_id = :campaign",
    "generator": "SELECT id AS item_id, coalesce(generator, 'not stated') AS name FROM item "
    "WHERE campaign_id = :campaign",
    "country": "SELECT item_food.item_id, unnest(item_food.countries) AS name FROM item_food "
    "JOIN item ON item.id = item_food.item_id WHERE item.campaign_id = :campaign AND item_food.slot = 1",
    "rater": "SELECT item_id, unnest(raters[1:CAST(:most AS integer)])::text AS name FROM counted_votes "
    "WHERE campaign_id = :campaign",
}

_VOTES = sa.text(
    """
    SELECT item_id::text AS item, raters, answers FROM counted_votes
    WHERE campaign_id = :campaign AND NOT is_gold ORDER BY item_id
    """
)
