"""Races, with threads and real connections: the counts hold whatever the order."""

import random
import sys
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlmodel import select

from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.claims import left
from app.claims import service as claims
from app.db import transaction
from app.judgments import service as judgments
from app.judgments.models import Judgment
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import all_yes, answer

CLIENTS = 12


@pytest.fixture
def crowd(fresh_engine: sa.Engine) -> list[Account]:
    with transaction(fresh_engine) as session:
        return [make_account(session) for _ in range(CLIENTS)]


def check_counts(engine: sa.Engine, wanted: int) -> None:
    with engine.connect() as connection:
        wrong = connection.execute(
            sa.text(
                """
                SELECT item.id FROM item LEFT JOIN claim ON claim.item_id = item.id
                GROUP BY item.id HAVING item.judged <> :wanted OR item.held <> :wanted
                    OR count(*) FILTER (WHERE claim.state = 'judged' AND claim.slot IS NOT NULL) <> :wanted
                    OR count(DISTINCT claim.slot) <> :wanted OR max(claim.slot) <> :wanted
                """
            ),
            {"wanted": wanted},
        ).all()
        decided = connection.execute(sa.text("SELECT item_id FROM decision")).scalars().all()
        pending = connection.execute(sa.text("SELECT count(*) FROM item WHERE status = 'pending'")).scalar_one()
    assert wrong == []
    assert pending == 0
    assert set(Counter(decided).values()) == {1}


def test_a_crowd_gives_every_item_exactly_what_it_wants(fresh_engine: sa.Engine, crowd: list[Account]) -> None:
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session, "race")
        for _ in range(40):
            make_item(session, campaign)
    start = threading.Barrier(CLIENTS)

    def work(account: Account) -> None:
        rng = random.Random(account.email)
        start.wait()
        while True:
            with transaction(fresh_engine) as session:
                found = campaigns.get(session, "race")
                policy = campaigns.current_policy(session, found)
                count = rng.randint(1, 4)
                mine = claims.claim_next(session, account, found, policy, count=count, lease=60).claims
            if not mine:
                return
            for claim in mine:
                with transaction(fresh_engine) as session:
                    if rng.random() < 0.15:
                        claims.give_back(session, account, claim.id, reason=None, skip=False)
                        continue
                    answers = all_yes(food1_identity=answer(rng.choice(["yes", "no", "unsure"])))
                    judgments.submit(session, account, claim.id, answers)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, crowd))
    # Whoever gave the last ones back may have been the last to look: they come again.
    for account in crowd:
        work_alone(fresh_engine, account)
    check_counts(fresh_engine, wanted=3)


def work_alone(engine: sa.Engine, account: Account) -> None:
    while True:
        with transaction(engine) as session:
            campaign = campaigns.get(session, "race")
            policy = campaigns.current_policy(session, campaign)
            mine = claims.claim_next(session, account, campaign, policy, count=10, lease=60).claims
            for claim in mine:
                judgments.submit(session, account, claim.id, all_yes())
        if not mine:
            return


def test_ten_at_once_on_one_item_that_wants_three(fresh_engine: sa.Engine, crowd: list[Account]) -> None:
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session, "race")
        make_item(session, campaign)
    start = threading.Barrier(CLIENTS)

    def grab(account: Account) -> int:
        start.wait()
        with transaction(fresh_engine) as session:
            found = campaigns.get(session, "race")
            policy = campaigns.current_policy(session, found)
            return len(claims.claim_next(session, account, found, policy, lease=60).claims)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(grab, crowd))
    for account in crowd:  # SKIP LOCKED may have sent some away from a free item: it is still there for them
        with transaction(fresh_engine) as session:
            found = campaigns.get(session, "race")
            claims.claim_next(session, account, found, campaigns.current_policy(session, found), lease=60)
    with fresh_engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM claim WHERE state = 'open'")).scalar_one() == 3
        assert connection.execute(sa.text("SELECT held FROM item")).scalar_one() == 3


def test_the_same_answers_sent_a_hundred_times_at_once_leave_one_row(
    fresh_engine: sa.Engine, crowd: list[Account]
) -> None:
    account = crowd[0]
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session, "race")
        make_item(session, campaign)
        policy = campaigns.current_policy(session, campaign)
        claim = claims.claim_next(session, account, campaign, policy, lease=60).claims[0]

    def send(_: int) -> judgments.Submitted:
        with transaction(fresh_engine) as session:
            return judgments.submit(session, account, claim.id, all_yes())

    with ThreadPoolExecutor(CLIENTS) as pool:
        replies = list(pool.map(send, range(100)))
    assert len({reply.judgment_id for reply in replies}) == 1
    assert sum(reply.is_new for reply in replies) == 1
    with transaction(fresh_engine) as session:
        assert len(session.exec(select(Judgment)).all()) == 1


def test_killed_clients_items_come_back_to_others(fresh_engine: sa.Engine, crowd: list[Account]) -> None:
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session, "race", policy="fixed-1")
        for _ in range(10):
            make_item(session, campaign)
        policy = campaigns.current_policy(session, campaign)
        claims.claim_next(session, crowd[0], campaign, policy, count=10, lease=60)
        session.execute(sa.text("UPDATE claim SET expires_at = now() - interval '1 second'"))
    work_alone(fresh_engine, crowd[1])
    check_counts(fresh_engine, wanted=1)


def test_one_person_asking_many_times_at_once_holds_each_item_once(
    fresh_engine: sa.Engine, crowd: list[Account]
) -> None:
    account = crowd[0]
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session, "race")
        for _ in range(60):
            make_item(session, campaign)

    def grab(number: int) -> None:
        with transaction(fresh_engine) as session:
            found = campaigns.get(session, "race")
            policy = campaigns.current_policy(session, found)
            mine = claims.claim_next(session, account, found, policy, count=1 + number % 10, lease=60).claims
        for claim in mine[:2]:
            with transaction(fresh_engine) as session:
                claims.give_back(session, account, claim.id, reason=None, skip=False)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(grab, range(240)))
    with fresh_engine.connect() as connection:
        drifted = connection.execute(
            sa.text(
                """
                SELECT item.id, item.held, count(claim.slot) FROM item LEFT JOIN claim ON claim.item_id = item.id
                GROUP BY item.id HAVING item.held <> count(claim.slot)
                """
            )
        ).all()
    assert drifted == []


def test_what_was_found_for_nobody_is_forgotten_while_others_find_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process remembers it for all its threads."""
    campaign, stop = uuid.uuid4(), threading.Event()
    people = [uuid.uuid4() for _ in range(100)]
    memory: dict[tuple[object, ...], tuple[str, float]] = {
        (person, campaign, (), frozenset()): ("Nothing.", 0.0) for person in people
    }
    monkeypatch.setattr(left, "_nothing", memory)

    def find_nothing() -> None:
        while not stop.is_set() and len(memory) < 3000:
            memory[uuid.uuid4(), campaign, (), frozenset()] = ("Nothing.", 0.0)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(find_nothing)
        try:
            for person in people:
                left.look_again(person, campaign)
        finally:
            stop.set()
            sys.setswitchinterval(before)
    assert not {key[0] for key in memory} & set(people)
