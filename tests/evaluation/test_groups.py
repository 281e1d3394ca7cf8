"""The fair rule, the groups, and where wrong answers lean to, against values worked out by hand."""

from typing import Any

import pytest

from app.evaluation.metrics.answers import Answer
from app.evaluation.metrics.document import metrics
from app.evaluation.replies import State


def dolma(subtask: str, name: str, country: str | None, **more: Any) -> Answer:
    return Answer(subtask, 1, "dolma", "Dolma", ("TR", "GR"), State.OK, name, country, ("Sarma",), **more)


def pizza(subtask: str, name: str, country: str | None, **more: Any) -> Answer:
    return Answer(subtask, 1, "pizza", "Pizza", ("IT",), State.OK, name, country, **more)


def value(document: Any, *keys: str) -> Any:
    for key in keys:
        document = document[key]
    return document["value"]


# "sarma" is not like "dolma": bigrams {sa,ar,rm,ma}, {do,ol,lm,ma} share 1 of 7, letters 2 of 7: 0.7/7 + 0.6/7 = 0.19.
THREE = [dolma("SF", "sarma", "Greece"), dolma("SF", "dolma", "Turkey"), pizza("SF", "pizza", "Japan")]


def test_the_benchmarks_rule_takes_the_gold_name_and_the_first_country() -> None:
    group = metrics(THREE)["subtasks"]["SF"]
    assert value(group, "name_accuracy") == 2 / 3
    assert value(group, "country_accuracy") == 1 / 3


def test_the_fair_rule_takes_aliases_and_every_origin() -> None:
    fair = metrics(THREE)["subtasks"]["SF"]["fair"]
    assert {figure: part["value"] for figure, part in fair.items()} == {
        "name_accuracy": 1,
        "country_accuracy": 2 / 3,
        "name_difference": pytest.approx(1 / 3),
        "country_difference": pytest.approx(1 / 3),
    }


def test_the_difference_between_the_rules_is_paired() -> None:
    """Of each dish's two answers one is saved by the fair rule: half, whichever dishes are drawn."""
    answers = []
    for number in range(6):
        other = "Turkey" if number % 2 else "Japan"
        answers += [dolma("SF", "sarma", said)._replace(dish=str(number)) for said in ("Greece", other)]
    group = metrics(answers)["subtasks"]["SF"]
    assert group["fair"]["country_difference"] == {"value": 0.5, "low": 0.5, "high": 0.5, "reason": None}
    assert group["country_accuracy"]["low"] < group["country_accuracy"]["high"]


def test_a_food_of_several_origins_is_grouped_once_with_its_first() -> None:
    document = metrics(THREE)
    assert {code: group["n"] for code, group in document["by_country"]["SF"].items()} == {"IT": 1, "TR": 2}
    assert {name: group["n"] for name, group in document["by_continent"]["SF"].items()} == {"Asia": 2, "Europe": 1}
    assert value(document, "by_continent", "SF", "Asia", "country_accuracy") == 1 / 2
    assert value(document, "by_continent", "SF", "Asia", "fair", "country_accuracy") == 1


def test_by_background_kind_and_difficulty() -> None:
    answers = [
        dolma("SFB", "dolma", "Turkey", background="JP", background_kind="street", difficulty="unanimous"),
        dolma("SFB", "sushi", "Japan", background="JP", background_kind="street", difficulty="contested"),
        pizza("SFB", "pizza", "Italy", background="JP", background_kind="landmark", difficulty="unanimous"),
    ]
    document = metrics(answers)
    kinds, difficulties = document["by_background_kind"]["SFB"], document["by_difficulty"]["SFB"]
    assert {name: group["n"] for name, group in kinds.items()} == {"landmark": 1, "street": 2}
    assert value(kinds, "street", "name_accuracy") == 1 / 2
    assert {name: group["n"] for name, group in difficulties.items()} == {"contested": 1, "unanimous": 2}
    assert value(difficulties, "unanimous", "country_accuracy") == 1
    assert value(difficulties, "contested", "country_accuracy") == 0


def test_what_nobody_knows_makes_no_group() -> None:
    document = metrics([*THREE, dolma("MF", "dolma", "Turkey", other_food=("IT",), difficulty="contested")])
    assert document["by_background_kind"] == {}
    assert list(document["by_difficulty"]) == ["MF"]
    assert list(document["by_distance"]) == ["MF"]


def test_distances_stand_from_near_to_far() -> None:
    answers = [pizza("SFB", "pizza", "Italy", background=code) for code in ("JP", "FR", "IT")]
    assert list(metrics(answers)["by_distance"]["SFB"]) == ["same_country", "same_continent", "cross_continent"]


def test_wrong_answers_lean_by_hand() -> None:
    answers = [
        dolma("SF", "x", "Italy"),
        dolma("SF", "x", "Italy"),
        dolma("SF", "x", "Greece"),  # a listed origin, yet wrong by the benchmark's rule
        dolma("SF", "x", "Atlantis"),
        dolma("SF", "x", "Turkey"),
        pizza("SF", "x", "Greece"),
        pizza("SF", "x", "China"),
        pizza("SF", "x", "Italy"),
    ]
    leaning = metrics(answers)["leaning"]["SF"]
    assert (leaning["n_wrong"], leaning["n_without_country"]) == (6, 1)
    rows = [(row["country"], row["count"], row["share"]["value"], row["expected"]) for row in leaning["countries"]]
    # Of five wrong answers with a country; five of eight items are Turkish, three Italian. Ties by code.
    assert rows == [("GR", 2, 2 / 5, 0), ("IT", 2, 2 / 5, 3 / 8), ("CN", 1, 1 / 5, 0)]
    rows = [(row["continent"], row["count"], row["share"]["value"], row["expected"]) for row in leaning["continents"]]
    assert rows == [("Europe", 4, 4 / 5, 3 / 8), ("Asia", 1, 1 / 5, 5 / 8)]


def test_nothing_wrong_leans_nowhere() -> None:
    assert metrics([pizza("SF", "pizza", "Italy")])["leaning"]["SF"] == {
        "n_wrong": 0, "n_without_country": 0, "countries": [], "continents": [],
    }  # fmt: skip


def test_the_document_says_how_its_intervals_were_found() -> None:
    said = metrics(THREE, seed=3, replicates=200)["bootstrap"]
    assert said == {"unit": "dish", "replicates": 200, "seed": 3, "level": 0.95}
