"""The reasons an image was refused for: the same in the yield, in the list's filter and for the engine."""

from html import unescape

import pytest
from sqlmodel import Session

from app.accounts.models import Account, Role
from app.adjudication.rulings import Ruling
from app.adjudication.service import settle
from app.campaigns.models import Campaign
from app.generation import listing
from app.generation.listing import Filters
from app.generation.wrong import wrong_of
from app.generation.yields import yield_table
from app.items.models import Item, Status, Subtask
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.generation.things import refuse
from tests.judgments.answers import answer


@pytest.fixture
def campaign(session: Session) -> Campaign:
    return make_campaign(session, "tasting")


@pytest.fixture
def admin(session: Session) -> Account:
    return make_account(session, Role.ADMIN)


def made_again(session: Session, campaign: Campaign, item: Item, status: Status = Status.APPROVED) -> Item:
    return make_item(session, campaign, item.subtask, revision=2, revision_of_id=item.id, status=status)


def by_reason(session: Session, campaign: Campaign) -> dict[str, tuple[int, int]]:
    """{the row's name: images, approved}."""
    return {row[0]: (row[1], row[2]) for row in yield_table(session, campaign, "reason").rows}


def settled(session: Session, admin: Account, item: Item, **codes: str) -> None:
    """An adjudicator's no with a reason to these questions, and yes to the others."""
    questions = ["food1_identity", "food1_origin"]
    said = {question: "no" if question in codes else "yes" for question in questions}
    ruling = Ruling(said, {question: [code] for question, code in codes.items()})
    settle(session, admin, item.id, "", "Looked it up.", ruling=ruling)
    session.flush()


def test_the_adjudicators_reasons_count_in_the_yield_as_for_the_engine(
    session: Session, campaign: Campaign, admin: Account
) -> None:
    overruled, voted = make_item(session, campaign), make_item(session, campaign)
    for item in (overruled, voted):
        refuse(session, item, food1_identity="malformed")
        made_again(session, campaign, item)
    settled(session, admin, overruled, food1_origin="other_country")
    assert by_reason(session, campaign) == {
        "First dish: Deformed, not plausible as food": (1, 1),
        "Origin of the first dish: The dish belongs to another country": (1, 1),
    }
    wrong = wrong_of(session, [overruled.id, voted.id])
    assert wrong[overruled.id].reasons == {"food1_origin": {"other_country"}}
    assert wrong[voted.id].reasons == {"food1_identity": {"malformed"}}


def test_an_image_only_the_adjudicator_refused_has_their_reason(
    session: Session, campaign: Campaign, admin: Account
) -> None:
    item = make_item(session, campaign)
    refuse(session, item)  # nobody said no
    made_again(session, campaign, item, Status.REJECTED)
    assert by_reason(session, campaign) == {}
    settled(session, admin, item, food1_identity="malformed")
    assert by_reason(session, campaign) == {"First dish: Deformed, not plausible as food": (1, 0)}


def test_a_reason_has_the_words_of_its_own_question(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    scene = make_item(session, campaign, Subtask.SFB, key="scene.jpg")
    dish = make_item(session, campaign, Subtask.SFB, key="dish.jpg")
    refuse(session, scene, background=answer("no", "malformed"))
    refuse(session, dish, food1_identity=answer("no", "malformed"))
    for item in (scene, dish):
        made_again(session, campaign, item)
    assert by_reason(session, campaign).keys() == {
        "First dish: Deformed, not plausible as food",
        "Background: Broken scene or visible editing marks",
    }

    def keys(reason: str) -> set[str]:
        found = listing.listed(session, campaign, Filters(reason=reason)).entries
        return {entry.entry.item.key for entry in found}

    assert keys("background malformed") == {"scene.jpg"}
    assert keys("food1_identity malformed") == {"dish.jpg"}
    assert keys("malformed") == {"scene.jpg", "dish.jpg"}  # programs may ask for a code alone
    assert keys("food1_origin malformed") == set()
    page = unescape(browse(admin).get("/campaigns/tasting/revisions?state=&reason=background+malformed").text)
    assert '<option value="background malformed" selected>Background: Broken scene or visible editing marks' in page
    assert '<option value="food1_identity malformed">First dish: Deformed, not plausible as food' in page
    assert "scene.jpg" in page
    assert "dish.jpg" not in page


def test_the_filter_asks_the_adjudicators_reasons_by_question_as_well(
    session: Session, campaign: Campaign, admin: Account
) -> None:
    item = make_item(session, campaign)
    refuse(session, item)
    settled(session, admin, item, food1_identity="malformed")
    for reason, n in (("food1_identity malformed", 1), ("background malformed", 0), ("malformed", 1)):
        assert len(listing.listed(session, campaign, Filters(reason=reason)).entries) == n
