"""The watching page: what it says, what it costs, and its files."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.accounts.models import Account, KnownCountry
from app.adjudication import watch_routes
from app.adjudication.watch import Week, change_of
from app.adjudication.watch_queries import reasons
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Member, Qualification
from app.claims import service as claims
from app.claims.models import Claim
from app.generation.models import RequestState, RevisionRequest
from app.items.models import Gold, Hold, ImportBatch, Item, Status
from app.judgments.service import submit
from tests.adjudication.agreement.counted import counted
from tests.adjudication.conftest import NO, judge
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.gold.things import make_gold
from tests.judgments.answers import all_yes, answer

ADDRESS = "/campaigns/sample/watch"
PART = {"hx-request": "true", "hx-request-type": "partial"}
AT = datetime(2026, 11, 27, 12, 0, 30, tzinfo=UTC)
FROZEN = ("judgment", "claim", "counted_votes")


@pytest.fixture
def client(browse: SignIn, admin: Account, campaign: Campaign) -> TestClient:
    return browse(admin)


def rows_of(client: TestClient, name: str) -> list[dict[str, str]]:
    reply = client.get(f"{ADDRESS}/{name}.csv")
    assert reply.status_code == 200, reply.text
    return list(csv.DictReader(io.StringIO(reply.text)))


def test_a_campaign_without_anything_says_so(client: TestClient, session: Session, campaign: Campaign) -> None:
    make_campaign(session, "empty")
    assert "No items yet" in client.get("/campaigns/empty/watch").text
    make_item(session, campaign)
    page = client.get(f"{ADDRESS}?seen=old", headers=PART).text
    assert page.startswith("<div")  # the part alone
    for words in (
        "Nothing stands out so far.",
        "Nobody has judged within the last day, so there is no pace to go by.",
        "Every undecided item can be handed out.",
        "Nobody has judged within the last two weeks.",
        "Nobody holds an image, and nobody let one run out",
        "No item waits for somebody who knows its country.",
        "No answer has been counted yet.",
        "this begins with three people; nobody has judged",
        "Nobody has given a reason for a “no” yet.",
    ):
        assert words in page, words


def test_progress_says_what_became_of_the_items(
    client: TestClient, session: Session, campaign: Campaign, approved: Item, disputed: Item
) -> None:
    refused = make_item(session, campaign)
    judge(session, campaign, refused, NO, NO, NO)
    session.execute(sa.text("UPDATE revision_request SET state = 'dropped'"))
    make_item(session, campaign, hold=Hold.QUOTA)
    make_item(session, campaign, hold=Hold.TEST)
    make_item(session, campaign)
    found = {row["part"]: (row["items"], row["share_value"]) for row in rows_of(client, "progress")}
    assert found == {
        "Approved": ("1", "0.16666666666666666"),
        "Rejected": ("1", "0.16666666666666666"),
        "Rejected: dropped": ("1", "0.16666666666666666"),
        "Disputed: waits for an admin": ("1", "0.16666666666666666"),
        "Pending": ("3", "0.5"),
        "Pending: its quota is full": ("1", "0.16666666666666666"),
        "Pending: kept for a test": ("1", "0.16666666666666666"),
        "All": ("6", "1.0"),
    }
    assert [(row["reason"], row["items"]) for row in rows_of(client, "holds")] == [
        ("Its quota is full", "1"),
        ("Kept for a test", "1"),
    ]
    page = client.get(ADDRESS).text
    # Nine counted of eighteen wanted; what is held back is not in the queue.
    assert "of 18 wanted" in page
    assert "3 to go<" in page
    assert "1 item is disputed and waits for you." in page
    assert "3 items decided" in page


def test_rejected_images_wait_to_be_made_again(client: TestClient, session: Session, campaign: Campaign) -> None:
    judge(session, campaign, make_item(session, campaign), NO, NO, NO)
    page = client.get(ADDRESS).text
    assert "1 rejected image waits to be made again." in page
    assert "Every item in the queue has its judgments." in page


def test_nobody_waits_for_another_image_of_an_item_whose_answer_is_known(
    client: TestClient, session: Session, campaign: Campaign
) -> None:
    """The parts of what is rejected add up to it, and what is asked for is what the linked page lists."""
    asked, known, forgotten = (make_item(session, campaign) for _ in range(3))
    for item in (asked, known, forgotten):
        judge(session, campaign, item, NO, NO, NO)
    session.add(Gold(item_id=known.id, question="food1_identity", answer="no"))
    session.execute(sa.text("DELETE FROM revision_request WHERE item_id = :item"), {"item": forgotten.id})
    # Rejected before, and given up then: only its newest request says what becomes of it.
    session.add(
        RevisionRequest(
            campaign_id=campaign.id, item_id=asked.id, round=1, state=RequestState.DROPPED,
            opened_at=AT - timedelta(days=900),
        )
    )  # fmt: skip
    session.flush()
    parts = {row["part"]: row["items"] for row in rows_of(client, "progress")}
    assert {part: n for part, n in parts.items() if part.startswith("Rejected")} == {
        "Rejected": "3",
        "Rejected: another image is asked for": "1",
        "Rejected: its answer is known": "1",
        "Rejected: no other image is asked for": "1",
    }
    assert "1 rejected image waits to be made again." in client.get(ADDRESS).text
    assert len(client.get("/campaigns/sample/revisions.jsonl?state=open").text.splitlines()) == 1


def test_open_claims_have_their_age_and_their_holder(client: TestClient, session: Session, campaign: Campaign) -> None:
    for _ in range(5):
        make_item(session, campaign)
    ann, bob = make_account(session, name="Ann"), make_account(session, name="=Bob()")
    policy = campaigns.current_policy(session, campaign)
    claims.claim_next(session, ann, campaign, policy, count=2, lease=3600)
    claims.claim_next(session, bob, campaign, policy, count=3, lease=3600)
    at = watch_routes.now()
    held = session.exec(select(Claim).where(Claim.account_id == bob.id)).all()
    held[0].leased_at, held[0].expires_at = at - timedelta(hours=3), at - timedelta(hours=2)
    held[1].leased_at = at - timedelta(minutes=7)
    session.flush()
    assert [row["leases"] for row in rows_of(client, "ages")] == ["3", "1", "0", "1", "0"]
    first, second = rows_of(client, "holders")
    # What a spreadsheet would run is written as text.
    assert (first["person"], first["holds"], first["lapsed"], first["minutes"]) == ("'=Bob()", "3", "1", "180")
    assert (second["person"], second["holds"], second["lapsed"], second["minutes"]) == ("Ann", "2", "0", "0")
    page = client.get(ADDRESS).text
    assert "1 lease has run out and not come back yet" in page
    assert "<bdi>=Bob()</bdi>" in page
    claims.claim_next(session, ann, campaign, policy, count=3, lease=3600)  # takes back what has lapsed
    people = {row["person"]: row for row in rows_of(client, "holders")}
    assert (people["'=Bob()"]["holds"], people["'=Bob()"]["lapsed"], people["'=Bob()"]["expired"]) == ("2", "0", "1")


def test_items_that_wait_for_insiders_are_counted_by_country(
    client: TestClient, session: Session, campaign: Campaign
) -> None:
    for _ in range(2):
        make_item(session, campaign, foods=(("Koshary", "EG"),), reserved=1)
    make_item(session, campaign, foods=(("Ramen", "JP"),), reserved=3)  # all of its visits: only insiders will do
    knows, paused, gone = (make_account(session) for _ in range(3))
    gone.is_active = False
    for account in (knows, paused, gone):
        session.add(KnownCountry(account_id=account.id, country="EG"))
    session.add(Member(campaign_id=campaign.id, account_id=paused.id, paused_at=AT))
    session.add(KnownCountry(account_id=paused.id, country="JP"))
    session.flush()
    japan, egypt = rows_of(client, "insiders")
    assert list(japan.values())[:5] == ["Japan", "1", "1", "3", "0"]
    assert list(egypt.values())[:5] == ["Egypt", "2", "0", "2", "1"]
    assert "1 item waits for somebody who knows Japan, and nobody here does." in client.get(ADDRESS).text


def test_visits_kept_for_insiders_nobody_is_are_named_before_all_others_are_used_up(
    client: TestClient, session: Session, campaign: Campaign
) -> None:
    for _ in range(2):
        make_item(session, campaign, foods=(("Koshary", "EG"),), reserved=1)
    page = client.get(ADDRESS).text
    assert "2 items keep visits for somebody who knows Egypt, and nobody here does." in page
    assert "Every undecided item can be handed out." in page
    make_item(session, campaign, foods=(("Ramen", "JP"),), reserved=3)
    session.add(KnownCountry(account_id=make_account(session).id, country="EG"))
    session.add(ImportBatch(campaign_id=campaign.id, files=[], added=1, unchanged=0))  # something is new
    session.flush()
    page = client.get(ADDRESS).text
    assert "knows Egypt" not in page
    assert "Every undecided item can be handed out" not in page
    assert "None is held back, but some can be given to nobody yet" in page


def test_regions_whose_test_nobody_has_passed_or_can_take_are_named(
    client: TestClient, session: Session, campaign: Campaign
) -> None:
    campaigns.current_policy(session, campaign).parameters = {"qualification": True, "exam_items": 2}
    for _ in range(2):
        make_item(session, campaign)
        make_gold(session, campaign, hold=Hold.TEST)
    make_item(session, campaign, foods=(("Ramen", "JP"),))
    make_item(session, campaign, foods=(("Ramen", "JP"),), hold=Hold.TEST)  # no known answer, so no test item
    make_item(session, campaign, foods=(("Pizza", "IT"),), status="approved")

    def page() -> str:
        session.add(ImportBatch(campaign_id=campaign.id, files=[], added=1, unchanged=0))  # something is new
        session.flush()
        return client.get(ADDRESS).text

    text = page()
    assert "Nobody has passed the test of Africa yet. Its 2 undecided items go to nobody." in text
    assert "Nobody can take the test of Asia: it needs 2 items and has 0. Its 1 undecided item goes to nobody." in text
    assert "the test of Europe" not in text
    assert "Nothing stands out so far." not in text
    assert "Every undecided item can be handed out" not in text
    people = [make_account(session) for _ in range(3)]
    people[1].is_active = False
    session.add(Member(campaign_id=campaign.id, account_id=people[2].id, paused_at=AT))
    for person in people:
        for region in ("Africa", "Asia"):
            session.add(
                Qualification(campaign_id=campaign.id, account_id=person.id, region=region, tries=1, passed_at=AT)
            )
    text = page()
    assert "the test of Africa" not in text
    assert "has 0. Its 1 undecided item goes to the 1 person who has passed, and to nobody else." in text
    for item in session.exec(select(Item).where(Item.hold == Hold.TEST)):
        item.status = Status.REJECTED
    assert "Every undecided item can be handed out to those who have passed its region’s test." in page()


def test_reasons_are_counted_by_country_and_generator(client: TestClient, session: Session, campaign: Campaign) -> None:
    one = make_item(session, campaign, foods=(("Koshary", "EG"),), generator="=flux")
    other = make_item(session, campaign, foods=(("Ramen", "JP"),))
    known = make_item(session, campaign, foods=(("Pizza", "IT"),))
    session.add(Gold(item_id=known.id, question="food1_identity", answer="no"))
    judge(session, campaign, one, NO, {"food1_identity": answer("no", "other_dish", "malformed")})
    (person,) = judge(session, campaign, other, NO)
    judge(session, campaign, known, NO)
    claim = session.exec(select(Claim).where(Claim.account_id == person.id, Claim.state == "judged")).one()
    submit(session, person, claim.id, all_yes(food1_origin=answer("no", "shared_origin")))  # a change of mind
    by_country = [tuple(row.values())[:6] for row in rows_of(client, "reasons-country")]
    assert by_country == [
        ("Egypt", "Dish", "other_dish", "It is another dish", "2", str(2 / 3)),
        ("Egypt", "Dish", "malformed", "Deformed, not plausible as food", "1", str(1 / 3)),
        ("Japan", "Origin", "shared_origin", "Several countries share it; this one alone is misleading", "1", "1.0"),
    ]
    by_generator = [tuple(row.values())[:5] for row in rows_of(client, "reasons-generator")]
    assert by_generator[0][:3] == ("'=flux", "Dish", "other_dish")
    assert by_generator[2][0] == "not stated"
    page = client.get(ADDRESS).text
    assert "From all 4 judgments." in page
    assert "Egypt, Dish: It is another dish: 2 of 3 reasons" in page


def test_of_very_many_judgments_the_latest_of_each_person_are_read(
    session: Session, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = make_account(session)
    for _ in range(3):
        item = make_item(session, campaign, priority=9)
        policy = campaigns.current_policy(session, campaign)
        claim = claims.claim_next(session, person, campaign, policy, count=1, lease=60).claims[0]
        submit(session, person, claim.id, all_yes(item.subtask, food1_identity=answer("no", "malformed")))
    monkeypatch.setattr("app.adjudication.watch_queries.MOST_READ", 2)
    monkeypatch.setattr("app.adjudication.watch_queries.FEWEST_READ", 1)
    found = reasons(session, campaign.id, [person.id])
    assert (found.latest, found.n_read, found.is_cut) == (2, 2, True)
    assert [(row.group, row.n) for row in found.by_country] == [("EG", 2)]
    assert reasons(session, campaign.id, []).n_read == 0


def test_no_shares_stand_by_week_and_a_clear_change_is_named(
    client: TestClient, session: Session, campaign: Campaign
) -> None:
    make_item(session, campaign)
    weeks = {
        ("week", "2026-11-16"): {(2, 0, 0): 90, (1, 1, 0): 10},
        ("week", "2026-11-23"): {(1, 1, 0): 40, (0, 0, 1): 1},
    }
    counted(session, campaign, weeks, question="background")
    before, after = rows_of(client, "drift")
    assert (before["week"], before["answers"], before["no"]) == ("2026-W47", "200", "10")
    # Wilson's interval of 10 in 200 by hand.
    assert float(before["share_low"]) == pytest.approx(0.0274, abs=1e-4)
    assert float(before["share_high"]) == pytest.approx(0.0896, abs=1e-4)
    assert (after["week"], after["monday"], after["answers"], after["no"]) == ("2026-W48", "2026-11-23", "81", "40")
    page = client.get(ADDRESS).text
    assert "“No” on background has risen: 49.4 % in the week of 23 Nov, 5.0 % in the weeks before." in page
    for name in ("drift-background.svg", "drift-background.png"):
        assert client.get(f"{ADDRESS}/{name}").status_code == 200
    assert client.get(f"{ADDRESS}/drift-food1_identity.svg").status_code == 404


@pytest.mark.parametrize(
    ("weeks", "is_named"),
    [
        ([(100, 50)], False),
        ([(200, 10), (19, 19)], False),  # too few answers
        ([(200, 10), (40, 4)], False),  # the intervals meet
        ([(200, 10), (100, 30)], True),
        ([(200, 80), (100, 10)], True),
    ],
)
def test_a_week_is_named_where_its_interval_and_the_others_do_not_meet(
    weeks: list[tuple[int, int]], is_named: bool
) -> None:
    found = [Week(date(2026, 11, 2) + timedelta(weeks=place), n, no) for place, (n, no) in enumerate(weeks)]
    assert (change_of(found) is not None) is is_named


def test_whom_the_agreement_pages_flag_stands_here_with_the_evidence(
    client: TestClient, session: Session, campaign: Campaign
) -> None:
    """Three people alike, and one who says yes to all 40 in a second each, where the others take six."""
    people = [make_account(session, name=name) for name in ("Ann", "Bob", "Cat", "@Dan")]
    items = [make_item(session, campaign) for _ in range(21)]
    no = {"food1_identity": answer("no", "not_there")}
    for number, item in enumerate(items):
        item.priority = 9
        session.flush()
        policy = campaigns.current_policy(session, campaign)
        pair = (people[number % 3], people[3])
        for person in pair:
            claim = claims.claim_next(session, person, campaign, policy, count=1, lease=60).claims[0]
            vote = {} if person is people[3] or number % 2 else no
            ms = 1000 if person is people[3] else 6000
            submit(session, person, claim.id, all_yes(**vote)._replace(active_ms=ms))
        item.priority = 0
    session.flush()
    (row,) = rows_of(client, "people")
    assert row["rater"] == "'@Dan"
    assert "Always yes: 42 of 42 answers" in row["evidence"]
    assert (row["answers"], row["yes_value"], row["seconds_value"]) == ("42", "1.0", "1.0")
    page = client.get(ADDRESS).text
    assert f'href="/campaigns/sample/agreement/people/{people[3].id}"><bdi>@Dan' in page
    assert "1 person stands out from the others." in page
    evidence = client.get("/campaigns/sample/agreement/people/worth-a-look.csv").text
    assert "Always yes: 42 of 42 answers" in evidence


def test_every_table_and_chart_is_a_file(
    client: TestClient, session: Session, campaign: Campaign, approved: Item
) -> None:
    page = client.get(ADDRESS).text
    for name in ("progress", "hours", "days", "ages", "holders", "holds", "insiders", "drift", "people",
                 "reasons-country", "reasons-generator"):  # fmt: skip
        reply = client.get(f"{ADDRESS}/{name}.csv")
        assert reply.headers["content-type"] == "text/csv; charset=utf-8", name
        assert reply.headers["content-disposition"] == f'attachment; filename="watching-sample-{name}.csv"'
    for chart in ("hours", "drift-food1_identity"):
        assert f"{ADDRESS}/{chart}.svg" in page
        assert client.get(f"{ADDRESS}/{chart}.svg").text.startswith("<?xml")
    assert client.get(f"{ADDRESS}/nothing.csv").status_code == 404
