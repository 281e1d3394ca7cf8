"""What a run has used and what that cost: sums over its answers, so that they equal what its servers counted."""

import uuid
from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.evaluation.engines import Reply


class Spent(NamedTuple):
    """Answers taken from earlier runs used nothing; they are counted as `cached` alone."""

    questions: int = 0
    cached: int = 0
    images: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    gpu_seconds: float = 0.0

    def usd(self, prices: Mapping[str, float]) -> float:
        return _usd(self.input_tokens, self.output_tokens, self.gpu_seconds, prices)


_SPENT = sa.text(
    """
    SELECT count(*) AS questions, count(*) FILTER (WHERE is_cached) AS cached,
           count(*) FILTER (WHERE NOT is_cached AND state <> 'failed') AS images,
           coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens,
           coalesce(sum(gpu_ms), 0) / 1000.0 AS gpu_seconds
    FROM prediction WHERE run_id = :run
    """
)


def spent(session: Session, run_id: uuid.UUID) -> Spent:
    row = session.execute(_SPENT, {"run": run_id}).one()
    return Spent(
        row.questions, row.cached, row.images, int(row.input_tokens), int(row.output_tokens), float(row.gpu_seconds)
    )


def cost_of(reply: Reply, prices: Mapping[str, float]) -> float:
    """One reply's price in USD; what has no price or was not counted is free."""
    return _usd(reply.input_tokens or 0, reply.output_tokens or 0, (reply.gpu_ms or 0) / 1000, prices)


def _usd(input_tokens: int, output_tokens: int, gpu_seconds: float, prices: Mapping[str, float]) -> float:
    """
    >>> _usd(2_000_000, 1_000_000, 1800, {"input_per_million": 1.25, "output_per_million": 10, "gpu_hour": 2})
    13.5
    """
    return (
        input_tokens * prices.get("input_per_million", 0.0) / 1e6
        + output_tokens * prices.get("output_per_million", 0.0) / 1e6
        + gpu_seconds * prices.get("gpu_hour", 0.0) / 3600
    )
