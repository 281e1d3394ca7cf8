"""What the policy's pages and its document show of a campaign."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.adjudication.gates import Gate
from app.agreement.intervals import wilson
from app.campaigns.models import Campaign, Policy
from app.campaigns.policies import Version, versions
from app.campaigns.policy_form import Rules, rules_of
from app.campaigns.policy_words import Change, as_json, group_name, sentences
from app.items.models import Gold, Item, Status
from app.jobs import Job, JobStatus
from app.judgments import policy_change, priorities, quotas
from app.settings import Settings

KINDS: Final = (policy_change.KIND, priorities.KIND)


def running_jobs(session: Session, campaign: Campaign) -> list[Job]:
    """What is being brought to a new policy or priority, and a last one that failed; the newest first."""
    found = session.exec(
        select(Job)
        .where(
            col(Job.kind).in_(KINDS),
            Job.arguments["campaign_id"].astext == str(campaign.id),
        )
        .order_by(col(Job.created_at).desc())
        .limit(20)
    ).all()
    return [
        job for place, job in enumerate(found) if not job.is_over or (job.status is JobStatus.FAILED and place == 0)
    ]


def document(session: Session, campaign: Campaign, policy: Policy, settings: Settings) -> dict[str, Any]:
    """`GET /api/v1/campaigns/{slug}/policy`."""
    rules = rules_of(policy)
    return {
        "campaign": campaign.slug,
        "priority": campaign.priority,
        "version": policy.version,
        "rule": policy.rule,
        "overlap": policy.overlap,
        "lease_seconds": policy.lease_seconds or settings.lease_seconds,
        "parameters": rules.parameters.model_dump(),
        "questions": policy.questions,
        "text": [
            {"about": about, "sentence": sentence} for about, sentence in sentences(rules, settings.lease_seconds)
        ],
        "groups": [group._asdict() for group in quotas.groups(session, campaign, policy)],
        "being_applied": [
            {"job": str(job.id), "title": job.title, "status": job.status.value, "done": job.done, "total": job.total}
            for job in running_jobs(session, campaign)
        ],
        "versions": [_version(version) for version in versions(session, campaign)],
    }


def _version(version: Version) -> dict[str, Any]:
    policy = version.policy
    return {
        "version": policy.version,
        "created_at": policy.created_at.isoformat(),
        "by": version.by,
        "note": policy.note,
        "changes": as_json(list(version.changes)),
    }


def group_rows(session: Session, campaign: Campaign, policy: Policy) -> list[tuple[str, quotas.Group]]:
    """(words, the group) for each quota."""
    return [(group_name(group.name), group) for group in quotas.groups(session, campaign, policy)]


def what_will_happen(effect: policy_change.Effect, changes: list[Change]) -> list[str]:
    """Sentences for the moment before a change is saved."""
    if effect.undecided == 0:
        return ["There are no undecided items; the change holds for those that come."]
    found = [f"{_items(effect.undecided)} undecided. What is decided stays as it is."]
    if effect.more:
        found.append(f"{_items(effect.more)} to be judged by more people than now.")
    if effect.fewer:
        found.append(f"{_items(effect.fewer)} to be judged by fewer people than now.")
    if effect.ready:
        have = "has" if effect.ready == 1 else "have"
        found.append(f"{effect.ready:,} of them {have} all the judgments that takes: the new rule looks at once.")
    if effect.leases:
        people = "1 item is" if effect.leases == 1 else f"{effect.leases:,} items are"
        found.append(f"{people} in somebody's hands; they finish under the version they were given under.")
    if not (effect.more or effect.fewer) and changes:
        found.append("The number of people who judge each of them stays the same.")
    return found


def _items(count: int) -> str:
    return "1 item is" if count == 1 else f"{count:,} items are"


def warnings_for(rules: Rules, effect: policy_change.Effect, gates: Sequence[Gate]) -> list[str]:
    """What is allowed and yet can't be meant."""
    parameters, found = rules.parameters, []
    no_gold = not (parameters.gold_first or parameters.gold_last)
    if no_gold and (parameters.screen_answers or parameters.pause_accuracy):
        found.append("Nobody is given gold by this policy, so hardly anybody will be screened or paused.")
    best = wilson(parameters.pause_answers, parameters.pause_answers).low
    if best is not None and best < parameters.pause_accuracy:
        found.append(
            f"{parameters.pause_answers} right answers make sure of {100 * best:.0f} % only: whoever gives so many "
            "will be paused, even if all are right. Ask for more answers or a lower accuracy."
        )
    if rules.rule == "adaptive" and rules.overlap == parameters.start:
        found.append(f"With {rules.overlap} people at first and at most, nobody is ever added.")
    if 0 < effect.families <= parameters.family_spacing:
        of = "one dish" if effect.families == 1 else f"{effect.families} dishes"
        found.append(
            f"The undecided images are of {of}, as first food: with {parameters.family_spacing} others between two of "
            "one dish, people will soon be told to come back in an hour."
        )
    return found + [f"{gate.words} Items for a test are chosen under Gold." for gate in gates if gate.is_lacking]


class Examples:
    """The items of a campaign that a question's examples may show, by key."""

    def __init__(self, session: Session, campaign: Campaign) -> None:
        self._session, self._campaign = session, campaign

    def keys_of(self, policy: Policy) -> dict[str, str]:
        """An item's key for each image the policy's examples show, by SHA-256."""
        shown = {
            example["image_sha256"]
            for question in policy.questions
            for kind in ("good", "bad")
            for example in question.get(kind, [])
            if example.get("image_sha256")
        }
        rows = self._session.execute(
            sa.select(col(Item.image_sha256).label("sha256"), sa.func.min(col(Item.key)).label("key"))
            .where(col(Item.campaign_id) == self._campaign.id, col(Item.image_sha256).in_(shown))
            .group_by(col(Item.image_sha256))
        )
        return {row.sha256: row.key for row in rows}

    def find(self, keys: list[str]) -> tuple[dict[str, str], dict[str, str]]:
        """({key: SHA-256}, {key: why it can't be one}): an example must not give away what is being asked."""
        found = {
            item.key: item
            for item in self._session.exec(
                select(Item).where(Item.campaign_id == self._campaign.id, col(Item.key).in_(keys))
            )
        }
        gold = set(
            self._session.exec(
                select(Gold.item_id).where(
                    col(Gold.item_id).in_([item.id for item in found.values()]), col(Gold.withdrawn_at).is_(None)
                )
            )
        )
        images, unfit = {}, {}
        for key in keys:
            item = found.get(key)
            if item is None:
                unfit[key] = f"There is no item {key} in this campaign; copy its key from the items' page."
            elif item.id in gold:
                unfit[key] = f"The answer to {key} is known and used to test people; choose another item."
            elif item.status is Status.PENDING:
                unfit[key] = f"People are still judging {key}, and an example would tell them the answer."
            else:
                images[key] = item.image_sha256
        return images, unfit
