"""Insiders and outsiders beside one another, country by country: as figures, tables, charts and a sentence."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from app import geography
from app.adjudication.agreement.insider_queries import OVERALL, Counts, Parts, Sides, counted
from app.adjudication.agreement.words import FIGURES, QUESTIONS, unit_of
from app.agreement.bootstrap import NOMINAL, estimates
from app.agreement.clustered import Compared, compared
from app.agreement.families import Families
from app.agreement.intervals import Estimate
from app.agreement.patterns import Patterns, as_answers
from app.agreement.report import FEW_ITEMS
from app.agreement.rules import ANSWERS
from app.web.figures.charts import dots_of
from app.web.figures.svg import Chart
from app.web.figures.tables import Column, Table, Unit, interval, number

GROUPS = {"insiders": "Among insiders", "outsiders": "Among outsiders", "mixed": "Insider and outsider"}
PAIRED = {"insiders": "Items of 2+ insiders", "outsiders": "Items of 2+ outsiders", "mixed": "Items of both"}
MEASURED = ("no", "unsure")
EVERYTHING = "All countries"
SAME_ITEMS = "All countries, items both judged"
DRAWN = 15
"""Countries in a chart; the table has all."""


class Group(NamedTuple):
    """Agreement of two or more people of a group, and on how many items."""

    agreement: Estimate
    n_paired: int


class Row(NamedTuple):
    """A country's figures, or everybody's (`part` OVERALL). `groups` is empty where nothing but answers is compared."""

    part: str
    label: str
    groups: Mapping[str, Group]
    n_insiders: int
    n_outsiders: int
    answers: Mapping[str, Compared]


def rows(parts: Parts, figure: str) -> list[Row]:
    """All countries together, then only the items that both judged, then each country that an insider has judged, in
    the order of their names."""
    if OVERALL not in parts:
        return []
    both = Counter[Sides]()
    for sides, n in parts[OVERALL].items():
        if sides.mixed is not None:
            both[Sides(sides.family, counted(sides.mixed[:1]), counted(sides.mixed[1:]), sides.mixed)] += n
    names = {geography.name_of(part): part for part in parts if part != OVERALL and _has_insiders(parts[part])}
    found = [_row(OVERALL, EVERYTHING, parts[OVERALL], figure)]
    if both:
        found.append(_row(OVERALL, SAME_ITEMS, both, None))
    return found + [_row(names[name], name, parts[names[name]], figure) for name in sorted(names, key=str.casefold)]


def _has_insiders(items: Mapping[Sides, int]) -> bool:
    return any(any(sides.insiders) for sides in items)


def _row(part: str, label: str, items: Mapping[Sides, int], figure: str | None) -> Row:
    groups = {}
    if figure is not None:
        groups = {
            "insiders": _group(((sides.family, sides.insiders, n) for sides, n in items.items()), figure),
            "outsiders": _group(((sides.family, sides.outsiders, n) for sides, n in items.items()), figure),
            "mixed": _group(
                ((sides.family, counted(sides.mixed), n) for sides, n in items.items() if sides.mixed is not None),
                figure,
            ),
        }
    n_insiders = sum(sum(sides.insiders) * n for sides, n in items.items())
    n_outsiders = sum(sum(sides.outsiders) * n for sides, n in items.items())
    answers = {answer: _compared(items, answer) for answer in MEASURED}
    return Row(part, label, groups, n_insiders, n_outsiders, answers)


def _group(items: Iterable[tuple[str, Counts, int]], figure: str) -> Group:
    members = [(family, votes, n) for family, votes, n in items if any(votes)]
    patterns = Patterns.from_rows([(votes, n) for _, votes, n in members], ANSWERS)
    families = None
    if any(family for family, _, _ in members):
        families = Families.from_items(patterns, [(family, as_answers(votes), n) for family, votes, n in members])
    return Group(estimates(patterns, {figure: NOMINAL[figure]}, families=families)[figure], patterns.n_items_paired)


def _compared(items: Mapping[Sides, int], answer: str) -> Compared:
    """With families a cluster is all items of one; without, an item."""
    place = ANSWERS.index(answer)
    families: dict[str, list[int]] = {}
    clusters: Counter[tuple[int, ...]] = Counter()
    for sides, n in items.items():
        cell = (sides.insiders[place], sides.outsiders[place], sum(sides.insiders), sum(sides.outsiders))
        if sides.family:
            total = families.setdefault(sides.family, [0, 0, 0, 0])
            families[sides.family] = [one + n * other for one, other in zip(total, cell, strict=True)]
        else:
            clusters[cell] += n
    clusters.update(tuple(total) for total in families.values())
    table = np.array(sorted(clusters.items()), dtype=object)
    cells = np.array([list(cell) for cell in table[:, 0]], dtype=np.float64)
    return compared(cells[:, :2], cells[:, 2:], table[:, 1].astype(np.float64))


def agreement_table(found: Sequence[Row], question: str, figure: str) -> Table:
    columns = [Column("country", "Country", Unit.TEXT)]
    for name, label in GROUPS.items():
        columns += [Column(name, label, unit_of(figure)), Column(f"{name}_items", PAIRED[name], Unit.COUNT)]
    columns.append(Column("few", f"Fewer than {FEW_ITEMS} paired items", Unit.TEXT))
    lines = []
    for row in found:
        if row.groups:
            cells: list[Any] = []
            for name in GROUPS:
                cells += [row.groups[name].agreement.as_json(), row.groups[name].n_paired]
            few = ["between" if name == "mixed" else name for name in GROUPS if row.groups[name].n_paired < FEW_ITEMS]
            lines.append((row.label, *cells, f"few: {', '.join(few)}" if few else ""))
    return Table("agreement", f"{FIGURES[figure]}: {QUESTIONS[question]}", tuple(columns), lines)


def answers_table(found: Sequence[Row], question: str) -> Table:
    columns = [
        Column("country", "Country", Unit.TEXT),
        Column("insider_answers", "Insiders’ answers", Unit.COUNT),
        Column("outsider_answers", "Outsiders’ answers", Unit.COUNT),
    ]
    for answer in MEASURED:
        columns += [
            Column(f"insiders_{answer}", f"Insiders “{answer}”", Unit.SHARE),
            Column(f"outsiders_{answer}", f"Outsiders “{answer}”", Unit.SHARE),
            Column(f"difference_{answer}", f"Difference in “{answer}”", Unit.DIFFERENCE),
        ]
    columns.append(Column("few", f"Fewer than {FEW_ITEMS} answers", Unit.TEXT))
    lines = []
    for row in found:
        cells = [part.as_json() for answer in MEASURED for part in row.answers[answer]]
        few = [name for name, n in (("insiders", row.n_insiders), ("outsiders", row.n_outsiders)) if n < FEW_ITEMS]
        lines.append((row.label, row.n_insiders, row.n_outsiders, *cells, f"few: {', '.join(few)}" if few else ""))
    return Table("answers", f"Answers no and unsure: {QUESTIONS[question]}", tuple(columns), lines)


def drawn(found: Sequence[Row]) -> list[Row]:
    """The rows of a chart: those of all countries, and the DRAWN that insiders have judged most."""
    countries = sorted((row for row in found if row.part != OVERALL), key=lambda row: -row.n_insiders)[:DRAWN]
    return [row for row in found if row.part == OVERALL or row in countries]


def agreement_chart(found: Sequence[Row], question: str, figure: str) -> Chart:
    table = agreement_table(drawn(found), question, figure)
    return dots_of(table, ["insiders", "outsiders"], "insiders-agreement")


def answers_chart(found: Sequence[Row], question: str, answer: str) -> Chart:
    table = answers_table(drawn(found), question)
    title = f"Share of “{answer}”: {QUESTIONS[question]}"
    keys = [f"insiders_{answer}", f"outsiders_{answer}"]
    return dots_of(table._replace(title=title), keys, "insiders-answers", is_fitted=True)


def sentences(found: Sequence[Row]) -> list[str]:
    """What the first rows say of the answers no and unsure."""
    said = []
    for row in found:
        if row.part == OVERALL and row.groups:
            said += [_sentence("Over all countries", row.answers[answer], answer) for answer in MEASURED]
        elif row.part == OVERALL:
            items = "the 1 item" if row.n_insiders == 1 else f"the {row.n_insiders:,} items"
            where = f"On {items} that both judged, one answer of each counted"
            said += [_sentence(where, row.answers[answer], answer) for answer in MEASURED]
    return [sentence for sentence in said if sentence]


def _sentence(where: str, found: Compared, answer: str) -> str:
    if found.difference.value is None:
        return ""
    shares = [number(side.value, Unit.SHARE) for side in found[:2] if side.value is not None]
    beside = interval(found.difference.as_json(), Unit.DIFFERENCE)
    verdict = "chance alone could explain it" if _spans_zero(found.difference) else "more than chance alone would give"
    gap = number(found.difference.value, Unit.DIFFERENCE)
    return (
        f"{where}, insiders said {answer} in {shares[0]}\N{NO-BREAK SPACE}% of their answers and "
        f"outsiders in {shares[1]}\N{NO-BREAK SPACE}%: "
        f"{gap} points {beside}, {verdict}."
    )


def _spans_zero(difference: Estimate) -> bool:
    return difference.low is None or difference.high is None or difference.low <= 0 <= difference.high
