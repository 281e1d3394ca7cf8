"""Adaptive overlap on items: who is asked how often, what is asked, and what is kept of a decision."""

import threading
from collections import Counter

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.accounts.models import Account, Role
from app.adjudication.recheck import recheck
from app.agreement.adaptive import PRIOR
from app.claims import service as claims
from app.claims.models import Claim, ClaimState
from app.db import transaction
from app.errors import Invalid
from app.items.models import Gold, Item, Status, Subtask
from app.judgments import service as judgments
from app.judgments.cards import as_json, cards_for
from app.judgments.models import Decision, Judgment, Method
from app.judgments.rater_models import fit_models, latest_models
from app.judgments.service import AlreadyDecided, Answers
from app.judgments.tallies import counted_afresh, rebuild, up_to_date
from app.judgments.tally_models import CountedVotes
from tests.factories import make_account, make_item
from tests.judgments.adaptive_campaign import (
    CAREFUL,
    CARELESS,
    adaptive_campaign,
    modelled,
    on_test,
    policy_of,
    take,
    visit,
)
from tests.judgments.answers import all_yes, answer

IDENTITY, ORIGIN = "food1_identity", "food1_origin"


def only_decision(session: Session, item: Item) -> Decision:
    return session.exec(select(Decision).where(Decision.item_id == item.id)).one()


def counts(item: Item) -> tuple[int, int, int]:
    return item.wanted, item.held, item.judged


def test_two_who_agree_decide_and_the_decision_can_be_worked_out_again(session: Session) -> None:
    campaign = adaptive_campaign(session)
    item = make_item(session, campaign)
    visit(session, campaign, item)
    assert (item.status, counts(item)) == (Status.PENDING, (2, 1, 1))
    visit(session, campaign, item)
    assert (item.status, counts(item)) == (Status.APPROVED, (2, 2, 2))
    decision = only_decision(session, item)
    assert (decision.rule, decision.method, decision.outcome) == ("adaptive/1", Method.RULE, Status.APPROVED)
    assert decision.posterior == min(decision.detail["posteriors"].values()) == pytest.approx(0.98857, abs=1e-5)
    assert decision.detail["threshold"] == 0.95
    assert decision.detail["models"] == {IDENTITY: PRIOR, ORIGIN: PRIOR}
    assert decision.detail["tallies"][IDENTITY] == {"yes": 2, "no": 0, "unsure": 0}
    assert (decision.detail["visits"], decision.detail["cap"], decision.detail["open_questions"]) == (2, 5, [])
    assert set(decision.detail["judgments"]) == {str(id_) for id_ in session.exec(select(Judgment.id))}


def test_two_who_say_no_reject(session: Session) -> None:
    campaign = adaptive_campaign(session)
    item = make_item(session, campaign)
    for _ in range(2):
        visit(session, campaign, item, food1_origin="no")
    assert item.status is Status.REJECTED
    assert only_decision(session, item).detail["open_questions"] == [ORIGIN]


def test_one_more_is_asked_until_the_cap_and_then_a_person_settles(session: Session) -> None:
    campaign = adaptive_campaign(session)
    item = make_item(session, campaign)
    wanted = []
    for vote in ("yes", "no", "unsure", "yes", "no"):
        visit(session, campaign, item, food1_identity=vote)
        wanted.append(item.wanted)
    assert wanted == [2, 3, 4, 5, 5]
    assert item.status is Status.DISPUTED
    decision = only_decision(session, item)
    assert decision.detail["open_questions"] == [IDENTITY]
    assert decision.detail["majorities"] == {IDENTITY: None, ORIGIN: "yes"}
    assert len(decision.detail["judgments"]) == 5


def test_settled_questions_are_not_asked_again(session: Session) -> None:
    campaign = adaptive_campaign(session, open_questions_only=True)
    item = make_item(session, campaign, Subtask.SFB)
    visit(session, campaign, item)
    visit(session, campaign, item, background="no")
    assert item.open_questions == ["background"]
    person = make_account(session)
    claim = take(session, campaign, person, item)
    (card,) = cards_for(session, [claim])
    assert [question.key for question in card.questions] == ["background"]
    assert [question["key"] for question in as_json(card)["questions"]] == ["background"]
    with pytest.raises(Invalid) as refused:
        judgments.submit(session, person, claim.id, all_yes(Subtask.SFB))
    assert refused.value.fields[f"answers.{IDENTITY}"] == (
        "This question is not asked of you here; please answer background only."
    )
    with pytest.raises(Invalid, match="no such question"):
        judgments.submit(session, person, claim.id, Answers({"background": answer(), "food2_origin": answer()}))
    assert judgments.submit(session, person, claim.id, Answers({"background": answer()})).status == "counted"
    visit(session, campaign, item)
    visit(session, campaign, item)
    assert (item.status, item.wanted) == (Status.APPROVED, 5)
    tallies = only_decision(session, item).detail["tallies"]
    assert {question: sum(tally.values()) for question, tally in tallies.items()} == {
        IDENTITY: 2, ORIGIN: 2, "background": 5
    }  # fmt: skip


def test_every_question_is_asked_again_unless_the_policy_says_otherwise(session: Session) -> None:
    campaign = adaptive_campaign(session)
    item = make_item(session, campaign, Subtask.SFB)
    visit(session, campaign, item)
    visit(session, campaign, item, background="no")
    assert (item.wanted, item.open_questions) == (3, None)


def test_partial_judgments_are_counted_for_what_they_answer(session: Session) -> None:
    campaign = adaptive_campaign(session, open_questions_only=True)
    item = make_item(session, campaign, Subtask.SFB)
    visit(session, campaign, item)
    visit(session, campaign, item, background="no")
    first = {key: n for key, n in counted_afresh(session, campaign.id).patterns.items() if key[0] == "first"}
    last = visit(session, campaign, item, background="unsure")
    up_to_date(session, campaign.id)
    assert session.get_one(CountedVotes, item.id).answers == ["yy--y", "yy--n", "----u"]
    tally = counted_afresh(session, campaign.id)
    assert {key: n for key, n in tally.patterns.items() if key[0] == "first"} == first, "the first two stay the basis"
    assert tally.patterns["all", IDENTITY, "all", "", 2, 0, 0] == 1
    assert tally.patterns["all", "background", "all", "", 1, 1, 1] == 1
    assert not [key for key in tally.raters if key[4] == str(last.account_id) and key[1] != "background"]
    assert rebuild(session, campaign.id).n_differing == 0
    fits = fit_models(session, campaign.id)
    assert (fits[IDENTITY].n_judgments, fits["background"].n_judgments) == (2, 3)


def test_raters_weigh_as_the_newest_model_says(session: Session) -> None:
    campaign = adaptive_campaign(session)
    clickers = [make_account(session) for _ in range(2)]
    of_clickers = dict.fromkeys([who.id for who in clickers], CARELESS)
    for key in (IDENTITY, ORIGIN):
        modelled(session, campaign, key, CARELESS)
    fits = [modelled(session, campaign, key, CAREFUL, of_clickers) for key in (IDENTITY, ORIGIN)]
    trusted, doubted = make_item(session, campaign), make_item(session, campaign)
    for _ in range(2):
        visit(session, campaign, trusted)
    for clicker in clickers:
        visit(session, campaign, doubted, clicker)
    assert trusted.status is Status.APPROVED
    assert only_decision(session, trusted).detail["models"] == {IDENTITY: str(fits[0].id), ORIGIN: str(fits[1].id)}
    assert (doubted.status, doubted.wanted) == (Status.PENDING, 3)


def test_a_model_of_few_judgments_is_not_trusted_yet(session: Session) -> None:
    campaign = adaptive_campaign(session)
    modelled(session, campaign, IDENTITY, CARELESS, n_judgments=99)
    item = make_item(session, campaign)
    for _ in range(2):
        visit(session, campaign, item)
    assert only_decision(session, item).detail["models"] == {IDENTITY: PRIOR, ORIGIN: PRIOR}


def test_the_raised_threshold_holds_once_the_pool_is_known(session: Session) -> None:
    people = [make_account(session).id for _ in range(3)]
    rows = [[0.9, 0.05, 0.05], [0.25, 0.7, 0.05]]  # two yes: 0.991
    for n, threshold in ((99, 0.95), (100, 0.98)):
        campaign = adaptive_campaign(session)
        for key in (IDENTITY, ORIGIN):
            modelled(session, campaign, key, rows, dict.fromkeys(people, rows), n=n)
        item = make_item(session, campaign)
        for _ in range(2):
            visit(session, campaign, item)
        assert only_decision(session, item).detail["threshold"] == threshold


def test_an_item_sent_back_is_judged_adaptively_by_fresh_people_alone(session: Session) -> None:
    campaign = adaptive_campaign(session, open_questions_only=True, better_half_from=3, insiders=1)
    item = make_item(session, campaign, home="EG", reserved=0)
    for vote in ("yes", "no", "yes", "yes", "yes"):
        visit(session, campaign, item, food1_identity=vote)
    assert (item.status, item.wanted) == (Status.APPROVED, 5)
    for _ in range(4):
        make_account(session)
    recheck(session, make_account(session, Role.ADMIN), item.id, "Look again.")
    session.refresh(item)
    assert (counts(item), item.reserved, item.late_from, item.open_questions) == ((7, 5, 5), 1, 7, None)
    item.reserved = 0
    session.flush()
    visit(session, campaign, item)
    visit(session, campaign, item, food1_origin="no")
    assert (item.status, item.wanted, item.open_questions) == (Status.PENDING, 8, [ORIGIN])
    visit(session, campaign, item, food1_origin="no")
    visit(session, campaign, item, food1_origin="no")
    assert item.status is Status.REJECTED
    last = session.exec(select(Decision).where(Decision.item_id == item.id).order_by(sa.desc("id"))).first()
    assert last is not None
    assert last.detail["tallies"] == {
        IDENTITY: {"yes": 2, "no": 0, "unsure": 0}, ORIGIN: {"yes": 1, "no": 3, "unsure": 0}
    }  # fmt: skip


def test_an_item_sent_back_ends_when_nobody_fresh_is_left(session: Session) -> None:
    campaign = adaptive_campaign(session)
    item = make_item(session, campaign)
    for _ in range(2):
        visit(session, campaign, item)
    fresh = [make_account(session) for _ in range(2)]
    recheck(session, make_account(session, Role.ADMIN), item.id, "Look again.")
    visit(session, campaign, item, fresh[0])
    visit(session, campaign, item, fresh[1], food1_identity="no")
    assert (item.status, counts(item)) == (Status.DISPUTED, (4, 4, 4))


def test_a_test_answer_looks_counted_and_moves_nothing_but_what_is_known_of_its_rater(session: Session) -> None:
    campaign = adaptive_campaign(session)
    gold, plain = make_item(session, campaign), make_item(session, campaign)
    for key in (IDENTITY, ORIGIN):
        session.add(Gold(item_id=gold.id, question=key, answer="no"))
    visit(session, campaign, plain)
    visit(session, campaign, plain, food1_identity="no")
    before = counted_afresh(session, campaign.id)
    for _ in range(3):
        claim = on_test(session, gold)
        person = session.get_one(Account, claim.account_id)
        sent = all_yes(food1_identity=answer("no"))
        assert judgments.submit(session, person, claim.id, sent).status == "counted"
        assert judgments.submit(session, person, claim.id, sent).status == "counted"
        session.refresh(claim)
        assert (claim.state, claim.slot) == (ClaimState.JUDGED, None)
    session.refresh(gold)
    assert (gold.status, counts(gold), session.exec(select(Decision)).all()) == (Status.PENDING, (2, 0, 0), [])
    up_to_date(session, campaign.id)
    assert session.get_one(CountedVotes, gold.id).answers == ["ny---"] * 3
    after = counted_afresh(session, campaign.id)
    assert (after.patterns, after.raters, after.pairs) == (before.patterns, before.raters, before.pairs)
    assert rebuild(session, campaign.id).n_differing == 0
    fits = fit_models(session, campaign.id)
    assert (fits[IDENTITY].n_gold, fits[IDENTITY].n_judgments) == (1, 5)
    newest = latest_models(session, campaign.id)[IDENTITY].fit
    assert newest["raters"][str(person.id)]["expected"][1] == [0, 1, 0], "they said no of what is known to be wrong"


def test_tests_of_what_is_gold_no_more_and_never_was_decided_count_nowhere(session: Session) -> None:
    campaign = adaptive_campaign(session)
    item = make_item(session, campaign)
    claim = on_test(session, item)
    judgments.submit(session, session.get_one(Account, claim.account_id), claim.id, all_yes())
    up_to_date(session, campaign.id)
    assert session.get(CountedVotes, item.id) is None


def test_a_test_answer_freezes_with_the_ordinary_one_beside_it(session: Session) -> None:
    campaign = adaptive_campaign(session)
    gold, plain = make_item(session, campaign), make_item(session, campaign)
    session.add(Gold(item_id=gold.id, question=IDENTITY, answer="yes"))
    claim = on_test(session, gold)
    person = session.get_one(Account, claim.account_id)
    judgments.submit(session, person, claim.id, all_yes())
    claim_beside = Claim(
        item_id=plain.id, account_id=person.id, campaign_id=campaign.id, policy_id=claim.policy_id, slot=1,
        leased_at=claim.leased_at, expires_at=claim.expires_at,
    )  # fmt: skip
    plain.held = 1
    session.add_all([claim_beside, plain])
    session.flush()
    judgments.submit(session, person, claim_beside.id, all_yes())
    assert judgments.submit(session, person, claim.id, all_yes(food1_identity=answer("no"))).is_new
    visit(session, campaign, plain)
    assert plain.status is Status.APPROVED
    # It may stay open up to half longer than the other did: so it began well before.
    session.execute(
        sa.text("UPDATE claim SET ended_at = ended_at - interval '1 hour' WHERE id = :id"), {"id": claim.id}
    )
    for one in (claim, claim_beside):
        with pytest.raises(AlreadyDecided):
            judgments.submit(session, person, one.id, all_yes(food1_identity=answer("unsure")))


def test_fixed_overlap_takes_over_what_was_asked_in_part(session: Session) -> None:
    """A campaign that gives adaptive overlap up: settled questions are decided by the two answers they have."""
    campaign = adaptive_campaign(session, open_questions_only=True)
    item = make_item(session, campaign, Subtask.SFB)
    visit(session, campaign, item)
    visit(session, campaign, item, background="no")
    policy = policy_of(session, campaign)
    policy.rule, policy.overlap = "fixed", 3
    session.flush()
    visit(session, campaign, item)
    assert item.status is Status.APPROVED
    assert only_decision(session, item).detail["needed"] == 2


def test_under_pressure_no_item_gets_more_visits_than_the_rule_asks_for(fresh_engine: sa.Engine) -> None:
    """Eight people at once on six items; each answers by a pattern, so that items need from two to five visits."""
    with transaction(fresh_engine) as session:
        campaign = adaptive_campaign(session, open_questions_only=True)
        items = [make_item(session, campaign) for _ in range(6)]
        ids = {item.id: number for number, item in enumerate(items)}
        people = [make_account(session) for _ in range(8)]
    start = threading.Barrier(len(people))
    faults: list[BaseException] = []

    def work(place: int) -> None:
        try:
            start.wait()
            for _ in range(40):
                with transaction(fresh_engine) as session:
                    found = claims.claim_next(session, people[place], campaign, policy_of(session, campaign), lease=600)
                    (claim,) = found.claims or (None,)
                    if claim is None:
                        break
                with transaction(fresh_engine) as session:
                    vote = "no" if ids[claim.item_id] % 2 and place % 2 else "yes"
                    asked = claim.questions or [IDENTITY, ORIGIN]
                    votes = {key: answer(vote if key == IDENTITY else "yes") for key in asked}
                    judgments.submit(session, people[place], claim.id, Answers(votes))
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(people))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place in range(len(people)):  # who found nothing may have gone before another visit was asked for
        start = threading.Barrier(1)
        work(place)
    assert faults == []
    with transaction(fresh_engine) as session:
        judged = Counter(session.exec(select(Claim.item_id).where(Claim.state == ClaimState.JUDGED)).all())
        for item in session.exec(select(Item)):
            assert item.status is not Status.PENDING
            assert judged[item.id] == item.judged == item.held == item.wanted
            assert 2 <= item.judged <= 5
            decision = only_decision(session, item)
            assert decision.outcome is item.status
            assert len(decision.detail["judgments"]) == item.judged
            if ids[item.id] % 2 == 0:
                assert (item.status, item.judged) == (Status.APPROVED, 2)
