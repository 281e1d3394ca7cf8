"""Real judgments: figures by country and by generator are those of other libraries.

krippendorff and statsmodels are asked here. irrCAC's answers are kept in data/irrcac.json: it can't be installed beside
a current scipy, and bench/agreement_oracles.py says how it was asked.
"""

import csv
import json
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from app.agreement.longform import agreement_from_rows, read
from app.agreement.raters import pair_table, pairwise
from tests.agreement import cases

QUESTION = "is_this_dish"
ANSWERS = ("No", "Yes")
KEPT = json.loads((cases.WWD_REVIEWS.parent / "irrcac.json").read_text())
PARTS = [(row["by"], row["part"]) for row in KEPT["wwd"]]


@cache
def votes(by: str, part: str) -> np.ndarray:
    """Items x answers, counted straight from the file; by "all" of every row."""
    items: dict[str, Counter[str]] = defaultdict(Counter)
    with cases.WWD_REVIEWS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if by == "all" or row[by] == part:
                items[row["item"]][row["value"]] += 1
    return np.array([[counts[answer] for answer in ANSWERS] for counts in items.values()])


@pytest.fixture(scope="module")
def figures() -> dict[tuple[str, str], dict[str, Any]]:
    """Our document of each part."""
    found = {("all", ""): agreement_from_rows(cases.WWD_REVIEWS, replicates=0)["questions"][QUESTION]}
    for by in ("country", "generator"):
        document = agreement_from_rows(cases.WWD_REVIEWS, by=by, replicates=0)
        found |= {(by, part): report["questions"][QUESTION] for part, report in document["by"].items()}
    return found


def test_every_country_and_generator_is_compared(figures: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert set(figures) == set(PARTS)
    assert len(PARTS) == 1 + 6 + 3


@pytest.mark.parametrize(("by", "part"), PARTS)
def test_alpha_and_agreement_of_each_part_are_those_of_other_libraries(
    figures: dict[tuple[str, str], dict[str, Any]], by: str, part: str
) -> None:
    found, counts = figures[by, part], votes(by, part)
    paired = counts[counts.sum(axis=1) >= 2]
    assert (found["n_items"], found["n_items_paired"]) == (len(counts), len(paired))
    assert found["n_judgments"] == counts.sum()
    alpha = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
    assert found["krippendorff_alpha"]["value"] == pytest.approx(alpha, abs=1e-9)


def equally_often(by: str, part: str, answers: int) -> np.ndarray:
    counts = votes(by, part)
    return counts[counts.sum(axis=1) == answers]


# statsmodels takes no other items, and has no kappa where all answers are alike.
EQUAL = [
    (by, part, answers)
    for by, part in PARTS
    for answers in (2, 3)
    if equally_often(by, part, answers).any(axis=0).all()
]


@pytest.mark.parametrize(("by", "part", "answers"), EQUAL)
def test_fleiss_of_the_items_with_equally_many_answers_is_that_of_statsmodels(
    tmp_path: Path, by: str, part: str, answers: int
) -> None:
    equal = equally_often(by, part, answers)
    file = tmp_path / "votes.csv"
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["item", "rater", "question", "value"])
        for item, row in enumerate(equal):
            said = np.repeat(ANSWERS, row)
            rows.writerows((f"i{item}", f"r{place}", "q", value) for place, value in enumerate(said))
    found = agreement_from_rows(file, replicates=0)["questions"]["q"]
    assert found["fleiss_kappa"]["value"] == pytest.approx(fleiss_kappa(equal), abs=1e-9)


@pytest.mark.parametrize("row", KEPT["wwd"], ids=[f"{by} {part}".strip() for by, part in PARTS])
def test_every_figure_of_each_part_is_irrcacs(
    figures: dict[tuple[str, str], dict[str, Any]], row: dict[str, Any]
) -> None:
    found = figures[row["by"], row["part"]]
    for name in ("percent_agreement", "krippendorff_alpha", "fleiss_kappa", "gwet_ac1"):
        assert found[name]["value"] == pytest.approx(row["irrCAC"][name], abs=1e-8), name


def test_cohens_kappa_of_every_two_reviewers_is_that_of_statsmodels() -> None:
    answers = read(cases.WWD_REVIEWS).answers[QUESTION]
    pairs = pairwise(answers)
    assert len(pairs) > 50
    for pair in pairs:
        table = pair_table(answers, pair.a, pair.b)
        assert table.sum() == pair.n
        if (table.sum(axis=0) > 0).sum() == (table.sum(axis=1) > 0).sum() == 1 and np.trace(table) == pair.n:
            assert pair.cohen_kappa is None
        else:
            with np.errstate(all="ignore"):
                expected = cohens_kappa(table, return_results=False)
            assert pair.cohen_kappa == pytest.approx(expected, abs=1e-9), (pair.a, pair.b)
