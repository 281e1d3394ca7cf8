"""Who is paused for their answers to gold items, what becomes of their work, and the way back."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts.models import Account, AuditEvent, Role
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Member
from app.campaigns.parameters import Parameters
from app.claims import service as claims
from app.claims.models import Claim
from app.db import transaction
from app.errors import Invalid
from app.gold import members, pool, scores, service
from app.gold.screening import screen, verdict
from app.items.models import Item
from app.judgments import service as judgments
from tests.factories import make_account, make_campaign, make_item
from tests.gold.things import give, make_gold, set_policy
from tests.judgments.answers import all_yes
from tests.locks import wait_for_lock

SCREEN = {"screen_answers": 8, "screen_youden": 0.35}


@pytest.fixture
def campaign(session: Session) -> Campaign:
    return make_campaign(session)


@pytest.fixture
def gold(session: Session, campaign: Campaign) -> list[Item]:
    """Four items: the first claim of each is wrong, the second right, so that yes to all is half right."""
    return [make_gold(session, campaign, "no") for _ in range(4)]


def judge_gold(session: Session, account: Account, items: Sequence[Item], first: str) -> None:
    for item in items:
        give(session, account, item, first)


def run_screen(session: Session, campaign: Campaign) -> None:
    screen(session, campaign, campaigns.current_policy(session, campaign))


def member(session: Session, campaign: Campaign, account: Account) -> Member | None:
    return session.get(Member, (campaign.id, account.id), populate_existing=True)


def is_paused(session: Session, campaign: Campaign, account: Account) -> bool:
    found = member(session, campaign, account)
    return found is not None and found.paused_at is not None


def test_who_says_yes_to_everything_leaves_the_pool_and_who_looks_stays(
    session: Session, campaign: Campaign, gold: list[Item]
) -> None:
    set_policy(session, campaign, **SCREEN)
    clicker, careful = make_account(session), make_account(session)
    judge_gold(session, clicker, gold, "yes")
    judge_gold(session, careful, gold, "no")
    run_screen(session, campaign)
    assert is_paused(session, campaign, clicker)
    assert not is_paused(session, campaign, careful)
    because = member(session, campaign, clicker).paused_because  # type: ignore[union-attr]
    assert because is not None
    assert (because["by"], because["rule"], because["youden"], because["n"]) == ("gold", "youden", 0.0, 8)
    event = session.exec(select(AuditEvent).where(AuditEvent.action == pool.PAUSED)).one()
    assert event.actor_id is None
    assert event.detail["noticed"] == 0


def test_nobody_is_looked_at_before_they_have_answered_enough(
    session: Session, campaign: Campaign, gold: list[Item]
) -> None:
    set_policy(session, campaign, **SCREEN)
    clicker = make_account(session)
    judge_gold(session, clicker, gold[:3], "yes")
    run_screen(session, campaign)
    assert not is_paused(session, campaign, clicker)


def test_without_wrong_claims_youdens_j_says_nothing(session: Session, campaign: Campaign) -> None:
    set_policy(session, campaign, **SCREEN)
    clicker = make_account(session)
    judge_gold(session, clicker, [make_gold(session, campaign) for _ in range(6)], "unsure")
    run_screen(session, campaign)
    assert not is_paused(session, campaign, clicker)


def test_nobody_is_paused_where_the_policy_says_nothing(session: Session, campaign: Campaign, gold: list[Item]) -> None:
    clicker = make_account(session)
    judge_gold(session, clicker, gold, "yes")
    run_screen(session, campaign)
    assert not is_paused(session, campaign, clicker)


@pytest.mark.parametrize(("right", "is_below"), [(9, True), (10, False)])
def test_a_share_of_right_answers_is_too_low_with_the_lower_end_of_its_interval(
    session: Session, campaign: Campaign, right: int, is_below: bool
) -> None:
    """Wilson's interval of 9 of 10 begins at 59.6 %, that of 10 of 10 at 72.2 %."""
    account = make_account(session)
    for number in range(10):
        give(session, account, make_gold(session, campaign, "no"), "no" if number < right else "yes")
    found = verdict(scores.answers(session, campaign.id), Parameters(pause_accuracy=0.6, pause_answers=10))
    assert (found is not None) is is_below
    if found:
        assert (found["question"], found["n"], found["right"]) == ("food1_identity", 10, 9)
    assert verdict(scores.answers(session, campaign.id), Parameters(pause_accuracy=0.6, pause_answers=11)) is None


def test_others_judge_again_what_a_paused_person_judged(session: Session, campaign: Campaign, gold: list[Item]) -> None:
    set_policy(session, campaign, **SCREEN)
    open_item = make_item(session, campaign)
    clicker = make_account(session)
    policy = campaigns.current_policy(session, campaign)
    claim = claims.claim_next(session, clicker, campaign, policy, lease=600).claims[0]
    judgments.submit(session, clicker, claim.id, all_yes())
    session.refresh(open_item)
    assert (open_item.held, open_item.judged) == (1, 1)
    judge_gold(session, clicker, gold, "yes")
    run_screen(session, campaign)
    session.refresh(open_item)
    assert (open_item.held, open_item.judged) == (0, 0)
    assert session.get_one(Claim, claim.id).slot is None
    work = claims.claim_next(session, clicker, campaign, policy, lease=600)
    assert work.claims == []
    assert work.reason is not None
    assert "paused" in work.reason


def test_whoever_is_taken_back_begins_anew(session: Session, campaign: Campaign, gold: list[Item]) -> None:
    set_policy(session, campaign, **SCREEN)
    admin, clicker = make_account(session, Role.ADMIN), make_account(session)
    judge_gold(session, clicker, gold, "yes")
    run_screen(session, campaign)
    assert pool.take_back(session, admin, campaign, clicker.id, "We talked; the phone hid the reasons.")
    run_screen(session, campaign)
    assert not is_paused(session, campaign, clicker), "the old answers count no longer"
    judge_gold(session, clicker, [make_gold(session, campaign, "no") for _ in range(4)], "yes")
    run_screen(session, campaign)
    assert is_paused(session, campaign, clicker), "the new ones do"
    actions = session.exec(
        select(AuditEvent.action).where(AuditEvent.subject_type == pool.SUBJECT).order_by(col(AuditEvent.id))
    ).all()
    assert actions == [pool.PAUSED, pool.TAKEN_BACK, pool.PAUSED]


def test_a_pause_says_so_when_the_gold_behind_it_was_withdrawn(
    session: Session, campaign: Campaign, gold: list[Item]
) -> None:
    set_policy(session, campaign, **SCREEN)
    admin, person = make_account(session, Role.ADMIN), make_account(session)
    judge_gold(session, person, gold, "yes")
    run_screen(session, campaign)
    policy = campaigns.current_policy(session, campaign)
    assert not members.people(session, campaign, policy)[0].would_stay
    service.withdraw(session, admin, gold[0].id, "It was right after all.")
    assert members.people(session, campaign, policy)[0].would_stay


def test_an_admin_pauses_with_a_note_and_only_sets_aside_what_they_say(session: Session, campaign: Campaign) -> None:
    admin, person = make_account(session, Role.ADMIN), make_account(session)
    item = make_item(session, campaign)
    policy = campaigns.current_policy(session, campaign)
    claim = claims.claim_next(session, person, campaign, policy, lease=600).claims[0]
    judgments.submit(session, person, claim.id, all_yes())
    with pytest.raises(Invalid):
        pool.pause(session, admin, campaign, person.id, " ", set_aside=False)
    assert pool.pause(session, admin, campaign, person.id, "Asked for a break.", set_aside=False)
    assert not pool.pause(session, admin, campaign, person.id, "Again.", set_aside=True), "twice is no error"
    session.refresh(item)
    assert item.judged == 1


def test_somebody_paused_before_their_first_item_is_not_given_it_meanwhile(fresh_engine: sa.Engine) -> None:
    with transaction(fresh_engine) as session:
        campaign, newcomer = make_campaign(session), make_account(session)
        policy = campaigns.current_policy(session, campaign)
        make_item(session, campaign)

    def ask() -> claims.Work:
        with transaction(fresh_engine) as session:
            return claims.claim_next(session, newcomer, campaign, policy, lease=60)

    with ThreadPoolExecutor(1) as threads:
        with transaction(fresh_engine) as session:
            pool.leave(session, None, campaign, newcomer, {"by": "admin", "note": "No."}, set_aside=True)
            asked = threads.submit(ask)
            wait_for_lock(fresh_engine)
        assert asked.result().claims == []
