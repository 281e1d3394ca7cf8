"""Subtasks and backgrounds: what is read of a campaign, and what the page and its files say of it."""

import csv
import io
import re
import uuid
from collections.abc import Iterable
from datetime import date

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from app.accounts.models import Account
from app.adjudication import service as adjudication
from app.adjudication.agreement.background_readout import Readout, readout
from app.agreement.contrasts import FEW_DISHES
from app.campaigns.models import Campaign
from app.items.models import Gold, Item, Status, Subtask
from app.judgments.contrasts import SUBTASKS, judged, models_mark
from app.judgments.tallies import up_to_date
from app.judgments.tally_models import CountedVotes, ItemPosterior, TallyState
from tests.adjudication.conftest import judge
from tests.conftest import SignIn
from tests.factories import make_item
from tests.judgments.answers import answer

BACKGROUNDS = "/campaigns/sample/agreement/backgrounds"
IDENTITY = 0


def dish(session: Session, campaign: Campaign, name: str, *votes: Iterable[str], scene: str | None = None) -> Item:
    """An image of this dish on white, or on the scene of a country, judged in this order by new people."""
    item = make_item(
        session, campaign, Subtask.SFB if scene else Subtask.SF, foods=((name, "EG"),), background=scene or "JP",
        background_distance="cross_continent" if scene else None, wanted=max(2, len(votes)), priority=100,
    )  # fmt: skip
    said = {"yes": answer("yes"), "no": answer("no", "other_dish", correction="Fūl"), "unsure": answer("unsure")}
    judge(session, campaign, item, *({"food1_identity": said[str(vote)]} for vote in votes))
    item.priority = 0
    session.flush()
    return item


def believe(session: Session, item: Item, claim: float) -> None:
    session.add(ItemPosterior(item_id=item.id, campaign_id=item.campaign_id, claims={"food1_identity": claim}, doubt=0))
    session.flush()


def found(session: Session, campaign: Campaign) -> Readout:
    up_to_date(session, campaign.id)
    return readout(judged(session, campaign.id, "first"), "food1_identity")


def white_and_street(session: Session, campaign: Campaign, n: int, n_unsure: int | None = None) -> None:
    """Dishes that both people are sure of on white; in a street in Japan the second of them is unsure, of all dishes or
    of the first `n_unsure`."""
    up_to_date(session, campaign.id)
    session.merge(TallyState(campaign_id=campaign.id, version=uuid.uuid4()))
    for number in range(n):
        second = "uy--y" if n_unsure is None or number < n_unsure else "yy--y"
        for subtask, answers in ((Subtask.SF, ["yy---", "yy---"]), (Subtask.SFB, ["yy--y", second])):
            distance = "cross_continent" if subtask.has_background else None
            item = make_item(
                session, campaign, subtask, foods=((f"Dish {number}", "EG"),), background_distance=distance
            )
            session.add(
                CountedVotes(
                    item_id=item.id, campaign_id=campaign.id, raters=[uuid.uuid4(), uuid.uuid4()], answers=answers,
                    knows=["00--0"] * 2, days=[date(2026, 11, 23)] * 2,
                )
            )  # fmt: skip
    session.flush()


def test_an_item_is_read_once_with_its_first_two_answers(session: Session, campaign: Campaign) -> None:
    dish(session, campaign, "Koshary", "yes", "unsure", "no")
    dish(session, campaign, "Koshary", "no", "no", scene="JP")
    session.add(Gold(item_id=dish(session, campaign, "Ful", "no", "no").id, question="food1_identity", answer="no"))
    session.flush()
    up_to_date(session, campaign.id)
    first, every = (judged(session, campaign.id, basis) for basis in ("first", "all"))
    order = {SUBTASKS[code]: place for place, code in enumerate(first.subtask)}
    assert set(order) == {"SF", "SFB"}
    assert first.counts[order["SF"], IDENTITY].tolist() == [1, 0, 1]
    assert every.counts[order["SF"], IDENTITY].tolist() == [1, 1, 1]
    assert first.counts[order["SFB"]].tolist() == [[0, 2, 0], [2, 0, 0], [0, 0, 0], [0, 0, 0], [2, 0, 0]]
    assert [first.dishes[code][1] for code in first.dish] == ["Koshary", "Koshary"]
    assert (first.scene[order["SF"]], first.scenes[first.scene[order["SFB"]]].country) == (-1, "JP")
    assert first.distances[first.distance[order["SFB"]]] == "cross_continent"
    assert first.has_model[IDENTITY] is False


def test_an_answer_is_right_by_the_models_word_and_a_settlement_is_certain(
    session: Session, campaign: Campaign, admin: Account
) -> None:
    white = dish(session, campaign, "Koshary", "yes", "yes", "yes")
    other = dish(session, campaign, "Koshary", "no", "no", "no", scene="JP")
    unsettled = dish(session, campaign, "Koshary", "yes", "unsure", "no", scene="IT")
    assert found(session, campaign).has_model is False
    assert found(session, campaign).paired.change["accuracy"].value == pytest.approx((0 + 0.5) / 2 - 1)
    for item, claim in ((white, 0.9), (other, 0.1), (unsettled, 0.6)):
        believe(session, item, claim)
    # No is right of an image that shows another dish: 0.9 like the white one's yes. Of yes and unsure 0.6 / 2.
    assert found(session, campaign).paired.change["accuracy"].value == pytest.approx((0.9 + 0.3) / 2 - 0.9)
    before = models_mark(session, campaign.id)
    assert unsettled.status is Status.DISPUTED
    adjudication.settle(session, admin, unsettled.id, "approved", "It is koshary.")
    session.flush()
    assert models_mark(session, campaign.id) != before
    assert found(session, campaign).paired.change["accuracy"].value == pytest.approx((0.9 + 0.5) / 2 - 0.9)


def test_one_settlement_in_place_of_another_is_a_change(session: Session, campaign: Campaign, admin: Account) -> None:
    one = dish(session, campaign, "Koshary", "yes", "unsure", "no", scene="JP")
    other = dish(session, campaign, "Koshary", "yes", "unsure", "no", scene="IT")
    adjudication.settle(session, admin, one.id, "approved", "It is koshary.")
    session.flush()
    before = models_mark(session, campaign.id)
    one.status = Status.PENDING
    adjudication.settle(session, admin, other.id, "approved", "It is koshary.")
    session.flush()
    assert models_mark(session, campaign.id) != before


def test_two_foods_are_no_side_of_a_comparison_by_dish(session: Session, campaign: Campaign) -> None:
    dish(session, campaign, "Koshary", "yes", "yes")
    dish(session, campaign, "Koshary", "yes", "unsure", scene="JP")
    for subtask in (Subtask.MF, Subtask.MFB):
        item = make_item(session, campaign, subtask, foods=(("Koshary", "EG"), ("Pizza", "IT")), priority=100)
        judge(session, campaign, item, *[{"food1_identity": answer("unsure")}] * 2)
        item.priority = 0
    seen = found(session, campaign)
    assert seen.paired.sizes.tolist() == [[1, 1]]
    assert seen.paired.change["unsure"].value == 0.5


def test_images_the_model_has_not_seen_stay_out_of_accuracy(session: Session, campaign: Campaign) -> None:
    believe(session, dish(session, campaign, "Koshary", "yes", "yes"), 0.9)
    believe(session, dish(session, campaign, "Koshary", "yes", "yes", scene="JP"), 0.8)
    dish(session, campaign, "Koshary", "no", "no", scene="IT")
    seen = found(session, campaign)
    assert seen.n_unplaced == 1
    assert seen.paired.change["accuracy"].value == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("on_white", "scene", "words"),
    [
        ("", "", "Nothing has been judged in this campaign"),
        ("", "Ful", "No image on white (SF) has been judged yet"),
        ("Ful", "", "No image of one dish on a background (SFB) has been judged yet"),
        ("Ful", "Koshary", "No dish has been judged both on white (SF) and on a background (SFB) yet"),
    ],
)
def test_the_page_says_what_is_missing(
    session: Session, campaign: Campaign, researcher: Account, browse: SignIn, on_white: str, scene: str, words: str
) -> None:
    if on_white:
        dish(session, campaign, on_white, "yes", "yes")
    if scene:
        dish(session, campaign, scene, "yes", "yes", scene="JP")
    response = browse(researcher).get(BACKGROUNDS)
    assert response.status_code == 200
    assert words in response.text


def test_the_page_says_how_much_less_sure_people_are(
    session: Session, campaign: Campaign, admin: Account, browse: SignIn
) -> None:
    white_and_street(session, campaign, FEW_DISHES)
    page = browse(admin).get(BACKGROUNDS)
    # None of 20 answers on white, 10 of 20 on a background: not a certainty, though every dish changes alike.
    assert "People are unsure more often on a background: +50.0 points [+19.6, +72.6], 10 dishes." in page.text
    assert "No rater model has been fitted yet" in page.text
    # Ten dishes alike: p is 2 / 1024, and of one scene there is nothing to correct for.
    assert re.search(r"Street, Japan.*?Confirmed, Unsure, First two differ", page.text, re.DOTALL)
    assert "/agreement/items?question=food1_identity&amp;by=scene&amp;part=" in page.text
    assert "/agreement/items?question=food1_identity&amp;by=subtask&amp;part=SF&#34;" in page.text.replace('"', "&#34;")
    dishes = browse(admin).get(f"{BACKGROUNDS}?by=dish")
    assert "by=food" in dishes.text


def test_a_few_rare_answers_are_no_verdict(
    session: Session, campaign: Campaign, researcher: Account, browse: SignIn
) -> None:
    white_and_street(session, campaign, 2 * FEW_DISHES, n_unsure=3)
    page = browse(researcher).get(BACKGROUNDS).text
    assert "People are unsure on a background: +7.5 points [−3.6, +21.0], 20 dishes. Too few answers differ" in page
    assert "on white, as far as" not in page
    assert "more often" not in page
    assert "not tested" in page
    measured = table(browse(researcher), "overall.csv")[1]
    assert (measured["change_reason"], measured["p"]) == ("few_events", "")


def test_nine_dishes_are_too_few_for_an_interval(
    session: Session, campaign: Campaign, researcher: Account, browse: SignIn
) -> None:
    white_and_street(session, campaign, FEW_DISHES - 1)
    page = browse(researcher).get(BACKGROUNDS).text
    assert "People are unsure on a background: +50.0 points, from 9 dishes: too few to say more." in page
    assert "too few dishes for an interval" in page
    assert "not tested" in page
    assert "/agreement/items" not in page


def table(browser: TestClient, name: str) -> list[dict[str, str]]:
    response = browser.get(f"{BACKGROUNDS}/{name}")
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(response.text)))


def test_files_hold_what_the_page_shows(
    session: Session, campaign: Campaign, researcher: Account, browse: SignIn
) -> None:
    white_and_street(session, campaign, FEW_DISHES)
    browser = browse(researcher)
    for by in ("scene", "country", "kind", "distance", "dish"):
        assert browser.get(f"{BACKGROUNDS}?by={by}&figure=accuracy").status_code == 200
        rows = table(browser, f"by_{by}.csv?by={by}&figure=accuracy")
        assert {row["unsure_value"] for row in rows} == {"0.5"}
        assert {row["disagreement_value"] for row in rows} == {"1.0"}
        assert browser.get(f"{BACKGROUNDS}/by_{by}.svg?by={by}").status_code == 200
    (row,) = table(browser, "by_distance.csv?by=distance")
    assert row["distance"] == "Another continent"
    (row,) = table(browser, "by_kind.csv?by=kind")
    assert (row["kind"], row["dishes"], row["images"]) == ("Street", "10", "10")
    assert "seed 0" in row["source"]
    for name in ("overall", "subtasks", "subtask_differences"):
        assert browser.get(f"{BACKGROUNDS}/{name}.csv").status_code == 200
    differences = table(browser, "subtask_differences.csv")
    assert [row["difference"] for row in differences] == ["SFB − SF", "SFB − SF"]
    assert [row["unsure_value"] for row in differences] == ["0.5", "0.0"]
    overall = table(browser, "overall.csv")
    assert [row["change_value"] for row in overall] == ["-0.5", "0.5", "1.0", "0.0", "0.0", "0.0"]
    assert browser.get(f"{BACKGROUNDS}/overall.png").headers["content-type"] == "image/png"
    assert browser.get(f"{BACKGROUNDS}/other.csv").status_code == 404


def test_new_judgments_show_at_once(session: Session, campaign: Campaign, researcher: Account, browse: SignIn) -> None:
    dish(session, campaign, "Koshary", "yes", "yes")
    dish(session, campaign, "Koshary", "yes", "unsure", scene="JP")
    browser = browse(researcher)
    assert "from 1 dish:" in browser.get(BACKGROUNDS).text
    dish(session, campaign, "Ful", "yes", "yes")
    dish(session, campaign, "Ful", "yes", "yes", scene="JP")
    assert "from 2 dishes:" in browser.get(BACKGROUNDS).text


@pytest.mark.parametrize("query", ["question=background", "by=colour", "figure=size"])
def test_what_there_is_not_is_said_in_a_sentence(
    campaign: Campaign, researcher: Account, browse: SignIn, query: str
) -> None:
    response = browse(researcher).get(f"{BACKGROUNDS}?{query}")
    assert response.status_code == 422
    assert "choose one of" in response.text
