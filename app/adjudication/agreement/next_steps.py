"""What an admin can do about a campaign's agreement: where to look first, each with its reason."""

import uuid
from collections.abc import Mapping
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.bootstrap import NOMINAL
from app.agreement.intervals import wilson
from app.agreement.parts import estimates_by_part
from app.agreement.report import FEW_ITEMS
from app.agreement.rules import ANSWERS
from app.agreement.tallies import QUESTIONS
from app.judgments.votes import Counts

AGREEMENT: Final = "percent_agreement"


class Place(NamedTuple):
    """A country and a question, the items that can be compared there, and the share of pairs that agree."""

    country: str
    question: str
    n_paired: int
    agreement: float


def lowest_place(by_country: Mapping[str, Mapping[str, Counts]]) -> Place | None:
    """Where people surely agree least: the lowest upper end of the share's 95 % interval among places with FEW_ITEMS
    paired items or more. None where fewer than two countries can be compared."""
    found: list[tuple[float, Place]] = []
    for question in QUESTIONS:
        rows = {country: counts[question].rows for country, counts in by_country.items() if question in counts}
        figures = estimates_by_part(rows, ANSWERS, {AGREEMENT: NOMINAL[AGREEMENT]}, replicates=0)
        for country, votes in rows.items():
            n, share = sum(n for given, n in votes if sum(given) >= 2), figures[country][AGREEMENT].value
            if n >= FEW_ITEMS and share is not None:
                upper = wilson(share * n, n).high
                assert upper is not None
                found.append((upper, Place(country, question, n, share)))
    if len({place.country for _, place in found}) < 2:
        return None
    return min(found)[1]


def n_differing(counts: Counts) -> int:
    """Items whose counted answers are not all alike."""
    return sum(n for votes, n in counts.rows if max(votes) < sum(votes))


def n_disputed(session: Session, campaign_id: uuid.UUID) -> int:
    return int(session.execute(_DISPUTED, {"campaign": campaign_id}).scalar_one())


_DISPUTED = sa.text("SELECT count(*) FROM item WHERE campaign_id = :campaign AND status = 'disputed'")
