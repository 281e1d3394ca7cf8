"""The items behind a number are those that the number counts."""

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import Session, select

from app.accounts.models import Account, KnownCountry
from app.adjudication.agreement.insider_queries import OVERALL, sides_of
from app.adjudication.agreement.person_queries import weekly_pairs
from app.agreement.rules import ANSWERS
from app.agreement.tallies import QUESTIONS
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims.models import Claim, ClaimState
from app.errors import Invalid
from app.items.models import Gold, Item, ItemFood, Status, Subtask
from app.judgments.models import Judgment
from app.judgments.service import question_keys
from app.judgments.tallies import up_to_date
from app.judgments.tally_models import CountedVotes, ItemPosterior, RaterPair, RaterVotes, VotePattern
from app.judgments.vote_filters import KINDS, Wanted, checked, checked_votes
from app.judgments.vote_items import every, number_of, page
from tests.factories import make_account, make_campaign, make_item

MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
IDENTITY, ORIGIN = QUESTIONS[:2]


def judge(
    session: Session, item: Item, person: Account, answers: dict[str, str], at: datetime = MONDAY, slot: int = 1
) -> None:
    """A counted judgment as it stands in the tables, given when it is said to be."""
    policy = campaigns.current_policy(session, session.get_one(Campaign, item.campaign_id))
    claim = Claim(
        item_id=item.id, account_id=person.id, campaign_id=item.campaign_id, policy_id=policy.id,
        leased_at=at, expires_at=at,
    )  # fmt: skip
    session.add(claim)
    session.flush()
    judgment = Judgment(
        claim_id=claim.id, item_id=item.id, account_id=person.id, policy_id=claim.policy_id, body_sha256="0" * 64,
        answers={key: {"answer": answer, "reasons": [], "correction": None} for key, answer in answers.items()},
    )  # fmt: skip
    session.add(judgment)
    session.flush()
    claim.state, claim.slot, claim.judgment_id, claim.ended_at = ClaimState.JUDGED, slot, judgment.id, at
    session.flush()


def voted(session: Session, item: Item, *votes: str, people: list[Account] | None = None, **others: str) -> None:
    """Judgments in this order: the votes are on the first food's identity, the rest is as `others` say or yes."""
    for number, vote in enumerate(votes):
        person = people[number] if people else make_account(session)
        answers = dict.fromkeys(question_keys(item.subtask), "yes") | others | {IDENTITY: vote}
        judge(session, item, person, answers, MONDAY + timedelta(minutes=number), number + 1)


def crowd(session: Session, seed: int, n_items: int = 24) -> Campaign:
    """Items of every subtask, judged in two weeks by five people of whom some know some of the countries."""
    chance = random.Random(seed)
    campaign = make_campaign(session)
    people = [make_account(session) for _ in range(5)]
    for person in people:
        for country in chance.sample(["EG", "IT", "JP"], chance.randint(0, 2)):
            session.add(KnownCountry(account_id=person.id, country=country))
    for number in range(n_items):
        foods = tuple(chance.sample([("Koshary", "EG"), ("Pizza", "IT"), ("Ramen", "JP")], 2))
        item = make_item(
            session, campaign, chance.choice(list(Subtask)), foods=foods, background=chance.choice(["JP", "EG"]),
            generator=chance.choice([None, "one"]),
        )  # fmt: skip
        at = MONDAY + timedelta(days=chance.randint(0, 9))
        for slot, person in enumerate(chance.sample(people, chance.randint(1, 4)), start=1):
            at += timedelta(days=chance.randint(0, 3))
            given = {key: chance.choices(ANSWERS, (5, 2, 2))[0] for key in question_keys(item.subtask)}
            judge(session, item, person, given, at, slot)
        if number == 0:
            session.add(Gold(item_id=item.id, question=ORIGIN, answer="yes"))
    session.flush()
    return campaign


def cells(session: Session, campaign: Campaign) -> list[tuple[str, Wanted, int]]:
    """(basis, filters, number of items) of every cell of the three tables of counts."""
    found = []
    for row in session.exec(select(VotePattern).where(VotePattern.campaign_id == campaign.id)):
        votes = "-".join(["yes"] * row.yes + ["no"] * row.no + ["unsure"] * row.unsure)
        found.append((row.basis, Wanted(row.question, row.kind, row.part, votes), row.n_items))
    for one in session.exec(select(RaterVotes).where(RaterVotes.campaign_id == campaign.id)):
        wanted = Wanted(one.question, one.kind, one.part, rater=str(one.rater_id), answer=one.answer)
        found.append((one.basis, wanted, one.n_items))
    for pair in session.exec(select(RaterPair).where(RaterPair.campaign_id == campaign.id)):
        wanted = Wanted(pair.question, a=str(pair.a), b=str(pair.b), answer_a=pair.answer_a, answer_b=pair.answer_b)
        found.append((pair.basis, wanted, pair.n_items))
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_every_cell_of_the_counts_leads_to_just_its_items(session: Session, seed: int) -> None:
    campaign = crowd(session, seed)
    up_to_date(session, campaign.id)
    every_cell = cells(session, campaign)
    assert {wanted.by for _, wanted, _ in every_cell} == {"", "all", *(set(KINDS) - {"food", "scene", "scene_country"})}
    assert len(every_cell) > 1000
    wrong = [
        (basis, wanted, n, listed)
        for basis, wanted, n in every_cell
        if (listed := number_of(session, campaign.id, basis, checked(wanted))) != n  # type: ignore[arg-type]
    ]
    assert wrong == []


def keys(session: Session, campaign: Campaign, basis: Any = "first", **wanted: str) -> list[str]:
    up_to_date(session, campaign.id)
    return [item.key for item in every(session, campaign.id, basis, checked(Wanted(**wanted)))]


def test_agreeing_differing_and_single_votes(session: Session) -> None:
    campaign = make_campaign(session)
    for key, votes in (("a", ["yes", "yes", "no"]), ("b", ["no", "yes"]), ("c", ["no"]), ("d", ["unsure", "unsure"])):
        voted(session, make_item(session, campaign, key=key), *votes)
    assert keys(session, campaign) == ["a", "b", "c", "d"]
    for question in ("", IDENTITY):
        assert keys(session, campaign, question=question, votes="agree") == ["a", "d"]
        assert keys(session, campaign, question=question, votes="differ") == ["b"]
        assert keys(session, campaign, "all", question=question, votes="differ") == ["a", "b"]
        assert keys(session, campaign, question=question, votes="single") == ["c"]
        assert keys(session, campaign, question=question, votes="paired") == ["a", "b", "d"]
        assert keys(session, campaign, question=question, votes="any-unsure") == ["d"]
    assert keys(session, campaign, question=ORIGIN, votes="differ") == []
    assert keys(session, campaign, "all", question=IDENTITY, votes="no-yes-yes") == ["a"]
    assert keys(session, campaign, question="background") == []


@pytest.mark.parametrize("basis", ["first", "all"])
def test_the_items_of_those_who_know_any_country_and_of_those_who_do_not(session: Session, basis: Any) -> None:
    """As the page of insiders counts them: items without a country are in none."""
    campaign = crowd(session, 3)
    nowhere = make_item(session, campaign)
    session.get_one(ItemFood, (nowhere.id, 1)).countries = []
    voted(session, nowhere, "yes", "no")
    up_to_date(session, campaign.id)
    for question in QUESTIONS:
        items = sides_of(session, campaign.id, question, basis)[OVERALL]
        expected = {
            "insiders": sum(n for sides, n in items.items() if any(sides.insiders)),
            "outsiders": sum(n for sides, n in items.items() if any(sides.outsiders)),
            "mixed": sum(n for sides, n in items.items() if sides.mixed),
        }
        found = {by: number_of(session, campaign.id, basis, checked(Wanted(question, by))) for by in expected}
        assert found == expected
        assert min(found.values()) > 0


@pytest.mark.parametrize("basis", ["first", "all"])
def test_who_stood_alone(session: Session, basis: Any) -> None:
    """As the page of a rater counts it: an item shared with others of whom nobody gave the same answer."""
    campaign = crowd(session, 4)
    up_to_date(session, campaign.id)
    n_alone = n_differ = 0
    for rater in session.exec(select(RaterVotes.rater_id).distinct()).all():
        weeks = weekly_pairs(session, campaign.id, basis, rater).values()
        for question in QUESTIONS:
            alone = sum(week[question].alone for week in weeks if question in week)
            wanted = Wanted(question, votes="alone", rater=str(rater))
            assert number_of(session, campaign.id, basis, checked(wanted)) == alone
            n_alone += alone
            n_differ += number_of(session, campaign.id, basis, wanted._replace(votes="differ"))
    assert n_alone > 0
    assert (n_alone < n_differ) is (basis == "all")


def test_dish_scene_and_status(session: Session) -> None:
    campaign = make_campaign(session)
    plain = make_item(session, campaign, key="plain", status=Status.REJECTED)
    tokyo = make_item(session, campaign, Subtask.SFB, key="tokyo", background="JP")
    rome = make_item(session, campaign, Subtask.SFB, key="rome", foods=(("Pizza", "IT"),), background="IT")
    make_item(session, campaign, key="not judged")
    for item in (plain, tokyo, rome):
        voted(session, item, "yes", "no")
    assert keys(session, campaign, by="food", part=str(plain.family_id)) == ["plain", "tokyo"]
    for name in ("scene", "scene_country"):
        assert keys(session, campaign, by=name, part="none") == ["plain"]
        assert keys(session, campaign, **{name: "none"}) == ["plain"]
    assert keys(session, campaign, by="scene", part=str(rome.background_id)) == ["rome"]
    assert keys(session, campaign, by="country", part="eg", scene_country="JP") == ["tokyo"]
    assert keys(session, campaign, by="country", part="EG", food=str(plain.family_id)) == ["plain", "tokyo"]
    assert keys(session, campaign, by="country", part="EG", food=str(rome.family_id)) == []
    assert keys(session, campaign, status="rejected") == ["plain"]


def test_pages_hold_each_item_once_in_either_order(session: Session) -> None:
    campaign = make_campaign(session)
    doubts = {"a": 0.1, "b": None, "c": 0.4, "d": 0.4, "e": None}
    for key, doubt in doubts.items():
        item = make_item(session, campaign, Subtask.SFB, key=key)
        voted(session, item, "yes", "no")
        if doubt is not None:
            session.add(ItemPosterior(item_id=item.id, campaign_id=campaign.id, claims={IDENTITY: 0.9}, doubt=doubt))
    up_to_date(session, campaign.id)
    session.execute(
        update(CountedVotes)
        .where(CountedVotes.item_id == item.id)  # type: ignore[arg-type]
        .values(answers=["yy--y", "nn--n"])
    )
    for order, expected in (("key", "abcde"), ("doubt", "cdabe"), ("differing", "eabcd")):
        found, cursor = "", ""
        while True:
            some = page(session, campaign.id, "first", Wanted(), order=order, cursor=cursor, limit=2)  # type: ignore[arg-type]
            found += "".join(item.key for item in some.items)
            if some.next_cursor is None:
                break
            cursor = some.next_cursor
        assert found == expected, order
    last = some.items[-1]
    assert (last.claims, last.doubt, last.background) == ({IDENTITY: 0.9}, 0.4, "a street in Japan")
    assert last.foods == [("Koshary", "EG")]
    assert last.differing("first") == [IDENTITY]
    assert [vote.answer(IDENTITY) for vote in last.votes] == ["yes", "no"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"question": "colour"}, "no question"),
        ({"votes": "yes-maybe"}, "no votes"),
        ({"votes": "yes-no"}, "Choose the question"),
        ({"by": "colour", "part": "x"}, "no by"),
        ({"by": "country"}, "which country"),
        ({"part": "EG"}, "kind of part"),
        ({"by": "insiders", "part": "EG"}, "Choose a question"),
        ({"by": "week", "part": "2026-11-24"}, "named by its Monday"),
        ({"by": "food", "part": "koshary"}, "no dish"),
        ({"by": "mixed"}, "Choose a question"),
        ({"rater": "ann"}, "no person"),
        ({"question": IDENTITY, "votes": "alone"}, "the person who stood alone"),
        ({"rater": str(uuid.UUID(int=1)), "votes": "alone"}, "the person who stood alone"),
        ({"question": IDENTITY, "answer": "yes"}, "Choose the person"),
        ({"a": str(uuid.UUID(int=1))}, "two people"),
        ({"status": "good"}, "no status"),
        ({"scene_country": "Egypt"}, "two-letter code"),
        ({"by": "generator", "part": "a\x00b"}, "can't be read"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_one_sentence(wanted: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        checked(Wanted(**wanted))


@pytest.mark.parametrize("cursor", ["!", "W10", "WzAsMV0", "WzFlOTk5LCJhIl0x", "WzAsIlx1MDAwMCJd"])
def test_a_damaged_cursor_is_one_sentence(session: Session, cursor: str) -> None:
    with pytest.raises(Invalid, match="damaged"):
        page(session, make_campaign(session).id, "first", Wanted(), cursor=cursor)


def test_a_filter_takes_what_leans_on_it_along() -> None:
    wanted = Wanted(IDENTITY, "insiders", "EG", "yes-no", rater="1", answer="yes", a="1", b="2", answer_a="no")
    assert wanted.without("question") == Wanted(rater="1", a="1", b="2")
    assert wanted.without("a") == Wanted(IDENTITY, "insiders", "EG", "yes-no", rater="1", answer="yes")
    assert wanted.without("by").part == ""
    alone = Wanted(IDENTITY, votes="alone", rater="1")
    assert alone.without("question") == Wanted(rater="1")
    assert alone.without("rater") == Wanted(IDENTITY)
    assert checked_votes("unsure-no-yes") == "yes-no-unsure"
