"""Who is better than whom: ranks and ties over runs whose differences are known."""

import json
import random

import pytest

from app.evaluation.metrics.answers import Answer, Scored, score_all
from app.evaluation.metrics.leaderboard import leaderboard
from app.evaluation.replies import State

SUBTASKS = ("SF", "MF", "SFB", "MFB")


def run(right: int, *, n_dishes: int = 40, subtasks: tuple[str, ...] = SUBTASKS, prefix: str = "") -> list[Scored]:
    """One item a dish and subtask; the country is right for the first `right` dishes."""
    return score_all([
        Answer(subtask, 1, f"dish {dish:02}", "Koshary", ("EG",), State.OK, "koshary",
               "Egypt" if dish < right else None, item=f"{prefix}{subtask} {dish}")
        for subtask in subtasks for dish in range(n_dishes)
    ])  # fmt: skip


def test_ranks_count_who_is_better_and_ties_are_named() -> None:
    board = leaderboard({"worst": run(10), "second": run(32), "best": run(35)}.items(), replicates=200)
    assert (board["figure"], board["subtasks"]) == ("country_accuracy", list(SUBTASKS))
    rows = [(row["run"], row["rank"], row["country_accuracy"]["value"], row["tied_with"]) for row in board["rows"]]
    # Best and second differ in three dishes: 2 of 8 patterns go as far. Worst differs from both in 22 or more.
    assert rows == [
        ("best", 1, 35 / 40, ["second"]),
        ("second", 1, 32 / 40, ["best"]),
        ("worst", 3, 10 / 40, []),
    ]
    by_pair = {(one["left"], one["right"]): one["country_accuracy"] for one in board["comparisons"]}
    assert by_pair["best", "second"]["p"] == by_pair["best", "second"]["p_holm"] == 2 / 8
    assert by_pair["best", "worst"]["p_holm"] < 0.001


def test_a_difference_counts_only_while_it_outlives_the_correction() -> None:
    """Six dishes apart, p = 2/64: a finding for two runs, none among the six pairs of four."""
    two = {"a": run(36), "b": run(30)}
    assert [row["rank"] for row in leaderboard(two.items(), replicates=50)["rows"]] == [1, 2]
    four = {**two, "c": run(33), "d": run(34)}
    assert [row["rank"] for row in leaderboard(four.items(), replicates=50)["rows"]] == [1, 1, 1, 1]


def test_subtasks_weigh_the_same_however_many_items_they_have() -> None:
    few, many = run(0, n_dishes=4, subtasks=("SF",)), run(40, subtasks=("SFB",))
    row = leaderboard([("a", few + many)], replicates=50)["rows"][0]
    assert (row["n"], row["rank"], row["country_accuracy"]["value"]) == (44, 1, 1 / 2)
    assert row["country_accuracy"]["low"] is not None


def test_a_run_without_a_subtask_has_no_rank() -> None:
    board = leaderboard({"part": run(40, subtasks=("SF",)), "whole": run(3)}.items(), replicates=50)
    whole, part = board["rows"]
    assert (whole["run"], whole["rank"]) == ("whole", 1)
    assert (part["run"], part["rank"]) == ("part", None)
    assert part["country_accuracy"] == {"value": None, "low": None, "high": None, "reason": "missing_subtasks"}
    assert board["comparisons"] == []


def test_runs_over_other_items_are_compared_over_what_they_share() -> None:
    board = leaderboard({"all": run(20), "some": run(20, n_dishes=30), "else": run(20, prefix="x")}.items())
    shared = {(one["left"], one["right"]): one for one in board["comparisons"]}
    assert (shared["all", "some"]["n_shared"], shared["all", "some"]["n_dishes"]) == (120, 30)
    assert shared["all", "some"]["country_accuracy"]["difference"]["value"] == 0
    assert shared["all", "else"]["n_shared"] == 0
    assert shared["all", "else"]["country_accuracy"]["difference"]["reason"] == "no_shared_items"
    row = next(row for row in board["rows"] if row["run"] == "all")
    assert (row["tied_with"], row["not_compared_with"]) == (["some"], ["else"])
    json.dumps(board, allow_nan=False)


def test_the_same_bytes_whatever_the_order() -> None:
    runs = {"c": run(12), "a": run(35), "b": run(33)}
    board = json.dumps(leaderboard(runs.items(), replicates=100))
    for scored in runs.values():
        random.Random(1).shuffle(scored)
    assert json.dumps(leaderboard(reversed(runs.items()), replicates=100)) == board


def test_no_runs_make_an_empty_board() -> None:
    board = leaderboard([])
    assert (board["rows"], board["comparisons"], board["subtasks"]) == ([], [], [])
    nothing = leaderboard([("a", [])])["rows"][0]
    assert (nothing["rank"], nothing["n"], nothing["country_accuracy"]["reason"]) == (None, 0, "missing_subtasks")


def test_two_runs_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="'a'"):
        leaderboard([("a", run(1)), ("a", run(2))])
