"""What is known of an item (its gold), and whether a decision says otherwise. Nothing of it may reach an annotator."""

from collections.abc import Mapping, Sequence

from sqlmodel import Session, col, select

from app.items.models import Gold, Item, Status


def known_answers(session: Session, item: Item) -> dict[str, str]:
    """{question: answer} by which people are scored; without what was withdrawn."""
    rows = session.exec(
        select(Gold.question, Gold.answer).where(Gold.item_id == item.id, col(Gold.withdrawn_at).is_(None))
    )
    return dict(rows.all())


def known_otherwise(
    known: Mapping[str, str], keys: Sequence[str], outcome: Status, answers: Mapping[str, str]
) -> list[str]:
    """The questions, of an item's `keys`, on which a final decision contradicts what is known.

    `answers` {question: answer} is what the decision says of each and may be empty: approved then says yes to all,
    rejected no to at least one.

    >>> keys = ["food1_identity", "food1_origin"]
    >>> known_otherwise({"food1_origin": "no"}, keys, Status.APPROVED, {})
    ['food1_origin']
    >>> known_otherwise({"food1_origin": "no"}, keys, Status.REJECTED, {})
    []
    >>> known_otherwise({"food1_identity": "yes", "food1_origin": "yes"}, keys, Status.REJECTED, {})
    ['food1_identity', 'food1_origin']
    >>> known_otherwise({"food1_origin": "yes"}, keys, Status.REJECTED, {"food1_identity": "no"})
    []
    >>> known_otherwise({"food1_identity": "no"}, keys, Status.DISPUTED, {})
    []
    """
    if outcome not in (Status.APPROVED, Status.REJECTED):
        return []
    said = dict(answers) or (dict.fromkeys(keys, "yes") if outcome is Status.APPROVED else {})
    if not said and all(known.get(key) == "yes" for key in keys):
        return list(keys)
    return [key for key in keys if key in known and said.get(key, known[key]) != known[key]]
