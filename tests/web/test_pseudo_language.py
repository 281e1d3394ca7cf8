"""Every annotators' page in a language of which each message is ⟦wrapped⟧: what is left bare was never translated.

What people wrote and what things are called stays as it is; pages say so with <bdi> or dir="auto". Names of countries
and dates come from CLDR, questions from the campaign's policy.
"""

import re
from collections.abc import Mapping
from gettext import NullTranslations
from html.parser import HTMLParser

import pytest
import sqlalchemy as sa
from babel import Locale
from sqlmodel import Session
from starlette.testclient import TestClient

from app.accounts import service
from app.accounts.models import Account, Message, Role
from app.adjudication import own_work
from app.adjudication.appeals import appeal
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, CampaignStatus, ExamKind
from app.gold import exams
from app.items.models import Hold, Subtask
from app.judgments.service import Answers
from app.settings import ROOT
from app.web import i18n
from tests.adjudication.conftest import NO, judge
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.gold.things import answers_of, make_gold, set_policy
from tests.judgments.test_page import filled

LANGUAGE = "es"  # with its plurals, dates and numbers
SHOWN = ("alt", "aria-label", "placeholder", "title")
OF_SCRIPTS = ("data-trouble", "data-words")  # elements whose data- attributes are words
CONTENT = ("bdi", "code", "kbd", "script", "style")
ADDRESSES = re.compile(r"[\w.]+@example\.org")
NAMES = {"Terroir", "UTC", "CSV", "PNG", "SVG", "Koshary", "Pizza", "sample"}
MONTHS = set(Locale(LANGUAGE).months["format"]["wide"].values()) | {
    month.rstrip(".") for month in Locale(LANGUAGE).months["format"]["abbreviated"].values()
}


class Wrapped(NullTranslations):
    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, one: str, other: str, n: int) -> str:
        return f"⟦{one if n == 1 else other}⟧"


def outside(text: str, depth: int = 0) -> str:
    """What stands in no ⟦message⟧, `depth` of which are open before it."""
    found = ""
    for sign in text:
        depth += (sign == "⟦") - (sign == "⟧")
        found += sign if depth == 0 and sign != "⟧" else ""
    return found


class Reader(HTMLParser):
    """`bare`: visible words outside of every ⟦message⟧, attributes each by itself."""

    VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "rect", "source", "wbr"})

    def __init__(self, known: Mapping[str, str]) -> None:
        super().__init__()
        self.bare: list[str] = []
        self._known = known
        self._content = 0
        self._open: list[tuple[str, bool]] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_content = tag in CONTENT or given.get("dir") == "auto" or (tag != "html" and "lang" in given)
        if tag == "article":  # a card says its own language, for it may be older than the page
            is_content = False
        if tag not in self.VOID:
            self._open.append((tag, is_content))
            self._content += is_content
        for name, value in attrs:
            is_words = name.startswith("data-") and any(mark in given for mark in OF_SCRIPTS) and name not in OF_SCRIPTS
            if value and (name in SHOWN or is_words or name in ("data-announce", "data-look")):
                self._look(outside(value), f"{tag} {name}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            name, was_content = self._open.pop()
            self._content -= was_content
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        text = outside(data, self._depth)
        self._depth += data.count("⟦") - data.count("⟧")
        if not self._content:
            self._look(text, self._open[-1][0] if self._open else "")

    def _look(self, text: str, place: str) -> None:
        for known in sorted(self._known, key=len, reverse=True):
            text = text.replace(known, "")
        words = set(re.findall(r"[^\W\d_]{2,}", ADDRESSES.sub("", text))) - NAMES - MONTHS - {"de"}
        if words:
            self.bare.append(f"{place}: {text.strip()[:80]}")


@pytest.fixture
def known(campaign: Campaign, session: Session) -> Mapping[str, str]:
    """What CLDR and the policy say."""
    questions = [
        text
        for question in campaigns.current_policy(session, campaign).questions
        for own in [question["translations"][LANGUAGE]]
        for text in [own["help"], *own["reasons"].values()]
    ]
    countries = [str(Locale(LANGUAGE).territories[code]) for code in ("EG", "IT", "JP")]
    return dict.fromkeys([*questions, *countries], "")


@pytest.fixture(autouse=True)
def wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(i18n, "catalogue", lambda language: Wrapped())


@pytest.fixture
def campaign(session: Session) -> Campaign:
    found = make_campaign(session, "sample", name="sample")
    found.guidelines = "Look well."
    set_policy(session, found, qualification=False, exam_items=2, tries=2, pass_share=0.75)
    return found


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session, name="sample", preferences={"language": LANGUAGE})


@pytest.fixture
def page(browse: SignIn, account: Account) -> TestClient:
    return browse(account)


def bare(text: str, known: Mapping[str, str]) -> list[str]:
    reader = Reader(known)
    reader.feed(text)
    assert reader._depth == 0
    return reader.bare


def test_a_bare_word_is_found() -> None:
    text = '<p>⟦One <b>word</b>⟧ <i title="Two">⟦a⟧</i> <bdi>Three</bdi> Four <img alt="⟦x ⟦y⟧⟧ Five"></p>'
    assert bare(f'{text}<p dir="auto">Six', {}) == ["i title: Two", "p: Four", "img alt: Five"]


def test_pages_with_nothing_to_judge(
    session: Session, campaign: Campaign, page: TestClient, known: Mapping[str, str]
) -> None:
    addresses = (
        "/judge/sample", "/judge/sample/qualify", "/work", "/messages", "/account", "/account/judging", "/no-such-page",
        "/people", "/judge/none",
    )  # fmt: skip
    for address in addresses:
        assert bare(page.get(address).text, known) == [], address
    for status in (CampaignStatus.PAUSED, CampaignStatus.CLOSED):
        make_campaign(session, f"sample{status.value}", name="sample").status = status
        session.flush()
    assert bare(page.get("/judge").text, known) == []


@pytest.mark.parametrize("subtask", list(Subtask))
def test_cards_of_every_kind_and_their_answers(
    session: Session, campaign: Campaign, page: TestClient, known: Mapping[str, str], subtask: Subtask
) -> None:
    for _ in range(3):
        make_item(session, campaign, subtask)
    shown = page.get("/judge/sample").text
    questions = dict.fromkeys(re.findall(r'id="\w+-text" dir="auto">(.*?) <span', shown), "")
    known = {**known, **questions}
    assert len(questions) == {"SF": 2, "SFB": 3, "MF": 4, "MFB": 5}[subtask.value]
    assert bare(shown, known) == []
    wrong = page.post("/judge/sample", data=filled(shown, **{"answer.food1_identity": "no", "language": LANGUAGE}))
    assert wrong.status_code == 422
    assert bare(wrong.text, known) == []
    page.post("/judge/sample", data=filled(shown))
    address = re.findall(r"/judge/sample/claims/[0-9a-f-]{36}", page.get("/judge/sample").text)[0]
    assert bare(page.get(address).text, known) == []
    assert bare(page.post("/judge/sample/cards", data={"want": "3"}).text, known) == []
    session.execute(sa.text("UPDATE item SET status = 'approved', decided_at = now()"))
    session.expire_all()
    frozen = page.get(address).text
    assert "⟦This answer stays as it is" in frozen
    assert bare(frozen, known) == []


def test_trainings_and_tests(
    session: Session, campaign: Campaign, account: Account, page: TestClient, known: Mapping[str, str]
) -> None:
    for hold in (Hold.TRAINING, Hold.TEST):
        for truth in ("yes", "no"):
            make_gold(session, campaign, truth, hold=hold)
    policy = campaigns.current_policy(session, campaign)
    for kind in (ExamKind.TRAINING, ExamKind.TEST):
        assert bare(page.get("/judge/sample/qualify").text, known) == []
        exam = exams.begin(session, account, campaign, policy, "Africa", kind)
        address = f"/judge/sample/qualify/{exam.id}"
        card = page.get(address).text
        known = {**known, **dict.fromkeys(re.findall(r'id="\w+-text" dir="auto">(.*?) <span', card), "")}
        assert bare(card, known) == []
        while (item_id := exams.next_item(exam)) is not None:
            item = session.get_one(exams.Item, item_id)
            sent = Answers(answers_of(item, "no" if kind is ExamKind.TRAINING else "yes"))
            exam = exams.answer(session, account, campaign, policy, exam.id, str(item_id), sent)
            assert bare(page.get(f"{address}?after={item_id}").text, known) == []
        assert bare(page.get(address).text, known) == []
    assert bare(page.get("/judge/sample/qualify").text, known) == []
    again = page.post("/judge/sample/qualify", data={"region": "Europe", "kind": "test"})
    assert bare(again.text, known) == []


def test_own_work_pay_and_messages(
    session: Session, campaign: Campaign, browse: SignIn, known: Mapping[str, str]
) -> None:
    admin = make_account(session, Role.ADMIN, name="sample")
    *_, person = judge(session, campaign, make_item(session, campaign, Subtask.MFB), {}, {}, NO)
    person.preferences = {"language": LANGUAGE}
    person.name = "sample"
    session.add(person)
    session.add(Message(from_id=admin.id, to_id=person.id, campaign_id=campaign.id, text="Thank you."))
    session.flush()
    page = browse(person)
    for address in ("/work", "/work?period=week", "/messages", "/judge"):
        assert bare(page.get(address).text, known) == [], address
    [one] = own_work.decided_otherwise(own_work.decided(session, person))
    faulty = page.post(f"/work/appeals/{one.item_id}", data={"text": ""})
    assert faulty.status_code == 422
    assert bare(faulty.text, known) == []
    appeal(session, person, one.item_id, "It was right.")
    assert bare(page.get("/work").text, known) == []


def test_the_account_and_what_can_be_wrong_with_it(page: TestClient, known: Mapping[str, str]) -> None:
    page.post("/account/countries", data={"country": "Egipto"})
    assert bare(page.get("/account").text, known) == []
    posts = [
        ("/account/countries", {"country": "Atlantis"}),
        ("/account/countries", {"country": "Congo"}),
        ("/account/password", {"password": "short"}),
        ("/account/tokens", {"label": "", "days": "0"}),
        ("/account/tokens", {"label": "", "days": "3"}),
        ("/account/judging", {f"key.{action}": "1" for action in ("yes", "no")}),
        ("/account/judging", {"action": "reset"}),
        ("/language", {"language": "tlh"}),
    ]
    for address, data in posts:
        reply = page.post(address, data=data)
        assert bare(reply.text, {**known, "Atlantis": ""}) == [], (address, data)
    assert bare(page.get("/account/judging").text, known) == []


def test_before_somebody_is_signed_in(session: Session, browse: SignIn, known: Mapping[str, str]) -> None:
    stranger = browse()
    stranger.headers["accept-language"] = LANGUAGE
    assert bare(stranger.get("/sign-in").text, known) == []
    wrong = stranger.post("/sign-in", data={"email": "a@example.org", "password": "x" * 12})
    assert wrong.status_code == 422
    assert bare(wrong.text, known) == []
    issued = service.invite(session, make_account(session, Role.ADMIN), Role.ANNOTATOR, None)
    address = f"/invites/{issued.secret}"
    assert bare(stranger.get(address).text, known) == []
    assert bare(stranger.post(address, data={"email": "x", "name": "", "password": "x"}).text, known) == []
    assert bare(stranger.get("/invites/none").text, known) == []
    assert bare(stranger.get("/sign-in/link/none").text, known) == []


@pytest.mark.parametrize("script", ["keys.js", "look.js", "guide.js", "zoom.js", "trouble.js", "menu.js", "judge/*.js"])
def test_scripts_say_nothing_of_their_own(script: str) -> None:
    for path in (ROOT / "static" / "js").glob(script):
        said = re.findall(r"(?:textContent =|announce\(|aria-label\",) *[\"`'][^\"`']*[a-z]{2}", path.read_text())
        assert said == [], path.name
