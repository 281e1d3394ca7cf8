"""Two people at a time: the matrix of all pairs, its table and file, and one pair's answers."""

import csv
import io
import re
import uuid
import xml.etree.ElementTree as ET

import pytest
from scipy.stats import binomtest
from sqlmodel import Session

from app.accounts.models import Account, Role
from app.adjudication.agreement.pair_counts import pairs_of
from app.campaigns.models import Campaign
from app.judgments.tallies import up_to_date
from tests.adjudication.agreement.counted import paired
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.test_votes import voted

SVG = "{http://www.w3.org/2000/svg}"
COHEN = [("yes", "yes", 20), ("yes", "no", 5), ("no", "yes", 10), ("no", "no", 15)]
"""Of 50 items they agree on 35; yes is said to 25 and to 30: kappa is (0.7 - 0.5) / (1 - 0.5) = 0.4."""


@pytest.fixture
def campaign(session: Session) -> Campaign:
    return make_campaign(session, "sample")


@pytest.fixture
def admin(session: Session) -> Account:
    return make_account(session, Role.ADMIN)


def people(session: Session, *names: str) -> list[Account]:
    """With ids in the order of their names."""
    ids = sorted(uuid.uuid4() for _ in names)
    return [make_account(session, name=name, id=key) for name, key in zip(names, ids, strict=True)]


def read(browse: SignIn, account: Account, place: str = "pairs") -> str:
    reply = browse(account).get(f"/campaigns/sample/agreement/{place}")
    assert reply.status_code == 200, reply.text
    return reply.text


def table(browse: SignIn, account: Account, place: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(read(browse, account, place))))


def titles(page: str) -> list[str]:
    svg = page[page.index("<svg xmlns") : page.index("</figure>")].rpartition("</svg>")[0] + "</svg>"
    return [cell.text or "" for cell in ET.fromstring(svg).iterfind(f".//{SVG}a/{SVG}title")]


def plain(page: str) -> str:
    return " ".join(re.sub("<[^>]+>", "", page).split())


def test_a_pair_has_its_agreement_and_kappa_with_intervals(
    session: Session, browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    ann, bob = people(session, "Ann", "Bob")
    paired(session, campaign, ann, bob, COHEN)
    wilson = binomtest(35, 50).proportion_ci(method="wilson")
    assert titles(read(browse, admin)) == [
        f"Ann and Bob: 70.0 % [{100 * wilson.low:.1f}, {100 * wilson.high:.1f}], 50 shared items"
    ]
    assert titles(read(browse, admin, "pairs?figure=cohen_kappa")) == ["Ann and Bob: kappa 0.400, 50 shared items"]
    (row,) = table(browse, admin, "pairs/pairs.csv")
    assert (row["rater_a"], row["id_b"], row["n_items"]) == ("Ann", str(bob.id), "50")
    assert float(row["percent_agreement_low"]) == pytest.approx(wilson.low)
    assert float(row["cohen_kappa_value"]) == pytest.approx(0.4)
    # Fleiss, Cohen and Everitt's (1969) standard error of this kappa is 0.127.
    assert float(row["cohen_kappa_low"]) == pytest.approx(0.4 - 1.96 * 0.127, abs=0.04)
    assert float(row["cohen_kappa_high"]) == pytest.approx(0.4 + 1.96 * 0.127, abs=0.04)


def test_a_number_leads_to_its_pair_and_the_items_of_both(
    session: Session, browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    ann, bob = people(session, "Ann", "Bob")
    paired(session, campaign, bob, ann, COHEN)
    page = read(browse, admin)
    assert page.count(f'href="/campaigns/sample/agreement/pairs/{ann.id}/{bob.id}"') == 4
    assert f"/agreement/items?question=food1_identity&amp;a={ann.id}&amp;b={bob.id}" in page


def test_kappa_of_people_who_always_say_yes_is_undefined_and_says_why(
    session: Session, browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    paired(session, campaign, *people(session, "Ann", "Bob"), [("yes", "yes", 30)])
    assert "all answers are alike" in titles(read(browse, admin, "pairs?figure=cohen_kappa"))[0]
    (row,) = table(browse, admin, "pairs/pairs.csv")
    assert (row["cohen_kappa_value"], row["cohen_kappa_reason"]) == ("", "no_variation")


def test_a_pair_of_few_items_has_no_figure_in_the_picture_and_comes_last(
    session: Session, browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    ann, bob, cat = people(session, "Ann", "Bob", "Cat")
    paired(session, campaign, ann, bob, [("yes", "no", 19)])
    paired(session, campaign, ann, cat, [("yes", "yes", 20)])
    page = read(browse, admin)
    assert "Ann and Bob: only 19 shared items, too few for a figure" in titles(page)
    assert any(title.startswith("Ann and Cat: 100.0 %") for title in titles(page))
    assert "too few for a figure (1 of 2 pairs)" in page
    assert [row["rater_b"] for row in table(browse, admin, "pairs/pairs.csv")] == ["Cat", "Bob"]


def test_people_stand_in_the_order_of_their_agreement_with_everyone(
    session: Session, browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    ann, bob, cat = people(session, "Ann", "Bob", "Cat")
    paired(session, campaign, ann, bob, [("yes", "yes", 10), ("yes", "no", 20)])
    paired(session, campaign, ann, cat, [("yes", "yes", 20), ("no", "yes", 10)])
    paired(session, campaign, bob, cat, [("yes", "yes", 25), ("yes", "no", 5)])
    # Of their 60 comparisons agree: Ann's 30, Bob's 35, Cat's 45.
    svg = ET.fromstring(read(browse, admin, "pairs/matrix.svg"))
    rows = [text.text for text in svg.iter(f"{SVG}text") if text.get("class") == "chart-tick chart-end"]
    columns = [text.text for text in svg.iter(f"{SVG}text") if text.get("class") == "chart-tick chart-middle"]
    assert (columns, rows) == (["Cat", "Bob"], ["Bob", "Ann"])
    assert [row["n_items"] for row in table(browse, admin, "pairs/pairs.csv")] == ["30"] * 3
    agreeing = [float(row["percent_agreement_value"]) for row in table(browse, admin, "pairs/pairs.csv")]
    assert agreeing == pytest.approx([10 / 30, 20 / 30, 25 / 30])


def test_of_many_people_those_with_most_judgments_are_shown_and_the_file_has_all(
    session: Session, browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    hub, *others, rare = crowd = people(session, "Hub", *(f"Rater {number}" for number in range(39)), "Rare")
    for other in (*others, rare):
        judgments = {account.id: 5 if account is rare else 50 for account in crowd}
        paired(session, campaign, hub, other, [("yes", "yes", 20), ("no", "yes", 1)], judgments=judgments)
    page = read(browse, admin)
    assert "Of 41 people the 40 with most judgments are shown" in page
    assert len(titles(page)) == 39
    assert "Rare" not in page
    rows = table(browse, admin, "pairs/pairs.csv")
    assert (len(rows), rows[-1]["rater_b"], rows[-1]["cohen_kappa_reason"]) == (40, "Rare", "no_replicates")
    assert float(rows[-1]["cohen_kappa_value"]) == 0


def test_a_long_table_has_pages(session: Session, browse: SignIn, admin: Account, campaign: Campaign) -> None:
    crowd = people(session, *(f"Rater {number:02}" for number in range(15)))
    for place, one in enumerate(crowd):
        for other in crowd[:place]:
            paired(session, campaign, one, other, [("yes", "yes", 20)])
    page = read(browse, admin)
    assert "1 to 100 of 105 pairs" in page
    assert 'rel="next" href="/campaigns/sample/agreement/pairs?start=100"' in page
    assert 'rel="prev"' not in page
    last = read(browse, admin, "pairs?start=100")
    assert "101 to 105 of 105 pairs" in last
    assert ('rel="prev"' in last, 'rel="next"' in last) == (True, False)


def test_one_pair_shows_each_combination_of_answers_and_leads_to_its_items(
    session: Session, browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    ann, bob = people(session, "Ann", "Bob")
    paired(session, campaign, ann, bob, COHEN)
    page = read(browse, admin, f"pairs/{ann.id}/{bob.id}")
    links = re.findall(r'href="[^"]*/items\?([^"]+)"[^>]*>(\d+)<', page)
    both = f"question=food1_identity&amp;a={ann.id}&amp;b={bob.id}"
    assert links == [
        (both, "50"),
        (f"{both}&amp;answer_a=yes&amp;answer_b=yes", "20"),
        (f"{both}&amp;answer_a=yes&amp;answer_b=no", "5"),
        (f"{both}&amp;answer_a=no&amp;answer_b=yes", "10"),
        (f"{both}&amp;answer_a=no&amp;answer_b=no", "15"),
    ]
    assert "0.400" in page
    assert f'href="/campaigns/sample/agreement/people/{ann.id}"' in page
    assert re.findall(r'href="[^"]*/items\?([^"]+)"[^>]*>(\d+)<', read(browse, admin, f"pairs/{bob.id}/{ann.id}")) == (
        links
    )


def test_who_says_no_more_often_is_said_with_its_chance(
    session: Session, browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    ann, bob = people(session, "Ann", "Bob")
    # Ten items just one said no to, nine of them Ann: 2 · (10 + 1) / 2^10 = 0.0215, one time in 47.
    paired(session, campaign, ann, bob, [("yes", "yes", 50), ("no", "yes", 7), ("no", "unsure", 2), ("yes", "no", 1)])
    # Three, two of them Bob's: all splits but none are as uneven, so p is 1.
    paired(session, campaign, ann, bob, [("no", "yes", 1), ("yes", "no", 2)], question="food1_origin")
    place = f"pairs/{ann.id}/{bob.id}"
    words = plain(read(browse, admin, place))
    assert "Just one of them said no to 10 items: Ann to 9, Bob to 1. Ann says no more often:" in words
    assert "a split so uneven would come about 1 time in 47." in words
    assert (
        "That can be chance: were both equally strict, a split at least so uneven would come about 100 times" in words
    )
    rows = table(browse, admin, f"{place}/figures.csv")
    assert [float(row["exact_mcnemar_p"]) for row in rows] == pytest.approx([22 / 1024, 1])
    answers = table(browse, admin, f"{place}/answers.csv")
    found = {(row["question"], row["answer_a"], row["answer_b"]): row["n_items"] for row in answers}
    assert found["food1_identity", "no", "unsure"] == "2"
    assert found["food1_origin", "yes", "no"] == "2"


def test_strangers_and_one_person_twice_are_no_pair(
    session: Session, browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    ann, bob = people(session, "Ann", "Bob")
    (stranger,) = people(session, "Stranger")
    paired(session, campaign, ann, bob, COHEN)
    for a, b in ((ann, stranger), (ann, ann), (stranger, uuid.uuid4())):
        ids = [one if isinstance(one, uuid.UUID) else one.id for one in (a, b)]
        for file in ("", "/answers.csv"):
            path = f"/campaigns/sample/agreement/pairs/{ids[0]}/{ids[1]}{file}"
            assert browse(admin).get(path).status_code == 404


def test_two_who_share_nothing_are_told_so(
    session: Session, browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    ann, bob, cat = people(session, "Ann", "Bob", "Cat")
    paired(session, campaign, ann, bob, COHEN)
    paired(session, campaign, bob, cat, COHEN)
    assert "They share no item" in read(browse, admin, f"pairs/{ann.id}/{cat.id}")


def test_judgments_become_tables_with_the_lower_ids_answers_in_rows(session: Session, campaign: Campaign) -> None:
    ann, bob = people(session, "Ann", "Bob")
    voted(session, campaign, make_item(session, campaign), "no", "unsure", people=[bob, ann])
    voted(session, campaign, make_item(session, campaign), "yes", "no", people=[ann, bob])
    up_to_date(session, campaign.id)
    found = pairs_of(session, campaign.id, "first", "food1_identity")
    assert (found.a, found.b) == ([ann.id], [bob.id])
    assert found.tables.tolist() == [[[0, 1, 0], [0, 0, 0], [0, 1, 0]]]


def test_a_campaign_without_pairs_says_so(browse: SignIn, admin: Account, campaign: Campaign) -> None:
    assert "No pair shares an item yet" in read(browse, admin)
    assert table(browse, admin, "pairs/pairs.csv") == []


@pytest.mark.parametrize("query", ["?question=colour", "?figure=magic"])
def test_what_there_is_no_matrix_of_is_said_with_the_choices(
    browse: SignIn, admin: Account, campaign: Campaign, query: str
) -> None:
    reply = browse(admin).get(f"/campaigns/sample/agreement/pairs{query}")
    assert reply.status_code == 422
    assert "choose one of" in reply.text
