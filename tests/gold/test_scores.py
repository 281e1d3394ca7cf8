"""Scores: which answers count, and what they come to."""

import pytest
from sqlmodel import Session

from app.accounts.models import Role
from app.gold import scores, service
from app.gold.scores import Right, Telling
from app.items.models import Gold
from tests.agreement import cases
from tests.factories import make_account, make_campaign
from tests.gold.things import give, make_gold, revise


def test_a_share_of_right_answers_has_wilsons_interval() -> None:
    case = cases.load("gold_wilson")
    for expected in case["expected"]:
        found = Right(expected["total"], expected["correct"]).estimate
        assert found.value == pytest.approx(expected["accuracy"], abs=case["tol"])
        assert [found.low, found.high] == pytest.approx(expected["wilson95"], abs=case["tol"])


def test_only_the_first_answer_counts(session: Session) -> None:
    campaign, account = make_campaign(session), make_account(session)
    item = make_gold(session, campaign, "no")
    revise(session, give(session, account, item, "yes"), item, "no")
    given = scores.answers(session, campaign.id)
    assert [(one.question, one.truth, one.given) for one in given] == [
        ("food1_identity", "no", "yes"),
        ("food1_origin", "yes", "yes"),
    ]
    assert scores.by_question(given) == {"food1_identity": Right(1, 0), "food1_origin": Right(1, 1)}


@pytest.mark.parametrize("is_test", [True, False])
def test_it_counts_however_the_item_came(session: Session, is_test: bool) -> None:
    campaign = make_campaign(session)
    give(session, make_account(session), make_gold(session, campaign), is_test=is_test)
    assert len(scores.answers(session, campaign.id)) == 2


def test_answers_that_made_an_item_gold_are_not_held_against_it(session: Session) -> None:
    campaign, admin = make_campaign(session), make_account(session, Role.ADMIN)
    voter, later = make_account(session), make_account(session)
    item = make_gold(session, campaign, "no")
    for row in service.gold_of(session, item).values():
        session.delete(row)
    session.flush()
    give(session, voter, item, "no")
    service.promote(session, admin, item.id, {"food1_identity": "no"}, "Clearly something else.")
    give(session, later, item, "no")
    assert {one.account_id for one in scores.answers(session, campaign.id)} == {later.id}


def test_withdrawn_gold_counts_no_longer_and_counts_again_once_restored(session: Session) -> None:
    campaign, admin, account = make_campaign(session), make_account(session, Role.ADMIN), make_account(session)
    bad, good = make_gold(session, campaign, "no"), make_gold(session, campaign, "no")
    give(session, account, bad, "yes")
    give(session, account, good, "no")
    assert scores.right_share(scores.answers(session, campaign.id)) == Right(4, 3)
    service.withdraw(session, admin, bad.id, "It is the dish after all.")
    assert scores.right_share(scores.answers(session, campaign.id)) == Right(2, 2)
    service.restore(session, admin, bad.id, "No, it is not.")
    assert scores.right_share(scores.answers(session, campaign.id)) == Right(4, 3)


def test_youdens_j_looks_at_both_kinds_of_claims_and_takes_unsure_for_neither(session: Session) -> None:
    campaign, account = make_campaign(session), make_account(session)
    for truth, said in [("no", "no"), ("no", "unsure"), ("yes", "yes"), ("yes", "unsure")]:
        item = make_gold(session, campaign, truth)
        for row in service.gold_of(session, item).values():
            if row.question != "food1_identity":
                session.delete(row)
        session.flush()
        give(session, account, item, said)
    told = scores.telling(scores.answers(session, campaign.id))
    assert told == Telling(wrong_claims=2, noticed=1, right_claims=2, confirmed=1)
    assert told.youden == 0.0


def test_a_question_that_was_not_asked_is_not_scored(session: Session) -> None:
    campaign, account = make_campaign(session), make_account(session)
    item = make_gold(session, campaign)
    session.add(Gold(item_id=item.id, question="background", answer="yes"))
    session.flush()
    give(session, account, item)
    assert set(scores.by_question(scores.answers(session, campaign.id))) == {"food1_identity", "food1_origin"}
