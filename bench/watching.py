"""How long the watching page takes over HTTP: `python -m bench.watching [--items N --votes K]`.

100,000 items with a million judgments unless said, of which 18,000 came in within the last day; 12 % of the items are
undecided, 300 claims open. One server process on loopback. "cold" is the first answer of a fresh server process; "after
a vote" the first after one vote changed; "warm" one of which nothing is new; "nothing new" what the page's own look
costs then. The statements behind are timed by themselves too.
"""

import argparse
import http.client
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from sqlmodel import select

import app.models  # noqa: F401  (relations between rooms resolve by table name)
from app.accounts.access import COOKIE
from app.accounts.models import Account, Role
from app.adjudication import watch_queries as queries
from app.adjudication.agreement import people_queries
from app.campaigns import service as campaigns
from app.db import libpq_url, make_engine, now, transaction
from app.db.embedded import embedded_postgres
from app.db.schema import migrate
from app.judgments.rater_models import fit_models
from app.judgments.tallies import up_to_date
from app.settings import Settings
from bench.dashboard import client, cookie_of
from bench.load import percentile
from bench.servers import terroir_server
from bench.stored_votes import fill

SLUG = "big"
PAGE = f"/campaigns/{SLUG}/watch"
TIMES = 20

# What a running campaign has and `fill` has not. Fixed shares by each item's own key.
_SHAPE = (
    "UPDATE item SET home = countries[1], region = 'Asia' FROM item_food WHERE item_id = item.id AND slot = 1",
    """
    UPDATE item SET status = CASE WHEN x < 12 THEN 'pending' WHEN x < 17 THEN 'rejected' WHEN x < 20 THEN 'disputed'
                             ELSE 'approved' END,
        wanted = CASE WHEN x < 12 THEN wanted + 2 ELSE wanted END, reserved = CASE WHEN x < 2 THEN 1 ELSE 0 END,
        hold = CASE WHEN x = 3 THEN 'quota' WHEN x = 4 THEN 'candidates' END,
        decided_at = CASE WHEN x >= 12 THEN now() - (abs(hashtext(key)) % 80000) * interval '1 minute' END
    FROM (SELECT id AS i, abs(hashtext(key || 's')) % 100 AS x FROM item) AS drawn WHERE i = item.id
    """,
    """
    INSERT INTO claim (id, item_id, account_id, campaign_id, policy_id, state, slot, leased_at, expires_at)
    SELECT gen_random_uuid(), item.id, account.id, campaign_id, (SELECT min(id) FROM policy), 'open', NULL,
           now() - random() * interval '5 hours', now() + (random() - 0.2) * interval '1 hour'
    FROM item JOIN account ON account.is_simulated AND abs(hashtext(item.key || account.email)) % 40 = 7
    WHERE status = 'pending' AND hold IS NULL AND NOT EXISTS (
        SELECT 1 FROM claim WHERE claim.item_id = item.id AND claim.account_id = account.id) LIMIT 300
    """,
    """
    INSERT INTO pool_member (campaign_id, account_id, n_claimed, is_better_half, created_at)
    SELECT campaign.id, account.id, 1000, false, now() FROM campaign, account WHERE is_simulated
    """,
    """
    INSERT INTO decision (item_id, policy_id, outcome, method, rule, detail, created_at)
    SELECT id, (SELECT min(id) FROM policy), status, 'rule', 'fixed-majority/1', '{}', decided_at
    FROM item WHERE status <> 'pending'
    """,
    """
    INSERT INTO revision_request (id, campaign_id, item_id, round, state, detail, opened_at)
    SELECT gen_random_uuid(), campaign_id, id, 1, 'open', '{}', now() FROM item WHERE status = 'rejected'
    """,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--votes", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="terroir-bench-") as folder:
        home = Path(folder)
        with embedded_postgres(home) as url:
            prepare(url, options.items, options.votes)
            print(f"{options.items:,} items x {options.votes} votes: {options.items * options.votes:,} judgments; ms")
            measure(home, url)


def prepare(url: str, items: int, votes: int) -> None:
    migrate(url)
    engine = make_engine(url, pooled=False)
    with transaction(engine) as session:
        campaign_id = campaigns.found(session, SLUG).id
        session.add(Account(email="admin@example.org", name="Admin", role=Role.ADMIN))
    fill(libpq_url(url), campaign_id, items, votes)
    with psycopg.connect(libpq_url(url)) as connection:
        connection.execute("SET session_replication_role = replica")
        for step in _SHAPE:
            connection.execute(step)
    with transaction(engine) as session:
        up_to_date(session, campaign_id)
    with transaction(engine) as session:
        fit_models(session, campaign_id)
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def measure(home: Path, url: str) -> None:
    engine = make_engine(url, pooled=False)
    with transaction(engine) as session:
        admin = session.exec(select(Account).where(Account.role == Role.ADMIN)).one()
        cookie = cookie_of(Settings(home=home, _env_file=None), admin)  # type: ignore[call-arg]
    with terroir_server(home) as server:
        ask = client(server.address, cookie)
        ask("/healthz")
        cold, size = ask(PAGE)
        _say("cold", [cold])
        _say("warm", [ask(PAGE)[0] for _ in range(TIMES)])
        after = []
        for _ in range(TIMES):
            change_a_vote(url)
            after.append(ask(PAGE)[0])
        _say("after a vote", after)
        _say("nothing new", [nothing_new(server.address, cookie) for _ in range(TIMES)])
        print(f"  {size:,} bytes")
    with transaction(engine) as session:
        campaign_id, at = campaigns.get(session, SLUG).id, now()
        people = people_queries.people(session, campaign_id)
        steps: dict[str, Callable[[], object]] = {
            "items by status": lambda: queries.items(session, campaign_id, at),
            "the last 24 hours": lambda: queries.lately(session, campaign_id, at),
            "open claims": lambda: queries.holders(session, campaign_id, at),
            "items for insiders": lambda: queries.for_insiders(session, campaign_id),
            "times of people": lambda: people_queries.paces(session, campaign_id, people),
            "reasons": lambda: queries.reasons(session, campaign_id, people),
            "whole days, once a day": lambda: queries.days(session, campaign_id, at.date()),
            "the mark": lambda: queries.mark(session, campaign_id, campaign_id, at),
        }
        for name, step in steps.items():
            _say(name, [1000 * took(step) for _ in range(5)])


def change_a_vote(url: str) -> None:
    """One that counted is taken for surplus from now on."""
    with psycopg.connect(libpq_url(url)) as connection:
        connection.execute(
            "UPDATE claim SET slot = NULL WHERE id = (SELECT id FROM claim WHERE slot IS NOT NULL LIMIT 1)"
        )


def nothing_new(address: str, cookie: str) -> float:
    """The page asks with the mark it has; the answer is 204, or 200 where a minute has just passed."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    headers = {"Cookie": f"{COOKIE}={cookie}", "Accept": "text/html"}
    connection.request("GET", PAGE, headers=headers)
    mark = connection.getresponse().read().decode().split('data-mark="', 1)[1].split('"', 1)[0]
    start = time.perf_counter()
    connection.request("GET", f"{PAGE}?seen={mark}", headers=headers | {"HX-Request": "true"})
    connection.getresponse().read()
    return 1000 * (time.perf_counter() - start)


def took(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _say(name: str, times: list[float]) -> None:
    print(f"  {name:<26}{statistics.median(times):9.1f}{percentile(times, 0.95):9.1f}", flush=True)


if __name__ == "__main__":
    main()
