"""Qualification: training with a word after each answer, a test with none until the end, and what passing opens."""

import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.accounts.models import Account, KnownCountry, Role
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Exam, ExamKind, Qualification
from app.claims import service as claims
from app.db import transaction
from app.gold import exams, service
from app.gold.exams import NoExam
from app.items.models import Gold, Hold, Item
from app.judgments.service import Answers
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.gold.things import answers_of, give, make_gold, set_policy
from tests.locks import wait_for_lock

AFRICA, EUROPE = "Africa", "Europe"


@pytest.fixture
def campaign(session: Session) -> Campaign:
    found = make_campaign(session, "sample")
    set_policy(session, found, qualification=True, exam_items=4, tries=2, pass_share=0.75)
    return found


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session)


@pytest.fixture
def page(browse: SignIn, account: Account) -> TestClient:
    return browse(account)


def make_material(session: Session, campaign: Campaign, hold: Hold, n: int = 4, n_wrong: int = 2) -> list[Item]:
    return [make_gold(session, campaign, "no" if number < n_wrong else "yes", hold=hold) for number in range(n)]


def begin(session: Session, account: Account, campaign: Campaign, kind: ExamKind, region: str = AFRICA) -> Exam:
    return exams.begin(session, account, campaign, campaigns.current_policy(session, campaign), region, kind)


def answer_all(session: Session, account: Account, campaign: Campaign, exam: Exam, said: str | None = None) -> Exam:
    """As is known, or `said` to every first question."""
    policy = campaigns.current_policy(session, campaign)
    while (item_id := exams.next_item(exam)) is not None:
        item = session.get_one(Item, item_id)
        first = said or service.gold_of(session, item)["food1_identity"].answer
        exam = exams.answer(session, account, campaign, policy, exam.id, str(item_id), Answers(answers_of(item, first)))
    return exam


def qualification(session: Session, account: Account) -> Qualification:
    return session.exec(select(Qualification).where(Qualification.account_id == account.id)).one()


def test_passing_opens_the_regions_items(session: Session, campaign: Campaign, account: Account) -> None:
    make_item(session, campaign)
    make_material(session, campaign, Hold.TEST)
    policy = campaigns.current_policy(session, campaign)
    assert claims.claim_next(session, account, campaign, policy, lease=600).claims == []
    exam = answer_all(session, account, campaign, begin(session, account, campaign, ExamKind.TEST))
    assert (exam.score, exam.has_passed) == (1.0, True)
    assert qualification(session, account).passed_at is not None
    assert len(claims.claim_next(session, account, campaign, policy, lease=600).claims) == 1
    with pytest.raises(NoExam, match="passed"):
        begin(session, account, campaign, ExamKind.TEST)


def test_passing_marks_the_declared_countries_of_that_region_as_tested(
    session: Session, campaign: Campaign, account: Account
) -> None:
    session.add_all([KnownCountry(account_id=account.id, country=code) for code in ("EG", "IT")])
    make_material(session, campaign, Hold.TEST)
    answer_all(session, account, campaign, begin(session, account, campaign, ExamKind.TEST))
    session.expire_all()
    known = session.exec(select(KnownCountry).where(KnownCountry.account_id == account.id)).all()
    assert {one.country: one.is_tested for one in known} == {"EG": True, "IT": False}


def test_who_says_yes_to_everything_fails_and_has_so_many_tries(
    session: Session, campaign: Campaign, account: Account
) -> None:
    """Half of the images have one wrong claim of two: yes to all is three quarters right, just what passes here, so
    the bar is set a little higher."""
    set_policy(session, campaign, pass_share=0.8)
    make_material(session, campaign, Hold.TEST, n=12, n_wrong=6)
    for number in (1, 2):
        exam = answer_all(session, account, campaign, begin(session, account, campaign, ExamKind.TEST), "yes")
        assert (exam.score, exam.has_passed) == (0.75, False), "half of the images drawn have a wrong claim"
        assert qualification(session, account).tries == number
    with pytest.raises(NoExam, match="all 2 tries"):
        begin(session, account, campaign, ExamKind.TEST)


def test_a_second_try_has_other_images_where_there_are_enough(
    session: Session, campaign: Campaign, account: Account
) -> None:
    make_material(session, campaign, Hold.TEST, n=8, n_wrong=4)
    first = answer_all(session, account, campaign, begin(session, account, campaign, ExamKind.TEST), "unsure")
    second = begin(session, account, campaign, ExamKind.TEST)
    assert not set(first.items) & set(second.items)


def test_beginning_twice_goes_on_and_is_one_try(session: Session, campaign: Campaign, account: Account) -> None:
    make_material(session, campaign, Hold.TEST)
    assert begin(session, account, campaign, ExamKind.TEST).id == begin(session, account, campaign, ExamKind.TEST).id
    assert qualification(session, account).tries == 1


def test_training_comes_first_where_there_is_one(session: Session, campaign: Campaign, account: Account) -> None:
    make_material(session, campaign, Hold.TEST)
    make_material(session, campaign, Hold.TRAINING, n=2, n_wrong=1)
    with pytest.raises(NoExam, match="training of Africa first"):
        begin(session, account, campaign, ExamKind.TEST)
    training = answer_all(session, account, campaign, begin(session, account, campaign, ExamKind.TRAINING), "unsure")
    assert training.has_passed is None
    assert len(begin(session, account, campaign, ExamKind.TEST).items) == 4


def test_too_few_items_are_said_with_their_number(session: Session, campaign: Campaign, account: Account) -> None:
    make_material(session, campaign, Hold.TEST, n=3)
    with pytest.raises(NoExam, match="needs 4 items and has 3"):
        begin(session, account, campaign, ExamKind.TEST)
    with pytest.raises(NoExam, match="nothing to train on"):
        begin(session, account, campaign, ExamKind.TRAINING)


def test_nobody_is_examined_with_what_they_judged_or_with_withdrawn_gold(
    session: Session, campaign: Campaign, account: Account
) -> None:
    seen, withdrawn, *_ = make_material(session, campaign, Hold.TEST, n=5)
    give(session, account, seen)
    for row in session.exec(select(Gold).where(Gold.item_id == withdrawn.id)):
        session.delete(row)
    session.flush()
    state = exams.regions(session, account, campaign, campaigns.current_policy(session, campaign))[0]
    assert (state.region, state.test) == (AFRICA, 3)


def test_the_first_answer_stays(session: Session, campaign: Campaign, account: Account) -> None:
    make_material(session, campaign, Hold.TEST)
    exam = begin(session, account, campaign, ExamKind.TEST)
    policy, item_id = campaigns.current_policy(session, campaign), exam.items[0]
    item = session.get_one(Item, uuid.UUID(item_id))
    for said in ("no", "yes"):
        exams.answer(session, account, campaign, policy, exam.id, item_id, Answers(answers_of(item, said)))
    assert exam.answers[item_id]["food1_identity"]["answer"] == "no"


def test_a_score_follows_when_gold_is_withdrawn(session: Session, campaign: Campaign, account: Account) -> None:
    admin = make_account(session, Role.ADMIN)
    set_policy(session, campaign, pass_share=0.8)
    wrong, *_ = make_material(session, campaign, Hold.TEST, n_wrong=2)
    exam = answer_all(session, account, campaign, begin(session, account, campaign, ExamKind.TEST), "yes")
    assert (exam.score, exam.has_passed) == (0.75, False)
    service.withdraw(session, admin, wrong.id, "It was right.")
    assert exam.score == pytest.approx(5 / 6)
    assert exam.has_passed
    assert qualification(session, account).passed_at is not None


def test_scores_follow_two_withdrawals_at_once(fresh_engine: sa.Engine) -> None:
    with transaction(fresh_engine) as session:
        campaign, account, admin = make_campaign(session), make_account(session), make_account(session, Role.ADMIN)
        set_policy(session, campaign, qualification=True, exam_items=4, pass_share=1.0)
        first, second, *_ = make_material(session, campaign, Hold.TEST, n_wrong=2)
        exam = answer_all(session, account, campaign, begin(session, account, campaign, ExamKind.TEST), "yes")
        assert exam.score == 0.75

    def withdraw(item: Item, session: Session) -> None:
        service.withdraw(session, session.get_one(Account, admin.id), item.id, "It was right.")

    def withdraw_second() -> None:
        with transaction(fresh_engine) as session:
            withdraw(second, session)

    with ThreadPoolExecutor(1) as threads:
        with transaction(fresh_engine) as session:
            withdraw(first, session)
            other = threads.submit(withdraw_second)
            wait_for_lock(fresh_engine)
        other.result()
    with transaction(fresh_engine) as session:
        found = session.get_one(Exam, exam.id)
        assert (found.score, found.has_passed) == (1.0, True)


def item_on(html: str) -> str:
    found = re.search(r'name="item_id" value="([^"]+)"', html)
    assert found is not None
    return found[1]


def filled(item: Item, said: str) -> dict[str, str]:
    given = {f"answer.{key}": one["answer"] for key, one in answers_of(item, said).items()}
    return given | ({"reason.food1_identity": "not_there"} if said == "no" else {}) | {"item_id": str(item.id)}


def test_a_training_on_its_pages_says_what_was_right_and_goes_on_after_a_reload(
    session: Session, campaign: Campaign, page: TestClient
) -> None:
    make_material(session, campaign, Hold.TRAINING, n=2, n_wrong=2)
    assert "Begin the training" in page.get("/judge/sample/qualify").text
    address = page.post("/judge/sample/qualify", data={"region": AFRICA, "kind": "training"}).headers["location"]
    html = page.get(address).text
    assert item_on(page.get(address).text) == item_on(html), "a reload shows the same"
    item = session.get_one(Item, uuid.UUID(item_on(html)))
    empty = page.post(address, data={"item_id": str(item.id)})
    assert empty.status_code == 422
    assert "Please answer this question" in empty.text
    told = page.get(page.post(address, data=filled(item, "yes")).headers["location"]).text
    assert "1 of 2 right" in told
    assert "the answer is <b>no</b>" in told
    last = session.get_one(Item, uuid.UUID(item_on(page.get(address).text)))
    assert last.id != item.id
    assert "All right" in page.get(page.post(address, data=filled(last, "no")).headers["location"]).text
    assert "Training done" in page.get(address).text


def test_a_test_on_its_pages_says_nothing_until_the_end(session: Session, campaign: Campaign, page: TestClient) -> None:
    make_material(session, campaign, Hold.TEST)
    address = page.post("/judge/sample/qualify", data={"region": AFRICA, "kind": "test"}).headers["location"]
    for _ in range(4):
        html = page.get(address).text
        item = session.get_one(Item, uuid.UUID(item_on(html)))
        sent = page.post(address, data=filled(item, service.gold_of(session, item)["food1_identity"].answer))
        assert sent.headers["location"] == address, "on, without a word"
        told = page.get(f"{address}?after={item.id}").text
        assert "You said" not in told
    end = page.get(address).text
    assert "You passed" in end
    assert "100.0 % of your answers are right" in end


def test_nobody_sees_anothers_exam(session: Session, campaign: Campaign, account: Account, browse: SignIn) -> None:
    make_material(session, campaign, Hold.TEST)
    exam = begin(session, account, campaign, ExamKind.TEST)
    assert browse(make_account(session)).get(f"/judge/sample/qualify/{exam.id}").status_code == 404


def test_what_cannot_begin_says_why(session: Session, campaign: Campaign, page: TestClient) -> None:
    make_item(session, campaign)
    refused = page.post("/judge/sample/qualify", data={"region": AFRICA, "kind": "test"})
    assert refused.status_code == 409
    assert "needs 4 items and has 0" in refused.text
    assert page.post("/judge/sample/qualify", data={"region": EUROPE, "kind": "test"}).status_code == 404
