"""`terroir evaluate`."""

from typing import Annotated, Any, Literal

import typer

from app.cli.common import JsonFlag, Subtasks, complain, installation, progress_bar, say, say_json, subtasks_of
from app.db import transaction
from app.errors import Invalid
from app.evaluation import registry
from app.evaluation.engines import Setup
from app.evaluation.models import RunStatus
from app.evaluation.plan import MAX_TOKENS, Subset
from app.evaluation.prompts import Strategy
from app.evaluation.reading import find_release
from app.evaluation.scoring import report
from app.evaluation.service import evaluate
from app.settings import Settings
from app.storage import storage_for

EngineName = Literal["openai", "vllm", "transformers", "classifier"]

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
    model: Annotated[str, typer.Option(help="One of `terroir models`, or as the engine calls it.")],
    engine: Annotated[
        EngineName | None, typer.Option(help="openai: any OpenAI-compatible server. Left out: the listed model's own.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Of the server; its key is read from OPENAI_API_KEY, or what the list names.")
    ] = None,
    strategy: Annotated[Strategy, typer.Option(help="How the question is put.")] = Strategy.BASE,
    subtask: Subtasks = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many items, in whole families.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the limit's choice, the model and the intervals.")] = 0,
    slots: Annotated[str, typer.Option(help="1, 2 or 1,2: ask about the only or left food, the right one.")] = "1",
    adapter: Annotated[str | None, typer.Option(help="Folder with LoRA weights beside the model's.")] = None,
    budget: Annotated[float | None, typer.Option(min=0.0001, help="US dollars after which it stops.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code that comes with the weights. Recorded with the run.")
    ] = False,
    aliases: Annotated[bool, typer.Option("--aliases", help="Also accept listed aliases, apart.")] = False,
    json: JsonFlag = False,
) -> None:
    """Ask a model about a release's images and score it. The same command goes on where it stopped."""
    subset = Subset(subtasks_of(subtask), limit, _slots(slots))
    with installation() as (settings, database):
        setup, prices = _setup(settings, model, engine, base_url, strategy, seed, adapter, trust_remote_code)
        storage = storage_for(settings)
        with transaction(database) as session:
            found, files = find_release(session, storage, release)
        with progress_bar("Asking") as advance:
            run, _ = evaluate(
                database, found, files, setup, model=model, strategy=strategy, subset=subset, seed=seed,
                prices=prices, budget_usd=budget, progress=advance,
            )  # fmt: skip
        with transaction(database) as session:
            document = report(session, storage, run, aliases=aliases)
    if json:
        say_json(document)
    else:
        print_report(document)
    if run.status is not RunStatus.FINISHED:
        complain(f"terroir: {run.error or ''}".rstrip() + _unfinished(document["run"]))
        raise typer.Exit(1)


def _setup(
    settings: Settings,
    model: str,
    engine: EngineName | None,
    base_url: str | None,
    strategy: Strategy,
    seed: int,
    adapter: str | None,
    trust_remote_code: bool,
) -> tuple[Setup, dict[str, float]]:
    """How the model is made: as the list says, unless another engine is named."""
    listed = registry.load(settings).get(model)
    if listed is not None and engine in (None, listed.engine):
        setup = listed.setup(MAX_TOKENS[strategy], seed, base_url=base_url, adapter=adapter)
        prices = listed.prices()
    elif engine is None:
        raise Invalid(f"“{model[:80]}” is not among `terroir models`; name its --engine, or choose one of those.")
    else:
        batch = 64 if engine == "vllm" else 8  # vLLM takes as many as it is given, and fills its own batches
        setup = Setup(
            engine, model, MAX_TOKENS[strategy], seed=seed, base_url=base_url, adapter=adapter, batch_size=batch
        )
        prices = {}
    if trust_remote_code:
        setup = Setup.of(setup.as_json() | {"trust_remote_code": True})
    return setup, prices


def _slots(text: str) -> tuple[int, ...]:
    slots = {part.strip() for part in text.split(",")}
    if not slots <= {"1", "2"}:
        raise typer.BadParameter("--slots takes 1, 2 or 1,2.")
    return tuple(sorted(int(slot) for slot in slots))


def _unfinished(run: dict[str, Any]) -> str:
    answered = sum(count for state, count in run["states"].items() if state != "failed")
    said = f" The commonest error: {run['commonest_error']}" if run["commonest_error"] else ""
    return (
        f" Only {answered:,} of {run['planned']:,} questions were answered, so these figures are no "
        f"result yet; the same command asks the others again.{said}"
    )


def print_report(document: dict[str, Any]) -> None:
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
