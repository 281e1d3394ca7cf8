"""The versions of a campaign's policy: read, and a next one made."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.accounts.service import record
from app.campaigns.models import Campaign, Policy
from app.campaigns.parameters import stored
from app.campaigns.policy_form import Rules, checked_note, rules_of
from app.campaigns.policy_words import Change, changes, rule_changes
from app.errors import Conflict, Invalid

PRIORITIES = range(-100, 101)


class PolicyChangedSince(Conflict):
    title = "Somebody changed the policy meanwhile"


class NothingDiffers(Invalid):
    title = "Nothing differs"


class Version(NamedTuple):
    """`by` is the name of who made it, None for one that came with the campaign; `changes` against the one before."""

    policy: Policy
    by: str | None
    changes: Sequence[Change]


def versions(session: Session, campaign: Campaign) -> list[Version]:
    """All of them, the newest first."""
    rows = session.exec(
        select(Policy, Account.name)
        .outerjoin(Account, col(Account.id) == Policy.created_by)
        .where(Policy.campaign_id == campaign.id)
        .order_by(col(Policy.version))
    ).all()
    found = [
        Version(policy, name, changes(rows[place - 1][0], policy) if place else [])
        for place, (policy, name) in enumerate(rows)
    ]
    return found[::-1]


def change_rules(
    session: Session, account: Account, campaign: Campaign, rules: Rules, note: str, *, seen: int
) -> Policy:
    """A next version with these rules and the words there are.

    `seen` is the version the admin had before their eyes: PolicyChangedSince is raised if there is a newer one.
    Raises NothingDiffers, and Invalid for a missing note. `judgments.policy_change` brings the items to it.
    """
    current = _lock(session, campaign, seen)
    if not rule_changes(rules_of(current), rules):
        raise NothingDiffers(f"Nothing differs from version {current.version}, so nothing was saved.")
    return _next(session, account, campaign, current, note, rules, current.questions)


def change_questions(
    session: Session, account: Account, campaign: Campaign, questions: list[dict[str, Any]], note: str, *, seen: int
) -> Policy:
    """A next version with these words and the rules there are. Judgments made so far keep the version they answered."""
    current = _lock(session, campaign, seen)
    if questions == current.questions:
        raise NothingDiffers(f"Nothing differs from version {current.version}, so nothing was saved.")
    return _next(session, account, campaign, current, note, rules_of(current), questions)


def _lock(session: Session, campaign: Campaign, seen: int) -> Policy:
    """The policy in force, and nobody else can change it until the transaction ends."""
    version = session.execute(
        sa.select(col(Campaign.policy_version)).where(col(Campaign.id) == campaign.id).with_for_update(key_share=True)
    ).scalar_one()
    check_seen(version, seen)
    return session.exec(select(Policy).where(Policy.campaign_id == campaign.id, Policy.version == version)).one()


def check_seen(version: int, seen: int) -> None:
    """Raises PolicyChangedSince unless the version in force is the one the admin has before their eyes."""
    if version != seen:
        raise PolicyChangedSince(
            f"Somebody made version {version} of the policy while you were looking at version {seen}. Look at theirs; "
            "what you typed is still here, and the next look shows what it would change of theirs."
        )


def _next(
    session: Session,
    account: Account,
    campaign: Campaign,
    current: Policy,
    note: str,
    rules: Rules,
    questions: list[dict[str, Any]],
) -> Policy:
    policy = Policy(
        campaign_id=campaign.id,
        version=current.version + 1,
        rule=rules.rule,
        overlap=rules.overlap,
        lease_seconds=rules.lease_seconds,
        parameters=stored(rules.parameters),
        questions=questions,
        note=checked_note(note),
        created_by=account.id,
    )
    session.add(policy)
    campaign.policy_version = policy.version
    session.add(campaign)
    session.flush()
    record(
        session, account, "policy.changed", "campaign", campaign.id,
        version=policy.version, note=policy.note, changes=[change._asdict() for change in changes(current, policy)],
    )  # fmt: skip
    return policy


def set_priority(session: Session, account: Account, campaign: Campaign, priority: int) -> None:
    """Where the campaign stands among those an annotator can choose from: the higher, the earlier."""
    if priority not in PRIORITIES:
        raise Invalid("Write a whole number from -100 to 100.", fields={"priority": "From -100 to 100."})
    if priority == campaign.priority:
        return
    record(session, account, "campaign.priority", "campaign", campaign.id, before=campaign.priority, after=priority)
    campaign.priority = priority
    session.add(campaign)
    session.flush()
