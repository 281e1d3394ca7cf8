"""`terroir agreement`: its options, and the report that stands alone."""

import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.cli.agreement_report import command_line, picture_axis
from tests.factories import make_campaign, make_item
from tests.judgments.test_votes import voted

from .test_commands import Run, run

__all__ = ["run"]  # a fixture

HOSTILE = '"><script>alert(1)</script>&{{ 7 * 7 }}'


class Page(HTMLParser):
    """The tags of a page, with what they refer to, and its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def judgments_file(tmp_path: Path) -> Path:
    """40 items of 20 dishes with three answers each."""
    answers = [("yes", "yes", "yes"), ("yes", "no", "yes"), ("no", "no", "unsure"), ("yes", "unsure", "yes")]
    rows = [
        f"i{n},{rater},is it?,{value},dish {n // 2}"
        for n in range(40)
        for rater, value in zip(("ann", "bob", "cat"), answers[n * 7 // 3 % 4], strict=True)
    ]
    file = tmp_path / "judgments.csv"
    file.write_text("\n".join(["item,rater,question,value,dish", *rows]) + "\n", encoding="utf-8")
    return file


def test_the_report_stands_alone(run: Run, judgments_file: Path) -> None:
    ended = run("agreement", "--from", str(judgments_file), "--by", "rater", "--html", "report.html", "--raters")
    assert ended.status == 0, ended.err
    assert "The report is in report.html." in ended.out
    page = Page(Path("report.html").read_text(encoding="utf-8"))
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not {"src", "href", "srcset", "style"} & {name for name, _ in page.attributes}
    assert not re.search(r"url\(|@import|https?:", page.text)
    assert page.tags.count("style") == page.tags.count("title") == page.tags.count("h1") == 1
    assert "prefers-color-scheme" in page.text or "light-dark(" in page.text
    assert "@media print" in page.text


def test_the_report_says_what_the_document_says(run: Run, judgments_file: Path) -> None:
    words = ["agreement", "--from", str(judgments_file), "--level", "ordinal", "--cluster-by", "dish", "--seed", "5"]
    ended = run(*words, "--html", "report.html", "--json")
    report = json.loads(ended.out)["questions"]["is it?"]
    page = Page(Path("report.html").read_text(encoding="utf-8"))
    labels = [value for name, value in page.attributes if name == "aria-label" and value]
    for figure, called in [
        ("percent_agreement", "Percent agreement"),
        ("krippendorff_alpha", "Krippendorff’s alpha, ordinal"),
        ("gwet_ac1", "Gwet’s AC1"),
        ("gwet_ac2", "Gwet’s AC2, ordinal"),
        ("fleiss_kappa", "Fleiss’ kappa"),
    ]:
        value, low, high = (f"{report[figure][key]:.3f}" for key in ("value", "low", "high"))
        assert f"{called}: {value}, 95 % interval {low} to {high}" in labels
        assert called in page.text
        assert f"{low} to {high}" in page.text
    for warning in report["warnings"]:
        assert warning in page.text
    assert report["warnings"]
    for fact in (
        "40 of 40 items",
        "in 20 families",
        "120 judgments by 3 people",
        "1,000 resamples",
        "seed 5",
        "SHA-256",
    ):
        assert fact in page.text
    assert page.tags.count("svg") == 6


def test_the_command_in_the_report_makes_the_same_report(run: Run, judgments_file: Path) -> None:
    wanted = ["--from", str(judgments_file), "--cluster-by", "dish", "--replicates", "50", "--html", "one report.html"]
    run("agreement", *wanted)
    first = Path("one report.html").read_text(encoding="utf-8")
    code = re.search(r"<code>(.*)</code>", first)
    assert code is not None
    parts = shlex.split(Page(code[1]).text)
    assert parts[0] == "terroir"
    Path("one report.html").unlink()
    assert run(*parts[1:]).status == 0
    again = Path("one report.html").read_text(encoding="utf-8")
    assert re.sub("<time.*</time>", "", again) == re.sub("<time.*</time>", "", first)


@pytest.mark.parametrize(
    ("figures", "start", "place"),
    [((0.25, 0.0, 0.5), 0, (25, 0, 50)), ((0.0, -0.5, 0.5), -1, (50, 25, 75)), ((-0.5, -2.0, 1.0), -1, (25, 0, 100))],
)
def test_a_picture_begins_at_0_and_at_minus_1_where_figures_are_negative(
    figures: tuple[float, ...], start: int, place: tuple[float, ...]
) -> None:
    estimate = dict(zip(("value", "low", "high"), figures, strict=True))
    axis = picture_axis({"gwet_ac1": estimate, "fleiss_kappa": dict.fromkeys(estimate)})
    assert (axis.start, axis.mark(estimate)) == (start, place)
    assert axis.mark(dict.fromkeys(estimate)) is None


def test_hostile_names_are_text(run: Run, tmp_path: Path) -> None:
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    rows = [f"i{n},{rater},{quoted},{quoted},{quoted}" for n in range(3) for rater in ("a", "b")]
    (tmp_path / "x.csv").write_text("\n".join(["item,rater,question,value,place", *rows]) + "\n", encoding="utf-8")
    assert run("agreement", "--from", "x.csv", "--by", "place", "--html", "report.html").status == 0
    page = Page(Path("report.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) >= 5


def test_undefined_figures_are_a_dash_with_the_reason(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("item,rater,question,value\ni1,a,q,yes\ni1,b,q,yes\n", encoding="utf-8")
    assert run("agreement", "--from", "x.csv", "--html", "report.html").status == 0
    text = Page(Path("report.html").read_text(encoding="utf-8")).text
    assert "—" in text
    assert "all answers are alike" in text
    assert "one item, no interval" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--campaign", "x", "--cluster-by", "dish"], "a campaign knows its families"),
        (["--from", "x.csv", "--cluster", "families"], "--cluster-by COLUMN"),
        (["--from", "x.csv", "--level", "interval"], "interval"),
        (["--campaign", "x", "--by", "mood"], "choose one of subtask, country, generator, rater"),
    ],
)
def test_options_that_do_not_go_together_end_with_2(run: Run, words: list[str], sentence: str) -> None:
    ended = run("agreement", *words)
    assert (ended.status, ended.out) == (2, "")
    assert sentence in re.sub(r"[\s│]+", " ", ended.err)


def test_one_of_a_thing_is_singular(run: Run, tmp_path: Path) -> None:
    rows = "i1,a,alone,yes,d\ni1,a,both,yes,d\ni1,b,both,yes,d\n"
    (tmp_path / "x.csv").write_text(f"item,rater,question,value,dish\n{rows}", encoding="utf-8")
    said = run("agreement", "--from", "x.csv", "--cluster-by", "dish").out
    assert "alone: 1 judgment of 1 item by 1 rater, 0 items of 0 families with two or more\n" in said
    assert "both: 2 judgments of 1 item by 2 raters, 1 item of 1 family with two or more\n" in said


def test_a_place_that_can_not_be_written_is_one_sentence(run: Run, judgments_file: Path) -> None:
    ended = run("agreement", "--from", str(judgments_file), "--html", "nowhere/report.html")
    assert ended.status == 1
    assert ended.err == "terroir: nowhere/report.html can't be written: No such file or directory.\n"


def test_a_command_is_written_for_a_shell() -> None:
    given = {"--from": Path("my file.csv"), "--by": None, "--all": False, "--raters": True, "--seed": 0}
    assert command_line(given) == "terroir agreement --from 'my file.csv' --raters --seed 0"


def test_a_campaigns_report_names_its_policy_and_families(
    run: Run, monkeypatch: pytest.MonkeyPatch, fresh_url: str, fresh_engine: sa.Engine
) -> None:
    monkeypatch.setenv("TERROIR_DATABASE_URL", fresh_url)
    with Session(fresh_engine) as session:
        campaign = make_campaign(session, "my-set", name="Rice & bread")
        voted(session, campaign, make_item(session, campaign), "yes", "no")
        voted(session, campaign, make_item(session, campaign), "yes", "yes")
        session.commit()
    words = ["--campaign", "my-set", "--cluster", "families", "--level", "ordinal", "--by", "country"]
    ended = run("agreement", *words, "--html", "report.html", "--json")
    assert ended.status == 0, ended.err
    report = json.loads(ended.out)["questions"]["food1_identity"]
    assert report["bootstrap"]["unit"] == "family"
    assert report["percent_agreement"] == {"value": 0.5, "low": None, "high": None, "reason": "one_family"}
    text = Page(Path("report.html").read_text(encoding="utf-8")).text
    for fact in (
        "Rice & bread (my-set)",
        "version 1: rule fixed",
        "first two counted judgments",
        "Egypt",
        "one family, no interval",
    ):
        assert fact in text
    assert "Dish (only or left food)" in text
