"""Time and memory of agreement, beside the usual libraries: `python -m bench.agreement`.

Every figure is from a process of its own: the seconds of the best of three calls, and the most memory one further call
held at a time beyond the data. The data are integer codes in memory; "file" reads the same judgments from a CSV.
"""

import csv
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from app.agreement.answers import Answers
from app.agreement.bootstrap import estimates
from app.agreement.dawid_skene import fit
from app.agreement.longform import agreement_from_rows
from app.agreement.patterns import Patterns

# Name: items, answers an item, categories, raters.
SIZES = {
    "24k x 3": (23_766, 3, 3, 40),
    "240k x 3": (240_000, 3, 3, 60),
    "200k x 5 (a million judgments)": (200_000, 5, 3, 60),
    "1M x 5 (five million judgments)": (1_000_000, 5, 3, 60),
    "24k x 5, 35 values": (23_766, 5, 35, 40),
}


def crowd(n_items: int, k: int, q: int, n_raters: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Item, rater and answer codes: 88 % careful answers, nine items in ten of the first category."""
    rng = np.random.default_rng(1)
    truth = np.where(rng.random(n_items) < 0.9, 0, rng.integers(0, q, n_items))
    item = np.repeat(np.arange(n_items), k)
    rater = (np.repeat(rng.integers(0, n_raters, n_items), k) + np.tile(np.arange(k), n_items)) % n_raters
    label = np.where(rng.random(n_items * k) < 0.88, truth[item], rng.integers(0, q, n_items * k))
    return item, rater, label


def ours(item: np.ndarray, _: np.ndarray, label: np.ndarray, q: int) -> Callable[[], object]:
    return lambda: estimates(Patterns.from_codes(item, label, [str(code) for code in range(q)]), replicates=1000)


def ours_from_patterns(item: np.ndarray, _: np.ndarray, label: np.ndarray, q: int) -> Callable[[], object]:
    table = Patterns.from_codes(item, label, [str(code) for code in range(q)])
    return lambda: estimates(table, replicates=1000)


def ours_dawid_skene(item: np.ndarray, rater: np.ndarray, label: np.ndarray, q: int) -> Callable[[], object]:
    """As for a campaign's question: two classes can be true, and the third answer is "unsure"."""
    names = [tuple(str(code) for code in range(n)) for n in (item.max() + 1, rater.max() + 1, q)]
    answers = Answers(item, rater, label, *names)
    return lambda: fit(answers, classes=(0, 1) if q == 3 else None)


def ours_file(item: np.ndarray, rater: np.ndarray, label: np.ndarray, _: int) -> Callable[[], object]:
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "judgments.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "rater", "question", "value"])
        writer.writerows((f"i{i}", f"r{r}", "q", f"v{v}") for i, r, v in zip(item, rater, label, strict=True))
    # The folder lives as long as what reads it.
    return lambda: (folder, agreement_from_rows(path))


def krippendorff_alpha(item: np.ndarray, _: np.ndarray, label: np.ndarray, q: int) -> Callable[[], object]:
    import krippendorff

    counts = np.zeros((item.max() + 1, q), dtype=int)
    np.add.at(counts, (item, label), 1)
    return lambda: krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")


def statsmodels_fleiss(item: np.ndarray, _: np.ndarray, label: np.ndarray, q: int) -> Callable[[], object]:
    from statsmodels.stats.inter_rater import fleiss_kappa

    counts = np.zeros((item.max() + 1, q), dtype=int)
    np.add.at(counts, (item, label), 1)
    return lambda: fleiss_kappa(counts)


METHODS = {
    "four figures, 1,000 replicates, from codes": ours,
    "four figures, 1,000 replicates, from the pattern table": ours_from_patterns,
    "Dawid-Skene": ours_dawid_skene,
    "four figures, 1,000 replicates, from a CSV file": ours_file,
    "krippendorff: alpha alone, no interval": krippendorff_alpha,
    "statsmodels: Fleiss alone, no interval": statsmodels_fleiss,
}


def measure(size: str, method: str) -> None:
    """Print seconds and MB of one method on one size; the best of three, since neighbours disturb."""
    n_items, k, q, n_raters = SIZES[size]
    call = METHODS[method](*crowd(n_items, k, q, n_raters), q)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    tracemalloc.start()
    call()
    _, peak = tracemalloc.get_traced_memory()
    print(f"{min(seconds):.3f} s {peak / 1e6:6.0f} MB")


def main() -> None:
    if len(sys.argv) == 3:
        measure(sys.argv[1], sys.argv[2])
        return
    for size in SIZES:
        print(size)
        for method in METHODS:
            command = [sys.executable, "-m", "bench.agreement", size, method]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            print(f"  {method:<55} {done.stdout.strip() or 'failed: ' + done.stderr.strip().splitlines()[-1]}")


if __name__ == "__main__":
    main()
