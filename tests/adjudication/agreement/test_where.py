"""Agreement by country, generator and subtask: the heat map, what stands out of it, its files."""

import csv
import io
import re
import xml.etree.ElementTree as ET

import pytest
from sqlmodel import Session

from app.accounts.models import Account, Role
from app.adjudication.agreement import where_views as views
from app.campaigns.models import Campaign
from tests.adjudication.agreement.counted import counted
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.test_votes import voted

ALIKE, DIFFER = (2, 0, 0), (1, 1, 0)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def campaign(session: Session) -> Campaign:
    """Italy: 36 of 40 items agree; Egypt: 8 of 40; Kenya: 2 of 9, which are few. All: 46 of 89."""
    campaign = make_campaign(session, "sample")
    counted(
        session,
        campaign,
        {
            ("all", ""): {ALIKE: 46, DIFFER: 43},
            ("country", "IT"): {ALIKE: 36, DIFFER: 4},
            ("country", "EG"): {ALIKE: 8, DIFFER: 32},
            ("country", "KE"): {ALIKE: 2, DIFFER: 7, (1, 0, 0): 100},
        },
    )
    return campaign


@pytest.fixture
def admin(session: Session) -> Account:
    return make_account(session, Role.ADMIN)


def read(browse: SignIn, account: Account, query: str = "", place: str = "where") -> str:
    reply = browse(account).get(f"/campaigns/sample/agreement/{place}{query}")
    assert reply.status_code == 200, reply.text
    return reply.text


def cells(page: str) -> dict[str, tuple[str, str, str]]:
    """{title: (text, class, address)} of the heat map's cells."""
    svg = ET.fromstring(page[page.index("<svg xmlns") : page.index("</figure>")].rpartition("</svg>")[0] + "</svg>")
    return {
        link.findtext(f"{SVG}title", ""): (
            link.findtext(f"{SVG}text", ""),
            link.find(f"{SVG}rect").get("class", ""),  # type: ignore[union-attr]
            link.get("href", ""),
        )
        for link in svg.iter(f"{SVG}a")
    }


def test_each_cell_says_its_figure_with_interval_and_items_and_leads_to_it(
    browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    found = cells(read(browse, admin))
    title = next(title for title in found if title.startswith("Italy"))
    assert re.fullmatch(r"Italy, Dish \(only or left food\): 90\.0 % \[\d\d\.\d, \d+\.\d], 40 paired items", title)
    text, look, address = found[title]
    assert (text, "heat-thin" in look, bool(re.search(r"heat\d", look))) == ("90 %", False, True)
    assert address == (
        "/campaigns/sample/agreement/figure?question=food1_identity&by=country&part=IT&figure=percent_agreement"
    )
    whole = next(title for title in found if title.startswith("All items"))
    assert found[whole][2].endswith("figure?question=food1_identity&by=all&figure=percent_agreement")


def test_few_items_are_marked_in_words_and_not_shaded(browse: SignIn, admin: Account, campaign: Campaign) -> None:
    found = cells(read(browse, admin))
    title = next(title for title in found if title.startswith("Kenya"))
    assert title.endswith("9 paired items; too few to build on")
    assert found[title][0] == "22 %"
    assert "heat-thin" in found[title][1]
    assert not re.search(r"heat\d", found[title][1])


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["Egypt", "Italy", "Kenya"]),
        ("food1_identity", ["Egypt", "Kenya", "Italy"]),
    ],
)
def test_parts_stand_in_the_order_asked_for_in_page_and_file(
    browse: SignIn, admin: Account, campaign: Campaign, sort: str, expected: list[str]
) -> None:
    page = read(browse, admin, f"?sort={sort}")
    assert re.findall(r'<th scope="rowgroup"[^>]*><bdi>([^<]+)', page) == ["All items", *expected]
    file = read(browse, admin, f"?sort={sort}", "where/figures.csv")
    assert [row["country"] for row in csv.DictReader(io.StringIO(file))] == ["All items", *expected]


def test_most_items_come_first_whatever_the_name(session: Session, browse: SignIn, admin: Account) -> None:
    counted(
        session,
        make_campaign(session, "sample"),
        {
            ("all", ""): {ALIKE: 5},
            ("generator", "a"): {ALIKE: 2, (1, 0, 0): 50},
            ("generator", "b"): {ALIKE: 3},
        },
    )
    page = read(browse, admin, "?by=generator&sort=n")
    assert re.findall(r'<th scope="rowgroup"[^>]*><bdi>([^<]+)', page) == ["All items", "b", "a"]


def test_the_lowest_is_named_with_whether_it_can_be_chance(browse: SignIn, admin: Account, campaign: Campaign) -> None:
    # Egypt's 8 of 40 by Wilson reaches from 10 to 35 %, far below the 46 of 89 that are 51.7 %.
    words = " ".join(re.sub("<[^>]+>", "", read(browse, admin)).split())
    assert re.search(
        r"Dish \(only or left food\): Egypt, 20\.0 % \[[\d., ]+] of 40 paired items; 51\.7 % over all items\. "
        r"Its interval lies below that\.",
        words,
    )
    assert "Of the 2 figures with 10 or more paired items 1 has its interval wholly below" in words


def test_a_lowest_that_is_within_chance_is_said_to_be(session: Session, browse: SignIn, admin: Account) -> None:
    counted(
        session,
        make_campaign(session, "sample"),
        {
            ("all", ""): {ALIKE: 17, DIFFER: 7},
            ("subtask", "SF"): {ALIKE: 8, DIFFER: 4},
            ("subtask", "MF"): {ALIKE: 9, DIFFER: 3},
        },
    )
    page = read(browse, admin, "?by=subtask")
    assert "Its interval reaches that, so the difference may be chance." in page
    assert "read no ranking into this" in page


def test_parts_without_enough_items_are_never_the_lowest() -> None:
    few = report(9, 0.0, 0.0)
    parts = [views.Part("few", "few", {"background": few}), views.Part("a", "a", {"background": report(10, 0.6, 0.9)})]
    overall = views.Part("", "all", {"background": report(19, 0.5, 0.7)})
    assert views.lowest(parts, overall, "percent_agreement") == []
    parts.append(views.Part("b", "b", {"background": report(10, 0.4, None)}))
    (lowest,) = views.lowest(parts, overall, "percent_agreement")
    assert (lowest.part.part, lowest.overall, lowest.is_below) == ("b", 0.5, None)
    assert views.below(parts, overall, "percent_agreement") == (0, 1)


def report(n: int, value: float, high: float | None) -> dict[str, object]:
    return {
        "n_items_paired": n,
        "percent_agreement": {"value": value, "low": None if high is None else 0.0, "high": high, "reason": None},
    }


def test_the_file_holds_the_exact_figures_and_what_they_came_of(
    browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    reply = browse(admin).get("/campaigns/sample/agreement/where/figures.csv?figure=gwet_ac1")
    assert reply.headers["content-disposition"] == 'attachment; filename="sample-agreement-by-country-figures.csv"'
    egypt = list(csv.DictReader(io.StringIO(reply.text)))[1]
    assert (egypt["code"], egypt["question"], egypt["n_items_paired"]) == ("EG", "food1_identity", "40")
    assert float(egypt["percent_agreement_value"]) == 0.2
    # Of 80 answers 48 are yes and 32 no: chance for three answers is (0.6 · 0.4 + 0.4 · 0.6) / 2 = 0.24.
    assert float(egypt["gwet_ac1_value"]) == pytest.approx((0.2 - 0.24) / (1 - 0.24))
    assert (float(egypt["yes"]), float(egypt["no"])) == (0.6, 0.4)
    assert "campaign sample, policy version 1, first two counted judgments of each item" in egypt["source"]


def test_the_map_is_a_picture_too(browse: SignIn, admin: Account, campaign: Campaign) -> None:
    files = "/campaigns/sample/agreement/where/map"
    picture = browse(admin).get(f"{files}.svg?by=country")
    root = ET.fromstring(picture.text)
    assert "Egypt" in {text.text for text in root.iter(f"{SVG}text")}
    assert browse(admin).get(f"{files}.png").content.startswith(b"\x89PNG")
    assert browse(admin).get(f"{files}.csv").status_code == 404


def test_researchers_see_figures_but_no_way_to_items(
    session: Session, browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    researcher = make_account(session, Role.RESEARCHER)
    items = "/campaigns/sample/agreement/items?question=food1_identity&amp;by=country&amp;part=EG"
    assert items in read(browse, admin)
    assert "agreement/items" not in read(browse, researcher)


@pytest.mark.parametrize("query", ["?by=colour", "?figure=magic", "?sort=luck"])
def test_what_there_is_no_figure_for_is_said_with_the_choices(
    browse: SignIn, admin: Account, campaign: Campaign, query: str
) -> None:
    reply = browse(admin).get(f"/campaigns/sample/agreement/where{query}")
    assert reply.status_code == 422
    assert "choose one of" in reply.text


def test_the_votes_asked_for_count_and_stay_in_every_address(session: Session, browse: SignIn, admin: Account) -> None:
    campaign = make_campaign(session, "sample")
    for votes in (("yes", "yes", "no"), ("yes", "yes", "yes")):
        voted(session, campaign, make_item(session, campaign, foods=(("Koshary", "EG"),)), *votes)
    assert "Egypt, Dish (only or left food): 100.0 %" in read(browse, admin)
    page = read(browse, admin, "?all=1&cluster=families")
    # One item's three pairs agree by a third, the other's wholly.
    title, cell = next((title, cell) for title, cell in cells(page).items() if title.startswith("Egypt, Dish"))
    assert "66.7 % (one family, no interval)" in title
    assert cell[2].endswith("&all=1&cluster=families")
    assert "map.svg?by=country&amp;figure=percent_agreement&amp;sort=name&amp;all=1&amp;cluster=families" in page


def test_a_campaign_without_judgments_says_so(session: Session, browse: SignIn, admin: Account) -> None:
    make_campaign(session, "sample")
    assert "Nothing to compare yet" in read(browse, admin)
    assert browse(admin).get("/campaigns/sample/agreement/where/map.svg").status_code == 404
