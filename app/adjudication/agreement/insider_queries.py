"""The answers of those who know the country a question is about and of those who don't, item by item."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.rules import ANSWERS
from app.agreement.tallies import FIRST_JUDGMENTS, QUESTIONS, Basis

OVERALL = ""
"""In place of a country: every item once, whatever the number of its countries."""

Counts = tuple[int, int, int]
"""Answers yes, no and unsure."""


class Sides(NamedTuple):
    """How one item was answered. `mixed` holds the first insider's and the first outsider's answer, where there are
    both. `family` is the item's, or the item alone where families don't matter (then "")."""

    family: str
    insiders: Counts
    outsiders: Counts
    mixed: tuple[str, str] | None


Parts = Mapping[str, Mapping[Sides, int]]
"""{country, or OVERALL: {how items were answered: how many}}."""


def sides_of(session: Session, campaign_id: uuid.UUID, question: str, basis: Basis, *, families: bool = False) -> Parts:
    """The items of a question by the country it is about; an item of two countries is in both. Who knows either of
    them is an insider. Items without a country, or with a known answer, are in none. Counts must be up to date."""
    scope = {
        "campaign": campaign_id,
        "place": QUESTIONS.index(question) + 1,
        "slot": 1 if question.startswith("food1") else 2,
        "families": families,
    }
    most = FIRST_JUDGMENTS if basis == "first" else session.execute(_MOST, {"campaign": campaign_id}).scalar_one()
    rows = session.execute(_grouped(question, most), scope)
    found: dict[str, Counter[Sides]] = defaultdict(Counter)
    for row in rows:
        sides = _sides(row.family, row.given, row.knew)
        if any(sides.insiders) or any(sides.outsiders):
            for country in (OVERALL, *row.countries):
                found[country][sides] += row.n
    return found


def _sides(family: str, given: str, knew: str) -> Sides:
    """
    >>> _sides("", "ynu", "010")
    Sides(family='', insiders=(0, 1, 0), outsiders=(1, 0, 1), mixed=('n', 'y'))
    """
    pairs = list(zip(given, knew, strict=True))
    insiders = [letter for letter, known in pairs if known == "1"]
    outsiders = [letter for letter, known in pairs if known == "0"]
    mixed = (insiders[0], outsiders[0]) if insiders and outsiders else None
    return Sides(family, counted(insiders), counted(outsiders), mixed)


def counted(letters: list[str] | tuple[str, ...]) -> Counts:
    yes, no, unsure = (letters.count(answer[0]) for answer in ANSWERS)
    return yes, no, unsure


# The question's letter of each judgment: of `abcde`, `fghij` the second ones are "bg". Written out judgment by judgment
# it takes a quarter of the time of a subquery an item.
_LETTER = "coalesce(substr({column}[{number}], CAST(:place AS integer), 1), '')"
_MOST = sa.text("SELECT coalesce(max(cardinality(raters)), 0) FROM counted_votes WHERE campaign_id = :campaign")


def _grouped(question: str, n_judgments: int) -> sa.TextClause:
    given, knew = (
        " || ".join(["''", *(_LETTER.format(column=column, number=1 + number) for number in range(n_judgments))])
        for column in ("answers", "knows")
    )
    return sa.text(
        f"""
        SELECT countries, CASE WHEN :families THEN item.family_id::text ELSE '' END AS family,
               {given} AS given, {knew} AS knew, count(*) AS n
        FROM counted_votes JOIN item ON item.id = counted_votes.item_id {_SCENE if question == "background" else _FOOD}
        WHERE counted_votes.campaign_id = :campaign AND NOT is_gold AND cardinality(countries) > 0
        GROUP BY 1, 2, 3, 4
        """  # noqa: S608  (nothing in it comes from outside)
    )


_FOOD = "JOIN item_food ON item_food.item_id = item.id AND item_food.slot = :slot"
_SCENE = (
    "JOIN background ON background.id = item.background_id "
    "CROSS JOIN LATERAL (SELECT array_remove(ARRAY[CAST(background.country AS text)], NULL) AS countries) AS about"
)
