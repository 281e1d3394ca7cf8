"""Messages: who gets them, and who has read them."""

import uuid
from datetime import timedelta

import pytest
from sqlmodel import Session

from app.accounts import messages
from app.accounts.models import Account, Role
from app.db import now
from app.errors import Invalid, NotFound
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign


@pytest.fixture
def admin(session: Session) -> Account:
    return make_account(session, Role.ADMIN)


@pytest.fixture
def annotator(session: Session) -> Account:
    return make_account(session)


def texts(session: Session, account: Account, *, only_unread: bool = False) -> list[str]:
    return [one.message.text for one in messages.received(session, account, only_unread=only_unread)]


def test_one_or_all_get_it(session: Session, admin: Account, annotator: Account) -> None:
    other = make_account(session)
    messages.send(session, admin, " For one. ", to=annotator.id)
    messages.send(session, admin, "For all.")
    late = make_account(session, created_at=now() + timedelta(seconds=5))
    assert texts(session, annotator) == ["For all.", "For one."]
    assert texts(session, other) == ["For all."]
    assert texts(session, late) == []


def test_reading_is_counted_once(session: Session, admin: Account, annotator: Account) -> None:
    make_account(session)
    make_account(session, is_simulated=True)
    make_account(session, is_active=False)
    to_all, to_one = messages.send(session, admin, "All."), messages.send(session, admin, "One.", to=annotator.id)
    messages.mark_read(session, annotator, to_all.id)
    messages.mark_read(session, annotator, to_all.id)
    assert texts(session, annotator, only_unread=True) == ["One."]
    found = {one.message.id: (one.n_read, one.n_to, one.to) for one in messages.sent(session)}
    assert found == {to_all.id: (1, 2, None), to_one.id: (0, 1, annotator.name)}


def test_nobody_marks_what_is_not_theirs(session: Session, admin: Account, annotator: Account) -> None:
    message = messages.send(session, admin, "One.", to=annotator.id)
    for id_ in (message.id, uuid.uuid4()):
        with pytest.raises(NotFound):
            messages.mark_read(session, make_account(session), id_)


@pytest.mark.parametrize("text", ["", " \n", "x" * 2001, "a\0b"])
def test_a_message_is_a_text_of_1_to_2000_characters(session: Session, admin: Account, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        messages.send(session, admin, text)
    assert list(refused.value.fields) == ["text"]


def test_only_open_accounts_of_annotators_are_written_to(session: Session, admin: Account) -> None:
    for to in (admin.id, make_account(session, is_active=False).id, uuid.uuid4()):
        with pytest.raises(Invalid) as refused:
            messages.send(session, admin, "Hello.", to=to)
        assert list(refused.value.fields) == ["to"]


def test_it_goes_from_page_to_page(session: Session, browse: SignIn, admin: Account, annotator: Account) -> None:
    for slug in ("one", "two"):
        make_campaign(session, slug, name=f"Campaign {slug}")
    office, worker = browse(admin), browse(annotator)
    refused = office.post("/messages", data={"text": "", "to": str(annotator.id)})
    assert (refused.status_code, "Write what you want to say." in refused.text) == (422, True)
    assert office.post("/messages", data={"text": "x", "to": "nobody"}).status_code == 422
    assert office.post("/messages", data={"text": "x", "campaign": "three"}).status_code == 422
    text = "Look <b>twice</b>.\nAlways."
    sent = office.post("/messages", data={"text": text, "to": str(annotator.id), "campaign": "one"})
    assert sent.status_code == 303
    assert "Not read yet" in office.get("/messages").text
    for path in ("/work", "/messages"):
        page = worker.get(path).text
        assert "Look &lt;b&gt;twice&lt;/b&gt;.\nAlways." in page
        assert "Campaign one" in page
    for path in ("/judge", "/judge/one"):
        assert "A message is new" in worker.get(path).text
    [message] = [one.message for one in messages.received(session, annotator)]
    back = worker.post(f"/messages/{message.id}/read", data={"back": "https://elsewhere.example/"})
    assert back.headers["location"] == "/messages"
    assert "twice" not in worker.get("/work").text
    assert "A message is new" not in worker.get("/judge").text
    assert "twice" in worker.get("/messages").text
    assert "Not read yet" not in office.get("/messages").text
    assert browse(make_account(session)).post(f"/messages/{message.id}/read").status_code == 404
