"""The reference cases and how tests read them."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from app.agreement.answers import Answers

REFERENCE = Path(__file__).parent / "reference"
WWD_REVIEWS = Path(__file__).parent / "data" / "wwd_reviews.csv"

# Data sets without a licence to pass them on: read where they lie beside the repository, never kept in it.
SHARED = Path(__file__).parents[3] / "shared" / "reference" / "agreement"


def load(name: str) -> dict[str, Any]:
    """A reference case by its file's name."""
    return json.loads((REFERENCE / f"{name}.json").read_text())


def load_shared(name: str) -> dict[str, Any]:
    """A case kept outside the repository; skips the test where it isn't there."""
    path = SHARED / f"{name}.json"
    if not path.exists():
        pytest.skip(f"the case {name} has no licence to be kept here and isn't in ../shared/reference/agreement")
    return json.loads(path.read_text())


def shared_rows(name: str) -> list[dict[str, str]]:
    """The rows of a compressed table kept outside the repository."""
    with gzip.open(SHARED / name, "rt", newline="") as file:
        return list(csv.DictReader(file))


def answers_of(case: dict[str, Any]) -> Answers:
    """The judgments of a case, missing labels (null, '' and a stand-in for NaN) left out."""
    rows = [tuple(row) for row in case["judgments"] if row[2] not in (None, "", "__NaN__")]
    return Answers.from_rows(rows, case["categories"])
