"""The overview of a campaign's agreement: verdicts, what to do next, weeks, files, and how it follows judgments."""

import csv
import io
import uuid
from datetime import date

import pytest
from sqlmodel import Session, select

from app.accounts.models import Account
from app.adjudication.agreement.next_steps import lowest_place
from app.adjudication.agreement.people_flags import n_missing_wrong_claims
from app.adjudication.agreement.trend import trend_chart, trend_of
from app.adjudication.agreement.verdicts import verdict_of
from app.campaigns.models import Campaign, Member
from app.db import now
from app.items.models import Item
from app.judgments.rater_models import latest_models
from app.judgments.tally_models import RaterModelFit, TallyState
from app.judgments.votes import Counts, document_of
from tests.adjudication.agreement.counted import counted
from tests.adjudication.conftest import judge, statements
from tests.conftest import SignIn
from tests.factories import make_account, make_item

ADDRESS = "/campaigns/sample/agreement"
PART = {"hx-request": "true", "hx-request-type": "partial"}


def report(*rows: tuple[tuple[int, int, int], int]) -> dict[str, object]:
    return document_of(Counts(list(rows), n_raters=3), replicates=200)


@pytest.mark.parametrize(
    ("rows", "label", "words"),
    [
        ([], "Not measured", "No item has two judgments yet"),
        # 118 + 2 of 125 pairs agree, 241 of 250 answers are yes: the kappa paradox.
        ([((2, 0, 0), 118), ((1, 1, 0), 5), ((0, 2, 0), 2)], "Read with AC1", "96 % of answers are “yes”"),
        ([((2, 0, 0), 100)], "Untested", "All answers are “yes”"),
        # What stands alone is in no pair: it leaves alpha undefined, yet not all answers are alike.
        ([((2, 0, 0), 100), ((0, 1, 0), 1)], "Untested", "All answers that can be compared are alike"),
        # One item carries it all: more than a third of the samples lack it.
        ([((2, 0, 0), 99), ((0, 2, 0), 1)], "Unsteady", "alpha is 1.00: it rests on too few other answers"),
        ([((2, 0, 0), 500), ((0, 2, 0), 500)], "Reliable", "alpha is 1.00"),
        ([((2, 0, 0), 40), ((1, 1, 0), 40), ((0, 2, 0), 40)], "Low", "below 0.667"),
        # 1 - 2 * 0.15 / (1 - 0.5) is 0.70.
        ([((2, 0, 0), 425), ((1, 1, 0), 150), ((0, 2, 0), 425)], "Tentative", "alpha is 0.70"),
        ([((2, 0, 0), 4), ((1, 1, 0), 3)], "Too few items", "Only 7 items have two judgments"),
    ],
)
def test_a_verdict_says_which_figure_can_be_relied_on(
    rows: list[tuple[tuple[int, int, int], int]], label: str, words: str
) -> None:
    verdict = verdict_of(report(*(rows or [((1, 0, 0), 3)])))
    assert verdict.label == label
    assert words in verdict.text


def test_percentages_never_round_up_to_all() -> None:
    verdict = verdict_of(report(((2, 0, 0), 2996), ((0, 2, 0), 2000), ((1, 1, 0), 4)))
    assert "Raters agree on 99.9 % of pairs" in verdict.text


def test_the_lowest_place_is_where_agreement_is_surely_low() -> None:
    """EG 30 of 40 agree: Wilson's upper end 0.86. IT 0 of 5: too few to say. JP 33 of 40: 0.91."""

    def votes(agree: int, differ: int) -> dict[str, Counts]:
        return {"background": Counts([((2, 0, 0), agree), ((1, 1, 0), differ)], 2)}

    place = lowest_place({"EG": votes(30, 10), "IT": votes(0, 5), "JP": votes(33, 7)})
    assert place is not None
    assert (place.country, place.question, place.n_paired, place.agreement) == ("EG", "background", 40, 0.75)
    assert lowest_place({"EG": votes(30, 10), "IT": votes(0, 5)}) is None


def test_who_clearly_misses_wrong_claims_is_counted(session: Session, campaign: Campaign) -> None:
    """Of 100 wrong claims each, three notice 80 and one 20; one of whom little is seen is left out."""
    noticed = {"a": 80.0, "b": 80.0, "c": 80.0, "d": 20.0}
    raters = {name: {"expected": [[100.0, 0, 0], [100 - n, n, 0]]} for name, n in noticed.items()}
    raters["new"] = {"expected": [[100.0, 0, 0], [4.0, 0, 0]]}
    fit = {"classes": ["yes", "no"], "answers": ["yes", "no", "unsure"], "raters": raters}
    rest = {"version": uuid.uuid4(), "method": "m", "n_items": 1, "n_judgments": 1, "n_raters": 5, "n_gold": 0}
    session.add(RaterModelFit(campaign_id=campaign.id, question="background", fit=fit, **rest))
    session.flush()
    models = latest_models(session, campaign.id)
    assert n_missing_wrong_claims({}) == 0
    assert n_missing_wrong_claims(models) == 1


def test_who_is_paused_already_is_no_longer_counted(
    session: Session, browse: SignIn, admin: Account, campaign: Campaign
) -> None:
    people = [make_account(session) for _ in range(4)]
    noticed = {str(one.id): n for one, n in zip(people, (80.0, 80.0, 80.0, 20.0), strict=True)}
    raters = {name: {"expected": [[100.0, 0, 0], [100 - n, n, 0]]} for name, n in noticed.items()}
    fit = {"classes": ["yes", "no"], "answers": ["yes", "no", "unsure"], "raters": raters}
    rest = {"version": uuid.uuid4(), "method": "m", "n_items": 1, "n_judgments": 1, "n_raters": 4, "n_gold": 0}
    session.add(RaterModelFit(campaign_id=campaign.id, question="background", fit=fit, **rest))
    counted(session, campaign, {("all", ""): {(2, 0, 0): 60}})
    words = "1 person notices clearly fewer wrong claims"
    assert words in browse(admin).get(ADDRESS).text
    session.add(Member(campaign_id=campaign.id, account_id=people[3].id, paused_at=now()))
    session.flush()
    assert "notices clearly fewer" not in browse(admin).get(ADDRESS).text


def test_a_week_without_judgments_leaves_a_gap_and_old_weeks_go() -> None:
    votes = {"background": Counts([((2, 0, 0), 30), ((1, 1, 0), 10)], 2)}
    trend = trend_of({"2026-11-23": votes, "2026-11-09": votes, "2026-05-25": votes})
    assert [(week.monday, week.n_paired) for week in trend["background"]] == [
        (date(2026, 11, 9), 40),
        (date(2026, 11, 23), 40),
    ]
    assert trend["background"][0].figures["percent_agreement"]["value"] == 0.75
    root = trend_chart("background", trend["background"]).root
    written = [text.text for text in root.iter("text")]
    assert [words for words in written if words and words.endswith("Nov")] == ["9 Nov", "16 Nov", "23 Nov"]
    dots = [title.text for title in root.iter("title") if title.text and "Percent agreement 75.0" not in title.text]
    assert sum("Nov, Percent agreement" in str(text) for text in dots) == 2


def test_the_overview_says_what_to_do_next(
    session: Session, browse: SignIn, admin: Account, researcher: Account, campaign: Campaign, disputed: Item
) -> None:
    counted(
        session, campaign,
        {
            ("all", ""): {(2, 0, 0): 60, (1, 1, 0): 20},
            ("country", "EG"): {(2, 0, 0): 30, (1, 1, 0): 10},
            ("country", "JP"): {(2, 0, 0): 36, (1, 1, 0): 4},
        },
        question="food2_origin",
    )  # fmt: skip
    page = browse(admin).get(ADDRESS).text
    assert "1 item is disputed and waits for you." in page
    assert "People agree least on origin (right food) where the first food is from Egypt: 75 % of pairs, 40" in page
    assert "20 items got different answers about origin (right food), the most of any question." in page
    assert f"{ADDRESS}/items?question=food2_origin&amp;votes=differ" in page
    seen_by_researcher = browse(researcher).get(ADDRESS).text
    assert "first food is from Egypt" in seen_by_researcher
    assert "/items" not in seen_by_researcher
    assert "waits for you" not in seen_by_researcher


def test_figures_stand_with_their_intervals_and_reasons(
    browse: SignIn, researcher: Account, approved: Item, disputed: Item
) -> None:
    page = browse(researcher).get(ADDRESS).text
    assert "The first two counted judgments of each item are used" in page
    assert "all answers are alike" in page
    assert "Only 2 items have two or more judgments" in page
    assert "1,000 replicates, seed 0" in page
    assert f"{ADDRESS}/figure?question=food1_identity&amp;by=all&amp;figure=gwet_ac1" in page
    every = browse(researcher).get(f"{ADDRESS}?all=1&cluster=families").text
    assert "Every counted judgment is used." in every
    assert "bootstrap over families of items" in every
    assert "figure=gwet_ac1&amp;all=1&amp;cluster=families" in every


def test_without_judgments_it_says_what_is_missing(browse: SignIn, admin: Account, campaign: Campaign) -> None:
    assert "Nothing to compare yet" in browse(admin).get(ADDRESS).text


def test_old_addresses_lead_to_where_it_is_now(browse: SignIn, admin: Account, campaign: Campaign) -> None:
    reply = browse(admin).get(f"{ADDRESS}?by=country&all=1")
    assert (reply.status_code, reply.headers["location"]) == (301, f"{ADDRESS}/where?by=country&all=1")
    reply = browse(admin).get(f"{ADDRESS}?by=mood")
    assert reply.status_code == 422
    assert "choose one of subtask, country, generator" in reply.text


def test_the_csv_has_exact_figures_of_the_whole_and_of_each_part(
    browse: SignIn, researcher: Account, approved: Item, disputed: Item
) -> None:
    reply = browse(researcher).get(f"{ADDRESS}.csv?by=country&all=1")
    assert 'filename="agreement-sample-by-country-all.csv"' in reply.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [(row["country"], row["question"]) for row in rows] == [
        (part, key) for part in ("all", "Egypt") for key in ("food1_identity", "food1_origin", "background")
    ]
    # Three yes on one item; yes, unsure and no on the other.
    assert (rows[0]["n_judgments"], rows[0]["percent_agreement_value"]) == ("6", "0.5")
    assert (rows[1]["krippendorff_alpha_value"], rows[1]["krippendorff_alpha_reason"]) == ("", "no_variation")
    assert "campaign sample, policy version 1, every counted judgment" in rows[0]["source"]


def test_a_generator_named_like_a_formula_stays_text(
    session: Session, browse: SignIn, campaign: Campaign, researcher: Account
) -> None:
    judge(session, campaign, make_item(session, campaign, generator="=1+1"), {}, {}, {})
    assert "'=1+1,food1_identity" in browse(researcher).get(f"{ADDRESS}.csv?by=generator").text


def test_every_chart_and_table_is_a_file(browse: SignIn, researcher: Account, approved: Item, disputed: Item) -> None:
    client = browse(researcher)
    weeks = list(csv.DictReader(io.StringIO(client.get(f"{ADDRESS}/overview/trend.csv").text)))
    assert [(row["question"], row["n_items"]) for row in weeks] == [
        ("food1_identity", "2"), ("food1_origin", "2"), ("background", "1"),
    ]  # fmt: skip
    for name in ("figures-background.svg", "trend-background.svg"):
        assert client.get(f"{ADDRESS}/overview/{name}").text.count("<svg") > 1
    assert client.get(f"{ADDRESS}/overview/trend-food2_origin.svg").status_code == 404


def test_an_unchanged_page_is_told_so_without_looking_at_any_vote(
    session: Session, browse: SignIn, researcher: Account, campaign: Campaign, approved: Item
) -> None:
    client = browse(researcher)
    client.get(ADDRESS)
    version = session.exec(select(TallyState.version)).one()
    with statements(session) as said:
        reply = client.get(f"{ADDRESS}?seen={version}", headers=PART)
    assert (reply.status_code, reply.content) == (204, b"")
    assert not [words for words in said if "vote_pattern" in words or "counted_votes" in words or "FROM item" in words]
    assert not [words for words in said if " judgment" in words or " claim" in words]
    assert len(said) <= 8  # savepoints, the account, the campaign, and two look-ups of the counts

    judge(session, campaign, make_item(session, campaign), {}, {})
    reply = client.get(f"{ADDRESS}?seen={version}", headers=PART)
    assert reply.status_code == 200
    assert reply.text.lstrip().startswith("<div")
    assert str(version) not in reply.text
    assert client.get(f"{ADDRESS}?seen={version}").text.lstrip().startswith("<!doctype html>")


def test_figures_are_worked_out_once_for_each_version(
    session: Session, browse: SignIn, researcher: Account, approved: Item, disputed: Item
) -> None:
    client = browse(researcher)
    first = client.get(ADDRESS).text
    with statements(session) as said:
        assert client.get(ADDRESS).text == first
    assert not [words for words in said if "vote_pattern" in words or "DISTINCT rater_id" in words]
