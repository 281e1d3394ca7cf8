"""Everything that can happen to undecided and decided items, in random orders: the books hold after every step."""

import random
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account, KnownCountry, Role
from app.adjudication import recheck, service
from app.adjudication.models import Adjudication
from app.adjudication.undo import undo
from app.campaigns import service as campaigns
from app.campaigns.models import Member, Policy
from app.campaigns.parameters import NEVER, Parameters, first_visits, stored
from app.claims import leases
from app.claims import service as claims
from app.claims.models import Claim, ClaimState
from app.errors import TerroirError
from app.gold import pool
from app.items.models import Item, Status
from app.judgments import policy_change, refit
from app.judgments import service as judgments
from tests.factories import make_account, make_campaign, make_item
from tests.gold.things import make_gold
from tests.judgments.answers import all_yes, answer

STEPS = 150

BOOKS = """
    SELECT item.key, item.status, item.wanted, item.held, item.judged, item.reserved, item.hold,
           count(claim.slot) AS slots, count(DISTINCT claim.slot) AS distinct_slots, max(claim.slot) AS last,
           count(claim.slot) FILTER (WHERE state = 'judged') AS judged_slots,
           count(*) FILTER (WHERE state NOT IN ('open', 'judged') AND slot IS NOT NULL) AS lost_slots,
           count(*) FILTER (WHERE is_test AND slot IS NOT NULL) AS test_slots,
           count(*) FILTER (WHERE state = 'open' AND slot IS NULL AND NOT is_test) AS homeless,
           (SELECT count(*) FROM revision_request AS asked WHERE item_id = item.id AND asked.state = 'open') AS requests
    FROM item LEFT JOIN claim ON claim.item_id = item.id
    WHERE NOT EXISTS (SELECT FROM gold WHERE gold.item_id = item.id) GROUP BY item.id
"""


class Walk:
    def __init__(self, session: Session, seed: int) -> None:
        self.session, self.rng = session, random.Random(seed)
        self.campaign = make_campaign(session, f"walk-{seed}", policy="fixed-2")
        self.set_rule()
        self.people = [make_account(session) for _ in range(7)]
        for person in self.people[::2]:
            session.add(KnownCountry(account_id=person.id, country="EG"))
        self.admin = make_account(session, Role.ADMIN)
        self.items = [make_item(session, self.campaign, foods=((f"Dish {n % 3}", "EG"),)).id for n in range(6)]
        for n in range(3):
            make_gold(session, self.campaign, foods=((f"Gold {n}", "JP"),))

    @property
    def policy(self) -> Policy:
        return campaigns.current_policy(self.session, self.campaign)

    def set_rule(self) -> None:
        policy = self.policy
        policy.rule = self.rng.choice(["fixed", "adaptive"])
        policy.overlap = self.rng.randint(2, 4)
        policy.parameters = stored(
            Parameters(
                gold_first=0.2,
                gold_last=0.2,
                insiders=self.rng.randint(0, 2),
                open_questions_only=self.rng.random() < 0.5,
                better_half_from=self.rng.choice([0, 3]),
                audit_share=self.rng.choice([0, 0.3]),
                start=2,
            )
        )
        self.session.add(policy)
        self.session.flush()

    def person(self) -> Account:
        return self.rng.choice(self.people)

    def item(self, *states: Status) -> Item | None:
        query = (
            select(Item)
            .where(col(Item.id).in_(self.items), col(Item.status).in_(states))
            .order_by(col(Item.key))
            .execution_options(populate_existing=True)
        )
        found = self.session.exec(query).all()
        return self.rng.choice(found) if found else None

    def claim(self) -> None:
        claims.claim_next(
            self.session, self.person(), self.campaign, self.policy, count=self.rng.randint(1, 3), lease=60
        )

    def mine(self, *states: ClaimState) -> Claim | None:
        query = select(Claim).where(Claim.campaign_id == self.campaign.id, col(Claim.state).in_(states))
        found = self.session.exec(query.order_by(col(Claim.id)).execution_options(populate_existing=True)).all()
        return self.rng.choice(found) if found else None

    def answer(self, *states: ClaimState) -> None:
        if (claim := self.mine(*states)) is not None:
            person = self.session.get_one(Account, claim.account_id)
            first = self.rng.choices(["yes", "no", "unsure"], [6, 3, 1])[0]
            given = all_yes(food1_identity=answer(first))
            asked = {key: said for key, said in given.answers.items() if key in (claim.questions or given.answers)}
            judgments.submit(self.session, person, claim.id, given._replace(answers=asked))

    def judge(self) -> None:
        self.answer(ClaimState.OPEN)

    def judge_late(self) -> None:
        self.answer(ClaimState.EXPIRED)

    def judge_skipped(self) -> None:
        self.answer(ClaimState.SKIPPED)

    def revise(self) -> None:
        self.answer(ClaimState.JUDGED)

    def extend(self) -> None:
        if (claim := self.mine(ClaimState.EXPIRED, ClaimState.OPEN)) is not None:
            claims.extend(self.session, self.session.get_one(Account, claim.account_id), claim.id, 60)

    def give_back(self) -> None:
        if (claim := self.mine(ClaimState.OPEN, ClaimState.EXPIRED)) is not None:
            person = self.session.get_one(Account, claim.account_id)
            claims.give_back(self.session, person, claim.id, reason=None, skip=self.rng.random() < 0.3)

    def lapse(self) -> None:
        self.session.execute(
            sa.text("UPDATE claim SET expires_at = now() - interval '1 s' WHERE state = 'open' AND random() < 0.5")
        )
        leases.reclaim(self.session, self.campaign.id)

    def leave(self) -> None:
        pool.pause(self.session, self.admin, self.campaign, self.person().id, "No.", set_aside=self.rng.random() < 0.7)

    def come_back(self) -> None:
        for person in self.people:
            if self.session.get(Member, (self.campaign.id, person.id)):
                pool.take_back(self.session, self.admin, self.campaign, person.id, "Yes.")

    def settle(self) -> None:
        if (item := self.item(Status.DISPUTED, Status.APPROVED, Status.REJECTED)) is not None:
            outcome = self.rng.choice(["approved", "rejected"])
            service.settle(self.session, self.admin, item.id, outcome, "So it is.")

    def undo(self) -> None:
        found = self.session.exec(select(Adjudication).order_by(col(Adjudication.created_at).desc()).limit(3)).all()
        if found:
            undo(self.session, self.admin, self.rng.choice(found).id)

    def send_back(self) -> None:
        if (item := self.item(Status.DISPUTED, Status.APPROVED, Status.REJECTED)) is not None:
            recheck.recheck(self.session, self.admin, item.id, "Look again.")

    def refit(self) -> None:
        if self.policy.rule == "adaptive":
            for item in refit._items(self.session, self.items):
                refit._decide(self.session, item, self.policy)

    def change_policy(self) -> None:
        self.set_rule()
        visits, policy = first_visits(self.policy), self.policy
        scope = {
            "wanted": visits.wanted,
            "reserved": visits.reserved,
            "late_from": visits.late_from,
            "never": NEVER,
            "open_only": bool(policy.parameters.get("open_questions_only")) and policy.rule == "adaptive",
        }
        policy_change.bring_items(self.session, policy, self.items, scope)

    def step(self) -> str:
        """What was done, or tried and refused."""
        ways: list[tuple[Callable[[], None], int]] = [
            (self.claim, 12),
            (self.judge, 14),
            (self.judge_late, 3),
            (self.judge_skipped, 2),
            (self.revise, 2),
            (self.extend, 3),
            (self.give_back, 3),
            (self.lapse, 2),
            (self.leave, 1),
            (self.come_back, 1),
            (self.settle, 2),
            (self.undo, 2),
            (self.send_back, 1),
            (self.refit, 1),
            (self.change_policy, 1),
        ]
        (way,) = self.rng.choices([way for way, _ in ways], [weight for _, weight in ways])
        savepoint = self.session.begin_nested()
        try:
            way()
            self.session.flush()
            savepoint.commit()
        except TerroirError as error:
            savepoint.rollback()
            return f"{way.__name__}: {error}"
        return way.__name__

    def faults(self) -> list[str]:
        wrong = []
        for row in self.session.execute(sa.text(BOOKS)):
            faults = {
                "held": row.held != row.slots or row.held != row.distinct_slots,
                "judged": row.judged != row.judged_slots,
                "last": (row.last or 0) > row.wanted,
                "lost": row.lost_slots or row.test_slots or row.homeless,
                "reserved": row.held + row.reserved > row.wanted,
                "stuck": row.status == "pending" and row.judged == row.wanted,
                "held though decided": row.status != "pending" and row.held != row.judged,
                "gap though decided": row.status != "pending" and row.slots != (row.last or 0),
                "requests": (row.status == "rejected") != (row.requests == 1),
            }
            wrong += [f"{row}: {name}" for name, fault in faults.items() if fault]
        return wrong


@pytest.mark.parametrize("seed", range(4))
def test_the_books_hold_whatever_happens(session: Session, seed: int) -> None:
    walk = Walk(session, seed)
    done: list[str] = []
    for _ in range(STEPS):
        done.append(walk.step())
        assert walk.faults() == [], done[-8:]
