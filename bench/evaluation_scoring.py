"""Time and memory of scoring a whole benchmark again: `python -m bench evaluation_scoring`.

The paper's size: 23,766 answers of one run about 247 dishes of 30 countries, four subtasks, 1,000 replicates. Every
figure is from a process of its own: the seconds of a first call there, by the clock and of the processor (the clock's
are longer where neighbours share the cores), and the most memory a further call held at a time beyond the answers.
"""

import json
import random
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable

from app import geography
from app.evaluation.metrics.answers import Answer, Scored, score_all
from app.evaluation.metrics.compare import compare, compare_all
from app.evaluation.metrics.document import metrics
from app.evaluation.metrics.leaderboard import leaderboard
from app.evaluation.replies import State

DISHES = 247
COUNTRIES = [
    "AR", "BR", "CN", "DE", "EG", "ES", "ET", "FR", "GB", "GR", "ID", "IN", "IR", "IT", "JP",
    "KR", "LB", "MA", "MX", "MY", "NG", "PE", "PH", "PK", "PL", "RU", "TH", "TR", "US", "VN",
]  # fmt: skip
SIZES = {"SF": 247, "MF": 4_940, "SFB": 9_386, "MFB": 9_193}
RUNS = 30
"""Ten models with three strategies each."""


def one_run(skill: float, seed: int = 0) -> list[Answer]:
    """A run that knows a country with chance `skill`, else says a distractor's, any other, or one that isn't any."""
    picture, draw = random.Random(1), random.Random(seed)
    answers = []
    for subtask, n_items in SIZES.items():
        for number in range(n_items):
            dish = number % DISHES
            gold = COUNTRIES[dish % len(COUNTRIES)]
            background, other = picture.choice(COUNTRIES), picture.choice(COUNTRIES)
            wrong = draw.choice([geography.name_of(draw.choice([background, other, *COUNTRIES])), "Atlantis or so"])
            answers.append(
                Answer(
                    subtask, 1, f"dish {dish}", f"Dish of {gold} {dish}", (gold, other) if dish % 5 == 0 else (gold,),
                    State.OK, f"Dish of {draw.choice(COUNTRIES)} {draw.randrange(400)}",
                    geography.name_of(gold) if draw.random() < skill else wrong, (f"Plate {dish}", f"Bowl {dish}"),
                    background if "B" in subtask else None, (other,) if "M" in subtask else (),
                    draw.choice(["street", "landmark"]) if "B" in subtask else None,
                    "contested" if number % 7 == 0 else "unanimous", f"{subtask} {number}",
                )
            )  # fmt: skip
    return answers


def many_runs() -> dict[str, list[Scored]]:
    return {f"run {number}": score_all(one_run(0.4 + number / 100, number)) for number in range(RUNS)}


def the_document() -> Callable[[], object]:
    answers = one_run(0.6)
    return lambda: metrics(answers, aliases=True)


def the_document_of_a_quarter() -> Callable[[], object]:
    answers = one_run(0.6)[::4]
    return lambda: metrics(answers, aliases=True)


def only_right_or_wrong() -> Callable[[], object]:
    answers = one_run(0.6)
    return lambda: score_all(answers)


def two_runs() -> Callable[[], object]:
    left, right = score_all(one_run(0.6, 1)), score_all(one_run(0.55, 2))
    return lambda: compare(left, right)


def every_pair() -> Callable[[], object]:
    runs = many_runs()
    return lambda: compare_all(runs.items())


def the_board() -> Callable[[], object]:
    runs = many_runs()
    return lambda: leaderboard(runs.items())


METHODS = {
    "metrics document, 23,766 answers": the_document,
    "metrics document, every fourth answer": the_document_of_a_quarter,
    "right or wrong alone, 23,766 answers": only_right_or_wrong,
    "two runs compared, 3 figures x (overall + 4 subtasks)": two_runs,
    f"every pair of {RUNS} runs ({RUNS * (RUNS - 1) // 2})": every_pair,
    f"leaderboard of {RUNS} runs": the_board,
}


def measure(method: str) -> None:
    call = METHODS[method]()
    start, start_cpu = time.perf_counter(), time.process_time()
    document = call()
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    size = len(json.dumps(document, allow_nan=False)) if isinstance(document, dict) else 0
    tracemalloc.start()
    call()
    _, peak = tracemalloc.get_traced_memory()
    print(
        f"{seconds:6.2f} s (processor {cpu:5.2f} s) {peak / 1e6:5.0f} MB"
        + (f" {size / 1e3:6.0f} kB of JSON" if size else "")
    )


def main() -> None:
    if len(sys.argv) == 2:
        measure(sys.argv[1])
        return
    for method in METHODS:
        command = [sys.executable, "-m", "bench.evaluation_scoring", method]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(f"  {method:<55} {done.stdout.strip() or 'failed: ' + done.stderr.strip().splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    main()
