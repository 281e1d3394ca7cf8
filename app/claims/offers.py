"""Which item a person is given next: pieces of SQL that choosing, counting what is left and saying why share."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col

from app.claims.askers import Asker
from app.claims.mixing import Plan
from app.claims.models import Claim, ClaimState
from app.items.models import Item

PAUSE: Final = timedelta(hours=1)
"""What was given longer ago than this keeps nothing at a distance any more."""

CLAIMABLE: Final = "item.status = 'pending' AND item.held < item.wanted AND item.hold IS NULL"
# OFFSET 0 keeps the planner from turning it into a join with all that the person ever claimed.
UNSEEN: Final = """NOT EXISTS (
    SELECT 1 FROM claim WHERE claim.item_id = item.id AND claim.account_id = :account
      AND claim.state IN ('open', 'judged', 'skipped') OFFSET 0)"""
QUALIFIED: Final = """(NOT :is_gated OR EXISTS (
    SELECT 1 FROM qualification WHERE qualification.campaign_id = item.campaign_id AND account_id = :account
      AND qualification.region = item.region AND passed_at IS NOT NULL AND paused_at IS NULL))"""
# The first image of a chain of revisions stands for all of them.
ROOT: Final = """CASE WHEN item.revision_of_id IS NULL THEN item.id ELSE (
    WITH RECURSIVE up AS (
        SELECT older.id, older.revision_of_id FROM item AS older WHERE older.id = item.revision_of_id
        UNION ALL SELECT older.id, older.revision_of_id FROM up JOIN item AS older ON older.id = up.revision_of_id
    ) SELECT up.id FROM up WHERE up.revision_of_id IS NULL) END"""
FITS: Final = f"""(item.family_id <> ALL(CAST(:families AS uuid[]))
    AND (item.candidate_set_id IS NULL OR item.candidate_set_id IS DISTINCT FROM CAST(:candidates AS uuid))
    AND {ROOT} IS DISTINCT FROM CAST(:root AS uuid))"""

OWED: Final = """
    SELECT item_id FROM claim
    WHERE campaign_id = :campaign AND account_id = :account AND ended_at > :since
      AND is_test AND state IN ('expired', 'released')
"""


class Given(NamedTuple):
    """An item in the order a person is given them. `root` is the first revision of its image. A test is `is_owed` once
    the person gave it back or let it lapse."""

    item_id: uuid.UUID
    family_id: uuid.UUID
    candidate_set_id: uuid.UUID | None
    root: uuid.UUID
    is_test: bool = False
    is_owed: bool = False


class Before(NamedTuple):
    """What a person was given last, the newest first, as far back as it keeps other items at a distance."""

    given: tuple[Given, ...]
    spacing: int

    def then(self, item: Given) -> "Before":
        return Before((item, *self.given)[: max(self.spacing, 1)], self.spacing)

    def fits(self, item: Given) -> bool:
        """Whether it may come next: no sibling within `spacing`, and no candidate of the same set and no other revision
        of the same image right before it."""
        if any(item.family_id == earlier.family_id for earlier in self.given[: self.spacing]):
            return False
        last = self.given[0] if self.given else None
        is_alternative = last is not None and (
            item.root == last.root
            or (item.candidate_set_id is not None and item.candidate_set_id == last.candidate_set_id)
        )
        return not is_alternative

    @property
    def scope(self) -> dict[str, Any]:
        """What `FITS` takes."""
        last = self.given[0] if self.given else None
        return {
            "families": [earlier.family_id for earlier in self.given[: self.spacing]],
            "candidates": last.candidate_set_id if last else None,
            "root": last.root if last else None,
        }


class Held(NamedTuple):
    """What a person holds, in the order to judge it; what they were given last; has anybody let a lease lapse?"""

    mine: list[Claim]
    before: Before
    any_late: bool


# One look for all three. After a crash thousands of leases may have lapsed; to know of one is enough.
_LOOK = (
    sa.select(Claim, col(Item.family_id), col(Item.candidate_set_id), sa.literal_column(ROOT, sa.Uuid()).label("root"))
    .join(Item, col(Item.id) == col(Claim.item_id))
    .where(
        sa.text(
            """
            claim.id = ANY(ARRAY(
                (SELECT id FROM claim WHERE campaign_id = :campaign AND account_id = :account AND state = 'open'
                   AND expires_at > :now)
                UNION ALL (SELECT id FROM claim WHERE campaign_id = :campaign AND state = 'open'
                   AND expires_at <= :now LIMIT 1)
                UNION ALL (SELECT id FROM claim WHERE campaign_id = :campaign AND account_id = :account
                   AND leased_at > :since AND (state IN ('judged', 'skipped') OR state = 'open' AND expires_at > :now)
                   ORDER BY leased_at DESC LIMIT :back)))
            """
        )
    )
    .execution_options(populate_existing=True)
)


def look(session: Session, account_id: uuid.UUID, campaign_id: uuid.UUID, spacing: int, at: datetime) -> Held:
    """What the person holds and was given last, at `at`."""
    back = max(spacing, 1)
    scope = {"account": account_id, "campaign": campaign_id, "now": at, "since": at - PAUSE, "back": back}
    rows = session.execute(_LOOK, scope).all()
    rows = sorted(rows, key=lambda row: (row.Claim.leased_at, row.Claim.id))
    mine = [row for row in rows if row.Claim.account_id == account_id]
    is_held = [row.Claim.state is ClaimState.OPEN and row.Claim.expires_at > at for row in mine]
    seen = [
        Given(row.Claim.item_id, row.family_id, row.candidate_set_id, row.root)
        for row, held in zip(mine, is_held, strict=True)
        if row.Claim.leased_at > at - PAUSE and (held or row.Claim.state is not ClaimState.OPEN)
    ]
    any_late = any(row.Claim.state is ClaimState.OPEN and row.Claim.expires_at <= at for row in rows)
    return Held(
        [row.Claim for row, held in zip(mine, is_held, strict=True) if held],
        Before(tuple(seen[::-1][:back]), spacing),
        any_late,
    )


def _ordinary(deep: int) -> sa.TextClause:
    """Of each lane the first `deep` items that fit, merged, and the first of those that nobody else is just taking.

    One whose counts changed since our snapshot is checked again, as changed, once it is locked.
    """
    return sa.text(
        f"""
        SELECT item.id, item.family_id, item.candidate_set_id, {ROOT} AS root
        FROM unnest(CAST(:lanes AS text[]), CAST(:ranks AS integer[])) AS look(lane, rank)
        CROSS JOIN LATERAL (
            SELECT item.id FROM item
            WHERE item.campaign_id = :campaign AND item.lane = look.lane AND {CLAIMABLE} AND {FITS} AND {UNSEEN}
            ORDER BY item.priority DESC, item.held, item.shuffle LIMIT {deep}
        ) AS found
        JOIN item ON item.id = found.id
        WHERE item.lane = look.lane AND {CLAIMABLE} AND {QUALIFIED}
        ORDER BY look.rank, item.priority DESC, item.held, item.shuffle
        LIMIT :count
        FOR NO KEY UPDATE OF item SKIP LOCKED
        """  # noqa: S608  (nothing in it comes from outside)
    )


_DEPTHS = (16, 80)
ORDINARY = {deep: _ordinary(deep) for deep in _DEPTHS}
_DEEP_DOWN = _ordinary(1000)
"""For when others hold the first ones of every lane."""
GOLD_LOOK: Final = 200
"""Gold items looked at on either side of the random place; a test that can't be found there is left out."""


# First what the person gave back or let lapse, which comes again as ordinary items do; then what they can't meet in the
# ordinary queue, so that a test is one more than what `remaining` counts there; each from a random place on.
GOLD = sa.text(
    f"""
    WITH owed AS ({OWED}),
    known AS (
        (SELECT DISTINCT item_id FROM gold WHERE item_id >= CAST(:start AS uuid) AND withdrawn_at IS NULL
         ORDER BY item_id LIMIT {GOLD_LOOK})
        UNION (SELECT DISTINCT item_id FROM gold WHERE item_id < CAST(:start AS uuid) AND withdrawn_at IS NULL
               ORDER BY item_id LIMIT {GOLD_LOOK})
        UNION SELECT item_id FROM owed
    )
    SELECT item.id, item.family_id, item.candidate_set_id, {ROOT} AS root, owed.item_id IS NOT NULL AS is_owed
    FROM known JOIN item ON item.id = known.item_id LEFT JOIN owed ON owed.item_id = item.id
    WHERE item.campaign_id = :campaign AND (item.hold IS NULL OR item.hold = 'quota') AND {FITS} AND {QUALIFIED}
      AND (owed.item_id IS NOT NULL OR NOT EXISTS (
        SELECT 1 FROM claim WHERE claim.item_id = item.id AND claim.account_id = :account OFFSET 0))
    ORDER BY is_owed DESC, {CLAIMABLE} AND item.lane = ANY(CAST(:lanes AS text[])),
             item.id < CAST(:start AS uuid), item.id
    LIMIT :count
    """  # noqa: S608  (nothing in it comes from outside)
)


def choose(session: Session, asker: Asker, before: Before, count: int, at: datetime) -> list[Given]:
    """Up to `count` items for this person, in the order to judge them; the ordinary ones are locked.

    Siblings stay `family_spacing` items apart, and neither two candidates of one set nor two revisions of one image
    follow each other, in a batch as between batches. What was given more than an hour ago no longer counts for that:
    else the last siblings, with nothing left to lie between them, would never be judged.

    With gold in the policy both kinds are looked for each time, so that nobody can tell from how long it takes.
    """
    plan = Plan.of(asker)
    lanes = asker.lanes
    scope = asker.scope | {
        "ranks": [lane.rank for lane in lanes],
        "since": at - PAUSE,
        "start": plan.start(asker.n_claimed),
    }
    tests: list[Given] = []
    if plan.has_tests:
        rows = session.execute(GOLD, scope | before.scope | {"count": count + 2}).all()
        tests = [Given(row.id, row.family_id, row.candidate_set_id, row.root, True, row.is_owed) for row in rows]
    chosen: list[Given] = []
    found: list[Given] = []
    while len(chosen) < count:
        if not any(before.fits(item) for item in found):
            found = _look_for(session, scope | before.scope, chosen, count - len(chosen))
        # Tests lie before ordinary items, never after the last one.
        is_due = bool(found) and plan.is_test(asker.n_claimed + len(chosen) + 1)
        fitting = [item for item in tests if before.fits(item) and (is_due or item.is_owed)]
        fitting += [item for item in found if before.fits(item)]
        if not fitting:
            break
        taken = fitting[0]
        # An undecided item whose answer is known may stand in both lists.
        tests, found = ([item for item in some if item.item_id != taken.item_id] for some in (tests, found))
        chosen.append(taken)
        before = before.then(taken)
    return chosen


def _look_for(session: Session, scope: dict[str, Any], chosen: Sequence[Given], count: int) -> list[Given]:
    """Up to `count` ordinary items that may follow, beside those chosen already."""
    there = {item.item_id for item in chosen}
    wanted = count + len(there)
    deep = next((deep for deep in _DEPTHS if deep >= 2 * wanted + 8), None)
    statements = [ORDINARY[deep], _DEEP_DOWN] if deep else [_DEEP_DOWN]
    found: list[Given] = []
    for statement in statements:
        rows = session.execute(statement, scope | {"count": wanted}).all()
        found = [Given(row.id, row.family_id, row.candidate_set_id, row.root) for row in rows if row.id not in there]
        if len(found) >= count:
            break
    return found[:count]
