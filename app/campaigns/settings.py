"""Every setting of a policy: how it is called, what it does, its unit and its bounds."""

from typing import Final, Literal, NamedTuple

from app.campaigns.parameters import Parameters

Kind = Literal["count", "number", "percent", "flag"]


class Setting(NamedTuple):
    """`name` is the parameter's. `percent` is shown times 100. `adaptive` ones mean nothing under a fixed rule."""

    name: str
    kind: Kind
    label: str
    hint: str
    is_adaptive: bool = False


class Group(NamedTuple):
    title: str
    words: str
    settings: tuple[Setting, ...]

    @property
    def is_adaptive(self) -> bool:
        return all(setting.is_adaptive for setting in self.settings)


ADAPTIVE_GROUP: Final = Group(
    "When adaptive stops asking",
    "After the first judgments the rater models say how likely each claim is; then people are added one at a time.",
    (
        Setting(
            "start", "count", "People at first",
            "So many judge an item before the rule looks. Never fewer than two.", True,
        ),
        Setting(
            "threshold", "number", "Sure enough from",
            "Approved once every claim is true with at least this probability; rejected once one is as surely false.",
            True,
        ),
        Setting(
            "raised_threshold", "number", "Sure enough from, later on",
            "Holds instead of the first one once the pool knows its raters well.", True,
        ),
        Setting(
            "raised_from", "count", "Later on means",
            "So many judgments each: the median over the pool's members.", True,
        ),
        Setting(
            "open_questions_only", "flag", "Ask only what is still open",
            "Whoever comes after the first ones isn't asked the questions that are settled already.", True,
        ),
        Setting(
            "better_half_from", "count", "The better half first, from person",
            "From this judgment of an item on, those who notice more are given it first; 0: no difference.", True,
        ),
    ),
)  # fmt: skip

GROUPS: Final = (
    ADAPTIVE_GROUP,
    Group(
        "Checking what was approved",
        "The share of wrong images among the approved is measured, not assumed.",
        (
            Setting(
                "audit_share", "percent", "Approved items judged again",
                "So many go, at random, to people who haven't seen them. 1 to 2 % is enough; 0: none.",
            ),
        ),
    ),
    Group(
        "Gold",
        "Items whose answer is known, mixed in where nobody can tell them apart.",
        (
            Setting("gold_first", "percent", "Share of gold at first", "Of the items somebody new is given; 0: none."),
            Setting("gold_last", "percent", "Share of gold later", "Where the share ends."),
            Setting("gold_taper", "count", "Reached after items", "From the first share to the last in so many items."),
            Setting(
                "screen_answers", "count", "Screen after gold answers",
                "Whoever finds too little after so many leaves the pool, and their open items are judged by others; "
                "0: nobody is screened. Half of the gold should be wrong claims.",
            ),
            Setting(
                "screen_youden", "number", "Leaves the pool below",
                "Youden's index: the share of wrong claims noticed less that of right ones refused. 0 is guessing.",
            ),
            Setting(
                "pause_accuracy", "percent", "Pause below an accuracy of",
                "On any one question, by the lower end of the 95 % interval: what somebody surely reaches; 0: nobody "
                "is paused.",
            ),
            Setting("pause_answers", "count", "Pause not before gold answers", "Of that question."),
        ),
    ),
    Group(
        "Who judges what",
        "Routing by what people know, and distance between images that look alike.",
        (
            Setting(
                "insiders", "count", "Insiders per item",
                "So many of an item's judgments are kept for people who know its first food's country. An item nobody "
                "can take waits; 0: anybody may judge anything.",
            ),
            Setting(
                "family_spacing", "count", "Others between two of one dish",
                "Nobody is given two images of one dish with fewer others in between; 0: no distance.",
            ),
            Setting(
                "qualification", "flag", "Only after a test",
                "A region's items go to those alone who have passed its test. The test items are chosen under Gold.",
            ),
            Setting("pass_share", "percent", "Passed with right answers", "Of all answers of a test."),
            Setting("tries", "count", "Tries", "So often somebody may take a region's test."),
            Setting("exam_items", "count", "Items in a test", "Drawn from those kept for the region's test."),
        ),
    ),
    Group(
        "Images made again",
        "A rejected image asks for a better one.",
        (
            Setting(
                "rounds", "count", "Rounds at most",
                "An image is made again up to so many times, then dropped; 0: never.",
            ),
        ),
    ),
)  # fmt: skip

SETTINGS: Final = {setting.name: setting for group in GROUPS for setting in group.settings}


class Bounds(NamedTuple):
    """In the unit that is shown. None: no bound. `is_open`: the bounds themselves are not allowed."""

    low: float | None
    high: float | None
    is_open: bool


def bounds(setting: Setting) -> Bounds:
    """
    >>> bounds(SETTINGS["start"]), bounds(SETTINGS["pass_share"])
    (Bounds(low=2, high=25, is_open=False), Bounds(low=0, high=100, is_open=False))
    """
    found: dict[str, float] = {}
    for rule in Parameters.model_fields[setting.name].metadata:
        for name in ("ge", "gt", "le", "lt"):
            if getattr(rule, name, None) is not None:
                found[name] = getattr(rule, name) * (100 if setting.kind == "percent" else 1)
    return Bounds(found.get("ge", found.get("gt")), found.get("le", found.get("lt")), "gt" in found or "lt" in found)


def asked_for(setting: Setting) -> str:
    """What a field takes, in a sentence.

    >>> asked_for(SETTINGS["start"])
    'Write a whole number from 2 to 25.'
    >>> asked_for(SETTINGS["threshold"])
    'Write a number above 0.5 and below 1.'
    >>> asked_for(SETTINGS["gold_taper"])
    'Write a whole number, at least 1.'
    """
    low, high, is_open = bounds(setting)
    what = {"count": "a whole number", "percent": "a percentage"}.get(setting.kind, "a number")
    if low is None or high is None:
        return f"Write {what}, at least {low:g}." if low is not None else f"Write {what}."
    return f"Write {what} above {low:g} and below {high:g}." if is_open else f"Write {what} from {low:g} to {high:g}."


def shown(setting: Setting, value: float | bool) -> str:
    """A value as a field or a sentence shows it.

    >>> shown(SETTINGS["audit_share"], 0.015), shown(SETTINGS["threshold"], 0.95), shown(SETTINGS["rounds"], 3)
    ('1.5 %', '0.95', '3')
    """
    if setting.kind == "flag":
        return "yes" if value else "no"
    if setting.kind == "count":
        return str(value)  # :g would make 1e+06 of a million, which no field takes back
    return f"{round(100 * value, 6):g} %" if setting.kind == "percent" else f"{value:g}"


def typed(setting: Setting, value: float | bool) -> str:
    """A value as its form field holds it; a flag that is off is an empty text."""
    if setting.kind == "flag":
        return "true" if value else ""
    return shown(setting, value).removesuffix(" %")
