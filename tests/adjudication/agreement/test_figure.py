"""One figure by itself: its page, its citation, the answers behind it, and what there is none of."""

import csv
import io
import re

import pytest
from sqlmodel import Session

from app.accounts.models import Account
from app.campaigns.models import Campaign
from app.items.models import Item, Subtask
from tests.adjudication.agreement.counted import counted
from tests.adjudication.conftest import NO, judge
from tests.conftest import SignIn
from tests.factories import make_item

ADDRESS = "/campaigns/sample/agreement/figure"


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.fixture
def paradox(session: Session, campaign: Campaign) -> None:
    """118 items yes twice, 5 yes and no, 2 no twice, and 3 with one answer. Agreement 120 of 125; of 250 paired
    answers 241 are yes, so alpha is 1 - 249 * 10 / (2 * 241 * 9) = 0.426."""
    counted(session, campaign, {("all", ""): {(2, 0, 0): 118, (1, 1, 0): 5, (0, 2, 0): 2, (1, 0, 0): 3}})


def test_a_figure_stands_with_all_a_reader_should_know(
    browse: SignIn, researcher: Account, campaign: Campaign, paradox: None
) -> None:
    page = browse(researcher).get(f"{ADDRESS}?question=food1_identity&figure=krippendorff_alpha").text
    said = text_of(page)
    assert "0.426 [" in said
    assert "95 %, percentile bootstrap over items, 1,000 replicates, seed 0" in said
    assert "128 , of which 125 have two judgments or more" in said.replace("128,", "128 ,")
    assert "253 by" in said
    assert "First two counted judgments of each item" in said
    assert "Version 1: 3 people judge each item." in said
    assert "observed / expected disagreement" in said
    assert "read percent agreement with AC1" in said
    assert "96.0 [" in said  # percent agreement beside it


def test_its_citation_says_everything_in_one_text(
    browse: SignIn, researcher: Account, campaign: Campaign, paradox: None
) -> None:
    page = browse(researcher).get(f"{ADDRESS}?question=food1_identity").text
    box = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert box is not None
    words = box[1].replace("&amp;", "&")
    for part in (
        "Percent agreement 96.0 %, 95 % interval ",
        "(percentile bootstrap over items, 1,000 replicates, seed 0)",
        "“Dish (only or left food)” (food1_identity), all items, campaign “Sample” (sample)",
        "125 paired items of 128, 253 judgments by 1 person",
        "first two counted judgments of each item",
        "Verification policy version 1: 3 people judge each item.",
        "Votes as of 20",
        "http://testserver/campaigns/sample/agreement/figure?question=food1_identity&by=all&figure=percent_agreement",
    ):
        assert part in words
    assert 'data-copy="citation" hidden' in page


def test_each_combination_of_answers_leads_an_admin_to_its_items(
    browse: SignIn, admin: Account, researcher: Account, campaign: Campaign, paradox: None
) -> None:
    page = browse(admin).get(f"{ADDRESS}?question=food1_identity").text
    items = "/campaigns/sample/agreement/items?question=food1_identity"
    for votes, n in [("yes-yes", 118), ("yes-no", 5), ("no-no", 2), ("yes", 3)]:
        assert f'<a href="{items}&amp;votes={votes}">{n}</a>' in page
    theirs = browse(researcher).get(f"{ADDRESS}?question=food1_identity").text
    assert "/items" not in theirs
    assert "yes · no" in theirs


def test_every_kind_of_part_has_its_figures(
    session: Session, browse: SignIn, admin: Account, researcher: Account, campaign: Campaign
) -> None:
    item = make_item(session, campaign, Subtask.SFB, generator="sd/3 <b>")
    people = judge(session, campaign, item, {}, NO, {})
    week = browse(admin).get("/campaigns/sample/agreement/overview/trend.csv").text.splitlines()[1].split(",")[1]
    client = browse(admin)
    for by, part, words in [
        ("subtask", "SFB", "items of subtask SFB (one food and a background)"),
        ("country", "EG", "items whose first food is from Egypt"),
        ("generator", "sd/3 <b>", "items of generator sd/3 &lt;b&gt;"),
        ("week", week, "items of the week from "),
        ("rater", str(people[0].id), f"items that {people[0].name} judged"),
        ("outsiders", "EG", "answers of people who don’t know Egypt"),
    ]:
        page = client.get(ADDRESS, params={"question": "food1_identity", "by": by, "part": part, "cluster": "families"})
        assert page.status_code == 200, by
        assert words in page.text
        assert "votes=yes-no" in page.text
        is_possible = by not in ("week", "outsiders")
        assert ("over 1 family of items" in page.text) == is_possible
        assert ("Families can’t be resampled" in page.text) != is_possible
    every = client.get(f"{ADDRESS}?question=food1_identity&by=country&part=EG&all=1").text
    assert "yes · yes · no" in every
    theirs = {"question": "food1_identity", "by": "rater", "part": str(people[0].id)}
    assert browse(researcher).get(ADDRESS, params=theirs).status_code == 403


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 422, "is no question; choose one of food1_identity"),
        ("question=food1_identity&figure=pi", 422, "“pi” is no figure"),
        ("question=food1_identity&by=mood&part=x", 422, "“mood” is no kind of part"),
        ("question=food1_identity&by=country", 422, "Say which country is meant"),
        ("question=food1_identity&part=EG", 422, "A part needs its kind"),
        ("question=food1_identity&by=rater&part=x", 422, "is no account’s id"),
        ("question=food1_identity&by=week&part=tuesday", 404, "No judgment is counted"),
        ("question=food2_origin", 404, "No judgment is counted on “Origin (right food)”"),
        ("question=food1_identity&cluster=towns", 422, "can&#39;t be drawn"),
    ],
)
def test_what_there_is_no_figure_of_is_said(
    browse: SignIn, admin: Account, approved: Item, query: str, status: int, words: str
) -> None:
    reply = browse(admin).get(f"{ADDRESS}?{query}")
    assert reply.status_code == status
    assert words in reply.text


def test_its_files_hold_what_the_page_shows(
    browse: SignIn, researcher: Account, campaign: Campaign, paradox: None
) -> None:
    client = browse(researcher)
    reply = client.get(f"{ADDRESS}/patterns.csv?question=food1_identity")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [(row["votes"], row["n_items"]) for row in rows] == [
        ("yes-yes", "118"), ("yes-no", "5"), ("yes", "3"), ("no-no", "2"),
    ]  # fmt: skip
    assert rows[0]["source"].startswith("Dish (only or left food), all items; campaign sample, policy version 1")
    figures = list(csv.DictReader(io.StringIO(client.get(f"{ADDRESS}/figures.csv?question=food1_identity").text)))
    assert (figures[0]["figure"], figures[0]["value_value"]) == ("percent_agreement", "0.96")
    assert b"<svg" in client.get(f"{ADDRESS}/figures.svg?question=food1_identity").content
    assert client.get(f"{ADDRESS}/nothing.csv?question=food1_identity").status_code == 404
