"""50 clients, four server processes, 2,000 items: the counts hold over HTTP, whoever dies on the way."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from app.accounts import service as accounts
from app.accounts.models import Role
from app.db import make_engine, transaction
from app.db.embedded import embedded_postgres
from app.db.schema import migrate
from tests.factories import make_campaign, make_food
from tests.flows.load_client import Client
from tests.live import Installation, fresh_home
from tests.thorough import IS_THOROUGH

ITEMS = 2000 if IS_THOROUGH else 800
CLIENTS = 50
KILLED = 6
PROCESSES = 3
"""Of clients that live; those that are killed share one more."""
LEASE_SECONDS = 3
SECONDS = 240
"""After so long the test gives up; it takes about a quarter of it."""

_ADD_ITEMS = sa.text(
    """
    WITH number AS (SELECT generate_series(1, :items) AS n),
    picture AS (
        INSERT INTO image (sha256, format, width, height, byte_count, phash, notes)
        SELECT encode(sha256((:campaign || ' ' || n)::bytea), 'hex'), 'jpeg', 640, 480, 1000, n, '[]' FROM number
        RETURNING sha256, phash
    ),
    added AS (
        INSERT INTO item (id, campaign_id, key, subtask, family_id, image_sha256, revision, priority, shuffle, status,
                          wanted, held, judged, home, region)
        SELECT gen_random_uuid(), CAST(:campaign AS uuid), 'SF/' || phash || '.jpg', 'SF', CAST(:food AS uuid), sha256,
               1, 0, (phash * 0.618034) % 1, 'pending', 3, 0, 0, 'EG', 'Africa' FROM picture
        RETURNING id
    )
    INSERT INTO item_food (item_id, slot, food_id, name, country_as_written, countries, aliases)
    SELECT id, 1, CAST(:food AS uuid), 'Koshary', 'Egypt', '{EG}', '{}' FROM added
    """
)


class Place(NamedTuple):
    """A running installation: where its server listens, its database, and a token for each client."""

    address: str
    engine: sa.Engine
    tokens: list[str]


def add_campaign(engine: sa.Engine, slug: str, items: int) -> None:
    with transaction(engine) as session:
        campaign = make_campaign(session, slug)
        food = make_food(session)
        session.execute(_ADD_ITEMS, {"items": items, "campaign": str(campaign.id), "food": str(food.id)})


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with ExitStack() as stack:
        home = stack.enter_context(fresh_home())
        url = stack.enter_context(embedded_postgres(home))
        migrate(url)
        engine = make_engine(url)
        stack.callback(engine.dispose)
        add_campaign(engine, "crowd", ITEMS)
        add_campaign(engine, "again", 1)
        with transaction(engine) as session:
            people = [accounts.open_account(session, f"c{n}@example.org", Role.ANNOTATOR) for n in range(CLIENTS)]
            tokens = [accounts.issue_token(session, person).secret for person in people]
        live = Installation(home, TERROIR_WORKERS="4", TERROIR_LEASE_SECONDS=str(LEASE_SECONDS))
        stack.enter_context(live.started("serve"))
        yield Place(live.address, engine, tokens)


def start_clients(place: Place, tokens: list[str], stop_after: int = 0) -> subprocess.Popen[str]:
    idle_seconds = 2 * LEASE_SECONDS  # by then what the killed ones held has come back
    command = [sys.executable, "-m", "tests.flows.load_client", place.address, "crowd", str(idle_seconds)]
    process = subprocess.Popen(
        [*command, str(stop_after)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write("\n".join(tokens))
    process.stdin.close()
    process.stdin = None  # communicate() would write to it
    return process


def run_crowd(place: Place) -> tuple[Counter[str], int]:
    """How often each status was answered to those who lived, and how many leases the killed ones died with."""
    lasting = place.tokens[KILLED:]
    statuses: Counter[str] = Counter()
    with ExitStack() as stack:
        shares = [lasting[n::PROCESSES] for n in range(PROCESSES)]
        crowd = [stack.enter_context(start_clients(place, share)) for share in shares]
        doomed = stack.enter_context(start_clients(place, place.tokens[:KILLED], stop_after=20))
        for process in (doomed, *crowd):
            stack.callback(process.kill)
        assert doomed.stdout is not None
        assert doomed.stdout.readline() == "holding\n"
        with place.engine.connect() as connection:
            held = connection.execute(_HELD_BY_DOOMED).scalar_one()
        os.kill(doomed.pid, signal.SIGKILL)
        for process in crowd:
            output, _ = process.communicate(timeout=SECONDS)
            statuses.update(json.loads(output))
    return statuses, held


_HELD_BY_DOOMED = sa.text(
    f"""
    SELECT count(*) FROM claim JOIN account ON account.id = claim.account_id
    WHERE state = 'open' AND email = ANY(ARRAY[{", ".join(f"'c{n}@example.org'" for n in range(KILLED))}])
    """
)


def rows(place: Place, statement: str) -> list[Any]:
    with place.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_a_crowd_of_programs_gives_every_item_exactly_three_judgments(place: Place) -> None:
    statuses, held = run_crowd(place)
    assert held > 0
    assert {int(status) for status in statuses} <= {200, 201, 204, 410}, statuses
    counted = rows(
        place,
        """
        SELECT item.judged, item.held, count(claim.id), count(DISTINCT claim.account_id), count(DISTINCT slot),
               max(slot), item.status <> 'pending', (SELECT count(*) FROM decision WHERE item_id = item.id)
        FROM item LEFT JOIN claim ON claim.item_id = item.id AND claim.state = 'judged' AND claim.slot IS NOT NULL
        JOIN campaign ON campaign.id = item.campaign_id WHERE slug = 'crowd' GROUP BY item.id
        """,
    )
    assert Counter(counted) == {(3, 3, 3, 3, 3, 3, True, 1): ITEMS}
    twice = "SELECT item_id, account_id FROM judgment WHERE revision = 1 GROUP BY 1, 2 HAVING count(*) > 1"
    assert rows(place, twice) == []
    kept = rows(place, "SELECT count(*) FROM judgment JOIN claim ON claim.judgment_id = judgment.id")
    assert rows(place, "SELECT count(*) FROM judgment WHERE revision = 1") == kept
    assert rows(place, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_one_judgment_sent_a_hundred_times_at_once_is_one_row(place: Place) -> None:
    token = place.tokens[0]
    with Client(place.address, token) as client:
        _, reply = client.send("POST", "/campaigns/again/claims", {"count": 1})
    claim = reply["claims"][0]
    body = {"answers": {question["key"]: {"answer": "yes"} for question in claim["questions"]}, "active_ms": 1}

    def send(_: int) -> tuple[int, str]:
        with Client(place.address, token) as client:
            status, answer = client.send("PUT", f"/claims/{claim['id']}/judgment", body)
        return status, answer["judgment_id"]

    with ThreadPoolExecutor(25) as pool:
        replies = list(pool.map(send, range(100)))
    assert Counter(status for status, _ in replies) == {201: 1, 200: 99}
    assert len({judgment_id for _, judgment_id in replies}) == 1
    scope = f"SELECT count(*), max(revision) FROM judgment WHERE claim_id = '{claim['id']}'"
    assert rows(place, scope) == [(1, 1)]
