"""Dishes and photographs come in, find the foods and places they show, and change nothing the second time."""

import csv
import hashlib
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app.items.importing import import_items
from app.items.knowledge import import_knowledge
from app.items.models import Background, Food, FoodOrigin, Photo
from app.settings import ROOT
from app.storage.local import LocalStorage
from tests.factories import make_food
from tests.items.tables import files_in, picture, row_counts, scene, write_csv
from tests.items.tables import row as item_row

REFERENCE = ROOT / "demo" / "reference"


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "storage")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "seeds").mkdir()
    return tmp_path / "seeds"


def dish(number: int, name: str, **values: Any) -> dict[str, Any]:
    return {
        "wc_index": number, "name": name, "aliases": "", "coarse_category": "rice", "fine_category": "fried rice",
        "countries": "Egypt", "iso3166_alpha2": "EG", "description": "A dish.",
    } | values  # fmt: skip


def write_dishes(folder: Path, *rows: dict[str, Any]) -> Path:
    return write_csv(folder / "knowledge_base.csv", *rows, pictures=False)


def write_photos(folder: Path, *rows: dict[str, Any]) -> Path:
    full = []
    for values in rows:
        content = picture(values["id"])
        (folder / f"{values['id']}.jpg").write_bytes(content)
        full.append(
            {
                "kind": "dish", "file": f"{values['id']}.jpg", "name": "Koshari", "aliases": "Koshary; Kushari",
                "country": "Egypt", "license": "CC BY-SA 4.0", "attribution": "A. Photographer",
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            | values
        )  # fmt: skip
    return write_csv(folder / "manifest.csv", *full, pictures=False)


def food(session: Session, source_id: str) -> Food:
    return session.exec(select(Food).where(Food.source_id == source_id)).one()


def origins(session: Session, food_id: object) -> list[str]:
    query = select(FoodOrigin.country).where(FoodOrigin.food_id == food_id).order_by(col(FoodOrigin.country))
    return list(session.exec(query))


def test_the_demos_knowledge_comes_in_once(session: Session, storage: LocalStorage) -> None:
    report = import_knowledge(session, storage, [REFERENCE])
    assert (report.dishes, report.photos, report.updated, report.errors) == (2414, 9, 0, [])
    with (REFERENCE / "manifest.csv").open(newline="", encoding="utf-8") as file:
        credit = {row["id"]: (row["license"], row["attribution"], row["sha256"]) for row in csv.DictReader(file)}
    assert {p.key: (p.licence, p.attribution, p.image_sha256) for p in session.exec(select(Photo))} == credit
    pie = food(session, "wc:819")
    assert (pie.name, origins(session, pie.id)) == ("Nun's puffs", ["ES", "FR", "GB", "US"])
    assert "pets de nonne" in pie.aliases

    before = row_counts(session)
    again = import_knowledge(session, storage, [REFERENCE])
    assert (again.dishes, again.photos, again.updated, again.unchanged) == (0, 0, 0, 2423)
    assert row_counts(session) == before


def test_dishes_of_the_whole_world_have_no_origins_and_are_noted(
    session: Session, storage: LocalStorage, folder: Path
) -> None:
    write_dishes(folder, dish(0, "Custard", countries="Global", iso3166_alpha2=""))
    report = import_knowledge(session, storage, [folder])
    assert [(note.row, note.message) for note in report.notes] == [
        (2, "Custard is from no one country: it is kept without origins.")
    ]
    assert origins(session, food(session, "wc:0").id) == []


def test_leavings_of_a_program_are_no_names_of_a_dish(session: Session, storage: LocalStorage, folder: Path) -> None:
    aliases = (
        "John Doe; age; Fujian fried rice; group_name; %no_alias; 192.168.1.1; HOKKIEN fried rice; section; 福建炒饭"
    )
    write_dishes(folder, dish(23, "Hokkien fried rice", aliases=aliases))
    report = import_knowledge(session, storage, [folder])
    assert food(session, "wc:23").aliases == ["Fujian fried rice", "福建炒饭"]
    assert "John Doe; age; group_name; %no_alias; 192.168.1.1" in report.notes[0].message


def test_dishes_that_items_named_before_are_taken_over(session: Session, storage: LocalStorage, folder: Path) -> None:
    named, numbered = make_food(session, "Huarache"), make_food(session, "Zarda", "220")
    other = make_food(session, "Koshary", "927")
    write_dishes(folder, dish(2016, "Huarache"), dish(220, "Jarda", aliases="zarda"), dish(927, "Derby pie"))
    report = import_knowledge(session, storage, [folder])
    assert (report.dishes, report.updated) == (1, 2)
    assert food(session, "wc:2016").id == named.id
    assert food(session, "wc:220").id == numbered.id
    assert other.source_id == "927"


def test_a_changed_row_updates_what_is_there(session: Session, storage: LocalStorage, folder: Path) -> None:
    write_dishes(folder, dish(1, "Soto", countries="", iso3166_alpha2="ID; MY"))
    write_photos(folder, {"id": "p1"})
    import_knowledge(session, storage, [folder])
    write_dishes(folder, dish(1, "Soto", countries="", iso3166_alpha2="ID, SG", description="A soup."))
    write_photos(folder, {"id": "p1", "attribution": "B. Photographer"})
    report = import_knowledge(session, storage, [folder])
    assert (report.dishes, report.photos, report.updated) == (0, 0, 2)
    soto = food(session, "wc:1")
    assert (soto.description, origins(session, soto.id)) == ("A soup.", ["ID", "SG"])
    assert session.exec(select(Photo)).one().attribution == "B. Photographer"


def test_a_dry_run_counts_and_writes_nothing(session: Session, storage: LocalStorage, folder: Path) -> None:
    write_dishes(folder, dish(1, "Soto"))
    write_photos(folder, {"id": "p1"})
    before = row_counts(session)
    report = import_knowledge(session, storage, [folder], dry_run=True)
    assert (report.dishes, report.photos) == (1, 1)
    assert row_counts(session) == before
    assert files_in(storage.root) == []


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"sha256": "0" * 64}, "sha256", "p1.jpg is another file: its SHA-256 is"),
        ({"license": ""}, "license", "license is empty"),
        ({"attribution": " "}, "attribution", "attribution is empty"),
        ({"kind": "logo"}, "kind", "“logo” is no kind"),
        ({"file": "../p1.jpg"}, "file", "it has a part '..'"),
        ({"file": "p2.jpg"}, "file", "There is no file p2.jpg"),
        ({"country": "Atlantis"}, "country", "“Atlantis” is not a known country"),
        ({"name": "Kosh\0ari"}, "name", "U+0000"),
        ({"attribution": "x" * 5001}, "attribution", "5001 characters long"),
    ],
)
def test_a_bad_photograph_is_named_and_nothing_is_written(
    session: Session, storage: LocalStorage, folder: Path, values: dict[str, str], field: str, sentence: str
) -> None:
    write_dishes(folder, dish(1, "Soto"))
    write_photos(folder, {"id": "p1"} | values)
    before = row_counts(session)
    report = import_knowledge(session, storage, [folder])
    assert [(fault.file, fault.row, fault.field) for fault in report.errors] == [("manifest.csv", 2, field)]
    assert sentence in report.errors[0].message
    assert row_counts(session) == before


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"wc_index": "one"}, "wc_index", "“one” is no row number"),
        ({"name": ""}, "name", "The dish has no name."),
        ({"iso3166_alpha2": "QQ"}, "iso3166_alpha2", "“QQ” is not a known country"),
        ({"iso3166_alpha2": "", "countries": "Mordor"}, "countries", "“Mordor” is not a known country"),
        ({"wc_index": 0}, "wc_index", "wc:0 stands in row 2 already."),
    ],
)
def test_a_bad_dish_is_named_and_nothing_is_written(
    session: Session, storage: LocalStorage, folder: Path, values: dict[str, str], field: str, sentence: str
) -> None:
    write_dishes(folder, dish(0, "Rawon"), dish(1, "Soto") | values)
    before = row_counts(session)
    report = import_knowledge(session, storage, [folder])
    assert [(fault.row, fault.field) for fault in report.errors] == [(3, field)]
    assert sentence in report.errors[0].message
    assert row_counts(session) == before


def test_a_folder_without_tables_is_named(session: Session, storage: LocalStorage, folder: Path) -> None:
    report = import_knowledge(session, storage, [folder])
    assert "neither manifest.csv nor knowledge_base.csv" in report.errors[0].message


def photo_of(session: Session, source_id: str) -> str | None:
    photo_id = food(session, source_id).photo_id
    return session.get_one(Photo, photo_id).key if photo_id else None


def test_a_food_gets_the_photograph_of_its_name_from_its_country_first(
    session: Session, storage: LocalStorage, folder: Path
) -> None:
    write_photos(
        folder,
        {"id": "a-id", "name": "Lumpia", "country": "Indonesia", "aliases": ""},
        {"id": "b-ph", "name": "Lumpia", "country": "Philippines", "aliases": ""},
        {"id": "c-eg", "name": "Koshari", "aliases": "Koshary"},
        {"id": "d-br", "name": "Canjica", "country": "Brazil", "aliases": "Curau"},
    )
    write_dishes(
        folder,
        dish(1, "Lumpia", iso3166_alpha2="PH"),
        dish(2, "LUMPIÁ!", iso3166_alpha2="NL"),  # no Dutch one: the first of that name
        dish(3, "Koshary"),  # another name of the photograph's
        dish(4, "Kushari", aliases="koshari"),  # the photograph's is another name of the dish
        dish(5, "Koshary balls", iso3166_alpha2="EG"),  # only alike
        dish(6, "Curau", iso3166_alpha2="BR"),  # the photograph shows a dish that is known itself
        dish(7, "Canjica", iso3166_alpha2="BR"),
    )
    import_knowledge(session, storage, [folder])
    assert [photo_of(session, f"wc:{n}") for n in range(1, 8)] == [
        "b-ph", "a-id", "c-eg", "c-eg", None, None, "d-br",
    ]  # fmt: skip


def test_another_name_counts_only_at_home(session: Session, storage: LocalStorage, folder: Path) -> None:
    write_photos(folder, {"id": "c-eg", "name": "Koshari", "aliases": "Rice and lentils"})
    write_dishes(folder, dish(1, "Rice and lentils", iso3166_alpha2="SY"))
    import_knowledge(session, storage, [folder])
    assert photo_of(session, "wc:1") is None


def test_a_background_gets_its_own_photograph_else_one_of_its_kind_and_country(
    session: Session, storage: LocalStorage, folder: Path, tmp_path: Path
) -> None:
    write_photos(
        folder,
        {"id": "mx-1", "kind": "background_landmark", "name": "El Castillo", "country": "Mexico"},
        {"id": "mx-2", "kind": "background_street", "name": "Zócalo", "country": "Mexico"},
        {"id": "mx-3", "kind": "background_street", "name": "Calle Madero", "country": "Mexico"},
        {"id": "jp-1", "kind": "background_landmark", "name": "Buddha", "country": "Japan"},
    )
    import_knowledge(session, storage, [folder])
    (tmp_path / "items").mkdir()
    table = write_csv(
        tmp_path / "items" / "t.csv",
        scene("a.jpg", background_id="mx-3"),
        scene("b.jpg", background_id="named", background_name="calle madero"),
        scene("c.jpg"),
        scene("d.jpg", background_country="japan"),
        scene("e.jpg", background_country="italy"),
        item_row("f.jpg"),
    )
    assert import_items(session, storage, [table], "scenes").added == 6
    photos = {photo.id: photo.key for photo in session.exec(select(Photo))}
    assert {scene.key: photos.get(scene.photo_id) for scene in session.exec(select(Background))} == {  # type: ignore[arg-type]
        "mx-3": "mx-3", "named": "mx-3", "street:mexico1": "mx-2", "street:japan": None, "street:italy": None,
    }  # fmt: skip
