"""Planted faults are in the pictures and rows as the truth file says, and nowhere else."""

from pathlib import Path

import pytest

from app import geography
from app.errors import Conflict, Invalid
from app.items.compose import compose
from app.items.compose_faults import Planted, plant, questions_of, read_truth
from app.items.compose_plan import Seed, plan, read_seeds
from tests.items.test_compose import SEEDS, rows

MANY = 2_000


@pytest.fixture(scope="module")
def planted() -> list[Planted]:
    photos = read_seeds(SEEDS)
    return plant(plan(photos, MANY, 1), photos, 7, gold=400)


def test_every_fault_is_there_and_everything_else_is_as_claimed(planted: list[Planted]) -> None:
    codes = {photo.id: set(photo.codes) for photo in read_seeds(SEEDS)}
    for item in planted:
        for part in ("food1", "food2"):
            if (claimed := getattr(item.claimed, part)) is not None:
                is_other_dish = getattr(item.shown, part).id != claimed.id
                assert is_other_dish == (f"{part}_identity" in item.faults)
                assert codes[claimed.id].isdisjoint(claimed.codes) == (f"{part}_origin" in item.faults)
        if item.claimed.background and item.shown.background:
            elsewhere = set(item.shown.background.codes).isdisjoint(item.claimed.background.codes)
            assert elsewhere == ("background" in item.faults)
        assert item.shown.path == item.claimed.path


def test_as_many_claims_are_wrong_as_stated() -> None:
    photos = [
        Seed(f"{kind or 'dish'} {code} {n}", kind, "", f"{code} {n}", "", geography.name_of(code), (code,), n, {})
        for kind in (None, "street", "landmark")
        for code in ("EG", "NG", "IT", "FR", "JP", "KR", "MX", "BR")
        for n in range(2)
    ]
    planted = plant(plan(photos, MANY, 1), photos, 7, gold=400)
    for is_gold, share in ((False, 0.10), (True, 0.50)):
        some = [item for item in planted if item.is_gold == is_gold]
        assert len(some) == (400 if is_gold else 1_600)
        wrong = [is_hard for item in some for is_hard in item.faults.values()]
        assert len(wrong) / sum(len(questions_of(item.claimed)) for item in some) == pytest.approx(share, abs=0.03)
        assert sum(wrong) / len(wrong) == pytest.approx(0.15, abs=0.05)


def test_the_truth_lies_beside_the_set_and_only_gold_tells_it(tmp_path: Path) -> None:
    compose(SEEDS, tmp_path / "plain", 40, 3, processes=1)
    compose(SEEDS, tmp_path / "set", 40, 3, processes=1, truth=tmp_path / "truth.csv", gold=8)
    truth = read_truth(tmp_path / "truth.csv")
    drawn_anew = 0
    n_gold = 0
    for row in rows(tmp_path / "set"):
        claims = {question: claim for (key, question), claim in truth.items() if key == row["image_path"]}
        known = {name.removeprefix("gold_"): value for name, value in row.items() if name.startswith("gold_") and value}
        n_gold += bool(known)
        assert known in ({}, {question: "yes" if claim.is_right else "no" for question, claim in claims.items()})
        assert (row.get("is_gold") == "yes") == bool(known)
        # What is planted in a claim of origin can't be seen in the picture.
        is_seen = any(not claim.is_right and not question.endswith("origin") for question, claim in claims.items())
        before, after = ((tmp_path / folder / row["image_path"]).read_bytes() for folder in ("plain", "set"))
        assert (before != after) == is_seen
        drawn_anew += is_seen
    assert n_gold == 8
    assert 0 < drawn_anew < 40
    assert not [path for path in (tmp_path / "set").rglob("*") if "truth" in path.name]


def test_the_truth_never_lies_where_it_would_be_imported(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="can't hold the truth"):
        compose(SEEDS, tmp_path / "set", 4, 1, truth=tmp_path / "set" / "truth.csv")
    with pytest.raises(Invalid, match="name a file for the truth too"):
        compose(SEEDS, tmp_path / "set", 4, 1, gold=1)
    with pytest.raises(Invalid, match="5 gold items can't be among 4 items"):
        compose(SEEDS, tmp_path / "set", 4, 1, truth=tmp_path / "truth.csv", gold=5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("image_path,question\n", "has no column truth, is_hard, is_gold"),
        ("image_path,question,truth,is_hard,is_gold\na,background,maybe,no,no\n", "row 2: the truth is yes or no"),
    ],
)
def test_what_is_no_truth_file_is_said_in_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "truth.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Invalid, match=sentence):
        read_truth(file)
    with pytest.raises(Invalid, match=r"can't be read"):
        read_truth(tmp_path / "none.csv")
