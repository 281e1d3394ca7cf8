"""How people answer where the answer is known: shares of right answers, and how well they tell wrong claims from right.

What counts is a person's first answer on a live gold item, given once its answer was known: later revisions may come of
second thoughts, and the votes a promoted item was decided by would only confirm themselves.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.intervals import Estimate, wilson
from app.errors import Sentence

QUESTION_NAMES: Final = {
    "food1_identity": Sentence("Dish (only or left food)"),
    "food1_origin": Sentence("Origin (only or left food)"),
    "food2_identity": Sentence("Dish (right food)"),
    "food2_origin": Sentence("Origin (right food)"),
    "background": Sentence("Background"),
}


class GoldAnswer(NamedTuple):
    """One question of one gold item: what is known (`truth`), and what a person answered first."""

    account_id: uuid.UUID
    item_id: uuid.UUID
    question: str
    truth: str
    given: str
    at: datetime

    @property
    def is_right(self) -> bool:
        return self.given == self.truth


class Right(NamedTuple):
    n: int = 0
    right: int = 0

    @property
    def estimate(self) -> Estimate:
        """The share of right answers with Wilson's interval."""
        return wilson(self.right, self.n)


class Telling(NamedTuple):
    """Of `wrong_claims` a person answered "no" to `noticed`; of `right_claims` "yes" to `confirmed`."""

    wrong_claims: int = 0
    noticed: int = 0
    right_claims: int = 0
    confirmed: int = 0

    @property
    def youden(self) -> float | None:
        """Youden's J: 1 for who is always right, 0 for who answers the same whatever is shown. None without both kinds.

        >>> Telling(10, 9, 10, 8).youden
        0.7
        >>> Telling(10, 0, 10, 10).youden, Telling(0, 0, 20, 20).youden
        (0.0, None)
        """
        if not (self.wrong_claims and self.right_claims):
            return None
        return round(self.noticed / self.wrong_claims + self.confirmed / self.right_claims - 1, 9)


_ANSWERS = sa.text(
    """
    SELECT judgment.account_id, gold.item_id, gold.question, gold.answer AS truth,
           judgment.answers -> gold.question ->> 'answer' AS given, judgment.created_at AS at
    FROM gold JOIN item ON item.id = gold.item_id
    JOIN judgment ON judgment.item_id = gold.item_id AND judgment.revision = 1
        AND judgment.created_at >= gold.created_at
    WHERE item.campaign_id = :campaign AND jsonb_exists(judgment.answers, gold.question)
      AND (gold.withdrawn_at IS NULL OR :with_withdrawn)
      AND (CAST(:account AS uuid) IS NULL OR judgment.account_id = :account)
    ORDER BY judgment.created_at, gold.item_id, gold.question
    """
)


def answers(
    session: Session, campaign_id: uuid.UUID, account_id: uuid.UUID | None = None, *, with_withdrawn: bool = False
) -> list[GoldAnswer]:
    """All that count, in the order they were given; of one person where `account_id` names one."""
    scope = {"campaign": campaign_id, "account": account_id, "with_withdrawn": with_withdrawn}
    return [GoldAnswer(*row) for row in session.execute(_ANSWERS, scope)]


def by_person(given: Iterable[GoldAnswer]) -> Mapping[uuid.UUID, list[GoldAnswer]]:
    found: dict[uuid.UUID, list[GoldAnswer]] = defaultdict(list)
    for answer in given:
        found[answer.account_id].append(answer)
    return found


def right_share(given: Sequence[GoldAnswer]) -> Right:
    return Right(len(given), sum(answer.is_right for answer in given))


def by_question(given: Iterable[GoldAnswer]) -> Mapping[str, Right]:
    """Right answers for each question that was answered, in the order questions are asked."""
    found: dict[str, list[GoldAnswer]] = defaultdict(list)
    for answer in given:
        found[answer.question].append(answer)
    return {key: right_share(found[key]) for key in QUESTION_NAMES if key in found}


def telling(given: Iterable[GoldAnswer]) -> Telling:
    """ "Unsure" neither notices a wrong claim nor confirms a right one."""
    wrong_claims = noticed = right_claims = confirmed = 0
    for answer in given:
        if answer.truth == "no":
            wrong_claims += 1
            noticed += answer.is_right
        elif answer.truth == "yes":
            right_claims += 1
            confirmed += answer.is_right
    return Telling(wrong_claims, noticed, right_claims, confirmed)
