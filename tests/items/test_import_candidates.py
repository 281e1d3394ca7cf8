"""Sets of candidates in a table: kept together and held back, and every way to get them wrong."""

from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from app.db import now
from app.items.importing import ImportReport, import_items
from app.items.models import CandidateSet, Hold, Item
from app.storage.local import LocalStorage
from tests.items.tables import row, scene, two, write_csv


class Importer:
    def __init__(self, session: Session, folder: Path) -> None:
        self.session, self.folder, self.storage = session, folder, LocalStorage(folder / "storage")

    def __call__(self, *rows: dict[str, Any], dry_run: bool = False) -> ImportReport:
        table = write_csv(self.folder / "rows.csv", *rows)
        return import_items(self.session, self.storage, [table], "tasting", dry_run=dry_run)

    def fault(self, *rows: dict[str, Any]) -> str:
        """The one fault of these rows, in a dry run."""
        (fault,) = self(*rows, dry_run=True).errors
        assert fault.field == "candidate_set"
        return fault.message


@pytest.fixture
def importer(session: Session, tmp_path: Path) -> Importer:
    return Importer(session, tmp_path)


def test_candidates_are_kept_together_and_held_back(importer: Importer) -> None:
    rows = [row("a.jpg", candidate_set="k1", seed=1), row("b.jpg", candidate_set="k1", seed=2), row("c.jpg")]
    assert importer(*rows).added == 3
    (found,) = importer.session.exec(select(CandidateSet)).all()
    items = {item.key: item for item in importer.session.exec(select(Item))}
    assert (found.key, found.decided_at, found.chosen_item_id) == ("k1", None, None)
    assert [items[key].candidate_set_id for key in ("a.jpg", "b.jpg", "c.jpg")] == [found.id, found.id, None]
    assert [items[key].hold for key in ("a.jpg", "b.jpg", "c.jpg")] == [Hold.CANDIDATES, Hold.CANDIDATES, None]
    assert importer(*rows).unchanged == 3


def test_a_set_grows_until_it_is_decided(importer: Importer) -> None:
    importer(row("a.jpg", candidate_set="k1"), row("b.jpg", candidate_set="k1"))
    assert importer(row("c.jpg", candidate_set="k1")).added == 1
    found = importer.session.exec(select(CandidateSet)).one()
    found.decided_at = now()
    importer.session.flush()
    assert "one was chosen already" in importer.fault(row("d.jpg", candidate_set="k1"))


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        (row("a.jpg"), row("b.jpg", food1_name="Pizza"), "another dish or country"),
        (row("a.jpg"), row("b.jpg", food1_country="japan"), "another dish or country"),
        (row("a.jpg"), two("b.jpg"), "another subtask"),
        (scene("a.jpg", background_id="x"), scene("b.jpg", background_id="y"), "another background"),
    ],
)
def test_candidates_of_one_set_claim_the_same(importer: Importer, one: Any, other: Any, what: str) -> None:
    assert what in importer.fault(one | {"candidate_set": "k1"}, other | {"candidate_set": "k1"})
    importer(one | {"candidate_set": "k1"}, one | {"candidate_set": "k1", "image_path": "c.jpg"})
    assert f"{what} in the campaign" in importer.fault(other | {"candidate_set": "k1"})


def test_a_set_has_two_to_nine_images(importer: Importer) -> None:
    assert "one image only" in importer.fault(row("a.jpg", candidate_set="k1"))
    many = [row(f"{place}.jpg", candidate_set="k1") for place in range(10)]
    assert "10 images; at most 9" in importer.fault(*many)


def test_a_gold_item_is_no_candidate(importer: Importer) -> None:
    gold = row("a.jpg", candidate_set="k1", gold_food1_identity="yes")
    assert "gold item" in importer.fault(gold)
