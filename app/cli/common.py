"""What every command needs: the database, the store, a progress bar, and JSON out."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.db import make_engine
from app.db.connect import database_url
from app.db.schema import migrate, require_current_schema
from app.items.models import Subtask
from app.settings import Settings, get_settings

errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)  # names in brackets are no mark-up
Subtasks = Annotated[
    list[str] | None,
    typer.Option("--subtask", metavar="SF|MF|SFB|MFB", help="Only this one; more by comma, or given again."),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one machine-readable document.")]


@contextmanager
def installation() -> Iterator[tuple[Settings, sa.Engine]]:
    """The settings and an engine on a database whose schema fits: the embedded one is migrated by itself."""
    settings = get_settings()
    with database_url(settings) as url:
        if settings.outside_database_url() is None:
            migrate(url)
        engine = make_engine(url)
        try:
            require_current_schema(engine)
            yield settings, engine
        finally:
            engine.dispose()


def subtasks_of(given: list[str] | None) -> tuple[Subtask, ...]:
    """What `--subtask SF,MF --subtask SFB` names; all four are the whole release, as are none."""
    names = {part.strip().upper() for value in given or () for part in value.split(",")}
    if unknown := sorted(names.difference(Subtask)):
        raise typer.BadParameter(f"--subtask takes {', '.join(Subtask)}, not “{unknown[0]}”.")
    return () if len(names) == len(Subtask) else tuple(sorted(Subtask(name) for name in names))


@contextmanager
def progress_bar(words: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr; nothing but the final state where stderr is no terminal."""
    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as progress:
        task = progress.add_task(words, total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


def say(text: str) -> None:
    """A line of the command's own output."""
    typer.echo(text)


def complain(text: str) -> None:
    typer.echo(text, err=True)


def say_json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False))
