"""How long a claim takes in a campaign of 10,000 to 1,000,000 items: `python -m bench.claims_at_size [--sizes N…]`.

A plain campaign, and one with adaptive overlap, insiders, spacing of siblings, gold and the gate by region all on; the
rows are made by SQL, without images. In one process and one connection, so a figure holds the database and our own
code, not the network. Each claim is one item, judged at once outside the measured time. Ends with the plan of the pick
in the largest campaign.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlmodel import Session

import app.models  # noqa: F401  (relations between rooms resolve by table name)
from app.accounts import service as accounts
from app.accounts.models import Account, KnownCountry, Role
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.campaigns.parameters import ADAPTIVE_DEFAULTS, stored
from app.claims import offers
from app.claims import queries as work
from app.claims import service as claims
from app.claims.askers import asker
from app.db import libpq_url, make_engine, now, transaction
from app.db.embedded import embedded_postgres
from app.db.schema import migrate
from bench.load import percentile
from bench.stored import settle_down

CLAIMS = 200
FAMILIES = 400
GOLD = 500
REGIONS = "{Africa,Americas,Asia,Europe,Oceania}"
HOMES = "{EG,PE,JP,IT,FJ}"
ON = ADAPTIVE_DEFAULTS.model_copy(update={"insiders": 1, "qualification": True})

_FILL = """
SET session_replication_role = replica;
INSERT INTO image (sha256, format, width, height, byte_count, phash, notes)
    VALUES (repeat('0', 64), 'jpeg', 640, 480, 1000, 0, '[]') ON CONFLICT DO NOTHING;
INSERT INTO food (id, name, name_key, aliases, description, category)
    SELECT md5('dish ' || n)::uuid, 'dish ' || n, 'dish ' || n, '{{}}', '', ''
    FROM generate_series(0, {families} - 1) AS n
    ON CONFLICT DO NOTHING;
INSERT INTO item (id, campaign_id, key, subtask, family_id, image_sha256, home, region, shuffle, status, wanted, held,
                  judged, reserved, late_from, revision, priority)
    SELECT gen_random_uuid(), '{campaign}', 'SF/' || n || '.jpg', 'SF', md5('dish ' || n % {families})::uuid,
           repeat('0', 64), ('{homes}'::text[])[1 + n % 5], ('{regions}'::text[])[1 + n % 5], random(), 'pending',
           3, 0, 0, {reserved}, 2, 1, 0 FROM generate_series(1, {items}) AS n;
INSERT INTO gold (item_id, question, answer)
    SELECT id, 'food1_identity', 'yes' FROM item WHERE campaign_id = '{campaign}' ORDER BY shuffle LIMIT {gold};
UPDATE item SET status = 'approved', held = 2, judged = 2, reserved = 0, wanted = 2
    WHERE campaign_id = '{campaign}' AND id IN (SELECT item_id FROM gold);
"""

# As many visits as annotators would need weeks for, all by one person.
_JUDGE = """
SET session_replication_role = replica;
WITH given AS (
    INSERT INTO claim (id, item_id, account_id, campaign_id, policy_id, state, slot, judgment_id, leased_at, expires_at,
                       ended_at)
    SELECT gen_random_uuid(), id, '{account}', campaign_id, {policy}, 'judged', 1, gen_random_uuid(),
           now() - interval '1 day', now(), now() - interval '1 day'
    FROM item WHERE campaign_id = '{campaign}' AND status = 'pending' AND held = 0
    ORDER BY shuffle LIMIT {limit} RETURNING item_id
)
UPDATE item SET held = 1, judged = 1 FROM given WHERE item.id = given.item_id;
UPDATE pool_member SET n_claimed = n_claimed + {limit} WHERE account_id = '{account}';
"""

_ANSWERED = sa.text(
    """
    WITH done AS (UPDATE claim SET state = 'judged', judgment_id = gen_random_uuid(), ended_at = now()
                  WHERE id = :claim RETURNING item_id, is_test)
    UPDATE item SET judged = judged + 1 FROM done WHERE item.id = done.item_id AND NOT is_test
    """
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, {CLAIMS} claims a figure; ms, p50/p95")
    with tempfile.TemporaryDirectory(prefix="terroir-bench-") as folder, embedded_postgres(Path(folder)) as url:
        migrate(url)
        for items in options.sizes:
            measure(url, items, is_last=items == options.sizes[-1])


def measure(url: str, items: int, *, is_last: bool) -> None:
    engine = make_engine(url)
    with transaction(engine) as session:
        plain = campaigns.found(session, f"plain-{items}", policy="fixed-3")
        routed = campaigns.found(session, f"routed-{items}", policy="adaptive")
        campaigns.current_policy(session, routed).parameters = stored(ON)
        person = accounts.open_account(session, f"asker{items}@example.org", Role.ANNOTATOR)
        session.add(KnownCountry(account_id=person.id, country="JP"))
        session.execute(
            sa.text(
                "INSERT INTO qualification (campaign_id, account_id, region, tries, passed_at) "
                "SELECT :campaign, :account, region, 1, now() FROM unnest(CAST(:regions AS text[])) AS region"
            ),
            {"campaign": routed.id, "account": person.id, "regions": REGIONS},
        )
    for campaign, reserved, gold in ((plain, 0, 0), (routed, 1, GOLD)):
        run(url, _FILL, items=items, campaign=campaign.id, reserved=reserved, gold=gold, families=FAMILIES,
            homes=HOMES, regions=REGIONS)  # fmt: skip
    settle_down(url)
    print(f"{items:,} items")
    for campaign in (plain, routed):
        with transaction(engine) as session:
            policy = campaigns.current_policy(session, campaign)
        name = campaign.slug.partition("-")[0]
        claim_times(engine, f"{name}: fresh", person, campaign, policy)
        judged = {"campaign": campaign.id, "account": person.id, "policy": policy.id}
        run(url, _JUDGE, limit=items // 2, **judged)
        settle_down(url)
        claim_times(engine, f"{name}: half judged by the asker", person, campaign, policy)
        if is_last and campaign is routed:
            print_plan(engine, person, campaign, policy)
        run(url, _JUDGE, limit=items, **judged)
        settle_down(url)
        nothing_left(engine, f"{name}: nothing left for the asker", person, campaign, policy)
    engine.dispose()


def run(url: str, statement: str, **values: object) -> None:
    with psycopg.connect(libpq_url(url)) as connection:
        connection.execute(statement.format(**values))


def claim_times(engine: sa.Engine, name: str, person: Account, campaign: Campaign, policy: Policy) -> None:
    ordinary: list[float] = []
    tests: list[float] = []
    counting: list[float] = []
    for _ in range(CLAIMS):
        with transaction(engine) as session:
            start = time.perf_counter()
            found = claims.claim_next(session, person, campaign, policy, lease=600)
            took = 1000 * (time.perf_counter() - start)
            start = time.perf_counter()
            work.remaining(session, person, campaign, found.holding, found.asker)
            counting.append(1000 * (time.perf_counter() - start))
        for claim in found.claims:
            (tests if claim.is_test else ordinary).append(took)
            with transaction(engine) as session:
                session.execute(_ANSWERED, {"claim": claim.id})
    print(f"  {name:<40}{figures(ordinary + tests)}   counting what is left: {figures(counting)}", flush=True)
    if tests:
        print(f"    {len(tests)} tests {figures(tests)}, {len(ordinary)} others {figures(ordinary)}")


def nothing_left(engine: sa.Engine, name: str, person: Account, campaign: Campaign, policy: Policy) -> None:
    """The first look, and those after it, some of which look again in earnest."""
    times = []
    for _ in range(CLAIMS):
        with transaction(engine) as session:
            start = time.perf_counter()
            found = claims.claim_next(session, person, campaign, policy, lease=600)
            times.append(1000 * (time.perf_counter() - start))
            assert not found.claims, "there was something left"
    print(f"  {name:<40}first {times[0]:.1f}, then {figures(times[1:])}", flush=True)


def figures(times: list[float]) -> str:
    return f"{percentile(times, 0.5):.1f}/{percentile(times, 0.95):.1f}"


def print_plan(engine: sa.Engine, person: Account, campaign: Campaign, policy: Policy) -> None:
    """The pick as PostgreSQL does it, with what it read."""
    with Session(engine) as session:
        who = asker(session, person, campaign, policy)
        before = offers.look(session, person.id, campaign.id, ON.family_spacing, now()).before
        scope = who.scope | before.scope | {"ranks": [lane.rank for lane in who.lanes], "count": 1}
        explained = session.execute(sa.text("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) " + offers.ORDINARY[16].text), scope)
        lines = [line for line in explained.scalars() if "never executed" not in line]
        print("plan of the pick:", *lines, sep="\n  ")


if __name__ == "__main__":
    main()
