"""Settling: what it changes, what it leaves, and whom it refuses."""

import threading

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.accounts.models import Account, AuditEvent, Role
from app.adjudication.models import Adjudication
from app.adjudication.queue import next_waiting, waiting
from app.adjudication.rulings import Ruling
from app.adjudication.service import (
    NotDecidedYet,
    OwnJudgment,
    SettledSince,
    latest_decision,
    settle,
)
from app.adjudication.undo import undo
from app.campaigns.models import Campaign
from app.db import transaction
from app.errors import Invalid, NotFound
from app.gold.service import KnownOtherwise, withdraw
from app.items.models import Gold, Item, Status, Subtask
from app.judgments.models import Decision, Judgment, Method
from app.judgments.service import question_keys
from tests.adjudication.conftest import NO, UNSURE, judge
from tests.factories import make_account, make_campaign, make_item


def decisions(session: Session, item: Item) -> list[Decision]:
    return list(session.exec(select(Decision).where(Decision.item_id == item.id).order_by(Decision.id)))  # type: ignore[arg-type]


def test_settling_decides_the_item_and_keeps_what_was_there(session: Session, admin: Account, disputed: Item) -> None:
    done = settle(session, admin, disputed.id, "approved", "  The tamarind is plain to see. ")
    assert (disputed.status, done.outcome, done.note) == (Status.APPROVED, "approved", "The tamarind is plain to see.")
    rule, mine = decisions(session, disputed)
    assert (rule.outcome, rule.method) == (Status.DISPUTED, Method.RULE)
    assert (mine.outcome, mine.method, mine.rule) == (Status.APPROVED, Method.ADJUDICATION, "adjudication/1")
    assert mine.id == done.decision_id
    judgments = session.exec(select(Judgment.id).where(Judgment.item_id == disputed.id)).all()
    assert set(mine.detail["judgments"]) == {str(id_) for id_ in judgments}
    assert (mine.detail["before"], mine.detail["overrides_decision"]) == ("disputed", rule.id)


def test_settling_is_written_in_the_audit_log(session: Session, admin: Account, disputed: Item) -> None:
    settle(session, admin, disputed.id, "rejected", "Not this dish.")
    event = session.exec(select(AuditEvent).where(AuditEvent.action == "item.settled")).one()
    assert (event.actor_id, event.subject_id) == (admin.id, str(disputed.id))
    assert (event.detail["outcome"], event.detail["before"]) == ("rejected", "disputed")


def test_a_second_settlement_is_added_and_the_first_stays(session: Session, admin: Account, disputed: Item) -> None:
    settle(session, admin, disputed.id, "approved", "Yes.")
    settle(session, make_account(session, Role.ADMIN), disputed.id, "rejected", "No, look at the rice.")
    assert [decision.outcome for decision in decisions(session, disputed)] == ["disputed", "approved", "rejected"]
    assert disputed.status is Status.REJECTED


@pytest.mark.parametrize(
    ("known", "outcome", "ruling", "is_refused"),
    [
        ({"food1_identity": "yes", "food1_origin": "yes"}, "rejected", None, True),
        ({"food1_identity": "yes"}, "rejected", None, False),  # the origin may be wrong
        ({"food1_origin": "no"}, "approved", None, True),
        ({"food1_origin": "no"}, "rejected", None, False),
        ({"food1_identity": "yes"}, "", {"food1_identity": "no", "food1_origin": "yes"}, True),
        ({"food1_identity": "yes"}, "", {"food1_identity": "yes", "food1_origin": "no"}, False),
    ],
)
def test_nothing_is_settled_against_what_people_are_scored_by(
    session: Session, campaign: Campaign, admin: Account, known: dict[str, str], outcome: str,
    ruling: dict[str, str] | None, is_refused: bool,
) -> None:  # fmt: skip
    disputed = make_item(session, campaign, Subtask.SF)
    judge(session, campaign, disputed, {}, UNSURE, NO)
    session.add_all(Gold(item_id=disputed.id, question=key, answer=answer) for key, answer in known.items())
    session.flush()
    said = Ruling(ruling, {key: ["other_dish"] for key, answer in ruling.items() if answer == "no"}) if ruling else None
    if ruling and ruling["food1_origin"] == "no":
        said = Ruling(ruling, {"food1_origin": ["other_country"]})
    if not is_refused:
        settle(session, admin, disputed.id, outcome, "So it is.", ruling=said)
        return
    with pytest.raises(KnownOtherwise, match="is gold, and people are scored by"):
        settle(session, admin, disputed.id, outcome, "So it is.", ruling=said)
    assert disputed.status is Status.DISPUTED
    withdraw(session, admin, disputed.id, "It was wrong.")
    settle(session, admin, disputed.id, outcome, "So it is.", ruling=said)


def test_nothing_is_taken_back_to_what_known_answers_deny(session: Session, admin: Account, approved: Item) -> None:
    settled = settle(session, admin, approved.id, "rejected", "The caption is wrong.")
    gold = Gold(item_id=approved.id, question="food1_identity", answer="no")
    session.add(gold)
    session.flush()
    with pytest.raises(KnownOtherwise):
        undo(session, admin, settled.id)
    gold.answer = "yes"
    session.flush()
    undo(session, admin, settled.id)
    assert approved.status is Status.APPROVED


def test_an_item_decided_by_the_rule_can_be_overturned(session: Session, admin: Account, approved: Item) -> None:
    settle(session, admin, approved.id, "rejected", "The caption is wrong.")
    assert approved.status is Status.REJECTED


def test_a_decision_is_confirmed_only_with_a_word(session: Session, admin: Account, approved: Item) -> None:
    answers = dict.fromkeys(question_keys(approved.subtask), "yes")
    with pytest.raises(Invalid, match="the same as the decision that stands"):
        settle(session, admin, approved.id, "", " ", ruling=Ruling(answers, {}))
    assert len(decisions(session, approved)) == 1
    settle(session, admin, approved.id, "", "I know this dish.", ruling=Ruling(answers, {}))
    assert len(decisions(session, approved)) == 2


def test_a_pending_item_is_not_settled(session: Session, campaign: Campaign, admin: Account) -> None:
    item = make_item(session, campaign)
    judge(session, campaign, item, {})
    with pytest.raises(NotDecidedYet):
        settle(session, admin, item.id, "approved", "Why wait?")
    assert decisions(session, item) == []


def test_nobody_settles_what_they_judged(session: Session, campaign: Campaign) -> None:
    item = make_item(session, campaign)
    judge_turned_admin = judge(session, campaign, item, {}, UNSURE, NO)[1]
    judge_turned_admin.role = Role.ADMIN
    with pytest.raises(OwnJudgment):
        settle(session, judge_turned_admin, item.id, "approved", "As I said.")
    assert next_waiting(session, judge_turned_admin, campaign) is None


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.RESEARCHER])
def test_to_other_roles_the_item_looks_absent(session: Session, disputed: Item, role: Role) -> None:
    with pytest.raises(NotFound):
        settle(session, make_account(session, role), disputed.id, "approved", "Mine.")


@pytest.mark.parametrize(
    ("outcome", "note", "field"),
    [
        ("", "Why", "outcome"),
        ("disputed", "Why", "outcome"),
        ("pending", "Why", "outcome"),
        ("approved", " \n ", "note"),
        ("approved", "x" * 2001, "note"),
        ("approved", "a\0b", "note"),
        ("approved", "half \ud83d", "note"),
    ],
)
def test_a_settlement_needs_a_word_and_a_reason(
    session: Session, admin: Account, disputed: Item, outcome: str, note: str, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        settle(session, admin, disputed.id, outcome, note)
    assert list(refused.value.fields) == [field]
    assert disputed.status is Status.DISPUTED


def test_who_did_not_see_the_newest_decision_is_told(session: Session, admin: Account, disputed: Item) -> None:
    before = latest_decision(session, disputed)
    assert before is not None
    settle(session, admin, disputed.id, "approved", "Yes.", seen=before.id)
    with pytest.raises(SettledSince):
        settle(session, make_account(session, Role.ADMIN), disputed.id, "rejected", "No.", seen=before.id)
    assert disputed.status is Status.APPROVED


def test_a_second_click_settles_once(session: Session, admin: Account, disputed: Item) -> None:
    before = latest_decision(session, disputed)
    assert before is not None
    first = settle(session, admin, disputed.id, "approved", "Yes.", seen=before.id)
    again = settle(session, admin, disputed.id, "approved", "Yes. ", seen=before.id)
    assert again.id == first.id
    assert len(decisions(session, disputed)) == 2


def test_the_most_disputed_comes_first_and_later_goes_on(session: Session, campaign: Campaign, admin: Account) -> None:
    unsure = make_item(session, campaign, key="a")
    judge(session, campaign, unsure, UNSURE, UNSURE, {})
    split = make_item(session, campaign, key="b")
    judge(session, campaign, split, {}, UNSURE, NO)
    make_item(session, campaign, key="c")
    make_item(session, make_campaign(session), key="d", status=Status.DISPUTED)
    assert [entry.item_id for entry in waiting(session, admin, campaign)] == [split.id, unsure.id]
    assert next_waiting(session, admin, campaign) == split.id
    assert next_waiting(session, admin, campaign, after=split.id) == unsure.id
    assert next_waiting(session, admin, campaign, after=unsure.id) == split.id


def test_two_admins_at_once_make_one_settlement(fresh_engine: sa.Engine) -> None:
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session, "race")
        item = make_item(session, campaign, Subtask.SF)
        judge(session, campaign, item, {}, UNSURE, NO)
        seen = latest_decision(session, item)
        admins = [make_account(session, Role.ADMIN) for _ in range(4)]
    assert seen is not None
    start = threading.Barrier(4)
    told: list[str] = []

    def click(admin: Account) -> None:
        start.wait()
        try:
            with transaction(fresh_engine) as session:
                settle(session, admin, item.id, "approved", f"Says {admin.name}.", seen=seen.id)
            told.append("settled")
        except SettledSince:
            told.append("told")

    threads = [threading.Thread(target=click, args=(admin,)) for admin in admins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["settled", "told", "told", "told"]
    with transaction(fresh_engine) as session:
        assert len(session.exec(select(Adjudication)).all()) == 1
