"""Claim and judgment over HTTP beside a bare SELECT and INSERT: `python -m bench.hot_path [--seconds N] [--rounds N]`.

One server process each, the same uvicorn settings, the same PostgreSQL; rounds of the two take turns, so that a busy
machine weighs on both alike, and what is printed are medians over the rounds. A submission is one judgment with its
share of a claim request: one claim each, or one claim of ten items for ten judgments; the bare app then has one SELECT
for each INSERT, or for ten. Every third claim is made in a campaign that wants a single judgment an item, so that a
third of all submissions decide an item, as with three judgments an item. CPU is user + system time a submission.
"""

import argparse
import itertools
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import psycopg
import sqlalchemy as sa

import app.models  # noqa: F401  (relations between rooms resolve by table name)
from app.accounts import service as accounts
from app.accounts.models import Role
from app.campaigns import service as campaigns
from app.db import make_engine, transaction
from app.db.embedded import embedded_postgres
from app.db.schema import migrate
from bench.load import Connection, Round, Tally, Turn, median, percentile, run_round
from bench.servers import Server, bare_server, terroir_server
from bench.stored import judge_pass, settle_down

ITEMS = 20_000
"""In each of the two campaigns."""
STORED = (100, 20_000)
CLIENTS = (1, 8, 32)
BATCHES = (1, 10)
CAMPAIGNS = ("three", "three", "one")
PEOPLE = [f"c{n:02}@example.org" for n in range(max(CLIENTS))]

_EMPTY = """
SET LOCAL session_replication_role = replica;
TRUNCATE judgment, decision, claim CASCADE;
UPDATE item SET held = 0, judged = 0, status = 'pending', decided_at = NULL WHERE held > 0;
"""

_ADD_ITEMS = sa.text(
    """
    WITH number AS (SELECT generate_series(1, :items) AS n),
    dish AS (
        INSERT INTO food (id, name, name_key, aliases, description, category)
        VALUES (gen_random_uuid(), 'Koshary', 'koshary', '{koshari,kushari}', 'Rice, lentils, pasta', '')
        ON CONFLICT (source_id, name_key) DO UPDATE SET category = '' RETURNING id
    ),
    picture AS (
        INSERT INTO image (sha256, format, width, height, byte_count, phash, notes)
        SELECT encode(sha256((:campaign || ' ' || n)::bytea), 'hex'), 'jpeg', 1024, 768, 100000, n, '[]' FROM number
        RETURNING sha256, phash
    ),
    added AS (
        INSERT INTO item (id, campaign_id, key, subtask, family_id, image_sha256, revision, priority, shuffle, status,
                          wanted, held, judged, home, region)
        SELECT gen_random_uuid(), CAST(:campaign AS uuid), 'SF/' || phash || '.jpg', 'SF', dish.id, sha256,
               1, 0, random(), 'pending', :wanted, 0, 0, 'EG', 'Africa' FROM picture, dish
        RETURNING id, family_id
    )
    INSERT INTO item_food (item_id, slot, food_id, name, country_as_written, countries, aliases)
    SELECT id, 1, family_id, 'Koshary', 'Egypt', '{EG}', '{}' FROM added
    """
)

_BARE_TABLES = """
CREATE TABLE thing (id int PRIMARY KEY, key text NOT NULL, picture text NOT NULL);
CREATE TABLE answer (id uuid PRIMARY KEY, thing_id int NOT NULL REFERENCES thing, answers jsonb NOT NULL,
                     created_at timestamptz NOT NULL DEFAULT now());
INSERT INTO thing SELECT n, 'SF/' || n || '.jpg', repeat('0', 64) FROM generate_series(1, 20000) AS n;
"""


def prepare(url: str) -> list[str]:
    """Two campaigns, the bare tables, and a token for each client."""
    migrate(url)
    engine = make_engine(url)
    with transaction(engine) as session:
        for slug, policy, wanted in (("three", "fixed-3", 3), ("one", "fixed-1", 1)):
            campaign = campaigns.found(session, slug, policy=policy)
            session.execute(_ADD_ITEMS, {"items": ITEMS, "campaign": str(campaign.id), "wanted": wanted})
        people = [accounts.open_account(session, email, Role.ANNOTATOR) for email in PEOPLE]
        tokens = [accounts.issue_token(session, person).secret for person in people]
    engine.dispose()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE bare")
    with psycopg.connect(bare_url(url)) as connection:
        connection.execute(_BARE_TABLES)
    return tokens


def bare_url(url: str) -> str:
    return url.replace("/terroir?", "/bare?")


def fill(url: str, stored: int) -> None:
    """Both databases as they are after so many judgments: a third in the campaign that wants one an item."""
    with psycopg.connect(url) as connection:
        connection.execute(_EMPTY)
    judge_pass(url, "three", 1, PEOPLE, stored - stored // 3)
    judge_pass(url, "one", 1, PEOPLE, stored // 3)
    with psycopg.connect(bare_url(url)) as connection:
        connection.execute("TRUNCATE answer")
        connection.execute(
            "INSERT INTO answer SELECT gen_random_uuid(), n, '{}' FROM generate_series(1, %s) AS n", (stored,)
        )
    settle_down(url)
    settle_down(bare_url(url))


def terroir_turn(batch: int) -> Turn:
    places = itertools.count()

    def turn(connection: Connection, tally: Tally, _: int) -> None:
        slug = CAMPAIGNS[next(places) % len(CAMPAIGNS)]
        reply = tally.timed("claim", connection, "POST", f"/api/v1/campaigns/{slug}/claims", {"count": batch})
        if reply is None:
            return
        for claim in reply["claims"]:
            answers = {q["key"]: {"answer": "yes", "reasons": [], "correction": None} for q in claim["questions"]}
            body = {"answers": answers, "active_ms": 4000}
            if tally.timed("submit", connection, "PUT", f"/api/v1/claims/{claim['id']}/judgment", body) is not None:
                tally.submissions += 1

    return turn


def bare_turn(batch: int) -> Turn:
    places = itertools.count()
    one = {"answer": "yes", "reasons": [], "correction": None}
    body = {"answers": {"food1_identity": one, "food1_origin": one}, "active_ms": 4000}

    def turn(connection: Connection, tally: Tally, _: int) -> None:
        thing = 1 + next(places) % 20_000
        tally.timed("claim", connection, "GET", f"/things/{thing}", None)
        for _turn in range(batch):
            if tally.timed("submit", connection, "POST", f"/things/{thing}/answers", body) is not None:
                tally.submissions += 1

    return turn


def connect(server: Server, tokens: list[str]) -> list[Connection]:
    return [Connection(server.address, token) for token in tokens]


def report(name: str, rounds: list[Round], ratio: float | None) -> None:
    latency: dict[str, Any] = {
        kind: [
            percentile([ms for one in rounds for ms in one.latencies_ms.get(kind, [])], p) for p in (0.5, 0.95, 0.99)
        ]
        for kind in ("claim", "submit")
    }
    figures = "  ".join(f"{kind} " + "/".join(f"{ms:.1f}" for ms in latency[kind]) for kind in latency)
    print(
        f"  {name:<8}{median(rounds, lambda one: one.rate):7.0f}/s  {figures} ms  "
        f"CPU {median(rounds, lambda one: one.server_cpu_ms):.2f} ms + PostgreSQL "
        f"{median(rounds, lambda one: one.database_cpu_ms):.2f} ms  errors {sum(one.errors for one in rounds)}"
        + (f"  {ratio:.2f} of bare" if ratio is not None else ""),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="terroir-bench-") as folder, ExitStack() as stack:
        home = Path(folder)
        url = stack.enter_context(embedded_postgres(home))
        tokens = prepare(url)
        database = psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]))
        ours = stack.enter_context(terroir_server(home))
        bare = stack.enter_context(bare_server(bare_url(url)))
        print(f"{os.cpu_count()} cores, {options.rounds} rounds of {options.seconds} s; p50/p95/p99 of a request")
        for stored, batch, clients in itertools.product(STORED, BATCHES, CLIENTS):
            fill(url, stored)
            turns = ((bare, bare_turn(batch), []), (ours, terroir_turn(batch), []))
            for measured in [False] + [True] * options.rounds:
                for server, turn, rounds in turns:
                    connections = connect(server, tokens[:clients])
                    seconds = options.seconds if measured else 0.5
                    result = run_round(connections, turn, seconds, server.process, database)
                    if measured:
                        rounds.append(result)
                    for connection in connections:
                        connection.close()
            print(f"{stored:,} judgments stored, {clients} clients, {batch} items a claim")
            (_, _, of_bare), (_, _, of_ours) = turns
            report("bare", of_bare, None)
            report("Terroir", of_ours, median(of_ours, lambda one: one.rate) / median(of_bare, lambda one: one.rate))


if __name__ == "__main__":
    main()
