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
from app.settings import Settings, get_settings

errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)  # names in brackets are no mark-up
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
