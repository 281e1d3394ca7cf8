"""The tables behind a card's references: a manifest of photographs and a knowledge base of dishes, read and checked."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from app import geography
from app.errors import Invalid
from app.items.fitting import fault_in, file_below
from app.items.rows import cell_text, folded, shown, storable_faults
from app.items.tables import Fault, RawRow, Table, read_table

PHOTO_KINDS: Final = ("dish", "background_landmark", "background_street")
_DISH_COLUMNS: Final = ("wc_index", "name", "aliases", "countries", "iso3166_alpha2")
_PHOTO_COLUMNS: Final = ("id", "kind", "file", "name", "country", "license", "attribution", "sha256")
_LONGEST: Final = 5000

# The published table's aliases hold leavings of the program that collected them: variables, test data, the wiki's own
# words. No dish is called any of these.
_LEAVINGS: Final = frozenset((
    "age", "anna", "author", "city", "doe", "domain", "emily davis", "emily johnson", "emily jones", "emma", "event",
    "example.com", "field", "group", "host", "hosts", "ip", "jane", "jane smith", "john", "john doe", "label", "mary",
    "mike", "mike johnson", "mywebsite.com", "nika", "option", "param", "port", "section", "term", "testsite.com",
    "translation", "year",
))  # fmt: skip
_CODE: Final = re.compile(r"\w_\w|no_alias|^\d+(\.\d+)+$")


class Dish(NamedTuple):
    raw: RawRow
    source_id: str
    name: str
    aliases: list[str]
    countries: list[str]
    description: str
    category: str


class Photograph(NamedTuple):
    raw: RawRow
    key: str
    kind: str
    path: Path
    sha256: str
    name: str
    aliases: list[str]
    country: str
    licence: str
    attribution: str
    source: str


class Knowledge(NamedTuple):
    """`notes` are no errors: rows that say less than others, and what was left out of them."""

    dishes: list[Dish]
    photographs: list[Photograph]
    errors: list[Fault]
    notes: list[Fault]


def read_knowledge(paths: Sequence[Path]) -> Knowledge:
    """Every dish and photograph of these tables, or of `manifest.csv` and `knowledge_base.csv` in these folders."""
    found = Knowledge([], [], [], [])
    for table in _tables(paths, found.errors):
        rows, faults = read_table(table)
        found.errors.extend(faults)
        columns = rows[0].values.keys() if rows else ()
        if "wc_index" in columns:
            dishes = _each(rows, _DISH_COLUMNS, found.errors, lambda row: _dish(row, found.notes))
            found.dishes.extend(_once(dishes, lambda dish: dish.source_id, "wc_index", found.errors))
        elif rows:
            photographs = _each(rows, _PHOTO_COLUMNS, found.errors, partial(_photo, folder=table.root))
            found.photographs.extend(_once(photographs, lambda photo: photo.key, "id", found.errors))
    return found


def _tables(paths: Sequence[Path], errors: list[Fault]) -> list[Table]:
    files: list[Path] = []
    for path in paths:
        here = [path / name for name in ("manifest.csv", "knowledge_base.csv")] if path.is_dir() else [path]
        there = [file for file in here if file.is_file()]
        if not there:
            what = "neither manifest.csv nor knowledge_base.csv in it" if path.is_dir() else "no such file or folder"
            errors.append(Fault(str(path), None, None, f"There is {what}: name the one that is meant."))
        files += there
    return [Table(file, file.name, file.parent, None, None) for file in files]


_Read = TypeVar("_Read", Dish, Photograph)


def _each(
    rows: list[RawRow], columns: Sequence[str], errors: list[Fault], read: Callable[[RawRow], _Read | list[Fault]]
) -> list[_Read]:
    missing = [column for column in columns if column not in rows[0].values]
    errors.extend(Fault(rows[0].file, 1, column, f"The column “{column}” is missing.") for column in missing)
    good: list[_Read] = []
    for row in rows if not missing else ():
        result = _form_faults(row) or read(row)
        if isinstance(result, list):
            errors.extend(result)
        else:
            good.append(result)
    return good


def _once(rows: list[_Read], key: Callable[[_Read], str], field: str, errors: list[Fault]) -> list[_Read]:
    first: dict[str, _Read] = {}
    errors.extend(
        fault_in(row.raw, field, f"{shown(key(row))} stands in row {before.raw.row} already.")
        for row in rows
        if (before := first.setdefault(key(row), row)) is not row
    )
    return list(first.values())


def _form_faults(row: RawRow) -> list[Fault]:
    return storable_faults(row) + [
        fault_in(row, field, f"It is {len(value)} characters long; at most {_LONGEST} are taken.")
        for field, value in row.values.items()
        if isinstance(value, str) and len(value) > _LONGEST
    ]


def _text(row: RawRow, field: str) -> str:
    return " ".join(cell_text(row.values.get(field, "")).split())


def _dish(row: RawRow, notes: list[Fault]) -> Dish | list[Fault]:
    number, name = _text(row, "wc_index"), _text(row, "name")
    faults = []
    if not re.fullmatch(r"\d{1,9}", number):
        faults.append(fault_in(row, "wc_index", f"“{shown(number)}” is no row number of the table: write 0 or more."))
    if not name:
        faults.append(fault_in(row, "name", "The dish has no name."))
    # The codes column is the table's own, checked reading of its countries ("Korea" is KR there).
    field = "iso3166_alpha2" if _text(row, "iso3166_alpha2") else "countries"
    countries: list[str] = []
    written = _text(row, field)
    if folded(written) in ("", "global"):
        notes.append(fault_in(row, field, f"{shown(name)} is from no one country: it is kept without origins."))
    else:
        try:
            countries = geography.resolve_many(written.replace(",", ";"))
        except Invalid as error:
            faults.append(fault_in(row, field, error.message))
    aliases, left_out = _aliases(_text(row, "aliases"), name)
    if left_out:
        notes.append(
            fault_in(row, "aliases", f"No names of {shown(name)}, left out: {shown('; '.join(left_out), 120)}.")
        )
    category = _text(row, "fine_category") or _text(row, "coarse_category")
    return faults or Dish(row, f"wc:{int(number)}", name, aliases, countries, _text(row, "description"), category)


def _aliases(written: str, name: str) -> tuple[list[str], list[str]]:
    """The other names, each once and without the name itself, and what is no name at all."""
    names: dict[str, str] = {}
    left_out = []
    for part in written.split(";"):
        alias = part.strip()
        if folded(alias) in _LEAVINGS or _CODE.search(alias):
            left_out.append(alias)
        elif alias and folded(alias) != folded(name):
            names.setdefault(folded(alias), alias)
    return list(names.values()), left_out


def _photo(row: RawRow, folder: Path) -> Photograph | list[Fault]:
    texts = {field: _text(row, field) for field in _PHOTO_COLUMNS}
    faults = [
        fault_in(row, field, f"{field} is empty: a photograph is shown with its {field}.")
        for field in ("id", "name", "country", "license", "attribution")
        if not texts[field]
    ]
    if texts["kind"] not in PHOTO_KINDS:
        faults.append(fault_in(row, "kind", f"“{shown(texts['kind'])}” is no kind: write {', '.join(PHOTO_KINDS)}."))
    path, country = Path(), ""
    try:
        path = file_below(folder, cell_text(row.values["file"]))
    except Invalid as error:
        faults.append(fault_in(row, "file", error.message))
    try:
        country = geography.resolve(_text(row, "iso3166_alpha2") or texts["country"]) if texts["country"] else ""
    except Invalid as error:
        faults.append(fault_in(row, "country", error.message))
    aliases, _ = _aliases(_text(row, "aliases"), texts["name"])
    source = " ".join(filter(None, (_text(row, "source_repo"), _text(row, "source_path"))))
    return faults or Photograph(
        row, texts["id"], texts["kind"], path, texts["sha256"].lower(), texts["name"], aliases, country,
        texts["license"], texts["attribution"], source,
    )  # fmt: skip
