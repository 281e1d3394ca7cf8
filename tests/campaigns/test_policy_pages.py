"""The policy's pages and its document, as they answer."""

import html
import re
from typing import Any

import pytest
from sqlmodel import Session, select

from app.accounts.models import Account, AuditEvent
from app.campaigns import policies
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, Policy
from app.campaigns.parameters import ADAPTIVE_DEFAULTS, parameters_of
from app.campaigns.policy_form import rules_of
from app.claims import service as claims
from app.items.models import Gold, Hold, Status
from app.jobs import Job
from app.judgments.models import Judgment
from app.judgments.service import submit
from tests.campaigns.conftest import changed, form_for
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.gold.things import make_gold
from tests.judgments.answers import all_yes, answer

PAGE = "/campaigns/sample/policy"
QUESTION = f"{PAGE}/questions/food1_identity"


def current(session: Session, campaign: Campaign) -> Policy:
    session.expire_all()
    return campaigns.current_policy(session, campaign)


def words(page: str) -> str:
    """What a page says, without tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_page_says_in_words_what_is_in_force(browse: SignIn, campaign: Campaign, admin: Account) -> None:
    page = words(browse(admin).get(PAGE).text)
    assert "Version 1, in force since" in page
    assert "3 people judge each item. A majority of yes" in page
    assert "An item is somebody's for 10 minutes, as everywhere in this installation." in page


def test_a_change_is_shown_before_it_is_made(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    make_item(session, campaign)
    make_item(session, campaign, status=Status.APPROVED)
    form = form_for(session, campaign, people="5", gold_first="20 %", note="Three were too few.")
    page = words(browse(admin).post(PAGE, data=form).text)
    assert "Version 2, not saved yet “Three were too few.”" in page
    assert "People per item 3 5" in page
    assert "Share of gold at first 0 % 20 %" in page
    assert "1 item is undecided." in page
    assert "1 item is to be judged by more people than now." in page
    assert current(session, campaign).version == 1


def test_saving_makes_the_next_version_a_job_and_a_line_in_the_log(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    client = browse(admin)
    form = form_for(session, campaign, people="5", quotas="SFB: 500\nSouth Korea 40", lease_minutes="1,5")
    assert client.post(PAGE, data=form | {"step": "save"}).status_code == 303
    policy = current(session, campaign)
    assert (policy.version, policy.rule, policy.overlap, policy.lease_seconds) == (2, "fixed", 5, 90)
    assert (policy.note, policy.created_by) == ("We try something.", admin.id)
    assert parameters_of(policy).quotas == {"subtask SFB": 500, "country KR": 40}
    event = session.exec(select(AuditEvent).where(AuditEvent.action == "policy.changed")).one()
    assert event.detail["changes"][0] == {"what": "People per item", "before": "3", "after": "5"}
    assert session.exec(select(Job)).one().arguments["version"] == 2
    page = words(client.get(PAGE).text)
    assert "by Ada We try something." in page
    assert "Bring Sample to version 2 of its policy" in page
    assert "South Korea 0 40 0 0" in page


def test_more_distance_than_there_are_dishes_is_warned_of(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    for dish in ("Koshary", "Pho"):
        for _ in range(2):
            make_item(session, campaign, foods=((dish, "EG"),))
    make_item(session, campaign, foods=(("Pizza", "IT"),), status=Status.APPROVED)
    client = browse(admin)
    warned = "undecided images are of 2 dishes, as first food: with 2 others between two of one dish"
    for spacing, is_warned in [("1", False), ("2", True)]:
        page = words(client.post(PAGE, data=form_for(session, campaign, family_spacing=spacing)).text)
        assert "not saved yet" in page
        assert (warned in page) is is_warned


def test_a_test_that_nobody_can_take_is_warned_of(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    for _ in range(2):
        make_item(session, campaign)
    make_gold(session, campaign, hold=Hold.TEST)
    client = browse(admin)
    warned = "Nobody can take the test of Africa: it needs {} and has 1. Its 2 undecided items go to nobody."
    for items, words_of in [("10", "10 items"), ("2", "2 items"), ("1", "")]:
        page = words(client.post(PAGE, data=form_for(session, campaign, qualification="true", exam_items=items)).text)
        assert "not saved yet" in page
        assert ("Nobody can take the test" in page) is bool(words_of)
        assert not words_of or warned.format(words_of) in page
    page = words(client.post(PAGE, data=form_for(session, campaign, people="5")).text)
    assert "Nobody can take the test" not in page


@pytest.mark.parametrize(("answers", "is_warned"), [("34", True), ("35", False)])
def test_an_accuracy_that_nobody_can_show_is_warned_of(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account, answers: str, is_warned: bool
) -> None:
    """Wilson's interval of 34 of 34 begins at 89.8 %, that of 35 of 35 at 90.1 %."""
    form = form_for(session, campaign, pause_accuracy="90", pause_answers=answers, gold_first="20")
    page = words(browse(admin).post(PAGE, data=form).text)
    assert "not saved yet" in page
    assert ("even if all are right" in page) is is_warned


def test_the_adaptive_preset_fills_the_form_and_is_saved_as_the_default(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    client = browse(admin)
    page = client.get(PAGE, params={"preset": "adaptive"}).text
    form = {
        name: html.unescape(value) for name, value in re.findall(r'name="([^"]+)" type="text" value="([^"]*)"', page)
    }
    form |= dict.fromkeys(re.findall(r'type="checkbox" id="[^"]+" name="([^"]+)" value="true" checked', page), "true")
    form |= {"rule": "adaptive", "version": "1", "note": "As recommended.", "step": "save"}
    assert client.post(PAGE, data=form).status_code == 303
    policy = current(session, campaign)
    assert (policy.rule, policy.overlap) == ("adaptive", 5)
    assert parameters_of(policy) == ADAPTIVE_DEFAULTS


@pytest.mark.parametrize(
    ("typed", "field", "says"),
    [
        ({"people": "26"}, "people", "Write a whole number from 1 to 25."),
        ({"people": "two"}, "people", "Write a whole number from 1 to 25."),
        ({"rule": "adaptive", "cap": "1"}, "cap", "Write a whole number from 2 to 25."),
        ({"rule": "adaptive", "start": "6"}, "start", "At most the 5 people an item gets altogether."),
        ({"rule": "adaptive", "threshold": "0.99"}, "raised_threshold", "It can't lie below the first one."),
        ({"threshold": "1"}, "threshold", "Write a number above 0.5 and below 1."),
        ({"gold_first": "120"}, "gold_first", "Write a percentage from 0 to 100."),
        ({"gold_taper": "0"}, "gold_taper", "Write a whole number, at least 1."),
        ({"insiders": "4"}, "insiders", "At most the 3 people an item gets altogether."),
        ({"lease_minutes": "0"}, "lease_minutes", "Write a number of minutes from 0.5 to 10,080"),
        ({"quotas": "SFB: 5\nAtlantis: 3"}, "quotas", "Line 2: "),
        ({"quotas": "SFB: 5\nsfb: 6"}, "quotas", "Line 2: SFB stands there twice"),
        ({"quotas": "SFB"}, "quotas", "Line 1: write a subtask or a country"),
        ({"quotas": "SFB" + " " * 400 + "many"}, "quotas", "Line 1: write a subtask or a country"),
        ({"quotas": "SFB" + ":," * 5000 + "many"}, "quotas", "Line 1: write a subtask or a country"),
        ({"quotas": "SFB: " + "9" * 5000}, "quotas", "Line 1: write a subtask or a country"),
        ({"rule": "random"}, "rule", "Choose one of the two rules."),
        ({"note": " "}, "note", "Say in a sentence why you change it"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account, typed: dict[str, str], field: str, says: str
) -> None:
    reply = browse(admin).post(PAGE, data=form_for(session, campaign, **typed) | {"step": "save"})
    assert reply.status_code == 422
    found = re.search(rf'<p class="field-error" id="{field}-error">(.*?)</p>', reply.text, re.S)
    assert found is not None
    assert says in words(found[1])
    assert "Nothing is saved yet" in words(reply.text) or field == "note"
    assert current(session, campaign).version == 1


def test_of_two_who_change_it_the_second_is_told(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    form = form_for(session, campaign, people="5") | {"step": "save"}
    client = browse(admin)
    assert client.post(PAGE, data=form).status_code == 303
    reply = client.post(PAGE, data=form | {"people": "7"})
    assert reply.status_code == 409
    assert "Somebody made version 2 of the policy while you were looking at version 1." in words(reply.text)
    assert 'name="people" type="text" value="7"' in reply.text
    assert current(session, campaign).overlap == 5


def test_nothing_that_differs_is_no_version(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    reply = browse(admin).post(PAGE, data=form_for(session, campaign) | {"step": "save"})
    assert (reply.status_code, current(session, campaign).version) == (422, 1)
    assert "Nothing differs from version 1" in words(reply.text)


def test_the_document_has_it_all(session: Session, call: SignIn, campaign: Campaign, admin: Account) -> None:
    rules = changed(rules_of(current(session, campaign)), overlap=4, quotas={"subtask SF": 2})
    policies.change_rules(session, admin, campaign, rules, "Four eyes twice.", seen=1)
    make_item(session, campaign, status=Status.APPROVED)
    found: dict[str, Any] = call(admin).get("/api/v1/campaigns/sample/policy").json()
    assert (found["version"], found["rule"], found["overlap"], found["lease_seconds"]) == (2, "fixed", 4, 600)
    assert found["groups"] == [{"name": "subtask SF", "needed": 2, "approved": 1, "pending": 0, "held_back": 0}]
    assert found["versions"][0] | {"created_at": ""} == {
        "version": 2,
        "created_at": "",
        "by": "Ada",
        "note": "Four eyes twice.",
        "changes": [
            {"what": "People per item", "before": "3", "after": "4"},
            {"what": "Enough of SF", "before": "", "after": "2 approved"},
        ],
    }
    assert found["questions"][0]["key"] == "food1_identity"
    assert found["text"][0]["sentence"].startswith("4 people judge each item.")


def test_priorities_are_set_and_checked(session: Session, browse: SignIn, campaign: Campaign, admin: Account) -> None:
    make_item(session, campaign)
    client = browse(admin)
    assert client.post(f"{PAGE}/priority", data={"priority": "20"}).status_code == 303
    session.refresh(campaign)
    assert campaign.priority == 20
    make_campaign(session, "other")
    choice = browse(make_account(session)).get("/judge").text
    assert choice.index("/judge/sample") < choice.index("/judge/other")
    client.post(f"{PAGE}/priority", data={"priority": "-20"})
    choice = browse(make_account(session)).get("/judge").text
    assert choice.index("/judge/sample") > choice.index("/judge/other")
    reply = client.post(f"{PAGE}/priority", data={"priority": "high"})
    assert reply.status_code == 422
    assert 'id="priority-error"' in reply.text
    sent = {"group": "subtask SF", "level": "-5"}
    assert client.post(f"{PAGE}/items-priority", data=sent).status_code == 303
    assert session.exec(select(Job)).one().title == "Priority -5 for subtask SF in Sample"
    assert client.post(f"{PAGE}/items-priority", data=sent | {"group": "all of them"}).status_code == 422


def question_form_for(page: str, **typed: str) -> dict[str, str]:
    inputs = re.findall(r'name="([^"]+)" type="text" value="([^"]*)"', page)
    return (
        {name: html.unescape(value) for name, value in inputs if value} | {"version": "1", "note": "Plainer."} | typed
    )


def test_words_are_shown_as_they_read_and_then_saved(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    client = browse(admin)
    form = question_form_for(client.get(QUESTION).text, text="Can you see {food}?", both="true")
    page = client.post(QUESTION, data=form).text
    assert "Can you see Kimchi-jjigae?" in words(page)
    assert 'lang="ar" dir="rtl"' in page
    assert "the Korean, Spanish and Arabic ones don't; are they still right?" in words(page)
    assert client.post(QUESTION, data=form | {"step": "save"}).status_code == 303
    policy = current(session, campaign)
    assert [question["text"] for question in policy.questions[::2]] == ["Can you see {food}?"] * 2 + [
        "Does the background show {background}?"
    ]
    assert policy.rule == "fixed"
    assert not session.exec(select(Job)).all()  # words ask nobody for another judgment


def test_a_retired_reason_is_offered_no_more_and_stays_where_it_was_given(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    ana, ben = make_account(session), make_account(session)
    make_item(session, campaign)
    before = current(session, campaign)
    old = claims.claim_next(session, ana, campaign, before, lease=60).claims[0]
    no = all_yes(food1_identity=answer("no", "malformed"))
    submit(session, ana, old.id, no)
    client = browse(admin)
    form = question_form_for(client.get(QUESTION).text) | {"reason.malformed.retired": "true", "step": "save"}
    assert client.post(QUESTION, data=form).status_code == 303
    after = current(session, campaign)
    new = claims.claim_next(session, ben, campaign, after, lease=60).claims[0]
    put = browse(ben).put(f"/api/v1/claims/{new.id}/judgment", json={"answers": dict(no.answers), "active_ms": 1})
    assert put.status_code == 422
    assert "“malformed” is no reason here" in put.text
    again = all_yes(food1_identity=answer("no", "malformed", "not_there"))
    assert submit(session, ana, old.id, again).is_new
    assert {judgment.policy_id for judgment in session.exec(select(Judgment))} == {before.id}


def test_an_example_gives_nothing_away(session: Session, browse: SignIn, campaign: Campaign, admin: Account) -> None:
    make_item(session, campaign, key="pending.jpg")
    gold = make_item(session, campaign, key="gold.jpg", status=Status.APPROVED)
    session.add(Gold(item_id=gold.id, question="food1_identity", answer="yes"))
    shown = make_item(session, campaign, key="shown.jpg", status=Status.APPROVED)
    client = browse(admin)
    page = client.get(QUESTION).text

    def reply(key: str) -> Any:
        form = question_form_for(page) | {"good.0.text": "Everything is in sight", "good.0.item": key, "step": "save"}
        return client.post(QUESTION, data=form)

    assert "People are still judging pending.jpg" in words(reply("pending.jpg").text)
    assert "used to test people" in words(reply("gold.jpg").text)
    assert "There is no item lost.jpg in this campaign" in words(reply("lost.jpg").text)
    assert reply("shown.jpg").status_code == 303
    assert current(session, campaign).questions[0]["good"] == [
        {"text": "Everything is in sight", "image_sha256": shown.image_sha256}
    ]
    assert 'value="shown.jpg"' in client.get(QUESTION).text
    assert shown.image_sha256 in client.get(f"{PAGE}/questions").text


def test_shipped_translations_are_added_at_a_click(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    client = browse(admin)
    assert "Add the shipped translations" not in client.get(f"{PAGE}/questions").text
    policy = current(session, campaign)
    policy.questions = [{k: v for k, v in q.items() if k != "translations"} for q in policy.questions]
    session.add(policy)
    session.flush()
    assert "Add the shipped translations" in client.get(f"{PAGE}/questions").text
    assert client.post(f"{PAGE}/translations", data={"version": "1"}).status_code == 303
    assert set(current(session, campaign).questions[0]["translations"]) == {"ko", "es", "ar"}
    assert client.post(f"{PAGE}/translations", data={"version": "1"}).status_code == 409
