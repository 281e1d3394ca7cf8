"""What the rater models change for adjudicators: the order of disputed items, and a line on each claim."""

from sqlmodel import Session

from app.accounts.models import Account
from app.adjudication.queue import next_waiting, waiting
from app.campaigns.models import Campaign
from app.items.models import Gold, Item, Status
from app.judgments.rater_models import fit_models
from app.judgments.tally_models import ItemPosterior
from tests.adjudication.conftest import NO, UNSURE, judge
from tests.conftest import SignIn
from tests.factories import make_item

WORDS = "The rater model gives"


def doubt(session: Session, item: Item, doubt: float) -> None:
    session.add(ItemPosterior(item_id=item.id, campaign_id=item.campaign_id, claims={}, doubt=doubt))
    session.flush()


def test_what_the_models_doubt_most_comes_first_and_the_rest_as_before(
    session: Session, campaign: Campaign, admin: Account
) -> None:
    items = {}
    for key, votes in {
        "split": [{}, UNSURE, NO], "unsure": [UNSURE, UNSURE, {}], "doubted": [UNSURE, UNSURE, {}],
        "trusted": [{}, UNSURE, NO],
    }.items():  # fmt: skip
        items[key] = make_item(session, campaign, key=key)
        judge(session, campaign, items[key], *votes)
    doubt(session, items["trusted"], 0.1)
    doubt(session, items["doubted"], 0.4)
    order = [items[key].id for key in ("doubted", "trusted", "split", "unsure")]
    assert [entry.item_id for entry in waiting(session, admin, campaign)] == order
    assert next_waiting(session, admin, campaign) == order[0]
    assert next_waiting(session, admin, campaign, after=order[1]) == order[2]


def test_a_fit_decides_nothing(session: Session, campaign: Campaign, disputed: Item, approved: Item) -> None:
    fit_models(session, campaign.id)
    session.refresh(disputed)
    session.refresh(approved)
    assert (disputed.status, approved.status) == (Status.DISPUTED, Status.APPROVED)


def test_the_item_page_says_what_the_model_makes_of_each_claim(
    session: Session, admin: Account, disputed: Item, browse: SignIn
) -> None:
    address = f"/campaigns/sample/items/{disputed.id}"
    assert WORDS not in browse(admin).get(address).text
    claims = {"food1_identity": 0.9312, "food1_origin": 0.999, "background": 0.0004}
    session.add(ItemPosterior(item_id=disputed.id, campaign_id=disputed.campaign_id, claims=claims, doubt=0.1))
    session.flush()
    page = browse(admin).get(address).text
    assert f"{WORDS} 0.93 that this is so." in page
    assert "This is not an error rate." in page
    assert f"{WORDS} more than 0.99 that" in page
    assert f"{WORDS} less than 0.01 that" in page
    # What a known answer says would be no word of the model's, and would tell who adjudicates that it is one.
    session.add(Gold(item_id=disputed.id, question="food1_identity", answer="yes"))
    session.flush()
    page = browse(admin).get(address).text
    assert page.count(WORDS) == 2
    assert "0.93" not in page
