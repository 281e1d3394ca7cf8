"""Replies as models write them, and as somebody hostile would."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evaluation.replies import MAX_REPLY, MAX_VALUE, Parsed, State, parse_reply

PHO = Parsed(State.OK, "Phở", "Vietnam")


@pytest.mark.parametrize(
    "text",
    [
        '{"food": "Phở", "country": "Vietnam"}',
        '```json\n{"food": "Phở", "country": "Vietnam"}\n```',
        'Sure! {"Country": " Vietnam ", "Food": "**Phở**"} Enjoy.',
        '{"answer": {"food": "Phở", "country": "Vietnam"}}',
        '{"food": ["Phở"], "country": "Vietnam."}',
        'I\'m sorry, it is dark, but: {"food": "Phở", "country": "Vietnam"}',
        "Food: Phở\nCountry: Vietnam",
        "**Food:** Phở\n- **Country**: Vietnam",
        "Food: Phở / Country: Vietnam",
        "food: Phở, country: Vietnam",
        '{"food": "Ramen", "country": "Japan"}\nNo, the noodles are flat.\n{"food": "Phở", "country": "Vietnam"}',
        'Like {"food": "name of the dish", "country": "its country of origin"}:\n{"food": "Phở", "country": "Vietnam"}',
        "Food: soup\nSo, on second thoughts:\nFood: Phở\nCountry: Vietnam",
        "The {noodles} are flat. {\nFood: Phở\nCountry: Vietnam",
        '{"food": "Phở", "country": "Vietnam", "others": [{"food": "Ramen", "country": "Japan"}]}',
    ],
)
def test_an_answer_is_found_wherever_it_stands(text: str) -> None:
    assert parse_reply(text) == PHO


def test_a_slash_inside_a_name_is_part_of_it() -> None:
    assert parse_reply("Food: Fish / chips / Country: UK") == (State.OK, "Fish / chips", "UK")


def test_half_an_answer_is_an_answer_with_a_gap() -> None:
    assert parse_reply('{"food": "Phở", "country": null}') == (State.OK, "Phở", None)
    assert parse_reply("Country: Vietnam") == (State.OK, None, "Vietnam")


@pytest.mark.parametrize(
    "text", ["I'm sorry, I can't help with that.", "I cannot identify this.", "As an AI, I don't eat.", "Sorry, no."]
)
def test_a_refusal_is_no_wrong_answer(text: str) -> None:
    assert parse_reply(text) == (State.REFUSED, None, None)


@pytest.mark.parametrize("text", ["", "Phở from Vietnam", "{}", '{"dish": "Phở"}', "[1, 2]", "Food:\nCountry: **"])
def test_what_says_neither_is_unparsable(text: str) -> None:
    assert parse_reply(text).state is State.UNPARSABLE


def test_a_cut_reply_gives_nothing_away() -> None:
    text = 'At first: {"food": "Ramen", "country": "Japan"}, but then'
    assert parse_reply(text, is_cut=True) == (State.TRUNCATED, None, None)


def test_what_the_engine_calls_a_refusal_is_one() -> None:
    assert parse_reply("", is_refused=True).state is State.REFUSED


@pytest.mark.parametrize(
    "unit", ["{", '{"', '{"a":', '{"a":[', '{"food":', "/ ", "* ", "Food: ", "[", '{"food": 1' + "1" * 5000, "\\", "\n"]
)
def test_a_megabyte_of_anything_is_read_in_a_moment(unit: str) -> None:
    began = time.monotonic()
    parse_reply((unit * (MAX_REPLY // len(unit) + 1))[:MAX_REPLY])
    assert time.monotonic() - began < 5


def test_more_than_a_megabyte_is_not_looked_at() -> None:
    assert parse_reply('{"food": "Phở", "country": "Vietnam"}' + " " * MAX_REPLY).state is State.TRUNCATED


def test_names_are_bounded_and_fit_the_database() -> None:
    parsed = parse_reply(json.dumps({"food": "x" * 9999, "country": "a\0b\ud800"}))
    assert parsed.food == "x" * MAX_VALUE
    assert parsed.country == "a\N{REPLACEMENT CHARACTER}b?"


NAMES = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=40)


@given(NAMES, NAMES, st.text(max_size=200).filter(lambda text: "{" not in text and '"' not in text))
def test_an_object_survives_whatever_stands_before_it(food: str, country: str, before: str) -> None:
    reply = before + "\n" + json.dumps({"food": food, "country": country})
    assert parse_reply(reply) == (State.OK, food, country)


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    parsed = parse_reply(text)
    assert (parsed.food, parsed.country) == (None, None) or parsed.state is State.OK
