"""What a run asks, in which order, and the spec that names it all."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.errors import Invalid
from app.evaluation import prompts
from app.evaluation.prompts import Strategy
from app.evaluation.reading import ReleasedItem
from app.evaluation.replies import PARSER_VERSION
from app.items.models import Subtask

MAX_TOKENS = {Strategy.BASE: 512, Strategy.DIRECT: 512, Strategy.COT: 2048}


class NothingToAsk(Invalid):
    title = "There is nothing to ask"


@dataclass(frozen=True)
class Subset:
    """What of a release is asked. Without `subtasks` all of them; `limit` counts items."""

    subtasks: tuple[Subtask, ...] = ()
    limit: int | None = None
    slots: tuple[int, ...] = (1,)

    @property
    def is_whole(self) -> bool:
        """Whether every item's first food is asked: only such runs stand in one table."""
        return not self.subtasks and self.limit is None and 1 in self.slots

    def as_json(self) -> dict[str, Any]:
        return {"subtasks": sorted(self.subtasks), "limit": self.limit, "slots": sorted(self.slots)}

    @staticmethod
    def of(document: dict[str, Any]) -> "Subset":
        return Subset(
            tuple(Subtask(name) for name in document.get("subtasks", ())),
            document.get("limit"),
            tuple(document.get("slots", (1,))),
        )


class Asked(NamedTuple):
    item: ReleasedItem
    slot: int


def plan(items: Sequence[ReleasedItem], subset: Subset, seed: int) -> list[Asked]:
    """The questions, in order. A limit takes whole families in an order drawn by `seed`, each with its SF item first,
    so that a small run can still compare a dish with itself alone. Raises NothingToAsk."""
    chosen = [item for item in items if not subset.subtasks or item.subtask in subset.subtasks]
    if subset.limit is not None:
        order = {family: hashlib.sha256(f"{seed} {family}".encode()).digest() for family in {i.family for i in chosen}}
        chosen.sort(key=lambda item: (order[item.family], item.subtask is not Subtask.SF, item.image_path))
        chosen = sorted(chosen[: subset.limit], key=lambda item: item.image_path)
    asked = [Asked(item, slot) for item in chosen for slot in subset.slots if slot <= item.subtask.foods]
    if not asked:
        raise NothingToAsk("The release has no item of these subtasks and slots; ask for others.")
    return asked


def spec_of(
    release_sha256: str, subset: Subset, engine: dict[str, Any], strategy: Strategy, seed: int
) -> dict[str, Any]:
    """All that can change an answer; `engine` is its description. Equal specs are the same run."""
    return {
        "release_manifest_sha256": release_sha256,
        **subset.as_json(),
        "engine": engine,
        "strategy": strategy.value,
        "prompt": prompts.describe(strategy),
        "seed": seed,
        "parser_version": PARSER_VERSION,
    }


def spec_sha256(spec: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(spec)).hexdigest()


def request_sha256(engine: dict[str, Any], prompt: str, image_sha256: str) -> str:
    """Names one question to one engine: equal ones have equal replies, as long as nothing is drawn by chance."""
    return hashlib.sha256(_canonical([engine, prompt, image_sha256])).hexdigest()


def differences(before: dict[str, Any], after: dict[str, Any], path: str = "") -> Iterable[str]:
    """The fields in which two specs differ, with dots between.

    >>> list(differences({"engine": {"model": "a", "version": 1}}, {"engine": {"model": "b", "version": 1}}))
    ['engine.model']
    """
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from differences(old, new, f"{path}{key}.")
        elif old != new:
            yield path + key


def _canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, ensure_ascii=False).encode()
