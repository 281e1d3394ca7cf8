"""Images that were not chosen among candidates: nobody will judge them, so nothing waits for them."""

import csv
import io
from typing import Any

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from app.accounts.models import Account
from app.adjudication import overview
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims import service as claims
from app.generation import candidates
from app.items import queries as items
from app.items.models import CandidateSet, Hold, Item, Status, Subtask
from app.judgments import policy_change, quotas
from tests.adjudication.conftest import judge
from tests.conftest import SignIn
from tests.factories import make_account, make_item

HERE = "/campaigns/sample"


def make_set(session: Session, campaign: Campaign, key: str, images: int = 3) -> list[Item]:
    found = CandidateSet(campaign_id=campaign.id, key=key)
    session.add(found)
    session.flush()
    return [
        make_item(session, campaign, key=f"{key}-{place}.jpg", candidate_set_id=found.id, hold=Hold.CANDIDATES)
        for place in range(1, images + 1)
    ]


def choose(session: Session, admin: Account, campaign: Campaign, of: list[Item], choice: str | None = None) -> None:
    assert of[0].candidate_set_id
    candidates.choose(session, admin, campaign, of[0].candidate_set_id, choice or str(of[0].id))


@pytest.fixture
def client(browse: SignIn, admin: Account, campaign: Campaign) -> TestClient:
    return browse(admin)


@pytest.fixture
def finished(session: Session, campaign: Campaign, admin: Account, approved: Item) -> list[Item]:
    """One item, and three images of one claim of which the first was chosen; both are judged."""
    of = make_set(session, campaign, "dish")
    choose(session, admin, campaign, of)
    judge(session, campaign, of[0], {}, {}, {})
    return of


def progress_of(client: TestClient) -> dict[str, str]:
    text = client.get(f"{HERE}/watch/progress.csv").text
    return {row["part"]: row["items"] for row in csv.DictReader(io.StringIO(text))}


def test_a_campaign_is_finished_without_those_that_were_not_chosen(
    client: TestClient, call: SignIn, session: Session, campaign: Campaign, admin: Account, finished: list[Item]
) -> None:
    document: dict[str, Any] = call(admin).get(f"/api/v1{HERE}").json()
    assert document["items"] == {
        "total": 2, "decided": 2, "pending": 0, "approved": 2, "rejected": 0, "disputed": 0,
    }  # fmt: skip
    assert document["judgments"] == {"counted": 6, "wanted": 6, "remaining": 0}
    assert document["not_chosen"] == 2
    assert call(make_account(session)).get(f"/api/v1{HERE}").json()["items"] == {"total": 2, "decided": 2, "pending": 0}
    page = client.get(HERE).text
    assert "of 2 items" in page
    assert "0 to go" in page
    assert "Every item has all its judgments." in page
    assert "2 images were not chosen among candidates" in page
    assert overview.campaign_rows(session)[0].total == 2
    progress = items.progress(session, campaign.id)
    assert progress.by_country["EG"] == {
        Status.PENDING: 0, Status.APPROVED: 2, Status.REJECTED: 0, Status.DISPUTED: 0,
    }  # fmt: skip
    assert sum(progress.by_subtask[Subtask.SF].values()) == 2


def test_annotators_are_told_that_all_is_judged(
    session: Session, campaign: Campaign, annotator: Account, finished: list[Item]
) -> None:
    policy = campaigns.current_policy(session, campaign)
    reason = claims.claim_next(session, annotator, campaign, policy, lease=60).reason
    assert reason == "Every item of “Sample” has all its judgments. Thank you!"


def test_watching_leaves_out_those_that_were_not_chosen(client: TestClient, finished: list[Item]) -> None:
    assert progress_of(client) == {
        "Approved": "2", "Rejected": "0", "Disputed: waits for an admin": "0", "Pending": "0", "All": "2",
        "Left out: not chosen among several images": "2",
    }  # fmt: skip
    page = client.get(f"{HERE}/watch").text
    assert "of 6 wanted" in page
    assert "none to go" in page
    assert "Every undecided item can be handed out." in page


def test_candidates_wait_until_somebody_chooses_and_again_once_that_is_taken_back(
    client: TestClient, session: Session, campaign: Campaign, admin: Account
) -> None:
    make_set(session, campaign, "open", 2)
    of = make_set(session, campaign, "taken back", 2)
    choose(session, admin, campaign, of)
    assert overview.tally(session, campaign).by_subtask[Subtask.SF][Status.PENDING] == 3
    assert progress_of(client)["Pending: one of several images, none chosen yet"] == "2"
    assert of[0].candidate_set_id
    candidates.undo(session, admin, campaign, of[0].candidate_set_id)
    tally = overview.tally(session, campaign)
    assert (tally.judgments.wanted, tally.not_chosen) == (12, 0)


def test_of_a_set_without_a_faithful_image_all_are_left_out(
    session: Session, campaign: Campaign, admin: Account
) -> None:
    choose(session, admin, campaign, make_set(session, campaign, "none"), "none")
    tally = overview.tally(session, campaign)
    assert (tally.judgments.wanted, tally.not_chosen) == (0, 3)


def test_lists_of_items_and_an_items_page_say_that_it_was_not_chosen(
    client: TestClient, session: Session, campaign: Campaign, finished: list[Item]
) -> None:
    open_set = make_set(session, campaign, "open", 2)
    assert client.get(f"{HERE}/items").text.count("</svg>not chosen</span>") == 2
    assert "</svg>not chosen</span></h1>" in client.get(f"{HERE}/items/{finished[1].id}").text
    assert "</svg>pending</span></h1>" in client.get(f"{HERE}/items/{open_set[0].id}").text


def test_a_policy_that_changes_counts_nobody_who_was_not_chosen(
    client: TestClient, session: Session, campaign: Campaign, finished: list[Item]
) -> None:
    policy = campaigns.current_policy(session, campaign)
    wanted = type(policy)(campaign_id=campaign.id, version=2, rule="fixed", overlap=5)
    assert policy_change.effect(session, campaign, wanted).undecided == 0
    policy.parameters = {"quotas": {"subtask SF": 9}}
    assert quotas.groups(session, campaign, policy)[0].pending == 0
