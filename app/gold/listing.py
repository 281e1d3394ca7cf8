"""What admins see of a campaign's gold items: how often each was answered, how often rightly, and which look wrong."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.agreement.intervals import Estimate, wilson
from app.gold import scores
from app.gold.scores import QUESTION_NAMES, GoldAnswer, Right
from app.web.figures.tables import Column, Table, Unit

RELIABLE_ANSWERS: Final = 8
RELIABLE_SHARE: Final = 0.7
DISAGREEING: Final = 3
"""A gold answer is doubted once 3 or more people, of whose other 8 or more gold answers 70 % are right, have answered
it and most of them say otherwise."""
HALF: Final = (0.4, 0.6)
"""Shares of wrong claims among gold that count as about half."""


@dataclass
class Known:
    """One question of a gold item. `reliable` are the answers of people who are right elsewhere."""

    question: str
    answer: str
    is_withdrawn: bool
    share: Right = field(default_factory=Right)
    reliable: Right = field(default_factory=Right)

    @property
    def is_doubted(self) -> bool:
        return self.reliable.n >= DISAGREEING and 2 * self.reliable.right < self.reliable.n


@dataclass
class Entry:
    """`use` is "" (mixed in), "training" or "test"."""

    item_id: uuid.UUID
    key: str
    image_sha256: str
    subtask: str
    region: str
    status: str
    use: str
    since: datetime
    known: list[Known] = field(default_factory=list)
    people: int = 0

    @property
    def is_live(self) -> bool:
        return any(not one.is_withdrawn for one in self.known)

    @property
    def is_doubted(self) -> bool:
        return self.is_live and any(one.is_doubted for one in self.known)

    @property
    def has_wrong_claim(self) -> bool:
        return any(one.answer == "no" and not one.is_withdrawn for one in self.known)


class Balance(NamedTuple):
    """How many gold claims, or exam items, there are, and how many of them are wrong."""

    n: int
    wrong: int

    @property
    def share(self) -> Estimate:
        return wilson(self.wrong, self.n)

    @property
    def is_half(self) -> bool:
        return self.n == 0 or HALF[0] <= self.wrong / self.n <= HALF[1]


_GOLD = sa.text(
    """
    SELECT item.id, item.key, item.image_sha256, item.subtask, item.region, item.status, item.hold,
           gold.question, gold.answer, gold.withdrawn_at, gold.created_at
    FROM gold JOIN item ON item.id = gold.item_id
    WHERE item.campaign_id = :campaign
    ORDER BY item.key
    """
)


def entries(session: Session, campaign_id: uuid.UUID) -> list[Entry]:
    """Doubted ones first, then in the order of their keys."""
    found: dict[uuid.UUID, Entry] = {}
    for row in session.execute(_GOLD, {"campaign": campaign_id}):
        use = row.hold if row.hold in ("training", "test") else ""
        entry = found.setdefault(
            row.id,
            Entry(row.id, row.key, row.image_sha256, row.subtask, row.region, row.status, use, row.created_at),
        )
        entry.known.append(Known(row.question, row.answer, row.withdrawn_at is not None))
        entry.since = min(entry.since, row.created_at)
    _count(found, scores.answers(session, campaign_id, with_withdrawn=True))
    for entry in found.values():
        entry.known.sort(key=lambda one: list(QUESTION_NAMES).index(one.question))
    return sorted(found.values(), key=lambda entry: (not entry.is_doubted, entry.key))


def _count(found: Mapping[uuid.UUID, Entry], given: Sequence[GoldAnswer]) -> None:
    """Fills in who answered. Who is reliable is seen from their answers on other live gold items."""
    live = {(entry.item_id, one.question) for entry in found.values() for one in entry.known if not one.is_withdrawn}
    totals: dict[uuid.UUID, list[int]] = defaultdict(lambda: [0, 0])
    own: dict[tuple[uuid.UUID, uuid.UUID], list[int]] = defaultdict(lambda: [0, 0])
    for answer in given:
        if (answer.item_id, answer.question) in live:
            for counts in (totals[answer.account_id], own[answer.account_id, answer.item_id]):
                counts[0] += 1
                counts[1] += answer.is_right
    shares: dict[tuple[uuid.UUID, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    people: dict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
    for answer in given:
        people[answer.item_id].add(answer.account_id)
        n, right = (
            total - mine
            for total, mine in zip(totals[answer.account_id], own[answer.account_id, answer.item_id], strict=True)
        )
        is_reliable = n >= RELIABLE_ANSWERS and right >= RELIABLE_SHARE * n
        counts = shares[answer.item_id, answer.question]
        for place, add in enumerate((True, answer.is_right, is_reliable, is_reliable and answer.is_right)):
            counts[place] += add
    for entry in found.values():
        entry.people = len(people[entry.item_id])
        for one in entry.known:
            n, right, n_reliable, right_reliable = shares[entry.item_id, one.question]
            one.share, one.reliable = Right(n, right), Right(n_reliable, right_reliable)


def mixed_in(found: Sequence[Entry]) -> Balance:
    """The claims of live gold items that are mixed in among the others."""
    answers = [one.answer for entry in found if not entry.use for one in entry.known if not one.is_withdrawn]
    return Balance(len(answers), answers.count("no"))


def exam_items(found: Sequence[Entry]) -> Mapping[tuple[str, str], Balance]:
    """{(region, "training" or "test"): items, and those with a wrong claim}."""
    kept: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for entry in found:
        if entry.use and entry.is_live:
            kept[entry.region, entry.use].append(entry.has_wrong_claim)
    return {place: Balance(len(wrong), sum(wrong)) for place, wrong in sorted(kept.items())}


_COLUMNS = (
    Column("item", "Item", Unit.TEXT),
    Column("question", "Question", Unit.TEXT),
    Column("answer", "Known answer", Unit.TEXT),
    Column("state", "State", Unit.TEXT),
    Column("use", "For", Unit.TEXT),
    Column("region", "Region", Unit.TEXT),
    Column("n", "Answers", Unit.COUNT),
    Column("right", "Right", Unit.SHARE),
    Column("n_reliable", "Answers of people right elsewhere", Unit.COUNT),
    Column("right_reliable", "Of these right", Unit.SHARE),
    Column("is_doubted", "Doubted", Unit.TEXT),
)


def table(found: Sequence[Entry]) -> Table:
    """A line a question, for the CSV file."""
    rows = [
        (
            entry.key, one.question, one.answer, "withdrawn" if one.is_withdrawn else "live", entry.use or "mixed in",
            entry.region, one.share.n, one.share.estimate.as_json(), one.reliable.n, one.reliable.estimate.as_json(),
            "yes" if one.is_doubted else "no",
        )
        for entry in found
        for one in entry.known
    ]  # fmt: skip
    return Table("gold", "Gold items", _COLUMNS, rows)
