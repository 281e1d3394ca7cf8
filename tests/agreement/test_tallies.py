"""What votes add to the counts, beside a slow count written another way: question by question, vote by vote."""

from collections import Counter
from datetime import date, timedelta
from itertools import combinations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.agreement.tallies import QUESTIONS, ItemVotes, Tally, Vote

RATERS = ("ann", "bob", "cat", "dan", "eve")
MONDAY = date(2026, 11, 23)
WORDS = {"y": "yes", "n": "no", "u": "unsure"}


@st.composite
def items(draw: st.DrawFn) -> ItemVotes:
    """Up to five votes on any questions, also ones that only some raters answered; foods of several countries."""
    raters = draw(st.permutations(RATERS))[: draw(st.integers(0, 5))]
    votes = []
    for rater in raters:
        answers = "".join(draw(st.lists(st.sampled_from("ynu-"), min_size=5, max_size=5)))
        knows = "".join("-" if answer == "-" else draw(st.sampled_from("10")) for answer in answers)
        votes.append(Vote(rater, answers, knows, MONDAY + timedelta(days=draw(st.integers(0, 20)))))
    about = st.lists(st.sampled_from(["EG", "IT", "JP"]), max_size=2, unique=True).map(tuple)
    countries = tuple(draw(st.lists(about, min_size=5, max_size=5)))
    return ItemVotes(tuple(votes), (("subtask", draw(st.sampled_from(["SF", "MFB"]))), ("generator", "one")), countries)


def slowly(item: ItemVotes) -> tuple[Counter[Any], Counter[Any], Counter[Any]]:
    """Patterns, raters' answers and pairs of one item."""
    patterns, raters, pairs = Counter[Any](), Counter[Any](), Counter[Any]()
    for basis, most in (("first", 2), ("all", None)):
        votes = item.votes[:most]
        for place, question in enumerate(QUESTIONS):
            answered = [vote for vote in votes if vote.answers[place] != "-"]
            inside = [vote for vote in answered if vote.knows[place] == "1"]
            outside = [vote for vote in answered if vote.knows[place] == "0"]
            mixed = [inside[0], outside[0]] if inside and outside else []
            groups = [(kind, part, answered) for kind, part in (("all", ""), *item.parts)]
            groups += [
                (kind, country, group)
                for country in item.countries[place]
                for kind, group in (("insiders", inside), ("outsiders", outside), ("mixed", mixed))
            ]
            if votes:
                day = votes[min(1, len(votes) - 1)].day
                groups.append(("week", str(date.fromisocalendar(*day.isocalendar()[:2], 1)), answered))
            for kind, part, group in groups:
                for vote in group:
                    raters[basis, question, kind, part, vote.rater, WORDS[vote.answers[place]]] += 1
            groups += [("rater", vote.rater, answered) for vote in answered]
            for kind, part, group in groups:
                if group:
                    said = [vote.answers[place] for vote in group]
                    patterns[basis, question, kind, part, *(said.count(letter) for letter in "ynu")] += 1
            for one, other in combinations(sorted(answered, key=lambda vote: vote.rater), 2):
                answers = WORDS[one.answers[place]], WORDS[other.answers[place]]
                pairs[basis, question, one.rater, other.rater, *answers] += 1
    return patterns, raters, pairs


@given(st.lists(items(), max_size=8))
def test_the_counts_are_the_sums_of_what_each_item_adds(crowd: list[ItemVotes]) -> None:
    tally, sums = Tally(), (Counter[Any](), Counter[Any](), Counter[Any]())
    for item in crowd:
        tally.add(item)
        for total, part in zip(sums, slowly(item), strict=True):
            total.update(part)
    assert (tally.patterns, tally.raters, tally.pairs) == sums


@given(st.lists(items(), max_size=6), st.lists(items(), max_size=6), st.randoms())
def test_what_is_taken_away_leaves_no_trace_whatever_the_order(
    staying: list[ItemVotes], going: list[ItemVotes], shuffler: Any
) -> None:
    steps = [(item, 1) for item in (*staying, *going)] + [(item, -1) for item in going]
    shuffler.shuffle(steps)
    tally, plain = Tally(), Tally()
    for item, sign in steps:
        tally.add(item, sign)
    for item in staying:
        plain.add(item)
    assert (tally.patterns, tally.raters, tally.pairs) == (plain.patterns, plain.raters, plain.pairs)


def test_a_small_campaign_counted_by_hand() -> None:
    """Two raters on a dish of Egypt in Japan: Ann knows Egypt, Bob neither; then Ann alone, two weeks later."""
    dish = (("EG",), ("EG",), (), (), ("JP",))
    sunday, later = MONDAY + timedelta(days=6), MONDAY + timedelta(days=14)
    tally = Tally()
    tally.add(ItemVotes((Vote("ann", "yy--n", "11--0", MONDAY), Vote("bob", "nu--n", "00--0", sunday)), (), dish))
    tally.add(ItemVotes((Vote("ann", "yn--y", "11--0", later),), (), dish))
    patterns = {key[1:]: n for key, n in tally.patterns.items() if key[0] == "first"}
    assert {key[1:]: n for key, n in patterns.items() if key[0] == "background"} == {
        ("all", "", 0, 2, 0): 1, ("all", "", 1, 0, 0): 1,
        ("week", "2026-11-23", 0, 2, 0): 1, ("week", "2026-12-07", 1, 0, 0): 1,
        ("rater", "ann", 0, 2, 0): 1, ("rater", "bob", 0, 2, 0): 1, ("rater", "ann", 1, 0, 0): 1,
        ("outsiders", "JP", 0, 2, 0): 1, ("outsiders", "JP", 1, 0, 0): 1,
    }  # fmt: skip
    assert {key[2:]: n for key, n in patterns.items() if key[:2] == ("food1_origin", "insiders")} == {
        ("EG", 1, 0, 0): 1, ("EG", 0, 1, 0): 1,
    }  # fmt: skip
    assert patterns["food1_origin", "mixed", "EG", 1, 0, 1] == 1
    assert tally.raters["all", "food1_identity", "all", "", "ann", "yes"] == 2
    assert tally.pairs == {
        (basis, question, "ann", "bob", a, b): 1
        for basis in ("first", "all")
        for question, a, b in (
            ("food1_identity", "yes", "no"), ("food1_origin", "yes", "unsure"), ("background", "no", "no"),
        )
    }  # fmt: skip
