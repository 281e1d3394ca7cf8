"""`terroir simulate`: simulated annotators who work through the HTTP API, as any program would."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import sqlalchemy as sa
import typer

from app.accounts import service as accounts
from app.accounts.models import Account, Role
from app.campaigns import service as campaigns
from app.cli.common import JsonFlag, installation, progress_bar, say, say_json
from app.cli.simulation import INSIDER_NOTICES, KNOWN_SHARE, Given, email_of, judgment_of, knows, profile_of, summary
from app.db import transaction
from app.db.embedded import serving_address
from app.errors import Conflict, Invalid, TerroirError
from app.items.queries import countries_in
from app.settings import Settings

CLAIMS_AT_ONCE: Final = 10
AT_ONCE: Final = 8
"""Annotators who send at the same time."""
TIMEOUT_SECONDS: Final = 60


class ServerTrouble(TerroirError):
    """The server can't be reached, or answers what it should not."""

    status = 502
    type = "server-trouble"


def simulate(
    campaign: Annotated[str, typer.Option(help="Name of the campaign.")],
    annotators: Annotated[int, typer.Option(help="How many annotators.", min=1, max=1000)],
    judgments: Annotated[int, typer.Option(help="Stop after so many judgments.", min=1)],
    seed: Annotated[int, typer.Option(help="The same seed gives the same faults and answers.", min=0)],
    url: Annotated[
        str | None, typer.Option(help="Server of this installation; the one running here, or one started for it.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Let simulated annotators with stated error rates judge over HTTP. Their accounts are marked as simulated.

    Each says to know the food of some of the campaign's countries, and notices more wrong claims about those.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a server started for the run is stopped with it
    with installation() as (settings, engine):
        with transaction(engine) as session:
            countries = countries_in(session, campaigns.get(session, campaign).id)
        with (
            _server(settings, url) as address,
            _tokens(engine, seed, annotators, countries) as tokens,
            progress_bar("Judging") as advance,
        ):
            crowd = [Annotator(number, address, token) for number, token in enumerate(tokens)]
            run = work(crowd, campaign, judgments, seed, advance)
    profiles = summary(seed, annotators, run.given)
    counts = {status: sum(judgment.status == status for judgment in run.given) for status in ("counted", "surplus")}
    if json:
        document = {"campaign": campaign, "seed": seed, "judgments": len(run.given), **counts}
        say_json(document | {"stopped": run.stopped, "seconds": round(run.seconds, 3), "profiles": profiles})
    else:
        _print(run, counts, profiles)


def _print(run: "Run", counts: dict[str, int], profiles: list[dict[str, Any]]) -> None:
    say(f"{len(run.given)} judgments in {run.seconds:.1f} s ({counts['surplus']} surplus). {run.stopped}")
    say(f"{'profile':<12} {'annotators':>10} {'judgments':>10} {'answers':>8} {'accuracy':>9} {'noticed':>8}")
    for row in profiles:
        accuracy, noticed = (f"{row[key]:.3f}" if row[key] is not None else "-" for key in ("accuracy", "noticed"))
        say(
            f"{row['profile']:<12} {row['annotators']:>10} {row['judgments']:>10} {row['answers']:>8} "
            f"{accuracy:>9} {noticed:>8}"
        )
    say("accuracy: answers that fit the planted truth; noticed: wrong claims answered no.")
    say(
        f"Each says to know about {KNOWN_SHARE:.0%} of the campaign's countries, and there notices "
        f"{INSIDER_NOTICES:.0%} of the wrong claims it would else miss."
    )


class Annotator:
    """One simulated annotator's connection to the API, kept open between requests."""

    def __init__(self, number: int, address: str, token: str) -> None:
        self.number = number
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        parts = urlsplit(address)
        self._prefix = parts.path.rstrip("/")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        assert parts.hostname is not None
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)

    def claim(self, slug: str, count: int) -> dict[str, Any]:
        """CONTRACT §4's claims: {"claims", "remaining", "reason" if there are none}."""
        _, reply = self._send("POST", f"/campaigns/{quote(slug, safe='')}/claims", {"count": count})
        return reply

    def judge(self, claim: dict[str, Any], seed: int) -> Given | None:
        """None when the lease is gone and the item decided without it."""
        body = judgment_of(seed, self.number, claim)
        status, reply = self._send("PUT", f"/claims/{claim['id']}/judgment", body, allowed=(409, 410))
        if status in (409, 410):
            return None
        answers = {key: answer["answer"] for key, answer in body["answers"].items()}
        return Given(self.number, claim["item_id"], answers, reply["status"])

    def close(self) -> None:
        self._connection.close()

    def _send(
        self, method: str, path: str, body: dict[str, Any], allowed: tuple[int, ...] = ()
    ) -> tuple[int, dict[str, Any]]:
        try:
            try:
                status, data = self._exchange(method, path, body)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # The server closes connections that were idle for some seconds. Every request may be sent twice.
                self._connection.close()
                status, data = self._exchange(method, path, body)
            reply = json.loads(data)
        except (OSError, http.client.HTTPException) as error:
            raise ServerTrouble(f"The server at {self._address} does not answer ({error}); is it running?") from error
        except ValueError as error:
            raise ServerTrouble(f"The server at {self._address} answers no JSON; is it Terroir?") from error
        if status >= 400 and status not in allowed:
            raise ServerTrouble(f"The server at {self._address} refused ({status}): {reply.get('detail', reply)}")
        return status, reply

    def _exchange(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        self._connection.request(method, f"{self._prefix}/api/v1{path}", json.dumps(body), self._headers)
        response = self._connection.getresponse()
        return response.status, response.read()


class Run(NamedTuple):
    """`stopped` says in a sentence why no more judgments were given."""

    given: list[Given]
    stopped: str
    seconds: float


def work(
    crowd: list[Annotator], slug: str, judgments: int, seed: int, advance: Callable[[int, int], None]
) -> Run:  # fmt: skip
    """Rounds: everybody in turn claims a few items, then everybody judges theirs at the same time.

    Claims are made one after the other so that who judges what does not hang on who was faster: on an installation
    in the same state, with nobody else at work, the same seed gives the same judgments.
    """
    given: list[Given] = []
    started = time.monotonic()
    stopped = f"All {judgments} that were asked for are given."
    advance(0, judgments)
    try:
        with ThreadPoolExecutor(min(AT_ONCE, len(crowd))) as pool:
            while len(given) < judgments:
                todo, reason = _claims(crowd, slug, judgments - len(given))
                if not todo:
                    stopped = f"No work is left: {reason}"
                    break
                for done in pool.map(lambda turn: [turn[0].judge(claim, seed) for claim in turn[1]], todo):
                    given += [judgment for judgment in done if judgment is not None]
                    advance(len(given), judgments)
    finally:
        for annotator in crowd:
            annotator.close()
    return Run(given, stopped, time.monotonic() - started)


def _claims(
    crowd: list[Annotator], slug: str, wanted: int
) -> tuple[list[tuple[Annotator, list[dict[str, Any]]]], str | None]:
    """At most `wanted` claims, spread over the crowd, and what the server said if there are none."""
    todo: list[tuple[Annotator, list[dict[str, Any]]]] = []
    reason = None
    for place, annotator in enumerate(crowd):
        share = min(CLAIMS_AT_ONCE, -(-wanted // (len(crowd) - place)))
        if share == 0:
            break
        reply = annotator.claim(slug, share)
        reason = reply.get("reason", reason)
        if reply["claims"]:
            todo.append((annotator, reply["claims"]))
            wanted -= len(reply["claims"])
    return todo, reason


@contextmanager
def _tokens(engine: sa.Engine, seed: int, annotators: int, countries: list[str]) -> Iterator[list[str]]:
    """A token for each annotator, revoked afterwards; accounts are opened where there are none yet, and those of
    `countries` that an annotator knows are noted."""
    with transaction(engine) as session:
        people = []
        for number in range(annotators):
            email = email_of(seed, number)
            account = accounts.find(session, email)
            if account is None:
                name = f"Simulated {profile_of(number).name} {number + 1}"
                account = accounts.open_account(session, email, Role.ANNOTATOR, name=name, is_simulated=True)
            elif not (account.is_simulated and account.is_active):
                raise Conflict(f"The account {email} is closed or not marked as simulated; use another --seed.")
            for country in countries:
                if knows(seed, number, country):
                    accounts.know_country(session, account, country)
            people.append(account)
        issued = [accounts.issue_token(session, account, days=1, label="simulate") for account in people]
    try:
        yield [token.secret for token in issued]
    finally:
        with transaction(engine) as session:
            for account, token in zip(people, issued, strict=True):
                accounts.revoke_token(session, session.get_one(Account, account.id), token.id)


@contextmanager
def _server(settings: Settings, url: str | None) -> Iterator[str]:
    """The address to work at: the one given, that of the server running here, or of one started for the purpose."""
    if url is not None:
        yield _checked(url)
    elif (address := serving_address(settings.home)) is not None:
        yield address
    else:
        with _own_server(settings) as address:
            yield address


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return url
    except ValueError:  # a port that is none
        pass
    raise Invalid(f"“{url}” is no address of a server; write it like http://127.0.0.1:8000.")


@contextmanager
def _own_server(settings: Settings) -> Iterator[str]:
    command = [str(Path(sys.executable).parent / "terroir"), "serve"]
    environment = os.environ | {"TERROIR_PORT": "0", "TERROIR_HOST": "127.0.0.1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        address = serving_address(settings.home)
        if not ready or address is None:
            raise ServerTrouble("The server for this run did not start; the line above says why.")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=40)
