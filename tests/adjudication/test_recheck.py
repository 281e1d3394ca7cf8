"""Sending an item back: fresh annotators judge it without knowing, and nothing earlier changes."""

import io
import re
import threading
import uuid
from collections import Counter
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.accounts.models import Account, AuditEvent, Role
from app.adjudication.models import Adjudication
from app.adjudication.recheck import RecheckUnderWay, TooFewFresh, fresh_annotators, recheck
from app.adjudication.service import NotDecidedYet, settle
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims import service as claims
from app.db import transaction
from app.errors import Invalid, NotFound
from app.items.models import Item, Status, Subtask
from app.judgments.models import Decision, Judgment, Method
from app.judgments.service import AlreadyDecided, submit
from app.judgments.votes import agreement
from app.releases.models import ReleaseItem, ReleaseStatus
from app.releases.publish import build_now
from app.releases.service import get_release
from app.releases.verify import verify_published
from app.settings import Settings
from app.storage import Storage, storage_for
from tests.adjudication.conftest import NO, UNSURE, judge
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_food, make_image, make_item
from tests.judgments.answers import all_yes
from tests.releases.conftest import World


@pytest.fixture(autouse=True)
def fresh(session: Session) -> list[Account]:
    """Three annotators who have judged nothing."""
    return [make_account(session) for _ in range(3)]


def decisions(session: Session, item: Item) -> list[Decision]:
    return list(session.exec(select(Decision).where(Decision.item_id == item.id).order_by(Decision.id)))  # type: ignore[arg-type]


def claim_of(session: Session, person: Account, campaign: Campaign) -> claims.Work:
    policy = campaigns.current_policy(session, campaign)
    return claims.claim_next(session, person, campaign, policy, count=10, lease=600)


def test_an_item_sent_back_waits_for_as_many_fresh_judgments(session: Session, admin: Account, approved: Item) -> None:
    (rule,) = decisions(session, approved)
    sent = recheck(session, admin, approved.id, " Five models say Iran. ", because={"models": 6, "against": 5})
    assert (approved.status, approved.wanted, approved.held, approved.judged) == (Status.PENDING, 6, 3, 3)
    assert approved.decided_at is None
    assert (sent.outcome, sent.method, sent.rule) == (Status.PENDING, Method.RECHECK, "recheck/1")
    assert sent.detail == {
        "before": "approved", "overrides_decision": rule.id, "slots_before": 3, "wanted": 3,
        "because": {"models": 6, "against": 5},
    }  # fmt: skip
    word = session.exec(select(Adjudication).where(Adjudication.decision_id == sent.id)).one()
    assert (word.account_id, word.outcome, word.note) == (admin.id, Status.PENDING, "Five models say Iran.")
    event = session.exec(select(AuditEvent).where(AuditEvent.action == "item.sent_back")).one()
    assert (event.actor_id, event.subject_id) == (admin.id, str(approved.id))
    assert event.detail == {"before": "approved", "decision": sent.id, "models": 6, "against": 5}


@pytest.mark.parametrize(
    ("votes", "outcome"),
    [(({}, {}, NO), Status.APPROVED), ((NO, NO, {}), Status.REJECTED), (({}, UNSURE, NO), Status.DISPUTED)],
)
def test_the_rule_decides_on_the_fresh_judgments_alone(
    session: Session, campaign: Campaign, admin: Account, approved: Item, votes: Any, outcome: Status
) -> None:
    before = judge_ids(session, approved)
    recheck(session, admin, approved.id, "Look again.")
    judge(session, campaign, approved, *votes)
    last = decisions(session, approved)[-1]
    assert (approved.status, last.outcome, last.method) == (outcome, outcome, Method.RULE)
    assert last.detail["needed"] == 3
    assert sum(last.detail["tallies"]["food1_identity"].values()) == 3
    assert set(last.detail["judgments"]) == judge_ids(session, approved) - before
    assert [decision.method for decision in decisions(session, approved)] == ["rule", "recheck", "rule"]
    assert (approved.held, approved.judged, approved.wanted) == (6, 6, 6)


def judge_ids(session: Session, item: Item) -> set[str]:
    return {str(id_) for id_ in session.exec(select(Judgment.id).where(Judgment.item_id == item.id))}


def test_an_item_can_be_sent_back_again_and_settled_in_the_end(
    session: Session, campaign: Campaign, admin: Account, disputed: Item
) -> None:
    settle(session, admin, disputed.id, "rejected", "No.")
    recheck(session, admin, disputed.id, "Perhaps it is.")
    judge(session, campaign, disputed, NO, NO, NO)
    assert disputed.status is Status.REJECTED
    for _ in range(3):
        make_account(session)
    recheck(session, admin, disputed.id, "Once more.")
    judge(session, campaign, disputed, {}, {}, NO)
    assert (disputed.status, disputed.wanted) == (Status.APPROVED, 9)
    settle(session, admin, disputed.id, "rejected", "My word.")
    methods = [decision.method for decision in decisions(session, disputed)]
    assert methods == ["rule", "adjudication", "recheck", "rule", "recheck", "rule", "adjudication"]


def test_only_who_has_not_judged_it_is_given_it(
    session: Session, campaign: Campaign, admin: Account, fresh: list[Account]
) -> None:
    item = make_item(session, campaign)
    skipper = fresh[0]
    (held,) = claim_of(session, skipper, campaign).claims
    claims.give_back(session, skipper, held.id, reason="cannot_tell", skip=True)
    judges = judge(session, campaign, item, {}, {}, {})
    make_account(session)
    recheck(session, admin, item.id, "Look again.")
    for person in (*judges, skipper):
        work = claim_of(session, person, campaign)
        assert list(work.claims) == []
    assert [claim.item_id for claim in claim_of(session, fresh[1], campaign).claims] == [item.id]


def test_no_more_fresh_people_than_wanted_are_given_it(
    session: Session, campaign: Campaign, admin: Account, approved: Item, fresh: list[Account]
) -> None:
    recheck(session, admin, approved.id, "Look again.")
    slots = [claim.slot for person in fresh for claim in claim_of(session, person, campaign).claims]
    assert slots == [4, 5, 6]
    assert list(claim_of(session, make_account(session), campaign).claims) == []


def test_earlier_answers_stay_as_they_are(session: Session, campaign: Campaign, admin: Account) -> None:
    item = make_item(session, campaign)
    first, *_ = judge(session, campaign, item, {}, {}, {})
    late = make_account(session)
    recheck(session, admin, item.id, "Look again.")
    (claim,) = session.exec(select(claims.Claim).where(claims.Claim.account_id == first.id))
    with pytest.raises(AlreadyDecided) as refused:
        submit(session, first, claim.id, all_yes(item.subtask, **NO))
    assert refused.value.message == "This item has been decided since, so your answers on it can't change any more."
    assert submit(session, first, claim.id, all_yes(item.subtask)).is_new is False
    (held,) = claim_of(session, late, campaign).claims
    submit(session, late, held.id, all_yes(item.subtask))
    assert submit(session, late, held.id, all_yes(item.subtask, **NO)).is_new, "fresh answers may still change"


def test_who_had_let_it_lapse_may_still_answer_afresh(session: Session, campaign: Campaign, admin: Account) -> None:
    item = make_item(session, campaign)
    slow = make_account(session)
    policy = campaigns.current_policy(session, campaign)
    (late,) = claims.claim_next(session, slow, campaign, policy, count=1, lease=-1).claims
    judge(session, campaign, item, {}, {}, {})
    recheck(session, admin, item.id, "Look again.")
    assert submit(session, slow, late.id, all_yes(item.subtask)).status == "counted"
    session.refresh(late)
    assert late.slot == 4


def test_agreement_does_not_move(session: Session, campaign: Campaign, admin: Account, approved: Item) -> None:
    other = make_item(session, campaign)
    judge(session, campaign, other, {}, NO, {})
    before = agreement(session, campaign.id, replicates=0)
    recheck(session, admin, approved.id, "Look again.")
    assert agreement(session, campaign.id, replicates=0) == before
    judge(session, campaign, approved, NO, NO, NO)
    assert agreement(session, campaign.id, replicates=0) == before


def test_it_can_not_be_sent_back_twice_at_a_time(session: Session, admin: Account, approved: Item) -> None:
    recheck(session, admin, approved.id, "Look again.")
    with pytest.raises(RecheckUnderWay):
        recheck(session, make_account(session, Role.ADMIN), approved.id, "Me too.")
    assert (approved.wanted, len(decisions(session, approved))) == (6, 2)


def test_what_was_never_decided_is_not_sent_back(session: Session, campaign: Campaign, admin: Account) -> None:
    item = make_item(session, campaign)
    judge(session, campaign, item, {})
    with pytest.raises(NotDecidedYet):
        recheck(session, admin, item.id, "Hurry.")
    assert (item.wanted, decisions(session, item)) == (3, [])


def test_it_takes_enough_people_who_have_not_judged_it(
    session: Session, admin: Account, approved: Item, fresh: list[Account]
) -> None:
    assert fresh_annotators(session, [approved.id]) == {approved.id: 3}
    fresh[0].is_active = False
    make_account(session, is_simulated=True)
    session.flush()
    with pytest.raises(TooFewFresh) as refused:
        recheck(session, admin, approved.id, "Look again.")
    assert refused.value.message == (
        "Only 2 annotators are left who have not judged SF/approved.jpg, and 3 are needed; invite more people first."
    )
    assert (approved.status, approved.wanted) == (Status.APPROVED, 3)


def test_simulated_people_may_judge_again_what_simulated_people_judged(
    session: Session, admin: Account, approved: Item
) -> None:
    for account in session.exec(select(Account).where(Account.role == Role.ANNOTATOR)):
        account.is_simulated = True
    session.flush()
    assert fresh_annotators(session, [approved.id]) == {approved.id: 3}


@pytest.mark.parametrize("note", ["", " \n", "x" * 2001, "a\0b", "half \ud83d"])
def test_it_takes_a_reason(session: Session, admin: Account, approved: Item, note: str) -> None:
    with pytest.raises(Invalid) as refused:
        recheck(session, admin, approved.id, note)
    assert list(refused.value.fields) == ["note"]
    assert approved.status is Status.APPROVED


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.RESEARCHER])
def test_to_other_roles_the_item_looks_absent(session: Session, approved: Item, role: Role) -> None:
    with pytest.raises(NotFound):
        recheck(session, make_account(session, role), approved.id, "Mine.")


def _masked(text: str) -> str:
    """Without what differs between any two items: ids, the image's name, times."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
    text = re.sub(r"[0-9a-f]{64}", "SHA", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", "TIME", text)


@pytest.fixture
def twins(session: Session) -> tuple[Campaign, Item, Campaign, Item]:
    """The same item in two campaigns of one name: in the first it was decided and is sent back, in the second new."""
    make_food(session)
    found: list[Any] = []
    for slug in ("twin-a", "twin-b"):
        campaign = make_campaign(session, slug, name="Twins")
        image = make_image(session, "the same picture")
        found += [campaign, make_item(session, campaign, Subtask.SFB, key="SFB/1.jpg", image_sha256=image.sha256)]
    return tuple(found)


def test_nothing_an_annotator_can_see_tells_an_item_that_was_sent_back(
    session: Session, twins: Any, admin: Account, fresh: list[Account], browse: SignIn, call: SignIn
) -> None:
    campaign, item, other, _ = twins
    judge(session, campaign, item, {}, {}, NO)
    recheck(session, admin, item.id, "SECRET-NOTE", because={"models": 7, "against": 6})
    person = fresh[0]
    replies = [call(person).post(f"/api/v1/campaigns/{slug}/claims", json={}) for slug in (campaign.slug, other.slug)]
    assert [reply.status_code for reply in replies] == [200, 200]
    assert len(replies[0].json()["claims"]) == 1
    sent_back, new = (_masked(reply.text) for reply in replies)
    assert sent_back == new
    pages = [browse(person).get(f"/judge/{slug}") for slug in (campaign.slug, other.slug)]
    assert "Koshary" in pages[0].text
    sent_back, new = (_masked(page.text).replace("twin-b", "twin-a") for page in pages)
    assert sent_back == new
    headers = [sorted(reply.headers.keys()) for reply in (*replies, *pages)]
    assert (headers[0], headers[2]) == (headers[1], headers[3])
    for text in (replies[0].text, pages[0].text):
        assert "SECRET-NOTE" not in text
        assert not re.search(r"recheck|sent.back|model|wanted|slot", _words(text), re.IGNORECASE)


def _words(text: str) -> str:
    """The page without its head, which names scripts and styles."""
    return text.partition("</head>")[2] or text


def test_an_earlier_annotator_sees_what_they_saw_before(
    session: Session, campaign: Campaign, admin: Account, approved: Item, browse: SignIn
) -> None:
    claim = session.exec(select(claims.Claim).where(claims.Claim.item_id == approved.id)).first()
    assert claim is not None
    browser = browse(session.get_one(Account, claim.account_id))
    address = f"/judge/{campaign.slug}/claims/{claim.id}"
    before = browser.get(address).text
    recheck(session, admin, approved.id, "Look again.")
    assert browser.get(address).text == before


def test_totals_are_all_an_annotator_learns_of_a_campaign(
    session: Session, campaign: Campaign, admin: Account, approved: Item, fresh: list[Account], call: SignIn
) -> None:
    client = call(fresh[0])
    before = client.get(f"/api/v1/campaigns/{campaign.slug}").json()
    recheck(session, admin, approved.id, "Look again.")
    after = client.get(f"/api/v1/campaigns/{campaign.slug}").json()
    assert after == before, "they are told once an hour, so that no single item shows in them"
    assert after["items"] == {"total": 1, "pending": 0, "decided": 1}


def test_the_items_page_tells_admins_the_whole_story(
    session: Session, campaign: Campaign, admin: Account, approved: Item, browse: SignIn
) -> None:
    recheck(session, admin, approved.id, "<b>Look</b> again.")
    page = browse(admin).get(f"/campaigns/{campaign.slug}/items/{approved.id}")
    assert page.status_code == 200
    assert "sent back to 3 fresh annotators" in page.text
    assert "&lt;b&gt;Look&lt;/b&gt; again." in page.text
    assert page.text.count('<span class="tag">earlier</span>') == 3


def test_two_admins_at_once_send_it_back_once(fresh_engine: sa.Engine) -> None:
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session, "race")
        item = make_item(session, campaign)
        judge(session, campaign, item, {}, {}, {})
        for _ in range(3):
            make_account(session)
        admins = [make_account(session, Role.ADMIN) for _ in range(4)]
    start, told = threading.Barrier(4), list[str]()

    def click(admin: Account) -> None:
        start.wait()
        try:
            with transaction(fresh_engine) as session:
                recheck(session, admin, item.id, "Look again.")
            told.append("sent")
        except RecheckUnderWay:
            told.append("told")

    threads = [threading.Thread(target=click, args=(admin,)) for admin in admins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["sent", "told", "told", "told"]
    with transaction(fresh_engine) as session:
        assert session.get_one(Item, item.id).wanted == 6


def _release(engine: sa.Engine, settings: Settings, slug: str, version: str) -> set[str]:
    """Builds a release; the keys of its items."""
    build_now(engine, settings, storage_for(settings), slug, version, splits={"test": 1.0})
    with transaction(engine) as session:
        release = get_release(session, version)
        found = session.exec(
            select(Item.key)
            .join(ReleaseItem, ReleaseItem.item_id == Item.id)  # type: ignore[arg-type]
            .where(ReleaseItem.release_id == release.id)
        )
        return set(found)


def test_published_releases_stay_and_new_ones_wait_for_the_fresh_word(
    fresh_engine: sa.Engine, settings: Settings
) -> None:
    world = World(fresh_engine, settings, storage_for(settings))
    with transaction(fresh_engine) as session:
        campaign, admin = make_campaign(session, world.slug), make_account(session, Role.ADMIN)
        items = [world.item(session, campaign, Subtask.SF, (("Koshary", "EG"),), number) for number in range(2)]
        for item in items:
            judge(session, campaign, item, {}, {}, NO)
        for _ in range(3):
            make_account(session)
        keys = [item.key for item in items]
    assert _release(fresh_engine, settings, world.slug, "1.0.0") == set(keys)
    with transaction(fresh_engine) as session:
        recheck(session, session.merge(admin), items[0].id, "Look again.")
    assert _release(fresh_engine, settings, world.slug, "1.1.0") == {keys[1]}
    with transaction(fresh_engine) as session:
        item = session.get_one(Item, items[0].id)
        judge(session, session.get_one(Campaign, item.campaign_id), item, {}, {}, {})
        assert item.status is Status.APPROVED
    assert _release(fresh_engine, settings, world.slug, "1.2.0") == set(keys)
    storage = storage_for(settings)
    with transaction(fresh_engine) as session:
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            release = get_release(session, version)
            assert release.status is ReleaseStatus.PUBLISHED
            assert verify_published(storage, release).problems == []
    assert _tallies(storage, "1.0.0", items[0].id) == (3, 2, {"counted": 3})
    assert _tallies(storage, "1.2.0", items[0].id) == (3, 3, {"counted": 3, "earlier": 3})


def _tallies(storage: Storage, version: str, item_id: uuid.UUID) -> tuple[int, int, dict[str, int]]:
    """Of an item's first question in a release: votes, those for yes, and all annotators' by their status."""

    def rows(name: str) -> list[dict[str, Any]]:
        table = pq.read_table(io.BytesIO(storage.get(f"releases/{version}/{name}")))
        return [
            row for row in table.to_pylist() if row["item_id"] == str(item_id) and row["question"] == "food1_identity"
        ]

    (added_up,) = rows("items.parquet")
    return added_up["n"], added_up["n_yes"], dict(Counter(row["status"] for row in rows("judgments.parquet")))
