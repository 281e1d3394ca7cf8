"""How far the newest rater models trust the people who judged an item."""

import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.fitted import row_estimates
from app.agreement.intervals import Estimate


class Reliability(NamedTuple):
    """`notices`: the chance of a no where a claim is wrong; `agrees`: of a yes where it is right. With 95 % credible
    intervals, over the questions asked for."""

    notices: Estimate
    agrees: Estimate


_EXPECTED = sa.text(
    """
    SELECT rater, fit -> 'classes' AS classes, fit -> 'answers' AS answers,
           fit -> 'raters' -> rater -> 'expected' AS expected
    FROM (
        SELECT DISTINCT ON (question) fit FROM rater_model_fit
        WHERE campaign_id = :campaign AND question = ANY(:questions) ORDER BY question, created_at DESC
    ) AS newest, unnest(CAST(:raters AS text[])) AS rater
    WHERE fit -> 'raters' ? rater
    """
)


def reliabilities(
    session: Session, campaign_id: uuid.UUID, raters: Sequence[uuid.UUID], questions: Sequence[str]
) -> Mapping[uuid.UUID, Reliability]:
    """Of those whom a model knows. The questions' expected counts are added up: a few answers to each say little."""
    sums: dict[str, np.ndarray] = {}
    scope = {"campaign": campaign_id, "questions": list(questions), "raters": [str(rater) for rater in raters]}
    for row in session.execute(_EXPECTED, scope):
        counts = np.array(row.expected, dtype=np.float64)
        counts = counts[[row.classes.index("yes"), row.classes.index("no")]]
        counts = counts[:, [row.answers.index(answer) for answer in ("yes", "no", "unsure")]]
        sums[row.rater] = sums.get(row.rater, 0) + counts
    return {
        uuid.UUID(rater): Reliability(notices=row_estimates(wrong)[1], agrees=row_estimates(right)[0])
        for rater, (right, wrong) in ((rater, counts.tolist()) for rater, counts in sums.items())
    }
