"""Counts to look at without judgments: as if they had been counted."""

import uuid
from collections.abc import Mapping, Sequence

from sqlmodel import Session

from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.judgments.tally_models import RaterPair, RaterVotes, TallyState, VotePattern

Votes = Mapping[tuple[int, int, int], int]
"""How many items got so many yes, no and unsure."""


def counted(
    session: Session,
    campaign: Campaign,
    parts: Mapping[tuple[str, str], Votes],
    *,
    question: str = "food1_identity",
    basis: str = "first",
) -> None:
    """Vote patterns by (kind, part)."""
    _stand(session, campaign)
    for (kind, part), votes in parts.items():
        for (yes, no, unsure), n_items in votes.items():
            session.add(
                VotePattern(
                    campaign_id=campaign.id, basis=basis, kind=kind, part=part, question=question,
                    yes=yes, no=no, unsure=unsure, n_items=n_items,
                )
            )  # fmt: skip
    session.flush()


def paired(
    session: Session,
    campaign: Campaign,
    one: Account,
    other: Account,
    cells: Sequence[tuple[str, str, int]],
    *,
    question: str = "food1_identity",
    judgments: Mapping[uuid.UUID, int] | None = None,
) -> None:
    """Items of two people by (answer of `one`, of `other`, how many). `judgments` are each one’s, where known."""
    _stand(session, campaign)
    for mine, theirs, n_items in cells:
        in_order = (one, other, mine, theirs) if one.id < other.id else (other, one, theirs, mine)
        session.add(
            RaterPair(
                campaign_id=campaign.id, basis="first", question=question, a=in_order[0].id, b=in_order[1].id,
                answer_a=in_order[2], answer_b=in_order[3], n_items=n_items,
            )
        )  # fmt: skip
    for account in (one, other):
        for basis in ("first", "all"):
            key = (campaign.id, basis, "all", "", question, account.id, "yes")
            if session.get(RaterVotes, key) is None:
                session.add(
                    RaterVotes(
                        campaign_id=campaign.id, basis=basis, kind="all", part="", question=question,
                        rater_id=account.id, answer="yes", n_items=(judgments or {}).get(account.id, 50),
                    )
                )  # fmt: skip
    session.flush()


def _stand(session: Session, campaign: Campaign) -> None:
    if session.get(TallyState, campaign.id) is None:
        session.add(TallyState(campaign_id=campaign.id, version=uuid.uuid4()))
        session.flush()
