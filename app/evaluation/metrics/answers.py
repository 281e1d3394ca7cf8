"""What one answer is worth: right or wrong, kept or drifted, beside what the model says of the same dish alone."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from app import geography
from app.errors import Invalid
from app.evaluation.metrics.similarity import THRESHOLD, name_similarity
from app.evaluation.replies import State
from app.items.models import Subtask

SUBTASKS = tuple(subtask.value for subtask in Subtask)
"""In the order in which every table has them."""


class Answer(NamedTuple):
    """One reply about one food of one item, beside what the release says of both.

    `dish` is the same for every item whose asked food is that dish. `countries` are its ISO codes, one or several, of
    which the first is the gold one. `background` and `other_food` are the codes of what might distract. `pred_*` are as
    the model wrote them. `background_kind` is street or landmark. `difficulty` says how the people agreed who verified
    the item: "unanimous", every counted answer to every question was yes, else "contested". `item` tells two runs'
    answers about one item from all others.
    """

    subtask: str
    slot: int
    dish: str
    name: str
    countries: tuple[str, ...]
    state: State
    pred_name: str | None = None
    pred_country: str | None = None
    aliases: tuple[str, ...] = ()
    background: str | None = None
    other_food: tuple[str, ...] = ()
    background_kind: str | None = None
    difficulty: str | None = None
    item: str = ""

    @property
    def gold_country(self) -> str:
        return self.countries[0]

    @property
    def distractors(self) -> list[tuple[str, ...]]:
        """Background first."""
        return [codes for codes in ((self.background,) if self.background else (), self.other_food) if codes]


class Scored(NamedTuple):
    """What one answer is worth. `reference` is the country the model gives the same dish alone (SF).

    `name_correct` and `country_correct` are the benchmark's rule: the gold name, the gold country. The fair rule beside
    it also takes a listed alias (`alias_correct`) and any listed origin (`origin_correct`).
    """

    answer: Answer
    name_correct: bool
    alias_correct: bool
    country_correct: bool
    origin_correct: bool
    country: str | None
    reference: str | None
    drift: Literal["country", "continent"] | None

    @property
    def is_retained(self) -> bool:
        return self.country is not None and self.country == self.reference


def score_all(answers: Sequence[Answer]) -> list[Scored]:
    """Every answer that is one; what was refused, cut, unreadable or failed is worth nothing and is left out."""
    references = sf_references(answers)
    return [score(answer, references) for answer in answers if answer.state is State.OK]


def sf_references(answers: Iterable[Answer]) -> dict[str, str]:
    """The country each dish is given when it stands alone; of several SF items the first that names one counts."""
    references: dict[str, str] = {}
    for answer in answers:
        if answer.subtask == "SF" and answer.state is State.OK and (code := country_code(answer.pred_country)):
            references.setdefault(answer.dish, code)
    return references


@lru_cache(maxsize=4096)  # models say the same few hundred countries, and the unknown ones are the slow ones
def country_code(text: str | None) -> str | None:
    """The ISO code of a country as a model wrote it; None for none, an unknown one, or one that fits several.

    >>> country_code("Türkiye"), country_code("Korea"), country_code("Atlantis")
    ('TR', None, None)
    """
    if text is None:
        return None
    try:
        return geography.resolve(text)
    except Invalid:
        return None


def score(answer: Answer, references: Mapping[str, str]) -> Scored:
    """A name is right from THRESHOLD on.

    Drift: in the distractor's direction, away from what the model says of the dish alone; to the country of any
    distractor, else to the continent of one, so that an answer drifts once.
    """
    predicted = answer.pred_name or ""
    name_correct = name_similarity(predicted, answer.name) >= THRESHOLD
    country = country_code(answer.pred_country)
    reference = references.get(answer.dish) if answer.subtask != "SF" else None
    return Scored(
        answer,
        name_correct=name_correct,
        alias_correct=name_correct or any(name_similarity(predicted, name) >= THRESHOLD for name in answer.aliases),
        country_correct=country == answer.gold_country,
        origin_correct=country in answer.countries,
        country=country,
        reference=reference,
        drift=_drift(country, reference, answer.distractors),
    )


def _drift(
    country: str | None, reference: str | None, distractors: Sequence[tuple[str, ...]]
) -> Literal["country", "continent"] | None:
    if country is None or reference is None or country == reference:
        return None
    if any(country in codes for codes in distractors):
        return "country"
    continent = geography.continent_of(country)
    if any(continent == geography.continent_of(code) for codes in distractors for code in codes):
        return "continent"
    return None
