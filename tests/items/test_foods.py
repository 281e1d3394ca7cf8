"""Which dish a row means: the rules of identity, in whatever order rows arrive."""

from sqlmodel import Session, select

from app.items.foods import Catalogue
from app.items.models import Food
from tests.factories import make_food


def test_an_id_with_its_namespace_is_that_dish_whatever_it_is_called(session: Session) -> None:
    known = make_food(session, "Yangzhou Fried Rice", "wc:29")
    assert Catalogue(session).find("wc:29", "Golden rice").id == known.id


def test_an_unmarked_id_is_the_namespaced_dish_of_the_same_name(session: Session) -> None:
    known = make_food(session, "Yangzhou Fried Rice", "wc:29")
    assert Catalogue(session).find("29", "yangzhou  FRIED rice").id == known.id


def test_an_unmarked_id_is_the_namespaced_dish_that_has_the_name_among_others(session: Session) -> None:
    known = make_food(session, "Yangzhou Fried Rice", "wc:29")
    known.aliases = ["Yeung Chow fried rice"]
    session.flush()
    assert Catalogue(session).find("29", "Yeung chow fried rice").id == known.id


def test_an_unmarked_id_of_another_name_is_another_dish(session: Session) -> None:
    derby_pie = make_food(session, "Derby pie", "wc:927")
    catalogue = Catalogue(session)
    koshary = catalogue.find("927", "Koshary")
    assert koshary.id != derby_pie.id
    assert catalogue.find("927", "Koshary").id == koshary.id
    assert catalogue.find("927", "Ful").id != koshary.id
    catalogue.save(session)
    assert Catalogue(session).find("927", "Koshary").id == koshary.id


def test_without_an_id_the_only_dish_of_that_name_is_meant(session: Session) -> None:
    known = make_food(session, "Huarache", "wc:2016")
    assert Catalogue(session).find(None, "huarache").id == known.id


def test_without_an_id_two_namesakes_leave_a_dish_of_its_own(session: Session) -> None:
    known = {make_food(session, "Dumplings", source_id).id for source_id in ("wc:1", "626")}
    catalogue = Catalogue(session)
    anonymous = catalogue.find(None, "Dumplings")
    assert anonymous.id not in known
    assert catalogue.find(None, "Dumplings").id == anonymous.id


def test_a_dish_without_id_takes_on_the_id_a_later_row_gives(session: Session) -> None:
    known = make_food(session, "Cabbage rolls")
    catalogue = Catalogue(session)
    assert catalogue.find("10001", "cabbage rolls").id == known.id
    assert catalogue.find("10001", "cabbage rolls").id == known.id
    assert catalogue.find("10002", "cabbage rolls").id != known.id
    catalogue.save(session)
    session.expire_all()
    assert session.get_one(Food, known.id).source_id == "10001"


def test_a_number_without_namespace_takes_the_namespace_on(session: Session) -> None:
    known = make_food(session, "Zarda", "220")
    catalogue = Catalogue(session)
    assert catalogue.find("wc:220", "Jarda", ["zarda"]).id == known.id
    catalogue.save(session)
    session.expire_all()
    assert session.get_one(Food, known.id).source_id == "wc:220"


def test_the_order_of_rows_with_and_without_an_id_does_not_matter(session: Session) -> None:
    forwards, backwards = Catalogue(session), Catalogue(session)
    assert forwards.find("5", "Sope").id == forwards.find(None, "Sope").id
    assert backwards.find(None, "Sope").id == backwards.find("5", "Sope").id


def test_names_that_differ_in_normal_form_and_case_are_one_and_accents_count(session: Session) -> None:
    catalogue = Catalogue(session)
    assert catalogue.find(None, "Arròs negre").id == catalogue.find(None, "ARRO\u0300S  NEGRE").id
    assert catalogue.find(None, "Arros negre").id != catalogue.find(None, "Arròs negre").id


def test_a_new_dish_is_written_once(session: Session) -> None:
    catalogue = Catalogue(session)
    for _ in range(2):
        catalogue.find("wwd:3", "Puff Puff, beans and pape")
        catalogue.save(session)
    food = session.exec(select(Food)).one()
    assert (food.source_id, food.name, food.name_key) == (
        "wwd:3", "Puff Puff, beans and pape", "puff puff, beans and pape",
    )  # fmt: skip
