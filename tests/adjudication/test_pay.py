"""The pay report: what is counted, within which days, and that it can't tell what is known."""

import csv
import io
import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlmodel import Session

from app.accounts.models import Account
from app.adjudication import pay
from app.adjudication.pay import Period
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims.models import Claim, ClaimState
from app.errors import Invalid
from app.items.models import Item
from app.judgments.models import Judgment
from tests.conftest import SignIn
from tests.factories import make_account, make_item
from tests.gold.things import make_gold

NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))
NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)


def give(
    session: Session, campaign: Campaign, account: Account, *answers: tuple[datetime, int],
    slot: int | None = 1, item: Item | None = None, is_test: bool = False,
) -> Claim:  # fmt: skip
    """Answers to one item, the first and its revisions: when, and the milliseconds it took."""
    item = item or make_item(session, campaign)
    policy_id = campaigns.current_policy(session, campaign).id
    assert policy_id is not None
    ids = [uuid.uuid4() for _ in answers]
    at = answers[-1][0]
    claim = Claim(
        item_id=item.id, account_id=account.id, campaign_id=campaign.id, policy_id=policy_id, state=ClaimState.JUDGED,
        slot=slot, is_test=is_test, judgment_id=ids[-1], leased_at=at, expires_at=at, ended_at=at,
    )  # fmt: skip
    session.add(claim)
    session.flush()
    for revision, (id_, (when, active_ms)) in enumerate(zip(ids, answers, strict=True), start=1):
        session.add(
            Judgment(
                id=id_, claim_id=claim.id, item_id=item.id, account_id=account.id, policy_id=policy_id,
                revision=revision, active_ms=active_ms, created_at=when, body_sha256=f"{revision}",
                answers={"food1_identity": {"answer": "yes", "reasons": [], "correction": None}},
            )
        )  # fmt: skip
    session.flush()
    return claim


def test_counted_surplus_time_and_sessions(session: Session, campaign: Campaign, annotator: Account) -> None:
    minute = timedelta(minutes=1)
    give(session, campaign, annotator, (NOON, 10_000), (NOON + 2 * minute, 4_000))
    give(session, campaign, annotator, (NOON + 5 * minute, 20_000), slot=None)
    give(session, campaign, annotator, (NOON + 36 * minute, 0))  # another sitting; its time is unknown
    [row] = pay.report(session, campaign.id, NOVEMBER).rows
    assert (row.items, row.counted, row.surplus, row.active_ms, row.sessions) == (3, 2, 1, 34_000, 2)
    assert row.seconds.value == 17.0


def test_thirty_minutes_apart_is_one_session(session: Session, campaign: Campaign, annotator: Account) -> None:
    for number in range(3):
        give(session, campaign, annotator, (NOON + timedelta(minutes=30 * number), 1000))
    assert pay.report(session, campaign.id, NOVEMBER).total.sessions == 1


def test_days_begin_and_end_in_utc(session: Session, campaign: Campaign, annotator: Account) -> None:
    midnight = datetime(2026, 12, 1, tzinfo=UTC)
    last = midnight - timedelta(microseconds=1)
    give(session, campaign, annotator, (last, 1000), (midnight, 500))
    give(session, campaign, annotator, (midnight, 250))
    november = pay.report(session, campaign.id, NOVEMBER).total
    december = pay.report(session, campaign.id, pay.month_of(date(2026, 12, 1))).total
    assert (november.items, november.active_ms) == (1, 1000)
    assert (december.items, december.active_ms) == (1, 750)


def test_a_test_pays_as_ordinary_work(session: Session, campaign: Campaign, annotator: Account) -> None:
    other = make_account(session)
    give(session, campaign, annotator, (NOON, 1000), slot=None, item=make_gold(session, campaign), is_test=True)
    give(session, campaign, other, (NOON, 1000))
    rows = [row._replace(account_id=None, name="", email="") for row in pay.report(session, campaign.id, NOVEMBER).rows]
    assert rows[0] == rows[1]


def test_the_total_is_of_everybody_and_one_person_is_alone(
    session: Session, campaign: Campaign, annotator: Account
) -> None:
    other = make_account(session)
    give(session, campaign, annotator, (NOON, 1000))
    give(session, campaign, other, (NOON, 3000), slot=None)
    whole = pay.report(session, campaign.id, NOVEMBER)
    assert (whole.total.items, whole.total.counted, whole.total.active_ms, whole.total.sessions) == (2, 1, 4000, 2)
    own = pay.report(session, campaign.id, NOVEMBER, other.id)
    assert own.rows == [row for row in whole.rows if row.account_id == other.id]
    assert pay.report(session, campaign.id, pay.month_of(date(2020, 2, 3))).total.items == 0


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        ("2026-11-31", "2026-12-01", "from"),
        ("2026-11-01", "", "to"),
        ("2026-11-02", "2026-11-01", "to"),
        ("2026-11-02", "9999-12-31", "to"),
    ],
)
def test_a_period_is_two_days_in_order(first: str, last: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        pay.checked_period(first, last, date(2026, 11, 27))
    assert list(refused.value.fields) == [field]


def test_the_page_and_its_file(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account, annotator: Account
) -> None:
    evil = make_account(session, name="=HYPERLINK(1)", email="x@example.org")
    give(session, campaign, annotator, (NOON, 3_660_000))
    give(session, campaign, evil, (NOON, 0))
    client, period = browse(admin), "?from=2026-11-01&to=2026-11-30"
    page = client.get(f"/campaigns/sample/pay{period}").text
    assert "1:01 h" in page
    assert "2026-11-01 to 2026-11-30, UTC" in page
    reply = client.get(f"/campaigns/sample/pay.csv{period}")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [row["name"] for row in rows] == ["'=HYPERLINK(1)", annotator.name, "Total"]
    assert rows[1]["active_seconds"] == "3660.0"
    wrong = client.get("/campaigns/sample/pay?from=2026-11-05&to=2026-11-01")
    assert (wrong.status_code, "ends before it begins" in wrong.text) == (422, True)
    assert client.get("/campaigns/sample/pay.csv?from=x").status_code == 422
