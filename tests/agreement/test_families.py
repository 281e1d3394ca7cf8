"""Resampling families: the item bootstrap where each has one item, wider where their items resemble each other."""

import numpy as np
import pytest

from app.agreement.bootstrap import FIGURES, ORDINAL, estimates
from app.agreement.families import Families
from app.agreement.patterns import Patterns
from app.agreement.report import question_report

SCALE = ("no", "unsure", "yes")
Rows = list[tuple[int, tuple[int, ...], int]]


def study(rng: np.random.Generator, n_families: int, size: int, tied: float) -> tuple[Patterns, Rows]:
    """Items with three answers; a dish is hard for raters with chance 1/2, and with chance `tied` all its items are.

    Where `tied` is 0 the items of a family are independent, and the figures expected are the same for every `tied`.
    """
    family = np.repeat(np.arange(n_families), size)
    hard = np.where(
        rng.random(len(family)) < tied, (rng.random(n_families) < 0.5)[family], rng.random(len(family)) < 0.5
    )
    truth = np.where(rng.random(len(family)) < 0.6, 2, 0)
    slip = rng.random((len(family), 3)) < np.where(hard, 0.4, 0.02)[:, None]
    answers = np.sort(np.where(slip, rng.integers(0, 3, (len(family), 3)), truth[:, None]), axis=1)
    patterns = Patterns.from_codes(np.repeat(np.arange(len(family)), 3), answers.ravel(), SCALE)
    return patterns, [(int(one), tuple(given), 1) for one, given in zip(family, answers.tolist(), strict=True)]


def widths(patterns: Patterns, families: Families | None = None) -> dict[str, float]:
    found = estimates(patterns, ORDINAL, families=families, replicates=1000)
    return {name: one.high - one.low for name, one in found.items() if one.high is not None and one.low is not None}


def test_families_of_one_item_are_the_item_bootstrap_to_the_last_bit() -> None:
    patterns, rows = study(np.random.default_rng(1), n_families=200, size=1, tied=0)
    families = Families.from_items(patterns, rows)
    assert families.n_paired == patterns.n_items_paired == 200
    assert estimates(patterns, ORDINAL, families=families, seed=3) == estimates(patterns, ORDINAL, seed=3)


def test_intervals_widen_when_the_items_of_a_family_resemble_each_other() -> None:
    """With m = 10 items a family and correlation r the standard error grows by sqrt(1 + 9 r)."""
    ratios = {}
    for tied in (0.0, 1.0):
        patterns, rows = study(np.random.default_rng(2), n_families=120, size=10, tied=tied)
        by_item, by_family = widths(patterns), widths(patterns, Families.from_items(patterns, rows))
        ratios[tied] = {name: by_family[name] / by_item[name] for name in ORDINAL}
    for name in ORDINAL:
        assert ratios[0.0][name] == pytest.approx(1, abs=0.25)
        assert ratios[1.0][name] > 1.4


def test_the_family_bootstrap_covers_where_the_item_bootstrap_does_not() -> None:
    """150 studies of 60 families whose ten items are hard together: intervals for the mean agreement of all studies."""
    rng = np.random.default_rng(3)
    wide, _ = study(rng, n_families=20_000, size=10, tied=1)
    truth = estimates(wide, replicates=0)["percent_agreement"].value
    assert truth is not None
    held = {"items": 0, "families": 0}
    for seed in range(150):
        patterns, rows = study(rng, n_families=60, size=10, tied=1)
        for unit, families in (("items", None), ("families", Families.from_items(patterns, rows))):
            one = estimates(patterns, FIGURES["nominal"], families=families, seed=seed, replicates=200)[
                "percent_agreement"
            ]
            assert one.low is not None
            assert one.high is not None
            held[unit] += one.low <= truth <= one.high
    assert held["families"] >= 0.89 * 150  # 0.95 less three standard errors
    assert held["items"] < 0.85 * 150


def test_one_draw_over_kinds_of_families_is_drawing_families() -> None:
    """Against the plain way, family by family: the same centre and width of percent agreement's interval."""
    patterns, rows = study(np.random.default_rng(4), n_families=40, size=5, tied=1)
    agreeing = np.array([len(set(given)) == 1 for _, given, _ in rows], dtype=float)
    two = np.array([len(set(given)) == 2 for _, given, _ in rows], dtype=float)
    by_family = (agreeing + two / 3).reshape(40, 5).mean(axis=1)
    rng = np.random.default_rng(0)
    plain = [rng.choice(by_family, size=40).mean() for _ in range(4000)]
    found = estimates(patterns, families=Families.from_items(patterns, rows), replicates=4000)["percent_agreement"]
    assert (found.low, found.high) == pytest.approx(np.percentile(plain, [2.5, 97.5]), abs=0.01)


def test_the_order_of_rows_changes_nothing() -> None:
    patterns, rows = study(np.random.default_rng(5), n_families=30, size=4, tied=1)
    backwards = [(-family, given, n) for family, given, n in reversed(rows)]
    one, other = (Families.from_items(patterns, some) for some in (rows, backwards))
    assert estimates(patterns, families=one) == estimates(patterns, families=other)


def test_a_single_family_has_values_and_no_interval() -> None:
    patterns, rows = study(np.random.default_rng(6), n_families=1, size=40, tied=0)
    report = question_report(patterns, n_raters=3, families=Families.from_items(patterns, rows), replicates=50)
    assert report["percent_agreement"]["reason"] == "one_family"
    assert report["percent_agreement"]["value"] is not None
    assert report["percent_agreement"]["low"] is None
    assert report["bootstrap"]["n_families"] == 1
    assert "from 1 family:" in report["warnings"][-1]


def test_nothing_counted_is_no_overlap() -> None:
    patterns = Patterns.from_rows([], SCALE)
    found = estimates(patterns, families=Families.from_items(patterns, []))
    assert {one.reason for one in found.values()} == {"no_overlap"}


def test_families_of_other_items_are_refused() -> None:
    patterns = Patterns.from_rows([((2, 0, 0), 2)], SCALE)
    with pytest.raises(ValueError, match="no pattern holds"):
        Families.from_items(patterns, [("a", (1, 1), 2)])
    with pytest.raises(ValueError, match="other items"):
        Families.from_items(patterns, [("a", (0, 0), 1)])
