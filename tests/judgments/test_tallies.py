"""The kept counts equal a count from nothing, whatever happened and in whatever order."""

import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule, run_state_machine_as_test
from sqlmodel import Session, select

from app.accounts.models import Account, KnownCountry, Role
from app.adjudication.recheck import RecheckUnderWay, TooFewFresh, recheck
from app.adjudication.service import NotDecidedYet
from app.agreement.tallies import QUESTIONS, ItemVotes, Vote
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims import service as claims
from app.claims.models import Claim
from app.claims.service import LeaseGone
from app.db import now
from app.items.models import Background, Gold, Item, ItemFood, Subtask
from app.judgments import service as judgments
from app.judgments.models import Judgment
from app.judgments.service import AlreadyDecided, Answers, question_keys
from app.judgments.tallies import counted_afresh, rebuild, up_to_date
from tests.agreement.test_tallies import slowly
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import all_yes, answer
from tests.judgments.test_submit import expire
from tests.judgments.test_votes import voted

TABLES = ("counted_votes", "vote_pattern", "rater_votes", "rater_pair")


def kept(session: Session, campaign: Campaign) -> dict[str, Counter[Any]]:
    """Every row of the campaign's tables, as text."""
    return {
        table: Counter(
            session.execute(
                sa.text(f"SELECT CAST({table} AS text) FROM {table} WHERE campaign_id = :campaign"),
                {"campaign": campaign.id},
            ).scalars()
        )
        for table in TABLES
    }


def sums(session: Session, campaign: Campaign) -> tuple[dict[Any, int], ...]:
    """The tables of counts by key, as `Tally` has them."""
    columns = (
        ("vote_pattern", "basis, question, kind, part, yes, no, unsure"),
        ("rater_votes", "basis, question, kind, part, CAST(rater_id AS text), answer"),
        ("rater_pair", "basis, question, CAST(a AS text), CAST(b AS text), answer_a, answer_b"),
    )
    return tuple(
        {
            tuple(key): n
            for *key, n in session.execute(
                sa.text(f"SELECT {key}, n_items FROM {table} WHERE campaign_id = :campaign"), {"campaign": campaign.id}
            )
        }
        for table, key in columns
    )


def check(session: Session, campaign: Campaign) -> None:
    """Four ways to the same counts: kept up to date, past the tables, by hand, and from nothing into the tables."""
    up_to_date(session, campaign.id)
    before, counted = kept(session, campaign), sums(session, campaign)
    fresh = counted_afresh(session, campaign.id)
    assert counted == (fresh.patterns, fresh.raters, fresh.pairs)
    assert counted == by_hand(session, campaign)
    assert all(n > 0 for table in counted for n in table.values())
    assert rebuild(session, campaign.id).n_differing == 0
    assert kept(session, campaign) == before
    assert (
        session.execute(
            sa.text("SELECT count(*) FROM vote_change WHERE campaign_id = :c"), {"c": campaign.id}
        ).scalar_one()
        == 0
    )


def by_hand(session: Session, campaign: Campaign) -> tuple[Counter[Any], ...]:
    """The counts from the rows as they were written, sharing nothing with the code that keeps them."""
    known = {(row.account_id, row.country) for row in session.exec(select(KnownCountry))}
    totals = (Counter[Any](), Counter[Any](), Counter[Any]())
    for item in session.exec(select(Item).where(Item.campaign_id == campaign.id)):
        if session.exec(select(Gold).where(Gold.item_id == item.id)).first():
            continue
        scene = session.get(Background, item.background_id) if item.background_id else None
        about = {"background": [scene.country] if scene and scene.country else []}
        for food in session.exec(select(ItemFood).where(ItemFood.item_id == item.id)):
            about |= dict.fromkeys((f"food{food.slot}_identity", f"food{food.slot}_origin"), food.countries)
        given = [
            claim
            for claim in session.exec(
                select(Claim).where(Claim.item_id == item.id).execution_options(populate_existing=True)
            )
            if claim.judgment_id and claim.slot
        ]
        votes = []
        for claim in sorted(given, key=lambda claim: (claim.ended_at, claim.id)):
            said = session.get_one(Judgment, claim.judgment_id).answers
            votes.append(
                Vote(
                    str(claim.account_id),
                    "".join(said[key]["answer"][0] if key in said else "-" for key in QUESTIONS),
                    "".join(
                        "-" if key not in said else "01"[any((claim.account_id, name) in known for name in about[key])]
                        for key in QUESTIONS
                    ),
                    claim.ended_at.astimezone(UTC).date(),
                )
            )
        parts = [("subtask", item.subtask.value), ("generator", item.generator or "not stated")]
        parts += [("country", name) for name in about["food1_identity"]]
        countries = tuple(tuple(about.get(key, ())) for key in QUESTIONS)
        for total, part in zip(totals, slowly(ItemVotes(tuple(votes), tuple(parts), countries)), strict=True):
            total.update(part)
    return totals


def take(session: Session, campaign: Campaign, account: Account) -> Claim | None:
    policy = campaigns.current_policy(session, campaign)
    found = claims.claim_next(session, account, campaign, policy, lease=600).claims
    return found[0] if found else None


class Life(RuleBasedStateMachine):
    """Two campaigns with everything that may befall them: one wants two judgments an item, the other three."""

    session: Session  # set by the test
    lapsed: Bundle[uuid.UUID] = Bundle("lapsed")
    person = st.integers(0, 5)
    place = st.integers(0, 1)
    number = st.integers(0, 3)
    votes = st.integers(0, 3**5 - 1).map(lambda n: [("yes", "no", "unsure")[n // 3**place % 3] for place in range(5)])

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = self.session.begin_nested()
        self.admin = make_account(self.session, Role.ADMIN)
        self.people = [make_account(self.session) for _ in range(6)]
        self.campaigns = [make_campaign(self.session, policy=policy) for policy in ("fixed-2", "fixed-3")]
        self.items = [
            [
                make_item(self.session, campaign, Subtask.SF, generator="one", priority=4),
                make_item(self.session, campaign, Subtask.MFB, background="EG", priority=3),
                make_item(self.session, campaign, Subtask.SFB, foods=(("Pizza", "IT"),), priority=2),
                make_item(self.session, campaign, Subtask.MF, priority=1),
            ]
            for campaign in self.campaigns
        ]

    def teardown(self) -> None:
        for campaign in self.campaigns:
            check(self.session, campaign)
        self.savepoint.rollback()
        self.session.expire_all()

    def answer(self, account: Account, claim: Claim, votes: list[str]) -> None:
        item = self.session.get_one(Item, claim.item_id)
        policy = campaigns.current_policy(self.session, self.session.get_one(Campaign, item.campaign_id))
        reason = {question["key"]: question["reasons"][0]["code"] for question in policy.questions}
        given = {
            key: answer(vote, *[reason[key]] * (vote == "no"))
            for key, vote in zip(question_keys(item.subtask), votes, strict=False)
        }
        with suppress(AlreadyDecided, LeaseGone):
            judgments.submit(self.session, account, claim.id, Answers(given))

    @rule(where=place, who=person, votes=votes)
    def judge(self, where: int, who: int, votes: list[str]) -> None:
        if claim := take(self.session, self.campaigns[where], self.people[who]):
            self.answer(self.people[who], claim, votes)

    @rule(where=place, votes=votes)
    def everybody_judges(self, where: int, votes: list[str]) -> None:
        for who in range(len(self.people)):
            self.judge(where, who, votes[who % 5 :] + votes[: who % 5])

    @rule(target=lapsed, where=place, who=person)
    def let_lapse(self, where: int, who: int) -> uuid.UUID | None:
        claim = take(self.session, self.campaigns[where], self.people[who])
        if claim:
            expire(self.session, claim)
        return claim.id if claim else None

    @rule(which=consumes(lapsed), votes=votes)
    def answer_late(self, which: uuid.UUID | None, votes: list[str]) -> None:
        if which:
            claim = self.session.get_one(Claim, which)
            self.answer(self.session.get_one(Account, claim.account_id), claim, votes)

    @rule(where=place, who=person, votes=votes)
    def change_a_mind(self, where: int, who: int, votes: list[str]) -> None:
        mine = select(Claim).where(
            Claim.campaign_id == self.campaigns[where].id,
            Claim.account_id == self.people[who].id,
            Claim.state == "judged",
        )
        for claim in self.session.exec(mine.order_by(Claim.id)).all():  # type: ignore[arg-type]
            self.answer(self.people[who], claim, votes)

    @rule(where=place, who=person, skip=st.booleans())
    def give_back(self, where: int, who: int, skip: bool) -> None:
        if claim := take(self.session, self.campaigns[where], self.people[who]):
            claims.give_back(self.session, self.people[who], claim.id, reason=None, skip=skip)

    @rule(where=place, which=number)
    def send_back(self, where: int, which: int) -> None:
        with suppress(NotDecidedYet, RecheckUnderWay, TooFewFresh):
            recheck(self.session, self.admin, self.items[where][which].id, "In doubt.")

    @rule(where=place, which=number, what=st.sampled_from(["add", "withdraw", "remove"]))
    def gold(self, where: int, which: int, what: str) -> None:
        key = (self.items[where][which].id, "food1_origin")
        known = self.session.get(Gold, key)
        if what == "add" and known is None:
            self.session.add(Gold(item_id=key[0], question=key[1], answer="yes"))
        elif what == "withdraw" and known is not None:
            known.withdrawn_at = now()
        elif what == "remove" and known is not None:
            self.session.delete(known)
        self.session.flush()

    @rule(who=person, country=st.sampled_from(["EG", "IT", "JP"]))
    def learn_or_forget(self, who: int, country: str) -> None:
        known = self.session.get(KnownCountry, (self.people[who].id, country))
        if known is None:
            self.session.add(KnownCountry(account_id=self.people[who].id, country=country))
        else:
            self.session.delete(known)
        self.session.flush()

    @rule(where=place)
    def look(self, where: int) -> None:
        """The version changes exactly when something is another; looking again changes nothing."""
        campaign = self.campaigns[where]
        last = self.session.execute(
            sa.text("SELECT version FROM tally_state WHERE campaign_id = :c"), {"c": campaign.id}
        ).scalar_one_or_none()
        before = kept(self.session, campaign)
        version = up_to_date(self.session, campaign.id)
        assert (version != (last or campaign.id)) == (kept(self.session, campaign) != before)
        assert up_to_date(self.session, campaign.id) == version


def test_the_counts_hold_whatever_happens(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.judgments.tallies.BATCH", 3)
    machine = type("Life", (Life,), {"session": session})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=10,
            phases=[Phase.generate],
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@contextmanager
def statements(session: Session) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database meanwhile."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    connection = session.connection()
    sa.event.listen(connection, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        sa.event.remove(connection, "before_cursor_execute", note)


def test_a_look_at_what_has_not_changed_asks_two_short_questions(session: Session) -> None:
    campaign = make_campaign(session)
    voted(session, campaign, make_item(session, campaign), "yes", "no")
    first = up_to_date(session, campaign.id)
    with statements(session) as asked:
        assert up_to_date(session, campaign.id) == first
    assert [statement.split()[0] for statement, _ in asked] == ["SELECT", "SELECT"]
    assert not any(table in statement for statement, _ in asked for table in (*TABLES, "judgment"))


def test_only_the_item_that_changed_is_counted_again(session: Session) -> None:
    campaign = make_campaign(session)
    old, new = make_item(session, campaign), make_item(session, campaign)
    voted(session, campaign, old, "yes", "no")
    up_to_date(session, campaign.id)
    voted(session, campaign, new, "yes")
    with statements(session) as asked:
        up_to_date(session, campaign.id)
    (counted,) = [parameters for statement, parameters in asked if "judgment" in statement]
    assert counted["items"] == [new.id]


def test_other_words_about_the_same_answers_are_no_change_of_the_counts(session: Session) -> None:
    campaign, person = make_campaign(session), make_account(session)
    voted(session, campaign, make_item(session, campaign), "no", people=[person])
    version = up_to_date(session, campaign.id)
    claim = session.exec(select(Claim)).one()
    judgments.submit(session, person, claim.id, all_yes(food1_identity=answer("no", "other_dish")))
    with statements(session) as asked:
        assert up_to_date(session, campaign.id) == version
    assert not any(statement.lstrip().startswith("INSERT INTO vote_pattern") for statement, _ in asked)


def test_an_item_whose_judgments_no_longer_count_leaves_no_row_behind(session: Session) -> None:
    campaign = make_campaign(session)
    voted(session, campaign, make_item(session, campaign), "yes", "no")
    version = up_to_date(session, campaign.id)
    session.execute(sa.text("UPDATE claim SET slot = NULL"))
    assert up_to_date(session, campaign.id) != version
    assert not any(kept(session, campaign).values())
    check(session, campaign)


def test_a_campaign_without_counts_has_a_version_of_its_own(session: Session) -> None:
    here, there = make_campaign(session), make_campaign(session)
    assert up_to_date(session, here.id) == up_to_date(session, here.id) != up_to_date(session, there.id)


def test_a_withdrawn_known_answer_keeps_the_item_out_and_a_removed_one_lets_it_in(session: Session) -> None:
    campaign = make_campaign(session)
    item = make_item(session, campaign)
    voted(session, campaign, item, "yes", "no")
    up_to_date(session, campaign.id)
    counts = sums(session, campaign)
    assert counts[2]
    gold = Gold(item_id=item.id, question="food1_origin", answer="yes")
    for change in (lambda: session.add(gold), lambda: setattr(gold, "withdrawn_at", now())):
        change()
        session.flush()
        up_to_date(session, campaign.id)
        assert sums(session, campaign) == ({}, {}, {})
    session.delete(gold)
    session.flush()
    up_to_date(session, campaign.id)
    assert sums(session, campaign) == counts


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE vote_pattern SET n_items = 2 WHERE (kind, question, basis) = ('all', 'food1_identity', 'all')",
        "DELETE FROM rater_pair WHERE basis = 'first' AND question = 'food1_origin'",
        "UPDATE counted_votes SET answers = '{nn---,nn---}'",
    ],
)
def test_a_rebuild_says_how_many_numbers_were_wrong_and_mends_them(session: Session, damage: str) -> None:
    campaign = make_campaign(session)
    voted(session, campaign, make_item(session, campaign), "yes", "no")
    version = up_to_date(session, campaign.id)
    right = kept(session, campaign)
    session.execute(sa.text(damage))
    found = rebuild(session, campaign.id)
    assert (found.n_items, found.n_judgments, found.n_differing) == (1, 2, 1)
    assert found.n_numbers == sum(len(rows) for rows in right.values())
    assert kept(session, campaign) == right
    assert up_to_date(session, campaign.id) != version
    assert rebuild(session, campaign.id).n_differing == 0


def test_what_was_not_yet_counted_is_no_difference(session: Session) -> None:
    campaign = make_campaign(session)
    voted(session, campaign, make_item(session, campaign), "yes", "no")
    up_to_date(session, campaign.id)
    voted(session, campaign, make_item(session, campaign), "no", "no")
    found = rebuild(session, campaign.id)
    assert (found.n_items, found.n_judgments, found.n_differing) == (2, 4, 0)
