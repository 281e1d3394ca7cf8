"""Everything known about one item: its votes, what was decided and why, and where it came from."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.adjudication.models import Adjudication
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.claims.models import Claim, ClaimState
from app.items.cards import CardFacts, card_facts
from app.items.models import Gold, Item, SourceRecord
from app.items.queries import GridItem, siblings
from app.judgments.cards import questions
from app.judgments.models import Decision, Judgment
from app.judgments.service import slots_before
from app.judgments.tally_models import ItemPosterior


class Vote(NamedTuple):
    """One annotator's answers. `earlier` holds the revisions before `latest`, the newest first. `is_of_before`: given
    before the item was sent back to be judged anew."""

    account: Account
    is_counted: bool
    is_of_before: bool
    latest: Judgment
    earlier: Sequence[Judgment]


class Skip(NamedTuple):
    account: Account
    reason: str


class Entry(NamedTuple):
    """A line of the decision log; the last two are there when a person decided."""

    decision: Decision
    adjudication: Adjudication | None
    account: Account | None


class Evidence(NamedTuple):
    """`log` has the newest decision first.

    `questions` has the item's questions in words, by key, as its annotators (or the next ones) read them. `reasons`
    gives each reason code in its policy's words: {(policy, question, code): words}. `posteriors` has, by question, the
    probability that the claim is true, where the newest rater model says anything: it says nothing of known answers.
    """

    item: Item
    facts: CardFacts
    source: SourceRecord | None
    votes: Sequence[Vote]
    skips: Sequence[Skip]
    log: Sequence[Entry]
    siblings: Sequence[GridItem]
    questions: Mapping[str, str]
    reasons: Mapping[tuple[int, str, str], str]
    posteriors: Mapping[str, float]


def evidence(session: Session, item: Item) -> Evidence:
    votes = _votes(session, item)
    facts = card_facts(session, [item.id])[item.id]
    if votes:
        policy = session.get_one(Policy, votes[0].latest.policy_id)
    else:
        policy = campaigns.current_policy(session, session.get_one(Campaign, item.campaign_id))
    return Evidence(
        item=item,
        facts=facts,
        source=session.get(SourceRecord, item.id),
        votes=votes,
        skips=_skips(session, item),
        log=_log(session, item),
        siblings=siblings(session, item),
        questions={question.key: question.text for question in questions(policy, facts)},
        reasons=_reasons(session, {vote.latest.policy_id for vote in votes}),
        posteriors=_posteriors(session, item),
    )


def _votes(session: Session, item: Item) -> list[Vote]:
    """Counted ones first, in the order of their slots; surplus ones after, by time."""
    revisions: dict[uuid.UUID, list[Judgment]] = defaultdict(list)
    for judgment in session.exec(
        select(Judgment).where(Judgment.item_id == item.id).order_by(col(Judgment.revision).desc())
    ):
        revisions[judgment.claim_id].append(judgment)
    claims = session.exec(
        select(Claim, Account)
        .join(Account, col(Account.id) == col(Claim.account_id))
        .where(Claim.item_id == item.id, Claim.state == ClaimState.JUDGED)
        .order_by(col(Claim.slot).nulls_last(), col(Claim.ended_at))
    )
    before = slots_before(session, item)
    return [
        Vote(
            account, claim.slot is not None, claim.slot is not None and claim.slot <= before,
            revisions[claim.id][0], revisions[claim.id][1:],
        )
        for claim, account in claims
    ]  # fmt: skip


def _skips(session: Session, item: Item) -> list[Skip]:
    found = session.exec(
        select(Account, Claim.reason)
        .join(Claim, col(Claim.account_id) == col(Account.id))
        .where(Claim.item_id == item.id, Claim.state == ClaimState.SKIPPED)
        .order_by(col(Claim.ended_at))
    )
    return [Skip(account, reason or "") for account, reason in found]


def _log(session: Session, item: Item) -> list[Entry]:
    found = session.exec(
        select(Decision, Adjudication, Account)
        .outerjoin(Adjudication, col(Adjudication.decision_id) == col(Decision.id))
        .outerjoin(Account, col(Account.id) == col(Adjudication.account_id))
        .where(Decision.item_id == item.id)
        .order_by(col(Decision.id).desc())
    )
    return [Entry(*row) for row in found]


def _reasons(session: Session, policy_ids: set[int]) -> dict[tuple[int, str, str], str]:
    return {
        (policy_id, question["key"], reason["code"]): reason["text"]
        for policy_id in policy_ids
        for question in session.get_one(Policy, policy_id).questions
        for reason in question["reasons"]
    }


def _posteriors(session: Session, item: Item) -> dict[str, float]:
    found = session.get(ItemPosterior, item.id, populate_existing=True)
    known = session.exec(select(Gold.question).where(Gold.item_id == item.id, col(Gold.withdrawn_at).is_(None))).all()
    return {question: share for question, share in found.claims.items() if question not in known} if found else {}
