"""Which dishes and backgrounds go into which composed item: proportions, families and cultural distances."""

import csv
import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final, Literal, NamedTuple, get_args

from app import geography
from app.errors import Invalid
from app.geography import Distance

Subtask = Literal["SF", "MF", "SFB", "MFB"]
BackgroundKind = Literal["street", "landmark"]

# How many images of each subtask the published benchmark has: 23,766 in all (arXiv 2511.22787).
PUBLISHED: Final[Mapping[Subtask, int]] = {"SF": 988, "MF": 948, "SFB": 12_350, "MFB": 9_480}

_COLUMNS: Final = ("id", "kind", "file", "name", "aliases", "country", "license", "attribution")
_KINDS: Final[Mapping[str, BackgroundKind | None]] = {
    "dish": None,
    "background_landmark": "landmark",
    "background_street": "street",
}


class BadSeeds(Invalid):
    """The seed photographs can't be composed; the message names the file and row."""

    type = "bad-seeds"
    title = "These seeds can't be used"


class Seed(NamedTuple):
    """One photograph of the manifest. `kind` is None for a dish; `file` is relative to the seeds' folder."""

    id: str
    kind: BackgroundKind | None
    file: str
    name: str
    aliases: str
    country: str
    codes: tuple[str, ...]
    row: int
    credit: Mapping[str, str]


class ItemPlan(NamedTuple):
    """One item to be: `number` counts from 1 within its subtask, `path` is where its image goes."""

    subtask: Subtask
    number: int
    food1: Seed
    food2: Seed | None
    background: Seed | None

    @property
    def sheet(self) -> str:
        """The metadata file the item stands in, and in capitals its folder: `sf`, `mfb_street`, ..."""
        return self.subtask.lower() + (f"_{self.background.kind}" if self.background else "")

    @property
    def path(self) -> str:
        folder = self.subtask + (f"_{self.background.kind}" if self.background else "")
        return f"{folder}/{self.subtask.lower()}-{self.number:05d}.jpg"


def read_seeds(folder: Path) -> list[Seed]:
    """The rows of `manifest.csv`, checked but not yet opened. Raises `BadSeeds` naming the row."""
    manifest = folder / "manifest.csv"
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if missing := [column for column in _COLUMNS if column not in (reader.fieldnames or ())]:
                raise BadSeeds(f"{manifest} has no column {', '.join(missing)}.")
            seeds = [_seed(folder, row, number) for number, row in enumerate(reader, start=2)]
    except FileNotFoundError:
        raise BadSeeds(f"{manifest} is missing: name a folder with a manifest.csv and its photographs.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as unreadable:
        raise BadSeeds(f"{manifest} can't be read as a UTF-8 CSV file: {unreadable}.") from None
    for first, second in pairwise(sorted(seeds, key=lambda seed: (seed.id, seed.row))):
        if first.id == second.id:
            raise BadSeeds(f"{manifest}, row {second.row}: the id {second.id} stands in row {first.row} already.")
    dishes = sum(seed.kind is None for seed in seeds)
    if dishes < 2 or dishes == len(seeds):
        raise BadSeeds(
            f"{manifest} lists {dishes} dishes and {len(seeds) - dishes} backgrounds;"
            " at least two dishes and one background are needed."
        )
    return seeds


def _seed(folder: Path, row: Mapping[str, str], number: int) -> Seed:
    where = f"{folder / 'manifest.csv'}, row {number}"
    if row["kind"] not in _KINDS:
        raise BadSeeds(f"{where}: the kind {row['kind']!r} is not one of {', '.join(_KINDS)}.")
    for column in ("id", "file", "name"):
        if not row[column]:
            raise BadSeeds(f"{where}: {column} is empty.")
    path = PurePosixPath(row["file"])
    if (
        "\0" in row["file"]
        or path.is_absolute()
        or ".." in path.parts
        or not (folder / path).resolve().is_relative_to(folder.resolve())
    ):
        raise BadSeeds(f"{where}: {row['file']} lies outside the seeds' folder.")
    if not (folder / path).is_file():
        raise BadSeeds(f"{where}: {row['file']} is missing.")
    try:
        codes = tuple(geography.resolve_many(row["country"]))
    except Invalid as refused:
        raise BadSeeds(f"{where}: {refused.message}") from None
    return Seed(
        id=row["id"],
        kind=_KINDS[row["kind"]],
        file=str(path),
        name=row["name"],
        aliases=row["aliases"],
        country=row["country"],
        codes=codes,
        row=number,
        credit={key: value for key, value in row.items() if isinstance(key, str) and value},
    )


def shares(items: int) -> dict[Subtask, int]:
    """How many of `items` fall to each subtask: the published proportions by largest remainder, none left without one.

    >>> shares(23_766) == PUBLISHED, shares(100), shares(4)
    (True, {'SF': 4, 'MF': 4, 'SFB': 52, 'MFB': 40}, {'SF': 1, 'MF': 1, 'SFB': 1, 'MFB': 1})
    """
    if items < len(PUBLISHED):
        raise Invalid(f"{items} items can't hold all four subtasks: ask for at least {len(PUBLISHED)}.")
    total = sum(PUBLISHED.values())
    given = {subtask: items * published // total for subtask, published in PUBLISHED.items()}
    by_remainder = sorted(PUBLISHED, key=lambda subtask: items * PUBLISHED[subtask] % total, reverse=True)
    for subtask in by_remainder[: items - sum(given.values())]:
        given[subtask] += 1
    for subtask in PUBLISHED:
        if not given[subtask]:
            given[max(given, key=lambda each: given[each])] -= 1
            given[subtask] = 1
    return given


def plan(seeds: Sequence[Seed], items: int, seed: int) -> list[ItemPlan]:
    """Every item, subtask by subtask. The same seeds, number and seed give the same plan.

    A family has its dish alone, its pairs, and both again before backgrounds. Distances of partners and of backgrounds
    to its dish take turns, beginning elsewhere in each family, so that few items already meet all three.
    """
    wanted = shares(items)
    draw = random.Random(f"plan {seed}")  # noqa: S311 - a reproducible choice, not a secret
    families = _families(seeds, draw)[: min(wanted.values())]
    pairs = wanted["MF"] // len(families)

    plans = []
    for subtask, number in wanted.items():
        for n in range(number):
            index, turn = n % len(families), n // len(families)
            family = families[index]
            partner = background = None
            if subtask == "MF":
                partner = family.partner(index + turn)
            if subtask == "SFB":
                background = family.background(index + turn)
            if subtask == "MFB":
                # A pair that the family also has on white, so that the two compare; each pair meets every distance.
                partner = family.partner(index + turn % pairs)
                background = family.background(index + turn + turn // pairs)
            plans.append(ItemPlan(subtask, n + 1, family.dish, partner, background))
    return plans


class _Family(NamedTuple):
    """A dish and what it may be shown with, grouped by distance; the groups that are empty are left out."""

    dish: Seed
    partners: Sequence[Sequence[Seed]]
    backgrounds: Sequence[Sequence[Sequence[Seed]]]  # by kind, then by distance

    def partner(self, turn: int) -> Seed:
        return _take(self.partners, turn)

    def background(self, turn: int) -> Seed:
        kinds = len(self.backgrounds)
        return _take(self.backgrounds[turn % kinds], turn // kinds)

    def meets(self) -> int:
        """How many distances it can meet, by partner and by background."""
        return len(self.partners) + max(len(groups) for groups in self.backgrounds)


def _families(seeds: Sequence[Seed], draw: random.Random) -> list[_Family]:
    """One for each dish, in random order, those first that can meet every distance."""
    dishes = [seed for seed in seeds if seed.kind is None]
    kinds = [[seed for seed in seeds if seed.kind == kind] for kind in get_args(BackgroundKind)]
    families = [
        _Family(dish, _by_distance(dish, dishes, draw), [_by_distance(dish, kind, draw) for kind in kinds if kind])
        for dish in draw.sample(dishes, len(dishes))
    ]
    return sorted(families, key=lambda family: -family.meets())


def _by_distance(dish: Seed, others: Sequence[Seed], draw: random.Random) -> list[list[Seed]]:
    groups: dict[Distance, list[Seed]] = {distance: [] for distance in get_args(Distance)}
    for other in draw.sample(others, len(others)):
        if other.id != dish.id:
            groups[geography.cultural_distance(dish.codes, other.codes)].append(other)
    return [group for group in groups.values() if group]


def _take(groups: Sequence[Sequence[Seed]], turn: int) -> Seed:
    group = groups[turn % len(groups)]
    return group[turn // len(groups) % len(group)]
