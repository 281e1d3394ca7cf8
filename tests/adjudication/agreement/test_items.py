"""The list of items every number leads to: what it shows, its filters, its file, and who may see it."""

import csv
import html
import io
import re

import pytest
from sqlmodel import Session

from app.accounts.models import Role
from app.campaigns.models import Campaign
from app.items.models import Subtask
from app.judgments.tally_models import ItemPosterior
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.test_vote_items import IDENTITY, voted


def address(campaign: Campaign, rest: str = "") -> str:
    return f"/campaigns/{campaign.slug}/agreement/items{rest}"


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())


@pytest.fixture
def campaign(session: Session) -> Campaign:
    """Three items: two differing votes with a later one, two alike, and one alone."""
    campaign = make_campaign(session)
    ann = make_account(session, name="Ann")
    bob, cat = make_account(session), make_account(session)
    first = make_item(session, campaign, Subtask.SFB, key="a.jpg", background="JP")
    voted(session, first, "yes", "no", "unsure", people=[ann, bob, cat])
    session.add(ItemPosterior(item_id=first.id, campaign_id=campaign.id, claims={IDENTITY: 0.61}, doubt=0.39))
    voted(session, make_item(session, campaign, key="b.jpg", foods=(("=Pizza", "IT"),)), "yes", "yes")
    voted(session, make_item(session, campaign, key="c.jpg"), "no")
    return campaign


def test_an_entry_shows_its_votes_in_order_and_marks_later_ones(
    session: Session, browse: SignIn, campaign: Campaign
) -> None:
    admin = browse(make_account(session, Role.ADMIN))
    shown = text_of(admin.get(address(campaign, f"?question={IDENTITY}&votes=yes-no")).text)
    assert "1 item " in shown
    assert "Koshary EG a.jpg · SFB · a street in Japan yes · no then unsure · model: 61 % true" in shown
    assert "1 question differs · doubt 0.39" in shown
    every = text_of(admin.get(address(campaign, f"?question={IDENTITY}&votes=yes-no-unsure&all=1")).text)
    assert "yes · no · unsure · model" in every
    assert "3 items" in text_of(admin.get(address(campaign)).text)


def test_each_filter_can_be_taken_away(session: Session, browse: SignIn, campaign: Campaign) -> None:
    admin = browse(make_account(session, Role.ADMIN))
    page = admin.get(address(campaign, f"?question={IDENTITY}&by=country&part=EG&votes=yes-no&all=1&doubt=1")).text
    removals = dict(re.findall(r'<a href="([^"]+)" aria-label="Remove the filter ([^:]+):', page))
    left = {label: html.unescape(href).partition("?")[2] for href, label in removals.items()}
    assert left == {
        "Question": "by=country&part=EG&doubt=1&all=1",
        "Country of the first food": f"question={IDENTITY}&votes=yes-no&doubt=1&all=1",
        "Votes": f"question={IDENTITY}&by=country&part=EG&doubt=1&all=1",
    }
    assert '<option value="country:EG" selected>Egypt</option>' in page
    reply = admin.get(address(campaign, f"?within=country:IT&question={IDENTITY}&votes="))
    assert reply.status_code == 303
    assert reply.headers["location"] == address(campaign, f"?question={IDENTITY}&by=country&part=IT")


def test_a_filter_for_a_person_names_them(session: Session, browse: SignIn, campaign: Campaign) -> None:
    admin = browse(make_account(session, Role.ADMIN))
    page = admin.get(address(campaign)).text
    ann = re.search(r'<option value="([^"]+)">Ann</option>', page)
    assert ann is not None
    shown = text_of(admin.get(address(campaign, f"?question={IDENTITY}&rater={ann[1]}&answer=yes")).text)
    assert "1 item " in shown
    assert "yes (Ann) · no" in shown
    assert "0 items" in text_of(admin.get(address(campaign, f"?question={IDENTITY}&rater={ann[1]}&answer=no")).text)


def test_the_file_holds_the_whole_list(session: Session, browse: SignIn, campaign: Campaign) -> None:
    admin = browse(make_account(session, Role.ADMIN))
    reply = admin.get(address(campaign, "/items.csv?doubt=1"))
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [row["key"] for row in rows] == ["a.jpg", "b.jpg", "c.jpg"]
    first = rows[0]
    assert (first["foods"], first["background"], first["status"]) == ("Koshary (EG)", "a street in Japan", "pending")
    assert (first["votes_food1_identity"], first["votes_background"]) == ("yes no unsure", "yes yes yes")
    assert (first["votes_food2_origin"], first["differing_questions"]) == ("", "1")
    assert (first["true_food1_identity"], first["doubt"]) == ("0.61", "0.39")
    assert rows[1]["foods"] == "'=Pizza (IT)"
    assert f"campaign {campaign.slug}, policy version 1, first two counted judgments of each item" in first["source"]
    assert admin.get(address(campaign, "/items.txt")).status_code == 404


def test_what_cannot_be_meant_is_said(session: Session, browse: SignIn, campaign: Campaign) -> None:
    reply = browse(make_account(session, Role.ADMIN)).get(address(campaign, "?question=colour"))
    assert reply.status_code == 422
    assert "“colour” is no question: choose one of food1_identity" in text_of(reply.text)


def test_items_are_for_admins_alone(session: Session, browse: SignIn, campaign: Campaign) -> None:
    researcher = browse(make_account(session, Role.RESEARCHER))
    assert [researcher.get(address(campaign, rest)).status_code for rest in ("", "/items.csv")] == [403, 403]
