"""Everything known about one item: its votes, what was decided and why, and where it came from."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.adjudication.appeals import Heard, appeals_of
from app.adjudication.models import Adjudication
from app.adjudication.reliability import Reliability, reliabilities
from app.adjudication.rulings import Ruling
from app.adjudication.standing import CountedVote, Standing, counted_votes, majorities, standing, tallies
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.claims.models import Claim, ClaimState
from app.items.cards import CardFacts, card_facts
from app.items.models import Gold, Item, SourceRecord
from app.items.queries import GridItem, grid_items, siblings
from app.judgments.cards import Question, questions
from app.judgments.models import Decision, Judgment, Method
from app.judgments.service import question_keys, slots_before
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
    """A line of the decision log; `account` is there when a person decided, `adjudication` with their word on it."""

    decision: Decision
    adjudication: Adjudication | None
    account: Account | None


class Evidence(NamedTuple):
    """`log` has the newest decision first.

    `questions` has the item's questions in words, by key, as its annotators (or the next ones) read them. `reasons`
    gives each reason code in its policy's words: {(policy, question, code): words}. `posteriors` has, by question, the
    probability that the claim is true, where the newest rater model says anything: it says nothing of known answers.

    `asked` are the questions as an adjudicator settles them now, `preset` what the votes or the decision that stands
    say on them; `majorities` and `tallies` count the votes since the item was last sent back. `revisions` are the other
    images of this claim, the first one first.
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
    reliability: Mapping[uuid.UUID, Reliability]
    stands: Standing | None
    asked: Sequence[Question]
    preset: Ruling
    majorities: Mapping[str, str]
    tallies: Mapping[str, Mapping[str, int]]
    appeals: Sequence[Heard]
    revisions: Sequence[GridItem]


def evidence(session: Session, item: Item) -> Evidence:
    votes = _votes(session, item)
    facts = card_facts(session, [item.id])[item.id]
    current = campaigns.current_policy(session, session.get_one(Campaign, item.campaign_id))
    policy = session.get_one(Policy, votes[0].latest.policy_id) if votes else current
    keys, counted = question_keys(item.subtask), counted_votes(session, item)
    asked, stands = questions(current, facts), standing(session, item)
    return Evidence(
        item=item,
        facts=facts,
        source=session.get(SourceRecord, item.id),
        votes=votes,
        skips=_skips(session, item),
        log=_log(session, item),
        siblings=siblings(session, item),
        questions={question.key: question.text for question in questions(policy, facts)},
        reasons=_reasons(session, item),
        posteriors=_posteriors(session, item),
        reliability=reliabilities(session, item.campaign_id, [vote.account.id for vote in votes], keys),
        stands=stands,
        asked=asked,
        preset=_preset(stands, counted, asked),
        majorities=majorities(counted, keys),
        tallies=tallies(counted, keys),
        appeals=appeals_of(session, item),
        revisions=_revisions(session, item),
    )


def _preset(stands: Standing | None, counted: Sequence[CountedVote], asked: Sequence[Question]) -> Ruling:
    """Yes or no where it is clear, with the reasons that came with a no and are still offered."""
    said = majorities(counted, [question.key for question in asked])
    codes: dict[str, list[str]] = {}
    if stands is not None and stands.answers:
        said = {**said, **stands.answers}
        codes = dict(stands.decision.detail.get("reasons", {}))
    reasons = {}
    for question in asked:
        given = codes.get(question.key) or [
            code for vote in counted for code in (vote.answers.get(question.key) or {}).get("reasons") or ()
        ]
        reasons[question.key] = [reason["code"] for reason in question.reasons if reason["code"] in given]
    return Ruling(said, {key: reasons[key] for key, answer in said.items() if answer == "no"})


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
    entries = [Entry(*row) for row in found]
    return [
        entry._replace(account=session.get(Account, uuid.UUID(entry.decision.detail["by"])))
        if entry.decision.method is Method.UNDO
        else entry
        for entry in entries
    ]


_FAMILY = sa.text(
    """
    WITH RECURSIVE older AS (
        SELECT id, revision_of_id, 1 AS step FROM item WHERE id = :item
        UNION ALL
        SELECT item.id, item.revision_of_id, step + 1 FROM item JOIN older ON item.id = older.revision_of_id
        WHERE step < 100
    ), newer AS (
        SELECT id, 1 AS step FROM item WHERE id = :item
        UNION ALL
        SELECT item.id, step + 1 FROM item JOIN newer ON item.revision_of_id = newer.id WHERE step < 100
    )
    SELECT id FROM older UNION SELECT id FROM newer
    """
)


def _revisions(session: Session, item: Item) -> list[GridItem]:
    ids = [id_ for id_ in session.execute(_FAMILY, {"item": item.id}).scalars() if id_ != item.id]
    return sorted(grid_items(session, ids), key=lambda entry: (entry.item.revision, entry.item.key)) if ids else []


def _reasons(session: Session, item: Item) -> dict[tuple[int, str, str], str]:
    """Of every policy the item was judged or decided under."""
    policy_ids = set(session.exec(select(Judgment.policy_id).where(Judgment.item_id == item.id)))
    policy_ids |= set(session.exec(select(Decision.policy_id).where(Decision.item_id == item.id)))
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
