"""Where only those who have passed a test are given items: whether anybody has, and whether anybody could."""

import uuid
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.campaigns.parameters import Parameters
from app.claims.offers import CLAIMABLE
from app.geography import CONTINENT_WORDS


class Gate(NamedTuple):
    """A region's undecided items that can be handed out, the items kept for its test, how many a test needs, and the
    active annotators who have passed and are not paused."""

    region: str
    waiting: int
    tests: int
    needed: int
    passed: int

    @property
    def is_lacking(self) -> bool:
        return self.tests < self.needed

    @property
    def is_shut(self) -> bool:
        return not self.passed

    @property
    def words(self) -> str:
        """What is wrong, in a sentence or two; empty where nothing is.

        >>> Gate("Americas", 1, 3, 10, 0).words
        'Nobody can take the test of the Americas: it needs 10 items and has 3. Its 1 undecided item goes to nobody.'
        >>> Gate("Asia", 1200, 0, 10, 2).words
        'Nobody else can take the test of Asia: it needs 10 items and has 0. Its 1,200 undecided items go to the 2 \
people who have passed, and to nobody else.'
        >>> Gate("Asia", 2, 10, 10, 0).words
        'Nobody has passed the test of Asia yet. Its 2 undecided items go to nobody.'
        >>> Gate("Asia", 2, 10, 10, 1).words
        ''
        """
        region = CONTINENT_WORDS[self.region]
        go = "Its 1 undecided item goes" if self.waiting == 1 else f"Its {self.waiting:,} undecided items go"
        if not self.is_lacking:
            return f"Nobody has passed the test of {region} yet. {go} to nobody." if self.is_shut else ""
        items = "1 item" if self.needed == 1 else f"{self.needed:,} items"
        short = f"can take the test of {region}: it needs {items} and has {self.tests:,}."
        if self.is_shut:
            return f"Nobody {short} {go} to nobody."
        people = "1 person who has" if self.passed == 1 else f"{self.passed:,} people who have"
        return f"Nobody else {short} {go} to the {people} passed, and to nobody else."


def gates(session: Session, campaign_id: uuid.UUID, parameters: Parameters) -> list[Gate]:
    """The regions with items to hand out, those with the most first; none where no test is asked for."""
    if not parameters.qualification:
        return []
    return [
        Gate(row.region, int(row.waiting), int(row.tests), parameters.exam_items, int(row.passed))
        for row in session.execute(_GATES, {"campaign": campaign_id})
    ]


_GATES: Final = sa.text(
    f"""
    SELECT found.*, (
        SELECT count(*) FROM qualification JOIN account ON account.id = account_id
        WHERE qualification.campaign_id = :campaign AND qualification.region = found.region
          AND passed_at IS NOT NULL AND paused_at IS NULL AND role = 'annotator' AND is_active AND NOT EXISTS (
            SELECT 1 FROM pool_member
            WHERE campaign_id = :campaign AND pool_member.account_id = account.id AND pool_member.paused_at IS NOT NULL
        )
    ) AS passed
    FROM (
        SELECT region, count(*) FILTER (WHERE {CLAIMABLE}) AS waiting,
               count(*) FILTER (WHERE hold IS NOT DISTINCT FROM 'test' AND EXISTS (
                   SELECT 1 FROM gold WHERE gold.item_id = item.id AND withdrawn_at IS NULL)) AS tests
        FROM item WHERE campaign_id = :campaign GROUP BY region
    ) AS found WHERE waiting > 0 ORDER BY waiting DESC, region
    """  # noqa: S608  (nothing in it comes from outside)
)
