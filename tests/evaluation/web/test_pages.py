"""The pages of runs, as they answer."""

import csv
import io
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import Session, col, select
from starlette.testclient import TestClient

from app.accounts.models import Role
from app.db import now
from app.evaluation.models import Prediction, Run, RunStatus
from app.evaluation.pages import exchanges, standings
from app.evaluation.plan import Subset
from app.items.models import Subtask
from app.jobs import Job
from app.releases.models import Release, ReleaseStatus
from tests.conftest import open_browser
from tests.evaluation.test_evaluate import PLANTED
from tests.evaluation.web.conftest import SHA256, Plant
from tests.factories import make_account
from tests.releases.conftest import World
from tests.web.test_hostile_text import ESCAPED, HOSTILE

HTML_BYTES = 100_000
As = Callable[[Role], TestClient]
ALL_RIGHT = {path: {"K": ("koshary", "Egypt"), "P": ("pizza", "Italy"), "C": ("ceviche", "Peru")}[dish]
             for path, dish in zip(sorted(PLANTED), "KPC" * 4, strict=True)}  # fmt: skip
FORM = {"version": "1.0.0", "model": "gemini-2.5-pro", "strategy": "cot", "subtasks": ["SF", "MFB"], "seed": "7",
        "priority": "3", "limit": "10", "budget_usd": "2.5"}  # fmt: skip


@pytest.fixture
def as_role(app: FastAPI, session: Session) -> Iterator[As]:
    with ExitStack() as stack:
        yield lambda role: stack.enter_context(open_browser(app, make_account(session, role)))


@pytest.fixture
def researcher(as_role: As) -> TestClient:
    return as_role(Role.RESEARCHER)


def page(client: TestClient, address: str, status: int = 200) -> str:
    reply = client.get(address)
    assert reply.status_code == status, reply.text[:2000]
    assert len(reply.content) < HTML_BYTES
    return reply.text


def words(html: str) -> str:
    """What is read, without the marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def cells(html: str, row: str, label: str) -> list[str]:
    """The cells of the row that begins with `row`, of the table called `label`."""
    table = html.partition(f'aria-label="{label}"')[2].partition("</table>")[0]
    found = next(one for one in re.findall(r"<tr>.*?</tr>", table, re.DOTALL) if words(one).startswith(row))
    return [words(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", found, re.DOTALL)]


def test_without_a_release_the_list_says_what_comes_first(session: Session, researcher: TestClient) -> None:
    session.execute(sa.update(Release).values(status=ReleaseStatus.FAILED))
    shown = page(researcher, "/runs")
    assert "Nothing to ask about yet" in shown
    assert "<form method" not in shown.partition("<main")[2]


def test_the_list_shows_status_progress_and_the_headline(researcher: TestClient, planted: Plant) -> None:
    assert "No runs yet" in page(researcher, "/runs")
    run = planted(PLANTED)
    page(researcher, f"/runs/{run.id}")  # which scores it
    planted({}, model="waits", status=RunStatus.RUNNING, finished_at=None)
    shown = page(researcher, "/runs")
    # 1/3, 2/3, 2/3 and 2/3 of the countries are right
    assert "58.3" in cells(shown, "tiny", "Runs")
    assert "running" in shown
    assert 'hx-trigger="every 2s"' in shown
    assert page(researcher, "/runs?release=1.0.0").count("<tr>") == 3
    assert "There is no release" in page(researcher, "/runs?release=9.9.9", 404)
    assert "cursor" in page(researcher, "/runs?cursor=x", 422)


def test_htmx_gets_the_list_alone(researcher: TestClient, planted: Plant) -> None:
    planted(PLANTED)
    reply = researcher.get("/runs", headers={"hx-request": "true", "hx-request-type": "partial"})
    assert reply.text.lstrip().startswith('<div id="runs"')


def test_a_run_is_asked_for(researcher: TestClient, session: Session) -> None:
    reply = researcher.post("/runs", data=FORM)
    assert reply.status_code == 303
    run = session.exec(select(Run)).one()
    assert reply.headers["location"] == f"/runs/{run.id}"
    assert (run.model, run.strategy, run.seed, run.priority, run.budget_usd) == ("gemini-2.5-pro", "cot", 7, 3, 2.5)
    assert run.subset == {"subtasks": ["MFB", "SF"], "limit": 10, "slots": [1]}
    assert session.get(Job, run.job_id) is not None
    shown = page(researcher, f"/runs/{run.id}")
    assert "Waits for its turn" in shown
    assert "No worker has been heard of" in shown


def test_no_address_is_taken_from_whoever_asks(researcher: TestClient, session: Session) -> None:
    hostile = {"base_url": "http://169.254.169.254/", "setup": '{"base_url": "http://evil"}', "engine": "openai"}
    assert researcher.post("/runs", data=FORM | hostile).status_code == 303
    run = session.exec(select(Run)).one()
    assert (run.engine, run.setup["base_url"]) != ("openai", "http://169.254.169.254/")
    assert "evil" not in str(run.setup)
    assert "169.254" not in str(run.setup)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("version", "", "Choose one."),
        ("model", "http://evil.example/v1", "Choose one of the registry"),
        ("strategy", "magic", "Choose one of the three."),
        ("subtasks", [], "Choose at least one."),
        ("subtasks", ["XX"], "Choose among"),
        ("limit", "0", "A whole number from 1"),
        ("limit", "1e3", "A whole number from 1"),
        ("seed", "-1", "A whole number from 0"),
        ("seed", "²", "A whole number from 0"),
        ("priority", "101", "A whole number from -100"),
        ("budget_usd", "nan", "An amount above 0"),
        ("budget_usd", "0", "An amount above 0"),
    ],
)
def test_a_mistake_comes_back_with_what_was_typed(
    researcher: TestClient, session: Session, field: str, value: Any, message: str
) -> None:
    reply = researcher.post("/runs", data=FORM | {field: value})
    assert reply.status_code == 422
    assert re.search(rf'id="{field}-error">.*?{re.escape(message)}', reply.text, re.DOTALL)
    assert reply.text.count('value="2.5"') == (field != "budget_usd")
    assert not session.exec(select(Run)).all()


def test_the_same_run_twice_is_a_conflict(researcher: TestClient) -> None:
    assert researcher.post("/runs", data=FORM).status_code == 303
    assert "under way" in researcher.post("/runs", data=FORM).text


def test_a_run_is_steered_without_scripts(researcher: TestClient, session: Session) -> None:
    at = researcher.post("/runs", data=FORM).headers["location"]

    def buttons() -> set[str]:
        return {
            one.rsplit("/", 1)[1] for one in re.findall(r'method="post" action="(/runs/[^"]+)"', page(researcher, at))
        }

    assert buttons() == {"pause", "cancel", "priority"}
    assert researcher.post(f"{at}/priority", data={"priority": "9"}).status_code == 303
    assert researcher.post(f"{at}/priority", data={"priority": "900"}).status_code == 422
    assert researcher.post(f"{at}/pause").status_code == 303
    assert researcher.post(f"{at}/pause").status_code == 409
    assert buttons() == {"resume", "cancel", "priority"}
    assert researcher.post(f"{at}/resume").status_code == 303
    assert researcher.post(f"{at}/cancel").status_code == 303
    assert buttons() == {"resume"}
    run = session.exec(select(Run)).one()
    assert (run.status, run.priority) == (RunStatus.CANCELLED, 9)


def test_the_figures_are_those_worked_out_by_hand(researcher: TestClient, planted: Plant) -> None:
    shown = page(researcher, f"/runs/{planted(PLANTED).id}")
    label = "Figures by subtask"
    found = {
        subtask: [cell.split()[0] for cell in cells(shown, subtask, label)] for subtask in ("SF", "MF", "SFB", "MFB")
    }
    assert found["SF"] == ["SF", "3", "100.0", "66.7", "0.00", "—", "—", "—"]
    assert found["MF"] == ["MF", "3", "66.7", "33.3", "0.00", "33.3", "33.3", "33.3"]
    assert found["SFB"] == ["SFB", "3", "66.7", "66.7", "0.00", "33.3", "0.0", "33.3"]
    assert found["MFB"] == ["MFB", "3", "100.0", "66.7", "0.00", "33.3", "33.3", "0.0"]
    assert "is the reference" in shown
    assert shown.count('role="img"') >= 3
    assert "0.0240 USD" in words(shown)  # 12 questions of 1,000 tokens at 2 USD the million
    assert "an amount" not in shown


def test_what_the_background_turned_stands_beside_the_dish_alone(researcher: TestClient, planted: Plant) -> None:
    shown = words(page(researcher, f"/runs/{planted(PLANTED).id}").partition("Where the background turned")[2])
    assert "Koshary Egypt" in shown
    assert "Alone “ Koshari ”, Egypt In Japan “ koshary ”, Japan" in shown
    none = page(researcher, f"/runs/{planted(ALL_RIGHT).id}")
    assert "No answer went over to its background" in none


@pytest.mark.parametrize(
    ("values", "label"),
    [
        ({"engine": "classifier"}, "a classifier, not a vision-language model"),
        ({"is_imported": True, "engine": "imported"}, "imported: answers made elsewhere"),
        ({"status": RunStatus.INCOMPLETE}, "incomplete"),
        ({"status": RunStatus.FAILED, "error": "It needs 4 GPUs."}, "It needs 4 GPUs."),
    ],
)
def test_what_is_no_plain_run_says_so_wherever_it_stands(
    researcher: TestClient, planted: Plant, values: dict[str, Any], label: str
) -> None:
    run = planted(PLANTED, **values)
    assert label in page(researcher, f"/runs/{run.id}")
    if "error" not in values:
        for address in (
            "/runs",
            f"/runs/{run.id}/answers",
            f"/runs/{run.id}/by/distance",
            "/releases/1.0.0/leaderboard",
        ):
            assert label in page(researcher, address), address


def test_a_run_that_is_not_over_shows_figures_only_on_demand(researcher: TestClient, planted: Plant) -> None:
    run = planted(PLANTED, status=RunStatus.PAUSED, finished_at=None)
    assert "Figures of the 12 answers so far" in page(researcher, f"/runs/{run.id}")
    shown = page(researcher, f"/runs/{run.id}?figures=now")
    assert "These are the figures of what was answered so far" in shown
    running = planted(PLANTED, status=RunStatus.RUNNING, finished_at=None)
    assert "once the run is over" in page(researcher, f"/runs/{running.id}?figures=now")


@pytest.mark.parametrize("by", ["distance", "country", "continent", "background", "difficulty"])
def test_figures_are_shown_by_every_grouping(researcher: TestClient, planted: Plant, by: str) -> None:
    shown = page(researcher, f"/runs/{planted(PLANTED).id}/by/{by}")
    assert "<table" in shown
    assert 'role="img"' in shown


def test_a_country_is_looked_at_one_subtask_at_a_time(researcher: TestClient, planted: Plant) -> None:
    run = planted(PLANTED)
    shown = page(researcher, f"/runs/{run.id}/by/country?subtask=MFB")
    assert cells(shown, "Egypt", "MFB by country")[1:4] == [
        "1",
        "100.0 one dish, no interval",
        "0.0 one dish, no interval",
    ]
    page(researcher, f"/runs/{run.id}/by/country?subtask=XX", 404)
    page(researcher, f"/runs/{run.id}/by/weather", 404)


def test_the_countries_page_says_what_was_taken_for_what(researcher: TestClient, planted: Plant) -> None:
    shown = page(researcher, f"/runs/{planted(PLANTED).id}/countries?subtask=MFB")
    assert cells(shown, "Egypt", "Countries taken for others")[:3] == ["Egypt", "Japan", "1"]
    assert "Egypt taken for Japan: 1 of 1" in shown
    assert "Where wrong answers lean to" in shown


def test_a_run_without_answers_has_no_figures(researcher: TestClient, planted: Plant) -> None:
    run = planted({})
    for path in ("by/distance", "countries", "files/subtasks.csv"):
        assert "no figures" in page(researcher, f"/runs/{run.id}/{path}", 409)
    assert "12 failed" in words(page(researcher, f"/runs/{run.id}"))


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 12),
        ("outcome=country_wrong", 5),  # MF 2, MFB 1, SF 1, SFB 1
        ("outcome=drift_country", 2),
        ("outcome=drift_continent&subtask=MF", 1),
        ("outcome=kept", 3),
        ("outcome=name_wrong", 2),
        ("subtask=SF", 3),
        ("state=refused", 0),
    ],
)
def test_answers_are_narrowed(researcher: TestClient, planted: Plant, query: str, count: int) -> None:
    shown = page(researcher, f"/runs/{planted(PLANTED).id}/answers?{query}")
    assert shown.count('class="answer card"') == count
    assert ("No answer fits" in shown) == (count == 0)


@pytest.mark.parametrize("query", ["state=x", "outcome=pred_name__regex", "subtask=x"])
def test_a_filter_that_is_none_is_refused(researcher: TestClient, planted: Plant, query: str) -> None:
    page(researcher, f"/runs/{planted(PLANTED).id}/answers?{query}", 422)


def test_a_page_of_answers_ends(researcher: TestClient, planted: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "PAGE_SIZE", 5)
    at: str | None = f"/runs/{planted(PLANTED).id}/answers?outcome=name_right"
    seen = []
    while at is not None:
        shown = page(researcher, at)
        seen += re.findall(r"/images/(\w+)/thumb", shown)
        following = re.search(r'rel="next" href="([^"]+)"', shown)
        at = following[1].replace("&amp;", "&") if following else None
    assert len(seen) == len(set(seen)) == 10


def test_items_are_linked_for_those_who_may_open_them(as_role: As, planted: Plant) -> None:
    run = planted(PLANTED)
    assert "/campaigns/tasting/items/" in page(as_role(Role.ADMIN), f"/runs/{run.id}/answers")
    assert "/campaigns/tasting/items/" not in page(as_role(Role.RESEARCHER), f"/runs/{run.id}/answers")


def test_model_text_is_text_everywhere(researcher: TestClient, planted: Plant) -> None:
    said = dict.fromkeys(PLANTED, (HOSTILE, HOSTILE)) | {"SF/000.jpg": HOSTILE * 500}
    run = planted(said, model=HOSTILE, source={"file": HOSTILE}, error=HOSTILE)
    other = planted(PLANTED, model=HOSTILE)
    addresses = [
        "/runs", f"/runs/{run.id}", f"/runs/{run.id}/answers", f"/runs/{run.id}/countries",
        f"/runs/{run.id}/by/distance", f"/runs/compare?run={run.id}&run={other.id}", "/releases/1.0.0/leaderboard",
    ]  # fmt: skip
    for address in addresses:
        shown = page(researcher, address)
        assert "<script>alert" not in shown, address
        assert "<img src=x" not in shown, address
        assert ESCAPED in shown, address
    answers = page(researcher, f"/runs/{run.id}/answers")
    assert answers.count(f"<bdi>{ESCAPED}") >= 2 * len(PLANTED)  # what turns the words around it turns its own alone
    table = list(csv.reader(io.StringIO(researcher.get(f"/runs/{run.id}/files/subtasks.csv").text)))
    assert table[1][0] == "SF"


FILES = (
    "subtasks.csv", "subtasks.tex", "rules.csv", "states.csv", "by_distance.csv", "by_country.tex", "confusion.csv",
    "leaning.csv", "accuracy.svg", "accuracy.png", "retention.svg", "entropy.svg", "rules.png", "by_country.svg",
    "by_difficulty.svg", "confusion-MFB.svg", "confusion-MFB.png", "leaning-MF.svg",
)  # fmt: skip


def test_every_file_names_the_spec(researcher: TestClient, planted: Plant) -> None:
    run = planted(PLANTED, spec_sha256=SHA256)
    for name in FILES:
        reply = researcher.get(f"/runs/{run.id}/files/{name}")
        assert reply.status_code == 200, name
        assert SHA256.encode() in reply.content, name
        assert "attachment" in reply.headers["content-disposition"]
        assert "sandbox" in reply.headers["content-security-policy"]


@pytest.mark.parametrize(
    "name", ["subtasks.svg", "accuracy.csv", "x.csv", "..%2F..%2Fetc%2Fpasswd", "confusion-XX.svg"]
)
def test_other_files_are_not_found(researcher: TestClient, planted: Plant, name: str) -> None:
    assert researcher.get(f"/runs/{planted(PLANTED).id}/files/{name}").status_code == 404


def test_every_download_a_page_offers_is_there(researcher: TestClient, planted: Plant) -> None:
    run, other = planted(PLANTED), planted(ALL_RIGHT, model="other")
    pages = [
        f"/runs/{run.id}", f"/runs/{run.id}/by/country", f"/runs/{run.id}/by/distance", f"/runs/{run.id}/countries",
        f"/runs/compare?run={run.id}&run={other.id}&figure=retention", "/releases/1.0.0/leaderboard",
    ]  # fmt: skip
    for at in pages:
        for address in re.findall(r'href="([^"]+)" download', page(researcher, at)):
            reply = researcher.get(address.replace("&amp;", "&"))
            assert reply.status_code == 200, (at, address)
            if "/files/" in address:
                assert run.spec_sha256 in reply.text if not address.split("?")[0].endswith("png") else reply.content


def test_runs_are_compared(researcher: TestClient, planted: Plant) -> None:
    one, other = planted(PLANTED), planted(ALL_RIGHT, model="better")
    shown = page(researcher, f"/runs/compare?run={one.id}&run={other.id}")
    # By dish: Koshary −3/4, Pizza 0, Ceviche −2/4; no resample of these goes beyond them.
    assert cells(shown, "tiny, base better", "Country right: the one minus the other")[2:4] == [
        "12",
        "−41.7 [−75.0, 0.0]",
    ]
    assert [cell.split()[0] for cell in cells(shown, "better", "Country right, by subtask")[1:]] == ["100.0"] * 4
    assert "66.7" in page(researcher, f"/runs/compare?run={one.id}&run={other.id}&figure=retention")


def test_strategies_of_one_model_stand_in_one_row(researcher: TestClient, planted: Plant) -> None:
    base, direct, other = planted(PLANTED), planted(ALL_RIGHT, strategy="direct"), planted(ALL_RIGHT, model="other")
    query = f"run={base.id}&run={direct.id}&run={other.id}"
    shown = page(researcher, f"/runs/compare?{query}")
    label = "Country right, by model and strategy: means of the subtasks"
    assert [cell.split()[0] for cell in cells(shown, "tiny", label)] == ["tiny", "58.3", "100.0"]
    assert [cell.split()[0] for cell in cells(shown, "other", label)] == ["other", "100.0", "—"]
    for name in ("matrix.csv", "matrix.tex", "by_subtask.csv", "figures.png"):
        assert researcher.get(f"/runs/compare/files/{name}?{query}").status_code == 200
    assert researcher.get(f"/runs/compare/files/matrix.csv?run={base.id}&run={other.id}").status_code == 404


def test_what_can_not_be_compared_says_why(researcher: TestClient, planted: Plant) -> None:
    one, running = planted(PLANTED), planted(PLANTED, status=RunStatus.RUNNING)
    assert "Not enough runs yet" in page(researcher, "/runs/compare")
    assert "Choose 2 to 6 runs" in page(researcher, f"/runs/compare?run={one.id}", 422)
    assert "once it is over" in page(researcher, f"/runs/compare?run={one.id}&run={running.id}", 422)
    page(researcher, f"/runs/compare?run={one.id}&run={uuid.uuid4()}", 404)
    page(researcher, f"/runs/compare?run={one.id}&run={one.id}", 422)
    page(researcher, f"/runs/compare?figure=x&run={one.id}", 422)
    page(researcher, "/runs/compare?run=x", 422)


def test_the_leaderboard_ranks_whole_runs_and_says_why_others_are_not_there(
    researcher: TestClient, planted: Plant
) -> None:
    assert "Nobody is ranked yet" in page(researcher, "/releases/1.0.0/leaderboard")
    planted(PLANTED)
    planted(ALL_RIGHT, model="better")
    sf = {path: said for path, said in ALL_RIGHT.items() if path.startswith("SF/")}
    planted(sf, model="part", subset=Subset((Subtask.SF,)))
    planted(PLANTED, model="broken", status=RunStatus.INCOMPLETE)
    planted(PLANTED, model="busy", status=RunStatus.RUNNING)
    shown = page(researcher, "/releases/1.0.0/leaderboard")
    # Three dishes can't tell two runs apart: eight ways to flip three signs.
    assert cells(shown, "1 = better", "Leaderboard")[2].startswith("100.0")
    assert cells(shown, "1 = tiny", "Leaderboard")[-1] == "better, base"
    assert shown.index("better, base") < shown.index("tiny, base")
    others = "Runs that are not ranked"
    assert cells(shown, "part", others)[-1] == "It asked only a part of the release."
    assert cells(shown, "broken", others)[-1] == "Too many of its questions have no answer."
    assert cells(shown, "busy", others)[-1] == "It is under way."


def test_the_board_is_the_same_from_what_was_kept(researcher: TestClient, planted: Plant, world: World) -> None:
    planted(PLANTED)
    better = planted(ALL_RIGHT, model="better")
    first = page(researcher, "/releases/1.0.0/leaderboard")
    kept = set(world.storage.list("evaluation/"))
    assert len([key for key in kept if "verdicts-" in key]) >= 2
    standings._kept.clear()
    assert page(researcher, "/releases/1.0.0/leaderboard") == first
    better.finished_at = now()  # it went on, and ended anew
    page(researcher, "/releases/1.0.0/leaderboard")
    assert len(set(world.storage.list("evaluation/")) - kept) == 1


def test_a_resumed_runs_figures_are_not_yesterdays(researcher: TestClient, session: Session, planted: Plant) -> None:
    run = planted(PLANTED)
    assert page(researcher, f"/runs/{run.id}/answers?outcome=country_wrong").count("answer card") == 5
    session.execute(
        sa.delete(Prediction).where(col(Prediction.run_id) == run.id, col(Prediction.pred_country) == "Chile")
    )
    session.execute(sa.update(Run).where(col(Run.id) == run.id).values(finished_at=sa.func.now()))
    assert page(researcher, f"/runs/{run.id}/answers?outcome=country_wrong").count("answer card") == 4


def test_a_release_leads_to_its_leaderboard(researcher: TestClient) -> None:
    assert "/releases/1.0.0/leaderboard" in page(researcher, "/releases/1.0.0")
