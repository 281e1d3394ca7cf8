"""Answers: what is taken, what is refused, and what becomes of an item."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims import service as claims
from app.claims.models import Claim, ClaimState
from app.db import now
from app.errors import Invalid
from app.items.models import Item, Status, Subtask
from app.judgments import service as judgments
from app.judgments.models import Decision, Judgment
from app.judgments.service import AlreadyDecided, Answers
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import all_yes, answer


def claim_one(session: Session, campaign: Campaign, account: Account) -> Claim:
    policy = campaigns.current_policy(session, campaign)
    return claims.claim_next(session, account, campaign, policy, lease=600).claims[0]


def judge(session: Session, campaign: Campaign, answers: Answers) -> judgments.Submitted:
    account = make_account(session)
    return judgments.submit(session, account, claim_one(session, campaign, account).id, answers)


@pytest.mark.parametrize(
    ("votes", "status"),
    [
        (("yes", "yes", "yes"), Status.APPROVED),
        (("yes", "yes", "no"), Status.APPROVED),
        (("no", "no", "yes"), Status.REJECTED),
        (("yes", "no", "unsure"), Status.DISPUTED),
        (("unsure", "unsure", "yes"), Status.DISPUTED),
    ],
)
def test_three_judgments_decide_by_majority(session: Session, votes: tuple[str, ...], status: Status) -> None:
    campaign = make_campaign(session)
    item = make_item(session, campaign)
    for number, vote in enumerate(votes):
        assert item.status is Status.PENDING, f"decided after {number} judgments"
        judge(session, campaign, all_yes(food1_identity=answer(vote)))
    assert item.status is status
    decision = session.exec(select(Decision)).one()
    assert decision.rule == "fixed-majority/1"
    assert len(decision.detail["judgments"]) == 3


def test_a_no_anywhere_rejects_the_whole_item(session: Session) -> None:
    campaign = make_campaign(session)
    item = make_item(session, campaign, Subtask.MFB)
    for _ in range(3):
        judge(session, campaign, all_yes(Subtask.MFB, background=answer("no", "other_country")))
    assert item.status is Status.REJECTED


@pytest.mark.parametrize(
    ("subtask", "keys"),
    [
        (Subtask.SF, ["food1_identity", "food1_origin"]),
        (Subtask.MF, ["food1_identity", "food1_origin", "food2_identity", "food2_origin"]),
        (Subtask.SFB, ["food1_identity", "food1_origin", "background"]),
        (Subtask.MFB, ["food1_identity", "food1_origin", "food2_identity", "food2_origin", "background"]),
    ],
)
def test_every_question_of_the_subtask_must_be_answered_and_no_other(
    session: Session, subtask: Subtask, keys: list[str]
) -> None:
    campaign = make_campaign(session)
    make_item(session, campaign, subtask)
    account = make_account(session)
    claim = claim_one(session, campaign, account)
    assert judgments.question_keys(subtask) == keys
    for missing in keys:
        short = {key: answer() for key in keys if key != missing}
        with pytest.raises(Invalid) as caught:
            judgments.submit(session, account, claim.id, Answers(short))
        assert caught.value.fields == {f"answers.{missing}": "Please answer this question."}
    foreign = "background" if "background" not in keys else "smell"
    with pytest.raises(Invalid, match="no such question"):
        judgments.submit(session, account, claim.id, Answers({key: answer() for key in [*keys, foreign]}))
    assert session.exec(select(Judgment)).all() == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"answer": "no", "reasons": []}, "at least one reason"),
        ({"answer": "no", "reasons": ["smells"]}, "no reason here"),
        ({"answer": "no", "reasons": ["could_be_anywhere"]}, "no reason here"),
        ({"answer": "yes", "reasons": ["other_dish"]}, "go with “no” only"),
        ({"answer": "maybe", "reasons": []}, "yes, no or unsure"),
        ({"answer": "YES", "reasons": []}, "yes, no or unsure"),
        ({"answer": None}, "answer this question"),
        ({"answer": "yes", "correction": "x" * 2001}, "At most 2,000"),
        ({"answer": "yes", "correction": "a\0b"}, "can't be stored"),
        ({"answer": "yes", "correction": "a\ud800b"}, "can't be stored"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_sentence_and_changes_nothing(
    session: Session, wrong: dict[str, object], sentence: str
) -> None:
    campaign, account = make_campaign(session), make_account(session)
    item = make_item(session, campaign)
    claim = claim_one(session, campaign, account)
    with pytest.raises(Invalid) as caught:
        judgments.submit(session, account, claim.id, all_yes(food1_identity=wrong))
    assert sentence in caught.value.fields["answers.food1_identity"]
    assert (item.judged, session.exec(select(Judgment)).all()) == (0, [])


@pytest.mark.parametrize("active_ms", [-1, 25 * 3600 * 1000])
def test_impossible_durations_are_refused(session: Session, active_ms: int) -> None:
    campaign, account = make_campaign(session), make_account(session)
    make_item(session, campaign)
    claim = claim_one(session, campaign, account)
    with pytest.raises(Invalid, match="active_ms"):
        judgments.submit(session, account, claim.id, all_yes()._replace(active_ms=active_ms))


def test_the_same_answers_again_are_the_same_judgment(session: Session) -> None:
    campaign, account = make_campaign(session), make_account(session)
    make_item(session, campaign)
    claim = claim_one(session, campaign, account)
    first = judgments.submit(session, account, claim.id, all_yes()._replace(active_ms=900))
    again = judgments.submit(session, account, claim.id, all_yes()._replace(active_ms=1800))
    assert again == first._replace(is_new=False)


def test_a_change_of_mind_is_a_new_revision_and_the_latest_counts(session: Session) -> None:
    campaign, account = make_campaign(session, policy="fixed-2"), make_account(session)
    item = make_item(session, campaign)
    claim = claim_one(session, campaign, account)
    first = judgments.submit(session, account, claim.id, all_yes())
    second = judgments.submit(session, account, claim.id, all_yes(food1_origin=answer("no", "other_country")))
    assert second.judgment_id != first.judgment_id
    assert item.judged == 1
    revisions = session.exec(select(Judgment.revision).order_by(Judgment.revision)).all()
    assert revisions == [1, 2]
    judge(session, campaign, all_yes(food1_origin=answer("no", "other_country")))
    assert item.status is Status.REJECTED


def test_a_decided_item_takes_no_change(session: Session) -> None:
    campaign, account = make_campaign(session, policy="fixed-1"), make_account(session)
    make_item(session, campaign)
    claim = claim_one(session, campaign, account)
    judgments.submit(session, account, claim.id, all_yes())
    with pytest.raises(AlreadyDecided):
        judgments.submit(session, account, claim.id, all_yes(food1_identity=answer("no")))
    assert judgments.submit(session, account, claim.id, all_yes()).is_new is False


def expire(session: Session, claim: Claim) -> None:
    claim.expires_at = now() - timedelta(seconds=1)
    session.add(claim)
    session.flush()


def test_a_late_answer_counts_while_nobody_took_the_slot(session: Session) -> None:
    campaign, account = make_campaign(session, policy="fixed-1"), make_account(session)
    item = make_item(session, campaign)
    claim = claim_one(session, campaign, account)
    expire(session, claim)
    assert judgments.submit(session, account, claim.id, all_yes()).status == "counted"
    assert item.status is Status.APPROVED


def test_a_late_answer_on_a_full_item_is_kept_as_surplus(session: Session) -> None:
    campaign, slow, quick = make_campaign(session, policy="fixed-1"), make_account(session), make_account(session)
    item = make_item(session, campaign)
    lost = claim_one(session, campaign, slow)
    expire(session, lost)
    judgments.submit(session, quick, claim_one(session, campaign, quick).id, all_yes())
    late = judgments.submit(session, slow, lost.id, all_yes(food1_identity=answer("no")))
    assert late.status == "surplus"
    assert (item.judged, item.status) == (1, Status.APPROVED)
    assert len(session.exec(select(Judgment)).all()) == 2


def test_a_late_answer_takes_a_slot_that_is_free_again(session: Session) -> None:
    campaign, slow, quick = make_campaign(session, policy="fixed-1"), make_account(session), make_account(session)
    make_item(session, campaign)
    lost = claim_one(session, campaign, slow)
    expire(session, lost)
    taken = claim_one(session, campaign, quick)
    claims.give_back(session, quick, taken.id, reason=None, skip=False)
    assert judgments.submit(session, slow, lost.id, all_yes()).status == "counted"


def test_what_was_given_back_takes_no_answer(session: Session) -> None:
    campaign, account = make_campaign(session), make_account(session)
    make_item(session, campaign)
    claim = claim_one(session, campaign, account)
    claims.give_back(session, account, claim.id, reason=None, skip=False)
    with pytest.raises(claims.LeaseGone):
        judgments.submit(session, account, claim.id, all_yes())


def test_what_was_skipped_can_be_answered_after_all(session: Session) -> None:
    campaign, account = make_campaign(session, policy="fixed-2"), make_account(session)
    item = make_item(session, campaign)
    claim = claim_one(session, campaign, account)
    claims.give_back(session, account, claim.id, reason="broken_image", skip=True)
    session.refresh(item)
    assert item.held == 0
    assert judgments.submit(session, account, claim.id, all_yes()).status == "counted"
    session.refresh(item)
    session.refresh(claim)
    assert (item.held, item.judged, claim.state, claim.slot, claim.reason) == (1, 1, ClaimState.JUDGED, 1, None)


def test_an_answer_to_what_was_skipped_is_surplus_once_others_have_judged(session: Session) -> None:
    campaign, account, other = make_campaign(session, policy="fixed-1"), make_account(session), make_account(session)
    item = make_item(session, campaign)
    claim = claim_one(session, campaign, account)
    claims.give_back(session, account, claim.id, reason="broken_image", skip=True)
    judgments.submit(session, other, claim_one(session, campaign, other).id, all_yes())
    assert judgments.submit(session, account, claim.id, all_yes(food1_identity=answer("no"))).status == "surplus"
    assert (item.judged, item.status) == (1, Status.APPROVED)


def test_a_colleagues_claim_can_not_be_answered(session: Session) -> None:
    campaign = make_campaign(session)
    make_item(session, campaign)
    claim = claim_one(session, campaign, make_account(session))
    with pytest.raises(claims.ClaimNotFound):
        judgments.submit(session, make_account(session), claim.id, all_yes())


def test_judgments_keep_the_wording_they_answered(session: Session) -> None:
    campaign = make_campaign(session)
    make_item(session, campaign)
    judge(session, campaign, all_yes())
    stored = session.exec(select(Judgment)).one()
    assert stored.policy_id == campaigns.current_policy(session, campaign).id


def test_the_tallies_of_a_decision_can_be_worked_out_again(session: Session) -> None:
    campaign = make_campaign(session)
    item: Item = make_item(session, campaign)
    for vote in ("yes", "no", "no"):
        judge(session, campaign, all_yes(food1_identity=answer(vote)))
    detail = session.execute(sa.select(Decision.detail).where(Decision.item_id == item.id)).scalar_one()
    assert detail["tallies"]["food1_identity"] == {"yes": 1, "no": 2, "unsure": 0}
