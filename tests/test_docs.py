"""The README names every setting, command and room, and every page it points at is there."""

import re

import click
import pytest
import typer

from app.cli import cli
from app.settings import ROOT, Settings

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_every_setting_is_in_the_readme(field: str) -> None:
    assert f"TERROIR_{field.upper()}" in README


def commands(group: click.Group, prefix: str = "terroir") -> list[str]:
    found = []
    for name, command in group.commands.items():
        words = f"{prefix} {name}"
        found += commands(command, words) if hasattr(command, "commands") else [words]
    return found


ALL_COMMANDS = commands(typer.main.get_command(cli))  # type: ignore[arg-type]


def test_the_commands_are_found() -> None:
    assert {"terroir serve", "terroir release build"} <= set(ALL_COMMANDS)


@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    *group, name = command.removeprefix("terroir ").split()
    assert command in README or (group and re.search(rf"terroir {group[0]} .*`{name}`", README))


@pytest.mark.parametrize(
    "room", sorted(path.name for path in (ROOT / "app").iterdir() if (path / "__init__.py").exists())
)
def test_every_room_is_in_the_readme(room: str) -> None:
    assert room in ("cli",) or re.search(rf"\b{room}\b", README)


@pytest.mark.parametrize("page", sorted({"README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))}))
def test_every_link_leads_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()):
        assert "://" in target or (folder / target).exists(), f"{page} points at {target}"
