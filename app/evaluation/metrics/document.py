"""The benchmark's figures: pure functions over stored answers, so that scoring again needs no model."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.evaluation.metrics.answers import SUBTASKS, Answer, Scored, score, sf_references
from app.evaluation.metrics.bootstrap import REPLICATES, Draws
from app.evaluation.metrics.confusion import confusion, leaning
from app.evaluation.metrics.figures import figures
from app.evaluation.metrics.groups import GROUPINGS, NEAR_TO_FAR, groups
from app.evaluation.replies import State

_ORDER = (
    "bootstrap", "subtasks", *GROUPINGS, "confusion", "leaning", "slot2", *SUBTASKS, *NEAR_TO_FAR, "street",
    "landmark", "unanimous", "contested", "n", "name_accuracy", "country_accuracy", "country_entropy_bits", "retention",
    "drift_to_distractor_country", "drift_to_distractor_continent", "fair", "name_difference", "country_difference",
    "name_accuracy_with_aliases", "states", "value", "low", "high", "reason",
)  # fmt: skip
_PLACE = {key: place for place, key in enumerate(_ORDER)}


def metrics(
    answers: Sequence[Answer],
    *,
    asked: Iterable[str] = (),
    aliases: bool = False,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> dict[str, Any]:
    """The metrics document of CONTRACT §7; `answers` in the release's order, which only settles which of several SF
    items of a dish is its reference.

    Only slot 1 counts; where slot 2 was asked, the same document about it stands under `slot2`. `n` counts scored
    answers, `states` all of them: what was refused, cut, unreadable or failed is in no figure. With `aliases`, each
    group also has `name_accuracy_with_aliases`. `asked` are the subtasks that stand in it even without an answer.
    """
    draws, references = Draws(seed, replicates), sf_references(answers)
    document = _document([answer for answer in answers if answer.slot == 1], asked, references, draws, aliases)
    if second := [answer for answer in answers if answer.slot == 2]:
        document["slot2"] = _document(second, (), references, draws, aliases)
    return in_order({"bootstrap": draws.describe(), **document})


def in_order(document: Mapping[str, Any]) -> dict[str, Any]:
    """With its keys in the order of every table, then by name: the database keeps none."""
    keys = sorted(document, key=lambda key: (_PLACE.get(key, len(_PLACE)), key))
    return {key: _ordered(document[key]) for key in keys}


def _ordered(value: Any) -> Any:
    if isinstance(value, list):
        return [_ordered(inner) for inner in value]
    return in_order(value) if isinstance(value, dict) else value


def _document(
    answers: Sequence[Answer], asked: Iterable[str], references: Mapping[str, str], draws: Draws, aliases: bool
) -> dict[str, Any]:
    states: dict[str, Counter[str]] = defaultdict(Counter, {subtask: Counter() for subtask in asked})
    for answer in answers:
        states[answer.subtask][answer.state.value] += 1
    by_subtask: dict[str, list[Scored]] = {subtask: [] for subtask in SUBTASKS if subtask in states}
    for answer in answers:
        if answer.state is State.OK:
            by_subtask[answer.subtask].append(score(answer, references))
    return {
        "subtasks": {
            subtask: {
                **figures(scored, draws, subtask=subtask, aliases=aliases),
                "states": dict(sorted(states[subtask].items())),
            }
            for subtask, scored in by_subtask.items()
        },
        **{
            grouping: {
                subtask: {
                    name: figures(group, draws, subtask=subtask, aliases=aliases) for name, group in known.items()
                }
                for subtask, scored in by_subtask.items()
                if (known := groups(scored, of))
            }
            for grouping, of in GROUPINGS.items()
        },
        "confusion": {subtask: confusion(scored) for subtask, scored in by_subtask.items()},
        "leaning": {subtask: leaning(scored, draws) for subtask, scored in by_subtask.items()},
    }
