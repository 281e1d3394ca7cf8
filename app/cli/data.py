"""`terroir import`, `knowledge import`, `compose` and `simulate`."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.common import JsonFlag, complain, errors, installation, progress_bar, say, say_json
from app.cli.simulate import simulate
from app.db import transaction
from app.items import compose as composing
from app.items.importing import ImportReport, import_items
from app.items.knowledge import KnowledgeReport, import_knowledge
from app.items.tables import Fault
from app.storage import storage_for

knowledge_cli = typer.Typer(help="Reference photographs and dish facts.", no_args_is_help=True)


def register(cli: typer.Typer) -> None:
    cli.command("import")(import_command)
    cli.add_typer(knowledge_cli, name="knowledge")
    cli.command("compose")(compose)
    cli.command("simulate")(simulate)


def import_command(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Tables, or folders in the CultureMix layout.")],
    campaign: Annotated[str, typer.Option(help="Name of the campaign; a new one is made.")],
    policy: Annotated[
        str | None, typer.Option(help="Rule of a new campaign: adaptive, or fixed-K; fixed-3 when not given.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of the images, if not the table's own.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List every faulty row and write nothing.")] = False,
    json: JsonFlag = False,
) -> None:
    """Add items: all of them or, if any row is faulty, none. Doing it again adds nothing."""
    with installation() as (settings, engine), progress_bar("Importing") as advance, transaction(engine) as session:
        report = import_items(
            session,
            storage_for(settings),
            paths,
            campaign,
            images=images,
            policy=policy,
            dry_run=dry_run,
            progress=advance,
        )
        if dry_run:
            session.rollback()
    if json:
        say_json(report.as_json())
    else:
        _print_import(report, campaign, dry_run)
    if report.errors:
        raise typer.Exit(1)


def _print_import(report: ImportReport, campaign: str, dry_run: bool) -> None:
    for pair in report.duplicates:
        errors.print(f"{pair.kind} duplicate: {pair.a} and {pair.b}", style="yellow")
    if print_faults(report.errors):
        return
    if dry_run:
        say(f"Every row is in order: {report.added} would be added, {report.unchanged} are there already.")
    else:
        say(f"{report.added} items added to {campaign}, {report.unchanged} were there already.")


def print_faults(faults: list[Fault]) -> bool:
    """Whether there are any."""
    for fault in faults:
        place = ", ".join(part for part in (fault.file, f"row {fault.row}" if fault.row else "", fault.field) if part)
        complain(f"{place}: {fault.message}")
    if faults:
        complain(f"Nothing was imported: {len(faults)} {'fault needs' if len(faults) == 1 else 'faults need'} mending.")
    return bool(faults)


@knowledge_cli.command("import")
def knowledge_import(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Folders with manifest.csv, knowledge_base.csv.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List every faulty row and write nothing.")] = False,
    json: JsonFlag = False,
) -> None:
    """Take reference photographs and dish facts, which cards show beside the image."""
    with installation() as (settings, engine), progress_bar("Photographs") as advance, transaction(engine) as session:
        report = import_knowledge(session, storage_for(settings), paths, dry_run=dry_run, progress=advance)
        if dry_run:
            session.rollback()
    if json:
        say_json(report.as_json())
    else:
        _print_knowledge(report, dry_run)
    if report.errors:
        raise typer.Exit(1)


def _print_knowledge(report: KnowledgeReport, dry_run: bool) -> None:
    if print_faults(report.errors):
        return
    word = "would be " if dry_run else ""
    say(f"{report.dishes} dishes and {report.photos} photographs {word}added, {report.updated} {word}updated.")
    if report.notes:
        say(f"{len(report.notes)} rows say less than others; --json lists them.")


def compose(
    seeds: Annotated[Path, typer.Option(help="Folder with manifest.csv and the photographs.")],
    out: Annotated[Path, typer.Option(help="New folder for the items.")],
    items: Annotated[int, typer.Option(help="How many items; 23766 is the paper's size.", min=1)],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.", min=0)] = 0,
    truth: Annotated[
        Path | None, typer.Option(help="Plant faults, a tenth of all claims, and write to this new file which.")
    ] = None,
    gold: Annotated[int, typer.Option(help="With --truth: so many carry their known answers.", min=0)] = 0,
    json: JsonFlag = False,
) -> None:
    """Compose items of all four subtasks from real photographs, in the CultureMix layout."""
    with progress_bar("Composing") as advance:
        summary = composing.compose(seeds, out, items, seed, truth=truth, gold=gold, progress=advance)
    if json:
        say_json(summary._asdict() | {"out": str(summary.out)})
    else:
        shares = ", ".join(f"{count} {subtask}" for subtask, count in summary.by_subtask.items())
        say(f"{summary.items} items of {summary.families} families are in {summary.out}: {shares}.")
