"""`terroir simulate`: the crowd keeps its stated rates, and works through the real server."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from app import geography
from app.cli import simulation
from app.db import make_engine, transaction
from app.db.embedded import embedded_postgres
from app.db.schema import migrate
from app.items.models import Subtask
from tests.factories import make_campaign, make_item
from tests.live import Installation, fresh_home

MANY = 20_000
WORLD = simulation.World(7)


def share(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


def test_as_many_claims_are_wrong_and_hard_as_stated() -> None:
    truths = [simulation.truth_of(7, f"item {number}", "background") for number in range(MANY)]
    assert share([not truth.is_right for truth in truths]) == pytest.approx(0.10, abs=0.01)
    assert share([truth.is_hard for truth in truths if not truth.is_right]) == pytest.approx(0.15, abs=0.03)


@pytest.mark.parametrize("number", range(4))
def test_an_annotator_errs_as_often_as_its_profile_says(number: int) -> None:
    profile = simulation.profile_of(number)
    answers = []
    for place in range(MANY):
        truth = simulation.truth_of(7, f"item {place}", "background")
        answers.append((truth, simulation.answer_of(WORLD, number, f"item {place}", "background")))
    sure = [(truth, answer) for truth, answer in answers if answer != "unsure"]
    right = [answer == "yes" for truth, answer in sure if truth.is_right]
    wrong = [answer == "no" for truth, answer in sure if not (truth.is_right or truth.is_hard)]
    hard = [answer == "no" for truth, answer in sure if truth.is_hard]
    assert 1 - len(sure) / MANY == pytest.approx(profile.unsure, abs=0.01)
    assert share(right) == pytest.approx(profile.yes_if_right, abs=0.01)
    assert share(wrong) == pytest.approx(profile.no_if_wrong, abs=0.03)
    assert share(hard) == pytest.approx(profile.no_if_wrong * simulation.HARD_FACTOR, abs=0.09)


def test_the_profiles_come_in_their_shares() -> None:
    assert [simulation.profile_of(number).name for number in range(5)] == [
        "ordinary", "careful", "ordinary", "careful", "yes-clicker",
    ]  # fmt: skip
    found = Counter(simulation.profile_of(number).name for number in range(1000))
    assert {name: count / 1000 for name, count in found.items()} == {
        profile.name: pytest.approx(profile.share, abs=0.005) for profile in simulation.CROWD
    }


def test_an_insider_notices_three_in_ten_of_what_it_would_miss_and_answers_the_rest_alike() -> None:
    missed, noticed = 0, 0
    for place in range(MANY):
        item = f"item {place}"
        plain = simulation.answer_of(WORLD, 2, item, "background")
        insider = simulation.answer_of(WORLD, 2, item, "background", is_insider=True)
        if plain == "yes" and not simulation.truth_of(7, item, "background").is_right:
            missed, noticed = missed + 1, noticed + (insider == "no")
        else:
            assert insider == plain
    assert noticed / missed == pytest.approx(0.3, abs=0.07)


def test_a_judgment_hangs_on_whether_its_own_question_is_about_a_known_country() -> None:
    known = next(code for code in geography.every_country() if simulation.knows(7, 2, code))
    strange = next(code for code in geography.every_country() if not simulation.knows(7, 2, code))
    missed = next(
        f"item {place}"
        for place in range(MANY)
        if simulation.answer_of(WORLD, 2, f"item {place}", "food1_origin")
        != simulation.answer_of(WORLD, 2, f"item {place}", "food1_origin", is_insider=True)
    )
    names = {code: geography.name_of(code) for code in (known, strange)}
    given = []
    for food, scene in ((strange, known), (known, strange)):
        claim = {
            "item_id": missed, "food1": {"country": names[food]}, "background": {"country": names[scene]},
            "questions": [{"key": "food1_origin", "reasons": [{"code": "origin"}]}],
        }  # fmt: skip
        given.append(simulation.judgment_of(WORLD, 2, claim)["answers"]["food1_origin"]["answer"])
    assert given == ["yes", "no"]


def test_annotators_know_a_fifth_of_the_countries() -> None:
    countries = list(geography.every_country())
    known = [simulation.knows(7, number, code) for number in range(40) for code in countries]
    assert share(known) == pytest.approx(0.2, abs=0.02)


def test_another_seed_is_another_world() -> None:
    worlds = [[simulation.truth_of(seed, f"item {n}", "background").is_right for n in range(500)] for seed in (1, 2)]
    assert worlds[0] != worlds[1]


@pytest.fixture(scope="module")
def live() -> Iterator[Installation]:
    """An installation whose database runs and holds a campaign of eight items."""
    with fresh_home() as home, embedded_postgres(home) as url:
        migrate(url)
        engine = make_engine(url)
        with transaction(engine) as session:
            campaign = make_campaign(session, "one")
            for number in range(8):
                make_item(session, campaign, list(Subtask)[number % 4])
        engine.dispose()
        yield Installation(home)


def simulate(live: Installation, annotators: int, judgments: int, *words: str, status: int = 0) -> Any:
    crowd = ["--annotators", str(annotators), "--judgments", str(judgments), "--seed", "7"]
    return live.run("simulate", *crowd, *words, status=status)


@pytest.mark.slow
def test_a_crowd_judges_over_http_until_no_work_is_left(live: Installation) -> None:
    first = simulate(live, 4, 10, "--campaign", "one", "--json")
    assert first.stderr == ""
    report = json.loads(first.stdout)
    assert (report["judgments"], report["counted"], report["surplus"]) == (10, 10, 0)
    assert report["stopped"] == "All 10 that were asked for are given."
    given = rows(live, "SELECT item_id, account_id FROM claim WHERE state = 'judged'")
    assert len(given) == len(set(given)) == 10
    assert rows(live, "SELECT 1 FROM claim WHERE state = 'open'") == []

    with live.started("serve"):  # the running server is found, and the crowd goes on where it stopped
        rest = simulate(live, 4, 99, "--campaign", "one")
    assert rest.stdout.startswith("14 judgments in ")
    assert "No work is left: Every item of “One” has all its judgments." in rest.stdout
    people = rows(live, "SELECT email, is_simulated FROM account")
    assert len(people) == 4
    assert all(email.endswith("@simulated.invalid") and marked for email, marked in people)
    assert set(rows(live, "SELECT judged FROM item")) == {(3,)}
    assert rows(live, "SELECT 1 FROM token WHERE revoked_at IS NULL") == []
    # The items' foods are from Egypt and Italy, their backgrounds from Japan.
    declared = set(rows(live, "SELECT email, country FROM known_country JOIN account ON account.id = account_id"))
    assert declared == {
        (simulation.email_of(7, number), country)
        for number in range(4)
        for country in ("EG", "IT", "JP")
        if simulation.knows(7, number, country)
    }
    assert declared


def rows(live: Installation, statement: str) -> list[Any]:
    with embedded_postgres(live.home) as url, psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--campaign", "nowhere"], "There is no campaign “nowhere”."),
        (["--campaign", "one", "--url", "ftp://x"], "“ftp://x” is no address of a server; write it like"),
        (["--campaign", "one", "--url", "http://127.0.0.1:1"], "The server at http://127.0.0.1:1 does not answer"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(live: Installation, arguments: list[str], sentence: str) -> None:
    done = simulate(live, 2, 2, *arguments, status=1)
    assert done.stdout == ""
    assert done.stderr.startswith(f"terroir: {sentence}")
    assert done.stderr.count("\n") == 1
