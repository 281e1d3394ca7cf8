"""What of an exam was answered rightly."""

import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from app.campaigns.models import Exam
from app.gold.scores import QUESTION_NAMES, Right
from app.items.models import Gold


class Mark(NamedTuple):
    """What was answered to a question of an exam's item, and what is known."""

    given: str
    truth: str

    @property
    def is_right(self) -> bool:
        return self.given == self.truth


def marks(session: Session, exam: Exam) -> Mapping[str, Mapping[str, Mark]]:
    """{item: {question: Mark}} of what was answered and is known; nothing of withdrawn gold."""
    rows = session.exec(
        select(Gold).where(
            col(Gold.item_id).in_([uuid.UUID(id_) for id_ in exam.answers]), col(Gold.withdrawn_at).is_(None)
        )
    ).all()
    found: dict[str, dict[str, Mark]] = {id_: {} for id_ in exam.items if id_ in exam.answers}
    for key in QUESTION_NAMES:
        for row in rows:
            given: Mapping[str, Any] = exam.answers[str(row.item_id)]
            if row.question == key and key in given:
                found[str(row.item_id)][key] = Mark(given[key]["answer"], row.answer)
    return found


def total(marked: Mapping[str, Mapping[str, Mark]]) -> Right:
    every = [mark for of_item in marked.values() for mark in of_item.values()]
    return Right(len(every), sum(mark.is_right for mark in every))


def by_question(marked: Mapping[str, Mapping[str, Mark]]) -> Mapping[str, Right]:
    found = {}
    for key in QUESTION_NAMES:
        own = [of_item[key] for of_item in marked.values() if key in of_item]
        if own:
            found[key] = Right(len(own), sum(mark.is_right for mark in own))
    return found
