"""`terroir run list`, `show`, `export`, `import`, `score`, `pause`, `resume` and `cancel`."""

from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import Session

from app.cli.common import JsonFlag, Subtasks, complain, installation, say, say_json, subtasks_of
from app.cli.data import print_faults
from app.cli.evaluate import print_report
from app.db import transaction
from app.evaluation import runs
from app.evaluation.interchange.export import FileFormat, export_run
from app.evaluation.interchange.formats import HEAD_SUFFIX, Format
from app.evaluation.interchange.importing import ImportReport, import_predictions
from app.evaluation.models import Run, RunStatus
from app.evaluation.prompts import Strategy
from app.evaluation.reading import find_release
from app.evaluation.scoring import OVER, SCORER, document_of, report, rescore
from app.evaluation.watching import ShownRun, get_run, list_runs, show_run
from app.items.rows import shown as one_line
from app.storage import storage_for

run_cli = typer.Typer(help="Runs of models over releases.", no_args_is_help=True)
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")]
_MOST_LISTED = 1000


def register(cli: typer.Typer) -> None:
    cli.add_typer(run_cli, name="run")


@run_cli.command("list")
def list_(json: JsonFlag = False) -> None:
    """List the runs, newest first."""
    with installation() as (_, engine), transaction(engine) as session:
        shown = list_runs(session, limit=_MOST_LISTED)
    if json:
        say_json([one.as_json() for one in shown])
    elif not shown:
        say("There are no runs yet; start one with `terroir evaluate`, or import one with `terroir run import`.")
    for one in [] if json else shown:
        say(_line(one))


@run_cli.command("show")
def show(run: RunName, json: JsonFlag = False) -> None:
    """A run's state and its figures, of whatever was answered so far."""
    with installation() as (settings, engine), transaction(engine) as session:
        found = get_run(session, run)
        document = report(session, storage_for(settings), found)
        shown = show_run(session, found.id)
    if json:
        say_json(document | {"run": {**document["run"], **shown.as_json(), "source": found.source}})
        return
    say(_line(shown))
    if found.source is not None:
        tool = f" by {found.source['tool']}" if found.source.get("tool") else ""
        say(f"Imported from {one_line(found.source['file'])}{tool} (sha256 {found.source['sha256']}).")
    print_report(document)


@run_cli.command("export")
def export(
    run: RunName,
    out: Annotated[Path, typer.Option(help="The file to write; one that is there is replaced.")],
    form: Annotated[
        FileFormat, typer.Option("--format", help="parquet, jsonl (with its spec beside it), or a log for Inspect.")
    ] = FileFormat.PARQUET,
    json: JsonFlag = False,
) -> None:
    """Write every prediction of a run to a file, with the spec that led to it."""
    with installation() as (settings, engine), transaction(engine) as session:
        found = get_run(session, run)
        rows = export_run(session, storage_for(settings), found, form, out)
    written = [str(out), *([f"{out}{HEAD_SUFFIX}"] if form is FileFormat.JSONL else [])]
    if json:
        say_json({"run_id": str(found.id), "spec_sha256": found.spec_sha256, "rows": rows, "files": written})
    else:
        say(f"{rows:,} predictions of run {found.id} are in {' and '.join(written)}.")


@run_cli.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, TSV, JSONL or Parquet.")],
    release: Annotated[str, typer.Option(metavar="VERSION|DIR", help="The release the predictions are about.")],
    model: Annotated[
        str | None, typer.Option(help="Whose predictions they are; an export of ours says so itself.")
    ] = None,
    strategy: Annotated[
        Strategy | None, typer.Option(help="How the question was put; an export of ours says so itself.")
    ] = None,
    subtask: Subtasks = None,
    form: Annotated[
        Format, typer.Option("--format", help="auto tells them apart by their columns; csv is any table of ours.")
    ] = Format.AUTO,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List every faulty row and write nothing.")] = False,
    json: JsonFlag = False,
) -> None:
    """Take predictions made elsewhere as a run, marked as imported: all or, if any row is faulty, none."""
    with installation() as (settings, engine), transaction(engine) as session:
        storage = storage_for(settings)
        found, _ = find_release(session, storage, release)
        subtasks = list(subtasks_of(subtask))
        done = import_predictions(
            session, storage, found, file, model=model, strategy=strategy, subtasks=subtasks, form=form
        )
        if dry_run:
            session.rollback()
        elif done.run is not None:
            document_of(session, storage, done.run)
    if json:
        say_json(done.as_json() | ({"run_id": None} if dry_run and done.added else {}))
    else:
        _print_import(done, dry_run=dry_run)
    if done.errors:
        raise typer.Exit(1)


def _print_import(done: ImportReport, *, dry_run: bool) -> None:
    if print_faults(done.errors) or done.run is None:
        return
    states = ", ".join(f"{count:,} {state}" for state, count in done.states.items())
    rest = f"{done.missing:,} of {done.planned:,} questions have none"
    if done.added == 0:
        say(f"Nothing changed: this file is run {done.run.id} already.")
    elif dry_run:
        say(f"Every row is in order: {done.added:,} predictions would be added ({states}), {rest}.")
    else:
        say(f"Run {done.run.id}: {done.run.status.value}; {done.added:,} predictions added ({states}), {rest}.")
    if done.run.status is RunStatus.INCOMPLETE:
        complain("terroir: With so many questions unanswered the run is incomplete and stays off the leaderboard.")


@run_cli.command("score")
def score(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run's id, or the beginning of it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every run that is over.")] = False,
    json: JsonFlag = False,
) -> None:
    """Score stored replies with today's parser and rules; no model is asked, and older scores stay."""
    if (run is None) == (not every):
        raise typer.BadParameter("Name a run, or give --all.")
    with installation() as (settings, engine):
        storage = storage_for(settings)
        with transaction(engine) as session:
            wanted = _over(session) if run is None else [get_run(session, run)]
        if run is not None and wanted[0].status not in OVER:
            raise runs.NotNow(f"This run is {wanted[0].status.value}; it is scored for good once it is over.")
        for one in wanted:
            with transaction(engine) as session:
                rescore(session, storage, session.get_one(Run, one.id))
    if json:
        say_json({"scorer": SCORER, "run_ids": [str(one.id) for one in wanted]})
    else:
        say(f"{len(wanted)} {'run is' if len(wanted) == 1 else 'runs are'} scored by {SCORER}.")


def _over(session: Session) -> list[Run]:
    return [shown.run for shown in list_runs(session, limit=_MOST_LISTED) if shown.run.status in OVER]


@run_cli.command("pause")
def pause(run: RunName) -> None:
    """Stop asking after the chunk at hand; every answer is kept."""
    with installation() as (_, engine), transaction(engine) as session:
        found = runs.pause(session, get_run(session, run).id)
    say(f"Run {found.id} is paused; `terroir run resume {str(found.id)[:8]}` goes on.")


@run_cli.command("resume")
def resume(
    run: RunName,
    budget: Annotated[
        float | None, typer.Option(min=0.0001, help="US dollars in all, where it stopped at its budget.")
    ] = None,
) -> None:
    """Queue a run again for `terroir worker`: it asks what has no answer yet."""
    with installation() as (_, engine), transaction(engine) as session:
        found = runs.resume(session, get_run(session, run).id, budget_usd=budget)
    say(f"Run {found.id} is queued; a worker takes it from here.")


@run_cli.command("cancel")
def cancel(run: RunName) -> None:
    """Stop for good; the answers it has stay."""
    with installation() as (_, engine), transaction(engine) as session:
        found = runs.cancel(session, get_run(session, run).id)
    say(f"Run {found.id} is cancelled.")


def _line(shown: ShownRun) -> str:
    run, progress = shown.run, shown.progress
    kind = "imported" if run.is_imported else run.engine
    done = f"{progress.done:>7,}/{progress.planned:<7,}"
    name = one_line(run.model, 100)
    head = f"{str(run.id)[:8]}  {shown.status.value:<10} {done} {shown.release.version:<8}"
    return f"{head} {run.strategy:<6} {kind:<12} {name}"
