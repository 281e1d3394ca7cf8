"""A campaign's agreement, counted in the database: which judgments count, and that a file of them gives the same."""

import csv
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from app.accounts.models import Account
from app.agreement.longform import agreement_from_rows
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims import service as claims
from app.claims.models import Claim
from app.errors import Invalid
from app.items.models import Gold, Item, Subtask
from app.judgments import service as judgments
from app.judgments.votes import agreement, grouping
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import all_yes, answer
from tests.judgments.test_submit import expire

ORIGIN = "food1_origin"
NO_FIGURE = {"value": None, "low": None, "high": None, "reason": "no_overlap"}


def take(session: Session, campaign: Campaign, account: Account) -> Claim:
    """The item of highest priority that this account hasn't seen."""
    policy = campaigns.current_policy(session, campaign)
    return claims.claim_next(session, account, campaign, policy, lease=600).claims[0]


def voted(session: Session, campaign: Campaign, item: Item, *votes: str, people: list[Account] | None = None) -> None:
    """Judgments of the item in this order: the votes are on its first food's identity, the rest is yes."""
    item.priority = 100
    session.flush()
    for vote, account in zip(votes, people or [make_account(session) for _ in votes], strict=True):
        claim = take(session, campaign, account)
        assert claim.item_id == item.id
        judgments.submit(session, account, claim.id, all_yes(item.subtask, food1_identity=answer(vote)))
    item.priority = 0
    session.flush()


def identity(session: Session, campaign: Campaign, **wanted: Any) -> dict[str, Any]:
    """The figures on `food1_identity`."""
    return agreement(session, campaign.id, **({"replicates": 20} | wanted))["questions"]["food1_identity"]


def counts(report: dict[str, Any]) -> tuple[int, int, int, int]:
    return report["n_items"], report["n_items_paired"], report["n_raters"], report["n_judgments"]


def test_the_first_two_judgments_of_each_item_count_and_all_on_request(session: Session) -> None:
    campaign = make_campaign(session)
    voted(session, campaign, make_item(session, campaign), "yes", "yes", "no")
    voted(session, campaign, make_item(session, campaign), "no", "yes", "yes")
    first = identity(session, campaign)
    assert counts(first) == (2, 2, 4, 4)
    assert first["categories"] == {"yes": 0.75, "no": 0.25, "unsure": 0}
    assert first["percent_agreement"]["value"] == 0.5
    every = identity(session, campaign, every_judgment=True)
    assert counts(every) == (2, 2, 6, 6)
    assert every["percent_agreement"]["value"] == pytest.approx(1 / 3)


def test_gold_items_stay_out(session: Session) -> None:
    campaign = make_campaign(session)
    known, plain = make_item(session, campaign), make_item(session, campaign)
    session.add(Gold(item_id=known.id, question=ORIGIN, answer="yes"))
    voted(session, campaign, known, "no", "no", "no")
    voted(session, campaign, plain, "yes", "yes")
    assert counts(identity(session, campaign, every_judgment=True)) == (1, 1, 2, 2)
    assert identity(session, campaign)["categories"]["no"] == 0


def test_open_given_back_and_skipped_claims_are_no_judgments(session: Session) -> None:
    campaign = make_campaign(session)
    voted(session, campaign, make_item(session, campaign), "yes")
    take(session, campaign, make_account(session))
    for skip in (True, False):
        account = make_account(session)
        claims.give_back(session, account, take(session, campaign, account).id, reason=None, skip=skip)
    assert counts(identity(session, campaign, every_judgment=True)) == (1, 0, 1, 1)


def test_surplus_is_kept_but_never_counted(session: Session) -> None:
    campaign, slow = make_campaign(session, policy="fixed-2"), make_account(session)
    item = make_item(session, campaign)
    lost = take(session, campaign, slow)
    expire(session, lost)
    voted(session, campaign, item, "yes", "yes")
    late = judgments.submit(session, slow, lost.id, all_yes(food1_identity=answer("no")))
    assert late.status == "surplus"
    found = identity(session, campaign, every_judgment=True)
    assert (counts(found), found["percent_agreement"]["value"]) == ((1, 1, 2, 2), 1)


def test_a_change_of_mind_counts_once_and_keeps_its_place(session: Session) -> None:
    campaign, first = make_campaign(session), make_account(session)
    item = make_item(session, campaign)
    voted(session, campaign, item, "no", people=[first])
    voted(session, campaign, item, "yes")
    mine = session.exec(select(Claim).where(Claim.account_id == first.id, Claim.item_id == item.id)).one()
    judgments.submit(session, first, mine.id, all_yes())
    voted(session, campaign, item, "no")
    found = identity(session, campaign)
    assert (counts(found), found["categories"]["yes"]) == ((1, 1, 2, 2), 1)
    assert counts(identity(session, campaign, every_judgment=True)) == (1, 1, 3, 3)


def test_another_campaigns_judgments_stay_there(session: Session) -> None:
    here, there = make_campaign(session), make_campaign(session)
    voted(session, here, make_item(session, here), "yes", "yes")
    voted(session, there, make_item(session, there), "no", "no")
    assert identity(session, here)["categories"]["no"] == 0


@pytest.mark.parametrize("by", ["subtask", "country", "generator"])
def test_parts_hold_their_own_items(session: Session, by: str) -> None:
    campaign = make_campaign(session)
    egypt = make_item(session, campaign, Subtask.SF, foods=(("Koshary", "EG"),), generator="one")
    italy = make_item(session, campaign, Subtask.MF, foods=(("Pizza", "IT"), ("Koshary", "EG")))
    voted(session, campaign, egypt, "yes", "yes", "no")
    voted(session, campaign, italy, "yes", "no", "no")
    parts = agreement(session, campaign.id, by=by, replicates=20)["by"]
    expected = {"subtask": ("SF", "MF"), "country": ("EG", "IT"), "generator": ("one", "not stated")}[by]
    assert set(parts) == set(expected)
    figures = [parts[name]["questions"]["food1_identity"] for name in expected]
    assert [counts(figure) for figure in figures] == [(1, 1, 2, 2), (1, 1, 2, 2)]
    assert [figure["percent_agreement"]["value"] for figure in figures] == [1, 0]
    assert [list(parts[name]["questions"]) for name in expected] == [
        ["food1_identity", "food1_origin"],
        ["food1_identity", "food1_origin", "food2_identity", "food2_origin"],
    ]


def test_by_rater_compares_each_with_everyone_on_their_items(session: Session) -> None:
    campaign = make_campaign(session)
    ann, bob, cat = people = [make_account(session) for _ in range(3)]
    voted(session, campaign, make_item(session, campaign), "yes", "yes", people=[ann, bob])
    voted(session, campaign, make_item(session, campaign), "no", "yes", people=[bob, cat])
    parts = agreement(session, campaign.id, by="rater", replicates=20)["by"]
    found = [parts[str(person.id)]["questions"]["food1_identity"]["percent_agreement"]["value"] for person in people]
    assert found == [1, 0.5, 0]
    with pytest.raises(Invalid, match="subtask, country, generator, rater"):
        grouping("colour")


def test_no_judgments_are_no_questions_and_single_ones_are_null_with_the_reason(session: Session) -> None:
    campaign = make_campaign(session)
    item = make_item(session, campaign)
    nothing = agreement(session, campaign.id, by="country", cluster="families", raters=True)
    assert nothing == {"questions": {}, "by": {}}
    voted(session, campaign, item, "yes")
    for cluster in ("items", "families"):
        found = identity(session, campaign, cluster=cluster, level="ordinal", raters=True)
        figures = ("percent_agreement", "krippendorff_alpha", "fleiss_kappa", "gwet_ac1", "gwet_ac2")
        assert [found[figure] for figure in figures] == [NO_FIGURE] * 5
        assert found["rater_model"]["reason"] == "no_overlap"


def crowd(session: Session) -> tuple[Campaign, list[tuple[Item, str, tuple[str, ...]]]]:
    """Twelve items of three dishes with two or three judgments each, all answers among them."""
    campaign = make_campaign(session)
    patterns = [("yes", "yes", "no"), ("no", "no"), ("unsure", "no", "yes"), ("yes", "yes")]
    dishes = (("Koshary", "EG"), ("Pizza", "IT"), ("Kimchi", "KR"))
    made = []
    for number in range(12):
        dish = dishes[number % 3]
        item = make_item(session, campaign, foods=(dish,))
        votes = patterns[(number * 7) % 4] if number % 5 else ("unsure", "yes")
        voted(session, campaign, item, *votes)
        made.append((item, dish[1], votes))
    return campaign, made


@pytest.mark.parametrize("every_judgment", [False, True])
def test_a_campaigns_figures_are_those_of_its_rows_in_a_file(
    session: Session, tmp_path: Path, every_judgment: bool
) -> None:
    campaign, made = crowd(session)
    file = tmp_path / "votes.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["item", "rater", "question", "value", "dish", "country"])
        for item, country, votes in made:
            for place, vote in enumerate(votes if every_judgment else votes[:2]):
                rows.writerow([item.key, f"{item.key} {place}", "food1_identity", vote, item.family_id, country])
    for wanted in ({}, {"level": "ordinal"}, {"by": "country"}):
        ours = agreement(session, campaign.id, every_judgment=every_judgment, replicates=0, **wanted)
        theirs = agreement_from_rows(file, replicates=0, **wanted)
        pairs = [(ours, theirs), *((ours["by"][name], theirs["by"][name]) for name in theirs.get("by", {}))]
        for one, other in pairs:
            assert alike(one["questions"]["food1_identity"]) == alike(other["questions"]["food1_identity"])
    # With the same order of categories the patterns, and with them every draw, are the same too.
    ours = agreement(session, campaign.id, every_judgment=every_judgment, level="ordinal", cluster="families")
    theirs = agreement_from_rows(file, level="ordinal", cluster_by="dish")
    one, other = (document["questions"]["food1_identity"] for document in (ours, theirs))
    assert one["bootstrap"] == other["bootstrap"]
    assert one["bootstrap"]["unit"] == "family"
    assert alike(one) == alike(other)


def alike(report: dict[str, Any]) -> Any:
    """What two documents must share, whatever the order of categories: counts, shares and figures."""
    figures = {key: value for key, value in report.items() if isinstance(value, dict) and "value" in value}
    rounded = {
        name: {part: round(value, 9) if isinstance(value, float) else value for part, value in figure.items()}
        for name, figure in figures.items()
    }
    return counts(report), {key: round(share, 9) for key, share in report["categories"].items()}, rounded


def test_ordinal_takes_unsure_as_between_no_and_yes(session: Session) -> None:
    campaign = make_campaign(session)
    near, far = make_item(session, campaign), make_item(session, campaign)
    voted(session, campaign, near, "yes", "unsure")
    voted(session, campaign, far, "yes", "no")
    found = identity(session, campaign, level="ordinal")
    assert list(found["categories"]) == ["no", "unsure", "yes"]
    assert found["level"] == "ordinal"
    # Half of the pairs agree by 2/3, half by 0; the answers' shares are 1/4, 1/4 and 1/2.
    chance = (3 + 4 * 2 / 3) / 6 * (2 * 3 / 16 + 1 / 4)
    assert found["gwet_ac2"]["value"] == pytest.approx((1 / 3 - chance) / (1 - chance))


def test_families_are_the_items_of_one_first_food(session: Session) -> None:
    campaign, _ = crowd(session)
    found = identity(session, campaign, cluster="families", replicates=200)
    assert found["bootstrap"] == {"unit": "family", "n_families": 3, "level": 0.95, "replicates": 200, "seed": 0}
    assert found["percent_agreement"]["value"] == identity(session, campaign)["percent_agreement"]["value"]
