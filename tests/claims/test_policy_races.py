"""Gold, insiders, spacing, regions and adaptive overlap at once, in real processes: what the policy says, no more."""

import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.accounts.models import Account, KnownCountry
from app.campaigns import service as campaigns
from app.campaigns.models import Qualification
from app.campaigns.parameters import Parameters, stored
from app.claims import service as claims
from app.claims.mixing import demanded
from app.db import now, transaction
from app.gold import pool
from app.judgments import service as judgments
from tests.claims.crowd import work
from tests.claims.test_mixing import make_gold
from tests.claims.test_spacing import closest
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import all_yes

SPACING = 2
EVERYTHING = Parameters(
    gold_first=0.3, gold_last=0.1, gold_taper=20, insiders=1, family_spacing=SPACING, qualification=True,
    better_half_from=3, threshold=0.9, raised_threshold=0.9,
)  # fmt: skip


def rows(engine: sa.Engine, statement: str, **values: Any) -> Sequence[Any]:
    with engine.connect() as connection:
        return connection.execute(sa.text(statement), values).all()


def check_books(engine: sa.Engine) -> None:
    """Whatever happened: the counts are those of the claims, no place was given twice, and nobody waited in a ring."""
    wrong = rows(
        engine,
        """
        SELECT item.id, item.wanted, item.held, item.judged, item.reserved, count(claim.slot),
               count(claim.slot) FILTER (WHERE state = 'judged')
        FROM item LEFT JOIN claim ON claim.item_id = item.id
        WHERE NOT EXISTS (SELECT 1 FROM gold WHERE gold.item_id = item.id) GROUP BY item.id
        HAVING item.held <> count(claim.slot) OR item.held <> count(DISTINCT claim.slot) OR item.held > item.wanted
            OR item.judged <> count(claim.slot) FILTER (WHERE state = 'judged') OR max(claim.slot) > item.wanted
        """,
    )
    assert wrong == []
    assert rows(engine, "SELECT id FROM claim WHERE is_test AND slot IS NOT NULL OR (state <> 'judged' AND state <> 'open' AND slot IS NOT NULL)") == []  # fmt: skip  # noqa: E501
    assert rows(engine, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]


@pytest.mark.xdist_group("claims")
def test_everything_at_once_ends_with_what_the_policy_says(fresh_engine: sa.Engine, fresh_url: str) -> None:
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session, "race", policy="adaptive")
        policy = campaigns.current_policy(session, campaign)
        policy.overlap, policy.parameters = 4, stored(EVERYTHING)
        people = [make_account(session) for _ in range(12)]
        for n, person in enumerate(people):
            for region in ("Africa", "Asia") if n % 3 else ("Africa",):
                session.add(
                    Qualification(campaign_id=campaign.id, account_id=person.id, region=region, passed_at=now())
                )
            if n % 2:
                session.add(KnownCountry(account_id=person.id, country="EG" if n % 4 == 1 else "JP"))
        for dish in range(12):
            home = "EG" if dish % 2 else "JP"
            for _ in range(3):
                make_item(session, campaign, foods=((f"Dish {dish}", home),))
        for dish in range(8):
            make_gold(session, campaign, foods=((f"Gold {dish}", "EG" if dish % 2 else "JP"),), wanted=2, held=2, judged=2, reserved=0)  # fmt: skip  # noqa: E501
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.claims.crowd", fresh_url, "race", "1", *(str(p.id) for p in people[n::3])],
            cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(3)
    ]  # fmt: skip
    replies = run_together(processes)
    assert [process.returncode for process in processes] == [0, 0, 0], [reply[1][-3000:] for reply in replies]
    judged = [int(reply[0]) for reply in replies]
    assert min(judged) > 0, "they were at it together"
    assert rows(fresh_engine, "SELECT count(*) FROM claim WHERE state = 'judged'") == [(sum(judged),)]
    check_books(fresh_engine)
    check_order(fresh_engine)
    check_members(fresh_engine)
    for _ in range(6):  # the last siblings, of whom each waits an hour
        with fresh_engine.begin() as connection:
            connection.execute(sa.text("UPDATE claim SET leased_at = leased_at - interval '2 hours'"))
        for person in people:
            work(fresh_engine, "race", person.id, random.Random(2), patience=1)
    check_books(fresh_engine)
    check_members(fresh_engine)
    assert rows(fresh_engine, "SELECT status, count(*) FROM item WHERE status = 'pending' GROUP BY 1") == []
    assert rows(fresh_engine, "SELECT DISTINCT held, judged, wanted FROM item JOIN gold ON item_id = id") == [(2, 2, 2)]
    topped_up = rows(fresh_engine, "SELECT DISTINCT wanted FROM item WHERE wanted > 2 ORDER BY 1")
    assert topped_up in ([(3,), (4,)], [(3,)], [(4,)])


def run_together(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[str, str]]:
    """What each wrote to its two outputs. None begins before all are ready: a busy machine starts them far apart."""
    for process in processes:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # one that has failed already
            process.stdin.write("\n")
            process.stdin.flush()
    return [process.communicate(timeout=120) for process in processes]


def check_order(engine: sa.Engine) -> None:
    given = rows(
        engine, "SELECT account_id, family_id FROM claim JOIN item ON item.id = item_id ORDER BY account_id, leased_at"
    )
    for _, mine in groupby(given, key=lambda row: row.account_id):
        assert closest([str(row.family_id) for row in mine]) >= SPACING


def check_members(engine: sa.Engine) -> None:
    """Insiders took the places kept for them and nobody else did; nobody judged a region they have no test of; nobody
    was tested more often than the share says."""
    assert rows(engine, "SELECT id FROM item WHERE reserved > 0 AND held + reserved > wanted") == []
    strangers = """
        SELECT 1 FROM claim JOIN item ON item.id = item_id WHERE is_insider AND NOT EXISTS (
            SELECT 1 FROM known_country AS known WHERE known.account_id = claim.account_id AND country = home)
        UNION ALL SELECT 1 FROM claim JOIN item ON item.id = item_id WHERE NOT EXISTS (
            SELECT 1 FROM qualification AS q WHERE q.account_id = claim.account_id AND q.region = item.region)
    """
    assert rows(engine, strangers) == []
    kept = """
        SELECT item.reserved + count(*) FILTER (WHERE is_insider AND slot IS NOT NULL) AS n FROM item
        LEFT JOIN claim ON item_id = item.id WHERE item.id NOT IN (SELECT item_id FROM gold) GROUP BY item.id
    """
    assert {row.n for row in rows(engine, kept)} == {1}
    members = rows(
        engine,
        """
        SELECT n_claimed, (SELECT count(*) FROM claim WHERE claim.account_id = member.account_id) AS given,
               (SELECT count(*) FROM claim WHERE claim.account_id = member.account_id AND is_test) AS tests
        FROM pool_member AS member
        """,
    )
    assert [row.n_claimed for row in members] == [row.given for row in members]
    assert all(row.tests < demanded(EVERYTHING, row.n_claimed) + 2 for row in members)
    assert sum(row.tests for row in members) > 0


def test_people_are_set_aside_while_everybody_judges(fresh_engine: sa.Engine) -> None:
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session, "race", policy="fixed-2")
        people = [make_account(session) for _ in range(8)]
        for _ in range(60):
            make_item(session, campaign)
    leaving, staying = people[:3], people[3:]

    def leave(account_id: uuid.UUID) -> None:
        time.sleep(0.3)
        with transaction(fresh_engine) as session:
            account = session.get_one(Account, account_id)
            pool.leave(session, None, campaign, account, {"by": "gold"}, set_aside=True)

    with ThreadPoolExecutor(16) as threads:
        busy = [
            threads.submit(work, fresh_engine, "race", person.id, random.Random(n)) for n, person in enumerate(people)
        ]
        gone = [threads.submit(leave, person.id) for person in leaving]
        for job in gone:
            job.result()
        for person in busy:
            try:
                person.result()
            except claims.LeaseGone:  # what one who left held was given back
                assert person in busy[:3]
    check_books(fresh_engine)
    counted = "SELECT count(*) FROM claim JOIN item ON item.id = item_id WHERE slot IS NOT NULL AND status = 'pending' AND account_id = ANY(:gone)"  # fmt: skip  # noqa: E501
    assert rows(fresh_engine, counted, gone=[person.id for person in leaving]) == [(0,)]
    for person in staying:
        work(fresh_engine, "race", person.id, random.Random(9))
    check_books(fresh_engine)
    assert rows(fresh_engine, "SELECT DISTINCT status <> 'pending', judged, held FROM item") == [(True, 2, 2)]
    assert rows(fresh_engine, "SELECT item_id FROM decision GROUP BY 1 HAVING count(*) > 1") == []


def test_leases_lapse_while_late_answers_and_heartbeats_arrive(fresh_engine: sa.Engine) -> None:
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session, "race", policy="fixed-2")
        policy = campaigns.current_policy(session, campaign)
        policy.parameters = stored(Parameters(insiders=1, gold_first=0.3, gold_last=0.3))
        people = [make_account(session) for _ in range(10)]
        for person in people[::2]:
            session.add(KnownCountry(account_id=person.id, country="EG"))
        for _ in range(12):
            make_item(session, campaign)
        for _ in range(5):
            make_gold(session, campaign, wanted=2, held=2, judged=2, reserved=0)
    start = threading.Barrier(len(people))

    def dawdle(number: int) -> None:
        rng, account = random.Random(number), people[number]
        start.wait()
        for _ in range(12):
            with transaction(fresh_engine) as session:
                mine = claims.claim_next(session, account, campaign, policy, count=2, lease=60).claims
                session.execute(
                    sa.text("UPDATE claim SET expires_at = now() + interval '3 ms' WHERE id = ANY(:mine)"),
                    {"mine": [claim.id for claim in mine]},
                )
            for claim in mine:
                time.sleep(rng.random() * 0.01)
                try:
                    with transaction(fresh_engine) as session:
                        if rng.random() < 0.5:
                            claims.extend(session, account, claim.id, 60)
                        if rng.random() < 0.6:
                            judgments.submit(session, account, claim.id, all_yes())
                except claims.LeaseGone:
                    pass

    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(dawdle, range(len(people))))
    check_books(fresh_engine)
    with fresh_engine.begin() as connection:
        connection.execute(sa.text("UPDATE claim SET expires_at = now() - interval '1 s' WHERE state = 'open'"))
    for person in people * 2:
        work(fresh_engine, "race", person.id, random.Random(5), patience=1)
    check_books(fresh_engine)
    ordinary = (
        "SELECT DISTINCT status <> 'pending', judged, reserved FROM item WHERE id NOT IN (SELECT item_id FROM gold)"
    )
    assert rows(fresh_engine, ordinary) == [(True, 2, 0)]
    assert rows(fresh_engine, "SELECT DISTINCT held, judged FROM item JOIN gold ON item_id = id") == [(2, 2)]
