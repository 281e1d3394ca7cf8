"""Questions in several languages, their reasons, and what a form makes of them."""

import copy
import doctest
from typing import Any

import pytest

from app.campaigns import policy_form, policy_words, question_form, settings, wording
from app.campaigns.shipped import with_shipped_translations
from app.campaigns.translations import LANGUAGES, SAMPLE, WHICH
from app.campaigns.wording import default_questions, filled, offered, worded
from app.errors import Invalid

IDENTITY = "food1_identity"


def question(key: str = IDENTITY) -> dict[str, Any]:
    return next(found for found in default_questions() if found["key"] == key)


def read(texts: dict[str, str], before: dict[str, Any] | None = None) -> dict[str, Any]:
    before = before or question()
    return question_form.read(question_form.as_typed(before, {}) | texts, before, {}, {})


def faults(texts: dict[str, str]) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        read(texts)
    return caught.value.fields


@pytest.mark.parametrize("module", [policy_form, policy_words, question_form, settings, wording])
def test_worked_examples_hold(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("found", default_questions(), ids=lambda found: found["key"])
def test_every_word_that_is_shipped_is_translated(language: str, found: dict[str, Any]) -> None:
    own, english = worded(found, language), worded(found)
    assert own["text"] != english["text"]
    assert own["help"] != english["help"]
    for reason, original in zip(own["reasons"], english["reasons"], strict=True):
        assert reason["code"] == original["code"]
        assert reason["text"] != original["text"]
    names = SAMPLE[language] | {"which": WHICH[language]["left"]}
    assert "{" not in filled(own["text"], names)
    assert all(name in own["text"] for name in ("{food}", "{country}", "{background}") if name in english["text"])


def test_what_has_no_translation_stays_english() -> None:
    found = question()
    del found["translations"]["ko"]["help"], found["translations"]["ko"]["reasons"]["malformed"]
    own = worded(found, "ko")
    assert own["text"] == "{which} {food}입니까?"
    assert own["help"] == found["help"]
    assert own["reasons"][-1]["text"] == "Deformed, not plausible as food"
    assert worded(found, "fr")["text"] == found["text"]


def test_a_form_that_is_sent_back_as_it_came_changes_nothing() -> None:
    found = question() | {"good": [{"text": "All of it in sight"}]}
    found["reasons"][1]["is_retired"] = True
    assert read({}, found) == found


def test_a_reason_is_renamed_retired_and_added_and_keeps_its_code() -> None:
    new = read(
        {
            "reason.other_dish.text": "Not this dish at all",
            "reason.malformed.retired": "true",
            "new.0.code": "wrong_side",
            "new.0.text": "It is on the other side",
            "ko.reason.wrong_side": "반대쪽에 있습니다",
        }
    )
    codes = [reason["code"] for reason in question()["reasons"]]
    assert [reason["code"] for reason in new["reasons"]] == [*codes, "wrong_side"]
    assert new["reasons"][0] == {"code": "other_dish", "text": "Not this dish at all"}
    assert offered(new) == ["other_dish", "key_part_wrong", "foods_mixed", "not_there", "wrong_side"]
    assert new["translations"]["ko"]["reasons"]["wrong_side"] == "반대쪽에 있습니다"
    again = read({"reason.malformed.retired": ""}, new)
    assert "malformed" in offered(again)


ALL_RETIRED = {f"reason.{reason['code']}.retired": "true" for reason in question()["reasons"]}


@pytest.mark.parametrize(
    ("texts", "field", "says"),
    [
        ({"text": " "}, "text", "needs words"),
        ({"text": "Is it from {country}?"}, "text", "There is no {country} here"),
        ({"text": "Is {which} {food?"}, "text", "no partner"),
        ({"text": "x" * 301}, "text", "At most 300"),
        ({"es.text": "¿Es {which}?"}, "es.text", "leaves out {food}"),
        ({"ar.text": "هل {طعام} {food}؟"}, "ar.text", "There is no"),
        ({"reason.other_dish.text": ""}, "reason.other_dish.text", "needs words"),
        ({"new.0.text": "Upside down"}, "new.0.code", "Give it a code"),
        ({"new.0.code": "Upside down", "new.0.text": "x"}, "new.0.code", "beginning with a letter"),
        ({"new.0.code": "malformed", "new.0.text": "x"}, "new.0.code", "already"),
        ({"new.0.code": "upside_down"}, "new.0.text", "needs words"),
        ({"good.0.item": "SF/1.jpg"}, "good.0.text", "Say what this image shows"),
        (ALL_RETIRED, "reason.other_dish.retired", "at least one"),
        ({"help": "\ud800"}, "help", "can't be stored"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_beside_its_field(texts: dict[str, str], field: str, says: str) -> None:
    assert says in faults(texts)[field]


def test_the_other_foods_question_takes_the_words_and_loses_no_code() -> None:
    new, other = read({"text": "Do you see {food}?"}), question("food2_identity")
    other["reasons"].append({"code": "too_small", "text": "Too small to see"})
    both = question_form.with_words_of(other, new)
    assert (both["key"], both["text"]) == ("food2_identity", "Do you see {food}?")
    assert both["reasons"][-1] == {"code": "too_small", "text": "Too small to see", "is_retired": True}


def test_translations_that_stayed_behind_are_named() -> None:
    changed = read({"text": "Do you see {food}?", "ko.text": "{food}이(가) 보입니까?"})
    assert question_form.outdated(question(), changed) == ["Spanish", "Arabic"]


def test_shipped_translations_fill_in_what_still_reads_as_shipped() -> None:
    plain = [{k: v for k, v in found.items() if k != "translations"} for found in copy.deepcopy(default_questions())]
    assert with_shipped_translations(plain) == default_questions()
    plain[0]["text"] = "Do you see {food}?"
    plain[0]["translations"] = {"es": {"help": "Mi propia ayuda"}}
    first = with_shipped_translations(plain)[0]
    assert "text" not in first["translations"]["es"]
    assert first["translations"]["es"]["help"] == "Mi propia ayuda"
    assert first["translations"]["ko"]["reasons"]["malformed"]
    assert with_shipped_translations(default_questions()) == default_questions()
