"""Dishes compared with themselves, and subtasks beside one another: cases worked by hand and planted effects."""

import numpy as np
import pytest

from app.agreement.contrasts import by_group, holm, measures, paired
from app.agreement.dish_intervals import share_of_dishes
from app.agreement.patterns import IntArray
from app.agreement.relabelling import moves
from app.agreement.subtasks import compared

YES, YES_NO, UNSURE_YES, NO = (2, 0, 0), (1, 1, 0), (1, 0, 1), (0, 2, 0)


def test_a_no_to_a_wrong_image_is_right_and_unsure_never_is() -> None:
    counts = np.array([YES, YES_NO, UNSURE_YES, NO, (1, 0, 0)])
    found = measures(counts, np.array([0.9, 0.7, 1.0, 0.1, np.nan]))
    # (0.7 + 0.3) / 2; (1 + 0) / 2; both no: 0.9; without a model's word there is no accuracy
    assert found[:, 0] == pytest.approx([0.9, 0.5, 0.5, 0.9, np.nan], nan_ok=True)
    assert found[:, 1] == pytest.approx([0, 0, 0.5, 0, 0])
    assert found[:, 2] == pytest.approx([0, 1, 1, 0, np.nan], nan_ok=True)


def test_without_a_model_accuracy_is_what_was_confirmed() -> None:
    assert measures(np.array([YES, YES_NO, UNSURE_YES, NO]), None)[:, 0].tolist() == [1, 0.5, 0.5, 0]


def test_three_answers_differ_by_their_pairs() -> None:
    # of yes, yes, no two pairs of three differ; of yes, no, unsure all do
    assert measures(np.array([(2, 1, 0), (1, 1, 1)]), None)[:, 2] == pytest.approx([2 / 3, 1])


def test_each_dish_weighs_the_same_and_is_compared_with_itself() -> None:
    # dish 0: white 0; backgrounds 0.5, 0.5, 0.5, 0.5 -> +0.5. dish 1: white 0.5; background 0 -> -0.5.
    # dish 2 was never on white, dish 3 never on a background.
    unsure = [0, 0.5, 0.5, 0.5, 0.5, 0.5, 0, 1, 1]
    dish = np.array([0, 0, 0, 0, 0, 1, 1, 2, 3])
    white = np.array([1, 0, 0, 0, 0, 1, 0, 0, 1])
    found = paired(np.repeat(np.array(unsure)[:, None], 3, axis=1), dish, white)
    assert found.dishes.tolist() == [0, 1]
    assert found.by_dish[:, 1].tolist() == [0.5, -0.5]
    assert found.sizes.tolist() == [[1, 4], [1, 1]]
    assert (found.white["unsure"].value, found.background["unsure"].value) == (0.25, 0.25)
    change = found.change["unsure"]
    assert (change.value, change.low, change.reason, change.n, change.p) == (0, None, "few_dishes", 2, None)


def test_a_dish_without_a_second_answer_has_no_disagreement() -> None:
    values = measures(np.array([YES, YES_NO, (1, 0, 0), NO]), None)
    found = paired(values, np.array([0, 0, 1, 1]), np.array([1, 0, 1, 0]))
    assert found.change["disagreement"][:1] == (1,)
    assert (found.change["disagreement"].n, found.change["unsure"].n) == (1, 2)


def test_a_group_holds_its_own_images_of_dishes_judged_on_white() -> None:
    # dish 0 on scene 0 +0.2, on scene 1 +0.6; dish 1 on scene 1 +0.1; dish 2 on scene 2 only, never on white
    unsure = np.array([0.1, 0.3, 0.7, 0.4, 0.5, 0.9])
    dish, white = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 0, 0, 1, 0, 0])
    found = by_group(np.repeat(unsure[:, None], 3, axis=1), dish, white, np.array([0, 0, 1, 0, 1, 2]))
    assert {code: (group.n_dishes, group.n_items) for code, group in found.items()} == {0: (1, 1), 1: (2, 2)}
    assert found[0].changes["unsure"].value == pytest.approx(0.2)
    assert found[1].changes["unsure"].value == pytest.approx(0.35)


def test_nothing_gives_nothing() -> None:
    none = np.zeros(0, dtype=np.int64)
    found = paired(np.zeros((0, 3)), none, none)
    assert (found.dishes.tolist(), found.change["unsure"].reason) == ([], "no_dish")
    assert by_group(np.zeros((0, 3)), none, none, none) == {}


def test_the_p_is_the_share_of_all_moves_of_the_label() -> None:
    # Nine dishes of three images and three of two: 3^9 x 2^3 ways to have one image of each on white.
    rng = np.random.default_rng(6)
    size = np.array([3] * 9 + [2] * 3)
    dish = np.repeat(np.arange(12), size)
    white = np.diff(dish, prepend=-1) > 0
    value = rng.integers(0, 3, len(dish)) / 2 * 0.9 + 0.1 * rng.random(len(dish)) - 0.45 * white
    ways = np.zeros(1)
    for one in range(12):
        own = value[dish == one]
        ways = (ways[:, None] + [(own.sum() - own[at]) / (len(own) - 1) - own[at] for at in range(len(own))]).ravel()
    seen = ways[0]  # the first way leaves every label where it was
    exact = 2 * min((ways <= seen + 1e-9).mean(), (ways >= seen - 1e-9).mean())
    assert 0.001 < exact < 0.05
    found = paired(np.repeat(value[:, None], 3, axis=1), dish, white.astype(np.int64)).change["unsure"]
    assert found.value == pytest.approx(seen / 12)
    assert found.p == pytest.approx(exact, rel=0.1)


def test_changes_of_few_dishes_are_tested_by_every_sign() -> None:
    # With two images a dish a move is a change of sign. Ten changes that are alike: 2 of 2^10 ways move them as far;
    # at the outermost way the saddlepoint is a third too careful.
    dish, white = np.repeat(np.arange(10), 2), np.tile([1, 0], 10)
    alike = paired(np.tile([[0.2] * 3, [0.7] * 3], (10, 1)), dish, white).change["unsure"]
    assert alike.p is not None
    assert 2 / 1024 <= alike.p < 3 / 1024
    # Of one change and nine dishes without any, nothing can be said.
    values = np.zeros((20, 3))
    values[1] = 1
    one = paired(values, dish, white).change["unsure"]
    assert (one.value, one.p, one.reason) == (pytest.approx(0.1), None, "few_events")


def test_several_images_on_white_are_moved_together() -> None:
    # Dish 0: w 1, 0 and b 0, 0. Moved round: (1, 0), (0, 0), (0, 0), (0, 1) on white.
    found = moves(np.array([1.0, 0, 0, 0, 0.5, 0]), np.array([1, 1, 0, 0, 1, 0]), np.array([0, 0, 0, 0, 1, 1]))
    assert found.change.tolist() == [-0.5, 0.5, 0.5, -0.5, -0.5, 0.5]
    assert (found.start.tolist(), found.size.tolist()) == ([0, 4], [4, 2])


def test_the_interval_of_many_dishes_is_wilsons() -> None:
    # Of 400 dishes half have the share 0 and half 1: the mean's standard error is 0.5 / 20, 1.97 of them each way.
    share = share_of_dishes(np.repeat([0.0, 1.0], 200), np.full(400, 2))
    assert share.low == pytest.approx(0.451, abs=0.001)
    assert share.high == pytest.approx(0.549, abs=0.001)


def test_an_interval_has_a_width_where_nothing_happened() -> None:
    # Of 40 answers on white none is unsure: up to t^2 / (40 + t^2) = 9.9 % may be.
    counts = np.array([YES] * 20 + [YES] * 236 + [UNSURE_YES] * 20)
    dish = np.concatenate([np.arange(20), np.arange(256) % 20])
    found = paired(measures(counts, None), dish, (np.arange(276) < 20).astype(np.int64), counts.sum(axis=1))
    white, change = found.white["unsure"], found.change["unsure"]
    assert white[:3] == pytest.approx((0, 0, 0.0987), abs=1e-3)
    assert change.low is not None
    assert change.high is not None
    assert change.low < 0 < change.high
    # The rarest way, all white images sure, is no rare one: there is no p.
    assert (change.p, change.reason) == (None, "few_events")
    # Had each image on white one answer, less would be known.
    alone = paired(measures(counts, None), dish, (np.arange(276) < 20).astype(np.int64)).white["unsure"]
    assert alone.high == pytest.approx(0.18, abs=0.01)


@pytest.mark.parametrize(("dishes", "scenes", "rejected"), [(20, 12, 0), (40, 10, 0), (100, 9, 16)])
def test_rare_answers_and_one_image_on_white_announce_nothing(dishes: int, scenes: int, rejected: int) -> None:
    """People are unsure of 3 % everywhere, in 200 crowds: at most 8 % are significant, and 92 % of intervals hold 0."""
    rng = np.random.default_rng(3)
    dish = np.concatenate([np.arange(dishes), np.repeat(np.arange(dishes), scenes)])
    white = (np.arange(len(dish)) < dishes).astype(np.int64)
    changes = []
    for _ in range(200):
        unsure = rng.binomial(2, 0.03, len(dish))
        counts = np.column_stack([2 - unsure, 0 * unsure, unsure])
        changes.append(paired(measures(counts, None), dish, white, counts.sum(axis=1)).change["unsure"])
    assert sum(change.p is not None and change.p < 0.05 for change in changes) <= rejected
    assert sum((change.low or 0) <= 0 <= (change.high or 0) for change in changes) >= 184


def test_a_group_has_the_same_figures_whatever_other_groups_there_are() -> None:
    counts, dish, white, scene = crowd(0.2, dishes=30)
    every = by_group(measures(counts, None), dish, white, scene)
    kept = (white == 1) | (scene == 4)
    alone = by_group(measures(counts[kept], None), dish[kept], white[kept], scene[kept])
    assert every[4].changes["unsure"] == pytest.approx(alone[4].changes["unsure"])


def test_holm_stands_against_many_tests() -> None:
    # 0.01 x 5; then 0.02 x 4 = 0.08; 0.021 x 3 = 0.063 can't fall below it
    assert holm({"a": 0.01, "b": 0.02, "c": 0.021, "d": 0.5, "e": 0.9}) == pytest.approx(
        {"a": 0.05, "b": 0.08, "c": 0.08, "d": 1.0, "e": 1.0}
    )


def crowd(effect: float, dishes: int = 200, scenes: int = 6) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Counts, dish, is_white and scene of a crowd unsure of 5 % on white, and of `effect` more on a background."""
    rng = np.random.default_rng(11)
    dish = np.concatenate([np.arange(dishes), np.repeat(np.arange(dishes), scenes)])
    white = (np.arange(len(dish)) < dishes).astype(np.int64)
    unsure = np.where(white == 1, 0.05, 0.05 + effect)
    counts = np.array([rng.multinomial(2, [0.9 - u, 0.1, u]) for u in unsure])
    return counts, dish, white, np.concatenate([np.zeros(dishes, np.int64), np.tile(np.arange(scenes), dishes)])


def test_a_planted_effect_is_found() -> None:
    counts, dish, white, scene = crowd(0.2)
    found = paired(measures(counts, None), dish, white).change["unsure"]
    assert found.value == pytest.approx(0.2, abs=0.03)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.2 < found.high
    assert found.p is not None
    assert found.p < 1 / 5000
    ps = {
        code: group.changes["unsure"].p or 0
        for code, group in by_group(measures(counts, None), dish, white, scene).items()
    }
    assert max(holm(ps).values()) < 0.05


def test_no_effect_is_not_found() -> None:
    counts, dish, white, _ = crowd(0.0)
    found = paired(measures(counts, None), dish, white).change["unsure"]
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high
    assert found.p is not None
    assert found.p > 0.05


def hard_dishes_have_backgrounds() -> tuple[IntArray, IntArray, IntArray]:
    """Twenty easy dishes on white alone, twenty hard ones on both: no background makes a difference."""
    easy, hard = np.arange(20), np.arange(20, 40)
    dish = np.concatenate([easy, hard, np.repeat(hard, 3)])
    part = np.concatenate([np.zeros(40, np.int64), np.ones(60, np.int64)])
    counts = np.array([YES] * 20 + [UNSURE_YES] * 80)
    return part, dish, counts


def test_pairing_takes_away_what_the_mix_of_dishes_does() -> None:
    part, dish, counts = hard_dishes_have_backgrounds()
    mixed = compared(["SF", "SFB"], part, dish, counts, "SF")["SFB"].differences
    assert mixed is not None
    assert mixed["unsure"].value == pytest.approx(0.25)
    assert paired(measures(counts, None), dish, 1 - part).change["unsure"].value == 0


def test_subtasks_have_their_own_figures_and_differences_to_the_reference() -> None:
    part = np.array([0, 0, 1, 1, 1])
    counts = np.array([YES, YES_NO, YES, UNSURE_YES, (0, 0, 0)])
    found = compared(["SF", "SFB", "MF"], part, np.array([3, 5, 3, 5, 5]), counts, "SF")
    assert list(found) == ["SF", "SFB"]
    white, there = found["SF"], found["SFB"]
    assert (there.n_items, there.n_items_paired, there.n_dishes, there.n_judgments) == (2, 2, 2, 4)
    assert white.differences is None
    assert (white.figures["percent_agreement"].value, white.figures["yes"].value) == (0.5, 0.75)
    # three yes and one no in pairs (yes, yes), (yes, no): alpha 1 - 3 * 2 / (16 - 9 - 1) = 0
    assert white.figures["krippendorff_alpha"].value == pytest.approx(0)
    assert there.differences is not None
    assert there.differences["unsure"].value == pytest.approx(0.25)
    assert there.differences["yes"].value == pytest.approx(0)


def test_a_dish_brings_its_items_in_every_subtask() -> None:
    # Each dish is as hard on a background as on white, so that no draw of dishes can part the two.
    counts = np.array([YES, UNSURE_YES, (0, 0, 2)] * 10 * 2)
    part, dish = np.repeat([0, 1], 30), np.tile(np.arange(30), 2)
    found = compared(["SF", "SFB"], part, dish, counts, "SF")["SFB"]
    low, high = found.figures["unsure"][1:3]
    assert low is not None
    assert high is not None
    assert low < 0.5 < high
    assert found.differences is not None
    assert found.differences["unsure"][:3] == pytest.approx((0, 0, 0))


def test_one_dish_has_no_interval() -> None:
    found = compared(["SF", "SFB"], np.array([0, 1]), np.array([4, 4]), np.array([YES_NO, UNSURE_YES]), "SF")["SFB"]
    assert found.differences is not None
    assert (found.figures["unsure"].value, found.figures["unsure"].low) == (0.5, None)
