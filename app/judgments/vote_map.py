"""Where votes differ: items by the food's country, or dish, and the scene they stand in, counted in one pass."""

import uuid
from collections.abc import Hashable
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.tallies import Basis
from app.judgments.vote_conditions import given_by, narrowed, of_all_questions
from app.judgments.vote_filters import ON_WHITE, Wanted

MEASURES: Final = ("differ", "unsure", "rejected", "doubt")


class Spot(NamedTuple):
    """The items of one row and column. `row` is a country (ISO code) or a dish's id, `column` a country, a
    background's id, or "none" for items on white; `n_paired` of the `n_items` have two or more votes, `n_decided` are
    approved or rejected (a disputed one waits for its decision), `n_modelled` have a rater model, whose doubts add up
    to `doubt`."""

    row: str
    column: str
    n_items: int
    n_paired: int
    n_differ: int
    n_unsure: int
    n_decided: int
    n_rejected: int
    n_modelled: int
    doubt: float

    def of(self, measure: str) -> tuple[float, int]:
        """A measure's sum, and the number of items that it is a share of."""
        return {
            "differ": (self.n_differ, self.n_paired),
            "unsure": (self.n_unsure, self.n_items),
            "rejected": (self.n_rejected, self.n_decided),
            "doubt": (self.doubt, self.n_modelled),
        }[measure]


def by_country(session: Session, campaign_id: uuid.UUID, basis: Basis, question: str) -> list[Spot]:
    """The first food's country by the background's. A dish of two countries counts in both. Without a question votes
    differ, or somebody is unsure, where that is so of any question."""
    return _spots(session, campaign_id, basis, Wanted(question), _COUNTRIES)


def by_dish(session: Session, campaign_id: uuid.UUID, basis: Basis, question: str, country: str) -> list[Spot]:
    """The first food by the background, of the dishes of one country."""
    return _spots(session, campaign_id, basis, Wanted(question, "country", country), _DISHES)


def state_of_decisions(session: Session, campaign_id: uuid.UUID) -> Hashable:
    """Another one whenever decisions or models changed, which the version of the counts doesn't tell."""
    return tuple(session.execute(_STATE, {"campaign": campaign_id}).one())


def _spots(session: Session, campaign_id: uuid.UUID, basis: Basis, wanted: Wanted, cut: str) -> list[Spot]:
    source, scope = narrowed(campaign_id, basis, wanted)
    if wanted.question:
        paired, differ, unsure = "length(asked.given) >= 2", given_by("differ"), given_by("any-unsure")
        doubt = f"(posterior.claims ->> '{wanted.question}')::float"
        doubt = f"least({doubt}, 1 - {doubt})"
    else:
        paired = f"NOT ({of_all_questions('single')})"
        differ, unsure = of_all_questions("differ"), of_all_questions("any-unsure")
        doubt = "posterior.doubt"
    statement = f"""
        WITH judged AS (
            SELECT item.id, item.family_id, item.background_id, background.country AS scene, item.status,
                   {paired} AS paired, {differ} AS differ, {unsure} AS unsure, {doubt} AS doubt
            {source}
        )
        SELECT {cut}, count(*), count(*) FILTER (WHERE paired), count(*) FILTER (WHERE differ),
               count(*) FILTER (WHERE unsure), count(*) FILTER (WHERE status IN ('approved', 'rejected')),
               count(*) FILTER (WHERE status = 'rejected'), count(doubt), coalesce(sum(doubt), 0)
        FROM judged JOIN item_food ON item_food.item_id = judged.id AND item_food.slot = 1
        {_EACH_COUNTRY if cut is _COUNTRIES else ""}
        GROUP BY 1, 2 ORDER BY 1, 2
    """  # noqa: S608  (names from here, see narrowed)
    return [Spot(*row) for row in session.execute(sa.text(statement), scope)]


_COUNTRIES = f"food_country, coalesce(scene, '{ON_WHITE}')"
_EACH_COUNTRY = "CROSS JOIN unnest(item_food.countries) AS food_country"
_DISHES = f"judged.family_id::text, coalesce(judged.background_id::text, '{ON_WHITE}')"

_STATE = sa.text(
    """
    SELECT max(decided_at), count(*) FILTER (WHERE status = 'rejected'),
           count(*) FILTER (WHERE status IN ('approved', 'rejected')),
           (SELECT max(created_at) FROM rater_model_fit WHERE campaign_id = :campaign)
    FROM item WHERE campaign_id = :campaign
    """
)
