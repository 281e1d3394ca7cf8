"""Appeals: an annotator's one word against a final decision that went against their answer, and the reply to it."""

import uuid
from typing import Final, NamedTuple

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from app.accounts.models import Account
from app.accounts.service import clean_text, record
from app.adjudication.models import Appeal, AppealOutcome
from app.adjudication.service import locked, refuse_own
from app.adjudication.standing import FINAL, contradicted, standing
from app.claims.models import Claim, ClaimState
from app.db import now
from app.errors import Conflict, NotFound, Sentence
from app.items.models import Item
from app.judgments.models import Judgment, Method

MAX_TEXT: Final = 2000


class NotFinal(Conflict):
    title = Sentence("Not decided yet")


class AppealedAlready(Conflict):
    title = Sentence("You appealed already")


class NothingAgainst(Conflict):
    title = Sentence("The decision agrees with you")


class AnsweredAlready(Conflict):
    title = Sentence("Answered already")


def appeal(session: Session, account: Account, item_id: uuid.UUID, text: str) -> Appeal:
    """An annotator's one appeal against the decision on an item they judged. `text`: 1 to 2,000 characters.

    Raises NotFound for an item they didn't judge, NotFinal while it is pending or disputed, NothingAgainst when the
    decision contradicts none of their answers or wasn't made by a rule or an adjudicator, AppealedAlready, and Invalid.
    """
    item = session.exec(select(Item).where(Item.id == item_id).with_for_update(key_share=True)).one_or_none()
    judgment = _judgment(session, account, item_id)
    if item is None or judgment is None:
        raise NotFound(Sentence("There is no such item among those you judged."))
    words = clean_text(text, field="text", wanted=Sentence("Say in a sentence why the decision is wrong."))
    if session.exec(select(Appeal.id).where(Appeal.item_id == item.id, Appeal.account_id == account.id)).first():
        raise AppealedAlready(
            Sentence("You appealed against the decision on this item already; each item takes one appeal.")
        )
    if item.status not in FINAL:
        raise NotFinal(Sentence("This item isn't decided yet; an appeal is against a decision."))
    if not went_against(session, item, judgment):
        raise NothingAgainst(Sentence("The decision on this item goes against none of your answers."))
    made = Appeal(item_id=item.id, account_id=account.id, text=words)
    session.add(made)
    session.flush()
    record(session, account, "item.appealed", "item", item.id, appeal=str(made.id))
    return made


def went_against(session: Session, item: Item, judgment: Judgment) -> list[str]:
    """The questions on which a rule's or an adjudicator's final decision contradicts a judgment."""
    stands = standing(session, item)
    if stands is None or stands.decision.method not in (Method.RULE, Method.ADJUDICATION):
        return []
    return contradicted(stands.decision.outcome, stands.answers, judgment.answers)


def _judgment(session: Session, account: Account, item_id: uuid.UUID) -> Judgment | None:
    return session.exec(
        select(Judgment)
        .join(Claim, col(Claim.judgment_id) == col(Judgment.id))
        .where(Claim.item_id == item_id, Claim.account_id == account.id, Claim.state == ClaimState.JUDGED)
    ).one_or_none()


def uphold(session: Session, account: Account, appeal_id: uuid.UUID, reply: str) -> Appeal:
    """An admin keeps to the decision and says why. To overturn it, they settle the item anew: `service.settle` answers
    its open appeals. Raises NotFound, AnsweredAlready, OwnJudgment and Invalid."""
    found = session.get(Appeal, appeal_id)
    if found is None:
        raise NotFound("There is no such appeal.")
    item = locked(session, account, found.item_id)
    session.refresh(found)
    refuse_own(session, account, item)
    words = clean_text(reply, field="reply", wanted="Say why the decision stands: whoever appealed reads it.")
    if found.answered_at is not None:
        if (found.outcome, found.reply, found.answered_by) == (AppealOutcome.UPHELD, words, account.id):
            return found
        raise AnsweredAlready("This appeal was answered already; the reply stands below it.")
    if item.status not in FINAL:
        raise NotFinal("The item isn't decided at present, so there is no decision to uphold; wait for it.")
    found.outcome, found.reply = AppealOutcome.UPHELD, words
    found.answered_at, found.answered_by = now(), account.id
    session.add(found)
    session.flush()
    record(session, account, "item.appeal_upheld", "item", item.id, appeal=str(found.id))
    return found


class Heard(NamedTuple):
    """An appeal, who made it, and who answered it."""

    appeal: Appeal
    account: Account
    answered_by: Account | None


def appeals_of(session: Session, item: Item) -> list[Heard]:
    """Open ones first, then the newest."""
    admin = aliased(Account)
    found = session.exec(
        select(Appeal, Account, admin)
        .join(Account, col(Account.id) == col(Appeal.account_id))
        .outerjoin(admin, col(admin.id) == col(Appeal.answered_by))
        .where(Appeal.item_id == item.id)
        .order_by(col(Appeal.answered_at).desc().nulls_first(), col(Appeal.created_at).desc())
    )
    return [Heard(*row) for row in found]
