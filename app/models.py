"""Every table, for Alembic and the tests."""

from app.accounts.models import Account, AuditEvent, Invite, KnownCountry, Message, MessageRead, Token
from app.adjudication.models import Adjudication, Appeal
from app.campaigns.models import Campaign, Exam, Member, Policy, Qualification
from app.claims.models import Claim
from app.evaluation.models import Prediction, Run, RunScore
from app.generation.models import RevisionRequest
from app.items.models import (
    Background,
    CandidateSet,
    Food,
    FoodOrigin,
    Gold,
    Image,
    ImportBatch,
    Item,
    ItemFood,
    ItemReference,
    Photo,
    SourceRecord,
)
from app.jobs import Job
from app.judgments.models import Decision, Judgment
from app.judgments.tally_models import (
    CountedVotes,
    ItemPosterior,
    RaterModelFit,
    RaterPair,
    RaterVotes,
    TallyState,
    VoteChange,
    VotePattern,
)
from app.releases.models import Release, ReleaseItem

__all__ = [
    "Account",
    "Adjudication",
    "Appeal",
    "AuditEvent",
    "Background",
    "Campaign",
    "CandidateSet",
    "Claim",
    "CountedVotes",
    "Decision",
    "Exam",
    "Food",
    "FoodOrigin",
    "Gold",
    "Image",
    "ImportBatch",
    "Invite",
    "Item",
    "ItemFood",
    "ItemPosterior",
    "ItemReference",
    "Job",
    "Judgment",
    "KnownCountry",
    "Member",
    "Message",
    "MessageRead",
    "Photo",
    "Policy",
    "Prediction",
    "Qualification",
    "RaterModelFit",
    "RaterPair",
    "RaterVotes",
    "Release",
    "ReleaseItem",
    "RevisionRequest",
    "Run",
    "RunScore",
    "SourceRecord",
    "TallyState",
    "Token",
    "VoteChange",
    "VotePattern",
]
