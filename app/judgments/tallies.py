"""The campaign's counts of votes, kept up to date: only items that changed since the last look are counted again."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.tallies import NOT_ASKED, QUESTIONS, ItemVotes, Tally, Vote

BATCH = 5_000
"""Items counted at a time: some tens of MB."""


def up_to_date(session: Session, campaign_id: uuid.UUID) -> uuid.UUID:
    """Counts what changed since the last look, and returns the version of the counts.

    Changes are few while people judge, so this takes milliseconds; after an import of judgments it takes about a
    second for 10,000 items. Whoever looks at the same time waits for the one who counts.
    """
    if _is_changed(session, campaign_id):
        _lock(session, campaign_id)
        tally = Tally.empty()
        while changed := _take_changes(session, campaign_id):
            _count(session, campaign_id, changed, tally)
        _add(session, campaign_id, tally)
    return session.execute(_VERSION, {"campaign": campaign_id}).scalar_one_or_none() or uuid.UUID(int=0)


def rebuild(session: Session, campaign_id: uuid.UUID) -> uuid.UUID:
    """Forgets the counts and counts every judgment again: the same numbers, unless somebody changed the tables."""
    _lock(session, campaign_id)
    for table in ("counted_votes", "vote_pattern", "rater_votes", "rater_pair", "vote_change"):
        session.execute(sa.text(f"DELETE FROM {table} WHERE campaign_id = :campaign"), {"campaign": campaign_id})  # noqa: S608  (names from here)
    session.execute(_EVERY_ITEM, {"campaign": campaign_id})
    return up_to_date(session, campaign_id)


def _is_changed(session: Session, campaign_id: uuid.UUID) -> bool:
    return bool(session.execute(_IS_CHANGED, {"campaign": campaign_id}).scalar_one())


def _lock(session: Session, campaign_id: uuid.UUID) -> None:
    """The state's row is the lock; it gets its new version with the changes, so nobody sees one without the other."""
    session.execute(_NEW_VERSION, {"campaign": campaign_id, "version": uuid.uuid4()})


def _take_changes(session: Session, campaign_id: uuid.UUID) -> list[uuid.UUID]:
    taken = session.execute(_TAKE_CHANGES, {"campaign": campaign_id, "limit": BATCH})
    return list(set(taken.scalars()))


def counted_afresh(session: Session, campaign_id: uuid.UUID) -> Tally:
    """The counts from every judgment, past the tables: for transactions that may not write, and to check them."""
    tally = Tally.empty()
    items = session.execute(_ITEMS, {"campaign": campaign_id}).scalars().all()
    for start in range(0, len(items), BATCH):
        facts = _facts(session, items[start : start + BATCH])
        for item_id, votes in _given_votes(session, facts):
            if not facts[item_id].is_gold:
                tally.add(_item_votes(facts[item_id], votes))
    return tally


def _count(session: Session, campaign_id: uuid.UUID, items: Sequence[uuid.UUID], tally: Tally) -> None:
    """Takes what stands for these items out of the tally, and puts in what they have now."""
    facts = _facts(session, items)
    for row in session.execute(_COUNTED, {"items": list(facts)}):
        if not row.is_gold:
            tally.add(_item_votes(facts[row.item_id], _stored_votes(row)), -1)
    kept: dict[uuid.UUID, dict[str, Any]] = {}
    for item_id, votes in _given_votes(session, facts):
        is_gold = facts[item_id].is_gold
        if not is_gold:
            tally.add(_item_votes(facts[item_id], votes))
        kept[item_id] = {
            "item": item_id, "campaign": campaign_id, "raters": [uuid.UUID(vote.rater) for vote in votes],
            "answers": [vote.answers for vote in votes], "knows": [vote.knows for vote in votes],
            "days": [vote.day for vote in votes], "is_gold": is_gold,
        }  # fmt: skip
    session.execute(_FORGET, {"items": [item_id for item_id in facts if item_id not in kept]})
    if kept:
        session.execute(_KEEP, list(kept.values()))


def _facts(session: Session, items: Sequence[uuid.UUID]) -> dict[uuid.UUID, Any]:
    return {row.id: row for row in session.execute(_FACTS, {"items": list(items)})}


def _given_votes(session: Session, facts: dict[uuid.UUID, Any]) -> Iterator[tuple[uuid.UUID, tuple[Vote, ...]]]:
    """What these items have been given, for those with any judgment that counts."""
    known = _known_countries(session)
    for row in session.execute(_GIVEN, {"items": list(facts)}):
        yield (
            row.item_id,
            tuple(
                Vote(str(rater), answers, _knows(facts[row.item_id], answers, known[rater]), day)
                for rater, answers, day in zip(row.raters, row.answers, row.days, strict=True)
            ),
        )


def _item_votes(fact: Any, votes: tuple[Vote, ...]) -> ItemVotes:
    parts = (
        ("subtask", fact.subtask),
        ("generator", fact.generator or "not stated"),
        *(("country", country) for country in fact.first),
    )
    return ItemVotes(votes, parts, _about(fact))


def _about(fact: Any) -> tuple[tuple[str, ...], ...]:
    """The countries each question is about."""
    first, second = tuple(fact.first), tuple(fact.second)
    return first, first, second, second, (fact.scene,) if fact.scene else ()


def _knows(fact: Any, answers: str, known: set[str]) -> str:
    return "".join(
        NOT_ASKED if answer == NOT_ASKED else "1" if known.intersection(countries) else "0"
        for answer, countries in zip(answers, _about(fact), strict=True)
    )


def _stored_votes(row: Any) -> tuple[Vote, ...]:
    columns = zip(row.raters, row.answers, row.knows, row.days, strict=True)
    return tuple(Vote(str(rater), answers, knows, day) for rater, answers, knows, day in columns)


def _known_countries(session: Session) -> dict[uuid.UUID, set[str]]:
    known: dict[uuid.UUID, set[str]] = defaultdict(set)
    for account_id, country in session.execute(sa.text("SELECT account_id, country FROM known_country")):
        known[account_id].add(country)
    return known


def _add(session: Session, campaign_id: uuid.UUID, tally: Tally) -> None:
    """Adds the differences; what came down to nothing goes."""
    for table, names, counter in (
        ("vote_pattern", _PATTERN, tally.patterns),
        ("rater_votes", _RATER, tally.raters),
        ("rater_pair", _PAIR, tally.pairs),
    ):
        rows = [(*key, n) for key, n in counter.items() if n]
        if not rows:
            continue
        columns = list(zip(*rows, strict=True))
        given = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in (*names.items(), ("n_items", "integer")))
        statement = f"""
            INSERT INTO {table} AS kept (campaign_id, {", ".join(names)}, n_items)
            SELECT :campaign, * FROM unnest({given})
            ON CONFLICT (campaign_id, {", ".join(names)}) DO UPDATE SET n_items = kept.n_items + excluded.n_items
        """  # noqa: S608  (names from here)
        values = dict(zip((*names, "n_items"), map(list, columns), strict=True))
        session.execute(sa.text(statement), {"campaign": campaign_id} | values)
        emptied = f"DELETE FROM {table} WHERE campaign_id = :campaign AND n_items = 0"  # noqa: S608  (names from here)
        session.execute(sa.text(emptied), {"campaign": campaign_id})


# The columns of each table's key in the order of the tally's, with their types.
_PART = {"basis": "text", "question": "text", "kind": "text", "part": "text"}
_PATTERN = _PART | {"yes": "smallint", "no": "smallint", "unsure": "smallint"}
_RATER = _PART | {"rater_id": "uuid", "answer": "text"}
_PAIR = {"basis": "text", "question": "text", "a": "uuid", "b": "uuid", "answer_a": "text", "answer_b": "text"}

_IS_CHANGED = sa.text("SELECT EXISTS (SELECT 1 FROM vote_change WHERE campaign_id = :campaign)")

_VERSION = sa.text("SELECT version FROM tally_state WHERE campaign_id = :campaign")

_NEW_VERSION = sa.text(
    """
    INSERT INTO tally_state (campaign_id, version, changed_at) VALUES (:campaign, :version, now())
    ON CONFLICT (campaign_id) DO UPDATE SET version = excluded.version, changed_at = excluded.changed_at
    """
)

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

_FACTS = sa.text(
    """
    SELECT item.id, item.subtask, item.generator, background.country AS scene,
           EXISTS (SELECT 1 FROM gold WHERE gold.item_id = item.id) AS is_gold,
           coalesce(food1.countries, '{}') AS first, coalesce(food2.countries, '{}') AS second
    FROM item
    LEFT JOIN background ON background.id = item.background_id
    LEFT JOIN item_food AS food1 ON food1.item_id = item.id AND food1.slot = 1
    LEFT JOIN item_food AS food2 ON food2.item_id = item.id AND food2.slot = 2
    WHERE item.id = ANY(:items)
    """
)

_ITEMS = sa.text(
    "SELECT DISTINCT item_id FROM claim WHERE campaign_id = :campaign AND state = 'judged' ORDER BY item_id"
)

_COUNTED = sa.text("SELECT * FROM counted_votes WHERE item_id = ANY(:items)")

_LETTERS = " || ".join(
    f"coalesce(left(judgment.answers #>> '{{{question},answer}}', 1), '{NOT_ASKED}')" for question in QUESTIONS
)
_GIVEN = sa.text(
    f"""
    SELECT claim.item_id,
           array_agg(claim.account_id ORDER BY claim.ended_at, claim.id) AS raters,
           array_agg({_LETTERS} ORDER BY claim.ended_at, claim.id) AS answers,
           array_agg((claim.ended_at AT TIME ZONE 'UTC')::date ORDER BY claim.ended_at, claim.id) AS days
    FROM claim JOIN judgment ON judgment.id = claim.judgment_id
    WHERE claim.item_id = ANY(:items) AND claim.state = 'judged' AND claim.slot IS NOT NULL
    GROUP BY claim.item_id
    """  # noqa: S608  (nothing in it comes from outside)
)

_FORGET = sa.text("DELETE FROM counted_votes WHERE item_id = ANY(:items)")

_KEEP = sa.text(
    """
    INSERT INTO counted_votes (item_id, campaign_id, raters, answers, knows, days, is_gold)
    VALUES (:item, :campaign, :raters, :answers, :knows, :days, :is_gold)
    ON CONFLICT (item_id) DO UPDATE SET raters = excluded.raters, answers = excluded.answers, knows = excluded.knows,
        days = excluded.days, is_gold = excluded.is_gold
    """
)
