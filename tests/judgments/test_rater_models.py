"""A campaign's rater models: what is fitted and kept, when a fit is due, and who starts it."""

import subprocess
import sys
import uuid
from datetime import date

import numpy as np
import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.accounts.models import Account, Role
from app.agreement.fitted import posterior_of
from app.agreement.tallies import LETTERS, QUESTIONS
from app.campaigns.models import Campaign
from app.db import now, transaction
from app.items.models import Gold, Item, Subtask
from app.jobs import Job, JobStatus, run_job
from app.judgments.jobs import KIND, ensure_fresh, is_due
from app.judgments.rater_models import fit_models, latest_models, stale
from app.judgments.tallies import up_to_date
from app.judgments.tally_models import CountedVotes, ItemPosterior, RaterModelFit
from app.settings import Settings
from tests.factories import make_account, make_campaign, make_image, make_item
from tests.judgments.test_votes import voted

IDENTITY, ORIGIN = QUESTIONS[:2]
N_RATERS = 10
YES_CLICKER = 9


class Crowd:
    """300 items of one food with four judgments each: one claim in ten is wrong, nine raters are careful, and the
    last says yes to everything. `truth` (items, 2): whether each of the two claims is wrong."""

    def __init__(self, session: Session, n_items: int = 300) -> None:
        rng = np.random.default_rng(7)
        self.campaign = make_campaign(session)
        self.people = [make_account(session) for _ in range(N_RATERS)]
        first = make_item(session, self.campaign)
        image, policy = make_image(session), first.wanted
        self.items = [
            Item(
                campaign_id=self.campaign.id, key=f"SF/{number:04}.jpg", subtask=Subtask.SF, family_id=first.family_id,
                image_sha256=image.sha256, wanted=policy, shuffle=0.5, home="EG", region="Africa",
            )
            for number in range(n_items)
        ]  # fmt: skip
        session.add_all(self.items)
        session.flush()
        self.truth = rng.random((n_items, 2)) < 0.1
        for item, wrong in zip(self.items, self.truth, strict=True):
            raters = rng.choice(N_RATERS, size=4, replace=False)
            answers = ["".join(self._answer(rng, rater, is_wrong) for is_wrong in wrong) + "---" for rater in raters]
            session.add(
                CountedVotes(
                    item_id=item.id, campaign_id=self.campaign.id, raters=[self.people[rater].id for rater in raters],
                    answers=answers, knows=["00---"] * 4, days=[date(2026, 11, 23)] * 4,
                )
            )  # fmt: skip
        session.flush()

    @staticmethod
    def _answer(rng: np.random.Generator, rater: int, is_wrong: bool) -> str:
        if rater == YES_CLICKER:
            return "y"
        if rng.random() < 0.05:
            return "u"
        right = rng.random() < (0.75 if is_wrong else 0.96)
        return "n" if right == is_wrong else "y"


@pytest.fixture
def crowd(session: Session) -> Crowd:
    return Crowd(session)


def posteriors(session: Session, campaign: Campaign) -> dict[uuid.UUID, ItemPosterior]:
    session.expire_all()
    rows = session.exec(select(ItemPosterior).where(ItemPosterior.campaign_id == campaign.id))
    return {row.item_id: row for row in rows}


def votes_of(session: Session, item: Item, place: int = 0) -> dict[str, str]:
    """{rater: answer} on a question."""
    row = session.get_one(CountedVotes, item.id)
    return {str(rater): LETTERS[answers[place]] for rater, answers in zip(row.raters, row.answers, strict=True)}


def test_every_item_gets_the_chance_that_its_claims_are_true(session: Session, crowd: Crowd) -> None:
    fits = fit_models(session, crowd.campaign.id)
    kept = posteriors(session, crowd.campaign)
    assert set(kept) == {item.id for item in crowd.items}
    assert all(set(row.claims) == {IDENTITY, ORIGIN} for row in kept.values())
    for row in kept.values():
        every = row.claims[IDENTITY] * row.claims[ORIGIN]
        assert row.doubt == pytest.approx(min(every, 1 - every), abs=1e-5)
    for place, question in enumerate((IDENTITY, ORIGIN)):
        said_wrong = np.array([kept[item.id].claims[question] < 0.5 for item in crowd.items])
        no_votes = np.array([list(votes_of(session, item, place).values()).count("no") for item in crowd.items])
        yes_votes = np.array([list(votes_of(session, item, place).values()).count("yes") for item in crowd.items])
        by_model = (said_wrong == crowd.truth[:, place]).mean()
        assert by_model > ((no_votes > yes_votes) == crowd.truth[:, place]).mean()
        assert by_model > 0.95
        found = (fits[question].n_items, fits[question].n_judgments, fits[question].n_raters, fits[question].n_gold)
        assert found == (300, 1200, N_RATERS, 0)


def test_a_fit_says_how_it_went_and_what_raters_do(session: Session, crowd: Crowd) -> None:
    fit_models(session, crowd.campaign.id)
    session.expire_all()
    fit = latest_models(session, crowd.campaign.id)[IDENTITY].fit
    assert fit["converged"]
    assert fit["iterations"] == len(fit["log_likelihood"]) > 3
    assert fit["smoothing"] == 6
    assert fit["class_shares"]["no"] == pytest.approx(crowd.truth[:, 0].mean(), abs=0.03)
    clicker = fit["raters"][str(crowd.people[YES_CLICKER].id)]
    # Counts are of everything they answered; 6 pseudo-judgments of everyone's habits stand beside about 12.
    assert sum(map(sum, clicker["expected"])) == pytest.approx(clicker["n"])
    assert clicker["confusion"][0][0] > 0.98
    assert clicker["confusion"][1][1] < 0.35
    careful = [fit["raters"][str(person.id)]["confusion"][1][1] for person in crowd.people[:YES_CLICKER]]
    assert min(careful) > 0.5


def test_one_items_posterior_needs_no_new_fit(session: Session, crowd: Crowd) -> None:
    fit_models(session, crowd.campaign.id)
    fits, kept = latest_models(session, crowd.campaign.id), posteriors(session, crowd.campaign)
    for item in crowd.items[:40]:
        again = posterior_of(votes_of(session, item), fits[IDENTITY].fit)
        assert again == pytest.approx(kept[item.id].claims[IDENTITY], abs=1e-4)


def test_gold_is_clamped_and_has_no_say_in_the_class_shares(session: Session, crowd: Crowd) -> None:
    before = fit_models(session, crowd.campaign.id)[IDENTITY].fit
    gold = [item for item, wrong in zip(crowd.items, crowd.truth[:, 0], strict=True) if wrong][:20]
    for item in gold:
        session.add(Gold(item_id=item.id, question=IDENTITY, answer="no"))
        session.get_one(CountedVotes, item.id).is_gold = True
    withdrawn = Gold(item_id=crowd.items[0].id, question=IDENTITY, answer="no", withdrawn_at=now())
    session.add(withdrawn)
    session.get_one(CountedVotes, crowd.items[0].id).is_gold = True
    session.flush()
    session.execute(sa.text("DELETE FROM vote_change"))  # the counts are as they are said to be
    fits = fit_models(session, crowd.campaign.id)
    kept = posteriors(session, crowd.campaign)
    assert [kept[item.id].claims[IDENTITY] for item in gold] == [0] * 20
    assert kept[crowd.items[0].id].claims[IDENTITY] > 0.5
    assert (fits[IDENTITY].n_gold, fits[IDENTITY].n_judgments, fits[ORIGIN].n_gold) == (20, 1200, 0)
    # 20 wrong claims of 300 are out of it: the share of wrong ones falls by about 20 / 300.
    fall = before["class_shares"]["no"] - fits[IDENTITY].fit["class_shares"]["no"]
    assert fall == pytest.approx(20 / 300, abs=0.015)


def test_what_is_asked_of_gold_items_without_a_known_answer_stays_out_of_the_shares_too(
    session: Session, crowd: Crowd
) -> None:
    before = fit_models(session, crowd.campaign.id)[ORIGIN].fit
    for item in [item for item, wrong in zip(crowd.items, crowd.truth[:, 1], strict=True) if wrong][:20]:
        session.add(Gold(item_id=item.id, question=IDENTITY, answer="yes"))
        session.get_one(CountedVotes, item.id).is_gold = True
    session.flush()
    session.execute(sa.text("DELETE FROM vote_change"))  # the counts are as they are said to be
    fitted = fit_models(session, crowd.campaign.id)[ORIGIN]
    assert (fitted.n_gold, fitted.n_judgments, fitted.fit["n_outside_gold"]) == (0, 1200, 1120)
    # Of 300 claims 20 wrong ones left: what stands is the share among the other 280.
    assert before["class_shares"]["no"] - fitted.fit["class_shares"]["no"] > 0.05
    assert fitted.fit["class_shares"]["no"] == pytest.approx((crowd.truth[:, 1].sum() - 20) / 280, abs=0.02)


def test_a_claim_nobody_is_asked_about_has_no_posterior(session: Session) -> None:
    campaign = make_campaign(session)
    plain, scene = make_item(session, campaign), make_item(session, campaign, Subtask.SFB)
    for item in (plain, scene):
        voted(session, campaign, item, "yes", "no")
    up_to_date(session, campaign.id)
    session.execute(sa.text("UPDATE counted_votes SET answers = '{yy--y,ny--n}' WHERE item_id = :id"), {"id": scene.id})
    fit_models(session, campaign.id)
    kept = posteriors(session, campaign)
    assert set(kept[plain.id].claims) == {IDENTITY}
    assert set(kept[scene.id].claims) == {IDENTITY, "background"}


@pytest.mark.parametrize(
    ("votes", "reason"), [([["yes"], ["no"]], "no_overlap"), ([["yes", "yes"], ["yes", "unsure"]], "no_variation")]
)
def test_a_question_that_cannot_be_fitted_keeps_the_reason(
    session: Session, votes: list[list[str]], reason: str
) -> None:
    campaign = make_campaign(session)
    for given in votes:
        voted(session, campaign, make_item(session, campaign), *given)
    fit_models(session, campaign.id)
    fits = latest_models(session, campaign.id)
    assert list(fits) == [IDENTITY, ORIGIN]
    assert (fits[IDENTITY].reason, fits[IDENTITY].fit.get("confusion")) == (reason, None)
    assert posteriors(session, campaign) == {}


def test_a_known_answer_makes_up_for_missing_overlap(session: Session) -> None:
    campaign = make_campaign(session)
    known, plain = make_item(session, campaign), make_item(session, campaign)
    session.add(Gold(item_id=known.id, question=IDENTITY, answer="no"))
    voted(session, campaign, known, "no")
    voted(session, campaign, plain, "yes")
    assert fit_models(session, campaign.id)[IDENTITY].reason is None


def test_a_campaign_without_votes_has_no_models(session: Session) -> None:
    campaign = make_campaign(session)
    assert fit_models(session, campaign.id) == {}
    assert (latest_models(session, campaign.id), stale(session, campaign.id)) == ({}, 0)
    assert ensure_fresh(session, campaign, None) is None


def test_a_new_fit_replaces_the_posteriors_and_keeps_the_old_models(session: Session, crowd: Crowd) -> None:
    fit_models(session, crowd.campaign.id)
    gone, changed = crowd.items[0], crowd.items[1]
    session.delete(session.get_one(CountedVotes, gone.id))
    session.get_one(CountedVotes, changed.id).answers = ["nn---"] * 4
    session.flush()
    fits = fit_models(session, crowd.campaign.id)
    kept = posteriors(session, crowd.campaign)
    assert gone.id not in kept
    assert kept[changed.id].claims[IDENTITY] < 0.1
    assert len(session.exec(select(RaterModelFit)).all()) == 4
    assert {key: fit.id for key, fit in latest_models(session, crowd.campaign.id).items()} == {
        key: fit.id for key, fit in fits.items()
    }


def test_other_campaigns_keep_their_posteriors(session: Session, crowd: Crowd) -> None:
    fit_models(session, crowd.campaign.id)
    fit_models(session, make_campaign(session).id)
    assert len(posteriors(session, crowd.campaign)) == 300


def admin(session: Session) -> Account:
    return make_account(session, Role.ADMIN)


def test_a_fit_is_due_at_first_and_then_after_twenty_judgments(session: Session) -> None:
    campaign, person = make_campaign(session), admin(session)
    voted(session, campaign, make_item(session, campaign), "yes", "no")
    assert stale(session, campaign.id) == 2
    fit_models(session, campaign.id)
    assert stale(session, campaign.id) == 0
    assert ensure_fresh(session, campaign, person) is None
    for _ in range(9):
        voted(session, campaign, make_item(session, campaign), "yes", "yes")
    voted(session, campaign, make_item(session, campaign), "yes")
    assert stale(session, campaign.id) == 19
    assert ensure_fresh(session, campaign, person) is None
    voted(session, campaign, make_item(session, campaign), "yes")
    assert stale(session, campaign.id) == 20
    assert ensure_fresh(session, campaign, person) is not None


def test_of_a_large_campaign_one_judgment_in_twenty_must_be_new() -> None:
    assert [is_due(new, 400) for new in (19, 20)] == [False, True]
    assert [is_due(new, 1000) for new in (49, 50)] == [False, True]
    assert is_due(0, None)


def test_one_fit_at_a_time_is_on_its_way(session: Session) -> None:
    campaign, person = make_campaign(session, name="Tasting"), admin(session)
    voted(session, campaign, make_item(session, campaign), "yes", "no")
    job = ensure_fresh(session, campaign, person)
    assert job is not None
    assert (job.kind, job.title, job.account_id) == (KIND, "Rater models of Tasting", person.id)
    assert ensure_fresh(session, campaign, person) is None
    job.status = JobStatus.FAILED
    session.add(job)
    session.flush()
    session.execute(sa.text("UPDATE job SET finished_at = now() - interval '59 minutes'"))
    assert ensure_fresh(session, campaign, person) is None
    session.execute(sa.text("UPDATE job SET finished_at = now() - interval '61 minutes'"))
    assert ensure_fresh(session, campaign, person) is not None


def test_the_worker_knows_the_job() -> None:
    """In a process of its own: this one has imported it already."""
    knows = f"import app.cli.serving, app.jobs; raise SystemExit({KIND!r} not in app.jobs._handlers)"
    assert subprocess.run([sys.executable, "-c", knows], check=False).returncode == 0


def test_the_worker_fits_what_is_due(fresh_engine: sa.Engine, settings: Settings) -> None:
    with transaction(fresh_engine) as session:
        campaign = make_campaign(session)
        voted(session, campaign, make_item(session, campaign), "yes", "no")
        job = ensure_fresh(session, campaign, None)
    assert job is not None
    run_job(fresh_engine, settings, job.id)
    with transaction(fresh_engine) as session:
        done = session.get_one(Job, job.id)
        assert (done.status, done.result) == (
            JobStatus.DONE, {"questions": {IDENTITY: "fitted", ORIGIN: "no_variation"}}
        )  # fmt: skip
        assert ensure_fresh(session, campaign, None) is None
        assert stale(session, campaign.id) == 0
        assert len(posteriors(session, campaign)) == 1
