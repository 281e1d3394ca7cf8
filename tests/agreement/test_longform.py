"""Agreement from files: real judgments, strange labels, and every fault in one sentence."""

import json
import random
from pathlib import Path

import pytest

from app.agreement.longform import agreement_from_rows
from app.errors import Invalid, NotFound, TerroirError
from tests.agreement import cases

HEADER = "item,rater,question,value"


def written(path: Path, *lines: str, header: str = HEADER) -> Path:
    file = path / "judgments.csv"
    file.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return file


def test_world_wide_dishes_has_its_known_alpha() -> None:
    found = agreement_from_rows(cases.WWD_REVIEWS)["questions"]["is_this_dish"]
    assert found["krippendorff_alpha"]["value"] == pytest.approx(0.564181, abs=5e-7)
    assert found["krippendorff_alpha"]["low"] == pytest.approx(0.526, abs=0.005)
    assert found["krippendorff_alpha"]["high"] == pytest.approx(0.601, abs=0.005)
    assert (found["n_items"], found["n_items_paired"], found["n_raters"], found["n_judgments"]) == (
        2470,
        1592,
        46,
        5021,
    )
    assert list(found["categories"]) == ["No", "Yes"]


def test_by_a_column_gives_each_value_its_own_figures() -> None:
    found = agreement_from_rows(cases.WWD_REVIEWS, by="generator", replicates=50)
    assert list(found["by"]) == ["Dalle2", "Dalle3", "Stable Diffusion"]
    parts = [part["questions"]["is_this_dish"] for part in found["by"].values()]
    assert sum(part["n_judgments"] for part in parts) == 5021
    assert sum(part["n_items_paired"] for part in parts) == 1592
    assert len({part["krippendorff_alpha"]["value"] for part in parts}) == 3


def test_by_rater_compares_each_with_everyone_on_their_items(tmp_path: Path) -> None:
    file = written(tmp_path, "i1,ann,q,yes", "i1,bob,q,yes", "i2,bob,q,no", "i2,cat,q,yes", "i3,dan,q,no")
    found = agreement_from_rows(file, by="rater")["by"]
    agreement = {rater: part["questions"]["q"]["percent_agreement"]["value"] for rater, part in found.items()}
    assert agreement == {"ann": 1, "bob": 0.5, "cat": 0, "dan": None}


def test_raters_adds_the_model(tmp_path: Path) -> None:
    found = agreement_from_rows(cases.WWD_REVIEWS, raters=True)["questions"]["is_this_dish"]
    assert len(found["raters"]) == 46
    assert len(found["items"]) == 2470
    assert found["rater_model"]["converged"]
    json.dumps(found, allow_nan=False)


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    header, *lines = cases.WWD_REVIEWS.read_text(encoding="utf-8").splitlines()
    random.Random(1).shuffle(lines)
    shuffled = written(tmp_path, *lines, header=header)
    wanted = {"by": "country", "raters": True, "replicates": 50}
    assert agreement_from_rows(shuffled, **wanted) == agreement_from_rows(cases.WWD_REVIEWS, **wanted)


def test_labels_that_look_missing_are_labels_and_empty_is_missing(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "i1,ann,country,NA",
        "i1,bob,country,NA",
        "i2,ann,country,nan",
        "i2,bob,country,None",
        "i2,cat,country,",
    )
    found = agreement_from_rows(file)["questions"]["country"]
    assert found["categories"] == {"NA": 0.5, "None": 0.25, "nan": 0.25}
    assert (found["n_judgments"], found["n_raters"]) == (4, 2)
    assert found["percent_agreement"]["value"] == 0.5


def test_a_byte_order_mark_quotes_and_further_columns_are_read(tmp_path: Path) -> None:
    file = tmp_path / "excel.csv"
    dish = '"jollof ""party"" rice"'
    text = f'item,note,value,rater,question\r\n{dish},"a, b",yes,ann,q\r\n\r\n{dish},,no,bob,q\r\n'
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = agreement_from_rows(file)["questions"]["q"]
    assert (found["n_items"], found["percent_agreement"]["value"]) == (1, 0)


def test_a_question_with_only_missing_values_says_it_has_no_overlap(tmp_path: Path) -> None:
    found = agreement_from_rows(written(tmp_path, "i1,ann,q,", "i1,bob,q,"), raters=True)["questions"]["q"]
    assert (found["n_items"], found["categories"], found["raters"]) == (0, {}, [])
    assert found["gwet_ac1"] == {"value": None, "low": None, "high": None, "reason": "no_overlap"}


def test_questions_stand_apart(tmp_path: Path) -> None:
    file = written(tmp_path, "i1,ann,a,yes", "i1,bob,a,yes", "i1,ann,b,red", "i1,bob,b,blue")
    found = agreement_from_rows(file)["questions"]
    assert [found[key]["percent_agreement"]["value"] for key in "ab"] == [1, 0]
    assert [list(found[key]["categories"]) for key in "ab"] == [["yes"], ["blue", "red"]]


@pytest.mark.parametrize("second", ["yes", "no"])
def test_two_judgments_of_one_rater_on_one_item_are_an_error(tmp_path: Path, second: str) -> None:
    file = written(tmp_path, "i1,ann,q,yes", "i1,bob,q,yes", "i1,ann,other,yes", f"i1,ann,q,{second}")
    with pytest.raises(Invalid, match=r"judgments\.csv, row 5: the same rater already judged .* in row 2; keep one"):
        agreement_from_rows(file)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "judgments.csv is empty"),
        (b"item,rater,question,value\n", "has a header but no rows"),
        (b"item,rater,value\ni,a,yes\n", "row 1: there is no column 'question'; the columns are item, rater, value"),
        (b"item,rater,question,value,item\n", "row 1: there is more than one column 'item'"),
        (b"item,rater,question,value\ni,a,q,yes\ni,b,q\n", "row 3: 3 fields where the header has 4"),
        (b"item,rater,question,value\ni,,q,yes\n", "row 2: rater is empty"),
        (b"item,rater,question,value\ni,a,q,yes\ni,b,q,\xe9\n", "row 3: not UTF-8 text"),
        ("item,rater,question,value\n".encode("utf-16"), "row 1: not UTF-8 text"),
        (b'item,rater,question,value\ni,a,q,"yes\ni,b,q,no\n', "not a readable CSV row"),
    ],
)
def test_a_faulty_file_is_one_sentence_with_file_and_row(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "judgments.csv"
    file.write_bytes(content)
    with pytest.raises(Invalid) as caught:
        agreement_from_rows(file)
    assert sentence in caught.value.message
    assert str(file) in caught.value.message
    assert caught.value.message.endswith(".")


def test_a_missing_file_a_folder_and_an_unknown_group_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"There is no file .*nowhere\.csv"):
        agreement_from_rows(tmp_path / "nowhere.csv")
    with pytest.raises(Invalid, match="can't be read: Is a directory"):
        agreement_from_rows(tmp_path)
    with pytest.raises(Invalid, match="no column 'country'"):
        agreement_from_rows(written(tmp_path, "i,a,q,yes"), by="country")
    with pytest.raises(TerroirError, match="can't be shown by value"):
        agreement_from_rows(written(tmp_path, "i,a,q,yes"), by="value")


def test_ordinal_values_that_are_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    rows = ["i1,ann,q,9", "i1,bob,q,10", "i2,ann,q,2", "i2,bob,q,2", "i3,ann,q,10", "i3,bob,q,10", "i4,ann,q,9"]
    found = agreement_from_rows(written(tmp_path, *rows), level="ordinal")["questions"]["q"]
    assert list(found["categories"]) == ["2", "9", "10"]
    assert found["level"] == "ordinal"
    # Answers of paired items: 2, 2, 9, 10, 10, 10, so midranks 1, 2.5, 4.5 and deviations from 3 of -2, -0.5, 1.5.
    assert found["krippendorff_alpha"]["value"] == pytest.approx(1 - 5 * 2**2 / (6 * (2 * 4 + 0.25 + 3 * 2.25)))
    assert not any("alphabetical" in warning for warning in found["warnings"])


def test_ordinal_text_is_ordered_by_the_alphabet_and_says_so(tmp_path: Path) -> None:
    rows = ["i1,ann,q,low", "i1,bob,q,mid", "i2,ann,q,high", "i2,bob,q,high", "i1,ann,two,a", "i1,bob,two,b"]
    found = agreement_from_rows(written(tmp_path, *rows), level="ordinal")["questions"]
    assert "The answers are taken in alphabetical order: high, low, mid." in found["q"]["warnings"]
    assert not any("alphabetical" in warning for warning in found["two"]["warnings"])  # two have only one distance


def test_nominal_is_what_it_was_and_says_so() -> None:
    found = agreement_from_rows(cases.WWD_REVIEWS, replicates=50)["questions"]["is_this_dish"]
    assert found["level"] == "nominal"
    assert "gwet_ac2" not in found


def test_two_ways_to_write_a_number_are_no_scale(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"'1' and '1\.0' are the same number"):
        agreement_from_rows(written(tmp_path, "i1,ann,q,1", "i1,bob,q,1.0", "i2,ann,q,2"), level="ordinal")


def test_a_column_names_families_and_an_empty_one_is_alone(tmp_path: Path) -> None:
    header = f"{HEADER},dish"
    rows = [f"i{n},{rater},q,{value},{dish}" for n, dish in enumerate(["rice", "rice", "soup", "", ""])
            for rater, value in (("ann", "yes"), ("bob", "no" if n % 2 else "yes"))]  # fmt: skip
    file = written(tmp_path, *rows, header=header)
    found = agreement_from_rows(file, cluster_by="dish", by="rater")
    assert found["questions"]["q"]["bootstrap"]["unit"] == "family"
    assert found["questions"]["q"]["bootstrap"]["n_families"] == 4
    assert found["by"]["ann"]["questions"]["q"]["bootstrap"]["n_families"] == 4
    same = agreement_from_rows(file, cluster_by="item")["questions"]["q"]
    assert same["krippendorff_alpha"] == agreement_from_rows(file)["questions"]["q"]["krippendorff_alpha"]


def test_an_item_in_two_families_and_a_column_that_makes_none_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "i1,ann,q,yes,a", "i2,ann,q,yes,a", "i1,bob,q,yes,b", header=f"{HEADER},dish")
    with pytest.raises(Invalid, match=r"judgments\.csv, row 4: this item has another dish in an earlier row"):
        agreement_from_rows(file, cluster_by="dish")
    with pytest.raises(Invalid, match="Items don't belong together by rater"):
        agreement_from_rows(file, cluster_by="rater")
    with pytest.raises(Invalid, match="no column 'region'"):
        agreement_from_rows(file, cluster_by="region")
