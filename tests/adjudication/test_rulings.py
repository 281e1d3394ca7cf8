"""Settling each question by itself, and taking that back."""

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app.accounts.models import Account, AuditEvent, Role
from app.adjudication.evidence import evidence
from app.adjudication.rulings import Ruling
from app.adjudication.service import OwnJudgment, settle
from app.adjudication.standing import standing
from app.adjudication.undo import DecidedSince, Released, Replaced, TakenBack, can_undo, undo
from app.campaigns.models import Campaign
from app.errors import Invalid, NotFound
from app.items.models import Item, Status, Subtask
from app.judgments.decisions import latest_decision
from app.judgments.models import Decision, Method
from app.releases import snapshot
from app.releases.models import Release, ReleaseItem
from tests.adjudication.conftest import judge
from tests.factories import make_account, make_item

YES = {"food1_identity": "yes", "food1_origin": "yes", "background": "yes"}
NOT_IT = Ruling(YES | {"food1_identity": "no"}, {"food1_identity": ["malformed", "other_dish"]})


def test_any_no_rejects_and_answers_and_reasons_are_kept(session: Session, admin: Account, disputed: Item) -> None:
    done = settle(session, admin, disputed.id, "", "", ruling=NOT_IT)
    assert (disputed.status, done.answers, done.note) == (Status.REJECTED, NOT_IT.answers, "")
    decision = latest_decision(session, disputed)
    assert decision is not None
    assert decision.rule == "adjudication/2"
    assert decision.detail["reasons"] == {"food1_identity": ["other_dish", "malformed"]}
    assert decision.detail["overrules"] == []


def test_yes_on_every_question_approves(session: Session, admin: Account, disputed: Item) -> None:
    assert settle(session, admin, disputed.id, "approved", "", ruling=Ruling(YES, {})).outcome is Status.APPROVED


@pytest.mark.parametrize(
    ("outcome", "ruling", "field"),
    [
        ("", Ruling({"food1_identity": "yes", "food1_origin": "yes"}, {}), "answers.background"),
        ("", Ruling(YES | {"background": "unsure"}, {}), "answers.background"),
        ("", Ruling(YES | {"food2_identity": "yes"}, {}), "answers.food2_identity"),
        ("", Ruling(YES | {"food1_identity": "no"}, {}), "answers.food1_identity"),
        ("", Ruling(YES | {"food1_identity": "no"}, {"food1_identity": ["tasty"]}), "answers.food1_identity"),
        ("rejected", Ruling(YES, {}), "outcome"),
    ],
)
def test_a_ruling_that_cannot_be_meant_is_refused_by_question(
    session: Session, admin: Account, disputed: Item, outcome: str, ruling: Ruling, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        settle(session, admin, disputed.id, outcome, "", ruling=ruling)
    assert list(refused.value.fields) == [field]
    assert disputed.status is Status.DISPUTED


def test_a_majority_is_overruled_with_a_note_only(session: Session, admin: Account, disputed: Item) -> None:
    ruling = Ruling(YES | {"background": "no"}, {"background": ["malformed"]})
    with pytest.raises(Invalid, match="You overrule a majority") as refused:
        settle(session, admin, disputed.id, "", " ", ruling=ruling)
    assert list(refused.value.fields) == ["note"]
    settle(session, admin, disputed.id, "", "The street is pasted in.", ruling=ruling)
    decision = latest_decision(session, disputed)
    assert decision is not None
    assert decision.detail["overrules"] == ["background"]


def test_an_adjudicator_is_overruled_with_a_note_only(session: Session, admin: Account, disputed: Item) -> None:
    settle(session, admin, disputed.id, "", "", ruling=NOT_IT)
    with pytest.raises(Invalid, match="An adjudicator settled this item before you"):
        settle(session, make_account(session, Role.ADMIN), disputed.id, "", "", ruling=Ruling(YES, {}))


def test_the_same_ruling_twice_settles_once(session: Session, admin: Account, disputed: Item) -> None:
    before = latest_decision(session, disputed)
    assert before is not None
    first = settle(session, admin, disputed.id, "", "", ruling=NOT_IT, seen=before.id)
    assert settle(session, admin, disputed.id, "", "", ruling=NOT_IT, seen=before.id).id == first.id


def test_what_the_votes_make_clear_is_chosen_already(session: Session, disputed: Item) -> None:
    preset = evidence(session, disputed).preset
    assert preset.answers == {"food1_origin": "yes", "background": "yes"}


def test_undo_brings_back_what_was_before_and_the_log_grows(session: Session, admin: Account, disputed: Item) -> None:
    decided_at = disputed.decided_at
    done = settle(session, admin, disputed.id, "", "", ruling=NOT_IT)
    other = make_account(session, Role.ADMIN)
    taken = undo(session, other, done.id)
    assert disputed.status is Status.DISPUTED
    assert disputed.decided_at is not None
    assert decided_at is not None
    assert abs(disputed.decided_at - decided_at) < timedelta(seconds=1)
    assert (taken.method, taken.detail["undoes"], taken.detail["by"]) == (Method.UNDO, done.decision_id, str(other.id))
    methods = session.exec(select(Decision.method).where(Decision.item_id == disputed.id).order_by(Decision.id)).all()  # type: ignore[arg-type]
    assert methods == ["rule", "adjudication", "undo"]
    assert (
        session.exec(select(AuditEvent).where(AuditEvent.action == "item.settlement_undone")).one().actor_id == other.id
    )
    assert evidence(session, disputed).log[0].account == other
    # As if nothing had happened: what the rule said stands, and no note is asked for.
    stands = standing(session, disputed)
    assert stands is not None
    assert stands.decision.method is Method.RULE
    again = settle(session, admin, disputed.id, "", "", ruling=NOT_IT)
    undo(session, admin, again.id)
    assert disputed.status is Status.DISPUTED


def test_undo_of_an_overturned_decision_brings_the_earlier_one_back(
    session: Session, admin: Account, approved: Item
) -> None:
    done = settle(session, admin, approved.id, "rejected", "Not this dish.")
    undo(session, admin, done.id)
    stands = standing(session, approved)
    assert stands is not None
    assert (approved.status, stands.decision.method) == (Status.APPROVED, Method.RULE)


def test_undo_twice_or_after_another_decision_is_a_conflict(session: Session, admin: Account, disputed: Item) -> None:
    first = settle(session, admin, disputed.id, "", "", ruling=NOT_IT)
    undo(session, admin, first.id)
    with pytest.raises(TakenBack):
        undo(session, admin, first.id)
    second = settle(session, admin, disputed.id, "", "", ruling=NOT_IT)
    settle(session, make_account(session, Role.ADMIN), disputed.id, "approved", "It is.")
    with pytest.raises(DecidedSince):
        undo(session, admin, second.id)
    assert disputed.status is Status.APPROVED


def test_a_released_item_keeps_its_decision(session: Session, admin: Account, disputed: Item) -> None:
    done = settle(session, admin, disputed.id, "approved", "It is.")
    release = Release(version="1.0.0", campaign_id=disputed.campaign_id, splits={"test": 1.0})
    session.add(release)
    session.flush()
    session.add(ReleaseItem(release_id=release.id, item_id=disputed.id, split="test", decision_id=done.decision_id))
    session.flush()
    with pytest.raises(Released, match=r"release 1\.0\.0"):
        undo(session, admin, done.id)
    assert disputed.status is Status.APPROVED


def test_who_may_not_settle_may_not_undo(session: Session, campaign: Campaign, admin: Account) -> None:
    item = make_item(session, campaign)
    people = judge(session, campaign, item, {}, {}, {})
    done = settle(session, admin, item.id, "rejected", "No.")
    with pytest.raises(NotFound):
        undo(session, people[0], done.id)
    people[0].role = Role.ADMIN
    with pytest.raises(OwnJudgment):
        undo(session, people[0], done.id)


def test_a_rejection_stands_once_another_image_was_made_in_its_place(
    session: Session, campaign: Campaign, admin: Account, disputed: Item
) -> None:
    done = settle(session, admin, disputed.id, "", "", ruling=NOT_IT)
    newer = make_item(session, campaign, Subtask.SFB, revision=2, revision_of_id=disputed.id)
    with pytest.raises(Replaced, match=newer.key):
        undo(session, admin, done.id)
    assert disputed.status is Status.REJECTED
    assert not can_undo(session, disputed, done)
    # To settle it anew says of both images that they are to be kept.
    assert settle(session, admin, disputed.id, "approved", "Both are good.").outcome is Status.APPROVED


def test_a_release_names_the_decision_that_undo_brought_back(
    session: Session, campaign: Campaign, admin: Account, approved: Item
) -> None:
    rule = latest_decision(session, approved)
    assert rule is not None
    undo(session, admin, settle(session, admin, approved.id, "rejected", "Not this dish.").id)
    found = snapshot.plan(session, campaign)
    (frozen,) = snapshot.details(session, found, secret_key="key", allow_simulated=True)
    assert (frozen.decision.id, frozen.decision.method) == (rule.id, Method.RULE)
