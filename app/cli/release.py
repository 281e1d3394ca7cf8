"""`terroir release build`, `verify` and `list`."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.common import JsonFlag, complain, installation, progress_bar, say, say_json
from app.db import transaction
from app.releases import service, splits
from app.releases.publish import build_now
from app.releases.verify import VerifyReport, verify_folder, verify_published
from app.storage import storage_for

release_cli = typer.Typer(help="Frozen sets of approved items.", no_args_is_help=True)


@release_cli.command("build")
def build(
    campaign: Annotated[str, typer.Option(help="Whose approved items.")],
    version: Annotated[str, typer.Option(help="X.Y.Z, never used before.")],
    split: Annotated[str, typer.Option(help="Shares by name, e.g. train=0.8,test=0.2.")] = "test=1.0",
    seed: Annotated[int, typer.Option(help="Of the split.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help="Also copy the release to this new folder.")] = None,
    allow_simulated: Annotated[
        bool, typer.Option("--allow-simulated", help="Take judgments of simulated annotators too.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Freeze a campaign's approved items into a numbered release."""
    with installation() as (settings, engine), progress_bar("Building") as advance:
        release = build_now(
            engine,
            settings,
            storage_for(settings),
            campaign,
            version,
            splits=splits.parse(split),
            seed=seed,
            allow_simulated=allow_simulated,
            out=out,
            progress=advance,
        )
    if json:
        say_json({"version": release.version, "manifest_sha256": release.manifest_sha256, "counts": release.counts})
    else:
        say(f"Release {release.version}: {release.counts['items']} items, manifest {release.manifest_sha256}.")
        if out is not None:
            say(f"A copy is in {out}.")


@release_cli.command("verify")
def verify(
    target: Annotated[str, typer.Argument(metavar="DIR|VERSION", help="A folder, or a published version.")],
    json: JsonFlag = False,
) -> None:
    """Check every file of a release against its checksums."""
    report = _verified(target)
    if json:
        say_json(report._asdict())
    elif report.ok:
        say(f"{target} is whole: {report.files_checked} files checked.")
    for problem in [] if json else report.problems:
        complain(problem)
    if not report.ok:
        raise typer.Exit(1)


def _verified(target: str) -> VerifyReport:
    if Path(target).is_dir() or "/" in target:
        return verify_folder(Path(target))
    with installation() as (settings, engine), transaction(engine) as session:
        return verify_published(storage_for(settings), service.get_release(session, target))


@release_cli.command("list")
def list_(json: JsonFlag = False) -> None:
    """List the releases, newest first."""
    with installation() as (_, engine), transaction(engine) as session:
        rows = [
            {
                "version": shown.release.version,
                "campaign": shown.campaign.slug,
                "status": shown.status.value,
                "items": shown.release.counts.get("items"),
                "created_at": shown.release.created_at.isoformat(),
                "manifest_sha256": shown.release.manifest_sha256,
            }
            for shown in service.list_releases(session)
        ]
    if json:
        say_json(rows)
    elif not rows:
        say("There are no releases yet; make one with `terroir release build`.")
    for row in [] if json else rows:
        say(f"{row['version']:<10} {row['status']:<10} {row['items'] or '-':>7} items  {row['created_at']}")
