"""The published decision rule: what votes make of an item."""

import json

import pytest

from app.agreement.rules import FIXED_MAJORITY, decide


@pytest.mark.parametrize(
    ("votes", "outcome"),
    [
        ({"food1_identity": "yyy", "background": "yyn"}, "approved"),
        ({"food1_identity": "yyy", "background": "ynn"}, "rejected"),
        ({"food1_identity": "yun", "background": "yyy"}, "disputed"),
        ({"food1_identity": "uuy", "background": "yyy"}, "disputed"),
        ({"food1_identity": "uuu", "background": "nny"}, "rejected"),
        ({"food1_identity": "yy", "background": "yyy"}, "pending"),
        ({"food1_identity": "nn", "background": "nn"}, "pending"),
        ({"food1_identity": "yyynn", "background": "yyyyy"}, "approved"),
        ({"food1_identity": "yynn"}, "disputed"),
    ],
)
def test_votes_make_a_decision(votes: dict[str, str], outcome: str) -> None:
    words = {"y": "yes", "n": "no", "u": "unsure"}
    spelled = {question: [words[letter] for letter in letters] for question, letters in votes.items()}
    assert decide(spelled, needed=3).outcome == outcome


def test_a_decision_stores_all_that_made_it() -> None:
    stored = json.loads(json.dumps(decide({"background": ["yes", "unsure", "yes"]}, needed=3).as_json()))
    assert stored == {
        "outcome": "approved",
        "tallies": {"background": {"yes": 2, "no": 0, "unsure": 1}},
        "majorities": {"background": "yes"},
        "needed": 3,
        "rule": FIXED_MAJORITY,
    }


def test_the_order_of_votes_changes_nothing() -> None:
    one = decide({"a": ["yes", "no", "unsure"], "b": ["no", "yes", "yes"]}, needed=3)
    other = decide({"a": ["unsure", "no", "yes"], "b": ["yes", "yes", "no"]}, needed=3)
    assert one == other


@pytest.mark.parametrize(
    ("votes", "needed"), [({}, 3), ({"a": ["yes"]}, 0), ({"a": ["maybe"]}, 1)], ids=["no question", "none", "maybe"]
)
def test_what_no_rule_can_decide_is_refused(votes: dict[str, list[str]], needed: int) -> None:
    with pytest.raises(ValueError):
        decide(votes, needed)
