"""`terroir agreement --html`: the agreement document as a page that stands alone, in one file."""

import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from app import geography
from app.adjudication.agreement.words import DEFINITIONS, QUESTIONS
from app.campaigns.models import Campaign, Policy
from app.db import now
from app.errors import Invalid
from app.settings import ROOT
from app.web.figures.tables import REASONS
from app.web.render import make_environment

FIGURES = {
    "percent_agreement": "Percent agreement",
    "krippendorff_alpha": "Krippendorff’s alpha",
    "gwet_ac1": "Gwet’s AC1",
    "gwet_ac2": "Gwet’s AC2, ordinal",
    "fleiss_kappa": "Fleiss’ kappa",
}
ALPHA = {"nominal": "Krippendorff’s alpha, nominal", "ordinal": "Krippendorff’s alpha, ordinal"}
STYLES = ("tokens.css", "report.css")


class Source(NamedTuple):
    """What a report is about: its title, and what is known of the data. A campaign's questions and parts have names."""

    title: str
    facts: tuple[tuple[str, str], ...]
    is_campaign: bool


class Mark(NamedTuple):
    """A figure on the picture, in hundredths of the axis from its left end; `low` and `high` None: no interval."""

    value: float
    low: float | None
    high: float | None


class Axis(NamedTuple):
    """From `start` (0, or -1 where a figure is negative) to 1; `ticks` are (place in hundredths, label)."""

    start: int
    ticks: tuple[tuple[float, str], ...]

    def mark(self, estimate: Mapping[str, Any]) -> Mark | None:
        if estimate["value"] is None:
            return None
        low, high = (None if estimate[key] is None else self._place(estimate[key]) for key in ("low", "high"))
        return Mark(self._place(estimate["value"]), low, high)

    def _place(self, figure: float) -> float:
        # An alpha can fall below -1 with very few items; the picture then ends where the axis does.
        return round(100 * max(0.0, figure - self.start) / (1 - self.start), 2)


class Part(NamedTuple):
    """Everything, or one value of what the report is by; `questions` are (name, document, axis of its picture)."""

    name: str
    questions: Sequence[tuple[str, Mapping[str, Any], Axis]]


def campaign_source(campaign: Campaign, policy: Policy, *, every_judgment: bool) -> Source:
    """What a report says of a campaign's data."""
    basis = "Every counted judgment" if every_judgment else "Each item’s first two counted judgments"
    facts = (
        ("Campaign", f"{campaign.name} ({campaign.slug}), {campaign.status.value}"),
        ("Policy", f"version {policy.version}: rule {policy.rule}, {policy.overlap} judgments an item"),
        ("Judgments used", f"{basis}; gold items and adjudications left out."),
    )
    return Source(f"Agreement: {campaign.name}", facts, is_campaign=True)


def file_source(path: Path) -> Source:
    """What a report says of a file's judgments; the checksum tells whether another reader has the same file."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    facts = (("File", path.name), ("SHA-256", digest), ("Judgments used", "Every row with a value."))
    return Source(f"Agreement: {path.name}", facts, is_campaign=False)


def command_line(options: Mapping[str, Any]) -> str:
    """The command again, for a shell, without the options that weren't given."""
    words = ["terroir", "agreement"]
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            words += [name, str(value)]
    return shlex.join(words)


def write_report(path: Path, document: Mapping[str, Any], source: Source, *, by: str | None, command: str) -> None:
    """Writes the report. Raises Invalid where the file can't be written."""
    page = render_report(document, source, by=by, command=command)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{path} can't be written: {error.strerror}.") from None


def render_report(document: Mapping[str, Any], source: Source, *, by: str | None, command: str) -> str:
    """The report as HTML that asks for no other file: its style is inside, and its pictures are SVG."""
    parts = list(_parts(document, source, by))
    reports = [report for part in parts for _, report, _ in part.questions]
    used = [figure for figure in FIGURES if any(figure in report for report in reports)]
    return (
        make_environment()
        .get_template("agreement/report.html")
        .render(
            source=source,
            parts=parts,
            by=by,
            bootstrap=reports[0]["bootstrap"] if reports else None,
            names={figure: FIGURES[figure] for figure in used},
            alpha=ALPHA,
            definitions={figure: DEFINITIONS[figure] for figure in used},
            reasons=REASONS,
            command=command,
            made_at=now(),
            style=_style(),
        )
    )


def _parts(document: Mapping[str, Any], source: Source, by: str | None) -> Iterator[Part]:
    labels = QUESTIONS if source.is_campaign else {}
    for name, part in [("Everything", document), *_named(document.get("by", {}), source, by)]:
        questions = part["questions"].items()
        yield Part(name, [(labels.get(key, key), report, picture_axis(report)) for key, report in questions])


def _named(parts: Mapping[str, Any], source: Source, by: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, part in parts.items():
        # A file's countries are written as its owner writes them; a campaign's are codes.
        yield (geography.name_of(name) if by == "country" and source.is_campaign else name or "(empty)"), part


def picture_axis(report: Mapping[str, Any]) -> Axis:
    """The axis that a question's figures and their intervals share."""
    figures = [report[figure][key] for figure in FIGURES if figure in report for key in ("value", "low")]
    if any(figure is not None and figure < 0 for figure in figures):
        return Axis(-1, ((0, "−1"), (50, "0"), (100, "1")))
    return Axis(0, ((0, "0"), (50, "0.5"), (100, "1")))


def _style() -> Markup:
    """Our own style sheets as one element: the only text of the page that isn't escaped."""
    sheets = "\n".join((ROOT / "static" / "css" / name).read_text(encoding="utf-8") for name in STYLES)
    return Markup("<style>\n{}</style>").format(Markup(sheets))  # noqa: S704  (files of this repository)
