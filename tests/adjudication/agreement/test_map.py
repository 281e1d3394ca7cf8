"""The dispute map: what each cell counts, where it leads, its files, and who may see it."""

import csv
import html
import io
import re

import pytest
from sqlmodel import Session, select

from app.accounts.models import Role
from app.adjudication.agreement import map_views
from app.campaigns.models import Campaign
from app.items.models import Item, Status, Subtask
from app.judgments.tallies import up_to_date
from app.judgments.tally_models import ItemPosterior
from app.judgments.vote_filters import ON_WHITE
from app.judgments.vote_map import Spot, by_country, by_dish
from tests.adjudication.agreement.test_items import text_of
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.test_vote_items import IDENTITY, ORIGIN, crowd, voted


@pytest.fixture
def items(session: Session) -> list[Item]:
    """Four dishes of Egypt on white or in Japan, and one of Italy in Japan; half of them disputed."""
    campaign = make_campaign(session)
    koshary, pizza = (("Koshary", "EG"),), (("Pizza", "IT"),)
    made = [
        make_item(session, campaign, key="a", foods=koshary, status=Status.REJECTED),
        make_item(session, campaign, key="b", foods=koshary, status=Status.APPROVED),
        make_item(session, campaign, key="c", foods=(("Molokhia", "EG"),)),
        make_item(session, campaign, Subtask.SFB, key="d", foods=koshary, background="JP"),
        make_item(session, campaign, Subtask.SFB, key="e", foods=pizza, background="JP", status=Status.DISPUTED),
    ]
    for item, votes in zip(made, ["yes-no", "yes-yes", "unsure", "yes-yes-no", "unsure-no"], strict=True):
        voted(session, item, *votes.split("-"), **({"background": "no"} if item.subtask is Subtask.SFB else {}))
    up_to_date(session, campaign.id)
    return made


def campaign_of(session: Session, items: list[Item]) -> Campaign:
    return session.get_one(Campaign, items[0].campaign_id)


def test_cells_count_items_with_differing_unsure_and_rejected_ones(session: Session, items: list[Item]) -> None:
    campaign_id = items[0].campaign_id
    session.add(ItemPosterior(item_id=items[0].id, campaign_id=campaign_id, claims={IDENTITY: 0.75}, doubt=0.4))
    session.flush()
    egypt_on_white = Spot("EG", ON_WHITE, 3, 2, 1, 1, 2, 1, 1, 0.4)
    assert by_country(session, campaign_id, "first", "") == [
        Spot("EG", "JP", 1, 1, 0, 0, 0, 0, 0, 0),
        egypt_on_white,
        Spot("IT", "JP", 1, 1, 1, 1, 0, 0, 0, 0),  # a disputed item isn't decided
    ]
    assert by_country(session, campaign_id, "first", IDENTITY)[1] == egypt_on_white._replace(doubt=0.25)
    assert by_country(session, campaign_id, "all", "")[0].n_differ == 1
    origin = by_country(session, campaign_id, "first", ORIGIN)
    assert [(spot.n_items, spot.n_differ, spot.n_unsure) for spot in origin] == [(1, 0, 0), (3, 0, 0), (1, 0, 0)]
    dishes = by_dish(session, campaign_id, "first", "", "EG")
    assert {(spot.row, spot.column, spot.n_items) for spot in dishes} == {
        (str(items[0].family_id), ON_WHITE, 2),
        (str(items[2].family_id), ON_WHITE, 1),
        (str(items[3].family_id), str(items[3].background_id), 1),
    }


@pytest.mark.parametrize(
    "query", ["differ", f"unsure&question={IDENTITY}&all=1", "rejected&country=EG", f"differ&question={IDENTITY}"]
)
def test_a_number_leads_to_as_many_items(session: Session, browse: SignIn, query: str) -> None:
    campaign = crowd(session, seed=3)
    for number, item in enumerate(session.exec(select(Item).where(Item.campaign_id == campaign.id).order_by("key"))):
        item.status = list(Status)[number % 4]
    session.flush()
    admin = browse(make_account(session, Role.ADMIN))
    page = admin.get(f"/campaigns/{campaign.slug}/agreement/map?measure={query}").text
    links = re.findall(r'<td[^>]*><a href="([^"]+)" title="[^"]*: ([\d,]+) of [^"]*">', page)
    assert len(links) > 2
    for href, n in links:
        listed = text_of(admin.get(html.unescape(href)).text)
        assert f" {n} item{'' if n == '1' else 's'} " in listed, href


def test_the_page_shows_the_map_and_the_most_disputed_items(
    session: Session, browse: SignIn, items: list[Item]
) -> None:
    campaign = campaign_of(session, items)
    admin = browse(make_account(session, Role.ADMIN))
    address = f"/campaigns/{campaign.slug}/agreement/map"
    page = admin.get(address).text
    about = "Egypt, on white: 1 of 2 items with two or more votes, 50.0 % [9.5, 90.5]; 3 items in all"
    assert f'title="{about}">50</a>' in page
    assert f'href="{address}?measure=differ&amp;country=EG"' in page
    cell = f"/campaigns/{campaign.slug}/agreement/items?by=country&amp;part=EG&amp;scene_country=none&amp;votes=differ"
    assert f'class="heat4 thin"><a href="{cell}"' in page
    assert re.findall(r'<th scope="(?:col|row)">(?:<[^>]+>)([^<]+)', page) == ["on white", "Japan", "Egypt", "Italy"]
    disputed = page.partition("The most disputed items")[2]
    assert [name in disputed for name in ("Koshary", "Pizza", "Molokhia")] == [True, True, False]
    assert "there is no rater model yet" in disputed
    session.add(ItemPosterior(item_id=items[2].id, campaign_id=campaign.id, claims={}, doubt=0.5))
    session.flush()
    by_doubt = admin.get(address).text.partition("The items most in doubt")[2]
    assert by_doubt.index("Molokhia") < by_doubt.index("Pizza")
    assert "Molokhia" in admin.get(f"{address}?country=EG&measure=doubt").text


def test_a_disputed_item_is_in_no_share_of_rejected_ones(session: Session, browse: SignIn, items: list[Item]) -> None:
    campaign = campaign_of(session, items)
    page = browse(make_account(session, Role.ADMIN)).get(f"/campaigns/{campaign.slug}/agreement/map?measure=rejected")
    assert "Egypt, on white: 1 of 2 approved and rejected items, 50.0 %" in page.text
    assert 'title="Italy, Japan: 1 item, none of them approved or rejected">–</a>' in page.text
    assert "Disputed items still wait for a decision and don’t count." in page.text


def test_its_files_hold_what_the_page_shows(session: Session, browse: SignIn, items: list[Item]) -> None:
    campaign = campaign_of(session, items)
    admin = browse(make_account(session, Role.ADMIN))
    address = f"/campaigns/{campaign.slug}/agreement/map"
    rows = list(csv.DictReader(io.StringIO(admin.get(f"{address}/cells.csv?measure=unsure").text)))
    shown = [(row["row"], row["scene"], row["n_items"], row["n_counted"], row["unsure_value"][:4]) for row in rows]
    assert shown == [
        ("Egypt", "on white", "3", "1", "0.33"),
        ("Egypt", "Japan", "1", "0", "0.0"),
        ("Italy", "Japan", "1", "1", "1.0"),
    ]
    assert campaign.slug in rows[0]["source"]
    assert admin.get(f"{address}/map.png").content.startswith(b"\x89PNG")
    assert b"Egypt" in admin.get(f"{address}/map.svg").content


def test_the_darkest_shade_is_no_thin_cells_share() -> None:
    thin = Spot("EG", "JP", 9, 9, 9, 0, 0, 0, 0, 0.0)
    firm = Spot("IT", "JP", 10, 10, 4, 0, 0, 0, 0, 0.0)
    assert map_views.darkest([thin, firm], "differ") == 0.4
    assert map_views.darkest([firm], "unsure") == 0.1
    assert map_views.darkest([thin], "differ") == 1.0


def test_an_empty_campaign_and_odd_choices(session: Session, browse: SignIn) -> None:
    campaign = make_campaign(session)
    admin = browse(make_account(session, Role.ADMIN))
    address = f"/campaigns/{campaign.slug}/agreement/map"
    assert "Nothing to map yet" in admin.get(address).text
    for query in ("?measure=colour", "?question=colour", "?country=Egypt"):
        assert admin.get(address + query).status_code == 422
    assert browse(make_account(session, Role.RESEARCHER)).get(address).status_code == 403
