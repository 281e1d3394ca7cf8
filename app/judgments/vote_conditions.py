"""The filters of a list of judged items as SQL over the items' votes. Words come from here, values are bound."""

import uuid
from typing import Any, Final

from app.agreement.rules import ANSWERS
from app.agreement.tallies import FIRST_JUDGMENTS, NOT_ASKED, QUESTIONS, Basis
from app.judgments.vote_filters import ALONE, KNOWLEDGE, ON_WHITE, Wanted

EVERY: Final = 1_000_000


def narrowed(campaign_id: uuid.UUID, basis: Basis, wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """FROM and WHERE over `votes` (counted_votes), `item`, `background` and `posterior`, and their values.

    Only items that are in the counts: none with a known answer, and, with a question, none that lacks it.
    """
    scope: dict[str, Any] = {"campaign": campaign_id, "most": FIRST_JUDGMENTS if basis == "first" else EVERY}
    tables = _TABLES
    conditions = ["votes.campaign_id = :campaign", "item.campaign_id = :campaign", "NOT votes.is_gold"]
    if wanted.question:
        place = QUESTIONS.index(wanted.question) + 1
        scope |= {"place": place, "each": _each(place)}
        tables += _KNOWING.format(whose=_WHOSE[wanted.by]) if wanted.by in KNOWLEDGE else _ASKED
        conditions.append("asked.given <> ''" if wanted.by != "mixed" else "length(asked.given) = 2")
    for some, values in (_part(wanted), _votes(wanted), _people(wanted), _rest(wanted)):
        conditions += some
        scope |= values
    return f"{tables} WHERE {' AND '.join(conditions)}", scope


Conditions = tuple[list[str], dict[str, Any]]


def _part(wanted: Wanted) -> Conditions:
    by, part = wanted.by, wanted.part
    if not by:
        return [], {}
    if by in ("scene", "scene_country"):
        return _on_scene(by, part, "part")
    if by == "rater":
        return _by_rater(wanted, "part"), {"part": part}
    if by in KNOWLEDGE and wanted.question == "background":
        return (["background.country = :part"], {"part": part}) if part else (["background.country IS NOT NULL"], {})
    if by in KNOWLEDGE:
        slot = int(wanted.question[4])
        return ([_FROM], {"part": part, "slot": slot}) if part else ([_FROM_ANYWHERE], {"slot": slot})
    if by == "country":
        return [_FROM], {"part": part, "slot": 1}
    return [_PARTS[by]], {"part": part}


def _votes(wanted: Wanted) -> Conditions:
    votes = wanted.votes
    if not votes:
        return [], {}
    if votes == ALONE:
        return [_GIVEN_BY_NOBODY_ELSE], {}
    if wanted.question:
        if votes in _GIVEN:
            return ["asked.given ~ :given"], {"given": _GIVEN[votes]}
        answers = votes.split("-")
        return [_EXACTLY], {f"n_{answer}": answers.count(answer) for answer in ANSWERS}
    return [_ON_ALL[votes]], {}


def _people(wanted: Wanted) -> Conditions:
    conditions: list[str] = []
    scope: dict[str, Any] = {}
    for who, answer in (("rater", wanted.answer), ("a", wanted.answer_a), ("b", wanted.answer_b)):
        if getattr(wanted, who):
            scope[who] = getattr(wanted, who)
            conditions += _by_rater(wanted, who)
            if answer:
                conditions.append(f"substr(asked.letters, {_PLACE_OF.format(who=who)}, 1) = :letter_{who}")
                scope[f"letter_{who}"] = answer[0]
    return conditions, scope


def _by_rater(wanted: Wanted, who: str) -> list[str]:
    among = f"CAST(:{who} AS uuid) = ANY(votes.raters[1:CAST(:most AS integer)])"
    if not wanted.question:
        return [among]
    return [among, f"substr(asked.letters, {_PLACE_OF.format(who=who)}, 1) <> '{NOT_ASKED}'"]


def _rest(wanted: Wanted) -> Conditions:
    conditions: list[str] = []
    scope: dict[str, Any] = {}
    if wanted.status:
        conditions.append("item.status = :status")
        scope["status"] = wanted.status
    if wanted.food:
        conditions.append("item.family_id = CAST(:food AS uuid)")
        scope["food"] = wanted.food
    for name in ("scene", "scene_country"):
        if getattr(wanted, name):
            some, values = _on_scene(name, getattr(wanted, name), name)
            conditions += some
            scope |= values
    return conditions, scope


def _on_scene(kind: str, part: str, name: str) -> Conditions:
    if part == ON_WHITE:
        return ["item.background_id IS NULL"], {}
    if kind == "scene":
        return [f"item.background_id = CAST(:{name} AS uuid)"], {name: part}
    return [f"background.country = :{name}"], {name: part}


def _each(place: int) -> str:
    """A pattern that takes one question's letter out of each judgment's.

    >>> _each(2)
    '.{1}(.).{3}'
    """
    return f".{{{place - 1}}}(.).{{{len(QUESTIONS) - place}}}"


def given_by(votes: str) -> str:
    """An SQL condition on the chosen question's votes; `votes` is one of SOME_VOTES."""
    return f"asked.given ~ '{_GIVEN[votes]}'"


def of_all_questions(votes: str) -> str:
    """The same on an item's votes as a whole, where no question is chosen."""
    return _ON_ALL[votes]


def differing_questions() -> str:
    """An SQL expression for the number of questions on which an item's votes differ."""
    letters = f"""replace(regexp_replace(array_to_string(votes.answers[1:CAST(:most AS integer)], ''),
        '.{{' || place - 1 || '}}(.).{{' || {len(QUESTIONS)} - place || '}}', '\\1', 'g'), '{NOT_ASKED}', '')"""
    return f"""CASE WHEN {_ON_ALL["differ"]} THEN (
        SELECT count(*) FROM generate_series(1, {len(QUESTIONS)}) AS place WHERE {letters} ~ '{_GIVEN["differ"]}'
    ) ELSE 0 END"""  # noqa: S608  (nothing in it comes from outside)


_TABLES = """
    FROM counted_votes AS votes JOIN item ON item.id = votes.item_id
    LEFT JOIN background ON background.id = item.background_id
    LEFT JOIN item_posterior AS posterior ON posterior.item_id = item.id
"""

# The chosen question's letters, one a vote, beside those who gave them; OFFSET 0 has them worked out once an item.
_ASKED = f"""
    CROSS JOIN LATERAL (
        SELECT letters, who, replace(letters, '{NOT_ASKED}', '') AS given FROM (
            SELECT regexp_replace(array_to_string(votes.answers[1:CAST(:most AS integer)], ''), :each, '\\1', 'g')
                AS letters, votes.raters[1:CAST(:most AS integer)] AS who
        ) AS every OFFSET 0
    ) AS asked
"""  # noqa: S608  (nothing in it comes from outside)

_KNOWING = f"""
    CROSS JOIN LATERAL (
        SELECT coalesce(string_agg(letter, '' ORDER BY number), '') AS letters, array_agg(rater ORDER BY number) AS who,
               coalesce(string_agg(letter, '' ORDER BY number), '') AS given
        FROM (
            SELECT rater, number, letter, is_insider,
                   row_number() OVER (PARTITION BY is_insider ORDER BY number) AS turn
            FROM (
                SELECT rater, number, substr(answer, :place, 1) AS letter, substr(knows, :place, 1) = '1' AS is_insider
                FROM unnest(votes.raters[1:CAST(:most AS integer)], votes.answers[1:CAST(:most AS integer)],
                            votes.knows[1:CAST(:most AS integer)])
                     WITH ORDINALITY AS vote (rater, answer, knows, number)
            ) AS vote WHERE letter <> '{NOT_ASKED}'
        ) AS vote WHERE {{whose}}
    ) AS asked
"""  # noqa: S608  (nothing in it comes from outside)
_WHOSE = {"insiders": "is_insider", "outsiders": "NOT is_insider", "mixed": "turn = 1"}

_PLACE_OF = "array_position(asked.who, CAST(:{who} AS uuid))"
_FROM = (
    "EXISTS (SELECT 1 FROM item_food WHERE item_food.item_id = item.id AND item_food.slot = :slot "
    "AND CAST(:part AS text) = ANY(item_food.countries))"
)
_FROM_ANYWHERE = (
    "EXISTS (SELECT 1 FROM item_food WHERE item_food.item_id = item.id AND item_food.slot = :slot "
    "AND cardinality(item_food.countries) > 0)"
)
_PARTS = {
    "subtask": "item.subtask = :part",
    "generator": "coalesce(item.generator, 'not stated') = :part",
    "food": "item.family_id = CAST(:part AS uuid)",
    "week": f"votes.days[least(cardinality(votes.days), {FIRST_JUDGMENTS})] "
    "BETWEEN CAST(:part AS date) AND CAST(:part AS date) + 6",
}
_GIVEN = {
    "agree": "^(y{2,}|n{2,}|u{2,})$",
    "differ": "y.*[nu]|n.*[yu]|u.*[yn]",
    "paired": "..",
    "single": "^.$",
    "any-unsure": "u",
}
# Of two or more votes the rater's letter stands there once.
_GIVEN_BY_NOBODY_ELSE = f"""
    length(asked.given) >= 2
    AND length(replace(asked.given, substr(asked.letters, {_PLACE_OF.format(who="rater")}, 1), ''))
        = length(asked.given) - 1
"""
_EXACTLY = """
    length(translate(asked.given, 'nu', '')) = :n_yes AND length(translate(asked.given, 'yu', '')) = :n_no
    AND length(translate(asked.given, 'yn', '')) = :n_unsure
"""
# Of an item's votes as a whole: all alike means alike on every question.
_ON_ALL = {
    "agree": "cardinality(votes.answers[1:CAST(:most AS integer)]) >= 2 "
    "AND votes.answers[1] = ALL (votes.answers[1:CAST(:most AS integer)])",
    "differ": "NOT votes.answers[1] = ALL (votes.answers[1:CAST(:most AS integer)])",
    "paired": "cardinality(votes.answers[1:CAST(:most AS integer)]) >= 2",
    "single": "cardinality(votes.answers[1:CAST(:most AS integer)]) = 1",
    "any-unsure": "position('u' IN array_to_string(votes.answers[1:CAST(:most AS integer)], '')) > 0",
}
