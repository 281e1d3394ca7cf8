"""The published rule of adaptive overlap: one more judgment at a time, until every claim is sure enough."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

RULE: Final = "adaptive/1"
FEWEST: Final = 2
"""Nothing is decided by fewer independent annotators, however sure the model is of one of them."""

PRIOR: Final = "prior/1"
PRIOR_FIT: Final[dict[str, Any]] = {
    "classes": ["yes", "no"],
    "answers": ["yes", "no", "unsure"],
    "class_shares": {"yes": 0.9, "no": 0.1},
    "pooled": {"confusion": [[0.93, 0.03, 0.04], [0.3, 0.6, 0.1]]},
    "raters": {},
}
"""Stands in for a rater model until there is one: nine claims of ten hold, and everybody answers as people on the whole
did in the crowds of docs/agreement.md. Two yes approve (0.989), two no reject (0.022), one of each asks for a third."""

Outcome = Literal["approved", "rejected", "disputed", "continue"]


class Verdict(NamedTuple):
    """What the rule makes of an item. `open_questions` are those neither sure nor answered by enough people."""

    outcome: Outcome
    open_questions: tuple[str, ...]
    smallest: float
    rule: str = RULE


def decide(
    posteriors: Mapping[str, float], votes: Mapping[str, int], *, visits: int, cap: int, threshold: float
) -> Verdict:
    """Rule `adaptive/1`, after `visits` judgments by different people, of at most `cap`.

    `posteriors` holds for each question the probability that the claim is true, `votes` how many people answered it.
    With fewer than two votes on any question nothing is decided. Every posterior at least `threshold`: approved. Some
    posterior at most 1 - `threshold`: rejected. Else another visit is asked for, or, at the cap, it is disputed.
    ValueError for no question, for other questions among the votes, and for what is no probability.

    >>> decide({"identity": 0.99, "origin": 0.96}, {"identity": 2, "origin": 2}, visits=2, cap=5, threshold=0.95)
    Verdict(outcome='approved', open_questions=(), smallest=0.96, rule='adaptive/1')
    >>> decide({"identity": 0.99, "origin": 0.60}, {"identity": 2, "origin": 2}, visits=2, cap=5, threshold=0.95)
    Verdict(outcome='continue', open_questions=('origin',), smallest=0.6, rule='adaptive/1')
    >>> decide({"identity": 0.99, "origin": 0.6}, {"identity": 2, "origin": 5}, visits=5, cap=5, threshold=0.95).outcome
    'disputed'
    >>> decide({"identity": 0.6, "origin": 0.04}, {"identity": 2, "origin": 2}, visits=2, cap=5, threshold=0.95).outcome
    'rejected'
    >>> decide({"identity": 0.9999}, {"identity": 1}, visits=1, cap=5, threshold=0.95)
    Verdict(outcome='continue', open_questions=('identity',), smallest=0.9999, rule='adaptive/1')
    """
    if not posteriors or posteriors.keys() != votes.keys():
        raise ValueError("a decision takes at least one question, and the votes on each")
    if not all(0 <= posterior <= 1 for posterior in posteriors.values()):
        raise ValueError(f"a posterior lies between 0 and 1: {dict(posteriors)}")
    if not 0.5 < threshold < 1:
        raise ValueError(f"the threshold is {threshold}; it lies between 0.5 and 1")
    is_independent = min(votes.values()) >= FEWEST
    smallest = min(posteriors.values())
    unsettled = tuple(name for name in posteriors if votes[name] < FEWEST or posteriors[name] < threshold)
    outcome: Outcome
    if is_independent and not unsettled:
        outcome = "approved"
    elif is_independent and smallest <= 1 - threshold:
        outcome = "rejected"
    else:
        outcome = "continue" if visits < cap else "disputed"
    return Verdict(outcome, unsettled, smallest)
