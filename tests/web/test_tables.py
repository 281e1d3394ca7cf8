"""Tables as files: exact in CSV, ready for a paper in LaTeX, and no stranger's text runs in either."""

import csv
import io

import pytest

from app.web.figures.tables import Column, Table, Unit, as_csv, as_latex, escape_latex, number

SHA256 = "cd" * 32
COLUMNS = (
    Column("model", "Model", Unit.TEXT),
    Column("n", "Answers", Unit.COUNT),
    Column("country", "Country right", Unit.SHARE),
    Column("difference", "Difference", Unit.DIFFERENCE),
    Column("p", "p", Unit.P),
)
ESTIMATE = {"value": 2 / 3, "low": 0.5, "high": 1.0, "reason": None}
NONE = {"value": None, "low": None, "high": None, "reason": "no_answers"}


def table(*rows: tuple[object, ...]) -> Table:
    return Table("t", "A table", COLUMNS, list(rows))


def test_csv_is_exact_and_names_the_spec_in_every_row() -> None:
    text = as_csv(table(("a", 3, ESTIMATE, {**ESTIMATE, "value": -0.1}, 0.04), ("b", 0, NONE, None, None)), SHA256)
    first, second = csv.DictReader(io.StringIO(text))
    assert float(first["country_value"]) == 2 / 3
    assert (first["country_low"], first["difference_value"], first["p"]) == ("0.5", "-0.1", "0.04")
    assert (second["country_value"], second["country_reason"], second["difference_reason"]) == ("", "no_answers", "")
    assert first["spec_sha256"] == second["spec_sha256"] == SHA256


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_spreadsheet_runs_no_name(name: str) -> None:
    cell = next(csv.DictReader(io.StringIO(as_csv(table((name, 1, None, None, None)), ""), newline="")))["model"]
    assert cell == f"'{name}"


def test_latex_reads_as_a_paper_does() -> None:
    lines = as_latex(
        table(("a_b", 1234, ESTIMATE, {**ESTIMATE, "value": 0.05}, 0.0001), ("c", 0, NONE, None, None)), SHA256
    )
    assert f"% spec sha256: {SHA256}" in lines
    assert (
        r"a\_b & 1,234 & $66.7$ {\scriptsize $[50.0, 100.0]$} & $+5.0$ {\scriptsize $[+50.0, +100.0]$} & $<0.001$ \\"
        in lines
    )
    assert r"c & 0 & -- & -- & -- \\" in lines


HOSTILE = '\\input{/etc/passwd} \\write18{id} $x$ % & # _ ^^5c ~ <b> | " ` [2] \u202e\0\x1b\nnext'


def test_latex_runs_no_name() -> None:
    text = as_latex(table((HOSTILE, 1, None, None, None))._replace(title=HOSTILE), SHA256)
    assert "\\input" not in text.split("\n", 1)[1]
    assert text.split("\n")[1].startswith("% spec")  # the title's line break ends no comment
    assert not set("\u202e\0\x1b") & set(text)


def test_escaping_leaves_letters_of_every_script() -> None:
    assert escape_latex("Phở bò, 湯 & Crème") == "Phở bò, 湯 \\& Crème"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, Unit.DIFFERENCE, "0.0"),
        (-0.0001, Unit.DIFFERENCE, "0.0"),
        (0.123, Unit.DIFFERENCE, "+12.3"),
        (-0.123, Unit.DIFFERENCE, "−12.3"),
        (1, Unit.SHARE, "100.0"),
        (0.05, Unit.P, "0.050"),
    ],
)
def test_numbers_read_as_people_write_them(value: float, unit: Unit, text: str) -> None:
    assert number(value, unit) == text


def test_rows_of_several_runs_each_name_their_own_spec() -> None:
    both = table(("a", 1, None, None, None), ("b", 1, None, None, None))
    assert [row["spec_sha256"] for row in csv.DictReader(io.StringIO(as_csv(both, ["one", "two"])))] == ["one", "two"]
    assert as_latex(both, ["one", "one"]).count("% spec sha256: one") == 1
