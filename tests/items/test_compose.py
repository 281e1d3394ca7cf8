"""A composed set has the published proportions, families and distances, and is the same bytes every time."""

import csv
import hashlib
import io
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app import geography
from app.errors import Conflict, Invalid, TerroirError
from app.items import images
from app.items.compose import ComposeSummary, compose
from app.items.compose_plan import PUBLISHED, BadSeeds, plan, read_seeds, shares

SEEDS = Path(__file__).parent / "seeds"
SHEETS = ("sf", "mf", "sfb_street", "sfb_landmark", "mfb_street", "mfb_landmark")
ITEMS = 130  # more than one chunk for each of two processes


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ComposeSummary]:
    out = tmp_path_factory.mktemp("composed") / "set"
    return out, compose(SEEDS, out, ITEMS, 7, processes=1)


def rows(out: Path, *sheets: str) -> list[dict[str, str]]:
    found = []
    for sheet in sheets or sorted(path.stem for path in (out / "metadata").iterdir()):
        with (out / "metadata" / f"{sheet}.csv").open(newline="", encoding="utf-8") as file:
            found += [{**row, "sheet": sheet} for row in csv.DictReader(file)]
    return found


def digests(out: Path) -> dict[str, str]:
    files = (path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def copy_of_the_seeds(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SEEDS, tmp_path / "seeds"))


def test_the_published_number_gives_the_published_proportions_exactly() -> None:
    assert shares(23_766) == PUBLISHED == {"SF": 988, "MF": 948, "SFB": 12_350, "MFB": 9_480}
    full = plan(read_seeds(SEEDS), 23_766, 1)
    assert Counter(item.subtask for item in full) == PUBLISHED
    assert len({item.path for item in full}) == 23_766


@given(st.integers(4, 50_000))
def test_any_number_is_shared_out_whole_and_fairly(items: int) -> None:
    given_out = shares(items)
    assert sum(given_out.values()) == items
    for subtask, published in PUBLISHED.items():
        exact = items * published / 23_766
        assert given_out[subtask] >= 1
        assert abs(given_out[subtask] - exact) < 1 or items < 60


def test_a_set_has_the_layout_of_the_benchmark(composed: tuple[Path, ComposeSummary]) -> None:
    out, summary = composed
    assert summary.items == ITEMS == len(rows(out))
    assert summary.by_subtask == shares(ITEMS)
    header = "image_path,food1_id,food1_name,food1_country,food2_id,food2_name,food2_country,background_country,"
    for sheet in SHEETS:
        assert (out / "metadata" / f"{sheet}.csv").read_text(encoding="utf-8").startswith(header)
    for row in rows(out):
        subtask, _, kind = row["sheet"].partition("_")
        assert row["image_path"].startswith(subtask.upper() + (f"_{kind}/" if kind else "/"))
        assert (out / row["image_path"]).is_file()
        assert bool(row["food2_name"]) == bool(row["food2_country"]) == bool(row["source2_path"]) == ("mf" in subtask)
        assert bool(row["background_country"]) == bool(row["background_path"]) == bool(kind)
        assert row["background_kind"] == kind
        assert (row["generator"], row["seed"]) == ("composite", "7")
        assert row["food1_name"] in row["prompt"]
        for column in ("source1_path", "source2_path", "background_path"):
            assert not row[column] or (out / row[column]).read_bytes() == (SEEDS / row[column][8:]).read_bytes()


def test_every_image_is_whole_and_none_is_there_twice(composed: tuple[Path, ComposeSummary]) -> None:
    out, _ = composed
    facts = [images.inspect((out / row["image_path"]).read_bytes(), row["image_path"]) for row in rows(out)]
    assert len({fact.sha256 for fact in facts}) == ITEMS
    assert {(fact.format, fact.width, fact.height, fact.notes) for fact in facts} == {("jpeg", 576, 576, ())}


def test_every_family_has_all_four_subtasks(composed: tuple[Path, ComposeSummary]) -> None:
    out, summary = composed
    families = defaultdict(set)
    for row in rows(out):
        families[row["food1_id"]].add(row["sheet"].partition("_")[0])
        assert row["food1_id"] != row["food2_id"]
    assert list(families.values()) == [{"sf", "mf", "sfb", "mfb"}] * summary.families
    pairs = {(row["food1_id"], row["food2_id"]) for row in rows(out, "mf")}
    assert {(row["food1_id"], row["food2_id"]) for row in rows(out, "mfb_street", "mfb_landmark")} <= pairs


def test_pairs_and_backgrounds_meet_all_three_distances(composed: tuple[Path, ComposeSummary]) -> None:
    out, summary = composed
    assert set(summary.by_distance) == {"MF", "SFB", "MFB"}
    for found in summary.by_distance.values():
        assert set(found) == {"same_country", "same_continent", "cross_continent"}
    counted = Counter(
        geography.cultural_distance(
            [geography.resolve(row["food1_country"])], [geography.resolve(row["food2_country"])]
        )
        for row in rows(out, "mf")
    )
    assert summary.by_distance["MF"] == counted


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_processes(
    composed: tuple[Path, ComposeSummary], tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    compose(SEEDS, tmp_path / "again", ITEMS, 7, processes=2, progress=lambda done, of: seen.append((done, of)))
    assert digests(tmp_path / "again") == digests(composed[0])
    assert seen[-1] == (ITEMS, ITEMS)
    assert seen == sorted(seen)


def test_another_seed_gives_other_pictures(composed: tuple[Path, ComposeSummary], tmp_path: Path) -> None:
    compose(SEEDS, tmp_path / "other", 4, 8)
    assert not set(digests(tmp_path / "other" / "SF").values()) & set(digests(composed[0] / "SF").values())


def test_four_items_are_one_of_each_subtask(tmp_path: Path) -> None:
    assert compose(SEEDS, tmp_path / "four", 4, 1).by_subtask == {"SF": 1, "MF": 1, "SFB": 1, "MFB": 1}
    tables = [path.read_text(encoding="utf-8").splitlines() for path in (tmp_path / "four" / "metadata").iterdir()]
    assert [len(lines) for lines in tables] == [2] * 4  # no table without rows, which no import takes


def test_dishes_lie_on_white_and_a_scene_fills_the_upper_half(composed: tuple[Path, ComposeSummary]) -> None:
    out, _ = composed

    def pixels(sheet: str) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO((out / rows(out, sheet)[0]["image_path"]).read_bytes())), dtype=int)

    for sheet in ("sf", "mf"):
        assert pixels(sheet)[:40].min() > 250
        assert pixels(sheet)[-40:].min() > 250
        assert pixels(sheet)[280:300, 60:520].std() > 20
    for sheet in ("sfb_street", "mfb_landmark"):
        assert pixels(sheet)[:200].std() > 20
        assert pixels(sheet)[-20:].mean() < 245


def test_licences_and_authors_travel_with_the_set(composed: tuple[Path, ComposeSummary]) -> None:
    out, _ = composed
    assert (out / "LICENSES.md").read_bytes() == (SEEDS / "LICENSES.md").read_bytes()
    with (out / "ATTRIBUTION.csv").open(newline="", encoding="utf-8") as file:
        credits_ = list(csv.DictReader(file))
    assert len(credits_) == 7
    assert all(row["license"] and row["attribution"] and (out / row["file"]).is_file() for row in credits_)


def edit(old: str, new: str):  # type: ignore[no-untyped-def]
    def change(seeds: Path) -> None:
        manifest = seeds / "manifest.csv"
        text = manifest.read_text(encoding="utf-8")
        assert old in text
        manifest.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def cut(seeds: Path) -> None:
    photo = seeds / "dishes/dish-jp-miso-soup.jpg"
    photo.write_bytes(photo.read_bytes()[:9000])


def write(name: str, data: bytes):  # type: ignore[no-untyped-def]
    return lambda seeds: (seeds / name).write_bytes(data)


def remove(name: str):  # type: ignore[no-untyped-def]
    return lambda seeds: (seeds / name).unlink()


SOUP = "dishes/dish-jp-miso-soup.jpg"
HEADER = b"id,kind,file,name,aliases,country,license,attribution\n"
BAD_SEEDS = {
    "no manifest": (remove("manifest.csv"), r"manifest\.csv is missing"),
    "no column": (edit("country,", "land,"), "has no column country"),
    "no dish": (write("manifest.csv", HEADER), "0 dishes and 0 backgrounds"),
    "short row": (write("manifest.csv", HEADER + b"dish-x,dish\n"), "row 2: file is empty"),
    "not a table": (write("manifest.csv", b"\xff\xfe\x00"), "can't be read as a UTF-8 CSV"),
    "missing photo": (remove(SOUP), r"row 5: .*miso-soup\.jpg is missing"),
    "cut photo": (cut, r"row 5: .*miso-soup\.jpg is truncated"),
    "page for a photo": (write(SOUP, b"<html></html>"), r"row 5: .*miso-soup\.jpg is a web page"),
    "other kind": (edit(",background_street,", ",background_park,"), "row 8: the kind 'background_park' is not one of"),
    "unknown country": (edit(",Sweden,", ",Sverige,"), "row 4: “Sverige” is not a known country"),
    "ambiguous country": (edit(",Japan,", ",Korea,"), "row 5: “Korea” fits more than one country"),
    "climbing out": (edit(SOUP, "../../etc/passwd"), "row 5: .* lies outside"),
    "absolute path": (edit(SOUP, "/etc/passwd"), "row 5: .* lies outside"),
    "same id twice": (edit("dish-it-stracciatella-alla-romana,", "dish-it-granita,"), "row 3: the id .* in row 2"),
    "no name": (edit(",Miso soup,", ",,"), "row 5: name is empty"),
}


@pytest.mark.parametrize("case", BAD_SEEDS)
def test_faulty_seeds_are_refused_with_their_row_and_nothing_is_left_behind(case: str, tmp_path: Path) -> None:
    seeds = copy_of_the_seeds(tmp_path)
    spoil, sentence = BAD_SEEDS[case]
    spoil(seeds)  # type: ignore[no-untyped-call]
    with pytest.raises(BadSeeds, match=sentence):
        compose(seeds, tmp_path / "out", 8, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["seeds"]


@pytest.mark.parametrize("items", [3, 0, -1])
def test_too_few_items_are_refused(items: int, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="at least 4"):
        compose(SEEDS, tmp_path / "out", items, 1)


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(Conflict, match="not empty"):
        compose(SEEDS, tmp_path, 4, 1)
    with pytest.raises(Conflict, match=r"mine\.txt exists"):
        compose(SEEDS, tmp_path / "mine.txt", 4, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    compose(SEEDS, tmp_path, 4, 1)
    assert (tmp_path / "metadata" / "sf.csv").is_file()


def test_a_failure_half_way_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, of: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(TerroirError, match="No space left on device"):
        compose(SEEDS, tmp_path / "out", ITEMS, 1, processes=2, progress=stop)
    assert not list(tmp_path.iterdir())
