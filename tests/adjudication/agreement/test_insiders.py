"""Insiders and outsiders: agreement within and between them, what they answer, and the page that shows it."""

import csv
import html
import io
import re

import pytest
from sqlmodel import Session

from app.accounts.models import Account, KnownCountry, Role
from app.adjudication.agreement import insider_views as views
from app.adjudication.agreement.insider_queries import OVERALL, sides_of
from app.campaigns.models import Campaign
from app.items.models import Gold, ItemFood, Subtask
from app.judgments.tallies import up_to_date
from app.judgments.votes import counts_by_part, document_of
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.test_votes import voted

KOSHARY, PIZZA = ("Koshary", "EG"), ("Pizza", "IT")


def insider(session: Session, *countries: str) -> Account:
    account = make_account(session)
    session.add_all(KnownCountry(account_id=account.id, country=country) for country in countries)
    session.flush()
    return account


@pytest.fixture
def campaign(session: Session) -> Campaign:
    """Four Egyptian dishes and an Italian one; Amal and Badr know Egypt, Carla Italy, Dan nothing.

    koshary 1: Amal no, Badr no, Dan yes · koshary 2: Amal yes, Dan unsure · koshary 3: Dan yes, Badr yes, Amal no ·
    koshary 4: Dan yes, Carla yes · pizza: Carla no, Dan yes.
    """
    campaign = make_campaign(session, "tasting")
    amal, badr, carla, dan = (
        insider(session, "EG"), insider(session, "EG"), insider(session, "IT"), insider(session),
    )  # fmt: skip
    for dish, votes in (
        (KOSHARY, [(amal, "no"), (badr, "no"), (dan, "yes")]),
        (KOSHARY, [(amal, "yes"), (dan, "unsure")]),
        (KOSHARY, [(dan, "yes"), (badr, "yes"), (amal, "no")]),
        (KOSHARY, [(dan, "yes"), (carla, "yes")]),
        (PIZZA, [(carla, "no"), (dan, "yes")]),
    ):
        people, words = [person for person, _ in votes], [word for _, word in votes]
        voted(session, campaign, make_item(session, campaign, foods=(dish,)), *words, people=people)
    up_to_date(session, campaign.id)
    return campaign


def figures(session: Session, campaign: Campaign, basis: str = "all", **wanted: bool) -> dict[str, views.Row]:
    parts = sides_of(session, campaign.id, "food1_identity", basis, **wanted)  # type: ignore[arg-type]
    return {row.label: row for row in views.rows(parts, "percent_agreement")}


def test_agreement_within_each_group_and_between_them(session: Session, campaign: Campaign) -> None:
    found = figures(session, campaign)
    assert list(found) == ["All countries", "All countries, items both judged", "Egypt", "Italy"]
    values = {
        label: {name: (group.agreement.value, group.n_paired) for name, group in row.groups.items()}
        for label, row in found.items()
    }
    # Insiders met on koshary 1 (alike) and 3 (not); outsiders on 4; first insider and first outsider on 1 (no, yes),
    # 2 (yes, unsure) and 3 (yes, yes).
    egypt = {"insiders": (0.5, 2), "outsiders": (1, 1), "mixed": (pytest.approx(1 / 3), 3)}
    assert values["Egypt"] == egypt
    assert values["Italy"] == {"insiders": (None, 0), "outsiders": (None, 0), "mixed": (0, 1)}
    assert values["All countries"] == egypt | {"mixed": (0.25, 4)}


def test_the_first_two_judgments_alone_unless_all_are_wanted(session: Session, campaign: Campaign) -> None:
    egypt = figures(session, campaign, "first")["Egypt"]
    assert (egypt.n_insiders, egypt.n_outsiders) == (4, 4)
    assert {name: group.n_paired for name, group in egypt.groups.items()} == {
        "insiders": 1, "outsiders": 1, "mixed": 2,
    }  # fmt: skip


def test_shares_of_no_and_unsure_and_their_difference(session: Session, campaign: Campaign) -> None:
    found = figures(session, campaign)
    egypt = found["Egypt"]
    # Insiders gave no, no, yes, yes, no; outsiders yes, unsure, yes, yes, yes.
    assert (egypt.n_insiders, egypt.n_outsiders) == (5, 5)
    assert [side.value for side in egypt.answers["no"]] == [0.6, 0, 0.6]
    assert [side.value for side in egypt.answers["unsure"]] == [0, 0.2, -0.2]
    # Insiders no, no, yes, yes, no, no of six; outsiders one unsure of six.
    assert [side.value for side in found["All countries"].answers["no"]] == [
        pytest.approx(4 / 6),
        0,
        pytest.approx(4 / 6),
    ]
    # First of each: no-yes, yes-unsure, yes-yes, no-yes.
    same = found["All countries, items both judged"]
    assert (same.n_insiders, same.n_outsiders) == (4, 4)
    assert [side.value for side in same.answers["no"]] == [0.5, 0, 0.5]


def test_a_dish_of_two_countries_is_in_both_rows_and_once_in_all(session: Session) -> None:
    campaign, amal, dan = make_campaign(session), insider(session, "EG"), insider(session)
    item = make_item(session, campaign, foods=(KOSHARY,))
    session.get_one(ItemFood, (item.id, 1)).countries = ["EG", "SD"]
    session.flush()
    voted(session, campaign, item, "yes", "no", people=[amal, dan])
    up_to_date(session, campaign.id)
    found = figures(session, campaign)
    assert [(row.label, row.n_insiders, row.n_outsiders) for row in found.values()] == [
        ("All countries", 1, 1), ("All countries, items both judged", 1, 1), ("Egypt", 1, 1), ("Sudan", 1, 1),
    ]  # fmt: skip


def test_figures_by_country_are_those_of_the_counts(session: Session, campaign: Campaign) -> None:
    for basis in ("first", "all"):
        rows = figures(session, campaign, basis)
        for name in views.GROUPS:
            counts = counts_by_part(session, campaign.id, name, basis)["EG"]["food1_identity"]  # type: ignore[arg-type]
            report = document_of(counts)
            assert rows["Egypt"].groups[name].agreement.as_json() == report["percent_agreement"]
            assert rows["Egypt"].groups[name].n_paired == report["n_items_paired"]


def test_a_background_is_about_its_own_country_and_gold_stays_out(session: Session) -> None:
    campaign, aiko = make_campaign(session), insider(session, "JP")
    known, plain = (make_item(session, campaign, Subtask.SFB, foods=(KOSHARY,)) for _ in range(2))
    session.add(Gold(item_id=known.id, question="background", answer="yes"))
    for item in (known, plain):
        voted(session, campaign, item, "yes", people=[aiko])
    up_to_date(session, campaign.id)
    parts = sides_of(session, campaign.id, "background", "all")
    assert {part: sum(items.values()) for part, items in parts.items()} == {OVERALL: 1, "JP": 1}
    assert all(any(sides.insiders) for sides in parts["JP"])
    assert all(not any(side.insiders) for side in sides_of(session, campaign.id, "food1_origin", "all")["EG"])


def test_items_of_one_dish_can_be_kept_together(session: Session, campaign: Campaign) -> None:
    egypt = figures(session, campaign, families=True)["Egypt"]
    assert egypt.groups["insiders"].agreement == (0.5, None, None, "one_family")
    assert egypt.answers["no"].first.value == 0.6
    loose = figures(session, campaign)["Egypt"].answers["no"].first
    assert loose.low is not None
    assert egypt.answers["no"].first.low is not None
    assert egypt.answers["no"].first.low < loose.low


def test_alike_items_of_one_dish_weigh_as_many_as_they_are(session: Session) -> None:
    campaign, amal = make_campaign(session), insider(session, "EG")
    for vote in ("no", "no", "yes"):
        voted(session, campaign, make_item(session, campaign, foods=(KOSHARY,)), vote, people=[amal])
    up_to_date(session, campaign.id)
    together = figures(session, campaign, families=True)["Egypt"]
    assert together.answers["no"].first.value == pytest.approx(2 / 3)


PAGE = "/campaigns/tasting/agreement/insiders"


def test_the_page_compares_and_its_numbers_lead_on(session: Session, browse: SignIn, campaign: Campaign) -> None:
    page = browse(make_account(session, Role.ADMIN)).get(f"{PAGE}?all=1").text
    assert '<th scope="row"><bdi>Egypt</bdi></th>' in page
    cell = re.search(r'<a href="([^"]*figure[^"]*by=insiders[^"]*)">50\.0', page)
    assert cell is not None
    for part in ("part=EG", "question=food1_identity", "figure=percent_agreement", "all=1"):
        assert part in cell[1]
    assert re.search(r'<a href="[^"]*/items\?question=food1_identity&amp;by=insiders&amp;part=EG[^"]*">5</a>', page)
    assert "few: insiders, outsiders, between" in page
    assert (
        "insiders said no in 66.7\N{NO-BREAK SPACE}% of their answers and outsiders in 0.0\N{NO-BREAK SPACE}%: +66.7"
        in page
    )
    assert "On the 4 items that both judged" in page


def test_the_numbers_of_all_countries_lead_to_just_their_items(
    session: Session, browse: SignIn, campaign: Campaign
) -> None:
    admin = browse(make_account(session, Role.ADMIN))
    page = admin.get(f"{PAGE}?all=1").text
    # Insiders met on koshary 1 and 3, outsiders on 4; who knows and who doesn't on koshary 1, 2, 3 and the pizza.
    agree, answers = re.findall(r"<tr>(?:(?!</tr>).)*<bdi>All countries</bdi>.*?</tr>", page, re.S)
    (both,) = re.findall(r"<tr>(?:(?!</tr>).)*<bdi>All countries, items both judged</bdi>.*?</tr>", page, re.S)
    for row, linked in (
        (agree, {"insiders&votes=paired": 2, "outsiders&votes=paired": 1, "mixed": 4}),
        (answers, {"insiders": 4, "outsiders": 5, "mixed&votes=differ": 3}),
        (both, {"mixed": 4, "mixed&votes=differ": 3}),
    ):
        links = {html.unescape(link) for link in re.findall(r'href="([^"]+)"', row)}
        here = "/campaigns/tasting/agreement/items?question=food1_identity"
        assert links == {f"{here}&by={by}&all=1" for by in linked}
        for by, n in linked.items():
            shown = admin.get(f"{here}&by={by}&all=1").text
            assert f'<h2 class="items-count">{n} item{"" if n == 1 else "s"}</h2>' in shown
            assert "all countries" in shown


def test_researchers_see_it_without_ways_to_items(session: Session, browse: SignIn, campaign: Campaign) -> None:
    page = browse(make_account(session, Role.RESEARCHER)).get(PAGE).text
    assert "Egypt" in page
    assert "/agreement/items" not in page
    assert "@example.org" not in page.replace("researcher", "")[page.index("<main") :]


def test_files_hold_what_the_page_shows(session: Session, browse: SignIn, campaign: Campaign) -> None:
    client = browse(make_account(session, Role.RESEARCHER))
    rows = list(csv.DictReader(io.StringIO(client.get(f"{PAGE}/answers.csv?all=1").text)))
    assert [row["country"] for row in rows] == ["All countries", "All countries, items both judged", "Egypt", "Italy"]
    assert (rows[2]["insider_answers"], rows[2]["insiders_no_value"], rows[2]["difference_no_value"]) == (
        "5",
        "0.6",
        "0.6",
    )
    assert "every counted judgment" in rows[0]["source"]
    assert "food1_identity" in rows[0]["source"]
    rows = list(csv.DictReader(io.StringIO(client.get(f"{PAGE}/agreement.csv").text)))
    assert [(row["country"], row["insiders_items"]) for row in rows] == [
        ("All countries", "1"), ("Egypt", "1"), ("Italy", "0"),
    ]  # fmt: skip
    assert client.get(f"{PAGE}/answers.svg?answer=unsure").text.count("Share of “unsure”") >= 1
    assert client.get(f"{PAGE}/agreement.png").content.startswith(b"\x89PNG")
    assert client.get(f"{PAGE}/nothing.csv").status_code == 404


def test_empty_pages_say_what_is_missing(session: Session, browse: SignIn) -> None:
    campaign, client = make_campaign(session, "tasting"), browse(make_account(session, Role.ADMIN))
    assert "Nothing is counted yet" in client.get(PAGE).text
    voted(session, campaign, make_item(session, campaign), "yes", "no")
    page = client.get(PAGE).text
    assert "No insider has answered this question yet" in page
    assert "Countries whose food you know" in page
    assert client.get(f"{PAGE}/answers.csv").status_code == 404


@pytest.mark.parametrize("query", ["question=colour", "figure=mood", "answer=yes", "cluster=moons"])
def test_unknown_choices_are_refused_in_a_sentence(session: Session, browse: SignIn, query: str) -> None:
    make_campaign(session, "tasting")
    reply = browse(make_account(session, Role.ADMIN)).get(f"{PAGE}?{query}")
    assert reply.status_code == 422
    assert "choose" in reply.text
