"""What is watched, as tables and charts: each for the page and as a file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from app import geography
from app.adjudication.agreement.people_views import seconds, share
from app.adjudication.agreement.words import QUESTIONS
from app.adjudication.watch import Suspect, Watched, Week
from app.adjudication.watch_queries import AGES, Given
from app.adjudication.watch_waiting import GOLD
from app.items.models import Hold, Status
from app.web.figures.heat import Cell, heat_cells
from app.web.figures.lines import Line, lines
from app.web.figures.series import bars
from app.web.figures.svg import Chart
from app.web.figures.tables import Column, Estimate, Table, Unit

HOLD_WORDS: Final = {
    Hold.CANDIDATES: "one of several images, none chosen yet",
    Hold.QUOTA: "its quota is full",
    Hold.TRAINING: "kept for training",
    Hold.TEST: "kept for a test",
}
REVISION_WORDS: Final = {
    "open": "another image is asked for",
    "working": "another image is being made",
    "answered": "another image was made",
    "dropped": "dropped",
    GOLD: "its answer is known",
    "none": "no other image is asked for",
}
ABOUT: Final = {
    "food1_identity": "Dish", "food2_identity": "Dish", "food1_origin": "Origin", "food2_origin": "Origin",
    "background": "Background",
}  # fmt: skip
"""Both foods of an image are asked the same, with the same reasons."""
MOST_DRAWN, MOST_REASONS = 15, 12
"""Rows and columns of a heat map; the table has all."""

Words = Mapping[tuple[str, str], str]
"""{(question, code): a reason in full}."""


def tables_of(found: Watched, words: Words) -> dict[str, Table]:
    """By the names of their files."""
    made = [
        progress_table(found), hours_table(found), days_table(found), ages_table(found), holders_table(found),
        insiders_table(found), holds_table(found), drift_table(found.drift), people_table(found.suspects),
        reasons_table("country", found, words), reasons_table("generator", found, words),
    ]  # fmt: skip
    return {table.key: table for table in made}


def charts_of(found: Watched, words: Words) -> dict[str, Chart]:
    """Those that have something to show, by the names of their files."""
    charts = {f"drift-{question}": drift_chart(question, weeks) for question, weeks in found.drift.items()}
    if any(span.judged for span in found.lately.hours):
        charts["hours"] = bars(
            "hours", "Judgments an hour, the last 24 hours", [(row[0], row[1]) for row in hours_table(found).rows],
            "judgments",
        )  # fmt: skip
    if any(span.judged for _, span, _ in found.days):
        of_days = [(day.strftime("%-d %b"), span.judged) for day, span, _ in found.days]
        charts["days"] = bars("days", "Judgments a day, whole days", of_days, "judgments")
    if found.reasons.by_country:
        charts["reasons-country"] = reasons_chart("country", found, words)
        charts["reasons-generator"] = reasons_chart("generator", found, words)
    return charts


def progress_table(found: Watched) -> Table:
    """Parts below a line are parts of it."""
    progress = found.progress
    rows: list[tuple[str, int]] = [("Approved", progress.of(Status.APPROVED))]
    rows.append(("Rejected", progress.of(Status.REJECTED)))
    parts = {key: n for key, n in progress.revisions.rejected.items() if key in REVISION_WORDS}
    parts["none"] = progress.of(Status.REJECTED) - sum(parts.values())
    rows += [(f"Rejected: {word}", n) for key, word in REVISION_WORDS.items() if (n := parts.get(key))]
    rows.append(("Disputed: waits for an admin", progress.of(Status.DISPUTED)))
    rows.append(("Pending", progress.of(Status.PENDING)))
    rows += [(f"Pending: {HOLD_WORDS[hold]}", n) for hold, n in progress.held_back.items()]
    if found.insiders:
        rows.append(("Pending: keeps visits for insiders", sum(row.items for row in found.insiders)))
    rows.append(("All", progress.total))
    columns = (
        Column("part", "Decision", Unit.TEXT), Column("items", "Items", Unit.COUNT),
        Column("share", "Of all", Unit.SHARE),
    )  # fmt: skip
    shares: list[tuple[Any, ...]] = [(part, n, _whole(n, progress.total)) for part, n in rows]
    if progress.not_chosen:
        shares.append(("Left out: not chosen among several images", progress.not_chosen, None))
    return Table("progress", "Items", columns, shares)


def hours_table(found: Watched) -> Table:
    columns = (
        Column("hour", "Hour from", Unit.TEXT), Column("judgments", "Judgments", Unit.COUNT),
        Column("counted", "Counted", Unit.COUNT),
    )  # fmt: skip
    hours = found.lately.hours
    starts = [found.at - timedelta(hours=len(hours) - place) for place in range(len(hours))]
    rows = [
        (start.strftime("%-d %b %H:%M"), span.judged, span.counted)
        for start, span in zip(starts, hours, strict=True)
    ]  # fmt: skip
    return Table("hours", "Judgments an hour (UTC)", columns, rows)


def days_table(found: Watched) -> Table:
    columns = (
        Column("day", "Day", Unit.TEXT), Column("judgments", "Judgments", Unit.COUNT),
        Column("counted", "Counted", Unit.COUNT), Column("decided", "Items decided", Unit.COUNT),
    )  # fmt: skip
    rows = [(day.isoformat(), span.judged, span.counted, decided) for day, span, decided in found.days]
    return Table("days", "Judgments and decided items a day (UTC)", columns, rows)


def ages_table(found: Watched) -> Table:
    columns = (Column("age", "Held for", Unit.TEXT), Column("leases", "Leases", Unit.COUNT))
    counts = [sum(holder.ages[place] for holder in found.holders) for place in range(len(AGES))]
    return Table("ages", "Open claims by age", columns, [(name, n) for (name, _), n in zip(AGES, counts, strict=True)])


def holders_table(found: Watched) -> Table:
    """Whoever holds a lease, the longest held first; then who let one run out, the most first."""
    columns = (
        Column("person", "Person", Unit.TEXT), Column("simulated", "Simulated", Unit.TEXT),
        Column("holds", "Holds", Unit.COUNT), Column("lapsed", "Run out", Unit.COUNT),
        Column("minutes", "Oldest, min", Unit.COUNT), Column("judged", "Judged, 24 h", Unit.COUNT),
        Column("expired", "Expired, 24 h", Unit.COUNT),
    )  # fmt: skip
    people = found.lately.people
    rows: list[tuple[Any, ...]] = []
    for holder in found.holders:
        did = people.get(holder.id)
        minutes = int((found.at - holder.oldest).total_seconds() // 60)
        lately = (did.judged, did.expired) if did else (0, 0)
        rows.append(
            (holder.name, "yes" if holder.is_simulated else "", holder.holds, holder.lapsed, max(minutes, 0), *lately)
        )
    holding = {holder.id for holder in found.holders}
    others = [person for account_id, person in people.items() if person.expired and account_id not in holding]
    for person in sorted(others, key=lambda person: (-person.expired, person.name)):
        is_simulated = "yes" if person.is_simulated else ""
        rows.append((person.name, is_simulated, 0, 0, None, person.judged, person.expired))
    return Table("holders", "Open claims by person", columns, rows)


def insiders_table(found: Watched) -> Table:
    columns = (
        Column("country", "Country", Unit.TEXT), Column("items", "Items waiting", Unit.COUNT),
        Column("only", "Only insiders will do", Unit.COUNT), Column("visits", "Visits kept", Unit.COUNT),
        Column("people", "People who know it", Unit.COUNT),
    )  # fmt: skip
    rows = [(geography.name_of(row.country), *row[1:]) for row in found.insiders]
    return Table("insiders", "Items that wait for somebody who knows the country", columns, rows)


def holds_table(found: Watched) -> Table:
    columns = (Column("reason", "Why", Unit.TEXT), Column("items", "Items", Unit.COUNT))
    rows = [(HOLD_WORDS[hold].capitalize(), n) for hold, n in found.progress.held_back.items()]
    return Table("holds", "Items held back", columns, rows)


def drift_table(drift: Mapping[str, Sequence[Week]]) -> Table:
    columns = (
        Column("question", "Question", Unit.TEXT), Column("week", "Week", Unit.TEXT),
        Column("monday", "From", Unit.TEXT), Column("answers", "Answers", Unit.COUNT),
        Column("no", "“No”", Unit.COUNT), Column("share", "Share of “no”", Unit.SHARE),
    )  # fmt: skip
    rows = [
        (QUESTIONS[question], week.iso, week.monday.isoformat(), week.n, week.no, week.share)
        for question, weeks in drift.items()
        for week in weeks
    ]
    return Table("drift", "Share of “no” by week", columns, rows)


def drift_chart(question: str, weeks: Sequence[Week]) -> Chart:
    """A dot a week; weeks without judgments leave a gap."""
    first, of_monday = weeks[0].monday, {week.monday: week.share for week in weeks}
    every = [first + timedelta(weeks=nth) for nth in range((weeks[-1].monday - first).days // 7 + 1)]
    series = [Line("Share of “no”", [of_monday.get(monday) for monday in every])]
    times = [monday.strftime("%-d %b") for monday in every]
    return lines(f"drift-{question}", QUESTIONS[question], times, series, Unit.SHARE, is_fitted=True)


def people_table(suspects: Sequence[Suspect]) -> Table:
    columns = (
        Column("rater", "Person", Unit.TEXT), Column("email", "E-mail", Unit.TEXT),
        Column("simulated", "Simulated", Unit.TEXT), Column("evidence", "Why", Unit.TEXT),
        Column("answers", "Answers", Unit.COUNT), Column("yes", "Yes", Unit.SHARE),
        Column("seconds", "Median time", Unit.SECONDS), Column("others", "Others’ median", Unit.SECONDS),
        Column("gold", "Known answers right", Unit.SHARE), Column("n_gold", "Known answers", Unit.COUNT),
    )  # fmt: skip
    return Table("people", "Worth a look", columns, [_suspect(suspect) for suspect in suspects])


def _suspect(suspect: Suspect) -> tuple[Any, ...]:
    rater = suspect.rater
    n, gold = sum(rater.given.values()), rater.gold
    others = suspect.others_seconds
    return (
        rater.who.name, rater.who.email, "yes" if rater.who.is_simulated else "", " ".join(suspect.words), n,
        share(rater.given["yes"], n) if n else None, seconds(rater.pace),
        None if others is None else _alone(float(others)),
        share(gold.right, gold.n) if gold.n else None, gold.n,
    )  # fmt: skip


def _rows_of(kind: str, found: Watched) -> list[Given]:
    """Each group's reasons, both foods taken together; groups and their reasons with the most first."""
    given = found.reasons.by_country if kind == "country" else found.reasons.by_generator
    summed: Counter[tuple[str, str, str]] = Counter()
    whole: Counter[str] = Counter()
    for row in given:
        summed[row.group, ABOUT.get(row.question, row.question), row.code] += row.n
        whole[row.group] += row.n
    rows = [Given(*key, n) for key, n in summed.items()]
    return sorted(rows, key=lambda row: (-whole[row.group], row.group, -row.n, row.question, row.code))


def reasons_table(kind: str, found: Watched, words: Words) -> Table:
    columns = (
        Column(kind, kind.capitalize(), Unit.TEXT), Column("about", "About", Unit.TEXT),
        Column("code", "Code", Unit.TEXT), Column("reason", "Reason", Unit.TEXT),
        Column("given", "Given", Unit.COUNT), Column("share", f"Of this {kind}’s", Unit.SHARE),
    )  # fmt: skip
    rows = _rows_of(kind, found)
    whole = _whole_of(rows)
    named = _named(words)
    return Table(
        f"reasons-{kind}",
        f"Reasons by {kind}",
        columns,
        [
            (
                _group(kind, row.group), row.question, row.code, named.get((row.question, row.code), row.code), row.n,
                share(row.n, whole[row.group]),
            )
            for row in rows
        ],
    )  # fmt: skip


def reasons_chart(kind: str, found: Watched, words: Words) -> Chart:
    """Groups by reasons; a cell holds how often, and is shaded by the share of the group's reasons."""
    rows, named = _rows_of(kind, found), _named(words)
    whole, often = _whole_of(rows), Counter[tuple[str, str]]()
    for row in rows:
        often[row.question, row.code] += row.n
    columns = [key for key, _ in often.most_common(MOST_REASONS)]
    groups = list(whole)[:MOST_DRAWN]
    counts = {(row.group, row.question, row.code): row.n for row in rows}
    drawn: list[tuple[str, list[Cell | None]]] = []
    for group in groups:
        cells: list[Cell | None] = []
        for about, code in columns:
            n = counts.get((group, about, code), 0)
            reason = named.get((about, code), code)
            title = f"{_group(kind, group)}, {about}: {reason}: {n:,} of {whole[group]:,} reasons"
            cells.append(Cell(n / whole[group], f"{n:,}", title) if n else None)
        drawn.append((_group(kind, group), cells))
    highest = max((cell.value for _, cells in drawn for cell in cells if cell and cell.value), default=1.0)
    title = f"Reasons by {kind}"
    description = f"How often each reason was given, {len(groups)} rows of {len(columns)} reasons."
    names = [f"{about}: {code.replace('_', ' ')}" for about, code in columns]
    return heat_cells(f"reasons-{kind}", title, description, names, drawn, low=0.0, high=highest)


def _whole_of(rows: Sequence[Given]) -> Counter[str]:
    whole: Counter[str] = Counter()
    for row in rows:
        whole[row.group] += row.n
    return whole


def _named(words: Words) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for (question, code), text in words.items():
        found.setdefault((ABOUT.get(question, question), code), text)
    return found


def _group(kind: str, name: str) -> str:
    return geography.name_of(name) if kind == "country" else name


def _whole(part: int, whole: int) -> Estimate:
    return {"value": part / whole if whole else None, "low": None, "high": None, "reason": None}


def _alone(value: float) -> Estimate:
    return {"value": value, "low": None, "high": None, "reason": None}
