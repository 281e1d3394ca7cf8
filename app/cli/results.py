"""`terroir agreement` and `terroir release`."""

from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import typer
from psycopg.errors import SerializationFailure

from app.agreement.bootstrap import Level
from app.agreement.longform import agreement_from_rows
from app.campaigns import service as campaigns
from app.cli import release
from app.cli.agreement_report import Source, campaign_source, command_line, file_source, write_report
from app.cli.common import JsonFlag, installation, say, say_json
from app.db import transaction
from app.errors import Invalid
from app.judgments.tallies import Recount
from app.judgments.tallies import rebuild as recounted
from app.judgments.votes import Cluster, grouping
from app.judgments.votes import agreement as campaign_agreement

FIGURES = (
    ("percent_agreement", "agreement"),
    ("krippendorff_alpha", "alpha"),
    ("fleiss_kappa", "Fleiss"),
    ("gwet_ac1", "AC1"),
    ("gwet_ac2", "AC2"),
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
    level: Annotated[
        Level, typer.Option(help="ordinal: a near miss counts in part (no < unsure < yes; with --from see the docs).")
    ] = "nominal",
    cluster: Annotated[Cluster, typer.Option(help="What the bootstrap draws: items, or whole families.")] = "items",
    cluster_by: Annotated[str | None, typer.Option(help="With --from: the column that names an item's family.")] = None,
    raters: Annotated[bool, typer.Option(help="Add each rater's accuracy and each item's posterior.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Every counted judgment, not each item's first two.")] = False,
    rebuild: Annotated[
        bool, typer.Option(help="First count every judgment again, and say whether any kept count was wrong.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0)] = 0,
    replicates: Annotated[int, typer.Option(help="Of the bootstrap.", min=1, max=100_000)] = 1000,
    html: Annotated[Path | None, typer.Option(help="Write a report to this file; it needs no other.")] = None,
    json: JsonFlag = False,
) -> None:
    """Agreement per question: percent, Krippendorff's alpha, Fleiss' kappa, Gwet's AC1, each with its interval."""
    if (campaign is None) == (from_ is None):
        raise typer.BadParameter("Give either --campaign SLUG or --from FILE.csv.")
    if cluster_by is not None and from_ is None:
        raise typer.BadParameter("--cluster-by goes with --from; a campaign knows its families: --cluster families.")
    if from_ is not None and cluster == "families" and cluster_by is None:
        raise typer.BadParameter("Name the column that holds each item's family: --cluster-by COLUMN.")
    if rebuild and campaign is None:
        raise typer.BadParameter("--rebuild goes with --campaign; a file is read anew each time.")
    if campaign is not None:
        _check_grouping(by)
    command = command_line(
        {
            "--campaign": campaign, "--from": from_, "--by": by, "--level": level,
            "--cluster": "families" if cluster_by is not None else cluster, "--cluster-by": cluster_by,
            "--raters": raters, "--all": all_, "--seed": seed, "--replicates": replicates, "--html": html,
        }
    )  # fmt: skip
    if from_ is not None:
        document = agreement_from_rows(
            from_, by=by, level=level, cluster_by=cluster_by, seed=seed, replicates=replicates, raters=raters
        )
        source = file_source(from_)
    else:
        assert campaign is not None
        recount = _recount(campaign) if rebuild else None
        wanted = {"level": level, "cluster": cluster, "seed": seed, "replicates": replicates, "raters": raters}
        document, source = _of_campaign(campaign, by, every_judgment=all_, **wanted)
        if recount is not None:
            document["recount"] = recount._asdict()
    if html is not None:
        write_report(html, document, source, by=by, command=command)
    if json:
        say_json(document)
    else:
        _print(document)
        if html is not None:
            say(f"The report is in {html}.")


def _check_grouping(by: str | None) -> None:
    """Before anything is opened: a word that isn't among the choices is bad usage, as with the other options."""
    try:
        grouping(by)
    except Invalid as error:
        raise typer.BadParameter(f"--by: {error.message}") from None


def _of_campaign(slug: str, by: str | None, *, every_judgment: bool, **wanted: Any) -> tuple[dict[str, Any], Source]:
    with installation() as (_, engine), transaction(engine) as session:
        campaign, policy = campaigns.with_policy(session, slug)
        document = campaign_agreement(session, campaign.id, by=by, every_judgment=every_judgment, **wanted)
        return document, campaign_source(campaign, policy, every_judgment=every_judgment)


def _recount(slug: str) -> Recount:
    """Counts a campaign from nothing, all of it as it is at one moment."""
    with installation() as (_, engine):
        while True:
            try:
                with transaction(engine) as session:
                    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
                    campaign, _ = campaigns.with_policy(session, slug)
                    return recounted(session, campaign.id)
            except sa.exc.OperationalError as error:
                # Somebody's look was just counting: the moment has passed, the next one will do.
                if not isinstance(error.orig, SerializationFailure):
                    raise


def _print(document: dict[str, Any]) -> None:
    if "recount" in document:
        _print_recount(Recount(**document["recount"]))
    if not document["questions"]:
        say("There are no judgments yet.")
    _print_table("", document["questions"])
    for name, part in document.get("by", {}).items():
        _print_table(name, part["questions"])


def _print_recount(found: Recount) -> None:
    say(f"Counted afresh: {_number(found.n_judgments, 'judgment')} of {_number(found.n_items, 'item')}.")
    if found.n_differing:
        were = "was wrong; it is" if found.n_differing == 1 else "were wrong; they are"
        say(f"{found.n_differing:,} of {_number(found.n_numbers, 'kept count')} {were} right now.\n")
    else:
        say(f"All {found.n_numbers:,} kept counts were right.\n")


def _print_table(heading: str, questions: dict[str, Any]) -> None:
    if heading:
        say(f"\n{heading}")
    for key, report in questions.items():
        bootstrap = report["bootstrap"]
        families = (
            f" of {_number(bootstrap['n_families'], 'family', 'families')}" if bootstrap["unit"] == "family" else ""
        )
        say(
            f"{key}: {_number(report['n_judgments'], 'judgment')} of {_number(report['n_items'], 'item')} "
            f"by {_number(report['n_raters'], 'rater')}, "
            f"{_number(report['n_items_paired'], 'item')}{families} with two or more"
        )
        for figure, words in FIGURES:
            if figure in report:
                name = "alpha, ord." if report["level"] == "ordinal" and words == "alpha" else words
                say(f"  {name:<11} {_estimate(report[figure])}")
        for warning in report.get("warnings", []):
            say(f"  note: {warning}")


def _number(n: int, one: str, more: str = "") -> str:
    """
    >>> _number(1, "item"), _number(2, "item"), _number(0, "family", "families")
    ('1 item', '2 items', '0 families')
    """
    return f"{n:,} {one if n == 1 else more or one + 's'}"


def _estimate(estimate: dict[str, Any]) -> str:
    if estimate["value"] is None:
        return f"undefined ({estimate['reason']})"
    if estimate["low"] is None:
        return f"{estimate['value']:.6f}"
    return f"{estimate['value']:.6f}  [{estimate['low']:.4f}, {estimate['high']:.4f}]"
