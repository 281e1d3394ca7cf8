"""What one row of a table claims: read from its cells and checked, every fault with the field it is in."""

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from app import geography
from app.db import UNSTORABLE
from app.errors import Invalid
from app.items.models import BackgroundKind, Subtask
from app.items.tables import Fault, RawRow, Table

REQUIRED: Final = ("image_path", "food1_name", "food1_country")
QUESTIONS: Final = ("food1_identity", "food1_origin", "food2_identity", "food2_origin", "background")
GOLD_ANSWERS: Final = ("yes", "no", "unsure")
_FOOD_PARTS: Final = ("id", "name", "country", "aliases")
_SCENE_PARTS: Final = ("country", "id", "name", "kind", "path")
REFERENCES: Final = {"food1": "source1_path", "food2": "source2_path", "background": "background_path"}
"""The parts of an item that can have a picture of their own, and the columns that name it."""

COLUMNS: Final = (
    *("image_path", "subtask", "generator", "prompt", "seed", "revision_of", "candidate_set", "is_gold"),
    *(f"food{slot}_{part}" for slot in (1, 2) for part in _FOOD_PARTS),
    *(f"background_{part}" for part in _SCENE_PARTS),
    *("source1_path", "source2_path"),
    *(f"gold_{question}" for question in QUESTIONS),
)
"""Every column an import understands; others are only kept with the row."""

_LONGEST: Final = {"image_path": 1024, "prompt": 20_000, "food1_aliases": 4000, "food2_aliases": 4000}
_LONGEST_TEXT: Final = 500
_CONTROL: Final = re.compile("[\x01-\x1f\x7f-\x9f]")
# These turn the text around them: a card could be made to read otherwise than what is stored.
_OVERRIDE: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_TRUE: Final = ("yes", "true", "1")
_FALSE: Final = ("no", "false", "0")


class FoodClaim(NamedTuple):
    """One food as the row has it; `countries` are ISO codes."""

    id_as_written: str | None
    name: str
    country_as_written: str
    countries: tuple[str, ...]
    aliases: tuple[str, ...]


class SceneClaim(NamedTuple):
    key: str
    name: str | None
    kind: BackgroundKind | None
    country: str
    as_written: str


class ClaimRow(NamedTuple):
    """A row without faults in itself; whether it fits the other rows, the files and the campaign is seen later."""

    raw: RawRow
    key: str
    subtask: Subtask
    foods: tuple[FoodClaim, ...]
    scene: SceneClaim | None
    references: Mapping[str, str]
    generator: str | None
    prompt: str | None
    seed: str | None
    revision_of: str | None
    candidate_set: str | None
    gold: Mapping[str, str]


def column_faults(table: Table, rows: list[RawRow]) -> list[Fault]:
    """What the table's columns lack, or misspell where nobody would notice."""
    columns = {column for row in rows for column in row.values}
    faults = [
        Fault(table.shown, 1, column, f"The column “{column}” is missing.")
        for column in REQUIRED
        if column not in columns
    ]
    return faults + [
        Fault(
            table.shown,
            1,
            column,
            f"“{shown(column)}” is no known question: write gold_ and one of {', '.join(QUESTIONS)}.",
        )
        for column in sorted(columns)
        if column.startswith("gold_") and column not in COLUMNS
    ]


def parse(raw: RawRow, table: Table) -> ClaimRow | list[Fault]:
    reader = _Reader(raw)
    row = reader.read(table)
    return reader.faults if row is None or reader.faults else row


def understood(values: Mapping[str, Any]) -> dict[str, str]:
    """The understood cells that are not empty: what must be the same when a row comes a second time."""
    return {field: text for field in COLUMNS if (text := cell_text(values.get(field, "")))}


def cell_text(value: Any) -> str:
    """A cell as text. Whole numbers lose the `.0` that spreadsheets and data frames give them.

    >>> cell_text(29.0), cell_text(True), cell_text(" Koshary ")
    ('29', 'true', 'Koshary')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def folded(text: str) -> str:
    """What two spellings of the same name share: NFC, lower case, one space between words. Punctuation counts.

    >>> folded("Arro\u0300s  Negre") == folded("arròs negre")
    True
    """
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).split())


def shown(text: str, longest: int = 60) -> str:
    """Text from outside, fit for a message: one line, no control or direction marks, not too long."""
    plain = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return plain if len(plain) <= longest else plain[:longest] + "…"


def storable_faults(raw: RawRow) -> list[Fault]:
    """What of a row, in any column, no database or JSON document could keep."""
    faults = []
    for field, value in raw.values.items():
        for text in (field, *_texts(value)):
            if isinstance(text, float):
                why = None if math.isfinite(text) else f"{text} is no number that can be kept: leave the cell empty."
            else:
                found = UNSTORABLE.search(text)
                why = f"It holds U+{ord(found[0]):04X}, which is no character of a text: remove it." if found else None
            if why is not None:
                faults.append(Fault(raw.file, raw.row, shown(field), why))
    return faults


def _texts(value: Any) -> Iterator[str | float]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str | float):
        yield value


class _Reader:
    def __init__(self, raw: RawRow) -> None:
        self.raw = raw
        self.faults: list[Fault] = []

    def fault(self, field: str | None, message: str) -> None:
        self.faults.append(Fault(self.raw.file, self.raw.row, field, message))

    def read(self, table: Table) -> ClaimRow | None:
        self.faults += storable_faults(self.raw)
        for field in COLUMNS:
            if isinstance(self.raw.values.get(field), list | dict):
                self.fault(field, "It holds a list or an object: write it as one text.")
        if self.faults:
            return None
        key = self._text("image_path")
        if not key:
            self.fault("image_path", "image_path is empty: name the image's file.")
        subtask = self._subtask(table)
        if subtask is None:
            return None
        foods = [self._food(slot) for slot in range(1, subtask.foods + 1)]
        scene = self._scene(table) if subtask.has_background else None
        self._refuse_what_it_lacks(subtask)
        references = {part: path for part, field in REFERENCES.items() if (path := self._text(field))}
        gold = self._gold(subtask)
        prompt = self._text("prompt", lines=True)
        generator, seed, revision_of, candidate_set = (
            self._text(field) or None for field in ("generator", "seed", "revision_of", "candidate_set")
        )
        if candidate_set and gold:
            self.fault("candidate_set", "A gold item can't be one of several candidates: empty one or the other.")
        if self.faults:
            return None
        return ClaimRow(
            self.raw, key, subtask, tuple(food for food in foods if food), scene, references,
            generator, prompt or None, seed, revision_of, candidate_set, gold,
        )  # fmt: skip

    def _text(self, field: str, *, lines: bool = False) -> str:
        text = cell_text(self.raw.values.get(field, ""))
        longest = _LONGEST.get(field, _LONGEST_TEXT)
        if len(text) > longest:
            self.fault(field, f"It is {len(text)} characters long; at most {longest} are taken.")
        checked = re.sub(r"[\n\r\t]", " ", text) if lines else text
        if found := _CONTROL.search(checked) or _OVERRIDE.search(checked):
            self.fault(field, f"It holds the invisible control character U+{ord(found[0]):04X}: remove it.")
        return text

    def _subtask(self, table: Table) -> Subtask | None:
        written = self._text("subtask").upper()
        if not written:
            if table.subtask is None:
                self.fault("subtask", "The subtask is missing: write SF, MF, SFB or MFB, or name the file after it.")
            return table.subtask
        if written not in Subtask.__members__:
            self.fault("subtask", f"“{shown(written)}” is no subtask: write SF, MF, SFB or MFB.")
            return None
        if table.subtask not in (None, written):
            self.fault("subtask", f"The row says {written}, its file's name says {table.subtask}.")
            return None
        return Subtask(written)

    def _food(self, slot: int) -> FoodClaim | None:
        food_id, name, country, aliases = (self._text(f"food{slot}_{part}") for part in _FOOD_PARTS)
        countries: list[str] = []
        if not name:
            self.fault(f"food{slot}_name", f"food{slot}_name is empty: name the dish.")
        if not country:
            self.fault(f"food{slot}_country", f"food{slot}_country is empty: name the dish's country.")
        else:
            try:
                countries = geography.resolve_many(country)
            except Invalid as error:
                self.fault(f"food{slot}_country", error.message)
        if not name or not countries:
            return None
        others = dict.fromkeys(text for alias in aliases.split(";") if (text := alias.strip()))
        food_id = food_id.removesuffix(".0")
        return FoodClaim(food_id or None, name, country, tuple(countries), tuple(others))

    def _scene(self, table: Table) -> SceneClaim | None:
        country, scene_id, name, kind_written, _ = (self._text(f"background_{part}") for part in _SCENE_PARTS)
        kind = table.kind
        if kind_written:
            if kind_written.lower() not in list(BackgroundKind):
                self.fault("background_kind", f"“{shown(kind_written)}” is no such kind: write street or landmark.")
                return None
            kind = BackgroundKind(kind_written.lower())
            if table.kind not in (None, kind):
                self.fault("background_kind", f"The row says {kind}, its file's name says {table.kind}.")
        if not country:
            self.fault("background_country", "background_country is empty: name the country the background shows.")
            return None
        try:
            code = geography.resolve(country)
        except Invalid as error:
            self.fault("background_country", error.message)
            return None
        key = scene_id or f"{kind or 'background'}:{folded(country)}"
        return SceneClaim(key, name or None, kind, code, country)

    def _refuse_what_it_lacks(self, subtask: Subtask) -> None:
        if subtask.foods == 1:
            for field in (*(f"food2_{part}" for part in _FOOD_PARTS), "source2_path"):
                if self._text(field):
                    self.fault(field, f"{subtask} has one food, but {field} is given: empty it or change the subtask.")
        if not subtask.has_background:
            for part in _SCENE_PARTS:
                if self._text(f"background_{part}"):
                    self.fault(
                        f"background_{part}",
                        f"{subtask} has no background, but background_{part} is given: empty it or change the subtask.",
                    )

    def _gold(self, subtask: Subtask) -> dict[str, str]:
        flag = self._text("is_gold").lower()
        if flag not in ("", *_TRUE, *_FALSE):
            self.fault("is_gold", f"“{shown(flag)}” is neither yes nor no.")
        gold = {}
        for question in QUESTIONS:
            answer = self._text(field := f"gold_{question}").lower()
            if not answer:
                continue
            if answer not in GOLD_ANSWERS:
                self.fault(field, f"“{shown(answer)}” is no answer: write yes, no or unsure.")
            elif (question.startswith("food2") and subtask.foods == 1) or (
                question == "background" and not subtask.has_background
            ):
                self.fault(field, f"{subtask} does not ask “{question}”: empty {field}.")
            gold[question] = answer
        if gold and flag in _FALSE:
            self.fault("is_gold", "is_gold says no, but gold answers are given: make it yes or empty them.")
        if flag in _TRUE and not gold:
            self.fault("is_gold", "is_gold says yes, but no gold answer is given: fill at least one gold_ column.")
        return gold
