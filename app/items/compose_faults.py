"""Faults planted in composed items: claims that don't hold, known to whoever composed them and to nothing that decides.

A question's claim is wrong by itself: the picture shows another dish than is named (identity), the named dish is said
to come from a country it does not come from (origin), or another place is behind it (background).
"""

import csv
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

from app import geography
from app.errors import Invalid
from app.items.compose_plan import ItemPlan, Seed

WRONG_SHARE: Final = 0.10
"""Of all claims so many are wrong."""
HARD_SHARE: Final = 0.15
"""Of the wrong claims so many are hard: what is there instead comes from close by, and most people miss it."""
GOLD_WRONG_SHARE: Final = 0.5
"""Of the claims of gold items so many are wrong: else whoever always says yes would pass."""

COLUMNS: Final = ("image_path", "question", "truth", "is_hard", "is_gold")


class Planted(NamedTuple):
    """An item as its row claims it and as its picture shows it. `faults` {question: whether it is hard to see}."""

    claimed: ItemPlan
    shown: ItemPlan
    faults: Mapping[str, bool]
    is_gold: bool = False


class Claim(NamedTuple):
    """One claim of a truth file: whether it holds, and if not, whether that is hard to see."""

    is_right: bool
    is_hard: bool


def unplanted(plans: Sequence[ItemPlan]) -> list[Planted]:
    """Items whose claims all hold."""
    return [Planted(item, item, {}) for item in plans]


def plant(plans: Sequence[ItemPlan], photos: Sequence[Seed], seed: int, *, gold: int) -> list[Planted]:
    """Items with faults, `gold` of them to be gold. What is planted hangs on the seed and the item's own path alone."""
    if not 0 <= gold <= len(plans):
        raise Invalid(f"{gold} gold items can't be among {len(plans)} items.")
    chosen = set(random.Random(f"gold {seed}").sample(range(len(plans)), gold))  # noqa: S311 - reproducible, no secret
    return [_plant(item, photos, seed, is_gold=place in chosen) for place, item in enumerate(plans)]


def questions_of(item: ItemPlan) -> list[str]:
    """The questions the item is asked, in their order."""
    foods = (1, 2) if item.food2 else (1,)
    asked = [f"food{slot}_{part}" for slot in foods for part in ("identity", "origin")]
    return [*asked, "background"] if item.background else asked


def gold_cells(item: Planted) -> dict[str, str]:
    """The columns of an import that say what is known; none for an item that isn't gold."""
    if not item.is_gold:
        return {}
    return {"is_gold": "yes"} | {
        f"gold_{question}": "no" if question in item.faults else "yes" for question in questions_of(item.claimed)
    }


def write_truth(path: Path, items: Sequence[Planted]) -> None:
    """One row a claim."""
    with path.open("x", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for item in items:
            for question in questions_of(item.claimed):
                truth = "no" if question in item.faults else "yes"
                is_hard = "yes" if item.faults.get(question) else "no"
                rows.writerow([item.claimed.path, question, truth, is_hard, "yes" if item.is_gold else "no"])


def read_truth(path: Path) -> dict[tuple[str, str], Claim]:
    """{(item's key, question): its claim}. Raises Invalid naming the row."""
    found: dict[tuple[str, str], Claim] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if missing := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
                raise Invalid(f"{path} has no column {', '.join(missing)}: name the file “terroir compose” wrote.")
            for number, row in enumerate(rows, start=2):
                if row["truth"] not in ("yes", "no"):
                    raise Invalid(f"{path}, row {number}: the truth is yes or no, not “{row['truth']}”.")
                found[row["image_path"], row["question"]] = Claim(row["truth"] == "yes", row["is_hard"] == "yes")
    except (OSError, UnicodeDecodeError, csv.Error) as unreadable:
        raise Invalid(f"{path} can't be read as a UTF-8 CSV file: {unreadable}.") from None
    return found


def _plant(item: ItemPlan, photos: Sequence[Seed], seed: int, *, is_gold: bool) -> Planted:
    draw = random.Random(f"faults {seed} {item.path}")  # noqa: S311 - reproducible, no secret
    claimed = shown = item
    faults: dict[str, bool] = {}
    for question in questions_of(item):
        is_wrong = draw.random() < (GOLD_WRONG_SHARE if is_gold else WRONG_SHARE)
        is_hard = draw.random() < HARD_SHARE
        part, _, what = question.partition("_")
        of_item: Seed = getattr(item, part)
        other = _instead(of_item, photos, draw, what, is_near=is_hard) if is_wrong else None
        if other is None:
            continue  # right, or nothing to be wrong with
        faults[question] = is_hard
        if what == "origin":
            claimed = _with(claimed, part, of_item._replace(country=other.country, codes=other.codes))
        else:
            shown = _with(shown, part, other)
    return Planted(claimed, shown, faults, is_gold)


def _with(item: ItemPlan, part: str, seed: Seed) -> ItemPlan:
    changed: dict[str, Any] = {part: seed}
    return item._replace(**changed)


def _instead(seed: Seed, photos: Sequence[Seed], draw: random.Random, what: str, *, is_near: bool) -> Seed | None:
    """What is shown, or whose country is claimed, in a seed's stead: from as near, or as far, as there is any."""
    others = [other for other in photos if other.kind == seed.kind and other.id != seed.id]
    if what == "identity":
        others = [other for other in others if not _names(other) & _names(seed)]
    else:  # another place or origin is another country
        others = [other for other in others if not set(other.codes) & set(seed.codes)]
    distances = get_args(geography.Distance) if is_near else get_args(geography.Distance)[::-1]
    for distance in distances:
        if there := [other for other in others if geography.cultural_distance(seed.codes, other.codes) == distance]:
            return draw.choice(there)
    return None


def _names(seed: Seed) -> set[str]:
    return {name.strip().casefold() for name in (seed.name, *seed.aliases.split(";")) if name.strip()}
