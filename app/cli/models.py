"""`terroir models`."""

from typing import Any

import typer

from app.cli.common import JsonFlag, say, say_json
from app.evaluation import registry
from app.evaluation.registry import Model
from app.evaluation.serving import Serving, can_serve
from app.settings import get_settings


def register(cli: typer.Typer) -> None:
    cli.command("models")(models)


def models(json: JsonFlag = False) -> None:
    """The models known by name: engine, needs, licence, price, and whether this machine can serve them."""
    known = [(model, can_serve(model)) for model in registry.load(get_settings()).values()]
    if json:
        say_json({"models": [_document(model, here) for model, here in known]})
        return
    rows = [("model", "engine", "needs", "USD per million tokens", "here")]
    rows += [
        (model.name, model.engine, _needs(model), _price(model), "yes" if here.ok else "no") for model, here in known
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row, (model, here) in zip(rows, [(None, None), *known], strict=True):
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if model is not None and here is not None:
            say(f"    {model.model}; licence: {model.licence}")
            if here.reason:
                say(f"    {here.reason}")


def _needs(model: Model) -> str:
    needs = []
    if model.gpus:
        needs.append(f"{model.gpus:g} GPU{'s' if model.gpus > 1 else ''}")
    if model.memory_gib is not None:
        needs.append(f"{model.memory_gib:g} GiB")
    if model.custom_code:
        needs.append("own code")
    if model.api_key_env is not None:
        needs.append(model.api_key_env)
    return ", ".join(needs) or "-"


def _price(model: Model) -> str:
    price = model.price
    if price is None or price.input_per_million is None or price.output_per_million is None:
        return "-"
    return f"{price.input_per_million:g} in, {price.output_per_million:g} out ({price.as_of})"


def _document(model: Model, here: Serving) -> dict[str, Any]:
    return {
        **model.model_dump(mode="json", by_alias=True, exclude={"refuses"}),
        "refuses": sorted(model.refuses),
        "here": here._asdict(),
    }
