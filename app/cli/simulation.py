"""Simulated annotators and the world they judge: who they are, which claims are wrong, what they answer.

Everything here is a hash of a seed and of names, never of time or order: the same seed asked about the same item
gives the same fault and the same answer, whoever comes first. What is true is known here and nowhere else.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from app import geography
from app.items.compose_faults import HARD_SHARE as HARD_SHARE
from app.items.compose_faults import WRONG_SHARE as WRONG_SHARE
from app.items.compose_faults import Claim as Truth

HARD_FACTOR: Final = 0.4
"""Hard wrong claims are noticed only so many times as often, by everybody."""
KNOWN_SHARE: Final = 0.2
"""Of the campaign's countries an annotator says to know so many."""
INSIDER_NOTICES: Final = 0.3
"""Of the wrong claims about such a country that an annotator would else take for right, it notices so many."""
SECONDS_PER_QUESTION: Final = (1.5, 6.0)
_GOLDEN: Final = 0.6180339887498949


class Profile(NamedTuple):
    """A kind of annotator: its share of the crowd, and how it answers.

    `unsure` is P(unsure) on any claim; of the rest, `yes_if_right` is P(yes | the claim is right) and `no_if_wrong`
    P(no | it is wrong). A spammer doesn't look.
    """

    name: str
    share: float
    yes_if_right: float
    no_if_wrong: float
    unsure: float
    is_spammer: bool = False


CROWD: Final = (
    Profile("careful", 0.40, yes_if_right=0.98, no_if_wrong=0.95, unsure=0.02),
    Profile("ordinary", 0.40, yes_if_right=0.95, no_if_wrong=0.85, unsure=0.04),
    Profile("sloppy", 0.10, yes_if_right=0.85, no_if_wrong=0.60, unsure=0.05),
    Profile("yes-clicker", 0.10, yes_if_right=0.99, no_if_wrong=0.08, unsure=0.0, is_spammer=True),
)


@dataclass(frozen=True)
class World:
    """The items as they are. `keys` {item's id: its key, by which chance knows it}; `planted` {(key, question): Truth},
    as `terroir compose --truth` wrote it; where it says nothing, or without it, the seed alone says what is wrong,
    whatever the images show."""

    seed: int
    keys: Mapping[str, str] = field(default_factory=dict)
    planted: Mapping[tuple[str, str], Truth] | None = None

    def name_of(self, item_id: str) -> str:
        return self.keys.get(item_id, item_id)

    def truth_of(self, item_id: str, question: str) -> Truth:
        name = self.name_of(item_id)
        return (self.planted or {}).get((name, question)) or truth_of(self.seed, name, question)

    def is_told(self, item_id: str, questions: Iterable[str]) -> bool:
        """Whether what is planted says it all of this item; always so where the seed alone says what is wrong."""
        return self.planted is None or all((self.name_of(item_id), question) in self.planted for question in questions)


def profile_of(number: int) -> Profile:
    """The profile of annotator `number`, from 0. The first few hold all kinds in nearly their shares.

    By the golden-ratio sequence, which fills [0, 1) evenly from its first terms on (Weyl 1916).

    >>> [profile_of(number).name for number in range(5)]
    ['ordinary', 'careful', 'ordinary', 'careful', 'yes-clicker']
    """
    place = (0.5 + number * _GOLDEN) % 1.0
    reached = 0.0
    for profile in CROWD:
        reached += profile.share
        if place < reached:
            return profile
    return CROWD[-1]


def email_of(seed: int, number: int) -> str:
    """Under `.invalid` (RFC 2606), which no mail ever reaches."""
    return f"sim-{seed}-{number + 1:03}@simulated.invalid"


def chance(*names: object) -> float:
    """A number in [0, 1), as good as random and always the same for the same names."""
    digest = hashlib.blake2b("\x1f".join(map(str, names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def truth_of(seed: int, item_id: str, question: str) -> Truth:
    is_right = chance(seed, "wrong", item_id, question) >= WRONG_SHARE
    return Truth(is_right, not is_right and chance(seed, "hard", item_id, question) < HARD_SHARE)


def knows(seed: int, number: int, country: str) -> bool:
    """Whether annotator `number` says to know this country's food; `country` is its ISO code."""
    return chance(seed, "knows", number, country) < KNOWN_SHARE


def answer_of(world: World, number: int, item_id: str, question: str, *, is_insider: bool = False) -> str:
    """What annotator `number` says: "yes", "no" or "unsure". An insider turns some false yes into no."""
    profile, truth = profile_of(number), world.truth_of(item_id, question)
    seed, item_id = world.seed, world.name_of(item_id)
    if chance(seed, "unsure", number, item_id, question) < profile.unsure:
        return "unsure"
    draw = chance(seed, "answer", number, item_id, question)
    if truth.is_right:
        return "yes" if draw < profile.yes_if_right else "no"
    if draw < profile.no_if_wrong * (HARD_FACTOR if truth.is_hard else 1.0):
        return "no"
    return "no" if is_insider and chance(seed, "insider", number, item_id, question) < INSIDER_NOTICES else "yes"


def countries_of(claim: Mapping[str, Any], question: str) -> list[str]:
    """Codes of the countries a question of CONTRACT §4's claim is about.

    >>> countries_of({"food1": {"country": "Turkey or Greece"}, "background": {"country": "Japan"}}, "food1_origin")
    ['TR', 'GR']
    """
    about = claim["background" if question == "background" else question[:5]]
    return [geography.resolve(name) for name in about["country"].split(" or ") if name]


def judgment_of(world: World, number: int, claim: Mapping[str, Any]) -> dict[str, Any]:
    """The body of CONTRACT §4's PUT for a claim as the API gives it."""
    seed, item_id = world.seed, world.name_of(claim["item_id"])
    answers = {}
    milliseconds = 0
    for question in claim["questions"]:
        key = question["key"]
        is_insider = any(knows(seed, number, country) for country in countries_of(claim, key))
        answer = answer_of(world, number, claim["item_id"], key, is_insider=is_insider)
        codes = [reason["code"] for reason in question["reasons"]]
        reason = codes[int(chance(seed, "reason", number, item_id, key) * len(codes))] if codes else None
        answers[key] = {"answer": answer, "reasons": [reason] if answer == "no" and reason else []}
        low, high = SECONDS_PER_QUESTION
        milliseconds += round(1000 * (low + (high - low) * chance(seed, "time", number, item_id, key)))
    return {"answers": answers, "active_ms": milliseconds}


class Given(NamedTuple):
    """A judgment that was given: by whom, on what, and whether the item still wanted it ("counted", "surplus")."""

    number: int
    item_id: str
    answers: Mapping[str, str]
    status: str


def summary(world: World, annotators: int, given: Iterable[Given]) -> list[dict[str, Any]]:
    """One row per profile. `accuracy` is the share of answers that fit the planted truth (unsure never does);
    `noticed` the share of wrong claims answered no. Null where there is nothing to count."""
    rows: dict[str, dict[str, Any]] = {
        profile.name: {"profile": profile.name, "annotators": 0, "judgments": 0, "answers": 0}
        for profile in CROWD
    }  # fmt: skip
    for number in range(annotators):
        rows[profile_of(number).name]["annotators"] += 1
    right, wrong, noticed = (dict.fromkeys(rows, 0) for _ in range(3))
    for judgment in given:
        name = profile_of(judgment.number).name
        rows[name]["judgments"] += 1
        for question, answer in judgment.answers.items():
            is_right = world.truth_of(judgment.item_id, question).is_right
            rows[name]["answers"] += 1
            right[name] += answer == ("yes" if is_right else "no")
            wrong[name] += not is_right
            noticed[name] += not is_right and answer == "no"
    for name, row in rows.items():
        row["accuracy"] = round(right[name] / row["answers"], 4) if row["answers"] else None
        row["noticed"] = round(noticed[name] / wrong[name], 4) if wrong[name] else None
    return list(rows.values())
