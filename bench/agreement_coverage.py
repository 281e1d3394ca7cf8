"""How often the 95 % bootstrap intervals hold the true figure: `python bench/agreement_coverage.py`.

Crowds are drawn from a population whose figures are known from two million items; each of 2,000 studies gets its own
interval from 1,000 replicates. A share of 0.95 is perfect; its own standard error is 0.005.
"""

import numpy as np

from app.agreement.bootstrap import NOMINAL, estimates
from app.agreement.patterns import Patterns

STUDIES = 2_000
CATEGORIES = ("yes", "no", "unsure")


def study(n_items: int, yes: float, k: int, rng: np.random.Generator) -> Patterns:
    """`k` answers an item: 88 % right, 7 % wrong, 5 % unsure, and one wrong item in seven fools half of the raters."""
    wrong = rng.random((n_items, 1)) >= yes
    hard = wrong & (rng.random((n_items, 1)) < 0.15)
    draw = rng.random((n_items, k))
    slip = draw < np.where(hard, 0.5, 0.07)
    answer = np.where(draw >= 0.95, 2, np.where(slip, ~wrong, wrong))
    return Patterns.from_codes(np.repeat(np.arange(n_items), k), answer.ravel().astype(int), CATEGORIES)


def main() -> None:
    rng = np.random.default_rng(7)
    print(f"{'items':>6} {'yes':>5} {'k':>2}  " + "  ".join(f"{name:>18}" for name in NOMINAL))
    for n_items, yes, k in [(50, 0.6, 3), (200, 0.6, 3), (200, 0.9, 3), (200, 0.9, 2), (1000, 0.9, 3)]:
        truth = estimates(study(2_000_000, yes, k, rng), replicates=0)
        held = dict.fromkeys(NOMINAL, 0)
        given = dict.fromkeys(NOMINAL, 0)
        for seed in range(STUDIES):
            for name, found in estimates(study(n_items, yes, k, rng), seed=seed).items():
                if found.low is not None and found.high is not None:
                    given[name] += 1
                    held[name] += found.low <= (truth[name].value or 0) <= found.high
        shares = "  ".join(f"{held[name] / given[name]:>18.3f}" for name in NOMINAL)
        print(f"{n_items:>6} {yes:>5} {k:>2}  {shares}")


if __name__ == "__main__":
    main()
