"""What two raters answered on the items they share, from the counts of pairs: no judgment is looked at."""

import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
from scipy.special import bdtr
from sqlmodel import Session

from app.accounts.models import Account
from app.agreement.bootstrap import cohen_estimate
from app.agreement.coefficients import cohen_kappa
from app.agreement.intervals import Estimate, FloatArray, wilson
from app.agreement.rules import ANSWERS
from app.agreement.tallies import QUESTIONS, Basis
from app.errors import NotFound

ENOUGH = 20
"""With fewer shared items than this a pair has no figure in the matrix: it would be noise."""
MOST_RATERS = 40
"""More don't fit into a picture; the CSV file has all pairs."""


class Pairs(NamedTuple):
    """P pairs of raters who share items on one question: `a` has the lower id, as in the table of pairs. `tables`
    (P, 3, 3) counts items by what a (row) and b (column) answered, in the order of ANSWERS."""

    a: list[uuid.UUID]
    b: list[uuid.UUID]
    tables: FloatArray

    @property
    def n(self) -> FloatArray:
        total: FloatArray = self.tables.sum(axis=(1, 2))
        return total

    @property
    def agreeing(self) -> FloatArray:
        alike: FloatArray = np.trace(self.tables, axis1=1, axis2=2)
        return alike

    @property
    def kappa(self) -> FloatArray:
        """(P,) NaN where both gave one and the same answer only."""
        return cohen_kappa(self.agreeing, self.tables.sum(axis=2), self.tables.sum(axis=1))


class Rater(NamedTuple):
    """`with_all` is the share of all the rater's comparisons with others that agree."""

    id: uuid.UUID
    name: str
    n_judgments: int
    with_all: float


class PairRow(NamedTuple):
    """`place` is the pair's in `Pairs`."""

    place: int
    one: Rater
    other: Rater
    n: int
    agreement: Estimate
    kappa: float | None


class Matrix(NamedTuple):
    """`raters` are those in the picture, in its order; `everybody` who shares an item with anyone, by id; `rows` the
    pairs of the picture: those with ENOUGH items by agreement, lowest first, then the others."""

    pairs: Pairs
    everybody: Mapping[uuid.UUID, Rater]
    raters: list[Rater]
    rows: list[PairRow]


class Stricter(NamedTuple):
    """Of the items to which just one of two said no: how many are each one's, and how likely a split at least as
    uneven is if both are equally strict (exact McNemar test, two-sided). `p` is None without such items."""

    only_a: int
    only_b: int
    p: float | None


def pairs_of(
    session: Session, campaign_id: uuid.UUID, basis: Basis, question: str, of: tuple[uuid.UUID, uuid.UUID] | None = None
) -> Pairs:
    """All pairs of a question, or that of two raters alone, the lower id first. The counts must be up to date."""
    scope = {"campaign": campaign_id, "basis": basis, "question": question, "a": of and of[0], "b": of and of[1]}
    rows = session.execute(_PAIRS, scope).all()
    cells = np.array([row[2:] for row in rows], dtype=np.float64).reshape(-1, len(ANSWERS), len(ANSWERS))
    return Pairs([row.a for row in rows], [row.b for row in rows], cells)


def matrix(session: Session, campaign_id: uuid.UUID, basis: Basis, question: str) -> Matrix:
    """The pairs of the MOST_RATERS raters with most judgments, put in order by agreement with everyone."""
    pairs = pairs_of(session, campaign_id, basis, question)
    judged = session.execute(_RATERS, {"campaign": campaign_id, "basis": basis, "question": question})
    totals: dict[uuid.UUID, list[float]] = {}
    for a, b, n, alike in zip(pairs.a, pairs.b, pairs.n.tolist(), pairs.agreeing.tolist(), strict=True):
        for rater in (a, b):
            total = totals.setdefault(rater, [0, 0])
            total[0] += n
            total[1] += alike
    everybody = {
        row.id: Rater(row.id, row.name, row.n, totals[row.id][1] / totals[row.id][0])
        for row in judged
        if row.id in totals
    }
    most = sorted(everybody.values(), key=lambda rater: (-rater.n_judgments, rater.id))[:MOST_RATERS]
    raters = sorted(most, key=lambda rater: (-rater.with_all, rater.name.casefold(), rater.id))
    shown = {rater.id for rater in raters}
    places = [place for place, pair in enumerate(zip(pairs.a, pairs.b, strict=True)) if shown.issuperset(pair)]
    return Matrix(pairs, everybody, raters, _rows(pairs, everybody, places))


def _rows(pairs: Pairs, everybody: Mapping[uuid.UUID, Rater], places: Sequence[int]) -> list[PairRow]:
    n, alike, kappas = pairs.n, pairs.agreeing, pairs.kappa
    rows = [
        PairRow(
            place,
            everybody[pairs.a[place]],
            everybody[pairs.b[place]],
            int(n[place]),
            wilson(float(alike[place]), float(n[place])),
            None if np.isnan(kappas[place]) else float(kappas[place]),
        )
        for place in places
    ]
    return sorted(rows, key=lambda row: (row.n < ENOUGH, row.agreement.value or 0.0, -row.n, row.one.id, row.other.id))


def every_row(found: Matrix) -> list[PairRow]:
    """The picture's pairs, then those of everyone else."""
    shown = {row.place for row in found.rows}
    return [
        *found.rows,
        *_rows(found.pairs, found.everybody, [place for place in range(len(found.pairs.a)) if place not in shown]),
    ]


def kappa_of(found: Matrix, row: PairRow, *, has_interval: bool = True) -> Estimate:
    if not has_interval:
        return Estimate(row.kappa, reason="no_replicates" if row.kappa is not None else "no_variation")
    return cohen_estimate(found.pairs.tables[row.place])


def stricter(table: FloatArray) -> Stricter:
    """
    Ten items just one said no to, nine of them the first: 2 (C(10,9) + C(10,10)) / 2^10 = 0.0215.

    >>> stricter(np.array([[50.0, 1.0, 0.0], [7.0, 20.0, 2.0], [0.0, 0.0, 0.0]]))
    Stricter(only_a=9, only_b=1, p=0.021484375)
    """
    no = ANSWERS.index("no")
    only_a = int(table[no].sum() - table[no, no])
    only_b = int(table[:, no].sum() - table[no, no])
    n = only_a + only_b
    p = min(1.0, 2 * float(bdtr(min(only_a, only_b), n, 0.5))) if n else None
    return Stricter(only_a, only_b, p)


def both(session: Session, campaign_id: uuid.UUID, a: uuid.UUID, b: uuid.UUID) -> tuple[Account, Account]:
    """Two different people who judged in the campaign, the lower id first. Raises NotFound."""
    found = session.execute(_BOTH, {"campaign": campaign_id, "people": [a, b]}).scalars().all()
    if len(found) != 2:
        raise NotFound("Two people who both judged in this campaign are needed, and these aren’t.")
    one, other = sorted(found)
    return session.get_one(Account, one), session.get_one(Account, other)


def answers_of(
    session: Session, campaign_id: uuid.UUID, basis: Basis, a: uuid.UUID, b: uuid.UUID
) -> dict[str, FloatArray]:
    """{question: (3, 3) items by what a (row) and b (column) answered}, of the questions they share items on."""
    found = {question: pairs_of(session, campaign_id, basis, question, (a, b)).tables for question in QUESTIONS}
    return {question: tables[0] for question, tables in found.items() if len(tables)}


_CELLS = ", ".join(
    f"coalesce(sum(n_items) FILTER (WHERE answer_a = '{one}' AND answer_b = '{other}'), 0) AS {one}_{other}"
    for one in ANSWERS
    for other in ANSWERS
)
_PAIRS = sa.text(
    f"""
    SELECT a, b, {_CELLS} FROM rater_pair
    WHERE campaign_id = :campaign AND basis = :basis AND question = :question AND n_items > 0
      AND (CAST(:a AS uuid) IS NULL OR (a = CAST(:a AS uuid) AND b = CAST(:b AS uuid)))
    GROUP BY a, b ORDER BY a, b
    """  # noqa: S608  (the answers are constants)
)

_RATERS = sa.text(
    """
    SELECT account.id, account.name, sum(n_items) AS n
    FROM rater_votes JOIN account ON account.id = rater_votes.rater_id
    WHERE campaign_id = :campaign AND basis = :basis AND question = :question AND kind = 'all'
    GROUP BY account.id
    """
)

_BOTH = sa.text(
    """
    SELECT DISTINCT rater_id FROM rater_votes
    WHERE campaign_id = :campaign AND basis = 'all' AND kind = 'all' AND rater_id = ANY(:people)
    """
)
