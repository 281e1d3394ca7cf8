"""The campaign's counts of votes, kept up to date: only items that changed since the last look are counted again."""

import json
import uuid
from collections import Counter
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.tallies import NOT_ASKED, QUESTIONS, ItemVotes, Tally, Vote

BATCH = 5_000
"""Items counted at a time: some tens of MB."""


class Recount(NamedTuple):
    """What a count from nothing found. Gold items are in neither `n_items` nor `n_judgments`.

    `n_numbers` are all that is kept: every count, and every item's votes; `n_differing` of them were not right before.
    """

    n_items: int
    n_judgments: int
    n_numbers: int
    n_differing: int


def up_to_date(session: Session, campaign_id: uuid.UUID) -> uuid.UUID:
    """Counts what changed since the last look, and returns the version of the counts: another one after every change.

    Changes are few while people judge, so this takes milliseconds; after an import of judgments it takes about a
    second for 10,000 items. Whoever looks at the same time waits for the one who counts.
    """
    if session.execute(_IS_CHANGED, {"campaign": campaign_id}).scalar_one():
        _lock(session, campaign_id)
        if _count_changes(session, campaign_id):
            session.execute(_NEW_VERSION, {"campaign": campaign_id, "version": uuid.uuid4()})
    # A version belongs to one campaign alone, also that of a campaign in which nothing was ever counted.
    return session.execute(_VERSION, {"campaign": campaign_id}).scalar_one_or_none() or campaign_id


def rebuild(session: Session, campaign_id: uuid.UUID) -> Recount:
    """Forgets the counts, counts every judgment again, and says how far the two are apart: not at all, unless somebody
    changed the tables.

    In a REPEATABLE READ transaction a judgment that comes in meanwhile is not taken for a difference; it fails at once
    if somebody else is just counting.
    """
    _lock(session, campaign_id)
    is_changed = _count_changes(session, campaign_id)
    before = _kept(session, campaign_id)
    for table in ("counted_votes", *_KEYS, "vote_change"):
        session.execute(sa.text(f"DELETE FROM {table} WHERE campaign_id = :campaign"), {"campaign": campaign_id})  # noqa: S608  (names from here)
    session.execute(_EVERY_ITEM, {"campaign": campaign_id})
    _count_changes(session, campaign_id)
    after = _kept(session, campaign_id)
    differing = sum(before.get(key) != after.get(key) for key in before.keys() | after.keys())
    if is_changed or differing:
        session.execute(_NEW_VERSION, {"campaign": campaign_id, "version": uuid.uuid4()})
    items = session.execute(_TOTALS, {"campaign": campaign_id}).one()
    return Recount(items.n_items, items.n_judgments, len(after), differing)


def counted_afresh(session: Session, campaign_id: uuid.UUID) -> Tally:
    """The counts from every judgment, past the tables: for transactions that may not write, and to check them."""
    tally = Tally()
    items = session.execute(_ITEMS, {"campaign": campaign_id}).scalars().all()
    for start in range(0, len(items), BATCH):
        for row in session.execute(_GIVEN_NOW, {"items": items[start : start + BATCH]}):
            if not row.is_gold:
                tally.add(_item_votes(row, row.raters, row.answers, row.knows, row.days))
    return tally


def _lock(session: Session, campaign_id: uuid.UUID) -> None:
    """The state's row is the lock; its version changes with the counts, so nobody sees one without the other."""
    session.execute(_LOCK, {"campaign": campaign_id})


def _count_changes(session: Session, campaign_id: uuid.UUID) -> bool:
    """Counts the items noted as changed again. Returns whether any of them is another now."""
    tally, is_changed = Tally(), False
    while taken := session.execute(_TAKE_CHANGES, {"campaign": campaign_id, "limit": BATCH}).scalars().all():
        for row in session.execute(_COUNT_AGAIN, {"items": list(set(taken))}):
            is_changed = True
            if row.old_raters is not None and not row.old_is_gold:
                tally.add(_item_votes(row, row.old_raters, row.old_answers, row.old_knows, row.old_days), -1)
            if row.raters is not None and not row.is_gold:
                tally.add(_item_votes(row, row.raters, row.answers, row.knows, row.days))
    _add(session, campaign_id, tally)
    return is_changed


def _item_votes(row: Any, *columns: list[Any]) -> ItemVotes:
    """An item of `_FACT` with its votes: raters, answers, what they know, and days."""
    first, second = tuple(row.first), tuple(row.second)
    parts = (("subtask", row.subtask), ("generator", row.generator), *(("country", country) for country in first))
    votes = tuple(Vote(*vote) for vote in zip(*columns, strict=True))
    return ItemVotes(votes, parts, (first, first, second, second, tuple(row.scene)))


def _add(session: Session, campaign_id: uuid.UUID, tally: Tally) -> None:
    """Adds the differences; what came down to nothing goes."""
    counters: tuple[Counter[Any], ...] = (tally.patterns, tally.raters, tally.pairs)
    for (table, key), counter in zip(_KEYS.items(), counters, strict=True):
        if not counter:
            continue
        names = ", ".join(key)
        rows = [dict(zip((*key, "n_items"), (*place, n), strict=True)) for place, n in counter.items()]
        add = f"""
            INSERT INTO {table} AS kept (campaign_id, {names}, n_items)
            SELECT :campaign, {names}, n_items
            FROM json_populate_recordset(CAST(NULL AS {table}), CAST(:rows AS json))
            ON CONFLICT (campaign_id, {names}) DO UPDATE SET n_items = kept.n_items + excluded.n_items
        """  # noqa: S608  (names from here)
        session.execute(sa.text(add), {"campaign": campaign_id, "rows": json.dumps(rows)})
        emptied = f"DELETE FROM {table} WHERE campaign_id = :campaign AND n_items = 0"  # noqa: S608  (names from here)
        session.execute(sa.text(emptied), {"campaign": campaign_id})


def _kept(session: Session, campaign_id: uuid.UUID) -> dict[tuple[Any, ...], Any]:
    """All that is kept of a campaign: {(table, *key): number of items, or an item's votes as text}."""
    scope = {"campaign": campaign_id}
    kept = {("counted_votes", row.item_id): row.votes for row in session.execute(_VOTES_AS_TEXT, scope)}
    for table, key in _KEYS.items():
        statement = f"SELECT {', '.join(key)}, n_items FROM {table} WHERE campaign_id = :campaign"  # noqa: S608  (names from here)
        kept |= {(table, *place): n for *place, n in session.execute(sa.text(statement), scope)}
    return kept


# What a row of each table counts, in the order of the tally's keys.
_PART = ("basis", "question", "kind", "part")
_KEYS = {
    "vote_pattern": (*_PART, "yes", "no", "unsure"),
    "rater_votes": (*_PART, "rater_id", "answer"),
    "rater_pair": ("basis", "question", "a", "b", "answer_a", "answer_b"),
}

_IS_CHANGED = sa.text("SELECT EXISTS (SELECT 1 FROM vote_change WHERE campaign_id = :campaign)")

_VERSION = sa.text("SELECT version FROM tally_state WHERE campaign_id = :campaign")

_LOCK = sa.text(
    """
    INSERT INTO tally_state (campaign_id, version, changed_at) VALUES (:campaign, :campaign, now())
    ON CONFLICT (campaign_id) DO UPDATE SET version = tally_state.version
    """
)

_NEW_VERSION = sa.text("UPDATE tally_state SET version = :version, changed_at = now() WHERE campaign_id = :campaign")

_EVERY_ITEM = sa.text(
    """
    INSERT INTO vote_change (campaign_id, item_id)
    SELECT DISTINCT campaign_id, item_id FROM claim WHERE campaign_id = :campaign AND state = 'judged'
    """
)

_TAKE_CHANGES = sa.text(
    """
    DELETE FROM vote_change WHERE id IN (
        SELECT id FROM vote_change WHERE campaign_id = :campaign ORDER BY id LIMIT :limit
    ) RETURNING item_id
    """
)

_ITEMS = sa.text(
    "SELECT DISTINCT item_id FROM claim WHERE campaign_id = :campaign AND state = 'judged' ORDER BY item_id"
)

_TOTALS = sa.text(
    """
    SELECT count(*) AS n_items, coalesce(sum(cardinality(raters)), 0) AS n_judgments
    FROM counted_votes WHERE campaign_id = :campaign AND NOT is_gold
    """
)

_VOTES_AS_TEXT = sa.text(
    """
    SELECT item_id, CAST(row(raters, answers, knows, days, is_gold) AS text) AS votes
    FROM counted_votes WHERE campaign_id = :campaign
    """
)

_LETTERS = " || ".join(
    f"coalesce(left(judgment.answers #>> '{{{question},answer}}', 1), '{NOT_ASKED}')" for question in QUESTIONS
)
_KNOWS = " || ".join(
    f"CASE WHEN substr(answers, {place}, 1) = '{NOT_ASKED}' THEN '{NOT_ASKED}' "
    f"WHEN known.countries && {about} THEN '1' ELSE '0' END"
    for place, about in enumerate(("first", "first", "second", "second", "scene"), start=1)
)

# What the items :items are, and what they have been given: those with any judgment that counts.
_GIVEN = f"""
    fact AS (
        SELECT item.id AS item_id, item.campaign_id, item.subtask, coalesce(item.generator, 'not stated') AS generator,
               coalesce(food1.countries, '{{}}') AS first, coalesce(food2.countries, '{{}}') AS second,
               array_remove(ARRAY[CAST(background.country AS text)], NULL) AS scene,
               EXISTS (SELECT 1 FROM gold WHERE gold.item_id = item.id) AS is_gold
        FROM item
        LEFT JOIN background ON background.id = item.background_id
        LEFT JOIN item_food AS food1 ON food1.item_id = item.id AND food1.slot = 1
        LEFT JOIN item_food AS food2 ON food2.item_id = item.id AND food2.slot = 2
        WHERE item.id = ANY(:items)
    ),
    known AS (SELECT account_id, array_agg(CAST(country AS text)) AS countries FROM known_country GROUP BY account_id),
    vote AS MATERIALIZED (
        SELECT claim.id, claim.item_id, claim.account_id, claim.ended_at, {_LETTERS} AS answers
        FROM claim JOIN judgment ON judgment.id = claim.judgment_id
        WHERE claim.item_id = ANY(:items) AND claim.state = 'judged'
          AND (claim.slot IS NOT NULL OR claim.is_test AND claim.item_id IN (SELECT item_id FROM fact WHERE is_gold))
    ),
    given AS (
        SELECT item_id,
               array_agg(account_id ORDER BY ended_at, id) AS raters,
               array_agg(answers ORDER BY ended_at, id) AS answers,
               array_agg({_KNOWS} ORDER BY ended_at, id) AS knows,
               array_agg(CAST(ended_at AT TIME ZONE 'UTC' AS date) ORDER BY ended_at, id) AS days
        FROM vote JOIN fact USING (item_id) LEFT JOIN known USING (account_id)
        GROUP BY item_id
    )
"""  # noqa: S608  (nothing in it comes from outside)

_GIVEN_NOW = sa.text(
    f"""
    WITH {_GIVEN}
    SELECT fact.*, CAST(raters AS text[]) AS raters, answers, knows, days FROM fact JOIN given USING (item_id)
    """  # noqa: S608
)

# One statement, so that all of it sees the same moment: what is kept becomes what is given, and of each item that is
# another now both come back. The last part still sees what was kept before.
_COUNT_AGAIN = sa.text(
    f"""
    WITH {_GIVEN},
    put AS (
        INSERT INTO counted_votes AS kept (item_id, campaign_id, raters, answers, knows, days, is_gold)
        SELECT item_id, campaign_id, raters, answers, knows, days, is_gold FROM fact JOIN given USING (item_id)
        ON CONFLICT (item_id) DO UPDATE SET raters = excluded.raters, answers = excluded.answers,
            knows = excluded.knows, days = excluded.days, is_gold = excluded.is_gold
        WHERE (kept.raters, kept.answers, kept.knows, kept.days, kept.is_gold)
            IS DISTINCT FROM (excluded.raters, excluded.answers, excluded.knows, excluded.days, excluded.is_gold)
        RETURNING item_id
    ),
    gone AS (
        DELETE FROM counted_votes
        WHERE item_id = ANY(:items) AND NOT EXISTS (SELECT 1 FROM given WHERE given.item_id = counted_votes.item_id)
        RETURNING item_id
    )
    SELECT fact.*, CAST(given.raters AS text[]) AS raters, given.answers, given.knows, given.days,
           CAST(old.raters AS text[]) AS old_raters, old.answers AS old_answers, old.knows AS old_knows,
           old.days AS old_days, old.is_gold AS old_is_gold
    FROM fact LEFT JOIN given USING (item_id) LEFT JOIN counted_votes AS old USING (item_id)
    WHERE item_id IN (SELECT item_id FROM put UNION ALL SELECT item_id FROM gone)
    """  # noqa: S608
)
