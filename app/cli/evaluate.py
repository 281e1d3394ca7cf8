"""`terroir evaluate`."""

import enum
import os
from typing import Annotated, Any

import typer

from app.cli.common import JsonFlag, complain, installation, progress_bar, say, say_json
from app.db import transaction
from app.evaluation.engines.openai import HOSTED, OpenAIEngine
from app.evaluation.models import RunStatus
from app.evaluation.prompts import Strategy
from app.evaluation.reading import find_release
from app.evaluation.service import MAX_TOKENS, Subset, evaluate, report
from app.items.models import Subtask
from app.storage import storage_for


class EngineName(enum.StrEnum):
    OPENAI = "openai"


_FIGURES = (
    ("name_accuracy", "name"),
    ("name_accuracy_with_aliases", "name or alias"),
    ("country_accuracy", "country"),
    ("country_entropy_bits", "entropy, bits"),
    ("retention", "retention"),
    ("drift_to_distractor_country", "drift, country"),
    ("drift_to_distractor_continent", "drift, continent"),
)


def register(cli: typer.Typer) -> None:
    cli.command("evaluate")(run_evaluation)


def run_evaluation(
    release: Annotated[str, typer.Option(metavar="VERSION|DIR", help="A published version, or a folder with one.")],
    model: Annotated[str, typer.Option(help="As the engine calls it.")],
    engine: Annotated[EngineName, typer.Option(help="openai: any OpenAI-compatible server.")],
    base_url: Annotated[str, typer.Option(help="Of the server; its key is read from OPENAI_API_KEY.")] = HOSTED,
    strategy: Annotated[Strategy, typer.Option(help="How the question is put.")] = Strategy.BASE,
    subtask: Annotated[list[Subtask] | None, typer.Option(help="Only this one; may be given again.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many items, in whole families.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the limit's choice, the model and the intervals.")] = 0,
    slots: Annotated[str, typer.Option(help="1, 2 or 1,2: ask about the only or left food, the right one.")] = "1",
    aliases: Annotated[bool, typer.Option("--aliases", help="Also accept listed aliases, apart.")] = False,
    json: JsonFlag = False,
) -> None:
    """Ask a model about a release's images and score it. The same command goes on where it stopped."""
    subset = Subset(tuple(sorted(set(subtask or ()))), limit, _slots(slots))
    answering = OpenAIEngine(
        model,
        base_url=base_url,
        api_key=os.environ.get("OPENAI_API_KEY"),
        max_tokens=MAX_TOKENS[strategy],
        seed=seed,
    )
    with installation() as (settings, database):
        with transaction(database) as session:
            found, files = find_release(session, storage_for(settings), release)
        with progress_bar("Asking") as advance:
            run, asked = evaluate(
                database, found, files, answering,
                model=model, strategy=strategy, subset=subset, seed=seed, progress=advance,
            )  # fmt: skip
        with transaction(database) as session:
            document = report(session, run, asked, aliases=aliases, seed=seed)
    if json:
        say_json(document)
    else:
        _print(document)
    if run.status is RunStatus.INCOMPLETE:
        complain(_incomplete(document["run"]))
        raise typer.Exit(1)


def _slots(text: str) -> tuple[int, ...]:
    if text not in ("1", "2", "1,2"):
        raise typer.BadParameter("--slots takes 1, 2 or 1,2.")
    return tuple(int(slot) for slot in text.split(","))


def _incomplete(run: dict[str, Any]) -> str:
    answered = sum(count for state, count in run["states"].items() if state != "failed")
    said = f" The commonest error: {run['commonest_error']}" if run["commonest_error"] else ""
    return (
        f"terroir: Only {answered:,} of {run['planned']:,} questions were answered, so these figures are no "
        f"result yet; the same command asks the others again.{said}"
    )


def _print(document: dict[str, Any]) -> None:
    run = document["run"]
    states = ", ".join(f"{count:,} {state}" for state, count in run["states"].items())
    say(f"Run {run['id']}: {run['status']}, {run['planned']:,} questions ({states}).")
    _print_part(document)
    if "slot2" in document:
        say("\nThe right food:")
        _print_part(document["slot2"])


def _print_part(part: dict[str, Any]) -> None:
    for subtask, figures in part["subtasks"].items():
        say(f"\n{subtask}: {figures['n']:,} answers")
        for key, words in _FIGURES:
            if key in figures:
                say(f"  {words:<17} {_estimate(figures[key])}")


def _estimate(estimate: dict[str, Any]) -> str:
    if estimate["value"] is None:
        return f"- ({estimate['reason'].replace('_', ' ')})"
    if estimate["low"] is None:
        return f"{estimate['value']:.4f}"
    return f"{estimate['value']:.4f}  [{estimate['low']:.4f}, {estimate['high']:.4f}]"
