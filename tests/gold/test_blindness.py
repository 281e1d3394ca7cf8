"""Nothing an annotator or their program receives tells a test, or gold in the ordinary queue, from any other item:
what is sent is compared byte by byte, and what the database is asked is counted."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims.models import Claim
from app.db import now
from app.items.models import Gold, Item, Status, Subtask
from app.judgments.models import Decision, Method
from app.judgments.service import question_keys
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_image, make_item
from tests.gold.things import answers_of, give, make_gold, set_policy

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)|\d{4}-\d\d-\d\d \d\d:\d\d UTC")
KINDS = ("test", "gold in the ordinary queue")
N_ITEMS = 6


class Sent(NamedTuple):
    """A reply as it left the server, without what differs between any two: ids in the order they appear, and times."""

    what: str
    status: int
    headers: dict[str, str]
    body: str


class World(NamedTuple):
    campaign: Campaign
    person: Account
    items: list[Item]


def make_world(session: Session, kind: str) -> World:
    """Six items with the same images in every world, given in the same order. The first is what the kind says."""
    campaign = make_campaign(session, f"world-{uuid.uuid4().hex[:8]}", name="Tasting")
    items = []
    for number in range(N_ITEMS):
        image = make_image(session, f"the same image {number}")
        items.append(
            make_item(session, campaign, Subtask.SFB, image_sha256=image.sha256, priority=N_ITEMS - number)
        )  # fmt: skip
    if kind != "ordinary":
        session.add_all([Gold(item_id=items[0].id, question=key, answer="no") for key in question_keys(Subtask.SFB)])
    if kind == "test":
        items[0].status, items[0].decided_at = Status.REJECTED, now()
        set_policy(session, campaign, gold_first=1.0, gold_last=1.0)
    session.flush()
    return World(campaign, make_account(session, name="Ana"), items)


class Recorder:
    """Asks for this and that, and keeps every reply as `Sent`."""

    def __init__(self, world: World) -> None:
        self.world, self.sent = world, list[Sent]()
        self._ids: dict[str, str] = {}

    def keep(self, client: TestClient, what: str, method: str, path: str, **more: Any) -> Any:
        reply = client.request(method, path, **more)
        headers = {
            name: self._plain(value)
            for name, value in sorted(reply.headers.items())
            if name not in ("date", "content-length", "x-request-id")
        }
        self.sent.append(Sent(what, reply.status_code, headers, self._plain(reply.text)))
        return reply

    def _plain(self, text: str) -> str:
        text = text.replace(self.world.campaign.slug, "SLUG").replace(self.world.person.email, "EMAIL")
        text = TIME.sub("TIME", text)
        return UUID.sub(lambda found: self._ids.setdefault(found[0], f"id {len(self._ids) + 1}"), text)


@contextmanager
def counted(engine: sa.Engine) -> Iterator[list[int]]:
    count = [0]

    def one_more(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        count[0] += "SAVEPOINT" not in statement  # the tests' own

    sa.event.listen(engine, "before_cursor_execute", one_more)
    try:
        yield count
    finally:
        sa.event.remove(engine, "before_cursor_execute", one_more)


def body_of(item: Item, first: str, note: str | None = None) -> dict[str, Any]:
    return {"answers": answers_of(item, first), "active_ms": 900, "note": note}


def form_of(claim: str, item: Item, first: str) -> dict[str, str]:
    given = {f"answer.{key}": one["answer"] for key, one in answers_of(item, first).items()}
    why = {"reason.food1_identity": "not_there"} if first == "no" else {}
    return given | why | {"claim_id": claim, "action": "confirm", "active_ms": "900"}


def program(session: Session, world: World, call: SignIn) -> list[Sent]:
    """Everything a program can do with its first item, and the way on to the second."""
    client, recorder, item = call(world.person), Recorder(world), world.items[0]
    claims = f"/api/v1/campaigns/{world.campaign.slug}/claims"
    reply = recorder.keep(client, "claim", "POST", claims, json={"count": 1})
    assert reply.json()["claims"][0]["item_id"] == str(item.id)
    mine = f"/api/v1/claims/{reply.json()['claims'][0]['id']}"
    recorder.keep(client, "claim again", "POST", claims, json={"count": 1})
    recorder.keep(client, "heartbeat", "POST", f"{mine}/heartbeat")
    recorder.keep(client, "faulty", "PUT", f"{mine}/judgment", json={"answers": {}})
    recorder.keep(client, "give back", "DELETE", mine)
    recorder.keep(client, "claim after giving back", "POST", claims, json={"count": 3})
    held = session.exec(select(Claim).where(Claim.account_id == world.person.id, Claim.state == "open")).all()
    first = next((claim for claim in held if claim.item_id == item.id), None)
    assert first is not None, "what was given back comes again"
    session.execute(sa.text("UPDATE claim SET expires_at = now() - interval '1 hour' WHERE id = :id"), {"id": first.id})
    recorder.keep(client, "heartbeat when late", "POST", f"{mine}/heartbeat")
    session.execute(sa.text("UPDATE claim SET expires_at = now() - interval '1 hour' WHERE id = :id"), {"id": first.id})
    recorder.keep(client, "submit", "PUT", f"{mine}/judgment", json=body_of(item, "no"))
    recorder.keep(client, "submit again", "PUT", f"{mine}/judgment", json=body_of(item, "no"))
    recorder.keep(client, "change", "PUT", f"{mine}/judgment", json=body_of(item, "yes", "A second look."))
    recorder.keep(client, "heartbeat after", "POST", f"{mine}/heartbeat")
    recorder.keep(client, "give back after", "DELETE", mine)
    recorder.keep(client, "next", "POST", claims, json={"count": 10})
    return recorder.sent


def page(session: Session, world: World, browse: SignIn) -> list[Sent]:
    """The same on the annotator's pages."""
    client, recorder, item = browse(world.person), Recorder(world), world.items[0]
    address = f"/judge/{world.campaign.slug}"
    html = recorder.keep(client, "card", "GET", address).text
    claim = session.exec(select(Claim).where(Claim.account_id == world.person.id, Claim.item_id == item.id)).one()
    assert str(claim.id) in html
    mine = f"{address}/claims/{claim.id}"
    recorder.keep(client, "more cards", "POST", f"{address}/cards", data={"have": str(claim.id), "want": "2"})
    recorder.keep(client, "heartbeat", "POST", f"{address}/heartbeat", data={"claim": str(claim.id)})
    recorder.keep(client, "faulty", "POST", address, data={"claim_id": str(claim.id), "action": "confirm"})
    recorder.keep(client, "submit", "POST", address, data=form_of(str(claim.id), item, "no"))
    recorder.keep(client, "own answer", "GET", mine)
    recorder.keep(client, "change", "POST", address, data=form_of(str(claim.id), item, "yes"))
    recorder.keep(client, "own answer, changed", "GET", mine)
    recorder.keep(client, "next card", "GET", address)
    recorder.keep(client, "start", "GET", "/account")
    for image in re.findall(r"/images/[0-9a-f]{64}/\w+", html)[:1]:
        recorder.keep(client, "image", "GET", image)
    return recorder.sent


def skipper(session: Session, world: World, browse: SignIn) -> list[Sent]:
    """An item that is skipped, looked at again and answered after all."""
    client, recorder, item = browse(world.person), Recorder(world), world.items[0]
    address = f"/judge/{world.campaign.slug}"
    client.get(address)
    claim = session.exec(select(Claim).where(Claim.account_id == world.person.id, Claim.item_id == item.id)).one()
    recorder.keep(client, "skip", "POST", address, data={"claim_id": str(claim.id), "action": "broken"})
    recorder.keep(client, "skipped", "GET", f"{address}/claims/{claim.id}")
    recorder.keep(client, "submit", "POST", address, data=form_of(str(claim.id), item, "no"))
    recorder.keep(client, "own answer", "GET", f"{address}/claims/{claim.id}")
    recorder.keep(client, "next card", "GET", address)
    return recorder.sent


def assert_alike(found: list[Sent], expected: list[Sent]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one == other, one.what


@pytest.mark.parametrize("kind", KINDS)
def test_programs_receive_the_same(session: Session, call: SignIn, kind: str) -> None:
    expected = program(session, make_world(session, "ordinary"), call)
    assert [one.status for one in expected[:6]] == [200, 200, 200, 422, 204, 200]
    assert_alike(program(session, make_world(session, kind), call), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_pages_are_the_same(session: Session, browse: SignIn, kind: str) -> None:
    expected = page(session, make_world(session, "ordinary"), browse)
    assert "the same image" not in expected[0].body
    assert_alike(page(session, make_world(session, kind), browse), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_skipping_is_the_same(session: Session, browse: SignIn, kind: str) -> None:
    expected = skipper(session, make_world(session, "ordinary"), browse)
    assert [one.status for one in expected] == [303, 200, 303, 200, 200]
    assert_alike(skipper(session, make_world(session, kind), browse), expected)


def test_it_was_a_test(session: Session, call: SignIn) -> None:
    """Else the comparison would compare two ordinary items."""
    for kind, is_test in [("test", True), ("gold in the ordinary queue", False), ("ordinary", False)]:
        world = make_world(session, kind)
        call(world.person).post(f"/api/v1/campaigns/{world.campaign.slug}/claims", json={"count": 1})
        claim = session.exec(select(Claim).where(Claim.account_id == world.person.id)).one()
        assert (claim.is_test, claim.item_id) == (is_test, world.items[0].id)


def test_a_frozen_answer_is_refused_in_the_same_words(session: Session, call: SignIn) -> None:
    sent = []
    for kind in ("ordinary", "test"):
        world = make_world(session, kind)
        policy = campaigns.current_policy(session, world.campaign)
        before = make_item(session, world.campaign, status=Status.APPROVED)
        give(session, world.person, before, is_test=False, at=now() - timedelta(hours=9))
        assert policy.id is not None
        session.add(
            Decision(
                item_id=before.id, policy_id=policy.id, outcome=Status.APPROVED, method=Method.RULE, rule="r",
                created_at=now() - timedelta(hours=9) + timedelta(microseconds=1),
            )
        )  # fmt: skip
        claim = give(session, world.person, world.items[0], is_test=kind == "test", at=now() - timedelta(minutes=1))
        world.items[0].status = Status.REJECTED
        session.flush()
        recorder = Recorder(world)
        mine = f"/api/v1/claims/{claim.id}/judgment"
        recorder.keep(call(world.person), "change", "PUT", mine, json=body_of(world.items[0], "no"))
        sent.append(recorder.sent)
    assert sent[0][0].status == 409
    assert_alike(sent[1], sent[0])


def test_a_campaigns_figures_do_not_move_with_ones_own_judgments(session: Session, call: SignIn) -> None:
    """An ordinary judgment counts, a test doesn't: whoever looked before and after would know."""
    world = make_world(session, "ordinary")
    client, figures = call(world.person), f"/api/v1/campaigns/{world.campaign.slug}"
    before = client.get(figures).json()
    claim = client.post(f"{figures}/claims", json={"count": 1}).json()["claims"][0]
    mine = f"/api/v1/claims/{claim['id']}/judgment"
    assert client.put(mine, json=body_of(world.items[0], "yes")).status_code == 201
    assert client.get(figures).json() == before


def test_ids_are_random(session: Session, call: SignIn) -> None:
    world = make_world(session, "test")
    reply = call(world.person).post(f"/api/v1/campaigns/{world.campaign.slug}/claims", json={"count": 3}).json()
    assert {uuid.UUID(one[key]).version for one in reply["claims"] for key in ("id", "item_id")} == {4}


def test_the_database_is_asked_as_often(session: Session, call: SignIn, browse: SignIn, engine: sa.Engine) -> None:
    """Among people of one campaign, half of whom begin with a test: for each step the numbers of statements that were
    met are the same."""
    campaign = make_campaign(session, "sample", policy="fixed-25")
    set_policy(session, campaign, gold_first=0.5, gold_last=0.5)
    for number in range(4):
        make_item(session, campaign, priority=9 - number)
        make_gold(session, campaign, "no")
    asked: dict[bool, set[tuple[int, ...]]] = {True: set(), False: set()}
    for _ in range(12):
        person = make_account(session)
        client, page = call(person), browse(person)
        claims, steps = "/api/v1/campaigns/sample/claims", list[int]()

        def ask(client: TestClient, method: str, path: str, steps: list[int] = steps, **more: Any) -> Any:
            session.expire_all()  # a request's own session begins empty
            with counted(engine) as statements:
                reply = client.request(method, path, **more)
            assert reply.status_code < 400
            steps.append(statements[0])
            return reply

        mine = ask(client, "POST", claims, json={"count": 1}).json()["claims"][0]
        claim = session.get_one(Claim, uuid.UUID(mine["id"]))
        item, is_test = session.get_one(Item, claim.item_id), claim.is_test
        ask(page, "GET", "/judge/sample")
        for said in ("no", "no", "yes"):  # given, sent again, changed
            ask(client, "PUT", f"/api/v1/claims/{claim.id}/judgment", json=body_of(item, said))
        ask(page, "GET", f"/judge/sample/claims/{claim.id}")
        asked[is_test].add(tuple(steps))
    assert asked[True] == asked[False]
    assert len(asked[True]) == 1
