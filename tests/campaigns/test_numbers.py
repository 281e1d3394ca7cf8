"""Numbers in the policy's form: all its fields read a comma alike, or refuse it in a sentence."""

from typing import Any

import pytest

from app.campaigns import policy_form
from app.campaigns.parameters import Parameters
from app.campaigns.policy_form import Rules
from app.errors import Invalid

PLAIN = Rules("fixed", 3, None, Parameters())


def read(**typed: Any) -> Rules:
    return policy_form.read(policy_form.as_typed(PLAIN) | typed)


@pytest.mark.parametrize("text", ["1000", "1,000", "1.000", "1 000", "1\u202f000", " +1,000 "])
def test_whole_numbers_may_be_written_in_groups_of_three(text: str) -> None:
    rules = read(gold_taper=text, quotas=f"SFB: {text.strip().strip('+')}")
    assert rules.parameters.gold_taper == 1000
    assert rules.parameters.quotas == {"subtask SFB": 1000}


@pytest.mark.parametrize("text", ["1,5", "1,00", "1.50", "1,000.5", "1.000,0", "0,950", "1,0000", "12,34,567", "1 00"])
def test_what_could_be_a_fraction_is_no_whole_number(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(gold_taper=text, people=text, quotas=f"SFB: {text}")
    assert caught.value.fields == {
        "gold_taper": "Write a whole number, at least 1.",
        "people": "Write a whole number from 1 to 25.",
        "quotas": "Line 1: write how many are enough as a whole number, e.g. 1000 or 1,000.",
    }


def test_minutes_with_a_comma_before_three_digits_are_asked_about() -> None:
    with pytest.raises(Invalid) as caught:
        read(lease_minutes="1,000")
    assert caught.value.fields == {
        "lease_minutes": "“1,000” can mean two numbers: write 1000, or 1.000 with a point.",
    }
    assert [read(lease_minutes=text).lease_seconds for text in ("1,5", "1000", "12.333")] == [90, 60_000, 740]


def test_fractions_still_take_a_decimal_comma() -> None:
    rules = read(screen_youden="0,350", pass_share="87,5 %")
    assert (rules.parameters.screen_youden, rules.parameters.pass_share) == (0.35, 0.875)


@pytest.mark.parametrize("number", [999_999, 1_000_000, 1_234_567])
def test_a_large_number_stays_what_it_was_when_the_form_is_sent_again(number: int) -> None:
    rules = read(gold_taper=str(number))
    assert policy_form.read(policy_form.as_typed(rules)) == rules
