"""Images made again: a row with revision_of brings another image of the same claim, and of nothing approved."""

from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from app.campaigns import service as campaigns
from app.generation import service as requests
from app.generation.models import RequestState, RevisionRequest
from app.items.importing import ImportReport, import_items
from app.items.models import Item, Status
from app.storage.local import LocalStorage
from tests.items.tables import picture, row, row_counts, scene, two, write_csv


class Place:
    """A campaign to import into, and the tables' folder."""

    def __init__(self, session: Session, folder: Path) -> None:
        self.session, self.folder = session, folder / "tables"
        self.folder.mkdir()
        self.storage = LocalStorage(folder / "storage")

    def imported(self, *rows: dict[str, Any]) -> ImportReport:
        """The report, which a dry run before says as well."""
        table, before = write_csv(self.folder / "t.csv", *rows), row_counts(self.session)
        dry = import_items(self.session, self.storage, [table], "again", dry_run=True)
        assert row_counts(self.session) == before
        report = import_items(self.session, self.storage, [table], "again")
        assert (report.errors, report.added) == (dry.errors, dry.added)
        if report.errors:
            assert row_counts(self.session) == before
        return report

    def set_status(self, key: str, status: Status) -> Item:
        item = self.session.exec(select(Item).where(Item.key == key)).one()
        item.status = status
        self.session.flush()
        return item


@pytest.fixture
def place(session: Session, tmp_path: Path) -> Place:
    return Place(session, tmp_path)


def only_fault(report: ImportReport) -> str:
    (fault,) = report.errors
    assert (fault.file, fault.field) == ("t.csv", "revision_of")
    return fault.message


OTHER_CLAIMS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "subtask": (row(), two("b.jpg"), "the subtask SF, this row MF"),
    "dish": (row(), row("b.jpg", food1_name="Pizza"), "“koshary” (EG), this row “pizza” (EG)"),
    "country": (row(), row("b.jpg", food1_country="italy"), "“koshary” (EG), this row “koshary” (IT)"),
    "second dish": (two(), two("b.jpg", food2_name="Ramen", food2_country="japan"), "“pizza” (IT), this row"),
    "place": (scene(), scene("b.jpg", background_country="mexico2"), "background street:mexico1, this row street:mex"),
}  # fmt: skip


@pytest.mark.parametrize("other", OTHER_CLAIMS)
def test_an_image_of_another_claim_is_no_revision(place: Place, other: str) -> None:
    first, second, words = OTHER_CLAIMS[other]
    assert place.imported(first).added == 1
    rejected = place.set_status("a.jpg", Status.REJECTED)
    message = only_fault(place.imported(second | {"revision_of": "a.jpg"}))
    assert message.startswith("a.jpg claims the ")
    assert words in message
    assert message.endswith("mend the row or empty revision_of.")
    campaign, policy = campaigns.with_policy(place.session, "again")
    requests.keep_up(place.session, campaign, policy)
    asked = place.session.exec(select(RevisionRequest).where(RevisionRequest.item_id == rejected.id)).one()
    assert asked.state is RequestState.OPEN


def test_rows_of_one_table_are_compared_as_well(place: Place) -> None:
    again = row("b.jpg", revision_of="a.jpg", food1_country="italy")
    assert "“koshary” (EG), this row “koshary” (IT)" in only_fault(place.imported(again, row()))


def test_the_same_claim_in_other_spelling_answers(place: Place) -> None:
    assert place.imported(scene(), two("m.jpg")).added == 2
    place.set_status("a.jpg", Status.REJECTED)
    place.set_status("m.jpg", Status.DISPUTED)  # nothing says that one must wait until it is rejected
    again = scene("a2.jpg", revision_of="a.jpg", food1_name=" KOSHARY", food1_country="Egypt", generator="flux")
    assert place.imported(again, two("m2.jpg", revision_of="m.jpg")).errors == []


def test_an_approved_item_wants_no_other_image(place: Place) -> None:
    again = row("b.jpg", revision_of="a.jpg")
    assert place.imported(row(), again).added == 2
    place.set_status("a.jpg", Status.APPROVED)
    assert place.imported(row(), again).errors == []  # what is there already stays as it is
    message = only_fault(place.imported(row("c.jpg", revision_of="a.jpg")))
    assert message.startswith("a.jpg is approved, so it wants no other image: ")


def test_changed_bytes_of_an_approved_item_are_not_sent_to_revision_of(place: Place) -> None:
    assert place.imported(row()).added == 1
    for status, advice in ((Status.REJECTED, True), (Status.APPROVED, False)):
        place.set_status("a.jpg", status)
        (place.folder / "a.jpg").write_bytes(picture("something else"))
        table = write_csv(place.folder / "t.csv", row(), pictures=False)
        (fault,) = import_items(place.session, place.storage, [table], "again").errors
        assert fault.field == "image_path"
        assert ("revision_of" in fault.message) is advice
