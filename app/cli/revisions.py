"""`terroir revisions`: the images that are to be made again, for a generator elsewhere or one of ours."""

import json as jsonlib
import uuid
from pathlib import Path
from typing import Annotated

import typer

from app.campaigns import service as campaigns
from app.cli.common import JsonFlag, installation, say, say_json
from app.db import transaction
from app.errors import Invalid
from app.generation import listing, service
from app.generation.listing import Filters
from app.generation.models import RequestState


def register(cli: typer.Typer) -> None:
    cli.command("revisions")(revisions)


def revisions(
    campaign: Annotated[str, typer.Option(help="Name of the campaign.")],
    serve: Annotated[str | None, typer.Option(help="Have this engine answer the open requests: composite.")] = None,
    seeds: Annotated[int, typer.Option(help="With --serve: so many images each, 1 to 4, to choose from.")] = 1,
    export: Annotated[Path | None, typer.Option(help="Write the open requests to this file, one JSON a line.")] = None,
    json: JsonFlag = False,
) -> None:
    """Count the requests for another image; write the open ones to a file, or queue them for the worker."""
    with installation() as (_, engine), transaction(engine) as session:
        found, policy = campaigns.with_policy(session, campaign)
        service.keep_up(session, found, policy)
        in_vain: dict[uuid.UUID, bool] = {}
        lines = ""
        for entries in listing.every(session, found, Filters()):
            in_vain |= {entry.request.id: entry.request.error is not None for entry in entries}
            if export is not None:
                documents = listing.documents(session, entries)
                lines += "".join(jsonlib.dumps(document, ensure_ascii=False) + "\n" for document in documents)
        if export is not None:
            try:
                export.write_text(lines, encoding="utf-8")
            except OSError as error:
                raise Invalid(f"{export} can't be written: {error.strerror}.") from error
        job, ids, left = None, [], []
        if serve is not None and in_vain:
            ids = service.next_to_serve(session, found)
            job = service.serve(session, None, found, ids, engine=serve, seeds=seeds)
            left = [in_vain[id_] for id_ in in_vain.keys() - set(ids)]
        counts = listing.counts_by_state(session, found, Filters())
        done = {
            **{state.value: counts[state] for state in RequestState},
            "exported": len(in_vain) if export is not None else 0,
            "job": str(job.id) if job else None,
        }
    if json:
        say_json(done)
        return
    say(", ".join(f"{n} {state}" for state, n in done.items() if state in list(RequestState)) + ".")
    if export is not None:
        say(f"{len(in_vain)} written to {export}; import the answers with the item's name in revision_of.")
    if job is not None:
        say(f"The worker makes {len(ids)}; {_left(left)}")


def _left(in_vain: list[bool]) -> str:
    """How many requests are left open, and what to do about them; `in_vain` says which could not be made before."""
    if not in_vain:
        return "none is left. See the campaign's page of images to be made again."
    words = f"{len(in_vain)} {'is' if len(in_vain) == 1 else 'are'} left"
    if all(in_vain):
        return f"{words}, which could not be made before: the campaign's page of images to be made again says why."
    if any(in_vain):
        words += f", of which {sum(in_vain)} could not be made before"
    return f"{words}; run this again when it has."
