"""Qualification: for each region a training that says after every answer whether it was right, then a test.

An exam is kept answer by answer, so that a reload or another day goes on where it stood.
"""

import random
import uuid
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app import geography
from app.accounts.models import Account, KnownCountry
from app.accounts.service import record
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Exam, ExamKind, Policy, Qualification
from app.campaigns.parameters import Parameters, parameters_of
from app.db import now
from app.errors import Conflict, NotFound, Sentence
from app.gold import marking
from app.items.models import Item
from app.judgments.service import Answers, checked

_random: Final = random.SystemRandom()


class NoExam(Conflict):
    """A training or test that can't be begun."""


class RegionState(NamedTuple):
    """Where an annotator stands with a region. `training` and `test` count the items there are for them."""

    region: str
    training: int
    test: int
    qualification: Qualification | None
    open_training: Exam | None
    open_test: Exam | None
    is_trained: bool
    tries_left: int

    @property
    def has_passed(self) -> bool:
        return self.qualification is not None and self.qualification.passed_at is not None


_MATERIAL = """
    FROM item WHERE campaign_id = :campaign AND hold IN ('training', 'test')
      AND EXISTS (SELECT 1 FROM gold WHERE gold.item_id = item.id AND gold.withdrawn_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM claim WHERE claim.item_id = item.id AND claim.account_id = :account
                        AND claim.state IN ('open', 'judged', 'skipped'))
"""
"""What an exam can be made of: nothing the person has judged."""
_COUNTS = sa.text(f"SELECT region, hold, count(*) AS n {_MATERIAL} GROUP BY region, hold")
_REGIONS = sa.text("SELECT DISTINCT region FROM item WHERE campaign_id = :campaign ORDER BY region")
_ITEMS = sa.text(
    f"""
    SELECT item.id,
        EXISTS (SELECT 1 FROM gold WHERE gold.item_id = item.id AND gold.withdrawn_at IS NULL AND gold.answer = 'no')
            AS is_wrong,
        (SELECT count(*) FROM exam WHERE exam.campaign_id = :campaign AND exam.account_id = :account
            AND exam.region = :region AND exam.kind = :kind AND CAST(item.id AS text) = ANY(exam.items)) AS met
    {_MATERIAL} AND region = :region AND hold = :kind ORDER BY met, random()
    """  # noqa: S608  (nothing in it comes from outside)
)


def regions(session: Session, account: Account, campaign: Campaign, policy: Policy) -> list[RegionState]:
    """Every region the campaign has items of."""
    scope = {"campaign": campaign.id, "account": account.id}
    counts = {(row.region, row.hold): row.n for row in session.execute(_COUNTS, scope)}
    places = session.execute(_REGIONS, {"campaign": campaign.id}).scalars().all()
    return [_state(session, account, campaign, parameters_of(policy), region, counts) for region in places]


def _state(
    session: Session,
    account: Account,
    campaign: Campaign,
    parameters: Parameters,
    region: str,
    counts: Mapping[tuple[str, str], int],
) -> RegionState:
    own = session.exec(
        select(Exam)
        .where(Exam.campaign_id == campaign.id, Exam.account_id == account.id, Exam.region == region)
        .order_by(col(Exam.started_at))
    ).all()
    unfinished = {exam.kind: exam for exam in own if exam.finished_at is None}
    qualification = _qualification(session, account, campaign, region)
    return RegionState(
        region,
        counts.get((region, "training"), 0),
        counts.get((region, "test"), 0),
        qualification,
        unfinished.get(ExamKind.TRAINING),
        unfinished.get(ExamKind.TEST),
        any(exam.kind is ExamKind.TRAINING and exam.finished_at for exam in own),
        max(parameters.tries - (qualification.tries if qualification else 0), 0),
    )


def _qualification(
    session: Session, account: Account, campaign: Campaign, region: str, *, lock: bool = False
) -> Qualification | None:
    statement = select(Qualification).where(
        Qualification.campaign_id == campaign.id,
        Qualification.account_id == account.id,
        Qualification.region == region,
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.exec(statement).first()


def begin(session: Session, account: Account, campaign: Campaign, policy: Policy, region: str, kind: ExamKind) -> Exam:
    """A new training or test, or the one that isn't finished. A test begun is a try.

    Raises NoExam, with what to do, when there are too few items, no tries left, or training comes first.
    """
    if region not in session.execute(_REGIONS, {"campaign": campaign.id}).scalars().all():
        raise NotFound(
            Sentence(
                "The campaign “{campaign}” has no items of a region “{region}”.",
                campaign=campaign.name, region=region[:40],
            )
        )  # fmt: skip
    place = insert(Qualification).values(
        campaign_id=campaign.id, account_id=account.id, region=region, tries=0, created_at=now()
    )
    session.execute(place.on_conflict_do_nothing())
    qualification = _qualification(session, account, campaign, region, lock=True)
    assert qualification is not None
    scope = {"campaign": campaign.id, "account": account.id}
    counts = {(row.region, row.hold): row.n for row in session.execute(_COUNTS, scope)}
    parameters = parameters_of(policy)
    state = _state(session, account, campaign, parameters, region, counts)
    running = state.open_test if kind is ExamKind.TEST else state.open_training
    if running is not None:
        return running
    if fault := _why_not(state, parameters, kind):
        raise NoExam(fault)
    found = session.execute(_ITEMS, scope | {"region": region, "kind": kind.value}).all()
    wanted = min(parameters.exam_items, len(found))
    exam = Exam(
        campaign_id=campaign.id, account_id=account.id, region=region, kind=kind,
        items=_drawn([(str(row.id), row.is_wrong) for row in found], wanted), started_at=now(),
    )  # fmt: skip
    if kind is ExamKind.TEST:
        qualification.tries += 1
    session.add_all([exam, qualification])
    session.flush()
    return exam


def _why_not(state: RegionState, parameters: Parameters, kind: ExamKind) -> str | None:
    region = geography.CONTINENT_WORDS[state.region]
    if kind is ExamKind.TRAINING:
        if state.training:
            return None
        return Sentence("There is nothing to train on for {region} yet; an admin adds items.", region=region)
    if state.has_passed:
        return Sentence("You have passed the test of {region}; its items are open to you.", region=region)
    if not state.tries_left:
        return Sentence(
            "You have used all {tries} tries for {region}; please talk to an admin.",
            tries=parameters.tries,
            region=region,
        )
    if state.training and not state.is_trained:
        return Sentence("Do the training of {region} first; its test opens after it.", region=region)
    if state.test < parameters.exam_items:
        return Sentence(
            "The test of {region} needs {needed} items and has {there} you haven't judged; an admin adds the others.",
            region=region, needed=parameters.exam_items, there=state.test,
        )  # fmt: skip
    return None


def _drawn(found: Sequence[tuple[str, bool]], wanted: int) -> list[str]:
    """So many of the items, half of them with a wrong claim where there are enough, else yes to all would pass.

    Earlier ones go before later ones, in a random order then.
    """
    wrong, right = [id_ for id_, is_wrong in found if is_wrong], [id_ for id_, is_wrong in found if not is_wrong]
    n_wrong = max(min(len(wrong), wanted // 2), wanted - len(right))
    chosen = wrong[:n_wrong] + right[: wanted - n_wrong]
    _random.shuffle(chosen)
    return chosen


def exam_of(session: Session, account: Account, campaign: Campaign, exam_id: uuid.UUID, *, lock: bool = False) -> Exam:
    """The person's own exam. Raises NotFound for one that is unknown or somebody else's."""
    statement = select(Exam).where(Exam.id == exam_id, Exam.account_id == account.id, Exam.campaign_id == campaign.id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    exam = session.exec(statement).first()
    if exam is None:
        raise NotFound(Sentence("There is no such training or test of yours."))
    return exam


def next_item(exam: Exam) -> uuid.UUID | None:
    """The first item without an answer; None once it is over."""
    return next((uuid.UUID(id_) for id_ in exam.items if id_ not in exam.answers), None)


def answer(
    session: Session, account: Account, campaign: Campaign, policy: Policy, exam_id: uuid.UUID, item_id: str,
    sent: Answers,
) -> Exam:  # fmt: skip
    """Keeps the answers on one item; the first stay. After the last one the exam is over and has its score.

    Raises Invalid as a judgment does.
    """
    exam = exam_of(session, account, campaign, exam_id, lock=True)
    if item_id not in exam.items:
        raise NotFound(Sentence("This training or test has no such image; reload the page."))
    if item_id in exam.answers:
        return exam
    item = session.get_one(Item, uuid.UUID(item_id))
    exam.answers = {**exam.answers, item_id: checked(policy, item.subtask, sent).answers}
    if len(exam.answers) == len(exam.items):
        _finish(session, account, campaign, policy, exam)
    session.add(exam)
    session.flush()
    return exam


def _finish(session: Session, account: Account, campaign: Campaign, policy: Policy, exam: Exam) -> None:
    exam.finished_at = now()
    total = marking.total(marking.marks(session, exam))
    exam.score = total.right / total.n if total.n else None
    if exam.kind is ExamKind.TEST:
        _grade(session, account, campaign, policy, exam)


def _grade(session: Session, account: Account, campaign: Campaign, policy: Policy, exam: Exam) -> None:
    """Says whether a test is passed; who passes may judge the region's items. A test nothing is known of any more is no
    try."""
    qualification = _qualification(session, account, campaign, exam.region, lock=True)
    assert qualification is not None, "made when the exam began"
    if exam.score is None:
        exam.has_passed = False
        qualification.tries = max(qualification.tries - 1, 0)
        session.add(qualification)
        return
    exam.has_passed = exam.score >= parameters_of(policy).pass_share
    qualification.score = max(exam.score, qualification.score or 0.0)
    if exam.has_passed and qualification.passed_at is None:
        qualification.passed_at = now()
        _knows(session, account, exam.region)
    session.add(qualification)
    record(
        session, account, "qualification.passed" if exam.has_passed else "qualification.failed", "pool_member",
        f"{campaign.id}/{account.id}", region=exam.region, score=exam.score, exam=str(exam.id),
    )  # fmt: skip


def _knows(session: Session, account: Account, region: str) -> None:
    """The countries of a region that the person says to know are tested with it."""
    codes = [code for code in geography.every_country() if geography.continent_of(code) == region]
    session.execute(
        sa.update(KnownCountry)
        .where(col(KnownCountry.account_id) == account.id, col(KnownCountry.country).in_(codes))
        .values(is_tested=True)
    )


def rescore(session: Session, item: Item) -> None:
    """After gold was withdrawn or came back: the scores of finished exams follow. Whoever passes by that is qualified;
    who has passed stays so."""
    campaign = session.get_one(Campaign, item.campaign_id)
    policy = campaigns.current_policy(session, campaign)
    held = session.exec(
        select(Exam)
        .where(
            Exam.campaign_id == item.campaign_id,
            col(Exam.finished_at).is_not(None),
            sa.literal(str(item.id)) == sa.any_(col(Exam.items)),
        )
        .order_by(col(Exam.account_id), col(Exam.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for exam in held:
        total = marking.total(marking.marks(session, exam))
        exam.score = total.right / total.n if total.n else None
        if exam.kind is ExamKind.TEST and exam.score is not None and not exam.has_passed:
            account = session.get_one(Account, exam.account_id)
            if exam.score >= parameters_of(policy).pass_share:
                _grade(session, account, campaign, policy, exam)
        session.add(exam)
    session.flush()
