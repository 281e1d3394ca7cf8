"""One figure of agreement: what it is of, what it came from, and how to cite it."""

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from sqlmodel import Session

from app import geography
from app.accounts.models import Account
from app.adjudication.agreement.frame import Frame, Votes
from app.adjudication.agreement.memory import remembered
from app.adjudication.agreement.words import DEFINITIONS, FIGURES, ONE_PERSON, QUESTIONS, unit_of
from app.agreement.rules import ANSWERS
from app.db import UNSTORABLE
from app.errors import Forbidden, Invalid, NotFound
from app.items.models import Subtask
from app.judgments.votes import Counts, counts_by_part, document_of, family_rows
from app.web.figures.tables import MINUS, REASONS, Column, Table, Unit, number

WITH_FAMILIES: Final = ("all", "subtask", "country", "generator", "rater")
KINDS: Final = (*WITH_FAMILIES, "week", "insiders", "outsiders", "mixed")
_SUBTASKS: Final = {
    "SF": "one food", "MF": "two foods", "SFB": "one food and a background", "MFB": "two foods and a background",
}  # fmt: skip
_KNOWING: Final = {
    "insiders": "answers of people who know {}, on questions about it",
    "outsiders": "answers of people who don’t know {}, on questions about it",
    "mixed": "the first answer of somebody who knows {} beside that of somebody who doesn’t, on questions about it",
}


class Place(NamedTuple):
    """Which figure: of a question, in a part of a kind; see `judgments.tally_models.VotePattern`."""

    question: str
    by: str
    part: str
    figure: str

    @property
    def filters(self) -> dict[str, str]:
        """For the list of items."""
        return {"question": self.question} | ({} if self.by == "all" else {"by": self.by, "part": self.part})


class Found(NamedTuple):
    """A figure's report, the votes it is made of, and whether families were drawn."""

    report: Mapping[str, Any]
    counts: Counts


def place_of(question: str, by: str, part: str, figure: str, *, is_admin: bool) -> Place:
    """Raises Invalid for what there is no figure of, and Forbidden where it is about a person."""
    for name, value, choices in (
        ("question", question, QUESTIONS),
        ("figure", figure, FIGURES),
        ("kind of part", by, KINDS),
    ):
        if value not in choices:
            raise Invalid(f"“{value[:40]}” is no {name}; choose one of {', '.join(choices)}.")
    if by == "rater" and not is_admin:
        raise Forbidden(ONE_PERSON)
    if by == "all" and part:
        raise Invalid("A part needs its kind: by=country, subtask, generator, week or another.")
    if by != "all" and (not part or UNSTORABLE.search(part)):
        raise Invalid(f"Say which {by} is meant, as part=….")
    if by == "rater":
        try:
            uuid.UUID(part)
        except ValueError:
            raise Invalid(f"“{part[:40]}” is no account’s id.") from None
    return Place(question, by, part, figure)


def find(session: Session, campaign_id: uuid.UUID, version: uuid.UUID, votes: Votes, place: Place) -> Found:
    """Raises NotFound where nothing is counted."""

    def make() -> Found:
        parts = counts_by_part(session, campaign_id, place.by, votes.basis, place.part)
        counts = parts.get(place.part, {}).get(place.question)
        if counts is None:
            # Raised here, so that addresses of what doesn't exist take no place in the memory.
            asked = QUESTIONS[place.question]
            raise NotFound(f"No judgment is counted on “{asked}” there; the overview lists what is.")
        families = None
        if votes.cluster == "families" and place.by in WITH_FAMILIES:
            kind = None if place.by == "all" else place.by
            rows = remembered(
                version, ("families", votes.basis, kind), lambda: family_rows(session, campaign_id, votes.basis, kind)
            )
            families = rows[place.part, place.question]
        return Found(document_of(counts, families=families), counts)

    return remembered(version, ("figure", votes, place[:3]), make)


def part_words(session: Session, place: Place) -> str:
    """What the figure is of, for a sentence: "all items", "items whose first food is from Egypt"."""
    part = place.part
    if place.by == "all":
        return "all items"
    if place.by == "subtask":
        return f"items of subtask {part} ({_SUBTASKS[part]})" if part in list(Subtask) else f"items of subtask {part}"
    if place.by == "country":
        return f"items whose first food is from {geography.name_of(part)}"
    if place.by == "generator":
        return f"items of generator {part}"
    if place.by == "week":
        return f"items of the week from {date.fromisoformat(part).strftime('%-d %B %Y')}"
    if place.by == "rater":
        account = session.get(Account, uuid.UUID(part))
        return f"items that {account.name or account.email} judged" if account else "items of one rater"
    return _KNOWING[place.by].format(geography.name_of(part))


def spoken(figure: str, estimate: Mapping[str, Any]) -> str:
    """A figure with its interval in a sentence.

    >>> spoken("percent_agreement", {"value": 0.5, "low": 0.25, "high": 0.75, "reason": None})
    'Percent agreement 50.0 %, 95 % interval 25.0 % to 75.0 %'
    >>> spoken("gwet_ac1", {"value": None, "low": None, "high": None, "reason": "no_overlap"})
    'Gwet’s AC1 undefined (no item has two judgments)'
    """
    unit = unit_of(figure)
    sign = " %" if unit is Unit.SHARE else ""
    why = REASONS.get(estimate["reason"] or "", estimate["reason"])
    if estimate["value"] is None:
        return f"{FIGURES[figure]} undefined ({why})"
    said = f"{FIGURES[figure]} {number(estimate['value'], unit)}{sign}"
    if estimate["low"] is None:
        return f"{said}, no interval ({why})"
    return f"{said}, 95 % interval {number(estimate['low'], unit)}{sign} to {number(estimate['high'], unit)}{sign}"


def interval_words(report: Mapping[str, Any]) -> str:
    """How the interval came about."""
    bootstrap = report["bootstrap"]
    unit = "items"
    if bootstrap["unit"] == "family":
        families = "1 family" if bootstrap["n_families"] == 1 else f"{bootstrap['n_families']:,} families"
        unit = f"{families} of items (same first food)"
    return f"percentile bootstrap over {unit}, {bootstrap['replicates']:,} replicates, seed {bootstrap['seed']}"


def sizes_words(report: Mapping[str, Any]) -> str:
    """
    >>> sizes_words({"n_items": 3, "n_items_paired": 2, "n_raters": 1, "n_judgments": 1})
    '2 paired items of 3, 1 judgment by 1 person'
    """
    judgments = "1 judgment" if report["n_judgments"] == 1 else f"{report['n_judgments']:,} judgments"
    people = "1 person" if report["n_raters"] == 1 else f"{report['n_raters']:,} people"
    return f"{report['n_items_paired']:,} paired items of {report['n_items']:,}, {judgments} by {people}"


def citation(
    shown: Frame, place: Place, found: Found, *, about: str, rule: str, counted_at: datetime | None, address: str
) -> str:
    """All there is to say about a figure, ready to be pasted into a paper's notes."""
    counted = f" Votes as of {counted_at.strftime('%Y-%m-%d %H:%M UTC')}." if counted_at else ""
    estimate = found.report[place.figure]
    interval = f" ({interval_words(found.report)})" if estimate["low"] is not None else ""
    said = (
        f"{spoken(place.figure, estimate)}{interval}. "
        f"Question “{QUESTIONS[place.question]}” ({place.question}), {about}, campaign “{shown.campaign.name}” "
        f"({shown.campaign.slug}): {sizes_words(found.report)}; {shown.votes.words}, without items of known answer. "
        f"Verification policy version {shown.policy.version}: {rule}{counted} "
        f"Definition: {DEFINITIONS[place.figure]} {address}"
    )
    return said.replace(MINUS, "-")


def pattern_table(found: Found) -> Table:
    """How many items got which answers, the commonest first."""
    columns = (
        Column("votes", "Answers", Unit.TEXT), *(Column(answer, answer.capitalize(), Unit.COUNT) for answer in ANSWERS),
        Column("n_items", "Items", Unit.COUNT), Column("share", "Share", Unit.P),
    )  # fmt: skip
    total = sum(n for _, n in found.counts.rows)
    ordered = sorted(found.counts.rows, key=lambda row: (-row[1], row[0]))
    return Table(
        "patterns", "Answers of the items", columns, [(votes_key(votes), *votes, n, n / total) for votes, n in ordered]
    )


def votes_key(votes: tuple[int, int, int]) -> str:
    """
    >>> votes_key((1, 0, 2))
    'yes-unsure-unsure'
    """
    return "-".join(answer for answer, n in zip(ANSWERS, votes, strict=True) for _ in range(n))


def figure_table(found: Found) -> Table:
    report = found.report
    columns = (
        Column("figure", "Figure", Unit.TEXT), Column("value", "Value", Unit.COEFFICIENT),
        *(Column(key, key, Unit.COUNT) for key in ("n_items", "n_items_paired", "n_raters", "n_judgments")),
    )  # fmt: skip
    counts = [report[column.key] for column in columns[2:]]
    return Table("figures", "Figures of agreement", columns, [(key, report[key], *counts) for key in FIGURES])
