"""The engine that composes: what it does about each reason, the same bytes from the same seed."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.generation.engines import CannotMake, Made, Part, Source, Task
from app.generation.engines.composite import Composite
from tests.generation.things import DISHES, SCENES

ONE, TWO, THREE, SCENE, OTHER_SCENE = (Source(path.name, path) for path in (*DISHES[:3], SCENES[0], SCENES[1]))


def task(reasons: dict[str, str] | None = None, corrections: dict[str, str] | None = None, **changed: Any) -> Task:
    parts = {
        "food1": Part("Koshary", ["Koshary", "Kushari"], ONE, [THREE]),
        "food2": Part("Pizza", ["Pizza"], TWO, []),
        "background": Part("Zócalo", ["Zócalo"], SCENE, [OTHER_SCENE]),
    } | changed
    given = {question: frozenset(code.split()) for question, code in (reasons or {}).items()}
    return Task(parts, given, corrections or {}, "composite")


def make(*given: Any, seed: str = "1", **changed: Any) -> Made:
    return Composite().make(task(*given, **changed), seed)


USED = {"food1": ONE.sha256, "food2": TWO.sha256, "background": SCENE.sha256}


def test_the_same_seed_makes_the_same_image_and_another_another() -> None:
    assert make().data == make().data
    assert make().data != make(seed="2").data
    assert make().used == USED
    assert "drawn anew" in make().changes[0]


@pytest.mark.parametrize(
    ("reasons", "corrections"),
    [
        ({"food1_identity": "other_dish"}, {"food1_identity": "pizza"}),
        ({"food2_identity": "other_dish"}, {"food2_identity": "kushari"}),
        ({"food1_identity": "other_dish", "food2_identity": "other_dish"}, {}),
    ],
)
def test_dishes_on_each_others_side_change_places(reasons: Any, corrections: Any) -> None:
    made = make(reasons, corrections)
    assert made.used == USED | {"food1": TWO.sha256, "food2": ONE.sha256}
    assert "changed sides" in made.changes[0]


@pytest.mark.parametrize(
    ("reasons", "corrections", "used", "words"),
    [
        (
            {"food1_identity": "other_dish"},
            {"food1_identity": "falafel"},
            {"food1": THREE.sha256},
            "Another photograph",
        ),
        ({"food1_origin": "other_style"}, {}, {"food1": THREE.sha256}, "Another photograph of Koshary"),
        ({"background": "other_place"}, {}, {"background": OTHER_SCENE.sha256}, "Another photograph of Zócalo"),
        ({"background": "could_be_anywhere"}, {}, {"background": OTHER_SCENE.sha256}, "More of the background"),
        ({"food2_identity": "not_there"}, {}, {}, "centred and larger (not there)"),
        ({"food1_identity": "foods_mixed"}, {}, {}, "stand further apart (foods mixed)"),
        ({"food1_identity": "malformed"}, {}, {}, "fade softly"),
    ],
)
def test_each_reason_is_answered(reasons: Any, corrections: Any, used: dict[str, str], words: str) -> None:
    made = make(reasons, corrections)
    assert made.used == USED | used
    assert any(words in change for change in made.changes)
    assert made.data != make().data
    assert words in made.prompt


def test_without_another_photograph_it_says_what_is_missing() -> None:
    alone = Part("Koshary", ["Koshary"], ONE, [])
    with pytest.raises(CannotMake, match="only photograph of the dish Koshary is the one that was rejected"):
        make({"food1_identity": "other_dish"}, food1=alone)
    with pytest.raises(CannotMake, match="no photograph of Koshary"):
        make(food1=alone._replace(used=None))


def test_a_doubted_claim_is_not_painted_over() -> None:
    with pytest.raises(CannotMake, match="Only the dish's country is doubted"):
        make({"food1_origin": "other_country shared_origin"})
    assert make({"food1_origin": "other_country", "food1_identity": "not_there"}).data


def test_a_background_that_says_little_is_shown_more_of_where_there_is_no_other() -> None:
    scene = Part("Zócalo", ["Zócalo"], SCENE, [])
    assert make({"background": "could_be_anywhere"}, background=scene).used == USED
    with pytest.raises(CannotMake, match="only photograph of the background"):
        make({"background": "other_place"}, background=scene)


def test_a_wide_scene_is_shown_whole_whatever_the_seed(tmp_path: Path) -> None:
    wide = tmp_path / "wide.jpg"
    Image.new("RGB", (768, 449), "teal").save(wide)
    scene = Part("Zócalo", ["Zócalo"], Source("wide", wide), [])
    for seed in range(12):
        made = make({"background": "could_be_anywhere"}, seed=str(seed), background=scene)
        assert "More of the background is shown" in " ".join(made.changes)


@pytest.fixture(autouse=True)
def _photographs_are_there() -> None:
    assert all(isinstance(source.path, Path) and source.path.is_file() for source in (ONE, TWO, THREE, SCENE))
