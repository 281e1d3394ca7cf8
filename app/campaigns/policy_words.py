"""A policy in plain words, and what changed between two of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from app import geography
from app.campaigns.models import Policy
from app.campaigns.parameters import ADAPTIVE
from app.campaigns.policy_form import Rules, rules_of
from app.campaigns.question_words import question_changes
from app.campaigns.settings import SETTINGS, shown


class Change(NamedTuple):
    """One thing that differs. `before` or `after` is empty where there was or is nothing."""

    what: str
    before: str
    after: str


def sentences(rules: Rules, default_lease_seconds: int) -> list[tuple[str, str]]:
    """(what it is about, a sentence) for everything in force; what is switched off is not named."""
    parameters = rules.parameters
    found = [("Judgments", visits_words(rules))]
    if parameters.audit_share:
        found.append(
            ("Audit", f"{_share(parameters.audit_share)} of what is approved goes to fresh people, at random.")
        )
    if parameters.gold_first or parameters.gold_last:
        found.append(
            (
                "Gold",
                f"{_share(parameters.gold_first)} of what somebody new is given is gold, "
                f"{_share(parameters.gold_last)} after {_n(parameters.gold_taper, 'item')}.",
            )
        )
    if parameters.screen_answers:
        found.append(
            (
                "Screening",
                f"After {_n(parameters.screen_answers, 'gold answer')}, whoever has a Youden index below "
                f"{parameters.screen_youden:g} leaves the pool.",
            )
        )
    if parameters.pause_accuracy:
        found.append(
            (
                "Pausing",
                f"Whoever doesn't surely reach {_share(parameters.pause_accuracy)} on a question's gold, after at "
                f"least {_n(parameters.pause_answers, 'answer')}, is paused.",
            )
        )
    found += _routing(rules)
    if parameters.quotas:
        groups = ", ".join(f"{group_name(group)} {needed:,}" for group, needed in parameters.quotas.items())
        found.append(("Quotas", f"Enough approved items: {groups}."))
    again = f"up to {_n(parameters.rounds, 'time')}" if parameters.rounds else "never"
    found.append(("Rejected images", f"Each is made again {again}."))
    lease = rules.lease_seconds or default_lease_seconds
    usual = "" if rules.lease_seconds else ", as everywhere in this installation"
    found.append(("Lease", f"An item is somebody's for {duration(lease)}{usual}."))
    return found


def visits_words(rules: Rules) -> str:
    """How many judge an item, and what becomes of it, in a sentence or two."""
    parameters = rules.parameters
    if rules.rule != ADAPTIVE:
        people = "1 person judges" if rules.overlap == 1 else f"{rules.overlap} people judge"
        return (
            f"{people} each item. A majority of yes on every question approves it, a majority of no on any rejects "
            "it; anything else is disputed."
        )
    start = min(parameters.start, rules.overlap)
    raised = ""
    if parameters.raised_threshold > parameters.threshold:
        raised = f" ({parameters.raised_threshold:g} once the pool has {parameters.raised_from:,} judgments each)"
    more = ""
    if parameters.open_questions_only:
        more += " Whoever is added is asked the open questions only."
    if parameters.better_half_from:
        more += f" From person {parameters.better_half_from} on those who notice more come first."
    return (
        f"{start} people judge each item, then one more at a time up to {rules.overlap}, until every claim is true "
        f"with a probability of at least {parameters.threshold:g}{raised} or one is as surely false; what is open "
        f"after {rules.overlap} is disputed.{more}"
    )


def _routing(rules: Rules) -> list[tuple[str, str]]:
    parameters = rules.parameters
    found = []
    if parameters.insiders:
        kept = "1 judgment of each item is kept" if parameters.insiders == 1 else (
            f"{parameters.insiders} judgments of each item are kept"
        )  # fmt: skip
        found.append(("Insiders", f"{kept} for people who know its first food's country."))
    if parameters.family_spacing:
        found.append(
            ("Distance", f"Between two images of one dish a person is given {_n(parameters.family_spacing, 'other')}.")
        )
    if parameters.qualification:
        found.append(
            (
                "Qualification",
                f"A region's items go to those who passed its test of {_n(parameters.exam_items, 'item')}: "
                f"{_share(parameters.pass_share)} right, in {_n(parameters.tries, 'try', 'tries')}.",
            )
        )
    return found


def _share(value: float) -> str:
    return f"{round(100 * value, 6):g} %"


def _n(count: int, one: str, many: str = "") -> str:
    return f"1 {one}" if count == 1 else f"{count:,} {many or one + 's'}"


def duration(seconds: int) -> str:
    """
    >>> duration(90), duration(1800), duration(7200)
    ('90 seconds', '30 minutes', '2 hours')
    """
    if seconds % 3600 == 0:
        return _n(seconds // 3600, "hour")
    return _n(seconds // 60, "minute") if seconds % 60 == 0 else _n(seconds, "second")


def group_name(group: str) -> str:
    """A quota's group for people.

    >>> group_name("subtask SFB"), group_name("country KR")
    ('SFB', 'South Korea')
    """
    kind, _, name = group.partition(" ")
    return geography.name_of(name) if kind == "country" else name


def rule_changes(before: Rules, after: Rules) -> list[Change]:
    """What differs between two sets of rules, in the order of the form."""
    found = []
    if before.rule != after.rule:
        found.append(Change("Rule", before.rule, after.rule))
    if before.overlap != after.overlap or before.rule != after.rule:
        what = "People per item"
        words = [f"{'at most ' if rules.rule == ADAPTIVE else ''}{rules.overlap}" for rules in (before, after)]
        if words[0] != words[1]:
            found.append(Change(what, *words))
    old, new = before.parameters.model_dump(), after.parameters.model_dump()
    for name, setting in SETTINGS.items():
        # Under a fixed rule what only an adaptive one looks at is no change anybody could notice.
        is_of_use = not setting.is_adaptive or ADAPTIVE in (before.rule, after.rule)
        if old[name] != new[name] and is_of_use:
            found.append(Change(setting.label, shown(setting, old[name]), shown(setting, new[name])))
    found += _quota_changes(old["quotas"], new["quotas"])
    if before.lease_seconds != after.lease_seconds:
        leases = [duration(lease) if lease else "as usual" for lease in (before.lease_seconds, after.lease_seconds)]
        found.append(Change("Lease", *leases))
    return found


def _quota_changes(before: Mapping[str, int], after: Mapping[str, int]) -> list[Change]:
    return [
        Change(f"Enough of {group_name(group)}", _needed(before.get(group)), _needed(after.get(group)))
        for group in dict.fromkeys([*before, *after])
        if before.get(group) != after.get(group)
    ]


def _needed(count: int | None) -> str:
    return "" if count is None else f"{count:,} approved"


def changes(before: Policy, after: Policy) -> list[Change]:
    """What differs between two versions, rules and words."""
    return rule_changes(rules_of(before), rules_of(after)) + [
        Change(*found) for found in question_changes(before.questions, after.questions)
    ]


def as_json(found: list[Change]) -> list[dict[str, Any]]:
    return [change._asdict() for change in found]
