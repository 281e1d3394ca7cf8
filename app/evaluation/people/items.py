"""Single items on the page of models against people: what each model said, how people voted, where they stand."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.evaluation.metrics.answers import country_code
from app.evaluation.models import Prediction
from app.evaluation.people.voices import Voter
from app.evaluation.replies import State
from app.items.cards import CardFacts, card_facts
from app.items.models import Item, Status
from app.items.queries import foods_of
from app.judgments.service import question_keys
from app.releases.models import Release


class Said(NamedTuple):
    """One run's answer about an item's first food, as the model wrote it; `code` is the country's, where it is one we
    know, and `is_right` compares that with the label. `state` says why there is no answer, where there is none."""

    voter: Voter
    state: str
    name: str | None
    country: str | None
    code: str | None
    is_right: bool


class Votes(NamedTuple):
    """Counted votes on one question, and what people wrote instead of the label."""

    question: str
    tally: Mapping[str, int]
    corrections: Sequence[str]


class Since(NamedTuple):
    """What became of a released item since: its status now, and whether it was sent back to be judged anew."""

    status: Status
    is_sent_back: bool


class Shown(NamedTuple):
    item: Item
    facts: CardFacts
    said: Sequence[Said]
    votes: Sequence[Votes]


_SINCE = sa.text(
    """
    SELECT item.id, item.status, bool_or(decision.id IS NOT NULL) AS is_sent_back
    FROM release_item JOIN item ON item.id = release_item.item_id
    LEFT JOIN decision ON decision.item_id = item.id AND decision.method = 'recheck'
      AND decision.id > release_item.decision_id
    WHERE release_item.release_id = :release
    GROUP BY item.id HAVING item.status <> 'approved' OR bool_or(decision.id IS NOT NULL)
    ORDER BY item.key
    """
)

_VOTES = sa.text(
    """
    SELECT claim.item_id, judgment.answers
    FROM release_item JOIN decision ON decision.id = release_item.decision_id
    JOIN claim ON claim.item_id = release_item.item_id AND claim.state = 'judged' AND claim.slot IS NOT NULL
      AND claim.ended_at <= decision.created_at
    JOIN judgment ON judgment.id = claim.judgment_id
    WHERE release_item.release_id = :release AND release_item.item_id = ANY(:items)
    ORDER BY claim.item_id, claim.slot
    """
)


def since_release(session: Session, release: Release) -> dict[uuid.UUID, Since]:
    """Of the released items that are no longer approved as they were, in the order of their keys."""
    rows = session.execute(_SINCE, {"release": release.id})
    return {row.id: Since(Status(row.status), row.is_sent_back) for row in rows}


def rejected_unasked(session: Session, release: Release) -> int:
    """How many items of the campaign are rejected that this release never held: no model was asked about them."""
    count: int = session.execute(
        sa.text(
            """
            SELECT count(*) FROM item WHERE campaign_id = :campaign AND status = 'rejected' AND NOT EXISTS (
                SELECT 1 FROM release_item WHERE release_id = :release AND item_id = item.id)
            """
        ),
        {"campaign": release.campaign_id, "release": release.id},
    ).scalar_one()
    return count


def shown_items(
    session: Session, release: Release, voters: Sequence[Voter], item_ids: Sequence[uuid.UUID]
) -> list[Shown]:
    """These items of the release, in this order; what is no item of it is left out."""
    scope = {"release": release.id, "items": list(item_ids)}
    released = session.execute(
        sa.text("SELECT item_id FROM release_item WHERE release_id = :release AND item_id = ANY(:items)"), scope
    ).scalars()
    known = set(released)
    items = {item.id: item for item in session.exec(select(Item).where(col(Item.id).in_(known)))}
    facts = card_facts(session, known)
    labels = {id_: foods[0].countries for id_, foods in foods_of(session, list(known)).items()}
    said = _said(session, voters, labels)
    votes: dict[uuid.UUID, list[Mapping[str, Any]]] = defaultdict(list)
    for row in session.execute(_VOTES, scope):
        votes[row.item_id].append(row.answers)
    return [
        Shown(items[id_], facts[id_], said[id_], _votes(question_keys(items[id_].subtask), votes[id_]))
        for id_ in dict.fromkeys(item_ids)
        if id_ in known
    ]


def _said(
    session: Session, voters: Sequence[Voter], labels: Mapping[uuid.UUID, Sequence[str]]
) -> dict[uuid.UUID, list[Said]]:
    """In the order of the voters; of several answers of one run the first."""
    order = {voter.run_id: voter for voter in voters}
    rows = session.exec(
        select(Prediction)
        .where(col(Prediction.run_id).in_(order), col(Prediction.item_id).in_(labels))
        .where(Prediction.slot == 1, Prediction.repeat == 0)
    ).all()
    by_place = {(row.item_id, row.run_id): row for row in rows}
    found: dict[uuid.UUID, list[Said]] = {id_: [] for id_ in labels}
    for id_, label in labels.items():
        for run_id, voter in order.items():
            if (row := by_place.get((id_, run_id))) is not None:
                found[id_].append(_one(row, voter, label))
    return found


def _one(row: Prediction, voter: Voter, label: Sequence[str]) -> Said:
    if row.state != State.OK:
        return Said(voter, row.state, None, None, None, is_right=False)
    code = country_code(row.pred_country)
    return Said(voter, row.state, row.pred_name, row.pred_country, code, is_right=code in label)


def _votes(keys: Sequence[str], answers: Sequence[Mapping[str, Any]]) -> list[Votes]:
    found = []
    for key in keys:
        given = [one[key] for one in answers if key in one]
        tally = Counter(vote["answer"] for vote in given)
        corrections = list(dict.fromkeys(vote["correction"] for vote in given if vote.get("correction")))
        found.append(Votes(key, {word: tally[word] for word in ("yes", "no", "unsure") if tally[word]}, corrections))
    return found
