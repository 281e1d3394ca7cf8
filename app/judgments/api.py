"""Judging over HTTP, for programs (CONTRACT §4). The annotator's page does the same through `routes`."""

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from app.accounts.access import Annotator
from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.claims import queries as work
from app.claims import service as claims
from app.errors import NotSignedIn, Sentence
from app.judgments import service
from app.judgments.cards import as_json, cards_for
from app.web.session import SessionDep, SettingsDep

router = APIRouter(prefix="/api/v1", tags=["judging"])


class OtherAccount(NotSignedIn):
    type = "other-account"


async def same_person(account: Annotator, terroir_account: Annotated[uuid.UUID | None, Header()] = None) -> Account:
    """Who asks. A page that kept answers says whose they are: they never go out under another account."""
    if terroir_account is not None and terroir_account != account.id:
        raise OtherAccount(
            Sentence("Somebody else is signed in here now; sign in as the person whose answers these are.")
        )
    return account


Sender = Annotated[Account, Depends(same_person)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


Language = Literal["en", "es", "ko", "ar"]


class ClaimRequest(Strict):
    count: int = Field(default=1, description="How many items, 1 to 10.")
    language: Language = Field(default="en", description="Of the questions and the countries' names.")


class AnswerBody(Strict):
    answer: str = Field(description="yes, no or unsure.", max_length=16)
    reasons: list[str] = Field(default_factory=list, max_length=20, description="Codes; needed with no.")
    correction: str | None = Field(default=None, description="What it is instead.")


class JudgmentBody(Strict):
    answers: dict[str, AnswerBody] = Field(max_length=20, description="One answer per question of the item.")
    active_ms: int = Field(default=0, description="Time spent on the item, in milliseconds, without idle time.")
    note: str | None = None
    language: Language = Field(default="en", description="In which the annotator read the questions.")


class JudgmentReply(BaseModel):
    judgment_id: uuid.UUID
    status: str = Field(description="counted, or surplus when the item had all its judgments already.")


class GiveBack(Strict):
    reason: str | None = Field(default=None, max_length=200)


class ClaimReply(BaseModel):
    id: uuid.UUID
    expires_at: str


@router.post("/campaigns/{slug}/claims", response_model=dict[str, Any])
def claim(
    slug: str, session: SessionDep, account: Annotator, settings: SettingsDep, body: ClaimRequest | None = None
) -> Response:
    """Leases on items to judge: those still open first. An empty list says why in `reason`."""
    campaign, policy = campaigns.with_policy(session, slug)
    found = claims.claim_next(
        session,
        account,
        campaign,
        policy,
        count=body.count if body else 1,
        lease=claims.lease_seconds(policy, settings.lease_seconds),
    )
    reply: dict[str, Any] = {
        "claims": [as_json(card) for card in cards_for(session, found.claims, body.language if body else "en")],
        "remaining": work.remaining(session, account, campaign, found.holding, found.asker) if found.claims else 0,
    }
    if found.reason is not None:
        reply["reason"] = found.reason
    return JSONResponse(reply)


@router.put("/claims/{claim_id}/judgment", status_code=201, response_model=JudgmentReply)
def submit(claim_id: uuid.UUID, body: JudgmentBody, session: SessionDep, account: Sender) -> Response:
    """The answers on a claimed item. The same body again answers 200 and changes nothing."""
    answers = {key: answer.model_dump() for key, answer in body.answers.items()}
    done = service.submit(
        session, account, claim_id, service.Answers(answers, body.active_ms, body.note, body.language)
    )
    return JSONResponse(
        {"judgment_id": str(done.judgment_id), "status": done.status}, status_code=201 if done.is_new else 200
    )


@router.post("/claims/{claim_id}/heartbeat", response_model=ClaimReply)
def heartbeat(claim_id: uuid.UUID, session: SessionDep, account: Annotator, settings: SettingsDep) -> Response:
    """Extends the lease. 410 when it ran out and the item is full."""
    claim = claims.extend(session, account, claim_id, settings.lease_seconds)
    return JSONResponse({"id": str(claim.id), "expires_at": claim.expires_at.isoformat()})


@router.delete("/claims/{claim_id}", status_code=204, response_class=Response)
def give_back(claim_id: uuid.UUID, session: SessionDep, account: Sender, body: GiveBack | None = None) -> None:
    """Gives the item back. With a reason it counts as skipped and is not offered to you again;
    a judgment that comes later all the same counts while there is room."""
    reason = body.reason if body else None
    claims.give_back(session, account, claim_id, reason=reason, skip=reason is not None)
