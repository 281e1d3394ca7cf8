"""Rater models beside majority and crowd-kit: `python -m bench.rater_models [--data FOLDER] [--quick]`.

Crowds with planted truth (nine claims in ten are right; a tenth of the raters sloppy, a tenth say yes to everything, as
`terroir simulate` has them; three votes an item), data sets with known answers, and time. A method says of each item
how likely its claim is right: "promised" is the share of errors it expects of itself by that, "made" those it makes.

crowd-kit takes part where Python finds it. It may come from another environment with the same Python:
`PYTHONPATH=/tmp/ck/lib/python3.11/site-packages .venv/bin/python -m bench.rater_models`. It has no answer that can be
given but not be true, so that it gets no "unsure".
"""

import argparse
import csv
import gzip
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.agreement.answers import Answers
from app.agreement.dawid_skene import fit
from app.agreement.intervals import FloatArray
from app.cli.simulation import HARD_FACTOR, HARD_SHARE, WRONG_SHARE, profile_of

ANSWERS = ("yes", "no", "unsure")
ITEMS = 23_766
RATERS = 40
CROWDS = 5
DATA = {"product matching": "d_product.csv.gz", "textual entailment": "snow_2008_rte.csv.gz"}
SIZES = {
    "23,766 x 3": (23_766, 3),
    "240,000 x 3": (240_000, 3),
    "200,000 x 5 (1M)": (200_000, 5),
    "1,000,000 x 5 (5M)": (1_000_000, 5),
}
LARGEST_OF_PEERS = 1_000_000
"""Judgments: beyond, they take minutes."""

Method = Callable[[Answers], FloatArray]
"""(I,) the probability that each item's first class is true."""


class Figures(NamedTuple):
    """Shares: items put in their class, wrong claims noticed, right claims refused, errors promised and made."""

    accuracy: float
    noticed: float
    refused: float
    promised: float
    made: float


def crowd(n_items: int, k: int, seed: int, *, hard: bool = False, n_raters: int = RATERS) -> tuple[Answers, FloatArray]:
    """Votes, and (I,) whether each claim is wrong."""
    rng = np.random.default_rng(seed)
    profiles = [profile_of(number) for number in range(n_raters)]
    unsure = np.array([profile.unsure for profile in profiles])
    right = np.array([(profile.yes_if_right, profile.no_if_wrong) for profile in profiles])
    wrong = (rng.random(n_items) < WRONG_SHARE).astype(np.int64)
    factor = np.where((wrong == 1) & hard & (rng.random(n_items) < HARD_SHARE), HARD_FACTOR, 1.0)
    item = np.repeat(np.arange(n_items), k)
    rater = rng.random((n_items, n_raters), dtype=np.float32).argpartition(k, axis=1)[:, :k].ravel()
    is_right = rng.random(len(item)) < right[rater, wrong[item]] * factor[item]
    answer = np.where(rng.random(len(item)) < unsure[rater], 2, np.where(is_right, wrong[item], 1 - wrong[item]))
    names = (tuple(map(str, range(n_items))), tuple(map(str, range(n_raters))))
    return Answers(item, rater, answer, *names, ANSWERS), wrong


def data_set(path: Path) -> tuple[Answers, FloatArray]:
    """Judgments with labels 0 and 1, and what is true. The commoner class comes first."""
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    gold = {row["item"]: row["gold"] for row in rows}
    answers = Answers.from_rows([(row["item"], row["annotator"], row["label"]) for row in rows], ["0", "1"])
    return answers, np.array([int(gold[item]) for item in answers.items])


def majority(answers: Answers) -> FloatArray:
    """The share of the votes; even where there are none."""
    counts = [np.bincount(answers.item[answers.category == code], minlength=len(answers.items)) for code in (0, 1)]
    return (counts[0] + 0.5e-9) / (counts[0] + counts[1] + 1e-9)


def ours(answers: Answers) -> FloatArray:
    return fit(answers, classes=(0, 1)).posterior[:, 0]


def ours_unsmoothed(answers: Answers) -> FloatArray:
    return fit(answers, classes=(0, 1), smoothing=0).posterior[:, 0]


def crowd_kit(answers: Answers) -> FloatArray:
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    sure = answers.where(answers.category < 2)
    frame = pd.DataFrame({"task": sure.item, "worker": sure.rater, "label": sure.category})
    found = DawidSkene().fit_predict_proba(frame)
    share = found[0].reindex(range(len(answers.items))).to_numpy()
    return np.where(np.isnan(share), 1 - (sure.category == 1).mean(), share)


def methods() -> dict[str, Method]:
    found: dict[str, Method] = {
        "majority": majority,
        "Dawid-Skene, 6 pseudo-judgments": ours,
        "Dawid-Skene, maximum likelihood": ours_unsmoothed,
    }
    try:
        from crowdkit.aggregation import DawidSkene  # noqa: F401
    except ImportError as error:
        print(f"crowd-kit takes no part: {error}")
    else:
        found["crowd-kit's DawidSkene"] = crowd_kit
    return found


def figures(truth: FloatArray, share: FloatArray) -> Figures:
    """Ties go by halves."""
    says_wrong = np.where(share == 0.5, 0.5, share < 0.5)
    wrong = truth == 1
    errors = np.where(wrong, 1 - says_wrong, says_wrong)
    promised = np.minimum(share, 1 - share).mean()
    return Figures(1 - errors.mean(), says_wrong[wrong].mean(), says_wrong[~wrong].mean(), promised, errors.mean())


def compare(title: str, cases: list[tuple[Answers, FloatArray]]) -> None:
    print(f"\n| {title} | accuracy | wrong ones noticed | right ones refused | errors promised | made | s |")
    print("|---|---|---|---|---|---|---|")
    for name, method in methods().items():
        start = time.perf_counter()
        found = np.mean([figures(truth, method(answers)) for answers, truth in cases], axis=0)
        seconds = (time.perf_counter() - start) / len(cases)
        accuracy, *others = (f"{100 * share:.2f} %" for share in found)
        print(f"| {name} | {accuracy} | {' | '.join(others)} | {seconds:.2f} |", flush=True)


def time_them(sizes: dict[str, tuple[int, int]]) -> None:
    """The best of three, and the most memory one further call holds at a time beyond the votes."""
    timed = {name: method for name, method in methods().items() if method not in (majority, ours_unsmoothed)}
    print(f"\n| items x votes | {' | '.join(timed)} |")
    print(f"|---|{'---|' * len(timed)}")
    for size, (n_items, k) in sizes.items():
        answers, _ = crowd(n_items, k, 1)
        cells = [
            _cost(method, answers) if method is ours or n_items * k <= LARGEST_OF_PEERS else "not run"
            for method in timed.values()
        ]
        print(f"| {size} | {' | '.join(cells)} |", flush=True)


def _cost(method: Method, answers: Answers) -> str:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        method(answers)
        seconds.append(time.perf_counter() - start)
    tracemalloc.start()
    method(answers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return f"{min(seconds):.2f} s, {peak / 1e6:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help=f"a folder with {' and '.join(DATA.values())}, not ours to pass on")
    parser.add_argument("--quick", action="store_true", help="one crowd of 4,000 items, and the smallest size")
    options = parser.parse_args()
    n_items, seeds = (4_000, 1) if options.quick else (ITEMS, CROWDS)
    for hard in (False, True):
        title = f"{seeds} crowds, {n_items:,} items x 3" + (f", {HARD_SHARE:.0%} of wrong claims hard" if hard else "")
        compare(title, [crowd(n_items, 3, seed, hard=hard) for seed in range(seeds)])
    for name, file in DATA.items() if options.data else ():
        answers, truth = data_set(options.data / file)
        compare(f"{name}: {len(answers.items):,} items, {len(answers.item):,} votes", [(answers, truth)])
    time_them(dict(list(SIZES.items())[: 1 if options.quick else None]))


if __name__ == "__main__":
    main()
