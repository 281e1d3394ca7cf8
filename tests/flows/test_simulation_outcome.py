"""A whole simulated campaign, small and seeded: what is reported is what the database holds, and comes out again."""

import csv
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
import uvicorn
from sqlmodel import Session, select

from app.accounts.models import KnownCountry
from app.agreement.intervals import wilson
from app.campaigns import service as campaigns
from app.campaigns.models import Member, Policy
from app.claims.models import Claim, ClaimState
from app.cli.simulate import Run, let_judge, world_of
from app.cli.simulation import Truth, World, email_of, profile_of, truth_of
from app.cli.simulation_outcome import lines, outcome
from app.db import make_engine, transaction
from app.errors import Invalid
from app.items.models import Gold, Hold, Item, ItemFood, Status, Subtask
from app.judgments.decisions import question_keys
from app.main import create_app
from app.settings import Settings
from tests.adjudication.conftest import judge
from tests.conftest import _drop_database, _with_database
from tests.factories import make_campaign, make_item

ITEMS = 66
GOLD = 16
ANNOTATORS = 12
SEED = 3
COUNTRIES = ("EG", "IT", "JP", "MX", "IN", "NG")


class Simulated(NamedTuple):
    engine: sa.Engine
    run: Run
    result: dict[str, Any]


def planted(number: int, question: str) -> bool:
    """Whether a claim of item `number` is wrong; of gold items, the first GOLD, every other."""
    if number < GOLD:
        return (number + len(question)) % 2 == 0
    return (7 * number + len(question)) % 9 == 0


def fill(session: Session, truth: Path) -> None:
    """A campaign under adaptive overlap, with the same ids each time."""
    campaign = make_campaign(session, "small", policy="adaptive")
    campaign.created_at = datetime(2026, 1, 1, tzinfo=UTC)
    session.add(campaign)
    policy = session.exec(select(Policy).where(Policy.campaign_id == campaign.id)).one()
    policy.parameters = policy.parameters | {"gold_first": 0.4, "gold_last": 0.4, "audit_share": 0.1}
    session.add(policy)
    with truth.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image_path", "question", "truth", "is_hard", "is_gold"])
        for number in range(ITEMS):
            food, country = f"Dish {number % 15}", COUNTRIES[number % len(COUNTRIES)]
            item = make_item(
                session, campaign, list(Subtask)[number % 4], key=f"{number:02}.jpg",
                id=uuid.uuid5(uuid.NAMESPACE_URL, str(number)), shuffle=(number * 0.618034) % 1,
                foods=((food, country), ("Pizza", "IT")),
            )  # fmt: skip
            for question in question_keys(item.subtask):
                answer = "no" if planted(number, question) else "yes"
                rows.writerow([item.key, question, answer, "no", "yes" if number < GOLD else "no"])
                if number < GOLD:
                    session.add(Gold(item_id=item.id, question=question, answer=answer))


@contextmanager
def serving(engine: sa.Engine, settings: Settings) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(create_app(settings, engine), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < until
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="module")
def twice(
    server_url: str, template_name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Simulated, Simulated]]:
    """The same seed in two copies of one installation."""
    folder = tmp_path_factory.mktemp("simulation")
    settings = Settings(home=folder, secret_key="s" * 40, _env_file=None)  # type: ignore[call-arg]
    names = [f"simulated_{uuid.uuid4().hex[:8]}" for _ in range(2)]
    urls = [_with_database(server_url, names[0], template_name)]
    engine = make_engine(urls[0], pooled=False)
    with transaction(engine) as session:
        fill(session, folder / "truth.csv")
    engine.dispose()
    urls.append(_with_database(server_url, names[1], names[0]))
    done = []
    for url in urls:
        engine = make_engine(url)
        with transaction(engine) as session:
            campaign = campaigns.get(session, "small")
            world = world_of(session, campaign, SEED, folder / "truth.csv")
        with serving(engine, settings) as address:
            done.append(Simulated(engine, *let_judge(engine, settings, address, campaign, world, ANNOTATORS)))
    yield done[0], done[1]
    for simulated, name in zip(done, names, strict=True):
        simulated.engine.dispose()
        _drop_database(server_url, name)


def test_the_same_seed_gives_the_same_judgments_and_figures(twice: tuple[Simulated, Simulated]) -> None:
    first, second = twice
    assert first.result == second.result
    assert Counter(given._replace(answers=tuple(given.answers.items())) for given in first.run.given) == Counter(
        given._replace(answers=tuple(given.answers.items())) for given in second.run.given
    )
    assert first.result["judgments"]["tests"] > 0  # where tests lie is no matter of chance either


def test_what_is_reported_is_what_the_database_holds(twice: tuple[Simulated, Simulated]) -> None:
    result = twice[0].result
    with transaction(twice[0].engine) as session:
        campaign = campaigns.get(session, "small")
        items = session.exec(select(Item).where(Item.campaign_id == campaign.id)).all()
        claims = session.exec(select(Claim).where(Claim.campaign_id == campaign.id)).all()
        homes = {food.item_id: food.countries[0] for food in session.exec(select(ItemFood)) if food.slot == 1}
        known = {(row.account_id, row.country) for row in session.exec(select(KnownCountry))}
        paused = [m for m in session.exec(select(Member)) if m.paused_at is not None]
    number = {item.id: int(item.key[:2]) for item in items}
    faulty = {item.id for item in items if any(planted(number[item.id], q) for q in question_keys(item.subtask))}
    ordinary = [item for item in items if number[item.id] >= GOLD]
    of_status = {status: {item.id for item in ordinary if item.status is status} for status in Status}
    given = [claim for claim in claims if claim.state is ClaimState.JUDGED]
    decisive = [claim for claim in given if claim.slot is not None and number[claim.item_id] >= GOLD]

    assert result["items"] == {
        "n": 50, "gold": GOLD, "faulty": len(faulty & {item.id for item in ordinary}),
        "approved": len(of_status[Status.APPROVED]), "rejected": len(of_status[Status.REJECTED]),
        "disputed": len(of_status[Status.DISPUTED]), "pending": len(of_status[Status.PENDING]),
    }  # fmt: skip
    assert result["items"]["approved"] > 10
    assert result["judgments"]["per_item"] == round(len(decisive) / 50, 4)
    assert result["judgments"]["per_item_in_all"] == round(len(given) / 50, 4)
    assert len(given) == len(twice[0].run.given)
    assert result["judgments"]["tests"] == sum(claim.is_test for claim in given)
    for name, n, of in (
        ("wrongly_approved", len(of_status[Status.APPROVED] & faulty), len(of_status[Status.APPROVED])),
        ("wrongly_rejected", len(of_status[Status.REJECTED] - faulty), len(of_status[Status.REJECTED])),
        ("by_insiders", sum((c.account_id, homes[c.item_id]) in known for c in decisive), len(decisive)),
    ):
        expected = wilson(n, of)
        assert (result[name]["n"], result[name]["of"]) == (n, of)
        assert of > 0
        assert result[name]["low"] == pytest.approx(expected.low, abs=1e-6)
        assert result[name]["high"] == pytest.approx(expected.high, abs=1e-6)
    assert result["by_insiders"]["n"] > 0
    assert sum(row["left_out"] for row in result["people"]) == len(paused)
    assert sum(row["annotators"] for row in result["people"]) == ANNOTATORS


def test_the_spammer_is_caught_by_gold(twice: tuple[Simulated, Simulated]) -> None:
    spammers = [number for number in range(ANNOTATORS) if profile_of(number).is_spammer]
    row = next(row for row in twice[0].result["people"] if row["is_spammer"])
    assert (row["annotators"], row["left_out"]) == (len(spammers), len(spammers)) == (1, 1)
    with transaction(twice[0].engine) as session:
        found = session.execute(
            sa.text("SELECT email FROM account JOIN pool_member ON account_id = account.id WHERE paused_at IS NOT NULL")
        ).scalars()
        assert email_of(SEED, spammers[0]) in set(found)


def test_the_table_says_it_in_words(twice: tuple[Simulated, Simulated]) -> None:
    text = "\n".join(lines(twice[0].result))
    assert "Policy: adaptive, 5 judgments at most." in text
    assert "spammers caught      1 of 1" in text
    assert f"items, gold apart    50, of them {twice[0].result['items']['faulty']}" in text


def test_a_truth_of_other_items_is_refused(twice: tuple[Simulated, Simulated], tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("image_path,question,truth,is_hard,is_gold\n00.jpg,food1_origin,yes,no,no\n", encoding="utf-8")
    with (
        transaction(twice[0].engine) as session,
        pytest.raises(Invalid, match="says nothing about 66 of the items of “small”, such as 00"),
    ):
        world_of(session, campaigns.get(session, "small"), 1, other)


def test_images_made_again_are_judged_but_not_held_against_a_truth_that_does_not_know_them(
    session: Session, tmp_path: Path
) -> None:
    campaign = make_campaign(session, "again")
    first, other = make_item(session, campaign, key="1.jpg"), make_item(session, campaign, key="2.jpg")
    (tmp_path / "truth.csv").write_text(
        "image_path,question,truth,is_hard,is_gold\n"
        + "".join(
            f"{key},{question},yes,no,no\n" for key in ("1.jpg", "2.jpg") for question in question_keys(Subtask.SF)
        ),
        encoding="utf-8",
    )
    judge(session, campaign, first, {}, {}, {})
    before = outcome(session, campaign, world_of(session, campaign, SEED, tmp_path / "truth.csv"), 3)
    assert before is not None
    assert before["left_out"] == 0
    assert not [line for line in lines(before) if "made again" in line]

    again = make_item(session, campaign, Subtask.SF, key="1.r2.jpg", revision=2, revision_of_id=first.id)
    other.hold = Hold.QUOTA  # so that the next people are given the new one
    session.flush()
    judge(session, campaign, again, {}, {})
    world = world_of(session, campaign, SEED, tmp_path / "truth.csv")
    assert world.truth_of(str(first.id), "food1_origin") == Truth(True, False)
    assert world.truth_of(str(again.id), "food1_origin") == truth_of(SEED, "1.r2.jpg", "food1_origin")
    after = outcome(session, campaign, world, 3)
    assert after == before | {"left_out": 1}
    (words,) = [line for line in lines(after) if "made again" in line]
    assert words.startswith("1 image made again is left out of these figures: the truth file says nothing of")

    make_item(session, campaign, key="3.jpg")
    with pytest.raises(Invalid, match="says nothing about 1 of the items of “again”, such as 3"):
        world_of(session, campaign, SEED, tmp_path / "truth.csv")


def test_decisions_of_others_are_not_held_against_what_a_seed_calls_wrong(session: Session) -> None:
    campaign = make_campaign(session, "mixed")
    item = make_item(session, campaign)
    world = world_of(session, campaign, SEED, None)
    for number, person in enumerate(judge(session, campaign, item, {}, {})):
        person.email = email_of(SEED, number)
    session.flush()
    alone = outcome(session, campaign, world, 3)
    assert alone is not None
    assert alone["judgments"]["decisive"] == 2
    judge(session, campaign, item, {})[0].email = email_of(10 * SEED, 1)
    session.flush()
    assert outcome(session, campaign, world, 3) is None
    planted = {(item.key, question): Truth(True, False) for question in question_keys(item.subtask)}
    assert outcome(session, campaign, World(SEED, {str(item.id): item.key}, planted), 3) is not None
