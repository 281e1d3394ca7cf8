"""The list of raters and a rater's own page: each number worked out by hand, and where it leads."""

import csv
import html
import io
import re
import uuid
from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.accounts.models import Account, Role
from app.adjudication.agreement import people_views as views
from app.adjudication.agreement.memory import counted
from app.adjudication.agreement.people_flags import flags
from app.adjudication.agreement.people_queries import Pace, Pairs, Right, Who, paces
from app.adjudication.agreement.people_views import Rater
from app.adjudication.agreement.person_queries import work
from app.campaigns.models import Campaign, Member
from app.claims.models import Claim
from app.db import now
from app.errors import Invalid
from app.items.models import Gold
from app.jobs import Job
from app.judgments.jobs import KIND
from app.judgments.tally_models import CountedVotes, RaterModelFit, RaterVotes, TallyState
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.test_votes import voted

IDENTITY, ORIGIN = "food1_identity", "food1_origin"


class Table:
    """Ann and Bob judge first, Cat third; on the dish alone, the origin is yes for all. Of the last item it is known
    that the dish is wrong, and the origin was held to be."""

    def __init__(self, session: Session) -> None:
        self.campaign = make_campaign(session, "sample")
        self.ann, self.bob, self.cat = (make_account(session, name=name) for name in ("Ann <b>", "Bob", "Cat"))
        people = [self.ann, self.bob, self.cat]
        self.items = [make_item(session, self.campaign) for _ in range(5)]
        session.add(Gold(item_id=self.items[4].id, question=IDENTITY, answer="no"))
        session.add(Gold(item_id=self.items[4].id, question=ORIGIN, answer="no", withdrawn_at=now()))
        for item, votes in zip(
            self.items, (("yes", "yes", "yes"), ("yes", "no", "yes"), ("no", "no", "yes"), ("yes", "yes", "no"),
                         ("no", "yes", "no")), strict=True,
        ):  # fmt: skip
            voted(session, self.campaign, item, *votes, people=people)

    @property
    def pages(self) -> str:
        return f"/campaigns/{self.campaign.slug}/agreement/people"


@pytest.fixture
def judged(session: Session) -> Table:
    return Table(session)


@pytest.fixture
def admin(session: Session, browse: SignIn) -> TestClient:
    return browse(make_account(session, Role.ADMIN))


def rows_of(browser: TestClient, address: str) -> list[dict[str, str]]:
    answer = browser.get(address)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def add_model(session: Session, campaign: Campaign, question: str, raters: dict[uuid.UUID, list[list[float]]]) -> None:
    document = {
        "classes": ["yes", "no"], "answers": ["yes", "no", "unsure"], "class_shares": {"yes": 0.9, "no": 0.1},
        "smoothing": 6.0, "log_likelihood": [-30.0, -20.5, -20.25], "iterations": 3, "converged": True,
        "n_outside_gold": 12, "pooled": {"expected": [[90.0, 8.0, 2.0], [9.0, 30.0, 1.0]]},
        "raters": {str(rater): {"n": 20, "expected": expected} for rater, expected in raters.items()},
    }  # fmt: skip
    session.add(
        RaterModelFit(
            campaign_id=campaign.id, question=question, version=uuid.uuid4(), method="dawid-skene", n_items=4,
            n_judgments=12, n_raters=3, n_gold=1, fit=document,
        )
    )  # fmt: skip
    session.flush()


def test_each_rater_has_their_shares_and_agreement_with_intervals(judged: Table, admin: TestClient) -> None:
    ann, bob, cat = rows_of(admin, f"{judged.pages}/people.csv?question={IDENTITY}&all=1&sort=rater")
    assert (ann["rater"], bob["rater"], cat["rater"]) == ("Ann <b>", "Bob", "Cat")
    assert (ann["items"], ann["yes_value"], ann["no_value"], ann["pairs"]) == ("4", "0.75", "0.25", "8")
    # Alike with Bob in 3 of 4, with Cat in 2 of 4. Wilson's interval of 5 in 8 by hand.
    assert float(ann["agreement_value"]) == 5 / 8
    assert float(ann["agreement_low"]) == pytest.approx(0.3057, abs=1e-4)
    assert float(ann["agreement_high"]) == pytest.approx(0.8632, abs=1e-4)
    # Of the item whose answer is known Ann and Cat are right; it is in no other count.
    assert [(one["n_gold"], one["gold_value"]) for one in (ann, bob, cat)] == [("1", "1.0"), ("1", "0.0"), ("1", "1.0")]
    assert ann["first"] == ann["last"] == now().date().isoformat()
    assert ann["notices_reason"] == "no rater model"


def test_the_first_two_judgments_are_the_default_and_all_questions_are_added_up(
    judged: Table, admin: TestClient
) -> None:
    ann, bob, cat = rows_of(admin, f"{judged.pages}/people.csv?sort=rater")
    # Four items of two questions: 3 of 4 alike as to the dish, all four as to the origin.
    assert (ann["items"], ann["pairs"], ann["agreement_value"]) == ("4", "8", "0.875")
    assert float(bob["no_value"]) == 2 / 8
    assert (cat["items"], cat["pairs"], cat["agreement_reason"]) == ("0", "0", "no_overlap")
    assert "first two counted judgments" in ann["source"]


def test_items_are_as_many_as_the_list_holds_where_later_judges_get_open_questions_only(
    session: Session, judged: Table, admin: TestClient
) -> None:
    """Of Cat's four items, one was asked for its dish alone and one for its origin alone."""
    counted(session, judged.campaign.id)
    for place, answers in ((0, "y----"), (1, "-y---")):
        votes = session.get_one(CountedVotes, judged.items[place].id)
        votes.answers = [*votes.answers[:2], answers]
        session.execute(
            sa.update(RaterVotes)
            .where(RaterVotes.rater_id == judged.cat.id, RaterVotes.question == (ORIGIN if place == 0 else IDENTITY),
                   RaterVotes.answer == "yes", RaterVotes.basis == "all")
            .values(n_items=RaterVotes.n_items - 1)
        )  # fmt: skip
    session.execute(sa.update(TallyState).values(version=uuid.uuid4()))
    session.flush()
    rows = rows_of(admin, f"{judged.pages}/people.csv?all=1")
    assert [(row["rater"], row["items"]) for row in rows] == [("Ann <b>", "4"), ("Bob", "4"), ("Cat", "4")]
    (one,) = [
        row for row in rows_of(admin, f"{judged.pages}/people.csv?all=1&question={IDENTITY}") if row["rater"] == "Cat"
    ]
    assert one["items"] == "3"
    page = admin.get(f"/campaigns/sample/agreement/items?rater={judged.cat.id}&all=1").text
    assert '<h2 class="items-count">4 items</h2>' in page


def test_a_surplus_judgment_of_a_known_answer_does_not_count(
    session: Session, judged: Table, admin: TestClient
) -> None:
    surplus = session.exec(select(Claim).where(Claim.item_id == judged.items[4].id, Claim.account_id == judged.bob.id))
    surplus.one().slot = None
    session.flush()
    found = {row["rater"]: row["n_gold"] for row in rows_of(admin, f"{judged.pages}/people.csv?sort=rater")}
    assert found == {"Ann <b>": "1", "Bob": "0", "Cat": "1"}


def test_noticing_a_wrong_claim_is_the_models_and_of_all_questions_its_counts_are_added_up(
    session: Session, judged: Table, admin: TestClient
) -> None:
    add_model(session, judged.campaign, IDENTITY, {judged.ann.id: [[1.0, 0.0, 0.0], [0.0, 19.0, 0.0]]})
    add_model(session, judged.campaign, ORIGIN, {judged.ann.id: [[1.0, 0.0, 0.0], [3.0, 0.0, 0.0]]})
    one = rows_of(admin, f"{judged.pages}/people.csv?sort=rater&question={IDENTITY}")
    # Half an answer of each kind is added, as Jeffreys' prior has it.
    assert float(one[0]["notices_value"]) == pytest.approx(19.5 / 20.5)
    assert float(one[0]["notices_low"]) < 19.5 / 20.5 < float(one[0]["notices_high"])
    assert one[0]["met"] == "19.0"
    assert one[1]["notices_reason"] == "not in the model yet"
    every = rows_of(admin, f"{judged.pages}/people.csv?sort=rater")
    assert float(every[0]["notices_value"]) == pytest.approx(19.5 / 23.5)
    confusion = rows_of(admin, f"{judged.pages}/{judged.ann.id}/confusion.csv")
    assert [(row["who"], row["claim"], row["n"]) for row in confusion][:4] == [
        ("Ann <b>", "right", "1.0"), ("Everyone", "right", "100.0"), ("Ann <b>", "wrong", "19.0"),
        ("Everyone", "wrong", "40.0"),
    ]  # fmt: skip
    assert float(confusion[3]["no_value"]) == pytest.approx(30.5 / 41.5)
    page = admin.get(judged.pages).text
    assert "converged" in page
    assert "log-likelihood step by step" in page


def test_a_raters_own_tables(judged: Table, admin: TestClient) -> None:
    def own(person: Account, name: str, query: str = f"question={IDENTITY}&all=1") -> list[dict[str, str]]:
        return rows_of(admin, f"{judged.pages}/{person.id}/{name}.csv?{query}")

    with_each = {row["colleague"]: (row["n"], row["alike"]) for row in own(judged.ann, "colleagues")}
    assert with_each == {"Bob": ("4", "3"), "Cat": ("4", "2")}
    (week,) = own(judged.ann, "drift")
    assert (week["n"], week["no_value"], week["pairs"], week["agreement_value"]) == ("4", "0.25", "8", "0.625")
    (first,) = own(judged.ann, "drift", "")
    assert (first["pairs"], first["agreement_value"]) == ("8", "0.875")
    # Cat alone said yes to the third dish and no to the fourth; Bob alone said no to the second.
    alone = {person.name: own(person, "alone")[0]["alone"] for person in (judged.ann, judged.bob, judged.cat)}
    assert alone == {"Ann <b>": "0", "Bob": "1", "Cat": "2"}
    mine, others, *_ = own(judged.cat, "answers")
    assert (mine["no_value"], mine["n"], others["no_value"], others["n"]) == ("0.25", "4", "0.375", "8")
    assert own(judged.ann, "misses") == []
    (miss,) = own(judged.bob, "misses")
    assert (miss["item"], miss["known"], miss["given"]) == (judged.items[4].key, "no", "yes")
    assert sum(int(row["n"]) for row in own(judged.ann, "days")) == 5


def test_where_somebody_stood_alone_and_what_they_shared_lead_to_just_those_items(
    session: Session, judged: Table, admin: TestClient
) -> None:
    """Of Cat's shared items two are where she stood alone; all three differ on one more, where Bob did."""
    voted(session, judged.campaign, make_item(session, judged.campaign), "yes", people=[judged.cat])
    page = admin.get(f"{judged.pages}/{judged.cat.id}?all=1").text
    _, row = re.split(r"<caption>Items where no colleague gave the same answer", page)
    cells = dict.fromkeys(map(html.unescape, re.findall(r'<a href="([^"]+)">', row[: row.index("</tr>", 900)])))
    shared, alone = list(cells)[:2]
    for address, n in ((shared, 4), (alone, 2)):
        assert f'<h2 class="items-count">{n} items</h2>' in admin.get(address).text, address
    assert "nobody gave the same answer" in admin.get(alone).text


def test_a_number_without_a_list_of_its_own_leads_to_no_other(
    session: Session, judged: Table, admin: TestClient
) -> None:
    """Expected claims are sums of probabilities; alike answers of two people stand on the pair's page."""
    add_model(session, judged.campaign, IDENTITY, {judged.ann.id: [[1.0, 0.0, 0.0], [0.0, 19.0, 0.0]]})
    page = admin.get(f"{judged.pages}/{judged.ann.id}?question={IDENTITY}&all=1").text
    assert '<td class="number">19</td>' in page
    row = page[page.index("<caption>Agreement with each colleague") :]
    pairs, alike = re.findall(r'<td class="number"><a href="([^"]+)">\d</a></td>', row)[:2]
    assert "/agreement/items?a=" in pairs
    assert "/agreement/pairs/" in alike


def test_pace_is_the_quartiles_of_the_times_that_were_measured(session: Session, judged: Table) -> None:
    at = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
    session.execute(sa.text("ALTER TABLE judgment DISABLE TRIGGER USER"))
    claims = session.exec(select(Claim).where(Claim.account_id == judged.ann.id).order_by(sa.text("id"))).all()
    days = [date(2026, 11, 23), date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 16), date(2026, 9, 1)]
    for claim, day, ms in zip(claims, days, (2000, 4000, 0, 9000, 1000), strict=True):
        claim.ended_at = datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC)
        session.execute(
            sa.text("UPDATE judgment SET active_ms = :ms WHERE id = :id"), {"ms": ms, "id": claim.judgment_id}
        )
    session.flush()
    found = work(session, judged.campaign.id, judged.ann.id, at)
    assert len(found.weeks) == 8
    assert (len(found.days), next(iter(found.days)), list(found.days)[-1]) == (
        52,
        date(2026, 10, 5),
        date(2026, 11, 25),
    )
    assert {day: n for day, n in found.days.items() if n} == {
        date(2026, 11, 16): 1, date(2026, 11, 23): 2, date(2026, 11, 24): 1,
    }  # fmt: skip
    week = found.weeks[date(2026, 11, 23)]
    assert week is not None
    assert (week.n, week.lower, week.median, week.upper) == (3, 2.5, 3.0, 3.5)
    assert found.weeks[date(2026, 11, 9)] is None
    latest = paces(session, judged.campaign.id, [judged.ann.id])[judged.ann.id]
    assert (latest.first, latest.last, latest.n) == (date(2026, 9, 1), date(2026, 11, 24), 5)
    assert latest.median == 3.0  # of 1, 2, 4 and 9


def test_every_link_of_both_pages_answers_and_names_are_escaped(
    session: Session, judged: Table, admin: TestClient
) -> None:
    add_model(session, judged.campaign, IDENTITY, {judged.ann.id: [[1.0, 0.0, 0.0], [0.0, 19.0, 0.0]]})
    seen: set[str] = set()
    for page in (f"{judged.pages}?question={IDENTITY}", f"{judged.pages}/{judged.bob.id}?all=1", judged.pages):
        text = admin.get(page).text
        assert "<b>" not in text
        for address in map(html.unescape, re.findall(r'<a [^>]*?href="([^"]+)"', text)):
            where = address.partition("#")[0]
            if "/agreement" not in where or where in seen:
                continue
            seen.add(where)
            assert admin.get(where).status_code == 200, where
    assert any(address.endswith(".png?question=food1_identity&sort=-items") for address in seen)
    assert any(f"items?rater={judged.bob.id}&question={IDENTITY}&answer=no" in address for address in seen)
    assert any(
        f"/items/{judged.items[4].id}" in address
        for address in re.findall(r'href="([^"]+)"', admin.get(f"{judged.pages}/{judged.bob.id}").text)
    )


def test_strangers_are_not_found_and_whoever_has_not_judged_has_a_page_that_says_so(
    session: Session, judged: Table, admin: TestClient
) -> None:
    assert admin.get(f"{judged.pages}/{uuid.uuid4()}").status_code == 404
    newcomer = make_account(session, name="Newcomer")
    page = admin.get(f"{judged.pages}/{newcomer.id}")
    assert page.status_code == 200
    assert "Newcomer has no counted judgment in this campaign" in page.text
    assert admin.get(f"{judged.pages}/{newcomer.id}/answers.csv").status_code == 404
    empty = make_campaign(session, "empty")
    assert "Nobody has judged yet" in admin.get(f"/campaigns/{empty.slug}/agreement/people").text


def test_what_can_not_be_meant_is_refused(judged: Table, admin: TestClient) -> None:
    for query in ("question=nothing", "sort=shoe_size", "question=background"):
        assert admin.get(f"{judged.pages}?{query}").status_code == 422
    assert admin.get(f"{judged.pages}/nothing.csv").status_code == 404
    with pytest.raises(Invalid):
        views.checked_sort("-")


def test_a_fit_starts_with_the_page_and_another_on_request_but_never_two_at_once(
    session: Session, judged: Table, admin: TestClient
) -> None:
    def fits() -> list[Job]:
        return list(session.exec(select(Job).where(Job.kind == KIND)).all())

    assert "The models are being fitted" in admin.get(judged.pages).text
    assert admin.post(f"{judged.pages}/fit").headers["location"] == judged.pages
    (job,) = fits()
    session.execute(sa.text("UPDATE job SET status = 'done' WHERE id = :id"), {"id": job.id})
    session.refresh(job)
    admin.post(f"{judged.pages}/fit")
    assert len(fits()) == 2


def person(name: str, yes: int = 80, no: int = 20, pairs: Pairs = Pairs(100, 90), **values: Any) -> Rater:
    noticing = {"value": 0.8, "low": 0.6, "high": 0.92, "reason": None}
    who = Who(uuid.uuid4(), name, f"{name}@example.org", is_simulated=False)
    day = date(2026, 11, 23)
    usual: dict[str, Any] = {
        "who": who, "items": yes + no, "given": {"yes": yes, "no": no, "unsure": 0}, "pairs": pairs, "met": 20.0,
        "notices": noticing, "pace": Pace(day, day, 100, 8.0, 10.0, 12.0), "gold": Right(20, 18),
    }  # fmt: skip
    return Rater(**usual | values)


def test_what_is_worth_a_look_is_said_with_its_evidence() -> None:
    day = date(2026, 11, 23)
    odd = person(
        "odd", yes=212, no=0, pairs=Pairs(100, 60), gold=Right(20, 8), pace=Pace(day, day, 100, 1.0, 1.9, 3.0),
        notices={"value": 0.1, "low": 0.02, "high": 0.3, "reason": None},
    )  # fmt: skip
    found = flags([person("a"), odd, person("b"), person("c")])
    assert {flag.rater.who.name for flag in found} == {"odd"}
    always, agrees, notices, gold, fast = (flag.words for flag in found)
    assert always == "Always yes: 212 of 212 answers; the others say yes in 80.0 %."
    # Wilson's interval of 60 in 100, as textbooks have it.
    assert agrees == "Agrees less than others: 60.0 % [50.2, 69.1] of 100 pairs; the median of the rest is 90.0 %."
    assert notices == (
        "Notices fewer wrong claims: 10.0 % [2.0, 30.0] of about 20 met; the median of the rest is 80.0 %."
    )
    assert gold.startswith("Fewer known answers right: 8 of 20, 40.0 %")
    assert fast == "Fast: median 1.9 s; the median of the others’ is 10.0 s."


def test_what_is_worth_a_look_leads_to_something() -> None:
    """Without a question an answer names no items; where nothing differs there is no list but a part of the page."""
    low = {"value": 0.1, "low": 0.02, "high": 0.3, "reason": None}
    rest = [person("a"), person("b"), person("c")]
    (with_items,) = flags([person("odd", notices=low), *rest], IDENTITY)
    assert with_items.look == "where this rater said yes and a colleague did not"
    assert with_items.query == {"answer": "yes", "votes": "differ"}
    (any_question,) = flags([person("odd", notices=low), *rest])
    assert (any_question.look, any_question.query) == ("where the answers differ", {"votes": "differ"})
    for nothing in (
        person("odd", yes=0, no=0, pairs=Pairs(0, 0), notices=low),
        person("odd", pairs=Pairs(9, 9), notices=low),
    ):
        (flag,) = flags([nothing, *rest])
        assert (flag.query, flag.part, flag.look) == (None, "confusion", "the answers where a claim is wrong")
    (always,) = flags([person("odd", yes=100, no=0, pairs=Pairs(0, 0)), *rest])
    assert (always.query, always.part) == (None, "answers")


def test_who_is_paused_is_marked(session: Session, judged: Table, admin: TestClient) -> None:
    session.get_one(Member, (judged.campaign.id, judged.bob.id)).paused_at = now()
    session.add(Member(campaign_id=make_campaign(session).id, account_id=judged.cat.id, paused_at=now()))
    session.flush()
    people = {row["rater"]: row["paused"] for row in rows_of(admin, f"{judged.pages}/people.csv")}
    assert people == {"Ann <b>": "", "Bob": "yes", "Cat": ""}
    row = re.search(r"<bdi>Bob</bdi>.*?</th>", admin.get(judged.pages).text)
    assert row is not None
    assert '<span class="tag">paused</span>' in row[0]


def test_little_evidence_says_nothing() -> None:
    day = date(2026, 11, 23)
    few = person(
        "few", yes=10, no=0, pairs=Pairs(10, 1), gold=Right(4, 0), pace=Pace(day, day, 5, 1.0, 1.0, 1.0), met=2.0,
        notices={"value": 0.0, "low": 0.0, "high": 0.3, "reason": None},
    )  # fmt: skip
    assert flags([few, person("a"), person("b")]) == []
    # All yes among people who nearly always say yes is no wonder: 0.98 to the 100th is 0.13.
    assert flags([person("d", yes=100, no=0), *(person(name, yes=98, no=2) for name in "ab")]) == []
    # Somebody whose interval reaches the median of the rest, and two people, of whom neither is the odd one.
    assert flags([person("e", pairs=Pairs(100, 85)), person("a"), person("b")]) == []
    assert flags([person("f", yes=212, no=0, pairs=Pairs(100, 10)), person("a")]) == []


def test_the_order_is_by_any_column_and_what_has_no_value_comes_last() -> None:
    none = {"value": None, "low": None, "high": None, "reason": "no rater model"}
    some = [person("b", yes=10), person("A", yes=30, notices=none), person("c", yes=20)]

    def names(sort: str) -> list[str]:
        return [rater.who.name for rater in views.in_order(some, *views.checked_sort(sort))]

    assert names("rater") == ["A", "b", "c"]
    assert names("-items") == ["A", "c", "b"]
    assert names("items") == ["b", "c", "A"]
    assert names("notices") == names("-notices") == ["b", "c", "A"]
    assert names("yes") == ["b", "c", "A"]


def test_items_of_a_chart_follow_the_order() -> None:
    some = [person("b", yes=10), person("a", yes=30)]
    chart = views.people_chart(some, "yes")
    labels = [text.text for text in chart.root.iter("text") if text.get("class") == "chart-label"]
    assert labels == ["b", "a"]
    assert views.people_chart(some, "items").title.startswith("Agrees with others")
    many = [person(f"p{number}") for number in range(views.MOST_DRAWN + 1)]
    assert "the first 60 of 61" in views.people_chart(many, "no").title
