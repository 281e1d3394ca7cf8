"""What every command promises: one sentence on stderr and a status, or one document on stdout."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from app.cli import main
from app.cli.data import _print_import
from app.items.duplicates import Duplicate
from app.items.importing import ImportReport
from app.items.tables import Fault
from app.settings import get_settings


class Ended(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`run("token", "--user", …)` as in a shell, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERROIR_HOME", str(tmp_path / "home"))

    def command(*words: str) -> Ended:
        get_settings.cache_clear()
        monkeypatch.setattr(sys, "argv", ["terroir", *words])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        return Ended(status, *capsys.readouterr())

    yield command
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://ana:sesame@127.0.0.1:1/x", "does not answer"),
        ("sesame", "names no PostgreSQL"),
        ("mysql://ana:sesame@host/x", "names no PostgreSQL"),
        ("postgresql://ana:sesame@host:port/x", "names no PostgreSQL"),
    ],
)
@pytest.mark.parametrize("command", ["migrate", "release list", "serve", "worker"])
def test_a_database_out_of_reach_is_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str, url: str, words: str
) -> None:
    monkeypatch.setenv("TERROIR_DATABASE_URL", url)
    ended = run(*command.split())
    assert (ended.status, ended.out) == (1, "")
    assert words in ended.err
    assert "TERROIR_DATABASE_URL" in ended.err
    assert ended.err.count("\n") == 1
    assert "sesame" not in ended.err


@pytest.mark.parametrize("words", [("nothing",), ("token",), ("agreement",), ("import", "x"), ("release", "verify")])
def test_bad_usage_ends_with_2(run: Run, words: tuple[str, ...]) -> None:
    ended = run(*words)
    assert (ended.status, ended.out) == (2, "")


def test_json_is_one_document(run: Run, monkeypatch: pytest.MonkeyPatch, fresh_url: str) -> None:
    monkeypatch.setenv("TERROIR_DATABASE_URL", fresh_url)
    admin = run(
        "admin", "create", "--email", "Ada@example.org", "--name", "Ada", "--password", "correct-horse", "--json"
    )
    assert json.loads(admin.out) == {"user": "ada@example.org", "name": "Ada", "role": "admin"}
    token = json.loads(run("token", "--user", "ana@example.org", "--json").out)
    assert (token["user"], token["role"], token["days"]) == ("ana@example.org", "annotator", 30)
    assert set(json.loads(run("migrate", "--json").out)) == {"schema"}
    assert json.loads(run("release", "list", "--json").out) == []
    faulty = run("import", "nowhere.csv", "--campaign", "none", "--json")
    assert faulty.status == 1
    document = json.loads(faulty.out)
    assert document["added"] == 0
    assert set(document["errors"][0]) == {"file", "row", "field", "message"}


def test_names_in_brackets_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal library took “[/red]” in a file's name for the end of a colour, and fell over."""
    pair = Duplicate("exact", "SF/a[red].jpg", "SF/b[/red].jpg", 0)
    _print_import(ImportReport(1, 0, [], [pair]), "demo", dry_run=False)
    assert "exact duplicate: SF/a[red].jpg and SF/b[/red].jpg" in capsys.readouterr().err


def test_the_faults_are_counted_and_not_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    faults = [Fault("a.csv", 2, "food1_name", "No name."), Fault("a.csv", 2, "food1_country", "No country.")]
    _print_import(ImportReport(0, 0, faults, []), "demo", dry_run=False)
    assert capsys.readouterr().err.endswith("Nothing was imported: 2 faults need mending.\n")


def test_a_env_file_is_read_and_the_environment_goes_before_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "from the environment")
    monkeypatch.setenv("TERROIR_PORT", "8123")
    (tmp_path / ".env").write_text(
        "TERROIR_PORT=9000\nTERROIR_LEASE_SECONDS=77\nTERROIR_STORAGE_URL=file:///srv/files\nUNRELATED=1\n"
        "AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=from the file\n"
    )
    get_settings.cache_clear()
    try:
        settings = get_settings()
    finally:
        get_settings.cache_clear()
    assert (settings.port, settings.lease_seconds, settings.storage_url) == (8123, 77, "file:///srv/files")
    assert os.environ["AWS_ACCESS_KEY_ID"] == "key"
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "from the environment"
    assert "UNRELATED" not in os.environ
