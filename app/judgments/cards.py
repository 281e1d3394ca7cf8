"""A claim as annotators and their programs see it. Nothing here can tell gold, other people's votes or model output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from app.campaigns.models import Policy
from app.campaigns.translations import PLACE, WHICH
from app.campaigns.wording import ENGLISH, filled, worded
from app.claims.models import Claim
from app.items.cards import BackgroundFacts, CardFacts, FoodFacts, Reference, card_facts
from app.judgments.service import question_keys


class Question(NamedTuple):
    """`good` and `bad` are examples, for people only: [{"text", "image_url"}]."""

    key: str
    text: str
    help: str
    reasons: list[dict[str, str]]
    good: list[dict[str, Any]]
    bad: list[dict[str, Any]]


@dataclass(frozen=True)
class Card:
    claim: Claim
    facts: CardFacts
    questions: list[Question] = field(default_factory=list)

    @property
    def image_url(self) -> str:
        return image_url(self.facts.image_sha256)

    @property
    def expires_at(self) -> datetime:
        return self.claim.expires_at


def image_url(sha256: str, size: str = "display") -> str:
    return f"/images/{sha256}/{size}"


def cards_for(session: Session, claims: Sequence[Claim], language: str = ENGLISH) -> list[Card]:
    """The cards of these claims, in their order."""
    facts = card_facts(session, [claim.item_id for claim in claims], language)
    policies = {id_: session.get_one(Policy, id_) for id_ in {claim.policy_id for claim in claims}}
    return [
        Card(claim, found, questions(policies[claim.policy_id], found, claim.questions, language))
        for claim, found in ((claim, facts[claim.item_id]) for claim in claims)
    ]


def questions(
    policy: Policy, facts: CardFacts, asked: Sequence[str] | None = None, language: str = ENGLISH
) -> list[Question]:
    """The policy's questions that apply to this item, in its words, with the item's names put in. Facts and words are
    in the same language.

    `asked` are those that the claim asks; None: all of them.
    """
    by_key = {question["key"]: worded(question, language) for question in policy.questions}
    return [
        _question(by_key[key], _names(key, facts, language))
        for key in question_keys(facts.subtask)
        if asked is None or key in asked
    ]


def _question(own: Mapping[str, Any], names: Mapping[str, str]) -> Question:
    return Question(
        key=own["key"],
        text=filled(own["text"], names),
        help=own["help"],
        reasons=[
            {"code": reason["code"], "text": reason["text"]} for reason in own["reasons"] if not reason["is_retired"]
        ],
        good=_examples(own["good"]),
        bad=_examples(own["bad"]),
    )


def _examples(examples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"text": example["text"], "image_url": image_url(example["image_sha256"]) if example["image_sha256"] else None}
        for example in examples
    ]


def _names(key: str, facts: CardFacts, language: str) -> dict[str, str]:
    if key == "background":
        assert facts.background is not None
        return {"background": background_words(facts.background, language)}
    slot = int(key[4])
    food = facts.foods[slot - 1]
    which = WHICH[language]["only" if len(facts.foods) == 1 else "left" if slot == 1 else "right"]
    return {"which": which, "food": food.name, "country": food.country}


def background_words(background: BackgroundFacts, language: str = ENGLISH) -> str:
    """
    >>> background_words(BackgroundFacts("Petra", "Jordan", None, None))
    'Petra, Jordan'
    >>> from app.items.models import BackgroundKind
    >>> background_words(BackgroundFacts(None, "Italy", BackgroundKind.STREET, None))
    'a street in Italy'
    """
    if background.name:
        return f"{background.name}{'،' if language == 'ar' else ','} {background.country}"
    kind = background.kind.value if background.kind else "place"
    return filled(PLACE[language][kind], {"country": background.country})


def as_json(card: Card) -> dict[str, Any]:
    """A claim of CONTRACT §4."""
    facts = card.facts
    return {
        "id": str(card.claim.id),
        "item_id": str(card.claim.item_id),
        "expires_at": card.expires_at.isoformat(),
        "image_url": card.image_url,
        "width": facts.width,
        "height": facts.height,
        "subtask": facts.subtask.value,
        "food1": _food_json(facts.foods[0]),
        "food2": _food_json(facts.foods[1]) if len(facts.foods) > 1 else None,
        "background": _background_json(facts.background) if facts.background else None,
        "questions": [
            {
                "key": question.key,
                "text": question.text,
                "help": question.help,
                "answers": ["yes", "no", "unsure"],
                "reasons": question.reasons,
            }
            for question in card.questions
        ],
    }


def _food_json(food: FoodFacts) -> dict[str, Any]:
    return {
        "name": food.name,
        "country": food.country,
        "aliases": food.aliases,
        "origins": food.origins,
        "reference_url": _reference_url(food.reference),
        "reference_credit": food.reference.credit if food.reference else None,
    }


def _background_json(background: BackgroundFacts) -> dict[str, Any]:
    return {
        "name": background.name,
        "country": background.country,
        "kind": background.kind.value if background.kind else None,
        "reference_url": _reference_url(background.reference),
        "reference_credit": background.reference.credit if background.reference else None,
    }


def _reference_url(reference: Reference | None) -> str | None:
    return image_url(reference.sha256) if reference else None
