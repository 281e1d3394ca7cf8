"""A metrics document as tables and charts: the same for the page, for files and for programs' charts."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app import geography
from app.evaluation.pages.heat_map import heat
from app.items.models import Subtask
from app.web.figures import charts
from app.web.figures.svg import Chart
from app.web.figures.tables import Column, Table, Unit

Document = Mapping[str, Any]

SUBTASKS = {
    "SF": "One food",
    "MF": "Two foods",
    "SFB": "One food, background",
    "MFB": "Two foods, background",
}
FIGURES = (
    Column("name_accuracy", "Name right", Unit.SHARE),
    Column("country_accuracy", "Country right", Unit.SHARE),
    Column("country_entropy_bits", "Country entropy", Unit.BITS),
    Column("retention", "Retention", Unit.SHARE),
    Column("drift_to_distractor_country", "Drift to its country", Unit.SHARE),
    Column("drift_to_distractor_continent", "Drift to its continent", Unit.SHARE),
)
FAIR = (
    Column("name_accuracy", "Name, paper", Unit.SHARE),
    Column("fair_name_accuracy", "Name, fair", Unit.SHARE),
    Column("name_difference", "Difference", Unit.DIFFERENCE),
    Column("country_accuracy", "Country, paper", Unit.SHARE),
    Column("fair_country_accuracy", "Country, fair", Unit.SHARE),
    Column("country_difference", "Difference", Unit.DIFFERENCE),
)
GROUPINGS = {
    "distance": ("by_distance", "Cultural distance"),
    "country": ("by_country", "Country"),
    "continent": ("by_continent", "Continent"),
    "background": ("by_background_kind", "Background"),
    "difficulty": ("by_difficulty", "Difficulty"),
}
"""The word in an address: the document's key, and what people call it."""
GROUP_WORDS = {
    "same_country": "Same country",
    "same_continent": "Same continent",
    "cross_continent": "Another continent",
    "unanimous": "All annotators agreed",
    "contested": "Annotators disagreed",
    "street": "Street",
    "landmark": "Landmark",
}
CONTINENTS = {
    "AF": "Africa", "AN": "Antarctica", "AS": "Asia", "EU": "Europe", "NA": "North America", "OC": "Oceania",
    "SA": "South America",
}  # fmt: skip
NO_COUNTRY = "none"
_SUBTASK, _N = Column("subtask", "Subtask", Unit.TEXT), Column("n", "Answers", Unit.COUNT)


def subtask_table(document: Document) -> Table:
    return Table(
        "subtasks", "Figures by subtask", (_SUBTASK, _N, *FIGURES),
        [(subtask, found["n"], *(found[column.key] for column in FIGURES))
         for subtask, found in document["subtasks"].items()],
    )  # fmt: skip


def rules_table(document: Document) -> Table:
    """The paper's rule beside the fair one, which also takes listed aliases and any listed origin."""
    rows = []
    for subtask, found in document["subtasks"].items():
        fair = found["fair"]
        rows.append((
            subtask, found["n"], found["name_accuracy"], fair["name_accuracy"], fair["name_difference"],
            found["country_accuracy"], fair["country_accuracy"], fair["country_difference"],
        ))  # fmt: skip
    return Table("rules", "The paper’s rule and the fair rule", (_SUBTASK, _N, *FAIR), rows)


def group_table(document: Document, by: str, subtask: str | None = None) -> Table:
    """Figures by subtask and group; with `subtask` that one alone, without its column."""
    key, heading = GROUPINGS[by]
    group = Column(by, heading, Unit.TEXT)
    rows = []
    for name, groups in document[key].items():
        if subtask is not None and name != subtask:
            continue
        for code, found in (
            sorted(groups.items(), key=lambda one: country_name(one[0])) if by == "country" else groups.items()
        ):
            lead = (group_name(by, code),) if subtask is not None else (name, group_name(by, code))
            rows.append((*lead, found["n"], *(found[column.key] for column in FIGURES)))
    lead_columns = (group,) if subtask is not None else (_SUBTASK, group)
    about = f"{subtask} by" if subtask is not None else "Figures by subtask and"
    return Table(f"by_{by}", f"{about} {heading.lower()}", (*lead_columns, _N, *FIGURES), rows)


def group_name(by: str, code: str) -> str:
    if by == "country":
        return country_name(code)
    return CONTINENTS.get(code, code) if by == "continent" else GROUP_WORDS.get(code, code)


def country_name(code: str) -> str:
    return "No country" if code == NO_COUNTRY else geography.name_of(code)


def states_table(document: Document) -> Table:
    """What came of every question, scored or not."""
    states = ("ok", "refused", "truncated", "unparsable", "failed")
    return Table(
        "states", "What came of the questions",
        (_SUBTASK, *(Column(state, STATE_WORDS[state], Unit.COUNT) for state in states)),
        [(subtask, *(found["states"].get(state, 0) for state in states))
         for subtask, found in document["subtasks"].items()],
    )  # fmt: skip


STATE_WORDS = {
    "ok": "Answered",
    "refused": "Refused",
    "truncated": "Cut off",
    "unparsable": "Unreadable",
    "failed": "Failed",
}


def confusion_table(document: Document, subtask: str | None = None, *, only_wrong: bool = False) -> Table:
    """One row a pair of countries, the most frequent first."""
    columns = (
        _SUBTASK, Column("country", "True country", Unit.TEXT), Column("answered", "Answered", Unit.TEXT),
        Column("count", "Answers", Unit.COUNT), Column("share", "Of this country’s", Unit.SHARE),
    )  # fmt: skip
    rows = []
    for name, table in document["confusion"].items():
        if subtask not in (None, name):
            continue
        for gold, row in table.items():
            total = sum(row.values())
            rows += [
                (name, country_name(gold), country_name(code), count, _exactly(count / total))
                for code, count in row.items()
                if not (only_wrong and code == gold)
            ]
    rows.sort(key=lambda row: -row[3])
    return Table("confusion", "Countries taken for others" if only_wrong else "Confusion matrix", columns, rows)


def leaning_table(document: Document, subtask: str | None = None) -> Table:
    """Which countries wrong answers name, beside the share of items that are from there."""
    columns = (
        _SUBTASK, Column("country", "Country named", Unit.TEXT), Column("count", "Wrong answers", Unit.COUNT),
        Column("share", "Share of them", Unit.SHARE), Column("expected", "Share of the items", Unit.SHARE),
    )  # fmt: skip
    rows = [
        (name, country_name(one["country"]), one["count"], one["share"], _exactly(one["expected"]))
        for name, found in document["leaning"].items()
        if subtask in (None, name)
        for one in found["countries"]
    ]
    return Table("leaning", "Where wrong answers lean to", columns, rows)


def _exactly(value: float) -> dict[str, Any]:
    """A count's share, of all there is: nothing was sampled, so it has no interval."""
    return {"value": value, "low": None, "high": None, "reason": None}


TABLES: dict[str, Callable[[Document], Table]] = {
    "subtasks": subtask_table,
    "rules": rules_table,
    "states": states_table,
    **{f"by_{by}": lambda document, by=by: group_table(document, by) for by in GROUPINGS},  # type: ignore[misc]  # mypy knows no type of a default in a lambda
    "confusion": confusion_table,
    "leaning": leaning_table,
}
"""Every table of a run that can be downloaded."""


def accuracy_chart(document: Document) -> Chart:
    return _of(subtask_table(document), ("name_accuracy", "country_accuracy"), "accuracy", "Accuracy by subtask")


def retention_chart(document: Document) -> Chart:
    table = subtask_table(document)
    beside = table._replace(rows=[row for row in table.rows if row[0] != Subtask.SF.value])
    return _of(
        beside, ("retention", "drift_to_distractor_country", "drift_to_distractor_continent"), "retention",
        "Retention and drift by subtask",
    )  # fmt: skip


def entropy_chart(document: Document) -> Chart:
    return _of(subtask_table(document), ("country_entropy_bits",), "entropy", "Entropy of the countries given a dish")


def rules_chart(document: Document) -> Chart:
    keys = ("name_accuracy", "fair_name_accuracy", "country_accuracy", "fair_country_accuracy")
    return _of(rules_table(document), keys, "rules", "The paper’s rule and the fair rule")


def group_chart(document: Document, by: str, subtask: str | None = None) -> Chart:
    table = group_table(document, by, subtask)
    keys = ("country_accuracy",) if by == "country" else ("name_accuracy", "country_accuracy")
    words = "Country right" if by == "country" else "Accuracy"
    return _of(
        table,
        keys,
        f"by_{by}",
        f"{words}, {table.title[0].lower() + table.title[1:]}" if not subtask else f"{words}, {table.title}",
    )


def confusion_chart(document: Document, subtask: str) -> Chart:
    found = document["confusion"][subtask]
    codes = {code for row in found.values() for code in row}
    labels = {
        code: country_name(code) for code in sorted(codes | set(found), key=lambda code: (code == NO_COUNTRY, code))
    }
    return heat(f"confusion-{subtask}", f"Countries in {subtask}: true and answered", found, labels)


def leaning_chart(document: Document, subtask: str) -> Chart:
    table = leaning_table(document, subtask)
    shown = table._replace(rows=[row[1:] for row in table.rows[:12]], columns=table.columns[1:])
    title = f"Where wrong answers in {subtask} lean to"
    return charts.dots_of(
        shown._replace(title=title), ("share", "expected"), f"leaning-{subtask}", is_fitted=True
    )  # fmt: skip


def _of(table: Table, keys: tuple[str, ...], key: str, title: str) -> Chart:
    return charts.dots_of(table._replace(title=title), keys, key)


def run_charts(document: Document) -> Iterator[tuple[str, Callable[[], Chart]]]:
    """Every chart of a run that can be downloaded, drawn when it is asked for."""
    yield "accuracy", lambda: accuracy_chart(document)
    yield "retention", lambda: retention_chart(document)
    yield "entropy", lambda: entropy_chart(document)
    yield "rules", lambda: rules_chart(document)
    for by in GROUPINGS:
        yield f"by_{by}", lambda by=by: group_chart(document, by)  # type: ignore[misc]  # as above
    for subtask in document["subtasks"]:
        yield f"confusion-{subtask}", lambda subtask=subtask: confusion_chart(document, subtask)  # type: ignore[misc]  # as above
        yield f"leaning-{subtask}", lambda subtask=subtask: leaning_chart(document, subtask)  # type: ignore[misc]  # as above


def interval_words(document: Document) -> str:
    bootstrap = document["bootstrap"]
    return (
        f"Each figure with its 95 % interval: {bootstrap['replicates']:,} resamples of dishes, so that all "
        "items of one dish stand or fall together."
    )
