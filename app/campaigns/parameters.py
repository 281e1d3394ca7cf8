"""What a policy's rule needs beyond its overlap, checked, with everything off that a plain campaign does without."""

from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.campaigns.models import Policy

FIXED: Final = "fixed"
ADAPTIVE: Final = "adaptive"
NEVER: Final = 32767
"""A visit that no item gets to."""

Share = Annotated[float, Field(ge=0, le=1)]


class Parameters(BaseModel):
    """Visits are judgments of one item by different people; shares lie between 0 and 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: int = Field(default=2, ge=2, le=25)
    """Adaptive: so many visits before the rule first looks. Never below two independent annotators."""
    threshold: float = Field(default=0.95, gt=0.5, lt=1)
    """Adaptive: an item is approved once the posterior of each of its claims is at least this."""
    raised_threshold: float = Field(default=0.98, gt=0.5, lt=1)
    raised_from: int = Field(default=100, ge=0)
    """Adaptive: once the pool's members have so many judgments each (their median), `raised_threshold` holds."""
    open_questions_only: bool = False
    """Adaptive: after the first visits, questions whose posterior is past the threshold are not asked again."""
    better_half_from: int = Field(default=0, ge=0, le=25)
    """Adaptive: from this visit on the better half of the pool is given an item first; 0: never."""
    audit_share: Share = 0.0
    """Of the approved items so many go, at random, to fresh annotators: what pages and releases quote as error rate."""

    gold_first: Share = 0.0
    gold_last: Share = 0.0
    gold_taper: int = Field(default=100, ge=1)
    """Of what an annotator is given, `gold_first` at the beginning is gold and `gold_last` after `gold_taper` items."""
    screen_answers: int = Field(default=0, ge=0)
    screen_youden: float = Field(default=0.35, ge=-1, le=1)
    """Whoever is below `screen_youden` after `screen_answers` gold answers leaves the pool; 0: nobody is looked at."""
    pause_accuracy: Share = 0.0
    pause_answers: int = Field(default=20, ge=1)
    """Whoever's gold accuracy on a question doesn't reach `pause_accuracy` with the lower end of its Wilson interval
    after `pause_answers` answers is paused; 0: nobody is."""

    insiders: int = Field(default=0, ge=0, le=25)
    """So many of an item's visits are kept for people who know its first food's country."""
    family_spacing: int = Field(default=0, ge=0, le=50)
    """Between two items of one family a person is given at least so many others."""
    qualification: bool = False
    """Only who has passed a region's test is given that region's items."""
    pass_share: Share = 0.8
    tries: int = Field(default=2, ge=1, le=10)
    exam_items: int = Field(default=10, ge=1, le=100)

    quotas: dict[str, int] = Field(default_factory=dict)
    """{"subtask SFB" or "country KR": approved items that are enough}."""
    rounds: int = Field(default=3, ge=0, le=20)
    """An image that was rejected is made again up to so many times."""

    @model_validator(mode="after")
    def _in_order(self) -> "Parameters":
        if self.raised_threshold < self.threshold:
            raise ValueError("the raised threshold can't lie below the first one")
        return self


ADAPTIVE_DEFAULTS: Final = Parameters(
    open_questions_only=True,
    better_half_from=3,
    audit_share=0.02,
    gold_first=0.2,
    gold_last=0.05,
    screen_answers=20,
    family_spacing=3,
)
"""What `adaptive` means when nothing else is said; measured in docs/agreement.md."""
ADAPTIVE_CAP: Final = 5


class Visits(NamedTuple):
    """What an item starts with: judgments asked for, places kept for insiders, and the visit the better half is for."""

    wanted: int
    reserved: int
    late_from: int


def parameters_of(policy: Policy) -> Parameters:
    return Parameters.model_validate(policy.parameters)


def stored(parameters: Parameters) -> dict[str, Any]:
    """As a policy keeps them: what stands at its default is left out."""
    return parameters.model_dump(exclude_defaults=True)


def first_visits(policy: Policy) -> Visits:
    """What a new item, or one that begins anew, asks for.

    >>> first_visits(Policy(rule="adaptive", overlap=5, parameters={"start": 2, "better_half_from": 3, "insiders": 1}))
    Visits(wanted=2, reserved=1, late_from=2)
    >>> first_visits(Policy(rule="fixed", overlap=3))
    Visits(wanted=3, reserved=0, late_from=32767)
    """
    parameters = parameters_of(policy)
    is_adaptive = policy.rule == ADAPTIVE
    wanted = min(parameters.start, policy.overlap) if is_adaptive else policy.overlap
    late = parameters.better_half_from - 1 if is_adaptive and parameters.better_half_from else NEVER
    return Visits(wanted, min(parameters.insiders, wanted), late)
