"""What waits for an admin's word, in the order in which a word is worth most."""

import uuid
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Account
from app.agreement.rules import ANSWERS
from app.agreement.tallies import QUESTIONS
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.campaigns.parameters import parameters_of
from app.errors import Invalid
from app.items.models import Item, Subtask
from app.items.queries import GridItem, grid_items

MOST: Final = 1000
FEW_APPROVED: Final = 3
ORDER: Final = (
    "Appeals come first; then what the rater models doubt most, counting double if it was sent back for another look, "
    f"if its quota still lacks approved items or if its dish has fewer than {FEW_APPROVED} approved images (threefold "
    "for two of these, fourfold for all); last what no model has looked at, most questions in dispute first."
)
WEIGHTS: Final = {
    "sent_back": "sent back for another look",
    "quota": "quota still short",
    "rare": "few approved of this dish",
}


class Narrowed(NamedTuple):
    """What the queue is narrowed by; empty is no filter. `country` is any food's or the background's ISO code,
    `question` one that is in dispute, `only` "appeals" or "disputes"."""

    subtask: str = ""
    country: str = ""
    question: str = ""
    only: str = ""


class Waiting(NamedTuple):
    """`doubt` is the rater models' (0 to 0.5), None where they haven't looked. `weights` are keys of WEIGHTS.

    `questions` are in dispute, by the newest rule's decision; `tallies` its votes, as far as the rule kept them:
    {question: {"yes", "no", "unsure"}}. `appeals` are open ones.
    """

    item_id: uuid.UUID
    doubt: float | None
    weights: Sequence[str]
    questions: Sequence[str]
    tallies: dict[str, dict[str, int]]
    appeals: int


_FROM = """
    FROM item
    LEFT JOIN LATERAL (
        SELECT detail FROM decision WHERE decision.item_id = item.id AND method = 'rule' ORDER BY id DESC LIMIT 1
    ) AS latest ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(key), '{}') AS keys, count(*) FILTER (WHERE answer = 'null') AS split,
               count(*) FILTER (WHERE answer = '"unsure"') AS unsure
        FROM (
            SELECT key, value AS answer FROM jsonb_each(coalesce(latest.detail -> 'majorities', '{}'))
            WHERE NOT coalesce(latest.detail ? 'posteriors', false)
            UNION ALL
            SELECT key, 'null' FROM jsonb_each(coalesce(latest.detail -> 'posteriors', '{}'))
            WHERE value::float > 1 - (latest.detail ->> 'threshold')::float
              AND value::float < (latest.detail ->> 'threshold')::float
        ) AS asked WHERE answer IN ('null', '"unsure"')
    ) AS open
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM appeal WHERE appeal.item_id = item.id AND answered_at IS NULL
    ) AS appealed
    LEFT JOIN item_posterior ON item_posterior.item_id = item.id
    WHERE item.id IN (
        SELECT id FROM item WHERE campaign_id = :campaign AND status = 'disputed'
        UNION
        SELECT item_id FROM appeal JOIN item ON item.id = item_id
        WHERE answered_at IS NULL AND campaign_id = :campaign AND status <> 'pending'
      )
      AND NOT EXISTS (SELECT 1 FROM claim WHERE claim.item_id = item.id AND claim.account_id = :account
                        AND claim.state = 'judged')
      AND (CAST(:subtask AS text) = '' OR item.subtask = CAST(:subtask AS text))
      AND (CAST(:country AS text) = '' OR EXISTS (
            SELECT 1 FROM item_food WHERE item_food.item_id = item.id AND CAST(:country AS text) = ANY(countries)
          ) OR EXISTS (
            SELECT 1 FROM background WHERE background.id = item.background_id AND country = CAST(:country AS text)))
      AND (CAST(:question AS text) = '' OR CAST(:question AS text) = ANY(open.keys))
      AND CASE CAST(:only AS text)
            WHEN 'appeals' THEN appealed.n > 0 WHEN 'disputes' THEN item.status = 'disputed' ELSE true END
"""

_WAITING = sa.text(
    f"""
    SELECT waiting.*, weights[1] AS sent_back, weights[2] AS quota, weights[3] AS rare
    FROM (
        SELECT item.id, item.key, item.decided_at, item_posterior.doubt, open.keys AS questions, open.split,
               open.unsure, latest.detail, appealed.n AS appeals, ARRAY[
                   EXISTS (SELECT 1 FROM decision WHERE decision.item_id = item.id AND method IN ('recheck', 'refit')),
                   item.subtask = ANY(CAST(:short_subtasks AS text[]))
                       OR item.home = ANY(CAST(:short_countries AS text[])),
                   (SELECT count(*) FROM (
                       SELECT 1 FROM item AS other WHERE other.campaign_id = item.campaign_id
                         AND other.family_id = item.family_id AND other.status = 'approved' LIMIT :few
                   ) AS approved) < :few
               ] AS weights
        {_FROM}
    ) AS waiting
    CROSS JOIN LATERAL (SELECT cardinality(array_positions(weights, true)) AS n) AS value
    ORDER BY appeals > 0 DESC, doubt * (1 + value.n) DESC NULLS LAST, split DESC, unsure DESC, value.n DESC, decided_at,
             key
    LIMIT :limit
    """  # noqa: S608  (nothing in it comes from outside)
)
_COUNT = sa.text(f"SELECT count(*) {_FROM}")
_IS_WAITING = sa.text(
    """
    SELECT status = 'disputed' OR (status <> 'pending' AND EXISTS (
        SELECT 1 FROM appeal WHERE appeal.item_id = item.id AND answered_at IS NULL)) FROM item WHERE item.id = :item
    """
)
_APPROVED = sa.text(
    """
    SELECT CASE WHEN CAST(:kind AS text) = 'subtask' THEN subtask ELSE home END AS name, count(*) AS n
    FROM item WHERE campaign_id = :campaign AND status = 'approved' GROUP BY 1
    """
)


def waiting(
    session: Session, account: Account, campaign: Campaign, narrowed: Narrowed = Narrowed(), *, limit: int = MOST
) -> list[Waiting]:
    """Up to `limit` items this admin may settle, the most valuable first: disputed ones, and decided ones somebody
    appealed against.

    Appeals come first. The others go by the rater models' doubt times (1 + its weights): one for an item that was sent
    back, one where a quota it counts towards is still short of approved items, one where its dish has fewer than
    FEW_APPROVED approved images. What no model has looked at follows: most questions without a majority, then most
    where the majority is unsure, then most weights, then the longest undecided. Raises Invalid for a filter that can't
    be meant.
    """
    scope = _scope(account, campaign, narrowed) | _short(session, campaign) | {"few": FEW_APPROVED, "limit": limit}
    return [_waiting(row) for row in session.execute(_WAITING, scope)]


def count_waiting(session: Session, account: Account, campaign: Campaign, narrowed: Narrowed = Narrowed()) -> int:
    return int(session.execute(_COUNT, _scope(account, campaign, narrowed)).scalar_one())


def is_waiting(session: Session, item: Item) -> bool:
    """Whether it is in the queue of whoever may settle it."""
    return bool(session.execute(_IS_WAITING, {"item": item.id}).scalar_one())


def next_waiting(
    session: Session,
    account: Account,
    campaign: Campaign,
    after: uuid.UUID | None = None,
    narrowed: Narrowed = Narrowed(),
) -> uuid.UUID | None:
    """The first item of the queue, or the one that follows `after` in it; from the last it goes on at the first."""
    ids = [entry.item_id for entry in waiting(session, account, campaign, narrowed)]
    if not ids:
        return None
    place = ids.index(after) + 1 if after in ids else 0
    return ids[place % len(ids)]


class Shown(NamedTuple):
    waiting: Waiting
    entry: GridItem


def with_pictures(session: Session, found: Sequence[Waiting]) -> list[Shown]:
    entries = {entry.item.id: entry for entry in grid_items(session, [entry.item_id for entry in found])}
    return [Shown(entry, entries[entry.item_id]) for entry in found]


def _waiting(row: Any) -> Waiting:
    detail = row.detail or {}
    in_dispute = [key for key in QUESTIONS if key in row.questions]
    counts = {key: detail["tallies"][key] for key in in_dispute if key in detail.get("tallies", {})}
    tallies = {key: {answer: count.get(answer, 0) for answer in ANSWERS} for key, count in counts.items()}
    return Waiting(
        row.id, row.doubt, [name for name in WEIGHTS if getattr(row, name)], in_dispute, tallies, row.appeals
    )


def _scope(account: Account, campaign: Campaign, narrowed: Narrowed) -> dict[str, Any]:
    for name, given, known in [
        ("subtask", narrowed.subtask, [subtask.value for subtask in Subtask]),
        ("question", narrowed.question, list(QUESTIONS)),
        ("only", narrowed.only, ["appeals", "disputes"]),
    ]:
        if given and given not in known:
            message = f"There is no such choice; the choices are {', '.join(known)}."
            raise Invalid(f"{name}: {message}", fields={name: message})
    return {"campaign": campaign.id, "account": account.id} | narrowed._asdict()


def _short(session: Session, campaign: Campaign) -> dict[str, list[str]]:
    """Subtasks and countries whose quota still lacks approved items."""
    quotas = parameters_of(campaigns.current_policy(session, campaign)).quotas
    short: dict[str, list[str]] = {}
    for kind in ("subtask", "country"):
        wanted = {name.partition(" ")[2]: n for name, n in quotas.items() if name.startswith(f"{kind} ")}
        approved: dict[str, int] = {}
        if wanted:
            rows = session.execute(_APPROVED, {"campaign": campaign.id, "kind": kind})
            approved = {row.name: row.n for row in rows}
        short[kind] = [name for name, n in wanted.items() if approved.get(name, 0) < n]
    return {"short_subtasks": short["subtask"], "short_countries": short["country"]}
