"""Real judgments through the database: a campaign's figures are those of the same judgments in a file."""

from typing import Any

import pytest
from sqlmodel import Session

from app import geography
from app.agreement.longform import agreement_from_rows
from app.judgments.votes import agreement
from bench.real_campaign import REVIEWS, fill
from tests.factories import make_image


def essence(question: dict[str, Any]) -> Any:
    """Counts and values; intervals differ by the order of the categories."""
    counts = tuple(question[name] for name in ("n_items", "n_items_paired", "n_raters", "n_judgments"))
    figures = ("percent_agreement", "krippendorff_alpha", "fleiss_kappa")  # AC1 counts “unsure”, which nobody could say
    return counts, [question[name]["value"] for name in figures]


def test_real_judgments_by_country_and_generator_are_those_of_the_file(session: Session) -> None:
    campaign = fill(session, image_sha256=make_image(session).sha256)
    for by in ("country", "generator"):
        kept = agreement(session, campaign.id, by=by, every_judgment=True, replicates=0)
        filed = agreement_from_rows(REVIEWS, by=by, replicates=0)
        pairs = [(kept["questions"], filed["questions"])]
        for name, part in filed["by"].items():
            kept_name = geography.resolve(name) if by == "country" else name
            pairs.append((kept["by"][kept_name]["questions"], part["questions"]))
        assert len(kept["by"]) == len(pairs) - 1 == {"country": 6, "generator": 3}[by]
        for ours, theirs in pairs:
            counts, values = essence(ours["food1_identity"])
            their_counts, their_values = essence(theirs["is_this_dish"])
            assert counts == their_counts
            assert values == pytest.approx(their_values)
