"""Annotators say which countries' food they know, on their account page."""

import re

import pytest
from sqlmodel import Session, select

from app import geography
from app.accounts import service
from app.accounts.models import AuditEvent, KnownCountry, Role
from app.judgments.tallies import up_to_date
from app.judgments.tally_models import CountedVotes
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.test_votes import voted


def known(session: Session) -> set[str]:
    return set(session.exec(select(KnownCountry.country)))


def test_a_country_is_added_by_any_usual_name_and_taken_off_again(session: Session, browse: SignIn) -> None:
    client = browse(make_account(session))
    for name in ("Egypt", "turkey", "Côte d’Ivoire", "Namibia"):
        assert client.post("/account/countries", data={"country": name}).status_code == 303
    assert known(session) == {"EG", "TR", "CI", "NA"}
    page = client.get("/account").text
    listed = re.findall(r"<span>([^<]+)</span>", page[page.index('class="known-countries"') :])
    assert listed[:4] == ["Côte d’Ivoire", "Egypt", "Namibia", "Türkiye"]
    assert client.post("/account/countries/NA/remove").status_code == 303
    assert known(session) == {"EG", "TR", "CI"}


def test_all_countries_are_offered_but_those_already_named(session: Session, browse: SignIn) -> None:
    client = browse(make_account(session))
    client.post("/account/countries", data={"country": "Egypt"})
    page = client.get("/account").text
    offered = re.findall(r'<option value="([^"]+)">', page)
    assert len(offered) == 249  # ISO 3166-1 has 249; Kosovo is one more, Egypt one less
    assert "Egypt" not in offered
    assert offered[:3] == ["Afghanistan", "Åland Islands", "Albania"]


@pytest.mark.parametrize(("name", "words"), [("Atlantis", "Atlantis"), ("Korea", "South Korea"), ("", "No country")])
def test_what_is_no_country_comes_back_with_a_sentence(session: Session, browse: SignIn, name: str, words: str) -> None:
    reply = browse(make_account(session)).post("/account/countries", data={"country": name})
    assert reply.status_code == 422
    error = re.search(r'id="country-error">(.*?)</p>', reply.text, re.DOTALL)
    assert error is not None
    assert words in error[1]
    assert f'value="{name}"' in reply.text
    assert known(session) == set()


def test_each_change_is_recorded_once(session: Session) -> None:
    account = make_account(session)
    for _ in range(2):
        service.know_country(session, account, "Egypt")
    for _ in range(2):
        service.forget_country(session, account, "EG")
    events = session.exec(select(AuditEvent).where(AuditEvent.actor_id == account.id).order_by(AuditEvent.id)).all()  # type: ignore[arg-type]
    assert [(event.action, event.detail) for event in events] == [
        ("known_country.added", {"country": "EG"}),
        ("known_country.removed", {"country": "EG"}),
    ]


def test_only_annotators_are_asked_and_nobody_sees_anothers(session: Session, browse: SignIn) -> None:
    insider = make_account(session)
    service.know_country(session, insider, "Egypt")
    own = browse(insider).get("/account").text
    assert 'Remove<span class="visually-hidden"> Egypt' in own
    other = browse(make_account(session)).get("/account").text
    assert "You have named none yet." in other
    assert 'Remove<span class="visually-hidden"> Egypt' not in other
    assert "Countries whose food you know" not in browse(make_account(session, Role.ADMIN)).get("/account").text


def test_the_counts_follow_what_a_person_says(session: Session) -> None:
    campaign, person = make_campaign(session), make_account(session)
    item = make_item(session, campaign)
    voted(session, campaign, item, "yes", people=[person])
    knows = []
    for change in (None, service.know_country, service.forget_country):
        if change is not None:
            change(session, person, "EG")
        up_to_date(session, campaign.id)
        session.expire_all()
        knows.append(session.get_one(CountedVotes, item.id).knows)
    assert knows == [["00---"], ["11---"], ["00---"]]


def test_countries_are_in_the_order_of_their_names() -> None:
    names = list(geography.every_country().values())
    assert names.index("Türkiye") == names.index("Tunisia") + 1
    assert geography.every_country()["XK"] == "Kosovo"
