"""A changed policy takes hold of what is undecided, and of nothing else."""

import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account, KnownCountry
from app.campaigns import service as campaigns
from app.claims import service as claims
from app.claims.models import Claim, ClaimState
from app.db import transaction
from app.items.models import Item, Status
from app.jobs import Job, JobStatus, run_job
from app.judgments import batches, policy_change
from app.judgments.fresh import send_back
from app.judgments.models import Decision
from app.judgments.service import submit
from app.settings import Settings
from tests.campaigns.conftest import Change
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import all_yes, answer

SLUG = "changing"


def set_up(engine: sa.Engine, *, policy: str = "fixed-3", items: int = 1, people: int = 4) -> list[Account]:
    with transaction(engine) as session:
        campaign = make_campaign(session, SLUG, policy=policy)
        for _ in range(items):
            make_item(session, campaign)
        return [make_account(session) for _ in range(people)]


def take(engine: sa.Engine, account: Account) -> uuid.UUID:
    """A lease on the only item there is."""
    with transaction(engine) as session:
        campaign, policy = campaigns.with_policy(session, SLUG)
        return claims.claim_next(session, account, campaign, policy, lease=600).claims[0].id


def answer_it(engine: sa.Engine, account: Account, claim_id: uuid.UUID, value: str = "yes") -> None:
    with transaction(engine) as session:
        submit(session, account, claim_id, all_yes(food1_identity=answer(value)))


def judge(engine: sa.Engine, account: Account, value: str = "yes") -> None:
    answer_it(engine, account, take(engine, account), value)


def the_item(engine: sa.Engine) -> Item:
    with Session(engine) as session:
        return session.exec(select(Item)).one()


def test_more_people_are_asked_for_and_the_items_wait_for_them(fresh_engine: sa.Engine, change: Change) -> None:
    ana, ben, *_ = set_up(fresh_engine)
    judge(fresh_engine, ana)
    judge(fresh_engine, ben)
    change(SLUG, overlap=5)
    item = the_item(fresh_engine)
    assert (item.status, item.wanted, item.held, item.judged) == (Status.PENDING, 5, 2, 2)


def test_an_item_that_has_enough_by_the_new_policy_is_decided_by_it(fresh_engine: sa.Engine, change: Change) -> None:
    ana, ben, *_ = set_up(fresh_engine, policy="fixed-5")
    judge(fresh_engine, ana)
    judge(fresh_engine, ben)
    saved = change(SLUG, overlap=2)
    with Session(fresh_engine) as session:
        item, decision = session.exec(select(Item)).one(), session.exec(select(Decision)).one()
    assert (item.status, item.wanted, item.judged) == (Status.APPROVED, 2, 2)
    assert decision.policy_id == saved.id


def test_what_is_decided_is_left_alone(fresh_engine: sa.Engine, change: Change) -> None:
    people = set_up(fresh_engine)
    for person in people[:3]:
        judge(fresh_engine, person, "no")
    change(SLUG, overlap=5)
    item = the_item(fresh_engine)
    assert (item.status, item.wanted) == (Status.REJECTED, 3)


def test_a_running_lease_finishes_and_the_policy_in_force_decides(fresh_engine: sa.Engine, change: Change) -> None:
    ana, ben, eva, joe = set_up(fresh_engine, policy="fixed-5")
    judge(fresh_engine, ana)
    held = [(person, take(fresh_engine, person)) for person in (ben, eva, joe)]
    old = the_claim(fresh_engine, held[0][1]).policy_id
    saved = change(SLUG, overlap=2)
    assert the_item(fresh_engine).wanted == 4  # three leases were promised beside the one judgment
    for person, claim_id in held:
        answer_it(fresh_engine, person, claim_id)
    assert the_item(fresh_engine).status is Status.APPROVED
    assert the_claim(fresh_engine, held[0][1]).policy_id == old
    with Session(fresh_engine) as session:
        assert session.exec(select(Decision)).one().policy_id == saved.id != old


def the_claim(engine: sa.Engine, claim_id: uuid.UUID) -> Claim:
    with Session(engine) as session:
        return session.get_one(Claim, claim_id)


def test_slots_move_down_so_that_a_later_round_counts_its_own_judgments(
    fresh_engine: sa.Engine, change: Change
) -> None:
    ana, ben, eva, _ = set_up(fresh_engine, policy="fixed-5")
    left = take(fresh_engine, ana)
    judge(fresh_engine, ben)
    judge(fresh_engine, eva)
    with transaction(fresh_engine) as session:
        claims.give_back(session, ana, left, reason=None, skip=False)
    change(SLUG, overlap=2)
    with Session(fresh_engine) as session:
        slots = session.exec(select(Claim.slot).where(col(Claim.slot).is_not(None))).all()
    assert sorted(slot for slot in slots if slot) == [1, 2]
    assert the_item(fresh_engine).status is Status.APPROVED


def test_an_item_that_was_sent_back_asks_for_the_new_number_on_top(fresh_engine: sa.Engine, change: Change) -> None:
    people = set_up(fresh_engine, people=8)
    for person in people[:3]:
        judge(fresh_engine, person)
    with transaction(fresh_engine) as session:
        item = session.exec(select(Item).with_for_update(key_share=True)).one()
        _, policy = campaigns.with_policy(session, SLUG)
        decision = session.exec(select(Decision.id)).one()
        assert decision is not None
        send_back(session, item, policy, overrides=decision, rule="recheck/1", because={})
    judge(fresh_engine, people[3], "no")
    change(SLUG, overlap=2)
    item = the_item(fresh_engine)
    assert (item.status, item.wanted, item.judged) == (Status.PENDING, 5, 4)
    judge(fresh_engine, people[4], "no")
    assert the_item(fresh_engine).status is Status.REJECTED


def test_places_are_kept_for_insiders_unless_one_was_there_already(fresh_engine: sa.Engine, change: Change) -> None:
    ana, *_ = set_up(fresh_engine, items=2)
    with transaction(fresh_engine) as session:
        session.add(KnownCountry(account_id=ana.id, country="EG"))
    judge(fresh_engine, ana)
    change(SLUG, insiders=1)
    with Session(fresh_engine) as session:
        assert sorted(session.exec(select(Item.judged, Item.reserved)).all()) == [(0, 1), (1, 0)]
        assert session.exec(select(Claim)).one().is_insider
    change(SLUG, insiders=0)
    with Session(fresh_engine) as session:
        assert set(session.exec(select(Item.reserved)).all()) == {0}
        assert not session.exec(select(Claim)).one().is_insider


def test_from_adaptive_to_fixed_nothing_stays_behind(fresh_engine: sa.Engine, change: Change) -> None:
    ana, ben, *_ = set_up(fresh_engine, policy="adaptive")
    judge(fresh_engine, ana)
    judge(fresh_engine, ben, "unsure")
    item = the_item(fresh_engine)
    assert (item.wanted, item.late_from) == (3, 2)
    assert item.open_questions
    change(SLUG, rule="fixed", overlap=4)
    item = the_item(fresh_engine)
    assert (item.wanted, item.late_from, item.open_questions) == (4, 32767, None)


def test_coming_twice_leaves_the_same(fresh_engine: sa.Engine, change: Change, settings: Settings) -> None:
    ana, ben, *_ = set_up(fresh_engine, policy="fixed-4", items=3)
    judge(fresh_engine, ana)
    judge(fresh_engine, ben)
    change(SLUG, rule="adaptive", overlap=5, insiders=1)
    once = items_and_decisions(fresh_engine)
    with transaction(fresh_engine) as session:
        campaign, policy = campaigns.with_policy(session, SLUG)
        job = policy_change.start(session, None, campaign, policy)
    run_job(fresh_engine, settings, job.id)
    assert items_and_decisions(fresh_engine) == once


def items_and_decisions(engine: sa.Engine) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        items = connection.execute(
            sa.text("SELECT wanted, held, judged, reserved, late_from, status, open_questions FROM item ORDER BY key")
        )
        decisions = connection.execute(sa.text("SELECT id, item_id, outcome FROM decision ORDER BY id"))
        return [tuple(row) for row in items] + [tuple(row) for row in decisions]


def test_an_older_change_leaves_everything_to_the_newer_one(
    fresh_engine: sa.Engine, change: Change, settings: Settings
) -> None:
    set_up(fresh_engine)
    old = change(SLUG, overlap=4)
    change(SLUG, overlap=5)
    with transaction(fresh_engine) as session:
        job = policy_change.start(session, None, campaigns.get(session, SLUG), old)
    run_job(fresh_engine, settings, job.id)
    assert the_item(fresh_engine).wanted == 5
    with Session(fresh_engine) as session:
        assert session.get_one(Job, job.id).result == {"overtaken_by": 3}


def test_an_item_somebody_is_working_on_is_waited_for(fresh_engine: sa.Engine, change: Change) -> None:
    set_up(fresh_engine, items=3)
    with ThreadPoolExecutor(1) as pool:
        with transaction(fresh_engine) as session:
            busy = session.exec(select(Item.id).limit(1).with_for_update(key_share=True)).one()
            changing = pool.submit(change, SLUG, overlap=5)
            for _ in range(600):
                wanted = dict(session.exec(select(Item.id, Item.wanted)).all())
                if sorted(wanted.values()) == [3, 5, 5]:
                    break
                time.sleep(0.05)
            assert wanted[busy] == 3
            assert not changing.done()
        changing.result(timeout=30)
    with Session(fresh_engine) as session:
        assert set(session.exec(select(Item.wanted)).all()) == {5}


@pytest.mark.parametrize(("before", "after", "judged"), [("fixed-2", 4, 10), ("fixed-5", 3, 30)])
def test_people_judge_on_while_a_change_takes_hold(
    fresh_engine: sa.Engine, change: Change, monkeypatch: pytest.MonkeyPatch, before: str, after: int, judged: int
) -> None:
    """Afterwards every item has exactly what one of the two policies asked for, and one decision."""
    monkeypatch.setattr(batches, "SIZE", 8)
    people = set_up(fresh_engine, policy=before, items=40, people=5)
    done = threading.Semaphore(0)
    with transaction(fresh_engine) as session:
        for item in session.exec(select(Item).limit(4)):  # these are decided before
            item.priority = 1
            session.add(item)
    for person in people[: int(before[-1])]:
        judge_some(fresh_engine, person, threading.Semaphore(0), count=4)

    def work(account: Account) -> None:
        while judge_some(fresh_engine, account, done):
            pass

    def alter() -> None:
        for _ in range(judged):
            assert done.acquire(timeout=60)
        change(SLUG, overlap=after)

    with ThreadPoolExecutor(len(people) + 1) as pool:
        running = [pool.submit(alter), *(pool.submit(work, person) for person in people)]
        for future in running:
            future.result()
    for person in people:
        work(person)
    with Session(fresh_engine) as session:
        items = session.exec(select(Item)).all()
        decided = Counter(session.exec(select(Decision.item_id)).all())
        slots = Counter(session.exec(select(Claim.item_id).where(col(Claim.slot).is_not(None))).all())
        assert session.exec(select(Job.status)).all() == [JobStatus.DONE]
        assert not session.exec(select(Claim).where(Claim.state == ClaimState.OPEN)).all()
    few, many = sorted((int(before[-1]), after))
    assert all(item.status is Status.APPROVED for item in items)
    assert all(few <= item.wanted == item.held == item.judged == slots[item.id] <= many for item in items)
    assert set(decided.values()) == {1}
    assert {int(before[-1]), after} <= {item.wanted for item in items}


def judge_some(engine: sa.Engine, account: Account, done: threading.Semaphore, count: int = 3) -> bool:
    with transaction(engine) as session:
        campaign, policy = campaigns.with_policy(session, SLUG)
        mine = claims.claim_next(session, account, campaign, policy, count=count, lease=600).claims
    for claim in mine:
        with transaction(engine) as session:
            submit(session, account, claim.id, all_yes())
        done.release()
    return bool(mine)
