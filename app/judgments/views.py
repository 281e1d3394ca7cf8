"""What the annotator's templates are given: a card, the work around it, and the person's own way of working."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts import messages
from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.claims import queries as work
from app.claims import service as claims
from app.claims.models import DISTRESSING, Claim
from app.errors import Sentence
from app.items.cards import local_name
from app.judgments import preferences
from app.judgments.cards import Card, as_json, cards_for, image_url
from app.judgments.earlier import last_answers
from app.web.i18n import spoken
from app.web.render import render

SKIP_REASONS = (
    ("cannot_tell", Sentence("I can't tell from this image")),
    ("unknown_region", Sentence("I don't know this region's food")),
    (DISTRESSING, Sentence("I'd rather not judge this image")),
)
ANSWER_WORDS = (("yes", Sentence("Yes")), ("no", Sentence("No")), ("unsure", Sentence("Unsure")))
SAID = {"yes": Sentence("yes"), "no": Sentence("no"), "unsure": Sentence("unsure")}
"""An answer within a sentence."""


def card_page(
    request: Request,
    session: Session,
    account: Account,
    campaign: Campaign,
    shown: Claim | None,
    *,
    remaining: int | None = None,
    reason: str | None = None,
    draft: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    editing: bool = False,
    skipped: bool = False,
    frozen: str | None = None,
    status: int = 200,
) -> Response:
    """The page with one card, or with the reason why there is none. `editing`: it was answered or `skipped` before."""
    before = work.previous_claim(session, account, campaign, shown if editing else None)
    return render(
        request,
        "judgments/judge.html",
        status=status,
        title=campaign.name,
        card=view(cards_for(session, [shown], spoken())[0]) if shown else None,
        previous=before.id if before else None,
        reason=reason,
        draft=draft,
        errors=errors,
        editing=editing,
        skipped=skipped,
        frozen=frozen,
        n_unread=len(messages.received(session, account, only_unread=True)),
        **around(session, account, campaign, remaining),
    )


def more_cards(
    request: Request,
    session: Session,
    account: Account,
    campaign: Campaign,
    found: Sequence[Claim],
    *,
    remaining: int,
    reason: str | None,
) -> Response:
    """Cards for a page that is open already, each in a <template>."""
    before = work.previous_claim(session, account, campaign)
    return render(
        request,
        "judgments/_cards.html",
        cards=[view(card) for card in cards_for(session, found, spoken())],
        previous=before.id if before else None,
        reason=reason,
        draft=None,
        errors=None,
        editing=False,
        skipped=False,
        frozen=None,
        **around(session, account, campaign, remaining),
    )


def around(session: Session, account: Account, campaign: Campaign, remaining: int | None) -> dict[str, Any]:
    """What stands beside every card."""
    done = work.judged_by(session, account, campaign)
    if remaining is None:
        holding = len(claims.open_claims(session, account, campaign))
        remaining = work.remaining(session, account, campaign, holding)
    keys = preferences.keys_of(account)
    return {
        "progress": {
            "judged_today": done.today,
            "judged_total": done.total,
            "remaining": remaining,
            "campaign_name": campaign.name,
            "campaign_slug": campaign.slug,
        },
        "guidelines": campaign.guidelines,
        "strip": last_answers(session, account, campaign),
        "skip_reasons": SKIP_REASONS,
        "keys": keys,
        "keys_json": json.dumps(keys),
        "ready": preferences.ready_of(account),
        "person_id": account.id,
    }


def view(card: Card) -> dict[str, Any]:
    """The card as the template takes it: the API's shape, and what only people read."""
    shown = as_json(card) | {
        "claim_id": card.claim.id,
        "thumb_url": image_url(card.facts.image_sha256, "thumb"),
        "has_guide": any(question.good or question.bad for question in card.questions),
    }
    for part, food in zip(("food1", "food2"), card.facts.foods, strict=False):
        shown[part]["description"] = food.description
        shown[part]["local_name"] = local_name(food.aliases, spoken())
    for own, question in zip(shown["questions"], card.questions, strict=True):
        own |= {"answers": ANSWER_WORDS, "good": question.good, "bad": question.bad}
    return shown


def draft_of(answers: Mapping[str, Any], note: str | None) -> dict[str, Any]:
    """A judgment as the form's fields."""
    draft: dict[str, Any] = {"note": note or ""}
    for key, given in answers.items():
        draft[f"answer.{key}"] = given["answer"]
        draft[f"reason.{key}"] = given["reasons"]
        draft[f"correction.{key}"] = given["correction"] or ""
    return draft


def claim_ids(sent: Sequence[Any]) -> list[uuid.UUID]:
    """The claims a page names; what is no id is passed over."""
    found = []
    for text in sent:
        try:
            found.append(uuid.UUID(str(text)))
        except ValueError:
            continue
    return found
