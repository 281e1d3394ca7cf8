"""The bootstrap: seeded, bounded in memory, and silent where it knows too little."""

import numpy as np
import pytest

from app.agreement import bootstrap
from app.agreement.bootstrap import estimates
from app.agreement.patterns import Patterns


def table(*rows: tuple[tuple[int, ...], int]) -> Patterns:
    return Patterns.from_rows(rows, ["yes", "no", "unsure"])


def test_the_same_seed_gives_the_same_interval_and_another_a_new_one() -> None:
    votes = table(((3, 0, 0), 80), ((2, 1, 0), 15), ((1, 1, 1), 5))
    assert estimates(votes, seed=4) == estimates(votes, seed=4)
    assert estimates(votes, seed=4) != estimates(votes, seed=5)


def test_the_size_of_a_chunk_changes_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    votes = table(((3, 0, 0), 80), ((2, 1, 0), 15), ((1, 1, 1), 5))
    whole = estimates(votes, replicates=100)
    monkeypatch.setattr(bootstrap, "CHUNK_CELLS", 21)
    assert estimates(votes, replicates=100) == whole


def test_one_draw_over_patterns_is_resampling_items() -> None:
    """Against the plain way, item by item: same centre and width of percent agreement's interval."""
    votes = table(((2, 0, 0), 60), ((1, 1, 0), 40))
    rng = np.random.default_rng(0)
    items = np.repeat([1.0, 0.0], [60, 40])
    plain = [rng.choice(items, size=100).mean() for _ in range(4000)]
    found = estimates(votes, replicates=4000)["percent_agreement"]
    assert (found.low, found.high) == pytest.approx(np.percentile(plain, [2.5, 97.5]), abs=0.02)


def test_a_single_paired_item_has_a_value_and_no_interval() -> None:
    found = estimates(table(((2, 1, 0), 1), ((1, 0, 0), 9)))
    assert found["krippendorff_alpha"] == (0.0, None, None, "one_item")


def test_an_interval_most_replicates_say_nothing_about_is_left_out() -> None:
    """One dissent in ten items: a third of the replicates hold no dissent, and alpha is undefined there."""
    found = estimates(table(((3, 0, 0), 9), ((2, 1, 0), 1)))
    assert found["krippendorff_alpha"].value == pytest.approx(0, abs=1e-12)
    assert found["krippendorff_alpha"][1:] == (None, None, "unstable")
    assert found["gwet_ac1"].reason is None


def test_nothing_counted_is_no_overlap() -> None:
    for found in estimates(table()).values():
        assert found == (None, None, None, "no_overlap")
    for found in estimates(Patterns.from_codes([], [], [])).values():
        assert found == (None, None, None, "no_overlap")


def test_without_replicates_there_are_values_alone() -> None:
    found = estimates(table(((2, 0, 0), 6), ((1, 1, 0), 4)), replicates=0)["percent_agreement"]
    assert found == (pytest.approx(0.6), None, None, "no_replicates")


def test_item_ids_may_be_any_integers_and_answers_any_number() -> None:
    ids = np.repeat([10**15, -3, 7], [2, 40, 1])
    codes = np.r_[0, 1, np.zeros(39, dtype=int), 1, 2]
    votes = Patterns.from_codes(ids, codes, ["yes", "no", "unsure"])
    assert sorted(map(tuple, votes.counts.toarray().tolist())) == [(0, 0, 1), (1, 1, 0), (39, 1, 0)]
    assert (votes.n_items, votes.n_items_paired, votes.n_judgments) == (3, 2, 43)


def test_codes_beyond_the_categories_are_refused() -> None:
    with pytest.raises(ValueError, match="codes must lie"):
        Patterns.from_codes([1, 1], [0, 2], ["yes", "no"])
    with pytest.raises(ValueError, match="no pattern"):
        Patterns.from_rows([((1, 0, 0), 1)], ["yes", "no"])
