"""The items behind a number: those that a cell of the counts counts, with their votes."""

import base64
import binascii
import json
import uuid
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app import geography
from app.agreement.tallies import FIRST_JUDGMENTS, LETTERS, NOT_ASKED, QUESTIONS, Basis
from app.errors import Invalid
from app.items.cards import BackgroundFacts
from app.items.models import BackgroundKind
from app.judgments.cards import background_words
from app.judgments.vote_conditions import differing_questions, narrowed
from app.judgments.vote_filters import Wanted

Order = Literal["key", "doubt", "differing"]
PAGE_SIZE: Final = 60
AT_ONCE: Final = 2_000
"""Rows of a whole list fetched at a time."""


class Given(NamedTuple):
    """A counted judgment: a letter a question (see `agreement.tallies.Vote`), and what its rater knows."""

    rater: uuid.UUID
    answers: str
    knows: str

    def answer(self, question: str) -> str | None:
        """yes, no or unsure; None where the item has no such question."""
        return LETTERS.get(self.answers[QUESTIONS.index(question)])

    def knows_country_of(self, question: str) -> bool:
        return self.knows[QUESTIONS.index(question)] == "1"


class JudgedItem(NamedTuple):
    """`foods` are (name, ISO codes joined by /) in the order of their slots; `votes` are all that count, in the order
    they were given. `claims` are the probabilities that the newest rater models give each claim of being true."""

    id: uuid.UUID
    key: str
    subtask: str
    status: str
    image_sha256: str
    foods: list[tuple[str, str]]
    background: str | None
    votes: list[Given]
    claims: dict[str, float]
    doubt: float | None

    @property
    def questions(self) -> list[str]:
        return [
            question
            for place, question in enumerate(QUESTIONS)
            if any(vote.answers[place] != NOT_ASKED for vote in self.votes)
        ]

    def differing(self, basis: Basis) -> list[str]:
        """The questions on which not all votes of this basis are alike."""
        votes = self.votes[:FIRST_JUDGMENTS] if basis == "first" else self.votes
        return [key for key in self.questions if len({vote.answer(key) for vote in votes} - {None}) > 1]


class Page(NamedTuple):
    """`next_cursor` is None on the last page."""

    items: list[JudgedItem]
    next_cursor: str | None


def number_of(session: Session, campaign_id: uuid.UUID, basis: Basis, wanted: Wanted) -> int:
    """How many items fit. The counts must be up to date (`tallies.up_to_date`), and the filters checked."""
    source, scope = narrowed(campaign_id, basis, wanted)
    return int(session.execute(sa.text(f"SELECT count(*) {source}"), scope).scalar_one())


def page(
    session: Session, campaign_id: uuid.UUID, basis: Basis, wanted: Wanted, *, order: Order = "key", cursor: str = "",
    limit: int = PAGE_SIZE,
) -> Page:  # fmt: skip
    """The items that follow the cursor. By key, or the most doubtful or most differing first and then by key; without
    a model's doubt last. Raises Invalid for a damaged cursor."""
    statement, scope = _listed(campaign_id, basis, wanted, order)
    if cursor:
        scope["after_rank"], scope["after_key"] = _place_in(cursor)
        statement = f"{statement} AND {_AFTER[order == 'key'].format(rank=_RANKS[order])}"
    rows = session.execute(sa.text(f"{statement} {_ORDERS[order]} LIMIT :limit"), scope | {"limit": limit + 1}).all()
    shown = rows[:limit]
    return Page([_item(row) for row in shown], _cursor_at(shown[-1]) if len(rows) > limit else None)


def every(
    session: Session, campaign_id: uuid.UUID, basis: Basis, wanted: Wanted, order: Order = "key"
) -> Iterator[JudgedItem]:
    """All that fit, fetched a few thousand at a time."""
    statement, scope = _listed(campaign_id, basis, wanted, order)
    rows = session.execute(sa.text(f"{statement} {_ORDERS[order]}"), scope, execution_options={"yield_per": AT_ONCE})
    for row in rows:
        yield _item(row)


def has_posteriors(session: Session, campaign_id: uuid.UUID) -> bool:
    return bool(session.execute(_HAS_POSTERIORS, {"campaign": campaign_id}).scalar_one())


def _listed(campaign_id: uuid.UUID, basis: Basis, wanted: Wanted, order: Order) -> tuple[str, dict[str, Any]]:
    source, scope = narrowed(campaign_id, basis, wanted)
    return f"SELECT {_COLUMNS}, {_RANKS[order]} AS rank {source}", scope


def _item(row: Any) -> JudgedItem:
    background = None
    if row.background_country is not None:
        kind = BackgroundKind(row.background_kind) if row.background_kind else None
        background = background_words(
            BackgroundFacts(row.background_name, geography.name_of(row.background_country), kind, None)
        )
    return JudgedItem(
        row.id, row.key, row.subtask, row.status, row.image_sha256,
        list(zip(row.dishes, row.origins, strict=True)), background,
        [Given(*vote) for vote in zip(row.raters, row.answers, row.knows, strict=True)],
        row.claims or {}, row.doubt,
    )  # fmt: skip


def _cursor_at(row: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.rank, row.key]).encode()).decode().rstrip("=")


def _place_in(cursor: str) -> tuple[float, str]:
    try:
        rank, key = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if isinstance(key, str) and "\x00" not in key and key.encode():
            return float(rank), key
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError):
        pass
    raise Invalid("This page's address is damaged: go back to the first page.")


_COLUMNS = """
    item.id, item.key, item.subtask, item.status, item.image_sha256, background.name AS background_name,
    background.kind AS background_kind, background.country AS background_country, votes.raters, votes.answers,
    votes.knows, posterior.claims, posterior.doubt,
    ARRAY(SELECT name FROM item_food WHERE item_id = item.id ORDER BY slot) AS dishes,
    ARRAY(SELECT array_to_string(countries, '/') FROM item_food WHERE item_id = item.id ORDER BY slot) AS origins
"""
_RANKS: dict[Order, str] = {
    "key": "0",
    "doubt": "coalesce(posterior.doubt, -1)",
    "differing": differing_questions(),
}
_ORDERS: dict[Order, str] = {
    "key": "ORDER BY item.key",
    "doubt": "ORDER BY rank DESC, item.key",
    "differing": "ORDER BY rank DESC, item.key",
}
# By key the database follows its index; by rank it sorts what fits.
_AFTER = {
    True: "item.key > :after_key",
    False: "({rank} < :after_rank OR ({rank} = :after_rank AND item.key > :after_key))",
}
_HAS_POSTERIORS = sa.text("SELECT EXISTS (SELECT 1 FROM item_posterior WHERE campaign_id = :campaign)")
