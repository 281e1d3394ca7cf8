"""How long the agreement pages take over HTTP: `python -m bench.dashboard [--items N --votes K]…`.

Sizes: the paper's (23,766 items x 5 votes of 3 to 5 questions) and 100,000 items with a million judgments. One server
process on loopback; each page is asked for 20 times. "cold" is the first answer of a fresh server process whose counts
stand, in which nothing is remembered yet; "after a vote" the first one after one vote changed; the rest is warm.
Counting every judgment from nothing and fitting the rater models are measured by themselves. Beside the pages stands
what the server needs for an empty answer (/healthz): the machine's own limit.
"""

import argparse
import http.client
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from sqlmodel import select
from starlette.responses import Response

import app.models  # noqa: F401  (relations between rooms resolve by table name)
from app.accounts.access import COOKIE, Keys
from app.accounts.models import Account, Role
from app.campaigns import service as campaigns
from app.db import libpq_url, make_engine, transaction
from app.db.embedded import embedded_postgres
from app.db.schema import migrate
from app.judgments.rater_models import fit_models
from app.judgments.tallies import up_to_date
from app.settings import Settings
from bench.load import percentile
from bench.servers import terroir_server
from bench.stored_votes import fill

SLUG = "big"
TIMES = 20
PAGES = (
    "", "/where?by=country", "/where?by=generator", "/backgrounds", "/insiders", "/people", "/pairs", "/map",
    "/items?question=food1_identity&votes=differ", "/figure?question=food1_identity&by=all&figure=krippendorff_alpha",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, action="append")
    parser.add_argument("--votes", type=int, action="append")
    options = parser.parse_args()
    sizes = zip(options.items or (23_766, 100_000), options.votes or (5, 10), strict=True)
    for items, votes in sizes:
        with tempfile.TemporaryDirectory(prefix="terroir-bench-") as folder:
            measure(Path(folder), items, votes)


def measure(home: Path, items: int, votes: int) -> None:
    print(f"\n{items:,} items x {votes} votes: {items * votes:,} judgments")
    settings = Settings(home=home, _env_file=None)  # type: ignore[call-arg]
    with embedded_postgres(home) as url:
        migrate(url)
        engine = make_engine(url, pooled=False)
        with transaction(engine) as session:
            campaign_id = campaigns.found(session, SLUG).id
            session.add(Account(email="admin@example.org", name="Admin", role=Role.ADMIN))
        fill(libpq_url(url), campaign_id, items, votes)

        def count() -> None:
            with transaction(engine) as session:
                up_to_date(session, campaign_id)

        def model() -> None:
            with transaction(engine) as session:
                fit_models(session, campaign_id)

        def change_a_vote() -> None:
            """One that counted is taken for surplus from now on."""
            with psycopg.connect(libpq_url(url)) as connection:
                connection.execute(
                    "UPDATE claim SET slot = NULL WHERE id = (SELECT id FROM claim WHERE slot IS NOT NULL LIMIT 1)"
                )

        print(f"  counting every judgment from nothing: {took(count):.1f} s")
        change_a_vote()
        print(f"  counting one item again: {1000 * took(count):.0f} ms")
        print(f"  fitting the rater models, with every item's posterior: {took(model):.1f} s")
        with psycopg.connect(libpq_url(url), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        with transaction(engine) as session:
            cookie = cookie_of(settings, session.exec(select(Account).where(Account.role == Role.ADMIN)).one())
        print("  ms                                            cold   after a vote   warm p50   warm p95   bytes")
        for page in PAGES:
            with terroir_server(home) as server:
                ask = client(server.address, cookie)
                ask("/healthz")
                address = f"/campaigns/{SLUG}/agreement{page}"
                cold, size = ask(address)
                change_a_vote()
                after, _ = ask(address)
                warm = [ask(address)[0] for _ in range(TIMES)]
                p50, p95 = statistics.median(warm), percentile(warm, 0.95)
                print(
                    f"  {page or '(overview)':<44}{cold:7.0f}{after:15.0f}{p50:11.0f}{p95:11.0f}{size:8,}", flush=True
                )
        with terroir_server(home) as server:
            ask = client(server.address, cookie)
            empty = [ask("/healthz")[0] for _ in range(TIMES)]
            print(f"  {'/healthz, for comparison':<66}{statistics.median(empty):11.1f}{percentile(empty, 0.95):11.1f}")


def took(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def cookie_of(settings: Settings, account: Account) -> str:
    response = Response()
    Keys(settings).sign_in(response, account)
    return response.headers["set-cookie"].split(";", 1)[0].removeprefix(f"{COOKIE}=")


def client(address: str, cookie: str) -> Callable[[str], tuple[float, int]]:
    """Asks for a page; milliseconds until its last byte, and its size."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=600)

    def ask(path: str) -> tuple[float, int]:
        start = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": f"{COOKIE}={cookie}", "Accept": "text/html"})
        reply = connection.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise SystemExit(f"{path} answered {reply.status}")
        return 1000 * (time.perf_counter() - start), len(body)

    return ask


if __name__ == "__main__":
    main()
