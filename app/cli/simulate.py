"""`terroir simulate`: simulated annotators who work through the HTTP API, as any program would, and what came of it."""

import signal
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import sqlalchemy as sa
import typer
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from app import jobs
from app.accounts import service as accounts
from app.accounts.models import Account, Role
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Member
from app.cli.common import JsonFlag, installation, progress_bar, say, say_json
from app.cli.simulated_clients import Annotator, server_for
from app.cli.simulation import INSIDER_NOTICES, KNOWN_SHARE, Given, World, email_of, knows, profile_of, summary
from app.cli.simulation_outcome import lines, outcome
from app.db import transaction
from app.errors import Conflict, Invalid
from app.gold import screening
from app.items.compose_faults import read_truth
from app.items.models import Subtask
from app.items.queries import countries_in
from app.judgments import quotas
from app.judgments.decisions import question_keys
from app.judgments.jobs import KIND as FIT
from app.judgments.steering import steer_one
from app.settings import Settings

CLAIMS_AT_ONCE: Final = 10
AT_ONCE: Final = 8
"""Annotators who send at the same time."""
LOOKED_AFTER_BY: Final = (screening, quotas)
"""Register with `steer_one` what a worker does beside the models."""


def simulate(
    campaign: Annotated[str, typer.Option(help="Name of the campaign.")],
    annotators: Annotated[int, typer.Option(help="How many annotators.", min=1, max=1000)],
    seed: Annotated[int, typer.Option(help="The same seed gives the same faults and answers.", min=0)],
    judgments: Annotated[
        int | None, typer.Option(help="Stop after so many judgments; else when no work is left.", min=1)
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="What “terroir compose --truth” planted in the items; else the seed says.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Server of this installation; the one running here, or one started for it.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Let simulated annotators with stated error rates judge over HTTP. Their accounts are marked as simulated.

    Each says to know the food of some of the campaign's countries, and notices more wrong claims about those. Between
    rounds the campaign is looked after as by a worker. In the end its decisions are held against what is true.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a server started for the run is stopped with it
    with installation() as (settings, engine):
        with transaction(engine) as session:
            found = campaigns.get(session, campaign)
            world = world_of(session, found, seed, truth)
        with server_for(settings, url) as address, progress_bar("Judging") as advance:
            run, result = let_judge(engine, settings, address, found, world, annotators, judgments, advance)
    profiles = summary(world, annotators, run.given)
    counts = {status: sum(judgment.status == status for judgment in run.given) for status in ("counted", "surplus")}
    if json:
        document = {"campaign": campaign, "seed": seed, "judgments": len(run.given), **counts}
        document |= {"stopped": run.stopped, "seconds": round(run.seconds, 3), "profiles": profiles}
        say_json(document | {"outcome": result})
    else:
        _print(run, counts, profiles, result)


def let_judge(
    engine: sa.Engine,
    settings: Settings,
    address: str,
    campaign: Campaign,
    world: World,
    annotators: int,
    judgments: int | None = None,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> tuple["Run", dict[str, Any] | None]:
    """What was given, and `simulation_outcome.outcome` of the campaign."""
    with transaction(engine) as session:
        countries = countries_in(session, campaign.id)
    with _tokens(engine, campaign, world.seed, annotators, countries) as tokens:
        crowd = [Annotator(number, address, token) for number, token in enumerate(tokens)]
        run = work(crowd, campaign.slug, judgments, world, advance, _Caretaker(engine, settings, campaign.id))
    with transaction(engine) as session:
        return run, outcome(session, session.get_one(Campaign, campaign.id), world, annotators)


def _print(
    run: "Run", counts: Mapping[str, int], profiles: list[dict[str, Any]], result: Mapping[str, Any] | None
) -> None:  # fmt: skip
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
    say("")
    if result is None:
        say(
            "Others have judged here as well, who know nothing of what this seed calls wrong: the decisions can't be "
            "held against it. Let one crowd judge a campaign alone, or give what “terroir compose --truth” planted."
        )
        return
    for line in lines(result):
        say(line)


def world_of(session: Session, campaign: Campaign, seed: int, truth: Path | None) -> World:
    """Raises Invalid where the truth file isn't that of the campaign's items; it needn't know images made again."""
    rows = session.execute(_KEYS, {"campaign": campaign.id}).all()
    keys = {str(row.id): row.key for row in rows}
    if truth is None:
        return World(seed, keys)
    planted = read_truth(truth)
    first = [row for row in rows if row.revision_of_id is None]
    claims = {(row.key, question) for row in first for question in question_keys(Subtask(row.subtask))}
    if missing := sorted({key for key, _ in claims - planted.keys()}):
        raise Invalid(
            f"{truth} says nothing about {len(missing)} of the items of “{campaign.slug}”, such as {missing[0]}: name "
            "the file that was written when they were composed."
        )
    return World(seed, keys, planted)


_KEYS = sa.text("SELECT id, key, subtask, revision_of_id FROM item WHERE campaign_id = :campaign")


class _Caretaker:
    """Does between the rounds what a worker does every twenty seconds."""

    def __init__(self, engine: sa.Engine, settings: Settings, campaign_id: uuid.UUID) -> None:
        self._engine, self._settings, self._campaign_id = engine, settings, campaign_id
        self._paused = 0

    def __call__(self) -> None:
        """Until nothing more follows: people leave one at a time, and new models change who is asked first."""
        scope = {"campaign": self._campaign_id, "kind": FIT}
        while True:
            steer_one(self._engine, self._campaign_id)
            with transaction(self._engine) as session:
                due = session.execute(_DUE, scope).scalars().all()
                paused = session.execute(_PAUSED, scope).scalar_one()
            for job in due:
                jobs.run_job(self._engine, self._settings, job)
            if not due and paused == self._paused:
                return
            self._paused = paused


_DUE = sa.text(
    "SELECT id FROM job WHERE kind = :kind AND arguments ->> 'campaign_id' = CAST(:campaign AS text) "
    "AND status = 'queued' ORDER BY created_at"
)
_PAUSED = sa.text("SELECT count(*) FROM pool_member WHERE campaign_id = :campaign AND paused_at IS NOT NULL")


class Run(NamedTuple):
    """`stopped` says in a sentence why no more judgments were given."""

    given: list[Given]
    stopped: str
    seconds: float


def work(
    crowd: list[Annotator],
    slug: str,
    judgments: int | None,
    world: World,
    advance: Callable[[int, int], None],
    look_after: Callable[[], None],
) -> Run:
    """Rounds: everybody in turn claims a few items, then everybody judges theirs at the same time.

    Claims are made one after the other so that who judges what does not hang on who was faster: on an installation
    in the same state, with nobody else at work, the same seed gives the same judgments.
    """
    given: list[Given] = []
    started = time.monotonic()
    stopped = f"All {judgments} that were asked for are given."
    total = judgments or 0
    advance(0, total)
    try:
        with ThreadPoolExecutor(min(AT_ONCE, len(crowd))) as pool:
            while judgments is None or len(given) < judgments:
                todo, reason = _claims(crowd, slug, judgments and judgments - len(given))
                if not todo:
                    stopped = f"No work is left: {reason}"
                    break
                for done in pool.map(lambda turn: [turn[0].judge(claim, world) for claim in turn[1]], todo):
                    given += [judgment for judgment in done if judgment is not None]
                    advance(len(given), max(total, len(given)))
                look_after()
    finally:
        for annotator in crowd:
            annotator.close()
    return Run(given, stopped, time.monotonic() - started)


def _claims(
    crowd: list[Annotator], slug: str, wanted: int | None
) -> tuple[list[tuple[Annotator, list[dict[str, Any]]]], str | None]:
    """At most `wanted` claims, spread over the crowd, and what the server said if there are none."""
    todo: list[tuple[Annotator, list[dict[str, Any]]]] = []
    reason = None
    for place, annotator in enumerate(crowd):
        share = CLAIMS_AT_ONCE if wanted is None else min(CLAIMS_AT_ONCE, -(-wanted // (len(crowd) - place)))
        if share == 0:
            break
        reply = annotator.claim(slug, share)
        reason = reply.get("reason", reason)
        if reply["claims"]:
            todo.append((annotator, reply["claims"]))
            wanted = wanted and wanted - len(reply["claims"])
    return todo, reason


@contextmanager
def _tokens(
    engine: sa.Engine, campaign: Campaign, seed: int, annotators: int, countries: list[str]
) -> Iterator[list[str]]:
    """A token for each annotator, revoked afterwards; accounts are opened where there are none yet, and those of
    `countries` that an annotator knows are noted.

    An account's id follows from its address, and all join with the campaign: where gold lies hangs on both.
    """
    with transaction(engine) as session:
        people = []
        for number in range(annotators):
            email = email_of(seed, number)
            account = accounts.find(session, email)
            if account is None:
                account = _open_account(session, email, f"Simulated {profile_of(number).name} {number + 1}")
            elif not (account.is_simulated and account.is_active):
                raise Conflict(f"The account {email} is closed or not marked as simulated; use another --seed.")
            for country in countries:
                if knows(seed, number, country):
                    accounts.know_country(session, account, country)
            people.append(account)
        session.flush()
        place = {"campaign_id": campaign.id, "n_claimed": 0, "is_better_half": False, "created_at": campaign.created_at}
        places = [place | {"account_id": account.id} for account in people]
        session.execute(insert(Member).on_conflict_do_nothing(), places)
        issued = [accounts.issue_token(session, account, days=1, label="simulate") for account in people]
    try:
        yield [token.secret for token in issued]
    finally:
        with transaction(engine) as session:
            for account, token in zip(people, issued, strict=True):
                accounts.revoke_token(session, session.get_one(Account, account.id), token.id)


def _open_account(session: Session, email: str, name: str) -> Account:
    account = Account(
        id=uuid.uuid5(uuid.NAMESPACE_URL, f"mailto:{email}"),
        email=email, name=name, role=Role.ANNOTATOR, is_simulated=True,
    )  # fmt: skip
    session.add(account)
    session.flush()
    accounts.record(
        session, None, "account.opened", "account", account.id, role=account.role.value, is_simulated=True
    )  # fmt: skip
    return account
