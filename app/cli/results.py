"""`terroir agreement` and `terroir release`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app.agreement.longform import agreement_from_rows
from app.campaigns import service as campaigns
from app.cli import release
from app.cli.common import JsonFlag, installation, say, say_json
from app.db import transaction
from app.judgments.votes import agreement as campaign_agreement
from app.judgments.votes import grouping

FIGURES = (
    ("percent_agreement", "agreement"),
    ("krippendorff_alpha", "alpha"),
    ("fleiss_kappa", "Fleiss"),
    ("gwet_ac1", "AC1"),
)


def register(cli: typer.Typer) -> None:
    cli.command("agreement")(agreement)
    cli.add_typer(release.release_cli, name="release")


def agreement(
    campaign: Annotated[str | None, typer.Option(help="Name of a campaign.")] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", help="CSV with the columns item, rater, question, value.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="subtask, country, generator or rater; a column with --from.")] = None,
    raters: Annotated[bool, typer.Option(help="Add each rater's accuracy and each item's posterior.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Every counted judgment, not each item's first two.")] = False,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0)] = 0,
    replicates: Annotated[int, typer.Option(help="Of the bootstrap.", min=1, max=100_000)] = 1000,
    json: JsonFlag = False,
) -> None:
    """Agreement per question: percent, Krippendorff's alpha, Fleiss' kappa, Gwet's AC1, each with its interval."""
    if (campaign is None) == (from_ is None):
        raise typer.BadParameter("Give either --campaign SLUG or --from FILE.csv.")
    if from_ is not None:
        document = agreement_from_rows(from_, by=by, seed=seed, replicates=replicates, raters=raters)
    else:
        assert campaign is not None
        document = _of_campaign(campaign, by, raters, all_, seed, replicates)
    if json:
        say_json(document)
    else:
        _print(document)


def _of_campaign(
    slug: str, by: str | None, raters: bool, every_judgment: bool, seed: int, replicates: int
) -> dict[str, Any]:
    with installation() as (_, engine), transaction(engine) as session:
        return campaign_agreement(
            session,
            campaigns.get(session, slug).id,
            by=grouping(by),
            every_judgment=every_judgment,
            raters=raters,
            seed=seed,
            replicates=replicates,
        )


def _print(document: dict[str, Any]) -> None:
    if not document["questions"]:
        say("There are no judgments yet.")
    _print_table("", document["questions"])
    for name, part in document.get("by", {}).items():
        _print_table(name, part["questions"])


def _print_table(heading: str, questions: dict[str, Any]) -> None:
    if heading:
        say(f"\n{heading}")
    for key, report in questions.items():
        say(
            f"{key}: {report['n_judgments']} judgments of {report['n_items']} items by {report['n_raters']} raters, "
            f"{report['n_items_paired']} items with two or more"
        )
        for figure, words in FIGURES:
            say(f"  {words:<10} {_estimate(report[figure])}")
        for warning in report.get("warnings", []):
            say(f"  note: {warning}")


def _estimate(estimate: dict[str, Any]) -> str:
    if estimate["value"] is None:
        return f"undefined ({estimate['reason']})"
    if estimate["low"] is None:
        return f"{estimate['value']:.6f}"
    return f"{estimate['value']:.6f}  [{estimate['low']:.4f}, {estimate['high']:.4f}]"
