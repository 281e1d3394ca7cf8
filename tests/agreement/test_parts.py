"""Many parts at once give what each gives by itself."""

import pytest

from app.agreement.bootstrap import NOMINAL, estimates
from app.agreement.intervals import Estimate
from app.agreement.parts import estimates_by_part
from app.agreement.patterns import Patterns

ANSWERS = ("yes", "no", "unsure")
PARTS = {
    "many": [((2, 0, 0), 800), ((1, 1, 0), 90), ((0, 2, 0), 60), ((1, 0, 1), 9), ((1, 0, 0), 30)],
    "few": [((2, 0, 0), 8), ((1, 1, 0), 3)],
    "without the last": [((3, 0, 0), 40), ((1, 2, 0), 7)],
    "one": [((1, 1, 0), 1), ((1, 0, 0), 4)],
    "alike": [((2, 0, 0), 50)],
    "alone": [((1, 0, 0), 5)],
}


def test_each_part_has_the_figures_and_intervals_it_has_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    together = estimates_by_part(PARTS, ANSWERS, replicates=300, seed=4)
    # As many passes as parts, where memory is short.
    monkeypatch.setattr("app.agreement.parts.CHUNK_CELLS", 1)
    one_by_one = estimates_by_part(PARTS, ANSWERS, replicates=300, seed=4)
    for part, rows in PARTS.items():
        alone = estimates(Patterns.from_rows(rows, ANSWERS), replicates=300, seed=4)
        for figure in NOMINAL:
            expected = alone[figure]
            for found in (together[part][figure], one_by_one[part][figure]):
                assert found.reason == expected.reason
                for got, wanted in zip(found[:3], expected[:3], strict=True):
                    assert got == (None if wanted is None else pytest.approx(wanted, abs=1e-12))


def test_without_replicates_there_are_values_alone_and_without_parts_nothing() -> None:
    found = estimates_by_part({"few": PARTS["few"]}, ANSWERS, replicates=0)["few"]["percent_agreement"]
    assert found == Estimate(8 / 11, reason="no_replicates")
    assert estimates_by_part({}, ANSWERS) == {}
