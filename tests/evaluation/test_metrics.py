"""Every figure against values worked out by hand, and what must hold for any answers."""

import json
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.evaluation.metrics.answers import Answer
from app.evaluation.metrics.bootstrap import Resamples
from app.evaluation.metrics.document import metrics
from app.evaluation.metrics.figures import entropy_bits
from app.evaluation.metrics.similarity import THRESHOLD, name_similarity
from app.evaluation.replies import State


def koshary(subtask: str, name: str, country: str | None, **more: Any) -> Answer:
    return Answer(subtask, 1, "koshary", "Koshary", ("EG",), State.OK, name, country, **more)


def pizza(subtask: str, name: str, country: str | None, **more: Any) -> Answer:
    return Answer(subtask, 1, "pizza", "Pizza", ("IT",), State.OK, name, country, **more)


ALONE = [koshary("SF", "koshary", "Egypt"), pizza("SF", "pizza", "italy")]
IN_PLACES = [
    koshary("SFB", "ramen", "Japan", background="JP"),  # both wrong; drifts to the background's country
    koshary("SFB", "kosharii", "EGYPT", background="FR"),  # both right; retained
    pizza("SFB", "Pizza", "South Korea", background="JP"),  # drifts to the background's continent
    pizza("SFB", "pizza", "Italy", background="FR"),  # both right; retained
    pizza("SFB", "", None, background="FR")._replace(state=State.REFUSED),  # in no figure
]


def value(document: Any, *keys: str) -> float | None:
    for key in keys:
        document = document[key]
    return document["value"]  # type: ignore[no-any-return]


def figures(group: dict[str, Any]) -> dict[str, float | None]:
    return {key: part["value"] for key, part in group.items() if isinstance(part, dict) and "value" in part}


def test_similarity_by_hand() -> None:
    # Bigrams of "ramen" {ra,am,me,en} and "ramyeon" {ra,am,my,ye,eo,on}: 2 of 8 shared; letters {r,a,m,e,n} of
    # {r,a,m,y,e,o,n}: 5 of 7. So 0.7 * 2/8 + 0.3 * 5/7.
    assert name_similarity("Ramen", "ramyeon") == pytest.approx(0.175 + 1.5 / 7)
    assert name_similarity("pho", "pizza") == pytest.approx(0.3 * 1 / 6)  # only the p of {p,h,o,i,z,a}


def test_exactly_two_fifths_is_correct() -> None:
    # The same four letters, and of the bigrams {ab,bd,dc,ca,ac} and {ab,bc,cd} 1 of 7: 0.7 / 7 + 0.3.
    assert name_similarity("abdcac", "abcd") == THRESHOLD


def test_letters_count_as_they_are_encoded() -> None:
    # With the accent as a letter of its own: bigrams {ca,af,fé}, {ca,af,fe,e´} share 2 of 5, letters 3 of 6.
    assert name_similarity("Caf\u00e9", "cafe\u0301") == pytest.approx(0.7 * 2 / 5 + 0.3 * 3 / 6)
    # A country is the same in any encoding.
    said = [pizza("SF", "pizza", name)._replace(countries=("TR",)) for name in ("T\u00fcrkiye", "Tu\u0308rkiye")]
    assert value(metrics(said)["subtasks"]["SF"], "country_accuracy") == 1


TEXT = st.text(max_size=30)


@given(TEXT, TEXT)
def test_similarity_is_symmetric_and_a_share(left: str, right: str) -> None:
    assert name_similarity(left, right) == name_similarity(right, left)
    assert 0 <= name_similarity(left, right) <= 1


@given(st.text(min_size=1, max_size=30))
def test_a_name_is_like_itself_in_any_case(name: str) -> None:
    assert name_similarity(name, name) == 1
    assert name_similarity(name.lower(), name) == 1


@given(TEXT, TEXT)
def test_similarity_equals_the_formula_as_it_is_written(left: str, right: str) -> None:
    def jaccard(n: int) -> float:
        grams = [{text.lower()[i : i + n] for i in range(len(text.lower()) - n + 1)} for text in (left, right)]
        return len(grams[0] & grams[1]) / len(grams[0] | grams[1]) if grams[0] | grams[1] else 0.0

    if left.lower() != right.lower():
        assert name_similarity(left, right) == pytest.approx(0.7 * jaccard(2) + 0.3 * jaccard(1))


def test_accuracy_entropy_retention_and_drift_by_hand() -> None:
    group = metrics(ALONE + IN_PLACES)["subtasks"]["SFB"]
    assert group["n"] == 4
    assert group["states"] == {"ok": 4, "refused": 1}
    assert figures(group) == {
        "name_accuracy": 3 / 4,  # all but ramen
        "country_accuracy": 2 / 4,
        "country_entropy_bits": 1.0,  # koshary: JP, EG, 1 bit; pizza: KR, IT, 1 bit
        "retention": 2 / 4,
        "drift_to_distractor_country": 1 / 4,
        "drift_to_distractor_continent": 1 / 4,
    }


def test_a_dish_alone_is_its_own_reference() -> None:
    group = metrics(ALONE)["subtasks"]["SF"]
    assert (value(group, "name_accuracy"), value(group, "country_accuracy")) == (1, 1)
    assert value(group, "country_entropy_bits") == 0
    assert group["retention"] == {"value": None, "low": None, "high": None, "reason": "is_reference"}


def test_distance_is_to_the_background() -> None:
    groups = metrics(ALONE + IN_PLACES)["by_distance"]["SFB"]
    assert {distance: group["n"] for distance, group in groups.items()} == {"cross_continent": 3, "same_continent": 1}
    assert value(groups, "cross_continent", "name_accuracy") == 2 / 3
    assert value(groups, "same_continent", "retention") == 1
    with_food = [*ALONE, koshary("MF", "x", "Italy", other_food=("IT",))]
    assert list(metrics(with_food)["by_distance"]["MF"]) == ["cross_continent"]
    with_both = [*ALONE, koshary("MFB", "x", "Italy", background="EG", other_food=("IT",))]
    assert list(metrics(with_both)["by_distance"]["MFB"]) == ["same_country"]


def test_by_country_and_confusion_by_hand() -> None:
    document = metrics(ALONE + IN_PLACES)
    assert {code: group["n"] for code, group in document["by_country"]["SFB"].items()} == {"EG": 2, "IT": 2}
    assert value(document, "by_country", "SFB", "EG", "name_accuracy") == 1 / 2
    assert document["confusion"]["SFB"] == {"EG": {"EG": 1, "JP": 1}, "IT": {"IT": 1, "KR": 1}}


def test_drift_to_a_country_comes_before_a_continent_and_the_background_first() -> None:
    both = {"background": "JP", "other_food": ("IT",)}
    answers = [
        *ALONE,
        koshary("MFB", "x", "Italy", **both),  # the other food's country
        koshary("MFB", "x", "Japan", **both),  # the background's
        koshary("MFB", "x", "Vietnam", **both),  # the background's continent
        koshary("MFB", "x", "France", **both),  # the other food's continent
        koshary("MFB", "x", "Peru", **both),  # nowhere in particular
    ]
    group = metrics(answers)["subtasks"]["MFB"]
    assert value(group, "drift_to_distractor_country") == 2 / 5
    assert value(group, "drift_to_distractor_continent") == 2 / 5
    assert value(group, "retention") == 0
    # Five countries once each: log2(5) bits.
    assert value(group, "country_entropy_bits") == pytest.approx(math.log2(5))


def test_staying_with_a_wrong_answer_is_retention_and_no_drift() -> None:
    answers = [koshary("SF", "x", "Japan"), koshary("SFB", "x", "Japan", background="JP")]
    group = metrics(answers)["subtasks"]["SFB"]
    assert value(group, "retention") == 1
    assert value(group, "drift_to_distractor_country") == 0


@pytest.mark.parametrize("country", ["Korea", "Atlantis", "Turkey or Greece", None])
def test_an_ambiguous_or_unknown_country_is_none(country: str | None) -> None:
    answers = [*ALONE, koshary("SFB", "koshary", country, background="KR")]
    document = metrics(answers)
    group = document["subtasks"]["SFB"]
    assert value(group, "country_accuracy") == 0
    assert value(group, "retention") == 0
    assert group["country_entropy_bits"]["reason"] == "no_countries"
    assert document["confusion"]["SFB"] == {"EG": {"none": 1}}


def test_without_the_dish_alone_there_is_no_retention() -> None:
    group = metrics(IN_PLACES)["subtasks"]["SFB"]
    assert group["retention"]["reason"] == "no_reference"
    assert value(group, "country_accuracy") == 1 / 2


def test_what_failed_gives_no_score() -> None:
    failed = [answer._replace(state=State.FAILED) for answer in ALONE + IN_PLACES]
    for group in metrics(failed)["subtasks"].values():
        assert group["n"] == 0
        assert set(figures(group).values()) == {None}


def test_aliases_stand_apart() -> None:
    answers = [koshary("SF", "kushari", "Egypt", aliases=("Kushari",)), pizza("SF", "sushi", "Japan")]
    assert "name_accuracy_with_aliases" not in metrics(answers)["subtasks"]["SF"]
    group = metrics(answers, aliases=True)["subtasks"]["SF"]
    # "kushari", "koshary": 2 bigrams (sh, ha, ar: 3 of 9), letters {k,s,h,a,r} of {k,u,s,h,a,r,i,o,y}: 5 of 9; 0.4.
    assert name_similarity("kushari", "koshary") == pytest.approx(0.7 * 3 / 9 + 0.3 * 5 / 9)
    assert value(group, "name_accuracy") == 1 / 2
    answers[0] = answers[0]._replace(pred_name="abc", aliases=("abc",))
    group = metrics(answers, aliases=True)["subtasks"]["SF"]
    assert (value(group, "name_accuracy"), value(group, "name_accuracy_with_aliases")) == (0, 1 / 2)


def test_the_second_food_stands_apart() -> None:
    second = Answer("MF", 2, "pizza", "Pizza", ("IT",), State.OK, "pizza", "Egypt", other_food=("EG",))
    document = metrics([*ALONE, second, koshary("MF", "koshary", "Egypt", other_food=("IT",))])
    assert document["subtasks"]["MF"]["n"] == 1
    assert value(document, "subtasks", "MF", "retention") == 1
    assert list(document["slot2"]["subtasks"]) == ["MF"]
    assert value(document["slot2"], "subtasks", "MF", "drift_to_distractor_country") == 1


def test_an_interval_resamples_dishes() -> None:
    """Against the plain way: draw dishes one by one, put their answers together, take the share."""
    hits, of = np.array([3.0, 0.0, 2.0, 5.0]), np.array([4.0, 2.0, 2.0, 9.0])
    estimate = Resamples(4, seed=7, replicates=4000).share(hits, of, reason="")
    rng, shares = random.Random(1), []
    for _ in range(4000):
        drawn = rng.choices(range(4), k=4)
        shares.append(sum(hits[drawn]) / sum(of[drawn]))
    low, high = np.percentile(shares, [2.5, 97.5])
    assert estimate.value == 10 / 17
    assert estimate.low == pytest.approx(low, abs=0.03)
    assert estimate.high == pytest.approx(high, abs=0.03)


def test_replicates_without_an_answer_are_undefined() -> None:
    """Two of four dishes have none: (1/2)^4 of the replicates miss both others, which is more than 1 in 20."""
    half = np.array([1.0, 1.0, 0.0, 0.0])
    assert Resamples(4, seed=0, replicates=4000).share(half, half, reason="") == (1, None, None, "unstable")


def test_the_first_of_several_images_of_a_dish_alone_is_the_reference() -> None:
    answers = [*ALONE, koshary("SF", "x", "Japan"), koshary("SFB", "x", "Egypt", background="JP")]
    assert value(metrics(answers)["subtasks"]["SFB"], "retention") == 1


def test_one_dish_has_no_interval() -> None:
    assert metrics(ALONE[:1])["subtasks"]["SF"]["name_accuracy"] == {
        "value": 1.0, "low": None, "high": None, "reason": "one_dish",
    }  # fmt: skip


ANSWERS = st.lists(
    st.builds(
        lambda make, subtask, name, country, background, state, origin: make(
            subtask, name, country, background=None if subtask == "SF" else background, aliases=("Pie",)
        )._replace(state=state, countries=(make("SF", "", None).gold_country, origin)),
        st.sampled_from([koshary, pizza]),
        st.sampled_from(["SF", "SFB"]),
        st.sampled_from(["koshary", "pizza", "ramen", "pie"]),
        st.sampled_from(["Egypt", "Italy", "Japan", "South Korea", "Korea", None]),
        st.sampled_from(["JP", "FR", "EG"]),
        st.sampled_from([State.OK, State.OK, State.OK, State.REFUSED, State.FAILED]),
        st.sampled_from(["JP", "KR"]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(ANSWERS, st.randoms(use_true_random=False))
def test_what_holds_for_any_answers(answers: list[Answer], shuffle: random.Random) -> None:
    document = metrics(answers, replicates=50)
    for group in document["subtasks"].values():
        for part in (part for part in [*group.values(), *group["fair"].values()] if isinstance(part, dict)):
            if part.get("value", 0) is None:
                assert part["reason"]
            elif part.get("low") is not None:
                assert part["low"] <= part["high"]
        shares = [group[key]["value"] for key in group if key.startswith(("retention", "drift"))]
        assert None in shares or 0 <= sum(shares) <= 1
        assert group["n"] == group["states"].get("ok", 0)
        for figure in ("name", "country") if group["n"] else ():
            difference = group["fair"][f"{figure}_difference"]["value"]
            assert (
                0
                <= difference
                == pytest.approx(group["fair"][f"{figure}_accuracy"]["value"] - group[f"{figure}_accuracy"]["value"])
            )
        assert 0 <= (group["country_entropy_bits"]["value"] or 0) <= math.log2(4)  # no more countries are ever named
    for subtask, leaning in document["leaning"].items():
        table = document["confusion"][subtask]
        assert leaning["n_wrong"] == sum(sum(row.values()) - row.get(gold, 0) for gold, row in table.items())
        for places in (leaning["countries"], leaning["continents"]):
            assert sum(place["count"] for place in places) == leaning["n_wrong"] - leaning["n_without_country"]
    # The order of what is compared with the dish alone changes nothing, and neither does what is not scored.
    alone = [answer for answer in answers if answer.subtask == "SF"]
    others = [answer for answer in answers if answer.subtask != "SF"]
    again = others.copy()
    shuffle.shuffle(again)
    assert as_bytes(metrics(again + alone, replicates=50)) == as_bytes(document)
    scored = [answer for answer in answers if answer.state is State.OK]
    if {answer.subtask for answer in scored} == {answer.subtask for answer in answers}:
        for part, groups in metrics(scored, replicates=50).items():
            if part != "subtasks":
                assert groups == document[part]


def as_bytes(document: Any) -> bytes:
    return json.dumps(document, allow_nan=False).encode()


@given(st.lists(st.integers(1, 20), min_size=1, max_size=10))
def test_entropy_lies_between_none_and_that_of_equal_shares(counts: list[int]) -> None:
    assert -1e-9 <= entropy_bits(counts) <= math.log2(len(counts)) + 1e-9
