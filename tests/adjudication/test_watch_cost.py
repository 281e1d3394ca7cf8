"""What the watching page costs: it reads votes only when something is new, and asks as often however much there is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from app.accounts.models import Account
from app.adjudication import events, watch, watch_routes
from app.adjudication.service import settle
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, CampaignStatus
from app.claims import service as claims
from app.items.models import ImportBatch, Item
from app.judgments.service import submit
from tests.adjudication.conftest import NO, judge, statements
from tests.conftest import SignIn
from tests.factories import make_account, make_item
from tests.judgments.answers import all_yes

ADDRESS = "/campaigns/sample/watch"
PART = {"hx-request": "true", "hx-request-type": "partial"}
AT = datetime(2026, 11, 27, 12, 0, 30, tzinfo=UTC)
VOTES = (" judgment ", " claim ", " counted_votes ")


@pytest.fixture
def client(browse: SignIn, admin: Account, campaign: Campaign) -> TestClient:
    return browse(admin)


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No minute passes between two requests."""
    at = watch_routes.now()
    monkeypatch.setattr(watch_routes, "now", lambda: at)


def test_what_is_new_has_another_mark(session: Session, campaign: Campaign, disputed: Item, admin: Account) -> None:
    def mark(at: datetime = AT) -> str:
        return watch.moment(session, campaign.id, at).mark

    seen = [mark()]

    def is_new(at: datetime = AT) -> bool:
        seen.append(mark(at))
        return seen[-1] not in seen[:-1]

    assert mark() == seen[0]
    item = make_item(session, campaign)
    policy = campaigns.current_policy(session, campaign)
    person = make_account(session)
    claim = claims.claim_next(session, person, campaign, policy, count=1, lease=600).claims[0]
    assert is_new()
    submit(session, person, claim.id, all_yes(item.subtask))
    assert is_new()
    settle(session, admin, disputed.id, "approved", "The tamarind is plain to see.")
    assert is_new()
    session.add(ImportBatch(campaign_id=campaign.id, files=[], added=1, unchanged=0))
    session.flush()
    assert is_new()
    campaigns.set_status(session, campaign, CampaignStatus.PAUSED, admin)
    session.flush()
    assert is_new()
    assert is_new(AT + timedelta(minutes=1))
    elsewhere = campaigns.found(session, "elsewhere")
    judge(session, elsewhere, make_item(session, elsewhere), {}, {}, {})
    assert not is_new()


def test_a_look_that_finds_nothing_new_reads_no_judgment_claim_or_vote(
    client: TestClient, session: Session, campaign: Campaign, approved: Item, noon: None
) -> None:
    client.get(ADDRESS)
    mark = watch.moment(session, campaign.id, watch_routes.now()).mark
    with statements(session) as said:
        reply = client.get(f"{ADDRESS}?seen={mark}", headers=PART)
        watch.moment(session, campaign.id, watch_routes.now())  # what the stream asks
    assert (reply.status_code, reply.content) == (204, b"")
    assert not [words for words in said if any(table in f"{words} " for table in VOTES)]
    # The file and the page themselves are not made twice either.
    with statements(session) as said:
        assert client.get(ADDRESS).status_code == 200
        assert client.get(f"{ADDRESS}/people.csv").status_code == 200
    assert not [words for words in said if any(table in f"{words} " for table in VOTES)]


def test_statements_do_not_grow_with_items_or_people(client: TestClient, session: Session, campaign: Campaign) -> None:
    def asked() -> int:
        with statements(session) as said:
            assert client.get(ADDRESS).status_code == 200
        return len([words for words in said if not words.startswith(("SAVEPOINT", "RELEASE"))])

    def grow(items: int, *votes: dict[str, Any]) -> None:
        for _ in range(items):
            judge(session, campaign, make_item(session, campaign), *votes)

    grow(1, {}, NO, NO)
    asked()  # the first look also reads the days that are over
    grow(1, {}, NO, NO)
    few = asked()
    grow(4, {}, NO, NO)
    make_item(session, campaign, foods=(("Ramen", "JP"),), reserved=2)
    assert asked() == few


@pytest.mark.parametrize(("many", "judgments"), [(3, "From all 3 judgments."), (5, "From all 4 judgments.")])
def test_of_many_judgments_people_and_reasons_are_looked_at_once_a_minute(
    client: TestClient, session: Session, campaign: Campaign, noon: None, monkeypatch: pytest.MonkeyPatch,
    many: int, judgments: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(watch, "MANY", many)
    judge(session, campaign, make_item(session, campaign), NO, NO, NO)
    assert "From all 3 judgments." in client.get(ADDRESS).text
    judge(session, campaign, make_item(session, campaign), NO)
    page = client.get(ADDRESS).text
    assert judgments in page
    assert "of 6 wanted" in page


def test_a_stream_has_its_place_among_the_streams(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_STREAMS", 0)
    assert client.get(f"{ADDRESS}/events").status_code == 429
