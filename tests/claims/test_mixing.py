"""Tests with a known answer among the ordinary items."""

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.campaigns.parameters import Parameters
from app.claims import queries as work
from app.claims import service as claims
from app.claims.mixing import Plan, demanded
from app.claims.models import Claim, ClaimState
from app.items.models import Gold, Hold, Item, Status
from app.judgments import service as judgments
from tests.claims.test_claims import claim, let_expire
from tests.claims.test_lanes import counts, make_routed
from tests.factories import make_account, make_item
from tests.judgments.answers import all_yes


def make_gold(session: Session, campaign: Campaign, **values: object) -> Item:
    item = make_item(session, campaign, **{"status": Status.APPROVED} | values)
    session.add(Gold(item_id=item.id, question="food1_identity", answer="yes"))
    session.flush()
    return item


def work_through(session: Session, account: Account, campaign: Campaign, count: int = 1) -> list[tuple[Claim, int]]:
    """Every claim in its order, each with what was left when it was asked for."""
    done: list[tuple[Claim, int]] = []
    while (found := claim(session, account, campaign, count)).claims:
        left = work.remaining(session, account, campaign, found.holding, found.asker)
        for place, mine in enumerate(found.claims):
            done.append((mine, left - place))
            judgments.submit(session, account, mine.id, all_yes())
    return done


@pytest.mark.parametrize("seed", range(40))
def test_tests_keep_to_the_share_that_falls(seed: int) -> None:
    parameters = Parameters(gold_first=0.3, gold_last=0.1, gold_taper=60)
    plan = Plan(parameters, str(seed))
    given = 0
    for n in range(1, 400):
        given += plan.is_test(n)
        assert -2 < given - demanded(parameters, n) < 2
    assert given == pytest.approx(demanded(parameters, 399), abs=4)


def test_the_places_of_tests_differ_between_people() -> None:
    parameters = Parameters(gold_first=0.2, gold_last=0.2)
    places = {tuple(n for n in range(60) if Plan(parameters, str(seed)).is_test(n)) for seed in range(20)}
    assert len(places) == 20


@pytest.mark.parametrize("count", [1, 4])
def test_tests_come_among_the_others_and_touch_no_count(session: Session, count: int) -> None:
    campaign, account = make_routed(session, gold_first=0.3, gold_last=0.3), make_account(session)
    ordinary = [make_item(session, campaign) for _ in range(30)]
    gold = {make_gold(session, campaign, wanted=2, held=2, judged=2).id for _ in range(8)}
    done = work_through(session, account, campaign, count)
    tests = [mine for mine, _ in done if mine.is_test]
    assert 6 <= len(tests) <= 8
    assert {mine.item_id for mine in tests} <= gold
    assert all(mine.slot is None and mine.state is ClaimState.JUDGED for mine in tests)
    assert len({mine.item_id for mine, _ in done}) == len(done) == 30 + len(tests)
    assert {counts(session, item) for item in ordinary} == {(1, 0, 1)}
    assert {tuple(row) for row in session.execute(sa.text("SELECT held, judged FROM item WHERE status = 'approved'"))} == {(2, 2)}  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("n_gold", [3, 30])
def test_what_is_left_falls_by_one_whatever_it_was(session: Session, n_gold: int) -> None:
    campaign, account = make_routed(session, gold_first=0.4, gold_last=0.2, gold_taper=20), make_account(session)
    for _ in range(20):
        make_item(session, campaign)
    for _ in range(n_gold):
        make_gold(session, campaign)
    done = work_through(session, account, campaign)
    assert any(mine.is_test for mine, _ in done)
    assert [left for _, left in done] == list(range(len(done), 0, -1))


def test_undecided_gold_serves_as_a_test_where_there_is_no_other(session: Session) -> None:
    campaign, account = make_routed(session, gold_first=1, gold_last=1), make_account(session)
    make_item(session, campaign)
    gold = make_gold(session, campaign, status=Status.PENDING, priority=-1)
    first = claim(session, account, campaign).claims[0]
    assert (first.item_id, first.is_test) == (gold.id, True)
    assert counts(session, gold) == (0, 0, 0)
    other = claim(session, make_account(session), campaign, count=2).claims
    assert len(other) == 2


@pytest.mark.parametrize("kept", ["withdrawn", "training", "test", "seen"])
def test_what_is_no_live_gold_is_no_test(session: Session, kept: str) -> None:
    campaign, account = make_routed(session, gold_first=1, gold_last=1), make_account(session)
    make_item(session, campaign)
    gold = make_gold(session, campaign, hold=Hold(kept) if kept in ("training", "test") else None)
    if kept == "withdrawn":
        session.execute(sa.text("UPDATE gold SET withdrawn_at = now()"))
    if kept == "seen":
        assert claim(session, account, campaign).claims[0].item_id == gold.id
        judgments.submit(session, account, claim(session, account, campaign).claims[0].id, all_yes())
    assert claim(session, account, campaign).claims[0].is_test is False


@pytest.mark.parametrize("n_ordinary", [1, 3])
def test_a_test_given_back_comes_again_as_any_item_does(session: Session, n_ordinary: int) -> None:
    campaign, account = make_routed(session, gold_first=1, gold_last=1), make_account(session)
    make_gold(session, campaign)
    for _ in range(n_ordinary):
        make_item(session, campaign)
    found = claim(session, account, campaign, count=2)
    assert sum(mine.is_test for mine in found.claims) == 1
    left = work.remaining(session, account, campaign, found.holding)
    for mine in found.claims:
        claims.give_back(session, account, mine.id, reason=None, skip=False)
    assert work.remaining(session, account, campaign, 0) == left
    again = claim(session, account, campaign, count=2)
    assert {mine.id for mine in again.claims} == {mine.id for mine in found.claims}
    assert work.remaining(session, account, campaign, again.holding) == left
    for mine in again.claims:
        if not mine.is_test:
            judgments.submit(session, account, mine.id, all_yes())
    claims.give_back(session, account, next(mine.id for mine in again.claims if mine.is_test), reason=None, skip=False)
    assert claim(session, account, campaign).claims[0].is_test


@pytest.mark.parametrize(
    "values", [{"wanted": 2, "held": 2, "judged": 2}, {"status": Status.PENDING}], ids=["decided", "undecided"]
)
def test_a_lapsed_test_is_answered_late_and_revived_like_any_other(session: Session, values: dict[str, object]) -> None:
    campaign, account = make_routed(session, gold_first=1, gold_last=1), make_account(session)
    make_item(session, campaign, priority=1)
    gold = make_gold(session, campaign, **values)
    before = counts(session, gold)
    mine = claim(session, account, campaign).claims[0]
    let_expire(session, mine)
    claim(session, make_account(session), campaign)
    session.refresh(mine)
    assert mine.state is ClaimState.EXPIRED
    assert claims.extend(session, account, mine.id, 60).state is ClaimState.OPEN
    let_expire(session, mine)
    claim(session, make_account(session), campaign)
    assert judgments.submit(session, account, mine.id, all_yes()).status == "counted"
    assert counts(session, gold) == before


def test_with_no_ordinary_work_there_are_no_tests(session: Session) -> None:
    campaign, account = make_routed(session, gold_first=1, gold_last=1), make_account(session)
    make_gold(session, campaign)
    found = claim(session, account, campaign)
    assert found.claims == []
    assert work.remaining(session, account, campaign, 0) == 0


def test_an_undecided_known_item_comes_once_in_a_batch(session: Session) -> None:
    """It is among the ordinary items as well as among the tests."""
    campaign = make_routed(session, gold_first=0.5, gold_last=0.5)
    for dish in range(12):
        make_gold(session, campaign, status=Status.PENDING, foods=((f"Dish {dish}", "EG"),))
    for _ in range(5):
        given = claim(session, make_account(session), campaign, count=6).claims
        assert len({mine.item_id for mine in given}) == len(given) == 6
