"""Counts under fire: several people judge while several look, over real connections; and an upgrade with judgments."""

import json
import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
import sqlalchemy as sa
from alembic import command
from sqlmodel import Session

from app.accounts.models import Account
from app.accounts.service import know_country
from app.campaigns import service as campaigns
from app.claims import service as claims
from app.db import make_engine, transaction
from app.db.schema import alembic_config, migrate
from app.items.models import Gold, Item, Subtask
from app.judgments import service as judgments
from app.judgments.service import AlreadyDecided
from app.judgments.tallies import counted_afresh, rebuild, up_to_date
from tests.cli.test_commands import Run, run
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import all_yes, answer
from tests.judgments.test_tallies import check, sums
from tests.locks import wait_for_lock

__all__ = ["run"]  # a fixture

SLUG = "race"
WRITERS, READERS, ITEMS = 6, 3, 30
PATIENCE_SECONDS = 60


@pytest.fixture
def people(fresh_engine: sa.Engine) -> list[Account]:
    """As many annotators as write at once; the campaign has items of two subtasks."""
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session, SLUG)
        for number in range(ITEMS):
            make_item(session, campaign, (Subtask.SF, Subtask.MF)[number % 2])
        return [make_account(session) for _ in range(WRITERS)]


def campaign_id(engine: sa.Engine) -> uuid.UUID:
    with transaction(engine) as session:
        return campaigns.get(session, SLUG).id


def judge_all(engine: sa.Engine, account: Account) -> None:
    """Judges until there is nothing left, now and then changing a mind at once."""
    rng = random.Random(account.email)
    while True:
        with transaction(engine) as session:
            campaign = campaigns.get(session, SLUG)
            policy = campaigns.current_policy(session, campaign)
            mine = claims.claim_next(session, account, campaign, policy, count=2, lease=60).claims
        if not mine:
            return
        for claim in mine:
            for _ in range(rng.choice([1, 1, 2])):
                with transaction(engine) as session:
                    subtask = session.get_one(Item, claim.item_id).subtask
                    vote = rng.choice(["yes", "no", "unsure"])
                    try:
                        judgments.submit(session, account, claim.id, all_yes(subtask, food1_identity=answer(vote)))
                    except AlreadyDecided:
                        break
            time.sleep(rng.random() * 0.005)


def test_nothing_is_lost_while_many_judge_and_many_look(fresh_engine: sa.Engine, people: list[Account]) -> None:
    place, done = campaign_id(fresh_engine), threading.Event()

    def look(_: int) -> int:
        looks = 0
        while not done.is_set():
            with transaction(fresh_engine) as session:
                up_to_date(session, place)
                counted = session.execute(
                    sa.text(
                        "SELECT coalesce(sum((yes + no + unsure) * n_items), 0) = (SELECT coalesce(sum("
                        "cardinality(raters)), 0) FROM counted_votes) FROM vote_pattern "
                        "WHERE (basis, kind, question) = ('all', 'all', 'food1_identity')"
                    )
                ).scalar_one()
                assert counted, "the sums and the items they are of were seen apart"
            looks += 1
        return looks

    with ThreadPoolExecutor(WRITERS + READERS) as pool:
        readers = [pool.submit(look, number) for number in range(READERS)]
        writers = [pool.submit(judge_all, fresh_engine, account) for account in people]
        try:
            for writer in writers:
                writer.result(timeout=PATIENCE_SECONDS)
        finally:
            done.set()
        assert all(reader.result(timeout=PATIENCE_SECONDS) > 1 for reader in readers)
    with transaction(fresh_engine) as session:
        campaign = campaigns.get(session, SLUG)
        check(session, campaign)
        assert rebuild(session, place).n_judgments == 3 * ITEMS


def test_a_recount_meanwhile_finds_nothing_wrong(fresh_engine: sa.Engine, people: list[Account]) -> None:
    place, done = campaign_id(fresh_engine), threading.Event()

    def recount() -> int:
        recounts = 0
        while not done.is_set() or not recounts:
            with transaction(fresh_engine) as session:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
                assert rebuild(session, place).n_differing == 0
            recounts += 1
        return recounts

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        recounter = pool.submit(recount)
        writers = [pool.submit(judge_all, fresh_engine, account) for account in people]
        try:
            for writer in writers:
                writer.result(timeout=PATIENCE_SECONDS)
        finally:
            done.set()
        assert recounter.result(timeout=PATIENCE_SECONDS)
    with transaction(fresh_engine) as session:
        check(session, campaigns.get(session, SLUG))


def first_claim(session: Session, account: Account) -> claims.Claim:
    campaign = campaigns.get(session, SLUG)
    policy = campaigns.current_policy(session, campaign)
    return claims.claim_next(session, account, campaign, policy, lease=60).claims[0]


def test_a_judgment_that_commits_after_a_later_one_was_counted_is_counted_next(
    fresh_engine: sa.Engine, people: list[Account]
) -> None:
    """Numbers of changes are given out before they are committed, so a lower one may appear after a higher one."""
    place = campaign_id(fresh_engine)
    with transaction(fresh_engine) as session:
        held = [(account, first_claim(session, account)) for account in people[:2]]
    with Session(fresh_engine) as early:
        judgments.submit(early, held[0][0], held[0][1].id, all_yes(subtask_of(early, held[0][1])))
        with transaction(fresh_engine) as session:
            judgments.submit(session, held[1][0], held[1][1].id, all_yes(subtask_of(session, held[1][1])))
        with transaction(fresh_engine) as session:
            between = up_to_date(session, place)
            assert len(counted_afresh(session, place).raters) > 0
        early.commit()
    with transaction(fresh_engine) as session:
        assert up_to_date(session, place) != between
        check(session, campaigns.get(session, SLUG))


def subtask_of(session: Session, claim: claims.Claim) -> Subtask:
    return session.get_one(Item, claim.item_id).subtask


def test_who_looks_while_another_counts_waits_and_counts_nothing_twice(
    fresh_engine: sa.Engine, people: list[Account]
) -> None:
    place = campaign_id(fresh_engine)
    judge_all(fresh_engine, people[0])
    with Session(fresh_engine) as first, ThreadPoolExecutor(1) as pool:
        version = up_to_date(first, place)

        def second() -> uuid.UUID:
            with transaction(fresh_engine) as session:
                return up_to_date(session, place)

        waiting = pool.submit(second)
        wait_for_lock(fresh_engine)
        assert not waiting.done()
        first.commit()
        assert waiting.result(timeout=PATIENCE_SECONDS) == version
    with transaction(fresh_engine) as session:
        check(session, campaigns.get(session, SLUG))


def test_the_command_counts_afresh_beside_somebody_who_looks(
    fresh_engine: sa.Engine, fresh_url: str, people: list[Account], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """The recount waits for the look, finds that its moment has passed, and takes the next."""
    monkeypatch.setenv("TERROIR_DATABASE_URL", fresh_url)
    judge_all(fresh_engine, people[0])
    with Session(fresh_engine) as look, ThreadPoolExecutor(1) as pool:
        up_to_date(look, campaign_id(fresh_engine))
        recount = pool.submit(run, "agreement", "--campaign", SLUG, "--rebuild", "--json", "--replicates", "10")
        wait_for_lock(fresh_engine)
        look.commit()
        ended = recount.result(timeout=PATIENCE_SECONDS)
    assert ended.status == 0, ended.err
    found = json.loads(ended.out)
    assert {key: found["recount"][key] for key in ("n_items", "n_judgments", "n_differing")} == {
        "n_items": ITEMS, "n_judgments": ITEMS, "n_differing": 0,
    }  # fmt: skip
    assert found["questions"]["food1_identity"]["n_judgments"] == ITEMS


def test_the_command_says_whether_a_kept_count_was_wrong(
    fresh_engine: sa.Engine, fresh_url: str, people: list[Account], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("TERROIR_DATABASE_URL", fresh_url)
    for account in people[:2]:
        judge_all(fresh_engine, account)
    words = ("agreement", "--campaign", SLUG, "--replicates", "10")
    plain, recounted = run(*words), run(*words, "--rebuild")
    assert (plain.status, recounted.status) == (0, 0)
    assert recounted.out.startswith(f"Counted afresh: {2 * ITEMS} judgments of {ITEMS} items.\nAll ")
    assert recounted.out.endswith(f"kept counts were right.\n\n{plain.out}")
    with fresh_engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM vote_pattern WHERE (basis, kind) = ('first', 'subtask')"))
        wrong = connection.execute(sa.text("UPDATE rater_votes SET n_items = 99 WHERE kind = 'all'")).rowcount
    recounted = run(*words, "--rebuild")
    assert recounted.status == 0
    assert int(recounted.out.splitlines()[1].split()[0]) > wrong
    assert recounted.out.endswith(f"kept counts were wrong; they are right now.\n\n{plain.out}")
    refused = run("agreement", "--from", "votes.csv", "--rebuild")
    assert refused.status == 2
    assert "--rebuild goes with --campaign" in refused.err


def test_judgments_of_before_the_counts_are_counted_at_the_first_look(
    fresh_url: str, fresh_engine: sa.Engine, people: list[Account]
) -> None:
    """Judgments, back to the schema without counts, an upgrade and a look; then the same again."""
    place = campaign_id(fresh_engine)
    with transaction(fresh_engine) as session:
        gold = session.exec(sa.select(Item)).scalars().first()  # type: ignore[call-overload]
        session.add(Gold(item_id=gold.id, question="food1_identity", answer="yes"))
    for account in people[:2]:
        judge_all(fresh_engine, account)
        fresh_engine.dispose()
        command.downgrade(alembic_config(fresh_url), "0002")
        migrate(fresh_url)
        engine = make_engine(fresh_url, pooled=False)
        with transaction(engine) as session:
            assert sums(session, campaigns.get(session, SLUG)) == ({}, {}, {})
            up_to_date(session, place)
            assert sums(session, campaigns.get(session, SLUG)) != ({}, {}, {})
            check(session, campaigns.get(session, SLUG))
    with transaction(fresh_engine) as session:
        found = rebuild(session, place)
    # Each of the two judged every item once; the one with a known answer is in no count.
    assert (found.n_items, found.n_judgments) == (ITEMS - 1, 2 * (ITEMS - 1))


def test_a_judgment_waits_for_what_its_rater_is_just_saying_to_know(
    fresh_engine: sa.Engine, people: list[Account]
) -> None:
    place = campaign_id(fresh_engine)
    with transaction(fresh_engine) as session:
        claim = first_claim(session, people[0])

    def judge_and_count() -> None:
        with transaction(fresh_engine) as session:
            judgments.submit(session, people[0], claim.id, all_yes(subtask_of(session, claim)))
        with transaction(fresh_engine) as session:
            up_to_date(session, place)

    with Session(fresh_engine) as slow, ThreadPoolExecutor(1) as pool:
        know_country(slow, people[0], "EG")
        judged = pool.submit(judge_and_count)
        wait([judged], timeout=1)
        slow.commit()
        judged.result()
    with transaction(fresh_engine) as session:
        check(session, campaigns.get(session, SLUG))
