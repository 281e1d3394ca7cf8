"""Which language a request is in, and what of it is said in that language."""

import doctest
from typing import Any

import pytest
from sqlmodel import Session, select
from starlette.requests import Request
from starlette.testclient import TestClient

from app import errors
from app.accounts.models import Role
from app.errors import Sentence
from app.items import cards
from app.items.models import Food, ItemFood
from app.judgments.models import Judgment
from app.web import i18n
from app.web.render import read_flashes, redirect_to
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.test_page import filled


@pytest.mark.parametrize("module", [errors, i18n, cards])
def test_doctests(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def language_of(page: str) -> str:
    return page.split('<html lang="', 1)[1].split('"', 1)[0]


@pytest.mark.parametrize(
    ("cookie", "accept", "language"),
    [
        (None, None, "en"),
        (None, "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("es", "ko", "es"),
        ("xx", "ar", "ar"),
        (None, "fr;q=1, nonsense;q=x", "en"),
    ],
)
def test_a_strangers_language_is_the_cookies_else_the_browsers(
    browse: SignIn, cookie: str | None, accept: str | None, language: str
) -> None:
    page = browse()
    if cookie:
        page.cookies.set(i18n.COOKIE, cookie)
    found = page.get("/sign-in", headers={"accept-language": accept} if accept else {})
    assert language_of(found.text) == language
    assert found.headers["content-language"] == language
    assert ('dir="rtl"' in found.text) == (language == "ar")


def test_an_annotators_choice_goes_before_everything_and_stays_with_the_account(
    session: Session, browse: SignIn
) -> None:
    account = make_account(session, preferences={"many_ready": True})
    page = browse(account)
    chosen = page.post("/language", data={"language": "ar", "next": "/account?x=1"})
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/account?x=1")
    session.refresh(account)
    assert account.preferences == {"many_ready": True, "language": "ar"}
    elsewhere = browse(account).get("/account", headers={"accept-language": "ko"}).text
    assert language_of(elsewhere) == "ar"
    assert "حسابك" in elsewhere
    kept = page.post("/account/judging", data={"action": "reset"})
    session.refresh(account)
    assert account.preferences["language"] == "ar"
    assert "مفاتيحك" in page.get(kept.headers["location"]).text  # the message, too


@pytest.mark.parametrize("role", [Role.ADMIN, Role.RESEARCHER])
def test_everybody_elses_pages_are_in_english(session: Session, browse: SignIn, role: Role) -> None:
    page = browse(make_account(session, role, preferences={"language": "ko"}))
    page.cookies.set(i18n.COOKIE, "ar")
    text = page.get("/campaigns", headers={"accept-language": "es"}).text
    assert language_of(text) == "en"
    assert "Sign out" in text
    assert 'action="/language"' not in text


def test_only_our_languages_can_be_chosen_and_it_leads_to_no_other_site(browse: SignIn) -> None:
    assert browse().post("/language", data={"language": "tlh"}).status_code == 422
    away = browse().post("/language", data={"language": "ko", "next": "https://evil.example/"})
    assert away.headers["location"] == "/"


@pytest.fixture
def korean(session: Session, browse: SignIn) -> TestClient:
    return browse(make_account(session, preferences={"language": "ko"}))


def test_errors_are_said_in_the_language_to_people_and_in_english_to_programs(
    session: Session, korean: TestClient, call: SignIn
) -> None:
    make_campaign(session, "sample")
    page = korean.get("/judge/sample").text
    assert "아직 이미지가 없습니다" in page  # the reason, which every annotator of the campaign shares
    put = {"answers": {"food1_identity": {"answer": "no"}}}
    nobodys = "/api/v1/claims/00000000-0000-0000-0000-000000000000/judgment"
    reply = korean.put(nobodys, json=put, headers={"accept": "application/json"})
    assert (reply.status_code, reply.json()["title"]) == (404, "찾을 수 없습니다")
    assert reply.headers["content-language"] == "ko"
    program = call(make_account(session, preferences={"language": "ko"}))
    assert program.put(nobodys, json=put, headers={"accept-language": "ko"}).json()["title"] == "Not found"


def test_a_mistake_in_an_answer_is_explained_in_the_language(session: Session, korean: TestClient) -> None:
    make_item(session, make_campaign(session, "sample"))
    sent = filled(korean.get("/judge/sample").text, **{"answer.food1_identity": "no"})
    reply = korean.post("/judge/sample", data=sent)
    assert reply.status_code == 422
    assert "이유를 하나 이상 고르세요." in reply.text


def test_a_judgment_keeps_the_language_its_card_was_in(session: Session, korean: TestClient) -> None:
    campaign = make_campaign(session, "sample")
    make_item(session, campaign), make_item(session, campaign)
    shown = korean.get("/judge/sample").text
    assert "이 음식은 Koshary입니까?" in shown
    assert "이집트" in shown
    korean.post("/language", data={"language": "es"})  # in another tab
    korean.post("/judge/sample", data=filled(shown, language="ko"))
    korean.post("/judge/sample", data=filled(korean.get("/judge/sample").text, language="none of ours"))
    assert [one.language for one in session.exec(select(Judgment).order_by(Judgment.created_at))] == ["ko", "es"]  # type: ignore[arg-type]


def test_a_program_says_in_which_language_its_person_reads(session: Session, call: SignIn) -> None:
    make_item(session, make_campaign(session, "sample"))
    program = call(make_account(session))
    asked = {"count": 1, "language": "ar"}
    [claim] = program.post("/api/v1/campaigns/sample/claims", json=asked).json()["claims"]
    assert (claim["food1"]["country"], claim["questions"][0]["text"]) == ("مصر", "هل هذا الطبق هو Koshary؟")
    answers = {question["key"]: {"answer": "yes"} for question in claim["questions"]}
    address = f"/api/v1/claims/{claim['id']}/judgment"
    assert program.put(address, json={"answers": answers, "language": "tlh"}).status_code == 422
    assert program.put(address, json={"answers": answers, "language": "ar"}).status_code == 201
    again = program.put(address, json={"answers": answers})  # the same answers are the same judgment
    assert again.status_code == 200
    assert session.exec(select(Judgment)).one().language == "ar"


def test_countries_are_chosen_by_their_names_in_the_language(session: Session, browse: SignIn) -> None:
    account = make_account(session, preferences={"language": "ko"})
    page = browse(account)
    for name in ("이집트", "Italy"):
        assert page.post("/account/countries", data={"country": name}).status_code == 303
    text = page.get("/account").text
    assert "<span>이집트</span>" in text
    assert "<span>이탈리아</span>" in text


def test_dishes_are_shown_as_they_are_written_where_they_come_from(session: Session, korean: TestClient) -> None:
    item = make_item(session, make_campaign(session, "sample"))
    food = food_of(session, item.id)
    food.aliases = ["Koshari", "كشري"]
    session.add(food)
    session.flush()
    text = korean.get("/judge/sample").text
    assert '<bdi>Koshary</bdi> <bdi class="local-name">كشري</bdi>' in text
    assert "Koshari" in text.split("<figcaption>")[1].split("</figcaption>")[0]


def food_of(session: Session, item_id: Any) -> Food:
    return session.exec(select(Food).join(ItemFood).where(ItemFood.item_id == item_id)).one()


def request_with(cookie: str) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", cookie.encode())]})


def test_a_message_to_the_next_page_is_said_in_that_pages_language() -> None:
    answer = redirect_to("/", flash=("done", Sentence("Welcome, {name}.", name="{id} Ana")))
    [(kind, text)] = read_flashes(request_with(answer.headers["set-cookie"].split(";")[0]))
    assert (kind, text) == ("done", "Welcome, {id} Ana.")
    with i18n.speaking("es"):
        assert i18n.translated(text) == "Hola, {id} Ana."


def test_sentences_within_sentences_and_numbers_are_said_in_the_language() -> None:
    inner = Sentence("At most {most} characters, please; this has {n}.", most=2000, n=2001)
    whole = Sentence("{field}: {fault}", field="note", fault=inner)
    assert whole == "note: At most 2,000 characters, please; this has 2,001."
    with i18n.speaking("es"):
        assert i18n.translated(whole) == "note: Como máximo 2.000 caracteres; este texto tiene 2.001."
    assert i18n.translated("Not found") == "Not found"
    with i18n.speaking("ko"):
        assert i18n.translated("Not found") == "Not found"  # plain words are content
        assert i18n.figure("[60.1, 72.0]") == "[60.1, 72.0]"


def test_a_preference_that_is_no_language_is_passed_over(session: Session, browse: SignIn) -> None:
    account = make_account(session, preferences={"language": ["ko"]})
    assert language_of(browse(account).get("/account").text) == "en"
