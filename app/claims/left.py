"""How much is left for a person to judge, and why there is nothing. Counted with the words items are chosen by."""

import time
import uuid
from functools import reduce
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, CampaignStatus
from app.claims.askers import Asker, asker
from app.claims.mixing import Plan
from app.claims.offers import CLAIMABLE, FITS, OWED, PAUSE, QUALIFIED, UNSEEN, Before
from app.db import now
from app.errors import Sentence
from app.geography import CONTINENT_WORDS
from app.items.models import NOT_CHOSEN

MANY: Final = 200
STALE_SECONDS: Final = 10.0
BIG: Final = 5_000
"""With more items than this in their lanes, a person for whom there was nothing is not looked for again at once."""
_REMEMBERED: Final = 10_000

_counted: dict[tuple[uuid.UUID, uuid.UUID], tuple[int, float]] = {}
_in_lanes: dict[tuple[object, ...], tuple[int, float]] = {}
_nothing: dict[tuple[object, ...], tuple[str, float]] = {}

_IN_LANES = f"item.campaign_id = :campaign AND item.lane = ANY(CAST(:lanes AS text[])) AND {CLAIMABLE}"
_FREE = sa.text(
    f"SELECT count(*) FROM (SELECT 1 FROM item WHERE {_IN_LANES} AND {QUALIFIED} AND {UNSEEN} LIMIT :limit) AS free"  # noqa: S608
)
_ALL_IN_LANES = sa.text(f"SELECT count(*) FROM item WHERE {_IN_LANES}")  # noqa: S608
_OWN_IN_LANES = sa.text(
    f"""
    SELECT count(*) FROM claim JOIN item ON item.id = claim.item_id
    WHERE claim.campaign_id = :campaign AND claim.account_id = :account
      AND claim.state IN ('open', 'judged', 'skipped') AND {_IN_LANES}
    """  # noqa: S608
)
_IS_BIG = sa.text(f"SELECT count(*) FROM (SELECT 1 FROM item WHERE {_IN_LANES} LIMIT :limit) AS looked_at")  # noqa: S608

# Gold the person can't meet in the ordinary queue; the rest is counted there.
_UNSEEN_GOLD = sa.text(
    f"""
    SELECT count(*) FROM (
        SELECT DISTINCT item.id FROM gold JOIN item ON item.id = gold.item_id
        WHERE gold.withdrawn_at IS NULL AND item.campaign_id = :campaign AND (item.hold IS NULL OR item.hold = 'quota')
          AND NOT ({CLAIMABLE} AND item.lane = ANY(CAST(:lanes AS text[]))) AND {QUALIFIED}
          AND NOT EXISTS (SELECT 1 FROM claim WHERE claim.item_id = item.id AND claim.account_id = :account)
        LIMIT :limit
    ) AS unseen
    """  # noqa: S608
)
_OWED = sa.text(f"SELECT count(*) FROM ({OWED}) AS owed")  # noqa: S608


def remaining(session: Session, account: Account, campaign: Campaign, holding: int, who: Asker | None = None) -> int:
    """Items this annotator can still judge, the `holding` they hold included, and the tests they will meet on the way:
    it falls by one with each item, whatever it was.

    Exact up to 200. Counting more on every claim would cost more than the claim, so a larger number may be up to
    ten seconds old.
    """
    key = (account.id, campaign.id)
    count, counted_at = _counted.get(key, (0, 0.0))
    if count <= MANY or time.monotonic() - counted_at > STALE_SECONDS:
        who = who or asker(session, account, campaign, campaigns.current_policy(session, campaign))
        count = _free_for(session, who)
        count += _tests_among(session, who, count)
        if count > MANY:
            _remember(_counted, key, (count, time.monotonic()))
        else:
            _counted.pop(key, None)
    return count + holding


def _free_for(session: Session, who: Asker) -> int:
    count = int(session.execute(_FREE, who.scope | {"limit": MANY + 1}).scalar_one())
    if count <= MANY:
        return count
    key = (who.campaign_id, who.lanes)
    everybodys, until = _in_lanes.get(key, (0, 0.0))
    if time.monotonic() > until:
        start = time.monotonic()
        everybodys = int(session.execute(_ALL_IN_LANES, who.scope).scalar_one())
        took = time.monotonic() - start
        _remember(_in_lanes, key, (everybodys, time.monotonic() + max(STALE_SECONDS, 50 * took)))
    return max(count, everybodys - int(session.execute(_OWN_IN_LANES, who.scope).scalar_one()))


def _tests_among(session: Session, who: Asker, n_ordinary: int) -> int:
    plan = Plan.of(who)
    if not plan.has_tests:
        return 0
    if n_ordinary > MANY:
        planned = plan.by(who.n_claimed + n_ordinary) - plan.by(who.n_claimed)
    else:
        planned = plan.among(who.n_claimed, n_ordinary)
    owed = int(session.execute(_OWED, who.scope | {"since": now() - PAUSE}).scalar_one())
    if not planned:
        return owed
    return owed + int(session.execute(_UNSEEN_GOLD, who.scope | {"limit": planned}).scalar_one())


def known_reason(who: Asker, before: Before) -> str | None:
    """Why there was nothing for this person a moment ago, in a campaign that is long to look through."""
    reason, until = _nothing.get(_situation(who, before), (None, 0.0))
    return reason if time.monotonic() < until else None


def found_nothing(
    session: Session, who: Asker, before: Before, campaign: Campaign, took: float, *, holds_some: bool
) -> str | None:
    """Why there is nothing, as a sentence, unless the person has something still.

    Where looking, which took so many seconds, meant passing over thousands of items, it is remembered for ten seconds,
    or for fifty times as long as it took, at most ten minutes. Work that comes up meanwhile is found after that.
    """
    is_big = int(session.execute(_IS_BIG, who.scope | {"limit": BIG + 1}).scalar_one()) > BIG
    if holds_some and not is_big:
        return None
    reason = why_none(session, who, before, campaign)
    if is_big:
        until = time.monotonic() + min(600.0, max(STALE_SECONDS, 50 * took))
        _remember(_nothing, _situation(who, before), (reason, until))
    return reason


def look_again(account_id: uuid.UUID, campaign_id: uuid.UUID) -> None:
    """The person gave something back, so there is something again."""
    for key in [key for key in list(_nothing) if key[:2] == (account_id, campaign_id)]:  # others add
        _nothing.pop(key, None)


def _situation(who: Asker, before: Before) -> tuple[object, ...]:
    families = frozenset(earlier.family_id for earlier in before.given[: before.spacing])
    return who.account_id, who.campaign_id, who.lanes, families


def _remember(memory: dict[Any, Any], key: Any, value: Any) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = value


# The lanes there are with something to claim, each found by one probe of the index.
_LANES = sa.text(
    f"""
    WITH RECURSIVE step AS (
        (SELECT lane FROM item WHERE campaign_id = :campaign AND {CLAIMABLE} ORDER BY lane LIMIT 1)
        UNION ALL
        SELECT (SELECT lane FROM item WHERE campaign_id = :campaign AND lane > step.lane AND {CLAIMABLE}
                ORDER BY lane LIMIT 1)
        FROM step WHERE step.lane IS NOT NULL
    )
    SELECT lane FROM step WHERE lane IS NOT NULL
    """  # noqa: S608
)
# Candidates of one set and revisions of one image are of one family, so what has to wait is found by family.
_MUST_WAIT = sa.text(
    f"""
    SELECT EXISTS (
        SELECT 1 FROM item WHERE item.family_id = ANY(CAST(:near AS uuid[])) AND {_IN_LANES} AND {QUALIFIED}
          AND NOT {FITS} AND {UNSEEN})
    """  # noqa: S608
)
_REST = sa.text(
    f"""
    SELECT EXISTS (SELECT 1 FROM item WHERE campaign_id = :campaign) AS has_items,
           EXISTS (SELECT 1 FROM item WHERE campaign_id = :campaign AND status = 'pending' AND NOT {NOT_CHOSEN})
               AS has_pending,
           (SELECT count(*) FROM claim WHERE campaign_id = :campaign AND account_id = :account
              AND state = 'skipped') AS skipped
    """  # noqa: S608  (nothing in it comes from outside)
)


def why_paused(campaign: Campaign) -> str:
    return Sentence(
        "You are paused in “{campaign}”, so there is nothing to judge for now; what you judged is kept. "
        "An admin can tell you more.",
        campaign=campaign.name,
    )


def why_not_open(campaign: Campaign) -> str:
    if campaign.status is CampaignStatus.PAUSED:
        return Sentence("The campaign “{campaign}” is paused; an admin can open it again.", campaign=campaign.name)
    return Sentence("The campaign “{campaign}” is closed; an admin can open it again.", campaign=campaign.name)


def why_none(session: Session, who: Asker, before: Before, campaign: Campaign) -> str:
    """The sentence for an empty list. It tells nothing about other people's answers, or about what is known."""
    lanes = set(session.execute(_LANES, who.scope).scalars())
    mine = {lane.name for lane in who.lanes}
    near = {"near": [earlier.family_id for earlier in before.given]}
    if before.given and lanes & mine and session.execute(_MUST_WAIT, who.scope | before.scope | near).scalar_one():
        return Sentence(
            "What is left resembles what you judged just now, and should be looked at afresh: "
            "it comes when other images lie between, or after an hour."
        )
    others = lanes - mine
    if untested := sorted({lane.split(" ", 1)[1] for lane in others if not lane.startswith("home ")}):
        regions = reduce(_or, (CONTINENT_WORDS[region] for region in untested))
        return Sentence(
            "What is left is from {regions}: pass the test of that region first, or have its pause lifted.",
            regions=regions,
        )
    if others:
        return Sentence("What is left is kept for people who know the country its food comes from.")
    rest = session.execute(_REST, who.scope).one()
    if not rest.has_items:
        return Sentence("The campaign “{campaign}” has no items yet; an admin imports them.", campaign=campaign.name)
    if not rest.has_pending:
        return Sentence("Every item of “{campaign}” has all its judgments. Thank you!", campaign=campaign.name)
    if rest.skipped:
        return Sentence(
            "You have seen every item that still needs you (you skipped {n}); others are judging the rest.",
            n=rest.skipped,
        )
    return Sentence("You have seen every item that still needs you; others are judging the rest.")


def _or(one: Sentence, other: Sentence) -> Sentence:
    return Sentence("{one} or {other}", one=one, other=other)
