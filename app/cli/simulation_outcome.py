"""What a campaign made of simulated annotators' judgments: its decisions held against what is true.

Only the simulation knows the truth, and it looks when all is decided. Gold items are left out: theirs is known to all.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.intervals import Estimate, wilson
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.cli.simulation import CROWD, World, email_of, profile_of
from app.items.models import Subtask
from app.judgments import audits
from app.judgments.decisions import question_keys


def outcome(session: Session, campaign: Campaign, world: World, annotators: int) -> dict[str, Any] | None:
    """The campaign as it stands. Shares carry n, of, and Wilson's 95 % interval. None where truth is only what the seed
    says and others have judged, too: they knew nothing of it. `left_out` counts items, as a rule images made again, of
    which the truth file says nothing: neither they nor their judgments are in any of the other figures but the audit's.

    `judgments.per_item` counts those that decide; `per_item_in_all` also tests, judgments of gold items and surplus.
    `wrongly_approved` are approved items with a claim that doesn't hold, of all approved; `only_hard` of them have none
    but hard ones. `wrongly_rejected` are rejected items whose claims all hold; `good_refused` puts them to all such.
    """
    others = {"campaign": campaign.id, "crowd": f"{email_of(world.seed, 0).rpartition('-')[0]}-%"}
    if world.planted is None and session.execute(_OTHERS_JUDGED, others).scalar_one():
        return None
    policy = campaigns.current_policy(session, campaign)
    found = session.execute(_ITEMS, {"campaign": campaign.id}).all()
    items = [item for item in found if world.is_told(str(item.id), question_keys(Subtask(item.subtask)))]
    untold = [item.id for item in set(found) - set(items)]
    judged = session.execute(_JUDGMENTS, {"campaign": campaign.id, "untold": untold}).one()
    by_status: dict[str, list[tuple[bool, bool]]] = {
        status: [] for status in ("approved", "rejected", "disputed", "pending")
    }
    for item in items:
        claims = [world.truth_of(str(item.id), question) for question in question_keys(Subtask(item.subtask))]
        wrong = [claim for claim in claims if not claim.is_right]
        by_status.setdefault(item.status, []).append((not wrong, bool(wrong) and all(claim.is_hard for claim in wrong)))
    approved, rejected = by_status["approved"], by_status["rejected"]
    good = sum(is_good for found in by_status.values() for is_good, _ in found)
    refused = sum(is_good for is_good, _ in rejected)
    passed = [only_hard for is_good, only_hard in approved if not is_good]
    audit = audits.estimate(session, campaign.id)
    return {
        "policy": {"rule": policy.rule, "overlap": policy.overlap, "parameters": policy.parameters},
        "items": {
            "n": len(items), "faulty": len(items) - good, "gold": judged.gold_items,
            **{status: len(found) for status, found in by_status.items()},
        },
        "judgments": {
            "decisive": judged.decisive, "tests": judged.tests, "of_gold_items": judged.of_gold,
            "surplus": judged.surplus,
            "per_item": _ratio(judged.decisive, len(items)), "per_item_in_all": _ratio(judged.given, len(items)),
        },
        "wrongly_approved": _share(len(passed), len(approved)) | {"only_hard": sum(passed)},
        "wrongly_rejected": _share(refused, len(rejected)),
        "good_refused": _share(refused, good),
        "people": _people(session, campaign, world.seed, annotators),
        "by_insiders": _share(judged.by_insiders, judged.decisive),
        "audit": audit.as_json() if audit else None,
        "left_out": len(untold),
    }  # fmt: skip


def _people(session: Session, campaign: Campaign, seed: int, annotators: int) -> list[dict[str, Any]]:
    """One row a profile: how many there are, and how many gold put out of the pool."""
    out = set(session.execute(_LEFT_OUT, {"campaign": campaign.id}).scalars())
    numbers = {profile.name: [n for n in range(annotators) if profile_of(n) is profile] for profile in CROWD}
    return [
        {
            "profile": profile.name,
            "is_spammer": profile.is_spammer,
            "annotators": len(numbers[profile.name]),
            "left_out": sum(email_of(seed, number) in out for number in numbers[profile.name]),
        }
        for profile in CROWD
    ]


def caught(result: Mapping[str, Any], *, spammers: bool) -> tuple[int, int]:
    """How many of the spammers, or of everybody else, gold put out of the pool, and how many there are."""
    rows = [row for row in result["people"] if row["is_spammer"] == spammers]
    return sum(row["left_out"] for row in rows), sum(row["annotators"] for row in rows)


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """The outcome for people."""
    policy, items, judged = result["policy"], result["items"], result["judgments"]
    yield f"Policy: {policy['rule']}, {policy['overlap']} judgments{' at most' if policy['rule'] != 'fixed' else ''}."
    rows = {
        "items, gold apart": f"{items['n']:,}, of them {items['faulty']:,} with a claim that doesn't hold",
        "decisions": (
            f"{items['approved']:,} approved, {items['rejected']:,} rejected, {items['disputed']:,} disputed, "
            f"{items['pending']:,} open"
        ),
        "judgments per item": f"{_number(judged['per_item'])}, with gold and surplus "
        f"{_number(judged['per_item_in_all'])}",
        "wrongly approved": f"{in_words(result['wrongly_approved'])} of the approved",
        "wrongly rejected": f"{in_words(result['wrongly_rejected'])} of the rejected",
        "good items refused": f"{in_words(result['good_refused'])} of the good ones",
        "spammers caught": "{} of {}".format(*caught(result, spammers=True)),
        "others left out": "{} of {}".format(*caught(result, spammers=False)),
        "judged by insiders": in_words(result["by_insiders"]),
    }
    for name, words in rows.items():
        yield f"{name:<20} {words}"
    if n := result["left_out"]:
        yield (
            f"{n:,} image{'' if n == 1 else 's'} made again {'is' if n == 1 else 'are'} left out of these figures: the "
            "truth file says nothing of them, so the seed said what is wrong."
        )
    if result["audit"]:
        yield f"{'audit':<20} {result['audit']['words']}"


def in_words(share: Mapping[str, Any]) -> str:
    """A share with its interval, in per cent.

    >>> in_words({"n": 1, "of": 10, "value": 0.1, "low": 0.0179, "high": 0.4042})
    '10.0 % [1.8, 40.4] (1 of 10)'
    """
    if share["value"] is None:
        return "-"
    value, low, high = (f"{100 * share[key]:.1f}" for key in ("value", "low", "high"))
    return f"{value} % [{low}, {high}] ({share['n']:,} of {share['of']:,})"


def _share(n: int, of: int) -> dict[str, Any]:
    estimate: Estimate = wilson(n, of)
    return {
        "n": n,
        "of": of,
        "value": _rounded(estimate.value),
        "low": _rounded(estimate.low),
        "high": _rounded(estimate.high),
    }


def _ratio(n: int, of: int) -> float | None:
    return round(n / of, 4) if of else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


_IS_GOLD = "EXISTS (SELECT 1 FROM gold WHERE gold.item_id = item.id AND gold.withdrawn_at IS NULL)"

_ITEMS = sa.text(
    f"SELECT id, subtask, status FROM item WHERE campaign_id = :campaign AND NOT {_IS_GOLD}"  # noqa: S608
)

_JUDGMENTS = sa.text(
    f"""
    SELECT count(*) AS given,
           count(*) FILTER (WHERE is_test) AS tests,
           count(*) FILTER (WHERE is_gold AND NOT is_test) AS of_gold,
           count(*) FILTER (WHERE slot IS NULL AND NOT is_test AND NOT is_gold) AS surplus,
           count(*) FILTER (WHERE slot IS NOT NULL AND NOT is_gold) AS decisive,
           count(*) FILTER (WHERE slot IS NOT NULL AND NOT is_gold AND knows) AS by_insiders,
           (SELECT count(*) FROM item WHERE campaign_id = :campaign AND {_IS_GOLD}) AS gold_items
    FROM (
        SELECT claim.is_test, claim.slot, {_IS_GOLD} AS is_gold,
               EXISTS (SELECT 1 FROM known_country AS known
                       WHERE known.account_id = claim.account_id AND known.country = item.home) AS knows
        FROM claim JOIN item ON item.id = claim.item_id
        WHERE claim.campaign_id = :campaign AND claim.state = 'judged'
          AND claim.item_id <> ALL(CAST(:untold AS uuid[]))
    ) AS judged
    """  # noqa: S608  (nothing in it comes from outside)
)

_OTHERS_JUDGED = sa.text(
    """
    SELECT EXISTS (
        SELECT 1 FROM claim JOIN account ON account.id = claim.account_id
        WHERE claim.campaign_id = :campaign AND claim.slot IS NOT NULL AND claim.state = 'judged'
          AND account.email NOT LIKE :crowd
    )
    """
)

_LEFT_OUT = sa.text(
    """
    SELECT account.email FROM pool_member JOIN account ON account.id = pool_member.account_id
    WHERE pool_member.campaign_id = :campaign AND paused_at IS NOT NULL AND paused_because ->> 'by' = 'gold'
    """
)
