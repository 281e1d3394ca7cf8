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
        ids: list[uuid.UUID] = []
        lines = ""
        for entries in listing.every(session, found, Filters()):
            ids += [entry.request.id for entry in entries]
            if export is not None:
                documents = listing.documents(session, entries)
                lines += "".join(jsonlib.dumps(document, ensure_ascii=False) + "\n" for document in documents)
        if export is not None:
            try:
                export.write_text(lines, encoding="utf-8")
            except OSError as error:
                raise Invalid(f"{export} can't be written: {error.strerror}.") from error
        job = None
        if serve is not None and ids:
            job = service.serve(session, None, found, ids[: service.MOST_AT_ONCE], engine=serve, seeds=seeds)
        counts = listing.counts_by_state(session, found, Filters())
        done = {
            **{state.value: counts[state] for state in RequestState},
            "exported": len(ids) if export is not None else 0,
            "job": str(job.id) if job else None,
        }
    if json:
        say_json(done)
        return
    say(", ".join(f"{n} {state}" for state, n in done.items() if state in list(RequestState)) + ".")
    if export is not None:
        say(f"{len(ids)} written to {export}; import the answers with the item's name in revision_of.")
    if job is not None:
        say(f"The worker makes {counts[RequestState.WORKING]}; see the campaign's page of images to be made again.")
