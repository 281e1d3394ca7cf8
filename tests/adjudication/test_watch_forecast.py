"""The forecast of a campaign's end: what it stands on, when it says nothing, and how often its interval holds."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from app.adjudication.watch import remaining, spans_of
from app.adjudication.watch_forecast import Spans, forecast
from app.adjudication.watch_queries import Items, Span
from app.items.models import Hold, Status

START = datetime(2026, 11, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
QUIET = Span(0, 0)


def spans(*counts: int) -> list[Span]:
    return [Span(n, n) for n in counts]


@pytest.mark.parametrize(("n", "shape"), [(6, 2.0), (14, 2.0), (14, 50.0)])
def test_its_interval_holds_the_end_about_as_often_as_it_says(n: int, shape: float) -> None:
    """2,000 campaigns whose days are drawn from a negative binomial of mean 50: as uneven as people, or nearly even."""
    random, held = np.random.default_rng(1), 0
    for _ in range(2_000):
        days = random.negative_binomial(shape, shape / (shape + 50), size=n + 400)
        found = forecast(500, Spans([int(day) for day in days[:n]], DAY, "day"), START)
        if found.at is None:  # a start too slow for a forecast
            continue
        took = 1 + int(np.argmax(np.cumsum(days[n:]) >= 500))  # the day in which the last judgment came
        assert found.low is not None
        low, high = (found.low - START) / DAY, (found.high - START) / DAY if found.high else np.inf
        held += low <= took and took - 1 <= high
    assert 0.93 < held / 2_000 < 0.995


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([3, 0, 0, 1, 0, 2], "Too few judgments to say when: 6 within 6 hours; it takes 30 within 6 hours."),
        ([90], "Too few judgments to say when: 90 within 1 hour; it takes 30 within 6 hours."),
        ([5] * 6, "More than a year away at the pace of the last 6 hours, 30 judgments."),
    ],
)
def test_it_says_why_it_says_nothing(counts: list[int], words: str) -> None:
    found = forecast(1_000_000, Spans(counts, HOUR, "hour"), START)
    assert (found.at, found.low, found.high, found.why) == (None, None, None, words)


def test_a_pace_that_varies_too_much_has_no_latest_end() -> None:
    found = forecast(100, Spans([0, 0, 0, 0, 0, 60], HOUR, "hour"), START)
    assert found.at == START + 10 * HOUR
    assert found.low is not None
    assert START < found.low < found.at
    assert found.high is None
    assert "varies too much" in found.why


def test_days_are_taken_once_there_are_enough_and_hours_before() -> None:
    hours = spans(*[0] * 20, 9, 8, 7, 6)
    quiet = [QUIET] * 14
    assert spans_of(hours, quiet) == Spans([9, 8, 7, 6], HOUR, "hour")  # nobody had begun a day ago
    assert spans_of(hours, [*quiet[:-5], *spans(5, 0, 0, 0, 4)]).name == "hour"
    assert len(spans_of(hours, [*quiet[:-5], *spans(5, 0, 0, 0, 4)]).counts) == 24  # nights are part of it
    assert spans_of(hours, [*quiet[:-6], *spans(5, 0, 0, 0, 4, 1)]) == Spans([5, 0, 0, 0, 4, 1], DAY, "day")


def test_an_adaptive_rule_takes_what_decided_items_took() -> None:
    pending = Items(Status.PENDING, None, 100, 120, 200, 0, 0)
    held_back = Items(Status.PENDING, Hold.QUOTA, 50, 0, 100, 0, 0)
    decided = Items(Status.APPROVED, None, 20, 60, 60, 0, 0)
    assert remaining([pending, held_back, decided], is_adaptive=False) == 80
    assert remaining([pending, held_back, decided], is_adaptive=True) == 180  # three visits each, less those made
    assert remaining([pending, held_back, decided._replace(n=19)], is_adaptive=True) == 80
    assert remaining([pending, decided._replace(judged=20)], is_adaptive=True) == 80  # never less than is wanted
