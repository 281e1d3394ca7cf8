"""Models against people: known answers worked out by hand, and the page that shows them and sends items back."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import Session, col, select
from starlette.testclient import TestClient

from app.accounts.models import Account, AuditEvent, Role
from app.adjudication.recheck import recheck
from app.adjudication.service import settle
from app.campaigns.models import Campaign
from app.db import transaction
from app.evaluation.models import Prediction, Run, RunStatus
from app.evaluation.people.doubts import Corrected, Doubt, Study, study
from app.items.models import Item, Status, Subtask
from app.judgments.models import Decision, Method
from app.main import create_app
from app.releases.models import Release
from app.releases.publish import build_now
from app.releases.service import get_release
from app.settings import Settings
from app.storage import storage_for
from tests.adjudication.conftest import judge
from tests.conftest import app_with, open_browser
from tests.factories import make_account, make_campaign
from tests.judgments.answers import answer
from tests.releases.conftest import START, World

EVIL = "<script>alert(1)</script>"
NOT_EGYPT = {"food1_origin": answer("no", "other_country", correction="Italy")}
UNSURE = {"background": answer("unsure")}
UNSURE_DISH = {"food2_identity": answer("unsure")}
ALL_NO = {"food1_identity": answer("no", "other_dish", correction=EVIL)}

RUNS = ("m1 base", "m1 cot", "m2 base", "m3 base")
"""`m1` answers under two prompts, `m3` is imported."""

# {item: (country, dish) of each run}; "!" is a refusal.
SAID: dict[str, tuple[tuple[str | None, str | None], ...]] = {
    "alone": (("EG", "Koshary"), ("Egypt", "koshary"), ("egypt", "x"), ("EG", "y\x1e0\x1fIT\x1fz")),
    "before": (("Italy", "Koshari"), ("italy", "Koshari"), ("IT", "koshari"), ("EG", None)),
    "pizza": (("IT", "Pizza"), ("FR", "Pizza"), ("Italy", "Pizza"), ("France", "Pizza")),
    "two": (("FR", EVIL), ("France", EVIL), ("france", EVIL), ("FR", "Pizza")),
    "ceviche": (("!", None), ("!", None), ("Chile", "Ceviche"), ("CL", "Ceviche")),
}


class Scene(NamedTuple):
    """A published release of five items, the finished runs over it, and an item that was rejected before."""

    world: World
    items: dict[str, uuid.UUID]
    rejected: uuid.UUID
    runs: dict[str, uuid.UUID]

    @property
    def engine(self) -> sa.Engine:
        return self.world.engine


def add_run(session: Session, release: Release, name: str, **values: Any) -> Run:
    model, strategy = name.split(" ")
    run = Run(
        **{
            "release_id": release.id, "model": model, "engine": "openai", "strategy": strategy, "planned": 5,
            "status": RunStatus.FINISHED, "is_imported": model == "m3", "finished_at": START,
        } | values
    )  # fmt: skip
    session.add(run)
    session.flush()
    return run


def predict(run: Run, item_id: uuid.UUID, country: str | None, name: str | None, **values: Any) -> Prediction:
    state = "refused" if country == "!" else "ok"
    return Prediction(
        run_id=run.id, item_id=item_id, slot=1, state=state,
        pred_name=name, pred_country=None if country == "!" else country, **values,
    )  # fmt: skip


@pytest.fixture
def fresh_template(template_name: str) -> str:
    """An empty one."""
    return template_name


@pytest.fixture
def judged(fresh_engine: sa.Engine, settings: Settings) -> Scene:
    """Everything but the runs."""
    world = World(fresh_engine, settings, storage_for(settings))
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session, world.slug)
        koshary, pizza, ceviche = (("Koshary", "EG"),), (("Pizza", "IT"), ("Koshary", "EG")), (("Ceviche", "PE"),)
        plan: dict[str, tuple[Subtask, Any, tuple[dict[str, Any], ...]]] = {
            "alone": (Subtask.SF, koshary, ({}, {}, {})),
            "before": (Subtask.SFB, koshary, ({}, {}, NOT_EGYPT)),
            "pizza": (Subtask.SF, pizza, ({}, {}, {})),
            "two": (Subtask.MF, pizza, ({}, UNSURE_DISH, {})),
            "ceviche": (Subtask.SF, ceviche, ({}, {}, {})),
            "rejected": (Subtask.SF, koshary, (ALL_NO, ALL_NO, {})),
        }
        items = {}
        for number, (name, (subtask, foods, votes)) in enumerate(plan.items()):
            item = world.item(session, campaign, subtask, foods, number)
            judge(session, campaign, item, *votes)
            items[name] = item.id
        rejected = items.pop("rejected")
        for _ in range(3):
            make_account(session)
    build_now(fresh_engine, settings, world.storage, world.slug, "1.0.0", splits={"test": 1.0})
    return Scene(world, items, rejected, {})


@pytest.fixture
def scene(judged: Scene) -> Scene:
    with transaction(judged.engine) as session:
        release = get_release(session, "1.0.0")
        for number, name in enumerate(RUNS):
            run = add_run(session, release, name)
            judged.runs[name] = run.id
            session.add_all(predict(run, judged.items[item], *said[number]) for item, said in SAID.items())
        for name, values in {
            "m4 base": {"status": RunStatus.INCOMPLETE},
            "m2 base": {"planned": 2, "finished_at": START + timedelta(days=9)},
            "m1 base": {"finished_at": START - timedelta(days=9)},
        }.items():
            stray = add_run(session, release, name, **values)
            session.add_all(predict(stray, id_, "Japan", "Sushi") for id_ in judged.items.values())
        second = predict(session.get_one(Run, judged.runs["m2 base"]), judged.items["two"], "EG", "Koshary")
        second.slot = 2
        session.add(second)
    return judged


def studied(scene: Scene) -> Study:
    with transaction(scene.engine) as session:
        return study(session, scene.world.storage, get_release(session, "1.0.0"))


def test_what_most_models_say_stands_beside_how_people_voted(scene: Scene) -> None:
    found = studied(scene)
    voters = {f"{one.model} {one.strategy}": one.run_id for one in found.voters}
    assert list(voters.items()) == [(name, scene.runs[name]) for name in RUNS]
    assert (found.models, found.n_released, found.n_answered) == (["m1", "m2", "m3"], 5, 5)
    unanimous, contested = found.rows["unanimous"], found.rows["contested"]
    # Alone: right. Pizza: m1 is of two minds and the others differ. Ceviche: both that answered say Chile.
    assert (unanimous.right, unanimous.other, unanimous.split, unanimous.total) == (1, 1, 1, 3)
    # Before: two of three say Italy. Two foods: all say France.
    assert (contested.right, contested.other, contested.split) == (0, 2, 0)
    # 4 of 4, 2 of 4 and 0 of 2; then 1 of 4 and 0 of 4.
    assert unanimous.accuracy.value == pytest.approx(6 / 10)
    assert contested.accuracy.value == pytest.approx(1 / 8)
    assert found.gap.value == pytest.approx(1 / 8 - 6 / 10)
    assert unanimous.accuracy.low is not None
    assert unanimous.accuracy.low <= 6 / 10 <= (unanimous.accuracy.high or 0)
    assert found.corrected == Corrected(as_people=1, as_label=0, neither=0)


def test_labels_that_most_models_contradict_are_in_doubt(scene: Scene) -> None:
    assert studied(scene).doubts == (
        Doubt(scene.items["two"], 3, "FR", 3, EVIL.casefold(), 2, is_peoples_word=False),
        Doubt(scene.items["before"], 3, "IT", 2, None, 0, is_peoples_word=True),
    )


def test_two_models_are_too_few_to_doubt_a_label(judged: Scene) -> None:
    with transaction(judged.engine) as session:
        for name in ("m1 base", "m1 cot", "m2 base"):
            run = add_run(session, get_release(session, "1.0.0"), name)
            session.add_all(predict(run, id_, "Japan", "Sushi") for id_ in judged.items.values())
    found = studied(judged)
    assert (found.doubts, found.rows["contested"].other) == ((), 2)


def test_a_release_nobody_was_asked_about_has_nothing_to_show(judged: Scene) -> None:
    found = studied(judged)
    assert (found.voters, found.n_released, found.n_answered, found.doubts) == ((), 5, 0, ())
    assert found.gap.reason == found.rows["unanimous"].accuracy.reason == "no_answers"


def test_a_run_that_ends_later_is_seen(scene: Scene) -> None:
    before = studied(scene)
    assert studied(scene) is before
    with transaction(scene.engine) as session:
        run = add_run(session, get_release(session, "1.0.0"), "m5 base")
        session.add_all(predict(run, id_, "Egypt", "Koshary") for id_ in scene.items.values())
    after = studied(scene)
    assert after.models == ["m1", "m2", "m3", "m5"]
    # Two foods: three of four still say France. Before: two of four are no majority any more. Ceviche: two of three.
    assert [(doubt.n_country, doubt.n_models) for doubt in after.doubts] == [(3, 4), (2, 3)]


@pytest.fixture
def app(scene: Scene) -> FastAPI:
    return app_with(scene.world.settings, scene.engine)


Browse = Callable[[Role], TestClient]
PAGE = "/releases/1.0.0/models-and-people"


@pytest.fixture
def browse_as(app: FastAPI, scene: Scene) -> Iterator[Browse]:
    with ExitStack() as stack:

        def client(role: Role) -> TestClient:
            with transaction(scene.engine) as session:
                account = make_account(session, role)
            return stack.enter_context(open_browser(app, account))

        yield client


def test_the_page_shows_doubts_with_both_sides(scene: Scene, browse_as: Browse) -> None:
    page = browse_as(Role.RESEARCHER).get(PAGE)
    assert page.status_code == 200
    text = " ".join(page.text.split())
    assert "3 models in 4 finished runs, about 5 of 5 items" in text
    assert "<b>3 of 3 models</b> say France" in text
    assert "<b>2 of 3 models</b> say Italy" in text
    assert text.count("an annotator wrote the same") == 1
    assert "instead: <bdi>Italy</bdi>" in text
    assert "2 yes, 1 no" in text
    assert '<bdi>m3</bdi> <span class="soft">base</span> <span class="tag">imported</span>' in text
    assert "there is no answer about 1 item of the campaign that people rejected" in text
    assert "difference <span" in text
    assert "-0.475" in text


def test_what_models_and_people_wrote_is_text(scene: Scene, browse_as: Browse) -> None:
    with transaction(scene.engine) as session:
        session.add(
            predict(
                add_run(session, get_release(session, "1.0.0"), "m9 base", model=EVIL), scene.items["two"], EVIL, EVIL
            )
        )
    for address in (PAGE, f"{PAGE}/send-back?item={scene.items['two']}"):
        page = browse_as(Role.ADMIN).get(address)
        assert page.status_code == 200
        assert EVIL not in page.text
        assert EVIL.casefold() not in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


def test_only_admins_can_send_back(scene: Scene, browse_as: Browse) -> None:
    assert "Send back for re-verification" not in browse_as(Role.RESEARCHER).get(PAGE).text
    assert browse_as(Role.ADMIN).get(PAGE).text.count("Send back for re-verification") == 2
    for role in (Role.RESEARCHER, Role.ANNOTATOR):
        refused = browse_as(role).post(f"{PAGE}/send-back", data={"item": str(scene.items["two"]), "note": "Mine."})
        assert refused.status_code == 403


def statuses(scene: Scene) -> dict[str, str]:
    with transaction(scene.engine) as session:
        return {name: session.get_one(Item, id_).status.value for name, id_ in scene.items.items()}


def test_an_admin_sends_the_selected_items_back(scene: Scene, browse_as: Browse) -> None:
    admin = browse_as(Role.ADMIN)
    both = [str(scene.items["two"]), str(scene.items["before"])]
    asked = admin.get(f"{PAGE}/send-back", params={"item": both})
    assert "Send 2 items back for re-verification" in asked.text
    assert "6 judgments in all" in " ".join(asked.text.split())
    assert set(statuses(scene).values()) == {"approved"}
    done = admin.post(f"{PAGE}/send-back", data={"item": both, "note": "Most models say otherwise."})
    assert (done.status_code, done.headers["location"]) == (303, f"{PAGE}?view=sent-back")
    assert statuses(scene) == {
        "alone": "approved", "before": "pending", "pizza": "approved", "two": "pending", "ceviche": "approved",
    }  # fmt: skip
    with transaction(scene.engine) as session:
        sent = session.exec(select(Decision).where(Decision.method == Method.RECHECK)).all()
        because = {one.item_id: one.detail["because"] for one in sent}
        assert because == {
            scene.items["two"]: {"release": "1.0.0", "models": 3, "against": 3},
            scene.items["before"]: {"release": "1.0.0", "models": 3, "against": 2},
        }
        assert len(session.exec(select(AuditEvent).where(AuditEvent.action == "item.sent_back")).all()) == 2
    after = admin.get(done.headers["location"])
    assert "2 items were sent back to fresh annotators." in after.text
    assert after.text.count("being judged anew") == 2
    assert "No label is in doubt" in admin.get(PAGE).text


def test_without_a_reason_nothing_happens_and_what_was_typed_stays(scene: Scene, browse_as: Browse) -> None:
    admin = browse_as(Role.ADMIN)
    typed = "x" * 2001
    refused = admin.post(f"{PAGE}/send-back", data={"item": str(scene.items["two"]), "note": typed})
    assert refused.status_code == 422
    assert typed in refused.text
    assert "At most 2,000 characters" in refused.text
    assert str(scene.items["two"]) in refused.text
    assert admin.post(f"{PAGE}/send-back", data={"item": str(scene.items["two"])}).status_code == 422
    assert set(statuses(scene).values()) == {"approved"}


def test_choosing_nothing_leads_back(scene: Scene, browse_as: Browse) -> None:
    admin = browse_as(Role.ADMIN)
    nothing = admin.get(f"{PAGE}/send-back?item=nonsense")
    assert (nothing.status_code, nothing.headers["location"]) == (303, PAGE)
    assert admin.post(f"{PAGE}/send-back", data={"note": "Why."}).status_code == 422
    other = admin.post(f"{PAGE}/send-back", data={"item": str(scene.rejected), "note": "Not released."})
    assert other.status_code == 422


def test_what_can_not_be_sent_back_stops_none_of_the_rest(scene: Scene, browse_as: Browse) -> None:
    admin = browse_as(Role.ADMIN)
    one = {"item": str(scene.items["two"]), "note": "Look again."}
    admin.post(f"{PAGE}/send-back", data=one)
    again = admin.post(f"{PAGE}/send-back", data=one)
    assert again.status_code == 409
    assert "was sent back already" in again.text
    assert "It is being judged already." in again.text
    both = admin.post(f"{PAGE}/send-back", data={"item": [one["item"], str(scene.items["before"])], "note": "Look."})
    assert both.status_code == 303
    assert statuses(scene)["before"] == "pending"
    assert "1 could not be" in admin.get(both.headers["location"]).text


def test_too_few_fresh_people_are_said_before_anything_is_sent(scene: Scene, browse_as: Browse) -> None:
    with transaction(scene.engine) as session:
        idle = session.exec(select(Account).where(Account.role == Role.ANNOTATOR).order_by(col(Account.created_at)))
        for account in list(idle)[:-1]:
            account.is_active = False
    admin = browse_as(Role.ADMIN)
    asked = " ".join(admin.get(f"{PAGE}/send-back?item={scene.items['two']}").text.split())
    assert "Nothing here can be sent back" in asked
    assert "Only 1 annotator is left who has not judged it, and 3 are needed." in asked
    refused = admin.post(f"{PAGE}/send-back", data={"item": str(scene.items["two"]), "note": "Why."})
    assert refused.status_code == 409
    assert statuses(scene)["two"] == "approved"


def test_what_became_of_released_items_is_shown_with_what_models_said(scene: Scene, browse_as: Browse) -> None:
    with transaction(scene.engine) as session:
        admin = make_account(session, Role.ADMIN)
        settle(session, admin, scene.items["alone"], "rejected", "Not koshary.")
        recheck(session, admin, scene.items["two"], "Look again.")
        item = session.get_one(Item, scene.items["two"])
        judge(session, session.get_one(Campaign, item.campaign_id), item, {}, {}, {})
        assert item.status is Status.APPROVED
    client = browse_as(Role.RESEARCHER)
    rejected = client.get(f"{PAGE}?view=rejected").text
    assert rejected.count('class="card doubt"') == 1
    assert "SF/000.jpg" in rejected
    assert rejected.count("as labelled") == 4
    sent_back = client.get(f"{PAGE}?view=sent-back").text
    assert "judged anew: approved" in sent_back
    assert "2 yes, 1 unsure" in sent_back, "the votes behind the release, not the fresh ones"
    doubts = client.get(PAGE).text
    assert "SFB/001.jpg" in doubts
    assert "MF/003.jpg" not in doubts


def test_a_damaged_address_is_no_fault_of_ours(scene: Scene, browse_as: Browse) -> None:
    client = browse_as(Role.RESEARCHER)
    assert client.get(f"{PAGE}?view=nonsense").status_code == 422
    assert client.get(f"{PAGE}?page=0").status_code == 422
    assert client.get(f"{PAGE}?page=7").status_code == 200
    assert client.get("/releases/9.9.9/models-and-people").status_code == 404


def test_releases_without_enough_runs_say_so(judged: Scene) -> None:
    with ExitStack() as stack:
        app = create_app(judged.world.settings, judged.engine)
        with transaction(judged.engine) as session:
            account = make_account(session, Role.RESEARCHER)
        client = stack.enter_context(open_browser(app, account))
        assert "No finished runs yet" in client.get(PAGE).text
        with transaction(judged.engine) as session:
            run = add_run(session, get_release(session, "1.0.0"), "m1 base")
            session.add(predict(run, judged.items["alone"], "Egypt", "Koshary"))
        page = client.get(PAGE)
    assert "Only 1 has finished runs on this release" in page.text
    assert "1 model in 1 finished run, about 1 of 5 items" in page.text
