"""How often the 95 % bootstrap intervals hold the true figure: `python bench/agreement_coverage.py`.

Crowds are drawn from a population whose figures are known from two million items; each of 2,000 studies gets its own
interval from 1,000 replicates; for families there are 600. A share of 0.95 is perfect; its own standard error is
0.005, for families 0.009.

What a background changes (`--only backgrounds` for that alone, two minutes) has a test beside its interval: crowds
are unsure of 3 % on white, two answers an image, and of as much or of more on a background. Its standard errors are
0.005 as well; "by scene" is the share of studies in which any of twelve scenes is beyond chance after Holm.
"""

import argparse

import numpy as np

from app.agreement.bootstrap import NOMINAL, estimates
from app.agreement.contrasts import by_group, holm, measures, paired
from app.agreement.families import Families
from app.agreement.intervals import Estimate
from app.agreement.patterns import Patterns

STUDIES = 2_000
FAMILY_STUDIES = 600
CATEGORIES = ("yes", "no", "unsure")
HEADER = "  ".join(f"{name:>18}" for name in NOMINAL)


def study(n_items: int, yes: float, k: int, rng: np.random.Generator) -> Patterns:
    """`k` answers an item: 88 % right, 7 % wrong, 5 % unsure, and one wrong item in seven fools half of the raters."""
    wrong = rng.random((n_items, 1)) >= yes
    hard = wrong & (rng.random((n_items, 1)) < 0.15)
    draw = rng.random((n_items, k))
    slip = draw < np.where(hard, 0.5, 0.07)
    answer = np.where(draw >= 0.95, 2, np.where(slip, ~wrong, wrong))
    return Patterns.from_codes(np.repeat(np.arange(n_items), k), answer.ravel().astype(int), CATEGORIES)


def family_study(n_families: int, size: int, rng: np.random.Generator) -> tuple[Patterns, Families]:
    """Families of `size` items with three answers each: in half of them raters slip at 40 %, in the rest at 2 %."""
    family = np.repeat(np.arange(n_families), size)
    slips = np.where(rng.random(n_families) < 0.5, 0.4, 0.02)[family]
    truth = np.where(rng.random(len(family)) < 0.6, 0, 1)
    slip = rng.random((len(family), 3)) < slips[:, None]
    answer = np.sort(np.where(slip, rng.integers(0, 3, (len(family), 3)), truth[:, None]), axis=1)
    patterns = Patterns.from_codes(np.repeat(np.arange(len(family)), 3), answer.ravel(), CATEGORIES)
    rows = [(one, tuple(given), 1) for one, given in zip(family.tolist(), answer.tolist(), strict=True)]
    return patterns, Families.from_items(patterns, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["figures", "families", "backgrounds"])
    only = parser.parse_args().only
    if only in (None, "figures"):
        figures_table(np.random.default_rng(7))
    if only in (None, "families"):
        families_table(np.random.default_rng(7))
    if only in (None, "backgrounds"):
        backgrounds_table(np.random.default_rng(7))


def figures_table(rng: np.random.Generator) -> None:
    print(f"{'items':>6} {'yes':>5} {'k':>2}  " + HEADER)
    for n_items, yes, k in [(50, 0.6, 3), (200, 0.6, 3), (200, 0.9, 3), (200, 0.9, 2), (1000, 0.9, 3)]:
        truth = estimates(study(2_000_000, yes, k, rng), replicates=0)
        held = Held(truth)
        for seed in range(STUDIES):
            held.add(estimates(study(n_items, yes, k, rng), seed=seed))
        print(f"{n_items:>6} {yes:>5} {k:>2}  {held}")


def families_table(rng: np.random.Generator) -> None:
    """The same for items of families that are hard or easy together, resampled as items and as families."""
    print(f"\n{'families x items':>16} {'drawn':>9}  " + HEADER)
    for n_families, size in [(15, 10), (60, 10), (200, 5)]:
        truth = estimates(family_study(40_000, size, rng)[0], replicates=0)
        by_item, by_family = Held(truth), Held(truth)
        for seed in range(FAMILY_STUDIES):
            patterns, families = family_study(n_families, size, rng)
            by_item.add(estimates(patterns, seed=seed))
            by_family.add(estimates(patterns, families=families, seed=seed))
        print(f"{f'{n_families} x {size}':>16} {'items':>9}  {by_item}\n{'':>16} {'families':>9}  {by_family}")


BACKGROUNDS = (
    # dishes, images on white, images on backgrounds, more unsure there, and how much dishes differ (0: not at all)
    (20, 21, 256, 0.0, 0.0),
    (40, 40, 400, 0.0, 0.0),
    (100, 100, 1000, 0.0, 0.0),
    (20, 21, 256, 0.0, 0.1),
    (100, 100, 1000, 0.0, 0.1),
    (20, 21, 256, 0.15, 0.0),
    (40, 40, 400, 0.1, 0.0),
    (100, 100, 1000, 0.05, 0.0),
    (100, 100, 1000, 0.1, 0.1),
)


def backgrounds_table(rng: np.random.Generator) -> None:
    """How often a change is tested, found, found at 0.1 %, and how often its interval holds what was planted."""
    print(f"\n{'dishes: white + there':>22} {'planted':>7} {'dishes':>6}  tested  p<.05 p<.001  by scene  held  width")
    for n_dishes, n_white, n_there, planted, differ in BACKGROUNDS:
        dish = np.concatenate([np.arange(n_white) % n_dishes, np.arange(n_there) % n_dishes])
        white = (np.arange(len(dish)) < n_white).astype(np.int64)
        scene = np.concatenate([np.zeros(n_white, np.int64), rng.integers(0, 12, n_there)])
        found = []
        for _ in range(STUDIES):
            of_dish = rng.beta(0.03 * (1 / differ - 1), 0.97 * (1 / differ - 1), n_dishes) if differ else 0.03
            chance = np.minimum(1, np.broadcast_to(of_dish, n_dishes)[dish] + planted * (1 - white))
            unsure = rng.binomial(2, chance)
            answers = np.column_stack([2 - unsure, 0 * unsure, unsure])
            values, given = measures(answers, None), answers.sum(axis=1)
            change = paired(values, dish, white, given).change["unsure"]
            scenes = by_group(values, dish, white, scene, given)
            ps = {code: p for code, one in scenes.items() if (p := one.changes["unsure"].p) is not None}
            low, high, p = change.low or 0.0, change.high or 0.0, 1.0 if change.p is None else change.p
            is_any = min(holm(ps).values(), default=1) < 0.05
            found.append((change.p is not None, p < 0.05, p < 0.001, is_any, low <= planted <= high, high - low))
        tested, significant, strongly, by_scene, held, width = np.mean(found, axis=0)
        design, kind = f"{n_dishes}: {n_white} + {n_there}", "differ" if differ else "alike"
        print(
            f"{design:>22} {planted:>7} {kind:>6}  {tested:>6.3f}  {significant:.3f}  {strongly:.3f}  {by_scene:>8.3f}"
            f" {held:.3f}  {width:.3f}",
            flush=True,
        )


class Held:
    """How many of the intervals given hold the truth, per figure."""

    def __init__(self, truth: dict[str, Estimate]) -> None:
        self.truth = truth
        self.held = dict.fromkeys(truth, 0)
        self.given = dict.fromkeys(truth, 0)

    def add(self, found: dict[str, Estimate]) -> None:
        for name, one in found.items():
            if one.low is not None and one.high is not None:
                self.given[name] += 1
                self.held[name] += one.low <= (self.truth[name].value or 0) <= one.high

    def __str__(self) -> str:
        return "  ".join(f"{self.held[name] / self.given[name]:>18.3f}" for name in NOMINAL)


if __name__ == "__main__":
    main()
