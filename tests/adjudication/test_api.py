"""The campaign's addresses for programs."""

import json
import threading
import uuid
from typing import Any

import anyio
import pytest
from sqlmodel import Session

from app.accounts.models import Account
from app.adjudication import events
from app.campaigns.models import Campaign
from app.errors import NotFound
from app.items.models import Item, Status, Subtask
from tests.conftest import SignIn
from tests.factories import make_item

HERE = "/api/v1/campaigns/sample"


def test_progress_counts_items_and_judgments(call: SignIn, researcher: Account, approved: Item, disputed: Item) -> None:
    document = call(researcher).get(HERE).json()
    assert document["items"] == {
        "total": 2, "decided": 2, "pending": 0, "approved": 1, "rejected": 0, "disputed": 1,
    }  # fmt: skip
    assert document["judgments"] == {"counted": 6, "wanted": 6, "remaining": 0}
    assert document["by_subtask"]["SFB"]["disputed"] == 1
    assert (document["policy"]["version"], document["policy"]["overlap"]) == (1, 3)


def test_annotators_see_totals_only(call: SignIn, annotator: Account, approved: Item) -> None:
    document = call(annotator).get(HERE).json()
    assert document["items"] == {"total": 1, "decided": 1, "pending": 0}
    assert set(document) == {"slug", "name", "status", "items", "judgments"}


def test_agreement_is_the_promised_document(call: SignIn, researcher: Account, approved: Item, disputed: Item) -> None:
    document = call(researcher).get(f"{HERE}/agreement?by=subtask&all=true&seed=1&replicates=50").json()
    report = document["questions"]["food1_identity"]
    assert (report["n_items"], report["n_items_paired"], report["n_judgments"]) == (2, 2, 6)
    assert set(report["krippendorff_alpha"]) == {"value", "low", "high", "reason"}
    assert report["bootstrap"]["replicates"] == 50
    assert document["questions"]["food1_origin"]["krippendorff_alpha"]["reason"] == "no_variation"
    assert set(document["by"]) == {"SF", "SFB"}


@pytest.mark.parametrize(
    "query",
    [
        "by=mood", "seed=-1", "seed=99999999999", "replicates=1000000", "replicates=x", "all=maybe", "level=interval",
        "cluster=moons", "levels=ordinal",
    ],
)  # fmt: skip
def test_agreement_refuses_what_it_cannot_do(call: SignIn, admin: Account, campaign: Campaign, query: str) -> None:
    reply = call(admin).get(f"{HERE}/agreement?{query}")
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"


def test_agreement_takes_the_options_of_the_command(call: SignIn, researcher: Account, disputed: Item) -> None:
    document = call(researcher).get(f"{HERE}/agreement?level=ordinal&cluster=families&replicates=50").json()
    report = document["questions"]["food1_identity"]
    assert (report["level"], report["bootstrap"]["unit"]) == ("ordinal", "family")
    assert "gwet_ac2" in report


def test_a_parameter_there_is_not_is_named(call: SignIn, researcher: Account, campaign: Campaign) -> None:
    reply = call(researcher).get(f"{HERE}/agreement?levels=ordinal")
    assert reply.json()["detail"].startswith("levels: There is no such parameter; there are all, by, cluster, level")
    assert reply.json()["errors"][0]["field"] == "levels"


def test_figures_of_single_persons_are_for_admins(
    call: SignIn, admin: Account, researcher: Account, disputed: Item
) -> None:
    reply = call(researcher).get(f"{HERE}/agreement?by=rater&replicates=10")
    assert (reply.status_code, reply.json()["detail"]) == (403, "Figures of one person are for admins.")
    assert len(call(admin).get(f"{HERE}/agreement?by=rater&replicates=10").json()["by"]) >= 2


def test_items_come_in_pages(session: Session, call: SignIn, campaign: Campaign, admin: Account) -> None:
    keys = [make_item(session, campaign, key=f"SF/{number}.jpg").key for number in range(5)]
    client, cursor, seen = call(admin), None, []
    while True:
        page = client.get(f"{HERE}/items", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["key"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == keys


def test_an_item_says_what_it_claims_and_where_it_stands(
    session: Session, call: SignIn, campaign: Campaign, admin: Account
) -> None:
    item = make_item(session, campaign, Subtask.MFB, status=Status.PENDING)
    (found,) = call(admin).get(f"{HERE}/items?status=pending&subtask=MFB&country=japan").json()["items"]
    assert found["foods"] == [{"name": "Koshary", "countries": ["EG"]}, {"name": "Pizza", "countries": ["IT"]}]
    assert (found["id"], found["status"], found["background_country"]) == (str(item.id), "pending", "JP")


@pytest.mark.parametrize("query", ["state=pending", "status=open", "cursor=%21", "limit=0", "limit=x", "country=korea"])
def test_unknown_parameters_and_values_are_refused(
    call: SignIn, admin: Account, campaign: Campaign, query: str
) -> None:
    reply = call(admin).get(f"{HERE}/items?{query}")
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["field"] == query.partition("=")[0]


def test_progress_is_sent_when_it_changes_and_read_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two listeners: both are told at once and again after a change, from one reading each time."""
    monkeypatch.setattr(events, "POLL_SECONDS", 0.2)
    state, reads = {"n": 1}, []

    def read() -> dict[str, Any]:
        reads.append(threading.current_thread() is threading.main_thread())
        if state["n"] == 3:
            raise NotFound("Gone.")
        return dict(state)

    async def listen() -> None:
        campaign_id = uuid.uuid4()
        one, other = events.progress_events(campaign_id, read), events.progress_events(campaign_id, read)
        assert [await anext(one), await anext(other)] == ['event: progress\ndata: {"n":1}\n\n'] * 2
        assert reads == [False]
        state["n"] = 2
        with anyio.fail_after(5):
            assert json.loads((await anext(one)).split("data: ")[1]) == {"n": 2}
        state["n"] = 3
        with anyio.fail_after(5), pytest.raises(StopAsyncIteration):
            await anext(one)
        await other.aclose()  # type: ignore[attr-defined]

    anyio.run(listen)


def test_a_full_house_of_listeners_is_said(
    call: SignIn, admin: Account, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MAX_STREAMS", 0)
    assert call(admin).get(f"{HERE}/events").status_code == 429
