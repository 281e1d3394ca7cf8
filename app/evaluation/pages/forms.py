"""The form that starts a run: as it was typed, and what it means."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.errors import Invalid
from app.evaluation.plan import Subset
from app.evaluation.prompts import Strategy
from app.evaluation.runs import MAX_PRIORITY
from app.items.models import Subtask

MAX_SEED = 2**31 - 1
MAX_LIMIT = 10_000_000
STRATEGIES = (
    (Strategy.BASE.value, "base: the plain question"),
    (Strategy.DIRECT.value, "direct: attend to the named food, ignore what surrounds it"),
    (Strategy.COT.value, "cot: think first, answer in the last line"),
)
MORE_FIELDS = {"limit", "seed", "priority", "budget_usd"}
"""Those that the page keeps folded until they are needed."""
ALL_SUBTASKS = tuple(subtask.value for subtask in Subtask)


class Typed(NamedTuple):
    version: str = ""
    model: str = ""
    strategy: str = Strategy.BASE.value
    subtasks: tuple[str, ...] = ALL_SUBTASKS
    limit: str = ""
    second: str = ""
    seed: str = "0"
    priority: str = "0"
    budget_usd: str = ""

    @property
    def is_tuned(self) -> bool:
        """Whether anything was set that the page keeps folded."""
        return any(getattr(self, name) != self._field_defaults[name] for name in ("second", *MORE_FIELDS))


class Wanted(NamedTuple):
    version: str
    model: str
    strategy: Strategy
    subset: Subset
    seed: int
    priority: int
    budget_usd: float | None


def typed(form: Any) -> Typed:
    """`form` is starlette's FormData, which may hold a name several times."""
    single = {name: str(form.get(name, ""))[:300] for name in Typed._fields if name != "subtasks"}
    return Typed(**single, subtasks=tuple(str(name)[:16] for name in form.getlist("subtasks")[:16]))


def wanted(typed: Typed) -> Wanted:
    """What was typed, with every mistake said at once. Raises Invalid; whether the release and the model are there is
    for others to say."""
    faults: dict[str, str] = {}
    strategy = _one_of(Strategy, typed.strategy, "strategy", "Choose one of the three.", faults)
    chosen = [
        found
        for name in typed.subtasks
        if (found := _one_of(Subtask, name, "subtasks", f"Choose among {', '.join(Subtask)}.", faults)) is not None
    ]
    if not typed.subtasks:
        faults["subtasks"] = "Choose at least one."
    limit = _whole(typed.limit, "limit", 1, MAX_LIMIT, faults) if typed.limit.strip() else None
    seed = _whole(typed.seed, "seed", 0, MAX_SEED, faults)
    priority = _whole(typed.priority, "priority", -MAX_PRIORITY, MAX_PRIORITY, faults)
    budget = _amount(typed.budget_usd, faults)
    for field in ("version", "model"):
        if not getattr(typed, field):
            faults[field] = "Choose one."
    if faults or strategy is None or seed is None or priority is None:
        raise Invalid("Please mend what is marked below.", fields=faults)
    return Wanted(
        typed.version,
        typed.model,
        strategy,
        subset_of(chosen, limit, (1, 2) if typed.second else (1,)),
        seed,
        priority,
        budget,
    )


def subset_of(subtasks: Sequence[Subtask], limit: int | None, slots: Sequence[int]) -> Subset:
    """All four subtasks are the whole release, and are written as such."""
    partial = tuple(subtask for subtask in Subtask if subtask in subtasks)
    return Subset(() if len(partial) == len(Subtask) else partial, limit, tuple(sorted(set(slots))))


def _one_of(words: Any, text: str, field: str, message: str, faults: dict[str, str]) -> Any:
    try:
        return words(text)
    except ValueError:
        faults[field] = message
        return None


def _whole(text: str, field: str, least: int, most: int, faults: dict[str, str]) -> int | None:
    text = text.strip()
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) < 11 and least <= int(text) <= most:
        return int(text)
    faults[field] = f"A whole number from {least:,} to {most:,}."
    return None


def _amount(text: str, faults: dict[str, str]) -> float | None:
    if not text.strip():
        return None
    try:
        amount = float(text)
    except ValueError:
        amount = float("nan")
    if not 0 < amount < 1e6:
        faults["budget_usd"] = "An amount above 0 and below 1,000,000, in US dollars."
        return None
    return amount


def subset_words(document: Mapping[str, Any]) -> str:
    """What of a release was asked, in words.

    >>> subset_words({"subtasks": ["SF"], "limit": 20, "slots": [1, 2]})
    'SF, at most 20 items, both foods'
    """
    subset = Subset.of(dict(document))
    parts = [", ".join(subset.subtasks) or "all subtasks"]
    if subset.limit is not None:
        parts.append(f"at most {subset.limit:,} items")
    if 2 in subset.slots:
        parts.append("both foods")
    return ", ".join(parts)
